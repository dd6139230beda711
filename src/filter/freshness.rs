//! How far each policy's signed bundles have come, in the host's shared data.
//!
//! Every thread's configuration is judged here, the canary's too, and the first one leaves its mark for the others. The
//! mark lives as long as Envoy does: it outlives a VM, a new configuration and a trap, but not a restart.

use crate::engine::freshness::{Mark, Order, Seal};
use crate::engine::policy::Policy;
use crate::filter::host::{self, Stored};

/// Whether the policy may follow those before it; if so, none that is older may follow it.
///
/// # Errors
/// The mark of a newer one, or nothing where the host does not say what was there.
pub(super) fn check(policy: &Policy) -> Result<(), Option<Mark>> {
    policy.seal().map_or(Ok(()), follow)
}

/// Whether what has this seal may follow what was before it; if so, nothing that is older may follow it.
///
/// # Errors
/// As of [`check`].
pub(super) fn follow(seal: &Seal) -> Result<(), Option<Mark>> {
    let key = key(seal);
    for _ in 0..MAX_TRIES {
        let version = match host::shared_data(&key) {
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
        if host::replace_shared_data(&key, &seal.mark.to_bytes(), version) {
            return Ok(());
        }
    }
    Err(None)
}

/// Other modules may share the namespace (every WasmPlugin of Istio does), so the key begins with our name. Plugins of
/// other names are other gateways, which may be at other revisions.
fn key(seal: &Seal) -> Vec<u8> {
    let mut key = format!("tokenward/revision/{}/", seal.succession).into_bytes();
    key.extend(host::plugin_name());
    key
}

const MAX_TRIES: usize = 100;
