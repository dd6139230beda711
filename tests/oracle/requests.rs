//! Random requests, most of them made from the operations of a bundle and with one of its secrets.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokenward::engine::time::Time;

use crate::bundles::{Bundle, Draft, drafts, time};
use crate::reading::Request;

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
    /// The operation to make the path from; none for a path of its own.
    operation: Option<Index>,
    segments: Vec<&'static str>,
    spelling: Spelling,
    credential: Credential,
    now: Time,
}

#[derive(Clone, Copy, Debug)]
enum Spelling {
    Plain,
    Upper,
    Lower,
    Append(&'static str),
    /// The first `a` percent-encoded.
    Encoded,
    /// Without the leading slash.
    Relative,
}

#[derive(Clone, Debug)]
enum Credential {
    Of(Index, Index),
    Values(&'static [&'static str]),
}

fn request_drafts() -> impl Strategy<Value = RequestDraft> {
    let methods = prop_oneof![
        10 => Just("GET"),
        9 => select(vec!["POST", "HEAD", "DELETE"]),
        1 => select(vec!["PUT", "get", "", "G T"]),
    ];
    let segments = select(vec![
        "a", "b", "A", "B", "ab", "aB", "AB", "axb", "aab", "a:go", "b:go", "A:GO", ":go", "ac:go", "c",
    ]);
    (methods, weighted(0.8, any::<Index>()), vec(segments, 0..=4), spellings(), credentials(), nows())
        .prop_map(|(method, operation, segments, spelling, credential, now)| RequestDraft {
            method,
            operation,
            segments,
            spelling,
            credential,
            now,
        })
}

fn spellings() -> impl Strategy<Value = Spelling> {
    let appended =
        select(vec!["/", "/c", "?a=/b", "//", "/.", "/../a", "/%2e%2E", "%2Fa", "%zz", ";x", "\\b", "/%41"]);
    prop_oneof![
        16 => Just(Spelling::Plain),
        3 => Just(Spelling::Upper),
        1 => Just(Spelling::Lower),
        1 => Just(Spelling::Encoded),
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
        &["Basic unknown-0123456789"],
        &["Bearer unknown-0123456789", "Bearer unknown-0123456789"],
        &["Bearer unknown-0123456789,Bearer unknown-0123456789"],
    ];
    prop_oneof![
        9 => (any::<Index>(), any::<Index>()).prop_map(|(token, secret)| Credential::Of(token, secret)),
        1 => select(odd).prop_map(Credential::Values),
    ]
}

/// Around each time at which something begins or ends, and most often between all starts and ends.
fn nows() -> impl Strategy<Value = Time> {
    let second = prop_oneof![2 => Just(2), 1 => 0..=6_i64];
    (second, -1..=1_i64).prop_map(|(second, offset)| time(second).shifted(offset))
}

impl RequestDraft {
    fn render(&self, draft: &Draft) -> Request {
        let operations = draft.operations();
        let path = match &self.operation {
            Some(index) => self.instance(operations[index.index(operations.len())]),
            None => self.segments.iter().flat_map(|text| ["/", *text]).collect(),
        };
        Request {
            method: self.method.to_owned(),
            path: self.spell(if path.is_empty() { "/".to_owned() } else { path }),
            authorization: self.authorization(draft),
            now: self.now,
        }
    }

    /// A path that the operation matches, its variables filled from the request's own segments.
    fn instance(&self, operation: &str) -> String {
        let (_, pattern) = operation.split_once(' ').unwrap();
        let mut values = self.segments.iter().copied().chain(std::iter::repeat("b"));
        let segments = pattern.split('/').skip(1).map(|segment| match segment {
            "**" => values.by_ref().take(2).collect::<Vec<_>>().join("/"),
            _ => match segment.split_once(['{', '*']) {
                Some((prefix, rest)) => {
                    let suffix = rest.split_once('}').map_or(rest, |(_, suffix)| suffix);
                    format!("{prefix}{}{suffix}", values.next().unwrap())
                }
                None => segment.to_owned(),
            },
        });
        segments.flat_map(|text| ["/".to_owned(), text]).collect()
    }

    fn spell(&self, path: String) -> String {
        match self.spelling {
            Spelling::Plain => path,
            Spelling::Upper => path.to_ascii_uppercase(),
            Spelling::Lower => path.to_ascii_lowercase(),
            Spelling::Append(text) => path + text,
            Spelling::Encoded => path.replacen('a', "%61", 1),
            Spelling::Relative => path.replacen('/', "", 1),
        }
    }

    fn authorization(&self, draft: &Draft) -> Vec<String> {
        match &self.credential {
            Credential::Values(values) => values.iter().map(|value| (*value).to_owned()).collect(),
            Credential::Of(token, position) => {
                vec![format!("Bearer {}", draft.secret(token, position))]
            }
        }
    }
}
