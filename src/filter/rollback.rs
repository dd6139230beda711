//! Rollback protection: the marks of a gateway's signed bundles and lists, in the host's shared data.
//!
//! Every thread checks its configuration here, and so does the canary; the first one leaves its mark for the others.
//! The marks live as long as the Envoy process: they outlive a VM, a new configuration and a trap, but not a restart.

use crate::engine::config::envelope::KeyId;
use crate::engine::config::revocations::Revocations;
use crate::engine::config::settings::Settings;
use crate::engine::memory::marks::{Marks, Setback};
use crate::engine::memory::seal::Seal;
use crate::engine::policy::compiled::Policy;
use crate::engine::words::time::Time;
use crate::filter::shared;

/// Checks that the policy may follow the earlier bundles of its gateway, whatever their names. If so, records its
/// mark, and no older bundle may follow it.
///
/// # Errors
/// Why the bundle may not follow. Then no mark is recorded.
pub(super) fn check(policy: &Policy, settings: &Settings, now: Time) -> Result<(), Setback> {
    policy.seal().map_or(Ok(()), |seal| check_seal(seal, settings, now))
}

/// The same check for a bundle of which only the seal is known.
///
/// # Errors
/// The same as for [`check`].
pub(super) fn check_seal(seal: &Seal, settings: &Settings, now: Time) -> Result<(), Setback> {
    follow(&shared::key("marks/bundle", settings), seal, &settings.bundle_signers(), now)
}

/// The same check for a revocation list, among the lists of its policy.
///
/// # Errors
/// The same as for [`check`].
pub(super) fn check_list(
    list: &Revocations,
    seal: &Seal,
    settings: &Settings,
    now: Time,
) -> Result<(), Setback> {
    let key = shared::key(&format!("marks/revocations/{}", list.name), settings);
    follow(&key, seal, &settings.list_signers(), now)
}

fn follow(key: &[u8], seal: &Seal, trusted: &[KeyId], now: Time) -> Result<(), Setback> {
    let followed = shared::change(key, |bytes| match admitted(bytes, seal, trusted, now) {
        Ok(changed) => (changed, Ok(())),
        Err(setback) => (None, Err(setback)),
    });
    followed.unwrap_or(Err(Setback::Unknown))
}

/// The marks with the new seal, if they differ from the earlier ones.
fn admitted(
    bytes: Option<&[u8]>,
    seal: &Seal,
    trusted: &[KeyId],
    now: Time,
) -> Result<Option<Vec<u8>>, Setback> {
    let before = match bytes {
        Some(bytes) => Marks::from_bytes(bytes).ok_or(Setback::Unknown)?,
        None => Marks::default(),
    };
    let mut marks = before.clone();
    marks.admit(seal, trusted, now)?;
    Ok((marks != before).then(|| marks.to_bytes()))
}
