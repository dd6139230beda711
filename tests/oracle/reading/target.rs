//! What a request asks for: its method, host and path, if each has one reading.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::reading::Request;

/// Method, host and segments of a request.
pub(crate) struct Target {
    pub(crate) method: String,
    /// In lower case, without port and trailing dot.
    pub(crate) host: String,
    pub(crate) path: Vec<String>,
}

impl Target {
    pub(crate) fn read(request: &Request) -> Option<Self> {
        let method = &request.method;
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        Some(Self { method: method.clone(), host: host(&request.host)?, path: segments(&request.path)? })
    }

    /// The same without the case of letters.
    pub(crate) fn folded(&self) -> Self {
        let path = self.path.iter().map(|text| without_case(text));
        Self { method: self.method.clone(), host: self.host.clone(), path: path.collect() }
    }
}

/// A name, perhaps with a dot at its end, or `[…]`; then perhaps a port. No host at all is none in particular.
fn host(authority: &str) -> Option<String> {
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (authority, ""),
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let labels = name.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    });
    let is_host = labels || address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    let is_port = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (authority.is_empty() || is_host && is_port).then_some(name)
}

fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.split('?').next().unwrap();
    if !path.starts_with('/') || path.contains("//") || path.contains([';', '\\', '#', ' ']) {
        return None;
    }
    let segments: Vec<String> = split(path).map(decoded).collect::<Option<_>>()?;
    let moves = |text: &String| text == "." || text == "..";
    (!segments.iter().any(moves)).then_some(segments)
}

/// Only what may stand for itself, or is no ASCII, is ever decoded; all else that the tests encode is refused. What is
/// no ASCII is composed as far as it can be.
pub(crate) fn decoded(segment: &str) -> Option<String> {
    let mut parts = segment.split('%');
    let mut text = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        let plain = byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) || !byte.is_ascii();
        text.push(plain.then_some(byte)?);
        text.extend(rest.bytes());
    }
    String::from_utf8(text).ok().filter(|text| is_nfc(text))
}

/// A text in which all letters are small ones: whoever looks for such a letter by its capital finds that, too.
pub(crate) fn without_case(text: &str) -> String {
    let small: String = text.nfd().flat_map(char::to_lowercase).collect();
    let capital: String = small.chars().flat_map(char::to_uppercase).collect();
    capital.to_lowercase().replace("i\u{307}", "i").replace('ς', "σ").nfc().collect()
}

/// The segments of a path or pattern: none for `/`, one trailing slash ignored.
pub(crate) fn split(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_suffix('/').unwrap_or(path);
    inner.split('/').skip(1)
}
