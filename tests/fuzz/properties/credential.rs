//! Credentials: what is found is what a plain reading finds, in any order of headers, and none is forwarded.

use tokenward::engine::config::credentials::{CredentialSource, Intent};
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

/// The bytes are lines: the sources as JSON, then headers.
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

/// The gateway that accepts credentials from these sources, and to which everything is public; none where they are no
/// sources, or too many, or one twice.
fn gateway(sources: &[u8]) -> Option<Gateway> {
    let sources: serde_json::Value = serde_json::from_slice(sources).ok()?;
    let bundle = serde_json::json!({ "version": 1, "name": "open", "public": ["* /**"] });
    let configuration = serde_json::json!({ "bundle": bundle, "credentials": sources });
    Gateway::configure(configuration.to_string().as_bytes()).ok()
}

/// What each source brings by itself, and all of it together.
fn plain(settings: &Settings, headers: &Headers, head: &RequestHead<'_>) -> Credential<'static> {
    let sources = &settings.credentials;
    let is_first =
        |number: usize, name: &str| sources[..number].iter().all(|earlier| named(earlier) != Some(name));
    let mut brought: Vec<Vec<u8>> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        match source {
            CredentialSource::Header { name, .. } if is_first(number, name) => {
                match by_header(sources, name, &values(headers, name)) {
                    Some(found) => brought.extend(found),
                    None => return Credential::Ambiguous,
                }
            }
            CredentialSource::Header { .. } => {}
            CredentialSource::Cookie(name) => brought.extend(by_cookie(name, &values(headers, "cookie"))),
            CredentialSource::Query(name) if head.path.is_ok() => {
                brought.extend(by_query(name, path::split(head.raw_path).1));
            }
            CredentialSource::Query(_) => {}
        }
    }
    match brought.len() {
        0 => Credential::Missing,
        1 => Credential::Presented(brought.remove(0).into(), Intent::Page),
        _ => Credential::Ambiguous,
    }
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

/// What the one header of this name brings by the first of its schemes; none where it is not one, or may be more.
fn by_header(sources: &[CredentialSource], name: &str, values: &[&[u8]]) -> Option<Option<Vec<u8>>> {
    let value = match values {
        [] => return Some(None),
        [value] if !value.contains(&b',') && !value.contains(&b'\t') => value.trim_ascii(),
        _ => return None,
    };
    let schemes = sources.iter().filter_map(|source| match source {
        CredentialSource::Header { name: known, scheme } if **known == *name => Some(scheme.as_deref()),
        CredentialSource::Header { .. } | CredentialSource::Query(_) | CredentialSource::Cookie(_) => None,
    });
    Some(schemes.filter_map(|scheme| behind(value, scheme)).next())
}

fn by_cookie(name: &str, values: &[&[u8]]) -> Vec<Vec<u8>> {
    let crumbs = values.iter().flat_map(|value| value.split(|byte| *byte == b';'));
    let pairs = crumbs.filter_map(|crumb| cut(crumb.trim_ascii()));
    let ours = pairs.filter(|(known, _)| known.trim_ascii() == name.as_bytes());
    ours.map(|(_, value)| value.trim_ascii().to_vec()).collect()
}

/// A parameter without a value is one that is empty.
fn by_query(name: &str, query: &[u8]) -> Vec<Vec<u8>> {
    let parameters = query.get(1..).unwrap_or_default().split(|byte| *byte == b'&');
    let pairs = parameters.map(|parameter| cut(parameter).unwrap_or((parameter, b"")));
    let ours = pairs.filter(|(known, _)| percent_decoded(known) == name.as_bytes());
    ours.map(|(_, value)| percent_decoded(value)).collect()
}

/// What stands before and after the first `=`.
fn cut(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'=')?;
    Some((&text[..end], &text[end + 1..]))
}

/// The value behind the scheme, or all of it where there is none.
fn behind(value: &[u8], scheme: Option<&str>) -> Option<Vec<u8>> {
    let Some(scheme) = scheme else { return Some(value.to_vec()) };
    let words: Vec<&[u8]> = value.splitn(2, |byte| *byte == b' ').collect();
    let secret = words.get(1).copied().unwrap_or_default();
    words[0].eq_ignore_ascii_case(scheme.as_bytes()).then(|| secret.trim_ascii_start().to_vec())
}

/// A header that brings one more credential, by the first source that is a header the request does not have.
fn another(settings: &Settings, headers: &Headers) -> Option<(Vec<u8>, Vec<u8>)> {
    settings.credentials.iter().find_map(|source| match source {
        CredentialSource::Header { name, scheme } => {
            let value =
                scheme.as_deref().map_or_else(String::new, |scheme| format!("{scheme} ")) + "fuzz_svc_other";
            let is_new = headers.iter().all(|(known, _)| known != name.as_bytes());
            is_new.then(|| (name.as_bytes().to_vec(), value.into_bytes()))
        }
        CredentialSource::Query(_) | CredentialSource::Cookie(_) => None,
    })
}

/// A public operation is forwarded whatever the request brings; without the credential.
fn is_not_forwarded(Gateway { policy, settings, .. }: &Gateway, headers: &Headers) {
    let head = headers::read(headers, settings);
    let circumstances = Circumstances { now: Time::EPOCH, source: Source::of(b"") };
    let decision = policy.decide(&head, circumstances);
    let Verdict::Forward(forward) = Verdict::of(&decision, &head, policy, settings) else { return };
    if matches!(head.credential, Credential::Presented(..)) {
        let after = headers::changed(headers, &forward);
        let again = headers::read(&after, settings).credential;
        assert!(matches!(again, Credential::Missing), "{} is forwarded", shown(&again));
    }
}

fn shown(credential: &Credential<'_>) -> String {
    match credential {
        Credential::Missing => "missing".to_owned(),
        Credential::Presented(secret, _) => format!("`{}`", secret.escape_ascii()),
        Credential::Ambiguous => "ambiguous".to_owned(),
    }
}
