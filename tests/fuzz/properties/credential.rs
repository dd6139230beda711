//! Credentials: the filter finds what a simple reader finds, for any order of headers, and never forwards a
//! credential.

use tokenward::engine::config::credentials::{CredentialSource, Intent, Part};
use tokenward::engine::config::settings::Settings;
use tokenward::engine::policy::decision::Circumstances;
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::policy::verdict::Verdict;
use tokenward::engine::request::credential::Credential;
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::time::Time;

use super::headers::{self, Headers};
use super::{path, percent_decoded};

/// The input is lines: the sources as JSON, then headers.
pub(crate) fn holds(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(gateway) = gateway(lines.next().unwrap_or_default()) else { return };
    let settings = &gateway.settings;
    let headers = headers::parse(lines);
    let head = headers::read(&headers, settings);
    let found = shown(&head.credential);
    assert_eq!(found, shown(&plain(settings, &headers, &head)), "by a plain reading");
    let mut other = headers.clone();
    other.reverse();
    assert_eq!(found, shown(&headers::read(&other, settings).credential), "in another order");
    if let Some((name, value)) = another(settings, &headers)
        && !matches!(head.credential, Credential::Missing)
    {
        other.push((name, value));
        assert_eq!("ambiguous", shown(&headers::read(&other, settings).credential), "with one more");
    }
    is_not_forwarded(&gateway, &headers);
}

/// A gateway that accepts credentials from these sources and makes everything public; `None` if the sources are
/// invalid, too many or duplicates.
fn gateway(sources: &[u8]) -> Option<Gateway> {
    let sources: serde_json::Value = serde_json::from_slice(sources).ok()?;
    let bundle = serde_json::json!({ "version": 1, "name": "open", "public": ["* /**"] });
    let configuration = serde_json::json!({ "bundle": bundle, "credentials": sources });
    Gateway::configure(configuration.to_string().as_bytes()).ok()
}

/// The credential by a simple reading: each source by itself, then combined.
fn plain(settings: &Settings, headers: &Headers, head: &RequestHead<'_>) -> Credential<'static> {
    let sources = &settings.credentials;
    let is_first =
        |number: usize, name: &str| sources[..number].iter().all(|earlier| named(earlier) != Some(name));
    let mut brought: Vec<Credential<'static>> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        match source {
            CredentialSource::Header { name, .. } if is_first(number, name) => {
                match by_header(sources, name, &values(headers, name)) {
                    Some(found) => brought.extend(found),
                    None => return Credential::Ambiguous,
                }
            }
            CredentialSource::Header { .. } => {}
            CredentialSource::Cookie(name) => {
                let found = by_cookie(name, &values(headers, "cookie"));
                brought.extend(found.into_iter().map(|value| undivided(&value, b',', value.clone())));
            }
            CredentialSource::Query(name) if head.path.is_ok() => {
                let found = by_query(name, path::split(head.raw_path).1);
                brought.extend(found.iter().map(|value| undivided(value, b';', percent_decoded(value))));
            }
            CredentialSource::Query(_) => {}
        }
    }
    match brought.len() {
        0 => Credential::Missing,
        1 => brought.remove(0),
        _ => Credential::Ambiguous,
    }
}

/// The credential for a value, unless a program may split it.
fn undivided(value: &[u8], divider: u8, secret: Vec<u8>) -> Credential<'static> {
    if value.contains(&divider) {
        return Credential::Ambiguous;
    }
    Credential::Presented(secret.into(), Intent::Page)
}

fn named(source: &CredentialSource) -> Option<&str> {
    match source {
        CredentialSource::Header { name, .. } => Some(name),
        CredentialSource::Query(_) | CredentialSource::Cookie(_) => None,
    }
}

fn values<'h>(headers: &'h Headers, wanted: &str) -> Vec<&'h [u8]> {
    let ours = headers.iter().filter(|(name, _)| name == wanted.as_bytes());
    ours.map(|(_, value)| value.as_slice()).collect()
}

/// The credential in the only header with this name, for the first matching scheme; `None` if the header is missing
/// or repeated.
fn by_header(
    sources: &[CredentialSource],
    name: &str,
    values: &[&[u8]],
) -> Option<Option<Credential<'static>>> {
    let value = match values {
        [] => return Some(None),
        [value] if !value.contains(&b'\t') => value.trim_ascii(),
        _ => return None,
    };
    let found = sources.iter().find_map(|source| match source {
        CredentialSource::Header { name: known, scheme, part } if **known == *name => {
            behind(value, scheme.as_deref()).map(|behind| of_part(value, &behind, *part))
        }
        CredentialSource::Header { .. } | CredentialSource::Query(_) | CredentialSource::Cookie(_) => None,
    });
    match (found, value.contains(&b',')) {
        (Some(secret), true) => Some(Some(Credential::Joined(secret.into(), Intent::Page))),
        (Some(secret), false) => Some(Some(Credential::Presented(secret.into(), Intent::Page))),
        (None, true) => None,
        (None, false) => Some(None),
    }
}

/// The part of the value after the scheme; the whole value if it is malformed.
fn of_part(value: &[u8], behind: &[u8], part: Part) -> Vec<u8> {
    let halves = |text: &[u8], at: u8| {
        let mut halves = text.splitn(2, |byte| *byte == at).map(<[u8]>::to_vec);
        Some((halves.next()?, halves.next()?))
    };
    let is_id =
        |id: &[u8]| id.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-'));
    let pair = || {
        let text = String::from_utf8(unarmored(behind)?).ok()?;
        let is_plain = !text.chars().any(char::is_control);
        is_plain.then(|| halves(text.as_bytes(), b':')).flatten()
    };
    match part {
        Part::Whole => behind.to_vec(),
        Part::AfterBar => match halves(behind, b'|') {
            Some((id, rest)) if !id.is_empty() && is_id(&id) => rest,
            _ => behind.to_vec(),
        },
        Part::User => pair().map_or(value.to_vec(), |(user, _)| user),
        Part::Password => pair().map_or(value.to_vec(), |(_, password)| password),
    }
}

/// Decodes Base64 digit by digit (RFC 4648 §4): padded, and without excess bits.
fn unarmored(text: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bits = Vec::new();
    for digit in digits {
        let value = DIGITS.iter().position(|known| known == digit)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let (bytes, rest) = bits.split_at(bits.len() / 8 * 8);
    let is_whole = text.len().is_multiple_of(4) && rest.len() < 6 && rest.iter().all(|bit| *bit == 0);
    let byte = |bits: &[usize]| bits.iter().fold(0_usize, |byte, bit| byte << 1 | bit) as u8;
    is_whole.then(|| bytes.chunks(8).map(byte).collect())
}

fn by_cookie(name: &str, values: &[&[u8]]) -> Vec<Vec<u8>> {
    let crumbs = values.iter().flat_map(|value| value.split(|byte| *byte == b';'));
    let pairs = crumbs.filter_map(|crumb| cut(crumb.trim_ascii()));
    let ours = pairs.filter(|(known, _)| known.trim_ascii() == name.as_bytes());
    ours.map(|(_, value)| value.trim_ascii().to_vec()).collect()
}

/// The raw values; a parameter without `=` has an empty one.
fn by_query(name: &str, query: &[u8]) -> Vec<Vec<u8>> {
    let parameters = query.get(1..).unwrap_or_default().split(|byte| *byte == b'&');
    let pairs = parameters.map(|parameter| cut(parameter).unwrap_or((parameter, b"")));
    let ours = pairs.filter(|(known, _)| percent_decoded(known) == name.as_bytes());
    ours.map(|(_, value)| value.to_vec()).collect()
}

/// The text before and after the first `=`.
fn cut(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'=')?;
    Some((&text[..end], &text[end + 1..]))
}

/// The value after the scheme, or the whole value if there is no scheme.
fn behind(value: &[u8], scheme: Option<&str>) -> Option<Vec<u8>> {
    let Some(scheme) = scheme else { return Some(value.to_vec()) };
    let words: Vec<&[u8]> = value.splitn(2, |byte| *byte == b' ').collect();
    let secret = words.get(1).copied().unwrap_or_default();
    words[0].eq_ignore_ascii_case(scheme.as_bytes()).then(|| secret.trim_ascii_start().to_vec())
}

/// A header that adds a second credential, for the first header source that the request does not use.
fn another(settings: &Settings, headers: &Headers) -> Option<(Vec<u8>, Vec<u8>)> {
    settings.credentials.iter().find_map(|source| match source {
        CredentialSource::Header { name, scheme, .. } => {
            let value =
                scheme.as_deref().map_or_else(String::new, |scheme| format!("{scheme} ")) + "fuzz_svc_other";
            let is_new = headers.iter().all(|(known, _)| known != name.as_bytes());
            is_new.then(|| (name.as_bytes().to_vec(), value.into_bytes()))
        }
        CredentialSource::Query(_) | CredentialSource::Cookie(_) => None,
    })
}

/// Checks that a public operation is forwarded for any request, but without the credential.
fn is_not_forwarded(Gateway { policy, settings, .. }: &Gateway, headers: &Headers) {
    let head = headers::read(headers, settings);
    let circumstances = Circumstances { now: Time::EPOCH, source: Source::of(b"") };
    let decision = policy.decide(&head, circumstances);
    let Verdict::Forward(forward) = Verdict::of(&decision, &head, policy, settings) else { return };
    if matches!(head.credential, Credential::Presented(..) | Credential::Joined(..)) {
        let after = headers::changed(headers, &forward);
        let again = headers::read(&after, settings).credential;
        assert!(matches!(again, Credential::Missing), "{} is forwarded", shown(&again));
    }
}

fn shown(credential: &Credential<'_>) -> String {
    match credential {
        Credential::Missing => "missing".to_owned(),
        Credential::Presented(secret, _) => format!("`{}`", secret.escape_ascii()),
        Credential::Joined(secret, _) => format!("joined `{}`", secret.escape_ascii()),
        Credential::Ambiguous => "ambiguous".to_owned(),
    }
}
