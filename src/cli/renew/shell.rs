//! A person's command: `sh -c`, in a process group of its own, with a limit of time.
//!
//! What it prints goes to our standard error. The standard output of a command that gets a secret goes nowhere: `tee`
//! and others repeat there what they read.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::cli::failure::Failure;
use crate::cli::renew::stop::Stop;
use crate::cli::secret::NewSecret;

/// How commands run.
pub(super) struct Shell<'s> {
    /// The policy's folder, which commands get as `TOKENWARD_POLICY`.
    folder: PathBuf,
    limit: Duration,
    pub(super) stop: &'s Stop,
}

/// How a command ended.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// It did its work.
    Done,
    /// It says that it did not.
    Failed(String),
    /// It was killed, so it may have done its work or not.
    Killed(String),
}

impl<'s> Shell<'s> {
    /// Commands for the policy in this folder, each with this much time.
    ///
    /// # Errors
    /// That the folder cannot be found.
    pub(super) fn new(folder: &Path, limit: Duration, stop: &'s Stop) -> Result<Self, Failure> {
        let folder = std::fs::canonicalize(folder)
            .map_err(|error| Failure::new(format!("cannot find {}: {error}", folder.display())))?;
        Ok(Self { folder, limit, stop })
    }

    /// Runs a command that reads nothing.
    pub(super) fn run(&self, command: &str) -> Ended {
        let stdout = io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
        match self.command(command).stdin(Stdio::null()).stdout(stdout).spawn() {
            Ok(child) => self.wait(child),
            Err(error) => Ended::Failed(format!("`sh` does not start: {error}")),
        }
    }

    /// Runs a command that reads a secret.
    pub(super) fn hand(&self, command: &str, secret: &NewSecret, variables: &[(&str, String)]) -> Ended {
        let mut command = self.command(command);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child = match command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) => return Ended::Failed(format!("`sh` does not start: {error}")),
        };
        // A pipe holds more than a secret: this does not wait for the command. The end of it closes the pipe.
        let handed = child.stdin.take().map(|mut stdin| secret.hand_over(&mut stdin));
        match (self.wait(child), handed) {
            (Ended::Done, Some(Err(_)) | None) => Ended::Failed("it did not read the secret".to_owned()),
            (ended, _) => ended,
        }
    }

    fn command(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).env("TOKENWARD_POLICY", &self.folder).process_group(0);
        shell
    }

    fn wait(&self, mut child: Child) -> Ended {
        let mut waited = Duration::ZERO;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ended::of(status),
                Ok(None) if self.stop.is_asked() => {
                    end(&mut child);
                    return Ended::Killed("it was stopped by a signal".to_owned());
                }
                Ok(None) if waited >= self.limit => {
                    end(&mut child);
                    return Ended::Killed(format!("it took more than {} s", self.limit.as_secs()));
                }
                Ok(None) => {
                    std::thread::sleep(PAUSE);
                    waited = waited.saturating_add(PAUSE);
                }
                Err(error) => return Ended::Killed(format!("its end is unknown: {error}")),
            }
        }
    }
}

impl Ended {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Done,
            // So a shell says that a signal ended its last command; ssh ends with 255 if it loses the connection.
            (Some(code), _) if code > LAST_STATUS => Self::Killed(format!("it ended with status {code}")),
            (Some(code), _) => Self::Failed(format!("it ended with status {code}")),
            (None, Some(signal)) => Self::Killed(format!("signal {signal} ended it")),
            (None, None) => Self::Killed("its end is unknown".to_owned()),
        }
    }
}

/// Ends the command and all that it started: first with time to clean up.
fn end(child: &mut Child) {
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, Signal::TERM);
    let mut waited = Duration::ZERO;
    // The process is not reaped before the group is killed, so its number is no other's.
    let ended = || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(group), options), Ok(None))
    };
    while waited < GRACE && !ended() {
        std::thread::sleep(PAUSE);
        waited = waited.saturating_add(PAUSE);
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// The highest status by which a command says itself that it failed.
const LAST_STATUS: i32 = 128;
/// How long a command has to clean up.
const GRACE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
