//! Requests with many parts of one kind, and policies with many operations that a request may match.

use serde_json::{Value, json};
use tokenward::engine::policy::decision::Circumstances;
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::policy::verdict::Verdict;
use tokenward::engine::report::audit::{AuditEvent, Line};
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

use crate::{Load, Work};

pub(crate) const LOADS: &[Load] = &[
    Load { of: "segments of a path", few: 1_000, work: |n| path(format!("/tree{}", "/a".repeat(n))) },
    Load { of: "bytes of a segment", few: 4_000, work: |n| path(format!("/tree/{}", "a".repeat(n))) },
    Load { of: "escapes", few: 1_000, work: |n| path(format!("/tree/{}", "%c3%a9".repeat(n))) },
    Load { of: "segments to trim", few: 1_000, work: |n| path(format!("/tree{}", "/A%20.".repeat(n))) },
    Load { of: "spaces to trim", few: 1_000, work: |n| path(format!("/tree/{}a", "%20+".repeat(n))) },
    Load { of: "delimiters of a refused path", few: 1_000, work: |n| path(format!("/..{}", "%2".repeat(n))) },
    Load { of: "dot segments", few: 1_000, work: |n| path(format!("/tree{}", "/a/./../a".repeat(n))) },
    Load { of: "slashes", few: 4_000, work: |n| path(format!("/tree{}", "/".repeat(n))) },
    Load {
        of: "parameters",
        few: 1_000,
        work: |n| path(format!("/tree?access_token={SECRET}{}", "&a=b".repeat(n))),
    },
    Load {
        of: "escapes in the query",
        few: 1_000,
        work: |n| path(format!("/tree?access_token={SECRET}&{}", "%61".repeat(n))),
    },
    Load {
        of: "credentials in the query",
        few: 1_000,
        work: |n| path(format!("/tree?a{}", "&access_token=b".repeat(n))),
    },
    Load { of: "unrelated headers", few: 500, work: |n| headers(n, |i| (format!("x-a{i}"), "b".to_owned())) },
    Load {
        of: "repeated credentials",
        few: 500,
        work: |n| headers(n, |_| ("x-api-key".to_owned(), "b".to_owned())),
    },
    Load {
        of: "repeated forged headers",
        few: 500,
        work: |n| headers(n, |_| ("x-tokenward-token".to_owned(), "b".to_owned())),
    },
    Load {
        of: "repeated overrides",
        few: 500,
        work: |n| headers(n, |_| ("x-original-url".to_owned(), "b".to_owned())),
    },
    Load {
        of: "cookie headers",
        few: 500,
        work: |n| headers(n, |i| ("cookie".to_owned(), format!("a{i}=b"))),
    },
    Load {
        of: "options of a connection",
        few: 1_000,
        work: |n| headers(1, |_| ("connection".to_owned(), "close, ".repeat(n))),
    },
    Load { of: "cookies", few: 1_000, work: |n| headers(1, |_| ("cookie".to_owned(), "a=b; ".repeat(n))) },
    Load {
        of: "bytes of a credential",
        few: 10_000,
        work: |n| headers(1, |_| ("x-api-key".to_owned(), "b".repeat(n))),
    },
    Load {
        of: "operations at one place",
        few: 500,
        work: |n| among(n, |i| format!("GET /v1/items/{{id}}:verb{i}"), "/v1/items/7:verb0"),
    },
    Load { of: "domains", few: 500, work: |n| among(n, |i| format!("GET *.h{i}.test/**"), "/v1/items") },
    Load {
        of: "operations elsewhere",
        few: 500,
        work: |n| among(n, |i| format!("GET /v1/s{i}/{{x}}"), "/v1/s0/a"),
    },
    Load {
        of: "operations of one shape",
        few: 500,
        work: |n| among(n, |_| "GET /v1/items".to_owned(), "/v1/items"),
    },
];

const SECRET: &str = "scaling_svc_0123456789";

fn path(path: String) -> Work {
    judged(gateway(&["GET /tree/**".to_owned()]), head(&path))
}

fn headers(count: usize, one: impl Fn(usize) -> (String, String)) -> Work {
    let mut headers = head("/tree/a");
    headers.extend((0..count).map(one));
    judged(gateway(&["GET /tree/**".to_owned()]), headers)
}

fn among(count: usize, one: impl Fn(usize) -> String, path: &str) -> Work {
    let operations: Vec<String> = (0..count).map(one).collect();
    judged(gateway(&operations), head(path))
}

fn head(path: &str) -> Vec<(String, String)> {
    let mut head = vec![(":method", "GET"), (":path", path), (":authority", "a.test")];
    if !path.contains("access_token") {
        head.push(("authorization", "Bearer scaling_svc_0123456789"));
    }
    head.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A gateway with operations of a permission that a token holds, and of one that its role denies.
fn gateway(operations: &[String]) -> Gateway {
    let configuration: Value = json!({
        "bundle": {
            "version": 1, "name": "scaling",
            "permissions": { "p": operations, "q": ["* /admin/**"] },
            "roles": { "r": { "permissions": ["p"], "deny": ["q"] } }, "kinds": { "k": {} },
            "tokens": { "t": { "kind": "k", "roles": ["r"], "secrets": [
                { "id": "1", "sha256": SecretDigest::of(SECRET.as_bytes()) },
            ]}},
        },
        "credentials": [
            { "header": "authorization", "scheme": "Bearer" }, { "header": "x-api-key" },
            { "query": "access_token" }, { "cookie": "token" },
        ],
        "paths": { "dot_segments": "normalize", "duplicate_slash": "normalize" },
    });
    Gateway::configure(configuration.to_string().as_bytes()).unwrap()
}

/// The work of a request, including the host's changes afterwards: each name once.
fn judged(gateway: Gateway, headers: Vec<(String, String)>) -> Work {
    let circumstances = Circumstances { now: Time::EPOCH, source: Source::UNKNOWN };
    Box::new(move || {
        for _ in 0..REPEATED {
            let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let head = RequestHead::read(headers, &gateway.settings);
            let decision = gateway.policy.decide(&head, circumstances);
            let mode = gateway.settings.mode;
            let event = AuditEvent::of(&decision, &head, circumstances, &gateway.policy, mode);
            drop(Line::new(&event, circumstances.now, 0).to_json());
            drop(Verdict::of(&decision, &head, &gateway.policy, &gateway.settings));
        }
    })
}

/// A single request takes too little time to measure.
const REPEATED: usize = 5;
