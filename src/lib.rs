//! tokenward: role policies for API tokens, enforced inside Envoy and Istio.
//!
//! A **bundle** is compiled once into a **policy**. For each request head the policy gives a **decision**. The filter
//! turns the decision into a **verdict** and an **audit event**.
//!
//! Configuration, once:
//!
//! ```text
//! bytes ──Gateway::configure──▶ Bundle ──Policy::compile──▶ Policy, Settings
//! ```
//!
//! A request (`filter::http`):
//!
//! ```text
//! headers ──RequestHead::read(headers, settings)──▶ RequestHead
//!         ──Policy::judge(head, circumstances, suspensions)──▶ Judged
//!         ──Judged::meter(take)──▶ Decision
//!         ──Verdict::of(decision, head, policy, settings)──▶ Verdict ──▶ forward, or reply
//!         ──AuditEvent::of(decision, head, circumstances, policy, …)──▶ AuditEvent ──▶ host's log
//!         ──Policy::offence(decision, source)──▶ Offence ──▶ Window, Suspensions in shared data
//! ```
//!
//! A tick, once a second (`filter::root`):
//!
//! ```text
//! feed    ──Schedule::is_due(now)──▶ Feed::request(path, etag) ──▶ the server of bundles
//!         ◀──answer(head, length, limit, known)── Settings::fetched(text, active)
//!         ──Marks::admit(seal, trusted, now)──▶ Policy::admits(fetched) ──▶ the next policy
//!         ──Policy::revoke(list)──▶ revoked tokens and secrets
//! alerts  ──Queue::push_event(event, node, settings)──▶ the receiver ──Delivery::of(status)──▶ Queue::remove
//! defense ──Suspensions::from_bytes──▶ gauges
//! audit   ──Strangers::over(now)──▶ SummaryEvent
//! ```
//!
//! The layers of [`engine`]. Each layer imports only layers above it in this table, and `make lint` checks that:
//!
//! | layer | content |
//! | --- | --- |
//! | [`words`](engine::words) | basic types: names, times, secrets, addresses |
//! | [`matching`](engine::matching) | hosts, paths, patterns, and the index of operations |
//! | [`config`](engine::config) | the parsed documents and settings |
//! | [`memory`](engine::memory) | the byte formats kept in Envoy's shared data |
//! | [`fetching`](engine::fetching) | when a gateway fetches a bundle, and whether it accepts the response |
//! | [`request`](engine::request) | the request head and its credential |
//! | [`policy`](engine::policy) | decisions and verdicts |
//! | [`report`](engine::report) | audit events, alerts and metrics |
//! | [`authoring`](engine::authoring) | lint, explain and policy tests |
//!
//! | word | meaning |
//! | --- | --- |
//! | token | an identity for a machine or person, with a stable id: kind, roles, scope |
//! | secret | one credential string of a token; the policy stores only its SHA-256 |
//! | operation | methods, an optional host and a path pattern |
//! | permission | a named set of operations |
//! | role | a set of permissions, with `inherits` and `deny` |
//! | kind | a class of tokens with guard-rails |
//! | scope | a subset of its roles' permissions to which a token is limited |
//! | bundle | policy document, registry of tokens and a revision, in one file that ships |
//! | decision | permit or deny, with a reason |
//! | verdict | forward, forward in shadow, or reply |
//!
//! ```
//! use tokenward::engine::words::address::Source;
//! use tokenward::engine::policy::decision::Circumstances;
//! use tokenward::engine::config::bundle::from_json;
//! use tokenward::engine::request::head::RequestHead;
//! use tokenward::engine::policy::compiled::Policy;
//! use tokenward::engine::words::reason::Reason;
//! use tokenward::engine::config::settings::Settings;
//! use tokenward::engine::words::time::Time;
//!
//! let bundle = br#"{
//!     "version": 1, "name": "shop",
//!     "permissions": { "orders:read": ["GET /v1/orders/**"] },
//!     "roles": { "viewer": { "permissions": ["orders:read"] } },
//!     "kinds": { "service": {} },
//!     "tokens": { "window": { "kind": "service", "roles": ["viewer"], "secrets": [
//!         { "id": "1", "sha256": "3146e3a7bf7741e46266828bc41cc9a1d396b28a5c9c3ab679d14501e772cc65" }
//!     ]}}
//! }"#;
//! let policy = Policy::compile(from_json(bundle)?)?;
//!
//! let headers: [(&[u8], &[u8]); 3] = [
//!     (b":method", b"GET"),
//!     (b":path", b"/v1/orders/7?page=2"),
//!     (b"authorization", b"Bearer an-old-secret-of-ours"),
//! ];
//! let head = RequestHead::read(headers.into_iter(), &Settings::default());
//! let circumstances = Circumstances { now: Time::EPOCH, source: Source::of(b"203.0.113.7:4711") };
//! assert_eq!(policy.decide(&head, circumstances).reason(), Reason::Permitted);
//! # Ok::<(), tokenward::engine::config::problem::Problems>(())
//! ```

pub mod engine;

#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
#[cfg(target_arch = "wasm32")]
mod filter;
