//! How far a gateway's signed bundles and lists have come, in the host's shared data.
//!
//! Every thread's configuration is judged here, the canary's too, and the first one leaves its mark for the others. The
//! mark lives as long as Envoy does: it outlives a VM, a new configuration and a trap, but not a restart.

use crate::engine::freshness::{Mark, Order, Seal};
use crate::engine::policy::Policy;
use crate::engine::revocations::Revocations;
use crate::engine::settings::Settings;
use crate::filter::host::{self, Stored};
use crate::filter::shared;

/// Whether the policy may follow those before it at its gateway, of whichever name they were; if so, none that is older
/// may follow it.
///
/// # Errors
/// The mark of a newer one, or nothing where the host does not say what was there.
pub(super) fn check(policy: &Policy, settings: &Settings) -> Result<(), Option<Mark>> {
    policy.seal().map_or(Ok(()), |seal| follow(&shared::key("revision/bundle", settings), seal))
}

/// The same of a list of revocations among those of its policy.
///
/// # Errors
/// As of [`check`].
pub(super) fn check_list(list: &Revocations, seal: &Seal, settings: &Settings) -> Result<(), Option<Mark>> {
    follow(&shared::key(&format!("revision/revocations/{}", list.name), settings), seal)
}

fn follow(key: &[u8], seal: &Seal) -> Result<(), Option<Mark>> {
    for _ in 0..MAX_TRIES {
        let version = match host::shared_data(key) {
            Stored::Value(bytes, version) => {
                let last = Mark::from_bytes(&bytes).ok_or(None)?;
                match last.order(&seal.mark) {
                    Order::Newer => version,
                    Order::Same => return Ok(()),
                    Order::Older => return Err(Some(last)),
                }
            }
            Stored::Nothing => host::ABSENT,
            Stored::Failed => return Err(None),
        };
        // Another thread may have left its mark at the same moment: then that one is looked at.
        if host::replace_shared_data(key, &seal.mark.to_bytes(), version) {
            return Ok(());
        }
    }
    Err(None)
}

const MAX_TRIES: usize = 100;
