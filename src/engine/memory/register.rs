//! The register of chains, which all VMs of one Envoy share: it gives each of their chains a different id.
//!
//! In: the host's shared data, which other modules may have written, and a configuration. Out: the id of the next
//! chain, and the new register.

use std::hash::{DefaultHasher, Hash, Hasher};

use sha2::{Digest, Sha256};

use crate::engine::memory::chain_id::ChainId;

/// The chains of one Envoy so far, and their configurations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Register {
    life: u64,
    count: u64,
    /// Fingerprints of the configurations, latest first.
    known: Vec<u64>,
}

/// The start of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Birth {
    /// The id of the chain.
    pub id: ChainId,
    /// Whether this is the first VM of this Envoy with the configuration. Envoy tries each new configuration in a VM
    /// that serves no requests and ends silently. That is most likely this VM.
    pub canary: bool,
}

impl Register {
    /// A register that starts now, in nanoseconds, in the Envoy with this node id.
    pub fn new(nanoseconds: u64, node: &[u8]) -> Self {
        let digest: [u8; 32] =
            Sha256::new().chain_update(nanoseconds.to_be_bytes()).chain_update(node).finalize().into();
        Self { life: first(&digest).unwrap_or_default(), count: 0, known: Vec::new() }
    }

    /// Reads a stored register; `None` if the bytes are not a register.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| u64::from_be_bytes(*number));
        let (life, count) = (numbers.next()?, numbers.next()?);
        let known: Vec<u64> = numbers.collect();
        (rest.is_empty() && known.len() <= MAX_KNOWN).then_some(Self { life, count, known })
    }

    /// The register as bytes for storage: at most 144.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.life, self.count].iter().chain(&self.known).flat_map(|number| number.to_be_bytes()).collect()
    }

    /// How many chains this life has had so far; `None` if the register is of another life.
    pub fn count(&self, life: u64) -> Option<u64> {
        (self.life == life).then_some(self.count)
    }

    /// Starts the next chain, for a VM with the configuration of this fingerprint.
    pub fn enter(&mut self, configuration: u64) -> Birth {
        self.count = self.count.saturating_add(1);
        let canary = !self.known.contains(&configuration);
        if canary {
            self.known.insert(0, configuration);
            self.known.truncate(MAX_KNOWN);
        }
        Birth { id: ChainId { life: self.life, number: self.count }, canary }
    }
}

/// A number that identifies a plugin's configuration and reveals nothing about it. Envoy tries a configuration once
/// for each plugin, and again for another module.
pub fn fingerprint(plugin: &[u8], configuration: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (plugin, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
    hasher.write(configuration);
    hasher.finish()
}

fn first(digest: &[u8]) -> Option<u64> {
    digest.first_chunk().map(|chunk| u64::from_be_bytes(*chunk))
}

/// Maximum number of remembered configurations: more than the filters that share data in one Envoy.
const MAX_KNOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_first_chain_of_configuration_is_canary() {
        let mut register = Register::new(1, b"gateway");
        let births = [7, 7, 8, 7, 8].map(|configuration| {
            let birth = register.enter(configuration);
            register = Register::from_bytes(&register.to_bytes()).unwrap();
            (birth.id.number, birth.canary)
        });
        assert_eq!(births, [(1, true), (2, false), (3, true), (4, false), (5, false)]);
    }

    #[test]
    fn configuration_is_remembered_per_plugin() {
        assert_eq!(fingerprint(b"a", b"{}"), fingerprint(b"a", b"{}"));
        assert_ne!(fingerprint(b"a", b"{}"), fingerprint(b"b", b"{}"));
        assert_ne!(fingerprint(b"a", b"{}"), fingerprint(b"a", b"{ }"));
    }

    #[test]
    fn register_is_bounded_and_rejects_garbage() {
        let mut register = Register::new(1, b"gateway");
        for configuration in 0..100 {
            register.enter(configuration);
        }
        assert_eq!(register.to_bytes().len(), 144);
        for bytes in [&b""[..], &[0; 8], &[0; 17], &[0; 152]] {
            assert_eq!(Register::from_bytes(bytes), None);
        }
    }

    #[test]
    fn simultaneous_envoys_have_different_lives() {
        let life = |node| Register::new(1, node).enter(0).id.life;
        assert_ne!(life(b"a"), life(b"b"));
    }
}
