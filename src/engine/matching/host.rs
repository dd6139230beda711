//! Hosts: the one valid reading of `:authority`, and the hosts that operations name.
//!
//! In: an authority as received. Out: its canonical host, and the authority to forward. Letter case, port and
//! one trailing dot are not part of the host (RFC 9110 §4.2.3, RFC 3986 §3.2.2). Envoy compares text to
//! choose a virtual host, so the filter must never forward an authority in another spelling.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// The host and port of a request; both are empty if the request names no host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host<'a> {
    /// Lower case, without trailing dot.
    name: Cow<'a, str>,
    /// With the colon: `:8443`.
    port: &'a str,
}

/// How to treat the port when an authority is forwarded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ports {
    /// Keep it: no operation names a host, so the host decides nothing.
    Kept,
    /// Remove it: an operation covers every port of its host, but a virtual host names one port.
    Removed,
}

impl<'a> Host<'a> {
    /// Reads `:authority`.
    ///
    /// # Errors
    /// Fails if the authority has no reading or more than one: user information, an escape, an empty label,
    /// an empty port or a port that is not a number from 1 to 65535, or an unusual spelling of an address
    /// (`127.1`, `0x7f.0.0.1`, `127.0.0.1.`).
    pub fn parse(authority: &'a [u8]) -> Result<Self, BadHost> {
        let text = std::str::from_utf8(authority).map_err(|_| BadHost)?;
        if text.is_empty() {
            return Ok(Self { name: Cow::Borrowed(""), port: "" });
        }
        let (host, port) = split_port(text).ok_or(BadHost)?;
        if !(port.is_empty() || is_port(port)) {
            return Err(BadHost);
        }
        if let Some(name) = address(host) {
            return Ok(Self { name, port });
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        if !is_name(name) || is_number(name) {
            return Err(BadHost);
        }
        let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        Ok(Self {
            name: if lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) },
            port,
        })
    }

    /// The host as text: lower case, without port or trailing dot.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The authority to forward instead of `authority`, from which this host was read; `None` to forward it
    /// unchanged.
    pub fn rewritten(&self, authority: &[u8], ports: Ports) -> Option<Cow<'_, [u8]>> {
        let port = match ports {
            Ports::Kept => self.port,
            Ports::Removed => "",
        };
        let name = self.name.as_bytes();
        if authority.strip_prefix(name) == Some(port.as_bytes()) {
            return None;
        }
        let whole = port.is_empty();
        Some(if whole { Cow::Borrowed(name) } else { Cow::Owned([name, port.as_bytes()].concat()) })
    }
}

/// The error for a malformed or ambiguous authority.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadHost;

impl fmt::Display for BadHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host is a name or an address, with a port at most")
    }
}

/// The hosts that an operation covers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum HostPattern {
    /// A single host.
    Exact(Box<str>),
    /// All hosts below a domain, at any depth, but not the domain itself: `.acme.test` for `*.acme.test`.
    Below(Box<str>),
    /// Every host.
    #[default]
    Any,
}

impl HostPattern {
    /// Reads a host as a policy writes it.
    ///
    /// # Errors
    /// Fails if the text is not a valid host pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, BadHostPattern> {
        let lower = text.to_ascii_lowercase();
        let (name, below) = match lower.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (lower.as_str(), false),
        };
        let rooted = name.strip_suffix('.').unwrap_or(name);
        if let Some(address) = address(rooted).filter(|_| !below) {
            return Ok(Self::Exact(address.into_owned().into()));
        }
        if name.ends_with(':') {
            return Err(BadHostPattern::Scheme);
        }
        if name.contains(':') {
            return Err(BadHostPattern::Port);
        }
        if !is_name(rooted) || is_number(rooted) {
            return Err(BadHostPattern::Name);
        }
        // `v1/users` is far more often a path without its slash than a path on the host `v1`.
        if !name.contains('.') && !below && name != "localhost" {
            return Err(BadHostPattern::OneLabel);
        }
        Ok(if below { Self::Below(format!(".{rooted}").into()) } else { Self::Exact(rooted.into()) })
    }

    /// Whether some host matches both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Exact(one), Self::Exact(two)) => one == two,
            (Self::Exact(host), Self::Below(domain)) | (Self::Below(domain), Self::Exact(host)) => {
                is_below(host, domain)
            }
            (Self::Below(one), Self::Below(two)) => one.ends_with(&**two) || two.ends_with(&**one),
        }
    }
}

/// Ordered by specificity: exact hosts, then domains (longer first), then every host.
impl Ord for HostPattern {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Exact(one), Self::Exact(two)) => one.cmp(two),
            (Self::Below(one), Self::Below(two)) => (two.len(), one).cmp(&(one.len(), two)),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for HostPattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl HostPattern {
    fn rank(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Below(_) => 1,
            Self::Any => 2,
        }
    }
}

/// Whether the host lies below the domain, which starts with a dot.
pub(crate) fn is_below(host: &str, domain: &str) -> bool {
    host.len() > domain.len() && host.ends_with(domain)
}

/// Why a text is not a valid host of an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadHostPattern {
    /// It does not consist of labels of letters, digits, `-` and `_`, separated by dots.
    Name,
    /// It has a port.
    Port,
    /// It starts with a scheme, as a URL does.
    Scheme,
    /// It is a single label: most likely a path without its slash.
    OneLabel,
}

/// Splits an authority into host and port; the port keeps its colon or is empty. `None` if the split is
/// ambiguous.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    match authority.rfind(']') {
        Some(end) => authority.split_at_checked(end.checked_add(1)?),
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len())),
    }
}

/// Whether the text is a colon and a canonical port. Some programs drop an empty port (RFC 3986 §3.2.3) but
/// Envoy keeps it, and some programs compare leading zeros as text.
fn is_port(port: &str) -> bool {
    port.strip_prefix(':').is_some_and(|digits| {
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
            && digits.parse::<u16>().is_ok()
    })
}

/// Whether this is a host name as in RFC 1123 §2.1, or one with `_`, which is common.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    name.len() <= MAX_NAME && name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_letter))
}

/// Reads an address in its canonical spelling (RFC 5952): `127.0.0.1` or `[2001:db8::1]`. An IPv4-mapped IPv6
/// address is a different host, because a router that compares text distinguishes them.
fn address(name: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        // The parser accepts only the canonical spelling: four numbers without leading zeros.
        return name.parse::<Ipv4Addr>().ok().map(|_| Cow::Borrowed(name));
    };
    let address: Ipv6Addr = inner.parse().ok()?;
    let canonical = is_spelling(inner, address);
    Some(if canonical { Cow::Borrowed(name) } else { Cow::Owned(format!("[{address}]")) })
}

/// Whether `text` is the canonical spelling of the address. Compares without allocating.
fn is_spelling(text: &str, address: Ipv6Addr) -> bool {
    let mut rest = Expected(text);
    write!(rest, "{address}").is_ok() && rest.0.is_empty()
}

/// The rest of the text that the formatter must still write.
struct Expected<'a>(&'a str);

impl fmt::Write for Expected<'_> {
    fn write_str(&mut self, written: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(written).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// Whether some program reads the name as an IPv4 address because its last label is a number (WHATWG URL,
/// host parsing).
fn is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

const MAX_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_has_one_reading() {
        for (authority, host) in [
            ("api.acme.test", "api.acme.test"),
            ("API.Acme.TEST:8443", "api.acme.test"),
            ("api.acme.test.", "api.acme.test"),
            ("api.acme.test.:443", "api.acme.test"),
            ("localhost:10000", "localhost"),
            ("my_service:65535", "my_service"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[2001:DB8::1]:80", "[2001:db8::1]"),
            ("[2001:db8:0:0::0:1]", "[2001:db8::1]"),
            ("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]"),
            ("[::FFFF:7f00:1]", "[::ffff:127.0.0.1]"),
            ("x0.test", "x0.test"),
            ("127.0.0.1.test", "127.0.0.1.test"),
            ("", ""),
        ] {
            assert_eq!(Host::parse(authority.as_bytes()).unwrap().as_str(), host, "{authority}");
        }
        for authority in [
            "api.acme.test@evil.test",
            "api.acme.test:80:80",
            "api.acme.test,evil.test",
            "api..acme.test",
            ".",
            ".acme.test",
            "api.acme.test..",
            "api%2eacme.test",
            "api acme",
            "[::1",
            "::1",
            "[::1]x",
            "[x]",
            "api:8o",
            "api:",
            "[::1]:",
            "127.0.0.1:",
            "api:0",
            "api:080",
            "api:65536",
            "api:+80",
            "api::80",
            "[::1].",
            "[::1].:80",
            "[fe80::1%25eth0]",
            "127.0.0.1.",
            "::1:80",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "api.acme.test/",
            "a\u{3002}test",
            "127.1",
            "0x7f.0.0.1",
            "127.0.0.0x1",
            "2130706433",
            "127.0.0.01",
            "api.acme.1",
            ":80",
        ] {
            assert_eq!(Host::parse(authority.as_bytes()), Err(BadHost), "{authority}");
        }
        assert_eq!(Host::parse(b"api\xff"), Err(BadHost));
    }

    #[test]
    fn an_authority_is_forwarded_in_one_spelling() {
        for (authority, kept, removed) in [
            ("api.acme.test", None, None),
            ("API.acme.test", Some("api.acme.test"), Some("api.acme.test")),
            ("api.acme.test.", Some("api.acme.test"), Some("api.acme.test")),
            ("api.acme.test:8443", None, Some("api.acme.test")),
            ("Api.acme.test.:8443", Some("api.acme.test:8443"), Some("api.acme.test")),
            ("[::1]", None, None),
            ("[::1]:80", None, Some("[::1]")),
            ("[0::1]:80", Some("[::1]:80"), Some("[::1]")),
            ("192.0.2.1", None, None),
            ("[::ffff:c000:201]", Some("[::ffff:192.0.2.1]"), Some("[::ffff:192.0.2.1]")),
            ("", None, None),
        ] {
            let host = Host::parse(authority.as_bytes()).unwrap();
            let rewritten = |ports| host.rewritten(authority.as_bytes(), ports);
            assert_eq!(rewritten(Ports::Kept).as_deref(), kept.map(str::as_bytes), "{authority}");
            assert_eq!(rewritten(Ports::Removed).as_deref(), removed.map(str::as_bytes), "{authority}");
        }
    }

    #[test]
    fn operation_host_is_exact_or_below_a_domain() {
        for (pattern, inside, outside) in [
            ("Billing.acme.test", "billing.acme.test", "x.billing.acme.test"),
            ("billing.acme.test.", "billing.acme.test", "acme.test"),
            ("*.acme.test", "a.b.acme.test", "acme.test"),
            ("*.acme.test", "a.acme.test", "xacme.test"),
            ("billing.", "billing", "billing.test"),
            ("localhost", "localhost", "local"),
            ("[::1]", "[::1]", "[::2]"),
            ("[0:0:0:0:0:0:0:1]", "[::1]", "[::2]"),
        ] {
            let pattern = HostPattern::parse(pattern).unwrap();
            let covers = |host: &str| pattern.overlaps(&HostPattern::Exact(host.into()));
            assert!(covers(inside) && !covers(outside), "{pattern:?}");
        }
        for (text, why) in [
            ("v1", BadHostPattern::OneLabel),
            ("acme.test:8443", BadHostPattern::Port),
            ("https:", BadHostPattern::Scheme),
            ("127.1", BadHostPattern::Name),
            ("*acme.test", BadHostPattern::Name),
            ("a.*.test", BadHostPattern::Name),
            ("*.", BadHostPattern::Name),
            ("*", BadHostPattern::Name),
            ("a..test", BadHostPattern::Name),
            ("{tenant}.acme.test", BadHostPattern::Name),
        ] {
            assert_eq!(HostPattern::parse(text), Err(why), "{text}");
        }
    }
}
