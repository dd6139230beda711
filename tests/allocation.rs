//! A permit allocates nothing.

use tokenward::engine::address::Source;
use tokenward::engine::decision::Circumstances;
use tokenward::engine::document::from_json;
use tokenward::engine::head::RequestHead;
use tokenward::engine::policy::Policy;
use tokenward::engine::problem::Problems;
use tokenward::engine::reason::Reason;
use tokenward::engine::settings::Settings;
use tokenward::engine::time::Time;

#[test]
fn deciding_on_a_permit_allocates_nothing() -> Result<(), Problems> {
    // The digest is that of `an-old-secret-of-ours`; a role that denies something else is looked up in both cases.
    let bundle = br#"{
        "version": 1, "name": "allocation", "public": ["GET /healthz"],
        "permissions": { "read": ["GET /v1/users/{id}", "GET /v1/metrics/**"], "admin": ["* /admin/**"] },
        "roles": { "reader": { "permissions": ["read"], "deny": ["admin"] } },
        "kinds": { "service": {} },
        "tokens": { "t": { "kind": "service", "roles": ["reader"], "secrets": [
            { "id": "1", "sha256": "3146e3a7bf7741e46266828bc41cc9a1d396b28a5c9c3ab679d14501e772cc65" }
        ]}}
    }"#;
    let policy = Policy::compile(from_json(bundle)?)?;
    for (path, reason) in [
        (&b"/v1/users/7"[..], Reason::Permitted),
        (b"/v1/metrics/a/b/c?x=1", Reason::Permitted),
        (b"/v1/users/a%20b%5B7%5D", Reason::Permitted),
        (b"/healthz", Reason::Public),
    ] {
        let headers: [(&[u8], &[u8]); 3] =
            [(b":method", b"GET"), (b":path", path), (b"authorization", b"Bearer an-old-secret-of-ours")];
        let head = RequestHead::read(headers.into_iter(), &Settings::default());
        let circumstances = Circumstances { now: Time::EPOCH, source: Source::UNKNOWN };
        let mut decided = None;
        let counted =
            allocation_counter::measure(|| decided = Some(policy.decide(&head, circumstances).reason()));
        assert_eq!((decided, counted.count_total), (Some(reason), 0));
    }
    Ok(())
}
