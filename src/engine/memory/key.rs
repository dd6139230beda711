//! Keys under which tokens and sources are remembered: 16 bytes each.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;

use sha2::{Digest, Sha256};

use crate::engine::words::address::Source;
use crate::engine::words::name::TokenId;

/// The key of a token or a source in the state of the defense.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Key(pub(super) [u8; SIZE]);

impl Key {
    /// The key of a token with these secrets. It changes when a secret is minted, rotated or revoked.
    pub(crate) fn of_token(id: &TokenId, secrets: [u8; SIZE]) -> Self {
        // An id contains no NUL.
        let hash = Sha256::new().chain_update(id.as_str()).chain_update([0]).chain_update(secrets);
        Self(half(&hash.finalize()))
    }

    /// The key of a source: an IPv4 address, or the /64 of an IPv6 address, because one customer usually has the
    /// whole /64 (RFC 6177 §2). `None` if Envoy reports no address.
    pub fn of_source(source: Source<'_>) -> Option<Self> {
        Some(Self(match source.ip()? {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => (address.to_bits() & NETWORK).to_be_bytes(),
        }))
    }

    /// The place of the key among `count` places. Without the salt nobody can compute which keys share a place.
    pub fn place(self, salt: &[u8], count: u64) -> u64 {
        let hash = Sha256::new().chain_update(salt).chain_update(self.0).finalize();
        let number = hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        number.checked_rem(count).unwrap_or(0)
    }
}

/// Writes the key of a source as an address or a network.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Ipv6Addr::from(self.0).to_canonical() {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

/// The first 16 bytes of a hash.
pub(crate) fn half(hash: &[u8]) -> [u8; SIZE] {
    hash.first_chunk().copied().unwrap_or_default()
}

/// Length of a key in bytes.
pub(super) const SIZE: usize = 16;
/// Mask for the first 64 bits of an address.
const NETWORK: u128 = !(u64::MAX as u128);

#[cfg(test)]
mod tests {
    use super::*;

    fn source(property: &str) -> Option<Key> {
        Key::of_source(Source::of(property.as_bytes()))
    }

    #[test]
    fn ipv6_network_and_ipv4_address_are_one_source() {
        assert_eq!(source("[2001:db8:0:1::1]:1"), source("[2001:db8:0:1:ffff::]:2"));
        assert_ne!(source("[2001:db8:0:1::1]:1"), source("[2001:db8:0:2::1]:1"));
        assert_eq!(source("203.0.113.7:1"), source("[::ffff:203.0.113.7]:2"));
        assert_ne!(source("203.0.113.7:1"), source("203.0.113.8:1"));
        assert_ne!(source("[::1]:1"), source("0.0.0.0:1"));
        assert_eq!(source("/run/envoy.sock"), None);
    }

    #[test]
    fn source_key_is_shown_as_address_or_network() {
        for (property, shown) in [
            ("203.0.113.7:1", "203.0.113.7"),
            ("[2001:db8:0:1::7]:1", "2001:db8:0:1::/64"),
            ("[::1]:1", "::/64"),
        ] {
            assert_eq!(source(property).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn token_key_depends_on_id_and_secrets() {
        let key = |id: &str, secrets| Key::of_token(&id.parse().unwrap(), secrets);
        assert_eq!(key("ci", [1; SIZE]), key("ci", [1; SIZE]));
        assert_ne!(key("ci", [1; SIZE]), key("ci", [2; SIZE]));
        assert_ne!(key("ci", [1; SIZE]), key("cd", [1; SIZE]));
    }
}
