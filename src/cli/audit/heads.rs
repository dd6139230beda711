//! The heads of chains at the last verification. Stored apart from the log, they reveal lines that were cut off
//! since.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::engine::memory::chain_id::ChainId;
use crate::engine::report::chain::Link;

/// The heads of chains.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    version: Version,
    /// Keyed by the life of an Envoy, in 16 hex digits.
    lives: BTreeMap<String, Life>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "u64", into = "u64")]
struct Version;

/// The chains of one life.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Life {
    /// All chains up to this one have ended and are not listed.
    ended: u64,
    chains: BTreeMap<u64, Head>,
}

/// The head of a chain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of the next event.
    pub next: u64,
    /// Hash of the last event, in hex.
    hash: String,
    /// Whether the chain has ended.
    pub ended: bool,
}

impl Head {
    /// The head of a chain whose last event has this hash.
    pub fn new(next: u64, hash: Link, ended: bool) -> Self {
        Self { next, hash: hash.to_string(), ended }
    }

    /// Hash of the last event.
    pub fn link(&self) -> Option<Link> {
        Link::parse(self.hash.as_bytes())
    }
}

impl Heads {
    /// Reads the heads from a file; none if the file does not exist yet.
    ///
    /// # Errors
    /// Fails if the file cannot be read or has other content.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::new(format!("cannot read {}: {error}", path.display()))),
        };
        let bad = |why: String| {
            Failure::new(format!("{} holds no heads: {why}", path.display()))
                .hint("take the file that `tokenward audit verify --heads` wrote, or name a new one")
        };
        let heads: Self = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        let broken = heads.iter().find(|(_, head)| head.link().is_none() || head.next == 0);
        if let Some((id, _)) = broken {
            return Err(bad(format!("the head of chain {id} is none")));
        }
        Ok(heads)
    }

    /// The head of a chain; `None` if it was never seen, or if it and all earlier chains have ended.
    pub(super) fn get(&self, id: ChainId) -> Option<&Head> {
        self.lives.get(&name(id.life))?.chains.get(&id.number)
    }

    /// Whether the chain and all earlier ones have ended, so that its head is no longer stored.
    pub(super) fn is_forgotten(&self, id: ChainId) -> bool {
        self.lives.get(&name(id.life)).is_some_and(|life| id.number <= life.ended)
    }

    /// All heads.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ChainId, &Head)> {
        self.lives.iter().flat_map(|(life, chains)| {
            let life = u64::from_str_radix(life, 16).unwrap_or_default();
            chains.chains.iter().map(move |(number, head)| (ChainId { life, number: *number }, head))
        })
    }

    /// The number of the last chain of a life up to which no chain is listed.
    pub(super) fn ended(&self, life: u64) -> u64 {
        self.lives.get(&name(life)).map_or(0, |life| life.ended)
    }

    /// Sets the head of a chain.
    pub(super) fn put(&mut self, id: ChainId, head: Head) {
        self.lives.entry(name(id.life)).or_default().chains.insert(id.number, head);
    }

    /// Removes the heads of chains that have ended together with all earlier ones.
    pub(super) fn forget(&mut self) {
        for life in self.lives.values_mut() {
            while life
                .chains
                .first_key_value()
                .is_some_and(|(number, head)| head.ended && Some(*number) == life.ended.checked_add(1))
            {
                life.ended = life.ended.saturating_add(1);
                life.chains.pop_first();
            }
        }
    }

    /// The heads as the text of a file.
    pub(super) fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(version: u64) -> Result<Self, String> {
        if version == 1 { Ok(Self) } else { Err(format!("version {version} is not known")) }
    }
}

impl From<Version> for u64 {
    fn from(_: Version) -> Self {
        1
    }
}

fn name(life: u64) -> String {
    format!("{life:016x}")
}
