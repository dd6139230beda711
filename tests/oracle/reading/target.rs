//! What a request asks for: its method, host and path, if each has exactly one reading.

use tokenward::engine::matching::path::{CharacterRule, PathRules, SlashRule};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::oracle::reading::{Request, loose};

/// Method, host and segments of a request.
pub(crate) struct Target {
    pub(crate) method: String,
    /// The host in lower case, without port and trailing dot.
    pub(crate) host: String,
    pub(crate) path: Vec<String>,
    /// The path as read by each program that replaces or removes characters that the gateway keeps.
    loose: Vec<Vec<String>>,
}

impl Target {
    pub(crate) fn read(request: &Request) -> Option<Self> {
        let method = &request.method;
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let path = segments(&request.path, &request.paths)?;
        let end = if request.path.split('?').next()?.ends_with('/') { "/" } else { "" };
        let loose = if path.iter().any(|text| text.contains(KEPT)) {
            loose::readings(&path, end)?
        } else {
            Vec::new()
        };
        Some(Self { method: method.clone(), host: host(&request.host)?, path, loose })
    }

    /// Returns the target without letter case.
    pub(crate) fn folded(&self) -> Self {
        self.by(&self.path)
    }

    /// Returns the target without loose readings.
    pub(crate) fn as_it_is(&self) -> Self {
        Self {
            method: self.method.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            loose: Vec::new(),
        }
    }

    /// Returns the target for each loose reading, without letter case.
    pub(crate) fn loose(&self) -> Vec<Self> {
        self.loose.iter().map(|path| self.by(path)).collect()
    }

    fn by(&self, path: &[String]) -> Self {
        let path = path.iter().map(|text| without_case(text)).collect();
        Self { method: self.method.clone(), host: self.host.clone(), path, loose: Vec::new() }
    }
}

/// Parses a name with an optional trailing dot, or an address, with an optional port. An empty authority names no host.
fn host(authority: &str) -> Option<String> {
    if authority.is_empty() {
        return Some(String::new());
    }
    let cut = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
    let (name, port) = cut.map_or((authority, None), |(name, port)| (name, Some(port)));
    // A port must have the usual spelling of a number; `parse` also accepts other spellings.
    let is_port =
        |port: &str| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
    if !port.is_none_or(is_port) {
        return None;
    }
    if let Some(text) = name.strip_prefix('[') {
        let address: std::net::Ipv6Addr = text.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let (rooted, name) = (name.ends_with('.'), name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase());
    let mut labels = name.split('.');
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let ends_in_digits = name.rsplit('.').next()?.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = !rooted && name.parse::<std::net::Ipv4Addr>().is_ok();
    (labels.all(is_label) && (is_address || !ends_in_digits)).then_some(name)
}

fn segments(path: &str, rules: &PathRules) -> Option<Vec<String>> {
    let path = path.split('?').next().unwrap();
    if !path.starts_with('/') || path.contains("//") || path.contains([';', '\\', '#', ' ']) {
        return None;
    }
    let refused = [
        ('/', rules.encoded_slash != SlashRule::Keep),
        ('%', rules.percent != CharacterRule::Keep),
        ('ａ', rules.look_alikes != CharacterRule::Keep),
        ('／', rules.look_alikes != CharacterRule::Keep),
        ('？', rules.look_alikes != CharacterRule::Keep),
        ('；', rules.look_alikes != CharacterRule::Keep),
        ('\u{200D}', rules.invisible != CharacterRule::Keep),
    ];
    let segments: Vec<String> = split(path).map(decoded).collect::<Option<_>>()?;
    if segments.iter().any(|text| refused.iter().any(|(kept, refused)| *refused && text.contains(*kept))) {
        return None;
    }
    let moves = |text: &String| text == "." || text == "..";
    (!segments.iter().any(moves)).then_some(segments)
}

/// Decodes unreserved and non-ASCII characters. The path is rejected if the tests encode anything else, or if it is not
/// composed as far as possible (NFC).
pub(crate) fn decoded(segment: &str) -> Option<String> {
    let mut parts = segment.split('%');
    let mut text = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        let plain = byte.is_ascii_alphanumeric() || b"-._~:/%".contains(&byte) || !byte.is_ascii();
        text.push(plain.then_some(byte)?);
        text.extend(rest.bytes());
    }
    String::from_utf8(text).ok().filter(|text| is_nfc(text))
}

/// Returns a text in lower case. The detour by upper case also finds letters that share a capital.
pub(crate) fn without_case(text: &str) -> String {
    let small: String = text.nfd().flat_map(char::to_lowercase).collect();
    let capital: String = small.chars().flat_map(char::to_uppercase).collect();
    capital.to_lowercase().replace("i\u{307}", "i").replace('ς', "σ").nfc().collect()
}

/// Returns the segments of a path or pattern. `/` has no segments, and one trailing slash is ignored.
pub(crate) fn split(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_suffix('/').unwrap_or(path);
    inner.split('/').skip(1)
}

/// The characters in the tests that a gateway may keep.
const KEPT: [char; 7] = ['/', '%', 'ａ', '／', '？', '；', '\u{200D}'];
