//! Ordinary requests of authorized callers: measures how many of them the filter rejects as ambiguous.

use std::net::SocketAddr;

use tokenward::engine::matching::path::{CanonicalPath, PathRules};

use crate::generate::Attack;
use crate::policy::Caller;
use crate::request::Request;
use crate::send::{self, Outcome};
use crate::setting::Setting;

/// The rejected harmless requests, each with its reason.
pub(crate) struct Harmless {
    pub(crate) sent: usize,
    pub(crate) refused: Vec<(String, String)>,
    /// Rejected requests that the filter must never reject.
    pub(crate) broken: Vec<String>,
}

/// Sends all harmless requests to the listener of a setting.
pub(crate) fn run(setting: &Setting, listener: SocketAddr) -> Harmless {
    let paths: Vec<&str> = MUST_PASS.iter().chain(&KEPT).chain(&ORDINARY).copied().collect();
    let attack = |path: &&str| {
        let request = Request::new(Caller::Operator, b"GET", path.as_bytes());
        Attack { request, families: Vec::new() }
    };
    let attacks: Vec<Attack> = paths.iter().map(attack).collect();
    let outcomes = send::send(listener, &attacks);
    let refused = paths.iter().zip(outcomes).filter_map(|(path, outcome)| Some((*path, why(path, outcome)?)));
    let refused: Vec<(&str, String)> = refused.collect();
    let must_pass = |path| MUST_PASS.contains(path) || setting.keeps_all() && KEPT.contains(path);
    let broken = refused.iter().filter(|(path, _)| must_pass(path));
    Harmless {
        sent: paths.len(),
        broken: broken.map(|(path, why)| format!("{path}: {why}")).collect(),
        refused: refused.iter().map(|(path, why)| ((*path).to_owned(), why.clone())).collect(),
    }
}

fn why(path: &str, outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Forwarded => None,
        Outcome::Refused(reason) => {
            let rule = CanonicalPath::parse(path.as_bytes(), &PathRules::default()).err();
            Some(rule.map_or(reason, |rule| rule.code().to_owned()))
        }
        Outcome::Envoy(details) => Some(format!("Envoy: {details}")),
    }
}

const MUST_PASS: [&str; 16] = [
    "/",
    "/v1/items",
    "/v1/items/",
    "/v1/items/7",
    "/v1/items/550e8400-e29b-41d4-a716-446655440000",
    "/v1/items/7?page=2&sort=-created_at&filter[name]=a%2Fb",
    "/v1/items/7:cancel",
    "/v1/items/report-2026.11.tar.gz",
    "/v1/items/ann@acme.test",
    "/v1/items/a%20b",
    "/v1/items/Gr%C3%BC%C3%9Fe",
    "/v1/items/%E6%97%A5%E6%9C%AC",
    "/.well-known/openid-configuration",
    "/acme.users.v1.Users/Get",
    "/v1/search?q=../..//;%00%252f",
    "/v1/compare/main...feature",
];

/// Paths that must pass if the filter keeps all characters that it can keep.
const KEPT: [&str; 15] = [
    "/v1/items/100%25",
    "/v1/items/50%25-off.txt",
    "/v1/items/%C2%BD",
    "/v1/items/wait%E2%80%A6",
    "/v1/items/%EF%BC%A1%EF%BC%A2",
    "/v1/items/%C2%A5100",
    "/@acme%2Fpackage",
    "/v1/items/https:%2F%2Facme.test%2Fx",
    "/v1/items/100%25%20wool",
    "/v1/items/%E6%A0%AA%EF%BC%88%E6%9C%80%E7%B5%82%EF%BC%89.pdf",
    "/v1/items/%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85",
    "/v1/items/%F0%9F%91%A9%E2%80%8D%F0%9F%91%A6.png",
    "/v1/items/m%C2%B2",
    "/v1/items/%E2%84%96%205",
    "/v1/projects/group%2fsub%2fproject/issues",
];

/// Real-world paths: file names, object keys, identifiers of other systems.
const ORDINARY: [&str; 48] = [
    "/v1/items/a+b",
    "/v1/items/C%2B%2B",
    "/v1/items/What%3F",
    "/v1/items/%231",
    "/v1/items/R%26D",
    "/v1/items/O'Brien",
    "/v1/items/O%27Brien",
    "/v1/items/(1)",
    "/v1/items/a,b,c",
    "/v1/items/key=value",
    "/v1/items/$metadata",
    "/v1/Items('7')",
    "/v1/items/~user",
    "/v1/items/%7Euser",
    "/v1/items/Acme%20Inc.",
    "/v1/items/Mr.%20Smith",
    "/v1/items/etc.",
    "/v1/items/name%20",
    "/v1/items/.env",
    "/v1/items/..data",
    "/v1/items/a..b",
    "/v1/items/...",
    "/v1/items/_",
    "/v1/items/-",
    "/v1/items/*",
    "/v1/items/!important",
    "/v1/items/[1]",
    "/v1/items/a|b",
    "/v1/items/%5B1%5D",
    "/v1/items/%7Bid%7D",
    "/v1/items/a^b",
    "/v1/items/YWJjZA==",
    "/v1/items/2026-11-22T20:48:00Z",
    "/v1/items/+4930123456",
    "/v1/items/urn:isbn:0451450523",
    "/v1/items/caf%C3%A9",
    "/v1/items/cafe%CC%81",
    "/v1/items/%F0%9F%94%92",
    "/v1/items/%E2%80%9Cquoted%E2%80%9D",
    "/v1/items/N%C2%B0%205",
    "/v1/items/\u{e9}",
    "/v1/items/a;v=1",
    "/v1/items/a%3Bb",
    "/v1/items/a%5Cb",
    "/v1/items//7",
    "/v1/items/./7",
    "/v1/items/%E9",
    "/v1/items/a b",
];
