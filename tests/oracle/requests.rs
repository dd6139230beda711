//! Random requests. Most of them use an operation and a secret of the bundle.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokenward::engine::matching::path::{CharacterRule, PathRules, SlashRule};
use tokenward::engine::words::time::Time;

use crate::oracle::bundles::{Bundle, Draft, drafts, time};
use crate::oracle::reading::Request;

/// A bundle and requests for it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) bundle: Bundle,
    pub(crate) requests: Vec<Request>,
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    (drafts(), vec(request_drafts(), 40)).prop_map(|(draft, requests)| Case {
        requests: requests.iter().map(|request| request.render(&draft)).collect(),
        bundle: draft.render(),
    })
}

/// How a request is made from a bundle.
#[derive(Clone, Debug)]
struct RequestDraft {
    method: &'static str,
    host: HostDraft,
    /// The operation that the path comes from; `None` for an independent path.
    operation: Option<Index>,
    segments: Vec<&'static str>,
    /// Whether the path has the token's own attributes where the operation binds them.
    own_attributes: bool,
    spelling: Spelling,
    credential: Credential,
    source: &'static str,
    now: Time,
    paths: PathRules,
}

#[derive(Clone, Copy, Debug)]
enum HostDraft {
    /// A host of the operation, with a text before its domain and a text after it.
    Of(&'static str, &'static str),
    Given(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Spelling {
    Plain,
    Upper,
    Lower,
    Append(&'static str),
    /// Replaces the first occurrence of the first text with the second.
    Replace(&'static str, &'static str),
    /// Replaces the slash with this number with a text.
    Slash(usize, &'static str),
    /// Removes the leading slash.
    Relative,
}

#[derive(Clone, Debug)]
enum Credential {
    Of(&'static str, Index, Index),
    Values(&'static [&'static str]),
}

fn request_drafts() -> impl Strategy<Value = RequestDraft> {
    let methods = prop_oneof![
        15 => Just("GET"),
        13 => select(vec!["POST", "HEAD", "DELETE"]),
        1 => select(vec!["PUT", "get", "", "G T"]),
    ];
    let segments = vec(
        select(vec![
            "a",
            "b",
            "A",
            "B",
            "ab",
            "aB",
            "AB",
            "axb",
            "aab",
            "a:go",
            "b:go",
            "A:GO",
            ":go",
            "ac:go",
            "c",
            "ss",
            "%C3%A9",
            "%c3%89",
            "%C3%9F",
            "%E1%BA%9Ea",
        ]),
        0..=4,
    );
    let paths = (weighted(0.8, any::<Index>()), segments, weighted(0.7, Just(())), spellings());
    (methods, hosts(), paths, credentials(), sources(), nows(), path_rules(4)).prop_map(
        |(method, host, (operation, segments, own, spelling), credential, source, now, paths)| RequestDraft {
            method,
            host,
            operation,
            segments,
            own_attributes: own.is_some(),
            spelling,
            credential,
            source,
            now,
            paths,
        },
    )
}

/// Path rules that keep each character `keeps` times as often as they reject it. With few such gateways, most paths with
/// such characters would be rejected.
pub(crate) fn path_rules(keeps: u32) -> impl Strategy<Value = PathRules> {
    let rule = move || prop_oneof![keeps => Just(CharacterRule::Keep), 1 => Just(CharacterRule::Reject)];
    let slash = prop_oneof![keeps => Just(SlashRule::Keep), 1 => Just(SlashRule::Reject)];
    (slash, rule(), rule(), rule()).prop_map(|(encoded_slash, percent, look_alikes, invisible)| PathRules {
        encoded_slash,
        percent,
        look_alikes,
        invisible,
        ..PathRules::default()
    })
}

/// A letter or a slash of a path, and a character that some program reads as it.
const KEPT_LETTERS: [(&str, &str); 6] = [
    ("a", "%2561"),
    ("a", "%EF%BD%81"),
    ("a", "%252561"),
    ("a", "a%E2%80%8D"),
    ("b", "b%EF%BC%9Bx"),
    ("b", "b%253Fx"),
];
const KEPT_SLASHES: [&str; 6] = ["%2F", "%2f", "%252F", "%EF%BC%8F", "/%E2%80%8D/", "/%2F"];

fn hosts() -> impl Strategy<Value = HostDraft> {
    let below = prop_oneof![3 => Just("api"), 1 => Just("a.api"), 1 => Just("B.c"), 1 => Just("")];
    let end = prop_oneof![6 => Just(""), 1 => select(vec![":8443", ".", ".:80", ":", ":0", ":65535", ":65536", ":080", ".:"])];
    let others = vec![
        "",
        "acme.test",
        "api.acme.test",
        "xacme.test",
        "API.ACME.TEST:443",
        "a.b.api.acme.test.",
        "other",
        "[::1]:80",
        "[0:0::1]",
        "[::ffff:192.0.2.1]",
        "192.0.2.1",
    ];
    let malformed = vec![
        "acme.test@x",
        "acme..test",
        ".acme.test",
        "acme.test:80:80",
        "[::1",
        "acme.test:x",
        "acme test",
        "a:123456",
        "acme.test:",
        "[::1].",
        "[::1]:",
        "::1:80",
        "192.0.2.1.",
        "%61cme.test",
        ".",
    ];
    prop_oneof![
        20 => (below, end).prop_map(|(below, end)| HostDraft::Of(below, end)),
        9 => select(others).prop_map(HostDraft::Given),
        1 => select(malformed).prop_map(HostDraft::Given),
    ]
}

fn spellings() -> impl Strategy<Value = Spelling> {
    let appended = select(vec![
        "/",
        "/c",
        "?a=/b",
        "//",
        "/.",
        "/../a",
        "/%2e%2E",
        "%2Fa",
        "%zz",
        ";x",
        "\\b",
        "/%41",
        "e%CC%81",
        "%2Fa",
        "%2F",
        "%2F..",
        "%252Fa",
        "%25",
        "/%252e%252e",
        "/%2Fa",
        "%E2%80%8D",
        "%EF%BC%9Fa",
        "/%EF%BC%9Fa",
    ]);
    prop_oneof![
        24 => Just(Spelling::Plain),
        3 => Just(Spelling::Upper),
        1 => Just(Spelling::Lower),
        1 => Just(Spelling::Replace("a", "%61")),
        4 => select(KEPT_LETTERS.to_vec()).prop_map(|(letter, other)| Spelling::Replace(letter, other)),
        4 => (1..4_usize, select(KEPT_SLASHES.to_vec())).prop_map(|(number, other)| Spelling::Slash(number, other)),
        1 => appended.prop_map(Spelling::Append),
        1 => Just(Spelling::Append("/")),
        1 => Just(Spelling::Relative),
    ]
}

fn credentials() -> impl Strategy<Value = Credential> {
    let odd: Vec<&'static [&'static str]> = vec![
        &[],
        &["Bearer unknown-0123456789"],
        &["Bearer short"],
        &["Bearer "],
        &["Bearer"],
        &["Bearerx unknown-0123456789"],
        &["Basic unknown-0123456789"],
        &["Bearer unknown-0123456789", "Bearer unknown-0123456789"],
        &["Bearer unknown-0123456789,Bearer unknown-0123456789"],
        &["Bearer unknown-0123456789,unknown-0123456789"],
        &["Bearer oracle-secret-0-0,oracle-secret-0-0"],
        &["Bearer oracle-secret-3", "Bearer 0"],
        &["Digest unknown-0123456789,unknown-0123456789"],
        &["Bearer 7|unknown-0123456789"],
    ];
    let schemes = prop_oneof![9 => Just("Bearer"), 1 => Just("bearer")];
    prop_oneof![
        9 => (schemes, any::<Index>(), any::<Index>())
            .prop_map(|(scheme, token, secret)| Credential::Of(scheme, token, secret)),
        1 => select(odd).prop_map(Credential::Values),
    ]
}

/// Some sources are in the ranges that tokens are limited to, others are in no range.
fn sources() -> impl Strategy<Value = &'static str> {
    select(vec![
        "203.0.113.7:4711",
        "203.0.113.8:4711",
        "[::ffff:203.0.113.7]:4711",
        "198.51.100.1:80",
        "[2001:db8::1]:4711",
        "[2001:db9::1]:4711",
        "",
        "/run/envoy.sock",
    ])
}

/// Times around each start and end, most often between all starts and ends.
fn nows() -> impl Strategy<Value = Time> {
    let minute = prop_oneof![2 => Just(2), 1 => 0..=6_i64];
    (minute, -1..=1_i64).prop_map(|(minute, offset)| time(minute).shifted(offset))
}

impl RequestDraft {
    fn render(&self, draft: &Draft) -> Request {
        let operations = draft.operations();
        let operation = self.operation.map(|index| operations[index.index(operations.len())]);
        let target = operation.map(|text| text.split_once(' ').unwrap().1);
        let (host, pattern) = target.map_or(("", None), |target| {
            let (host, pattern) = target.split_at(target.find('/').unwrap());
            (host, Some(pattern))
        });
        let path: String = match pattern {
            Some(pattern) => self.instance(pattern, draft),
            None => self.segments.iter().flat_map(|text| ["/", *text]).collect(),
        };
        Request {
            method: self.method.to_owned(),
            host: match self.host {
                HostDraft::Of(..) if host.is_empty() => String::new(),
                HostDraft::Of("", end) => format!("{}{end}", host.replacen("*.", "", 1)),
                HostDraft::Of(below, end) => format!("{}{end}", host.replacen('*', below, 1)),
                HostDraft::Given(host) => host.to_owned(),
            },
            path: self.spell(if path.is_empty() { "/".to_owned() } else { path }),
            authorization: self.authorization(draft),
            source: self.source.to_owned(),
            now: self.now,
            paths: self.paths,
        }
    }

    /// Returns a path that the pattern matches. The request's own segments fill its variables.
    fn instance(&self, pattern: &str, draft: &Draft) -> String {
        let mut values = self.segments.iter().copied().chain(std::iter::repeat("b"));
        let segments = pattern.split('/').skip(1).map(|segment| match segment {
            "**" => values.by_ref().take(2).collect::<Vec<_>>().join("/"),
            _ => match segment.split_once(['{', '*']) {
                Some((prefix, rest)) => {
                    let (name, suffix) = rest.split_once('}').unwrap_or(("", rest));
                    let value = match prefix.ends_with('$') {
                        true => self.attribute(name, draft),
                        false => None,
                    };
                    let value = value.unwrap_or_else(|| values.next().unwrap());
                    format!("{}{value}{suffix}", prefix.trim_end_matches('$'))
                }
                None => segment.to_owned(),
            },
        });
        segments.flat_map(|text| ["/".to_owned(), text]).collect()
    }

    /// Returns the value that the request's token has for an attribute.
    fn attribute(&self, name: &str, draft: &Draft) -> Option<&'static str> {
        match &self.credential {
            Credential::Of(_, token, _) if self.own_attributes => draft.token(token).attribute(name),
            Credential::Of(..) | Credential::Values(_) => None,
        }
    }

    fn spell(&self, path: String) -> String {
        match self.spelling {
            Spelling::Plain => path,
            Spelling::Upper => path.to_ascii_uppercase().replace("%C3%A9", "%C3%89").replace("%C3%9F", "SS"),
            Spelling::Lower => path.to_ascii_lowercase(),
            Spelling::Append(text) => path + text,
            Spelling::Replace(letter, other) => path.replacen(letter, other, 1),
            Spelling::Slash(number, other) => {
                let mut parts = path.splitn(number + 2, '/').collect::<Vec<_>>();
                let last = if parts.len() == number + 2 { parts.pop() } else { None };
                let last = last.map(|last| format!("{other}{last}"));
                parts.join("/") + &last.unwrap_or_default()
            }
            Spelling::Relative => path.replacen('/', "", 1),
        }
    }

    fn authorization(&self, draft: &Draft) -> Vec<String> {
        match &self.credential {
            Credential::Values(values) => values.iter().map(|value| (*value).to_owned()).collect(),
            Credential::Of(scheme, token, position) => {
                vec![format!("{scheme} {}", draft.secret(token, position))]
            }
        }
    }
}
