//! The one of an Envoy's modules that does what only one is to do: fetch the bundle, send alerts.

use std::cell::OnceCell;

use crate::engine::lease::{Lease, Step};
use crate::engine::time::Time;
use crate::filter::host::{self, Stored};

/// Somebody who may become the one.
pub(super) struct Candidate {
    /// Key of the lease in shared data.
    key: String,
    id: OnceCell<u64>,
}

impl Candidate {
    /// A candidate for doing what `task` names.
    pub(super) fn new(task: &str) -> Self {
        Self { key: format!("tokenward/leader/{task}"), id: OnceCell::new() }
    }

    /// Whether this is the one, for now. Where the host fails nobody is.
    pub(super) fn leads(&self, now: Time) -> bool {
        let Some(id) = self.id() else { return false };
        let (current, version) = match host::shared_data(self.key.as_bytes()) {
            Stored::Value(bytes, version) => (Lease::from_bytes(&bytes), version),
            Stored::Nothing => (None, host::ABSENT),
            Stored::Failed => return false,
        };
        match Lease::step(current, id, now) {
            Step::Held => true,
            Step::Take(lease) => host::replace_shared_data(self.key.as_bytes(), &lease.to_bytes(), version),
            Step::Leave => false,
        }
    }

    /// A number that no other candidate of this Envoy has.
    fn id(&self) -> Option<u64> {
        if let Some(id) = self.id.get() {
            return Some(*id);
        }
        let id = next_id()?;
        Some(*self.id.get_or_init(|| id))
    }
}

fn next_id() -> Option<u64> {
    for _ in 0..MAX_TRIES {
        let (last, version) = match host::shared_data(COUNTER) {
            Stored::Value(bytes, version) => {
                (bytes.try_into().map(u64::from_le_bytes).unwrap_or_default(), version)
            }
            Stored::Nothing => (0, host::ABSENT),
            Stored::Failed => return None,
        };
        let id = last.wrapping_add(1);
        if host::replace_shared_data(COUNTER, &id.to_le_bytes(), version) {
            return Some(id);
        }
    }
    None
}

const COUNTER: &[u8] = b"tokenward/leader/next";
const MAX_TRIES: usize = 100;
