//! Hosts: the one reading of `:authority`, and the hosts that an operation names.
//!
//! Letters are compared without case, a port and one trailing dot are left out (RFC 9110 §4.2.3, RFC 3986 §3.2.2).

use core::net::{IpAddr, Ipv4Addr};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// The host of a request: lower case, without port and trailing dot; empty where the request names none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// Reads `:authority`.
    ///
    /// # Errors
    /// That it has no reading, or more than one: user information, an escape, an empty label, an address in
    /// a spelling of its own (`127.1`, `0x7f.0.0.1`).
    pub fn parse(authority: &'a [u8]) -> Result<Self, BadHost> {
        let text = std::str::from_utf8(authority).map_err(|_| BadHost)?;
        if text.is_empty() {
            return Ok(Self(Cow::Borrowed("")));
        }
        let name = without_port(text).ok_or(BadHost)?;
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(address) = address(name) {
            return Ok(Self(address));
        }
        if !is_name(name) || is_number(name) {
            return Err(BadHost);
        }
        let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        Ok(Self(if lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) }))
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
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

/// The authority without its port; none where there is more than one way to cut it.
fn without_port(authority: &str) -> Option<&str> {
    let (name, port) = match authority.rfind(']') {
        Some(end) => authority.split_at_checked(end.checked_add(1)?)?,
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?,
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    (digits.len() <= MAX_PORT && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

/// RFC 1123 §2.1's names, and those with `_` that are in use.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    name.len() <= MAX_NAME && name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_letter))
}

/// An address in its one spelling (RFC 5952): `127.0.0.1` or `[2001:db8::1]`; mapped into IPv6 it is the same one.
fn address(name: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        // What parses is spelled that way: four numbers without leading zeros.
        return name.parse::<Ipv4Addr>().ok().map(|_| Cow::Borrowed(name));
    };
    Some(Cow::Owned(match IpAddr::V6(inner.parse().ok()?).to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }))
}

/// Whether some program reads the name as an IPv4 address: its last label is a number (WHATWG URL, host parsing).
fn is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

const MAX_NAME: usize = 253;
const MAX_PORT: usize = 5;

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
            ("my_service:", "my_service"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[2001:DB8::1]:80", "[2001:db8::1]"),
            ("[2001:db8:0:0::0:1]", "[2001:db8::1]"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1"),
            ("[::FFFF:7f00:1]", "127.0.0.1"),
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
