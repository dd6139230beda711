//! Credentials: whatever the headers are, one that is found is the only one that a plain reading finds.

use std::sync::OnceLock;

use tokenward::engine::credential::Credential;
use tokenward::engine::head::RequestHead;
use tokenward::engine::settings::Settings;

use super::percent_decoded;

/// The bytes are lines, each a header.
pub(crate) fn holds(data: &[u8]) {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| serde_json::from_str(SOURCES).unwrap());
    let headers: Vec<(Vec<u8>, Vec<u8>)> = data.split(|byte| *byte == b'\n').map(header).collect();
    let pairs = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let head = RequestHead::read(pairs, settings);
    let values = |wanted: &str| -> Vec<&[u8]> {
        let named = headers.iter().filter(|(name, _)| name == wanted.as_bytes());
        named.map(|(_, value)| value.as_slice()).collect()
    };

    let (bearer, key) = (values("authorization"), values("x-api-key"));
    let is_list = |value: &&[u8]| value.contains(&b',') || value.contains(&b'\t');
    let unclear = [&bearer, &key].into_iter().any(|values| values.len() > 1 || values.iter().any(is_list));
    let mut found: Vec<Vec<u8>> = bearer.iter().filter_map(|value| of_scheme(value)).collect();
    found.extend(key.iter().map(|value| value.trim_ascii().to_vec()));
    found.extend(values("cookie").iter().flat_map(|value| of_cookie(value)));
    if head.path.is_ok() {
        found.extend(of_query(head.target));
    }
    match &head.credential {
        Credential::Ambiguous => assert!(unclear || found.len() > 1, "one of {} is two", found.len()),
        Credential::Missing => assert!(!unclear && found.is_empty(), "one of {} is none", found.len()),
        Credential::Presented(secret) => {
            assert!(!unclear, "a list is one");
            assert_eq!(found, [secret.to_vec()]);
        }
    }
}

/// `name: value`; Envoy has names in lower case. A pseudo-header's name begins with a colon.
fn header(line: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let end = line.iter().skip(1).position(|byte| *byte == b':').map_or(line.len(), |end| end + 1);
    (line[..end].to_ascii_lowercase(), line.get(end + 1..).unwrap_or_default().trim_ascii().to_vec())
}

/// What follows `Bearer`.
fn of_scheme(value: &[u8]) -> Option<Vec<u8>> {
    let mut words = value.trim_ascii().splitn(2, |byte| *byte == b' ');
    let scheme = words.next().unwrap();
    let secret = words.next().unwrap_or_default().trim_ascii();
    scheme.eq_ignore_ascii_case(b"bearer").then(|| secret.to_vec())
}

/// The values of all cookies `token`.
fn of_cookie(value: &[u8]) -> Vec<Vec<u8>> {
    let pairs = value.split(|byte| *byte == b';').filter_map(|crumb| {
        let at = crumb.iter().position(|byte| *byte == b'=')?;
        (crumb[..at].trim_ascii() == b"token").then(|| crumb[at + 1..].trim_ascii().to_vec())
    });
    pairs.collect()
}

/// The values of all parameters `access_token`.
fn of_query(target: &[u8]) -> Vec<Vec<u8>> {
    let Some(start) = target.iter().position(|byte| *byte == b'?') else { return Vec::new() };
    let pairs = target[start + 1..].split(|byte| *byte == b'&').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let named = percent_decoded(&pair[..at]) == b"access_token";
        named.then(|| percent_decoded(pair.get(at + 1..).unwrap_or_default()))
    });
    pairs.collect()
}

/// All four places.
const SOURCES: &str = r#"{ "credentials": [
    { "header": "authorization", "scheme": "Bearer" },
    { "header": "x-api-key" },
    { "query": "access_token" },
    { "cookie": "token" }
] }"#;
