//! Source addresses: where a request comes from, and from which addresses a token may be used.
//!
//! In: the source that Envoy reports or that `x-forwarded-for` lists (`203.0.113.7:4711`,
//! `[2001:db8::1]:4711`), and the address ranges of a token (`203.0.113.0/24`). An IPv4 address equals the
//! same address mapped into IPv6 (RFC 4291 §2.5.5.2).

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::fmt;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// The address that a request comes from, as text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    /// An unknown source.
    pub const UNKNOWN: Self = Self(b"");

    /// Reads Envoy's `source.address`: `address:port`, IPv6 in brackets. Any other text, such as the path of
    /// a pipe, is kept whole.
    pub fn of(property: &'a [u8]) -> Self {
        let Some(end) = property.iter().rposition(|byte| *byte == b':') else { return Self(property) };
        let address = property.get(..end).unwrap_or_default();
        Self(unbracketed(address).unwrap_or(address))
    }

    /// Reads an entry of `x-forwarded-for`: an address with or without a port.
    pub(crate) fn of_entry(entry: &'a [u8]) -> Option<Self> {
        if Self::is_plain_entry(entry) {
            return Some(Self(entry));
        }
        if let Some(inner) = unbracketed(entry) {
            return parsed::<Ipv6Addr>(inner).map(|_| Self(inner));
        }
        parsed::<SocketAddr>(entry).map(|_| Self::of(entry))
    }

    /// Whether an entry of `x-forwarded-for` is only an address, as Envoy reads it.
    pub(crate) fn is_plain_entry(entry: &[u8]) -> bool {
        parsed::<IpAddr>(entry).is_some()
    }

    /// The address as text, without a port. Text that is not an address, such as the path of a pipe, is
    /// returned whole.
    pub fn text(self) -> &'a [u8] {
        self.0
    }

    /// The IP address, if the source has one. The zone of an IPv6 address (RFC 4007 §11) is dropped.
    pub fn ip(self) -> Option<IpAddr> {
        let text = std::str::from_utf8(self.text()).ok()?;
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        address.parse().ok().map(unmapped)
    }
}

fn unbracketed(address: &[u8]) -> Option<&[u8]> {
    address.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]"))
}

fn parsed<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A range of addresses, written as a prefix (RFC 4632, RFC 4291 §2.3) or as a single address.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend(
        "pattern" = regex(),
        "examples" = ["203.0.113.0/24", "2001:db8::/32"]
    ))
)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange(IpNet);

impl AddressRange {
    /// Whether the range contains the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&unmapped(address))
    }
}

impl TryFrom<String> for AddressRange {
    type Error = BadRange;

    fn try_from(text: String) -> Result<Self, BadRange> {
        let network = match text.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => text.parse::<IpAddr>().map(IpNet::from).map_err(|_| BadRange::unreadable(&text))?,
        };
        if network.addr() != network.network() {
            return Err(BadRange { text: begin(&text), meant: Some(network.trunc()) });
        }
        Ok(Self(unmapped_network(network)))
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> Self {
        range.to_string()
    }
}

/// Writes a single address without its prefix length.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            return self.0.addr().fmt(f);
        }
        self.0.fmt(f)
    }
}

/// The error for text that is not an address range.
#[derive(Debug, Eq, PartialEq)]
pub struct BadRange {
    text: String,
    /// The range that contains the address, if the only mistake is bits beyond the prefix.
    meant: Option<IpNet>,
}

impl BadRange {
    fn unreadable(text: &str) -> Self {
        Self { text: begin(text), meant: None }
    }
}

impl std::error::Error for BadRange {}

impl fmt::Display for BadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.escape_default();
        match self.meant {
            Some(meant) => {
                let one = text.to_string();
                let one = one.split('/').next().unwrap_or_default();
                write!(
                    f,
                    "`{text}` has bits beyond its prefix: write `{meant}`, or `{one}` for this address alone"
                )
            }
            None => write!(
                f,
                "`{text}` is not a range of addresses: write it as in `203.0.113.0/24` or `2001:db8::/32`"
            ),
        }
    }
}

/// Converts an IPv4-mapped IPv6 address to IPv4; returns other addresses unchanged.
fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Converts an IPv4-mapped range: `::ffff:203.0.113.0/120` becomes `203.0.113.0/24`.
fn unmapped_network(network: IpNet) -> IpNet {
    let (IpNet::V6(v6), Some(length)) = (network, network.prefix_len().checked_sub(MAPPED_PREFIX)) else {
        return network;
    };
    let v4 = Ipv6Addr::to_ipv4_mapped(&v6.addr()).and_then(|address| Ipv4Net::new(address, length).ok());
    v4.map_or(network, IpNet::V4)
}

fn begin(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The JSON Schema pattern for ranges: it accepts everything that the parser accepts.
#[cfg(not(target_arch = "wasm32"))]
fn regex() -> String {
    let octet = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])";
    let v4 = format!(r"{octet}(?:\.{octet}){{3}}(?:/(?:3[0-2]|[0-2]?[0-9]))?");
    format!("^(?:{v4}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/(?:12[0-8]|1[01][0-9]|0?[0-9]?[0-9]))?)$")
}

/// Prefix length of `::ffff:0:0/96`, which holds the IPv4-mapped addresses.
const MAPPED_PREFIX: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn source_is_read_in_envoys_format() {
        for (property, ip) in [
            ("203.0.113.7:4711", Some("203.0.113.7")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("[::ffff:203.0.113.7]:4711", Some("203.0.113.7")),
            ("[fe80::1%2]:80", Some("fe80::1")),
            ("203.0.113.7:0", Some("203.0.113.7")),
            ("", None),
            ("/run/envoy.sock", None),
            ("203.0.113.007:1", None),
            ("203.0.113.7.1:1", None),
        ] {
            let expected = ip.map(|ip| ip.parse().unwrap());
            assert_eq!(Source::of(property.as_bytes()).ip(), expected, "{property}");
        }
    }

    #[test]
    fn range_contains_mapped_and_plain_addresses() {
        for (text, inside, outside) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::ffff:203.0.113.0/120", "203.0.113.7", "203.0.112.7"),
            ("203.0.113.0/24", "::ffff:203.0.113.7", "::ffff:203.0.112.7"),
            ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.7"),
        ] {
            assert!(range(text).contains(inside.parse().unwrap()), "{inside} is in {text}");
            assert!(!range(text).contains(outside.parse().unwrap()), "{outside} is not in {text}");
        }
    }

    #[test]
    fn invalid_range_is_rejected_with_a_correction() {
        for text in
            ["", "office", "203.0.113.0/33", "203.0.113/24", "203.0.113.0/", "10.0.0.0/8 ", "1.2.3.4:80"]
        {
            assert!(AddressRange::try_from(text.to_owned()).is_err(), "{text}");
        }
        let error = AddressRange::try_from("203.0.113.7/24".to_owned()).unwrap_err();
        assert!(
            error.to_string().ends_with("write `203.0.113.0/24`, or `203.0.113.7` for this address alone")
        );
        assert_eq!(range("::ffff:203.0.113.0/120").to_string(), "203.0.113.0/24");
        assert_eq!(range("203.0.113.7/32").to_string(), "203.0.113.7");
    }
}
