//! Runs a user's command with `sh -c`, in its own process group and with a time limit.
//!
//! The command's output goes to this program's standard error. If a command receives a secret, its standard output is
//! discarded, because `tee` and others repeat their input there.

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
    /// The policy's folder. Commands get it as `TOKENWARD_POLICY`.
    folder: PathBuf,
    limit: Duration,
    pub(super) stop: &'s Stop,
}

/// How a command ended.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// The command succeeded.
    Done,
    /// The command reported a failure.
    Failed(String),
    /// The command was killed, so it may have succeeded or not.
    Killed(String),
}

impl<'s> Shell<'s> {
    /// Returns a runner for the policy in this folder. Each command gets this much time.
    ///
    /// # Errors
    /// Fails if the folder cannot be found.
    pub(super) fn new(folder: &Path, limit: Duration, stop: &'s Stop) -> Result<Self, Failure> {
        let folder = std::fs::canonicalize(folder)
            .map_err(|error| Failure::new(format!("cannot find {}: {error}", folder.display())))?;
        Ok(Self { folder, limit, stop })
    }

    /// Runs a command without input.
    pub(super) fn run(&self, command: &str) -> Ended {
        let stdout = io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
        match self.command(command).stdin(Stdio::null()).stdout(stdout).spawn() {
            Ok(child) => self.wait(child),
            Err(error) => Ended::Failed(format!("`sh` does not start: {error}")),
        }
    }

    /// Runs a command with a secret on its standard input.
    pub(super) fn hand(&self, command: &str, secret: &NewSecret, variables: &[(&str, String)]) -> Ended {
        let mut command = self.command(command);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child = match command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) => return Ended::Failed(format!("`sh` does not start: {error}")),
        };
        // A pipe's buffer is larger than a secret, so this does not block. Dropping `stdin` closes the pipe.
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
            // A shell reports in this way that a signal ended its last command. ssh exits with 255 if it loses the
            // connection.
            (Some(code), _) if code > LAST_STATUS => Self::Killed(format!("it ended with status {code}")),
            (Some(code), _) => Self::Failed(format!("it ended with status {code}")),
            (None, Some(signal)) => Self::Killed(format!("signal {signal} ended it")),
            (None, None) => Self::Killed("its end is unknown".to_owned()),
        }
    }
}

/// Ends the command and its child processes. They first get time to clean up.
fn end(child: &mut Child) {
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, Signal::TERM);
    let mut waited = Duration::ZERO;
    // The process is not reaped before its group is killed, so no other process can get its id.
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

/// The highest exit status with which a command itself reports a failure.
const LAST_STATUS: i32 = 128;
/// How long a command may take to clean up.
const GRACE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
