//! No Debug output contains a secret.

use tokenward::engine::config::bundle::{Bundle, from_json};
use tokenward::engine::config::settings::Settings;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::policy::decision::Circumstances;
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::report::chain::Links;
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

#[test]
fn debug_output_has_no_secret_and_no_digest() {
    let secret = "test_svc_shown_0123456789";
    let digest = SecretDigest::of(secret.as_bytes()).to_hex();
    let bundle = format!(
        r#"{{ "version": 1, "name": "debug", "permissions": {{ "p": ["GET /a"] }},
            "roles": {{ "r": {{ "permissions": ["p"] }} }}, "kinds": {{ "service": {{}} }},
            "tokens": {{ "t": {{ "kind": "service", "roles": ["r"],
                "secrets": [{{ "id": "1", "sha256": "{digest}" }}] }} }} }}"#
    );
    let document: Bundle = from_json(bundle.as_bytes()).unwrap();
    let mut shown = format!("{document:?}");
    let gateway = Gateway::configure(format!(r#"{{ "bundle": {bundle} }}"#).as_bytes()).unwrap();
    shown += &format!("{gateway:?}");
    let policy = Policy::compile(document).unwrap();
    let settings = Settings::default();
    let authorization = format!("Bearer {secret}");
    for path in [format!("/a?token={secret}"), format!("/b?token={secret}"), format!("//?token={secret}")] {
        let headers = [
            (&b":method"[..], &b"GET"[..]),
            (b":path", path.as_bytes()),
            (b"authorization", authorization.as_bytes()),
        ];
        let head = RequestHead::read(headers.into_iter(), &settings);
        let circumstances = Circumstances { now: Time::EPOCH, source: Source::UNKNOWN };
        let decision = policy.decide(&head, circumstances);
        shown += &format!("{head:?} {decision:?}");
    }
    assert!(shown.contains("SecretDigest("), "{shown}");
    assert!(!shown.contains(secret) && !shown.contains(&digest), "{shown}");
    // Derived Debug output shows bytes as a list of numbers.
    let numbers = format!("{:?}", secret.as_bytes());
    assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn debug_output_and_errors_have_no_chain_key() {
    let key = "5ec2e7".repeat(10) + "5ec2";
    let configuration = |chain: &str| {
        let bundle = r#"{ "version": 1, "name": "debug" }"#;
        format!(r#"{{ "bundle": {bundle}, "audit": {{ "chain": {chain} }} }}"#)
    };
    let good = format!(r#"{{ "hmac_sha256": "{key}" }}"#);
    let gateway = Gateway::configure(configuration(&good).as_bytes()).unwrap();
    let shown = format!("{gateway:?} {:?}", Links::of(&gateway.settings.audit.chain));
    assert!(shown.contains("ChainKey(…)") && !shown.contains("5ec2e7"), "{shown}");
    let digits = "1234567890".repeat(6) + "1234";
    for bad in [
        format!("\"{key}\""),
        format!(r#"{{ "{key}": "hmac_sha256" }}"#),
        format!(r#"{{ "hmac_sha512": "{key}" }}"#),
        format!(r#"{{ "hmac_sha256": "{key}0" }}"#),
        format!(r#"{{ "hmac_sha256": "{}z" }}"#, key.trim_end_matches('2')),
        format!(r#"{{ "hmac_sha256": ["{key}"] }}"#),
        format!(r#"{{ "hmac_sha256": "{key}", "{key}": "" }}"#),
        format!(r#"{{ "hmac_sha256": {digits} }}"#),
        digits.clone(),
        format!(r#"["{key}"]"#),
    ] {
        let problems = Gateway::configure(configuration(&bad).as_bytes()).unwrap_err().to_string();
        assert!(problems.contains("audit.chain"), "{problems}");
        assert!(!problems.contains("5ec2e7") && !problems.contains("12345"), "{problems}");
    }
}

#[test]
fn debug_output_and_errors_have_no_header_value() {
    let key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let configuration = |what: &str, headers: &str| {
        let keys = if what == "feed" { format!(r#", "keys": ["{key}"]"#) } else { String::new() };
        format!(
            r#"{{ "bundle": {{ "version": 1, "name": "debug" }}, "{what}": {{
                "cluster": "c", "authority": "a", "path": "/b", "headers": {headers} {keys} }} }}"#
        )
    };
    let good = r#"{ "authorization": "Bearer 5ec2e7", "x-tenant": "5ec2e7 edge" }"#;
    for what in ["feed", "alerts"] {
        let gateway = Gateway::configure(configuration(what, good).as_bytes()).unwrap();
        let shown = format!("{gateway:?}");
        assert!(shown.contains("authorization") && !shown.contains("5ec2e7"), "{shown}");
        let whole = serde_json::to_value(&gateway.settings).unwrap();
        assert_eq!(whole[what]["headers"]["authorization"], "Bearer 5ec2e7", "render carries it");
        for bad in [
            r#""Bearer 5ec2e7""#,
            r#"["5ec2e7"]"#,
            "5123457",
            "-5123457.5",
            r#"{ "Bearer 5ec2e7": "authorization" }"#,
            r#"{ "Authorization": "5ec2e7" }"#,
            r#"{ ":authority": "5ec2e7" }"#,
            r#"{ "host": "5ec2e7" }"#,
            r#"{ "content_length": "5ec2e7" }"#,
            r#"{ "x-envoy-upstream-rq-timeout-ms": "5ec2e7" }"#,
            r#"{ "authorization": "" }"#,
            r#"{ "authorization": " 5ec2e7" }"#,
            r#"{ "authorization": "5ec2e7\r\nx: y" }"#,
            r#"{ "authorization": "5ec2e7\u00e9" }"#,
            r#"{ "authorization": 5123457 }"#,
            r#"{ "authorization": -5123457 }"#,
            r#"{ "authorization": 5123457.5 }"#,
            r#"{ "authorization": ["5ec2e7"] }"#,
            r#"{ "authorization": { "5ec2e7": 1 } }"#,
            r#"{ "authorization": null }"#,
            r#"{ "x-a": "5ec2e7", "x_a": "5ec2e7" }"#,
            r#"{ "x-a": "5ec2e7", "x-a": "5ec2e7" }"#,
        ] {
            let problems = Gateway::configure(configuration(what, bad).as_bytes()).unwrap_err().to_string();
            assert!(problems.contains(&format!("{what}.headers")), "{bad}: {problems}");
            assert!(!problems.contains("5ec2e7") && !problems.contains("51234"), "{bad}: {problems}");
        }
        let many = |count: usize| {
            let headers = (0..count).map(|number| (format!("x-{number}"), "5ec2e7".into()));
            serde_json::Value::Object(headers.collect()).to_string()
        };
        let long = |length: usize| format!(r#"{{ "x-a": "{}" }}"#, "s".repeat(length));
        for (headers, good) in
            [(many(16), true), (many(17), false), (long(4_096), true), (long(4_097), false)]
        {
            assert_eq!(Gateway::configure(configuration(what, &headers).as_bytes()).is_ok(), good);
        }
    }
}
