//! Hosts: the one reading of `:authority`, and the hosts that an operation names.
//!
//! In: an authority as it came. Out: its host in one spelling, and what the upstream gets in its place. Letter case, a
//! port and one trailing dot are no part of the host (RFC 9110 §4.2.3, RFC 3986 §3.2.2). Envoy chooses a virtual
//! host by comparing text, so an authority in another spelling must never be forwarded.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// The host of a request and its port; both are empty where the request names no host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host<'a> {
    /// Lower case, without trailing dot.
    name: Cow<'a, str>,
    /// With its colon: `:8443`.
    port: &'a str,
}

/// What becomes of the port of a forwarded authority.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ports {
    /// It is forwarded: no operation names a host, so the host decides nothing.
    Kept,
    /// It is removed: an operation at a host is at every port, and a virtual host is at one.
    Removed,
}

impl<'a> Host<'a> {
    /// Reads `:authority`.
    ///
    /// # Errors
    /// That it has no reading, or more than one: user information, an escape, an empty label, an empty port or one
    /// that is no number from 1 to 65535, an address in a spelling of its own (`127.1`, `0x7f.0.0.1`, `127.0.0.1.`).
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

    /// The host as text: lower case, without port and trailing dot.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The authority that is forwarded in the place of this one, which the host was read from; `None` where it is
    /// forwarded as it came.
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

/// That an authority cannot be read one way only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadHost;

impl fmt::Display for BadHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host is a name or an address, with a port at most")
    }
}

/// The hosts that an operation names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum HostPattern {
    /// This one.
    Exact(Box<str>),
    /// All below a domain: `.acme.test` for `*.acme.test`, at any depth, and not the domain itself.
    Below(Box<str>),
    /// All.
    #[default]
    Any,
}

impl HostPattern {
    /// Reads a host as a policy writes it.
    ///
    /// # Errors
    /// What is wrong with it.
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
        // `v1/users` is far more often a path without its slash than the host `v1`.
        if !name.contains('.') && !below && name != "localhost" {
            return Err(BadHostPattern::OneLabel);
        }
        Ok(if below { Self::Below(format!(".{rooted}").into()) } else { Self::Exact(rooted.into()) })
    }

    /// Whether some host is one of both.
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

/// Ordered as the most specific operation is found: one host, then domains (the longer first), then all.
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

/// Whether the host lies below the domain, which begins with a dot.
pub(crate) fn is_below(host: &str, domain: &str) -> bool {
    host.len() > domain.len() && host.ends_with(domain)
}

/// Why a text is no host of an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadHostPattern {
    /// Not labels of letters, digits, `-` and `_` with dots between.
    Name,
    /// It has a port.
    Port,
    /// It is a scheme, as in a URL.
    Scheme,
    /// One label alone: most likely a path without its slash.
    OneLabel,
}

/// Host and port of an authority, the port with its colon, or empty; `None` where there is more than one way to cut it.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    match authority.rfind(']') {
        Some(end) => authority.split_at_checked(end.checked_add(1)?),
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len())),
    }
}

/// Whether it is a colon and a port in its one spelling: an empty one is left out by some programs (RFC 3986 §3.2.3)
/// and kept by Envoy, and leading zeros are compared by some as text.
fn is_port(port: &str) -> bool {
    port.strip_prefix(':').is_some_and(|digits| {
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
            && digits.parse::<u16>().is_ok()
    })
}

/// RFC 1123 §2.1's names, and those with `_` that are in use.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    name.len() <= MAX_NAME && name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_letter))
}

/// An address in its one spelling (RFC 5952): `127.0.0.1` or `[2001:db8::1]`. An IPv4 address that is mapped into IPv6
/// is another host: a router that compares text does not take one for the other.
fn address(name: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        // What parses is spelled that way: four numbers without leading zeros.
        return name.parse::<Ipv4Addr>().ok().map(|_| Cow::Borrowed(name));
    };
    let address: Ipv6Addr = inner.parse().ok()?;
    let canonical = is_spelling(inner, address);
    Some(if canonical { Cow::Borrowed(name) } else { Cow::Owned(format!("[{address}]")) })
}

/// Whether `text` is how the address is written; compares without allocating.
fn is_spelling(text: &str, address: Ipv6Addr) -> bool {
    let mut rest = Expected(text);
    write!(rest, "{address}").is_ok() && rest.0.is_empty()
}

/// The rest of a text that is expected to be written.
struct Expected<'a>(&'a str);

impl fmt::Write for Expected<'_> {
    fn write_str(&mut self, written: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(written).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// Whether some program reads the name as an IPv4 address: its last label is a number (WHATWG URL, host parsing).
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
    fn a_host_of_an_operation_is_one_name_or_all_below_a_domain() {
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
