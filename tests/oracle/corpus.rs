//! The corpus of decisions: the oracle gives the result that each case expects.

use serde_json::json;
use tokenward::engine::authoring::case::{Case, Prepared};
use tokenward::engine::config::settings::Settings;
use tokenward::engine::matching::path::{PathRules, Rule};

use crate::corpus;
use crate::oracle::bundles::{Bundle, time};
use crate::oracle::reading::{Oracle, Request};
use crate::oracle::{agree, at, compile, decide, head};

#[test]
fn oracle_agrees_with_the_corpus() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for topic in corpus::topics() {
        for case in &topic.cases {
            let prepared = topic.rehearsal.prepare(&case.request).unwrap();
            let Some(request) = request(case, &prepared) else { continue };
            let gateway = prepared.gateway;
            let document = gateway.settings.place(prepared.site.bundle(topic.rehearsal.bundle())).unwrap();
            let answer = Oracle::of(&document).decide(&request);
            let decision = gateway.policy.decide(&head(&request), at(&request));
            let agreed = match agree(&decision, &answer) {
                Ok(()) if answer.reason != case.expect.reason.code() => Err(format!("{answer:?}")),
                agreed => agreed,
            };
            compared += 1;
            if let Err(what) = agreed {
                wrong.push(format!("{}: {}: {what}", topic.folder.display(), case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(compared > 1_000, "the oracle decided only {compared} cases");
}

// Envoy itself rejects such a request, so it cannot be a case in the corpus.
#[test]
fn lower_case_method_is_malformed() {
    let bundle = Bundle(json!({ "version": 1, "name": "methods", "public": ["GET /users/me"] }));
    let (document, policy) = (bundle.document(), compile(&bundle));
    for (method, reason) in [("GET", "public"), ("get", "malformed_request")] {
        let request = Request {
            method: method.to_owned(),
            host: String::new(),
            path: "/users/me".to_owned(),
            authorization: Vec::new(),
            source: String::new(),
            now: time(0),
            paths: PathRules::default(),
        };
        let answer = Oracle::of(&document).decide(&request);
        assert_eq!((answer.reason, decide(&policy, &request).reason().code()), (reason, reason));
    }
}

/// Returns the request of a case, if the oracle's model covers the case.
fn request(case: &Case, prepared: &Prepared<'_>) -> Option<Request> {
    let credentials = &prepared.gateway.settings.credentials;
    let asked = &case.request;
    let is_plain = asked.headers.is_empty() && asked.secret.is_none() && asked.earlier == 0;
    let path = asked.path.split('?').next()?;
    let is_loose = path.ends_with('.') || !path.is_ascii() || LOOSE.iter().any(|part| path.contains(part));
    let paths = prepared.gateway.settings.paths;
    let normalizes = [paths.duplicate_slash, paths.dot_segments, paths.semicolon].contains(&Rule::Normalize);
    if !is_plain || is_loose || normalizes || *credentials != Settings::default().credentials {
        return None;
    }
    let values = |name: &str| {
        let headers = prepared.headers.iter().filter(move |(known, _)| known == name);
        headers.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let [method, host, path] = [":method", ":authority", ":path"].map(|name| values(name).concat());
    let source = match prepared.source.contains(':') {
        true => format!("[{}]:4711", prepared.source),
        false => format!("{}:4711", prepared.source),
    };
    let authorization = values("authorization");
    Some(Request { method, host, path, authorization, source, now: prepared.at, paths })
}

/// Spellings outside the oracle's model: text that some upstreams trim, drop or read as ASCII.
const LOOSE: [&str; 16] = [
    "./", ".%2F", "+", "%20", "%2B", "%40", "%7B", "%C2", "%C5", "%E2", "%E3", "%EF", "%2500", "%250A",
    "%25u", "%2525",
];
