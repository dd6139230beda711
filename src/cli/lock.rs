//! One writer at a time: a lock on a policy's folder, held while a command reads and replaces the registry.
//!
//! A command replaces the registry file, so a lock on that file would be lost. A lock on the folder stays, and leaves
//! no files behind. The lock ends with the process that holds it. It is advisory: editors ignore it.

use std::fs::File;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::cli::failure::Failure;
use crate::cli::output;

/// What a command does if another command holds the lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Held {
    /// The command fails.
    Fail,
    /// The command continues with a warning. Anyone who can read the folder can hold the lock, and a leak must not
    /// wait.
    Continue,
}

/// The right to change the files in a folder, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _folder: File,
}

impl Lock {
    /// Locks the folder. Waits a while if another command holds the lock.
    ///
    /// # Errors
    /// Fails if the folder cannot be opened, or if another command holds the lock for too long.
    pub(super) fn of(folder: &Path, held: Held) -> Result<Self, Failure> {
        Self::within(folder, held, PATIENCE)
    }

    fn within(folder: &Path, held: Held, patience: Duration) -> Result<Self, Failure> {
        let shown = folder.display();
        let handle =
            File::open(folder).map_err(|error| Failure::new(format!("cannot read {shown}: {error}")))?;
        let mut waited = Duration::ZERO;
        loop {
            match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _folder: handle }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if waited < patience => {
                    sleep(PAUSE);
                    waited = waited.saturating_add(PAUSE);
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) if held == Held::Continue => {
                    let message = format!("another program keeps {shown} locked: revoking without the lock");
                    output::warning(
                        &Failure::new(message).hint("check afterwards that the registry is as it should be"),
                    );
                    return Ok(Self { _folder: handle });
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    let message =
                        format!("another command is changing {shown}, for {} seconds now", waited.as_secs());
                    return Err(Failure::new(message).hint("wait for it, or end it; then try again"));
                }
                // Some network file systems have no such lock. Leaked tokens must be revocable there too.
                Err(error) => {
                    let unlocked = Failure::new(format!("{shown} cannot be locked: {error}"));
                    output::warning(&unlocked.hint("let no other command change it now"));
                    return Ok(Self { _folder: handle });
                }
            }
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_locker_waits_or_fails() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::of(folder.path(), Held::Fail).unwrap();
        let failure = Lock::within(folder.path(), Held::Fail, PAUSE * 3).unwrap_err();
        assert!(failure.message.starts_with("another command is changing "), "{}", failure.message);
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| Lock::of(folder.path(), Held::Fail));
            sleep(PAUSE * 3);
            drop(held);
            assert!(waiting.join().unwrap().is_ok());
        });
    }
}
