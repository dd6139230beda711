//! Sampling: which permits are logged if not all of them are.

use std::hash::{DefaultHasher, Hasher};

use crate::engine::config::settings::Permits;
use crate::engine::policy::decision::Decision;

/// Picks one in N permits, with the VM's counter and a seed that callers do not know.
///
/// Callers do not influence the choice: the seed depends on the configuration, which contains all secret digests, and
/// on the VM's start time. So no caller can predict which request is not logged, not even by counting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampler {
    seed: u64,
    count: u64,
}

impl Sampler {
    /// A sampler for a configuration with this fingerprint, in a VM that started at this time in nanoseconds.
    pub fn new(configuration: u64, nanoseconds: u64) -> Self {
        Self { seed: hash(configuration, nanoseconds), count: 0 }
    }

    /// Whether to log the next permit, at a rate of one in `size`; 0 logs no permits.
    pub fn picks(&mut self, size: u32) -> bool {
        match size {
            0 => false,
            1 => true,
            size => {
                self.count = self.count.wrapping_add(1);
                hash(self.seed, self.count).checked_rem(u64::from(size)) == Some(0)
            }
        }
    }
}

fn hash(seed: u64, number: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(seed);
    hasher.write_u64(number);
    hasher.finish()
}

impl Permits {
    /// Log one in this many decisions of this sort; 0 disables logging.
    pub fn share_of(self, decision: &Decision<'_>) -> u32 {
        let retiring = decision.subject().is_some_and(|subject| subject.retiring());
        match self {
            _ if retiring || !decision.is_permit() => 1,
            Self::All => 1,
            Self::None => 0,
            Self::OneIn(size) => size.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_rate_holds_and_vms_differ() {
        let picked = |seed| {
            let mut sampler = Sampler::new(seed, 1);
            (0..100_000).filter(|_| sampler.picks(100)).collect::<Vec<_>>()
        };
        let (one, other) = (picked(1), picked(2));
        // A tolerance of ten standard deviations.
        assert!((700..1_300).contains(&one.len()) && (700..1_300).contains(&other.len()));
        assert!(one.iter().filter(|number| other.contains(number)).count() < 100);
        let mut sampler = Sampler::new(1, 1);
        assert!((0..9).all(|_| sampler.picks(1) && !sampler.picks(0)));
    }
}
