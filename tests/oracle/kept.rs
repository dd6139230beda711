//! Paths with characters that a gateway keeps: engine and oracle agree on any mixture of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tokenward::engine::matching::path::{CharacterRule, PathRules, SlashRule};
use tokenward::engine::words::secret::SecretDigest;

use crate::oracle::bundles::{Bundle, time};
use crate::oracle::reading::{Oracle, Request};
use crate::oracle::requests::path_rules;
use crate::oracle::{agree, compile, config, decide};

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn kept_characters_are_judged_like_the_oracle(request in requests()) {
        let bundle = bundle();
        let (document, policy) = (bundle.document(), compile(&bundle));
        let agreed = agree(&decide(&policy, &request), &Oracle::of(&document).decide(&request));
        prop_assert!(agreed.is_ok(), "{:?}: {:?}", request, agreed);
    }
}

/// A program that takes `//b` for a host reads the end of this path as `//`.
#[test]
fn reading_of_two_slashes_has_an_empty_segment() {
    let (encoded_slash, keep) = (SlashRule::Keep, CharacterRule::Keep);
    let paths = PathRules { encoded_slash, percent: keep, ..PathRules::default() };
    let request = request("/%2F%252F/b/%2F".to_owned(), "writer", paths);
    let bundle = bundle();
    let (document, policy) = (bundle.document(), compile(&bundle));
    let answer = Oracle::of(&document).decide(&request);
    assert_eq!(answer.reason, "insufficient_scope");
    agree(&decide(&policy, &request), &answer).unwrap();
}

#[test]
fn readings_of_kept_characters_deny_often() {
    let mut runner = TestRunner::deterministic();
    let document = bundle().document();
    let oracle = Oracle::of(&document);
    let (mut permitted, mut denied) = (0, 0);
    for _ in 0..2_000 {
        let request = requests().new_tree(&mut runner).unwrap().current();
        permitted += usize::from(oracle.keeps(&request) && oracle.decide(&request).reason == "permitted");
        denied += usize::from(oracle.is_denied_for_what_is_kept(&request));
    }
    assert!(permitted > 200 && denied > 100, "{permitted} permitted, {denied} denied for a reading");
}

fn requests() -> impl Strategy<Value = Request> {
    let paths = vec(select(PIECES.to_vec()), 1..8).prop_map(|pieces| format!("/{}", pieces.concat()));
    (paths, select(vec!["careful", "reader", "writer"]), path_rules(9))
        .prop_map(|(path, role, paths)| request(path, role, paths))
}

fn request(path: String, role: &str, paths: PathRules) -> Request {
    let authorization = vec![format!("Bearer {}", secret(role))];
    let (method, host, source) = ("GET".to_owned(), String::new(), String::new());
    Request { method, host, path, authorization, source, now: time(0), paths }
}

/// One role grants by variables, one by literals, and one grants everything except what it denies.
fn bundle() -> Bundle {
    let roles = ["careful", "reader", "writer"];
    let token = |role: &str| {
        let digest = SecretDigest::of(secret(role).as_bytes()).to_hex();
        (
            role.to_owned(),
            json!({ "kind": "any", "roles": [role], "secrets": [{ "id": "1", "sha256": digest }] }),
        )
    };
    let tokens: serde_json::Map<_, _> = roles.into_iter().map(token).collect();
    Bundle(json!({
        "version": 1,
        "name": "kept",
        "public": ["GET /p/{x}"],
        "permissions": {
            "variables": ["GET /{x}", "GET /{x}/{y}", "GET /a/{x}", "GET /a/{x}/b", "GET /b/{x}:go"],
            "literals": ["GET /a", "GET /a/b", "GET /p/a", "GET /b/{x}/a", "GET /{x}/b/**"],
            "below": ["GET /b/**", "GET /a/{x}/{y}"],
            "denied": ["GET /a/a", "GET /b/{x}/b", "GET /{x}/{y}/a/b", "GET /p"],
            "everything": ["GET /**"],
        },
        "roles": {
            "reader": { "permissions": ["variables"] },
            "writer": { "permissions": ["literals", "below"], "deny": ["denied"] },
            "careful": { "permissions": ["everything"], "deny": ["denied", "literals"] },
        },
        "kinds": { "any": {} },
        "tokens": tokens,
    }))
}

fn secret(role: &str) -> String {
    format!("oracle-kept-{role}")
}

/// Letters and slashes, as they are and as characters that some program reads as them.
const PIECES: [&str; 24] = [
    "a",
    "b",
    "p",
    "A",
    "a",
    "b",
    "/",
    "/",
    "/",
    "%2F",
    "%2f",
    "%252F",
    "%255C",
    "%EF%BC%8F",
    "%2561",
    "%252562",
    "%EF%BD%81",
    "%E2%80%8D",
    "%25",
    "%EF%BC%9F",
    "%EF%BC%9B",
    "%253F",
    "%253B",
    ":go",
];
