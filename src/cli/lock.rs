//! One writer at a time: a lock on a policy's folder, from reading the registry to replacing it.
//!
//! The registry itself is replaced, and a lock on it would go with it; the folder stays, and is left without
//! litter. The lock ends with the process that holds it. It is advisory: an editor does not ask for it.

use std::fs::File;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::cli::failure::Failure;
use crate::cli::output;

/// What a command does if another one keeps the lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Held {
    /// It fails.
    Fail,
    /// It continues with a warning: anybody who can read the folder can hold the lock, and a leak must not wait.
    Continue,
}

/// The right to change what is in a folder, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _folder: File,
}

impl Lock {
    /// Locks the folder, and waits a while for another command that holds it.
    ///
    /// # Errors
    /// That the folder cannot be opened, or that another command holds the lock for too long.
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
                // Some network file systems have no such lock; a leaked token must be revoked there too.
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
    fn one_of_two_gets_the_lock_and_the_other_an_error_or_the_lock_after_it() {
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
