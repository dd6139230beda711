//! One renewal at a time: a separate lock, so that other commands can change the registry during a renewal.
//!
//! The lock is on a file that exists while a process holds the lock. The lock ends with the process. If a killed
//! process leaves the file, the next run uses it again.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::renew::stop::Stop;

/// The right to renew the tokens of a folder, until it is dropped.
pub(super) struct Turn {
    path: PathBuf,
    _file: File,
}

impl Turn {
    /// Waits until no other renewal runs.
    ///
    /// # Errors
    /// Fails if the file cannot be opened, if another renewal runs for too long, or if a signal arrives.
    pub(super) fn take(folder: &Path, patience: Duration, stop: &Stop) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(turn) = Self::try_take(&path)? {
                return Ok(turn);
            }
            if stop.is_asked() {
                return Err(Failure::new("stopped by a signal: nothing was renewed"));
            }
            if waited >= patience {
                let (folder, seconds) = (folder.display(), waited.as_secs());
                let message = format!("another run has been renewing the tokens in {folder} for {seconds} s");
                return Err(Failure::new(message).hint("wait for it, or end it; then try again"));
            }
            if waited.is_zero() {
                output::done("another run is renewing tokens here: waiting for its end");
            }
            stop.sleep(PAUSE);
            waited = waited.saturating_add(PAUSE);
        }
    }

    /// Tries to take the lock. Returns `None` if another renewal holds it.
    fn try_take(path: &Path) -> Result<Option<Self>, Failure> {
        let cannot = |error: std::io::Error| Failure::new(format!("cannot open {}: {error}", path.display()));
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(path).map_err(cannot)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // The previous holder may have removed the file after this process opened it.
            Ok(()) if is_at(&file, path) => Ok(Some(Self { path: path.to_owned(), _file: file })),
            Ok(()) | Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            // Some network file systems have no such lock.
            Err(error) => {
                let unlocked = Failure::new(format!("{} cannot be locked: {error}", path.display()));
                output::warning(&unlocked.hint("let no other renewal run now"));
                Ok(Some(Self { path: path.to_owned(), _file: file }))
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether the path still names the open file.
fn is_at(file: &File, path: &Path) -> bool {
    let names = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let open = file.metadata().map(names).ok();
    open.is_some() && open == std::fs::metadata(path).map(names).ok()
}

const FILE: &str = ".renew.lock";
const PAUSE: Duration = Duration::from_millis(100);
