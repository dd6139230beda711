//! Ids of chains of audit events.

use std::fmt;
use std::str::FromStr;

/// The id of a chain: the life of the Envoy process to which its VM belongs, and the number of the VM in it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChainId {
    /// The life: the time from the first VM that shares the host's data to the last.
    pub life: u64,
    /// Number of the VM and configuration, from 1, without gaps.
    pub number: u64,
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.life, self.number)
    }
}

impl FromStr for ChainId {
    type Err = BadChainId;

    fn from_str(text: &str) -> Result<Self, BadChainId> {
        let (life, number) = text.split_once('-').ok_or(BadChainId)?;
        let life = u64::from_str_radix(life, 16).map_err(|_| BadChainId)?;
        let id = Self { life, number: number.parse().map_err(|_| BadChainId)? };
        // Accept only the canonical spelling, so that each chain has one id.
        if id.to_string() == text { Ok(id) } else { Err(BadChainId) }
    }
}

/// The error for text that is not a chain id.
#[derive(Debug, Eq, PartialEq)]
pub struct BadChainId;

impl fmt::Display for BadChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not the name of a chain")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_id_has_one_spelling() {
        let id = ChainId { life: 0xab, number: 12 };
        assert_eq!("00000000000000ab-12".parse(), Ok(id));
        for bad in ["ab-12", "00000000000000AB-12", "00000000000000ab-012", "00000000000000ab-+1", "", "-"] {
            assert_eq!(bad.parse::<ChainId>(), Err(BadChainId), "{bad}");
        }
    }
}
