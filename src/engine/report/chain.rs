//! The chain of one VM's events: each line ends with a hash over the line and the hash of the line before.
//!
//! In: lines of JSON in order. Out: the same lines with `chain` and `hash`. Removing, inserting, changing or
//! reordering lines breaks the chain at that place, and only a holder of the key can repair it. (Without a key anyone
//! can repair it. Such a chain shows only accidental damage, and changes to lines before a hash that was noted
//! elsewhere.)

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::engine::config::settings::{ChainKey, Chaining};
use crate::engine::memory::chain_id::ChainId;

/// The hash of a line: the first half of a SHA-256.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Link([u8; LINK]);

impl Link {
    /// The link before the first line.
    pub const START: Self = Self([0; LINK]);

    /// Reads a link from hex digits.
    pub fn parse(hex: &[u8]) -> Option<Self> {
        let mut link = [0; LINK];
        let lower = hex.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        hex::decode_to_slice(hex, &mut link).ok().filter(|()| lower)?;
        Some(Self(link))
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The algorithm for links.
#[derive(Clone)]
pub enum Links {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// HMAC-SHA-256 (RFC 2104) with its key.
    Hmac(Box<Hmac<Sha256>>),
}

impl Links {
    /// Links with a key.
    pub fn keyed(key: &ChainKey) -> Option<Self> {
        Hmac::new_from_slice(key.bytes()).ok().map(|hmac| Self::Hmac(Box::new(hmac)))
    }

    /// Links as configured; `None` if lines are not chained.
    pub fn of(chaining: &Chaining) -> Option<Self> {
        match chaining {
            Chaining::Off => None,
            Chaining::Sha256 => Some(Self::Sha256),
            Chaining::HmacSha256(key) => Self::keyed(key),
        }
    }

    /// The link of a line that follows the link `previous`. `line` is all text before its `hash`.
    pub fn link(&self, previous: Link, line: &[u8]) -> Link {
        let whole: [u8; 32] = match self {
            Self::Sha256 => Sha256::new().chain_update(previous.0).chain_update(line).finalize().into(),
            Self::Hmac(hmac) => hmac
                .as_ref()
                .clone()
                .chain_update(previous.0)
                .chain_update(line)
                .finalize()
                .into_bytes()
                .into(),
        };
        let mut link = Link::default();
        link.0.iter_mut().zip(whole).for_each(|(half, byte)| *half = byte);
        link
    }
}

/// Shows the algorithm, never a key.
impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "Sha256",
            Self::Hmac(_) => "Hmac(…)",
        })
    }
}

/// A growing chain.
#[derive(Debug)]
pub struct Chain {
    links: Links,
    /// The text between an event's own members and its hash.
    name: String,
    previous: Link,
}

impl Chain {
    /// A chain without lines.
    pub fn new(id: ChainId, links: Links) -> Self {
        Self { links, name: format!("{CHAIN}{id}\""), previous: Link::START }
    }

    /// Adds a line to the chain. The line of the event must end with its number.
    pub fn seal(&mut self, mut line: String) -> String {
        line.pop();
        line.push_str(&self.name);
        self.previous = self.links.link(self.previous, line.as_bytes());
        line.push_str(HASH);
        let mut hex = [0; 2 * LINK];
        if hex::encode_to_slice(self.previous.0, &mut hex).is_ok() {
            line.extend(hex.map(char::from));
        }
        line.push_str(END);
        line
    }
}

/// Text before the id of the chain.
pub const CHAIN: &str = ",\"chain\":\"";
/// Text before the hash.
pub const HASH: &str = ",\"hash\":\"";
/// Text after the hash.
pub const END: &str = "\"}";
/// Length of a hash in bytes.
const LINK: usize = 16;
/// Maximum number of bytes that [`Chain::seal`] adds to a line: its `}` becomes `chain`, with a number of up to 20
/// digits, and `hash`.
pub(super) const MAX_SEAL: usize = CHAIN.len() + 16 + 1 + 20 + 1 + HASH.len() + 2 * LINK + END.len() - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_hashes_the_previous_link_and_the_line() {
        let line = b"{\"v\":1";
        let plain: [u8; 32] = Sha256::digest([&[0; 16], &line[..]].concat()).into();
        assert_eq!(Links::Sha256.link(Link::START, line).0, plain[..16]);
        let keyed = Links::keyed(&ChainKey::parse(&"0b".repeat(32)).unwrap()).unwrap();
        // RFC 2104, step by step.
        let pad = |with: u8| [[0x0b ^ with; 32], [with; 32]].concat();
        let inner = Sha256::digest([&pad(0x36)[..], &[0; 16], line].concat());
        let outer: [u8; 32] = Sha256::digest([&pad(0x5c)[..], &inner].concat()).into();
        assert_eq!(keyed.link(Link::START, line).0, outer[..16]);
    }

    #[test]
    fn seal_adds_at_most_its_limit() {
        let id = ChainId { life: u64::MAX, number: u64::MAX };
        let sealed = Chain::new(id, Links::Sha256).seal("{\"seq\":0}".to_owned());
        assert_eq!(sealed.len(), "{\"seq\":0}".len() + MAX_SEAL);
    }
}
