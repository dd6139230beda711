//! CORS preflights: an `OPTIONS` request passes without a token if and only if a browser would send it and an operation
//! lists the method that it asks for.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokenward::engine::config::settings::Settings;
use tokenward::engine::request::head::{RequestHead, Rest};

use crate::oracle::reading::{Oracle, Request};
use crate::oracle::requests::{Case, cases};
use crate::oracle::{agree, at, compile, config};

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn preflights_pass_like_in_the_oracle((case, drafts) in (cases(), vec(drafts(), 40))) {
        let wrong = compare(&case, &drafts, |_| {});
        prop_assert!(wrong.is_none(), "{}", wrong.unwrap_or_default());
    }
}

#[test]
fn some_preflights_pass_and_some_do_not() {
    let mut runner = TestRunner::deterministic();
    let (mut passed, mut all) = (0, 0);
    for _ in 0..100 {
        let (case, drafts) = (cases(), vec(drafts(), 40)).new_tree(&mut runner).unwrap().current();
        let wrong = compare(&case, &drafts, |passes| {
            passed += usize::from(passes);
            all += 1;
        });
        assert_eq!(wrong, None);
    }
    assert!(passed * 20 > all && passed * 2 < all, "{passed} of {all}");
}

/// How a request becomes a preflight, or almost one.
#[derive(Clone, Debug)]
struct Draft {
    asked: &'static str,
    query: &'static str,
    /// Headers in addition to `access-control-request-method`.
    headers: &'static [(&'static str, &'static str)],
    /// Whether a browser sends these headers, this query and this end of the request with a preflight.
    plain: bool,
    rest: Rest,
    /// Whether it keeps the credentials of the original request.
    credentials: bool,
}

fn drafts() -> impl Strategy<Value = Draft> {
    let asked = prop_oneof![6 => Just("GET"), 4 => select(vec!["POST", "HEAD", "DELETE", "PUT", "OPTIONS"])];
    let queries = prop_oneof![
        12 => select(vec![("", true), ("?a=1", true), ("?payment_method=card", true)]),
        1 => select(vec![("?_method=PUT", false), ("?a=1&X-HTTP-Method-Override=GET", false), ("?%5fmethod=", false)]),
    ];
    let headers = prop_oneof![
        12 => select(PLAIN.to_vec()).prop_map(|headers| (headers, true)),
        2 => select(ODD.to_vec()).prop_map(|headers| (headers, false)),
    ];
    let rest = prop_oneof![12 => Just(Rest::Nothing), 1 => Just(Rest::Content)];
    let credentials = prop_oneof![6 => Just(false), 1 => Just(true)];
    (asked, queries, headers, rest, credentials).prop_map(
        |(asked, (query, quiet), (headers, plain), rest, credentials)| Draft {
            asked,
            query,
            headers,
            plain: quiet && plain && rest == Rest::Nothing,
            rest,
            credentials,
        },
    )
}

type Headers = &'static [(&'static str, &'static str)];

/// Headers that a browser sends.
const PLAIN: [Headers; 4] = [
    &[("origin", "https://app.test")],
    &[("origin", "null"), ("accept", "*/*"), ("content-length", "0")],
    &[("origin", "http://app.test:8080"), ("access-control-request-headers", "authorization,x-a")],
    &[("origin", "https://app.test"), ("x-forwarded-for", "203.0.113.7")],
];

/// Headers that no browser sends.
const ODD: [Headers; 8] = [
    &[],
    &[("origin", "")],
    &[("origin", "https://app.test"), ("origin", "https://app.test")],
    &[("origin", "https://app.test"), ("cookie", "a=1")],
    &[("origin", "https://app.test"), ("content-length", "1")],
    &[("origin", "https://app.test"), ("transfer-encoding", "chunked")],
    &[("origin", "https://app.test"), ("access-control-request-method", "GET")],
    &[("origin", "https://app.test"), ("proxy-authorization", "Basic YTpi")],
];

/// Returns a disagreement between engine and oracle. Calls `tell` for each request with whether it passes as a
/// preflight.
fn compare(case: &Case, drafts: &[Draft], mut tell: impl FnMut(bool)) -> Option<String> {
    let document = case.bundle.document();
    let (oracle, policy) = (Oracle::of(&document), compile(&case.bundle));
    case.requests.iter().zip(drafts).find_map(|(request, draft)| {
        let request = made(request, draft);
        let decision = policy.decide(&head(&request, draft), at(&request));
        let answer = oracle.decide(&request);
        // These reasons come first.
        let is_settled = ["malformed_request", "no_policy", "public"].contains(&answer.reason);
        let is_free = draft.plain && request.authorization.is_empty();
        let asked = Request { method: draft.asked.to_owned(), ..request.clone() };
        let passes = !is_settled && is_free && oracle.lists(&asked);
        tell(passes);
        let agrees = match passes {
            true if decision.reason().code() == "preflight" => Ok(()),
            true => Err(format!("{}, not a preflight", decision.reason())),
            false => agree(&decision, &answer),
        };
        agrees.err().map(|what| format!("{what}: {request:?} {draft:?}"))
    })
}

/// Returns the request with the draft's method, and with the draft's query if it has one.
fn made(request: &Request, draft: &Draft) -> Request {
    let path = format!("{}{}", request.path.split('?').next().unwrap_or_default(), draft.query);
    let authorization = if draft.credentials { request.authorization.clone() } else { Vec::new() };
    Request { method: "OPTIONS".to_owned(), path, authorization, ..request.clone() }
}

fn head<'r>(request: &'r Request, draft: &'r Draft) -> RequestHead<'r> {
    let fields = [(":method", &*request.method), (":authority", &*request.host), (":path", &*request.path)];
    let mut headers: Vec<(&[u8], &[u8])> =
        fields.iter().chain(draft.headers).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    headers.extend(request.authorization.iter().map(|value| (&b"authorization"[..], value.as_bytes())));
    headers.push((b"access-control-request-method", draft.asked.as_bytes()));
    RequestHead::read(headers.into_iter(), &Settings { paths: request.paths, ..Settings::default() })
        .followed_by(draft.rest)
}
