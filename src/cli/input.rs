//! The input of commands: a policy's folder or a bundle, and the settings of the gateway.
//!
//! Every command that accepts a bundle also accepts a folder. The settings are those beside the policy, unless
//! `--settings` names others.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;
use crate::cli::payload;
use crate::cli::source::Source;
use crate::cli::workspace::{self, Workspace};

/// A policy's folder, and the settings of the gateway.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct PolicyFiles {
    #[command(flatten)]
    pub(super) folder: PolicyFolder,
    /// The gateway's settings; by default gateway.yaml in the policy's folder
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

/// A policy's folder or a bundle, and the settings of the gateway.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct Input {
    #[command(flatten)]
    pub(super) files: PolicyFiles,
    /// Bundle from `build` or `sign`, instead of the policy in the folder
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
}

impl PolicyFiles {
    /// Reads the folder.
    ///
    /// # Errors
    /// Fails if there is no folder, or if a file cannot be read.
    pub(super) fn open(&self) -> Result<Workspace, Failure> {
        let workspace = Workspace::open_folder(&self.folder.find()?)?;
        match &self.settings {
            Some(path) => Ok(workspace.with_settings(Some(Source::read(path)?))),
            None => Ok(workspace),
        }
    }

    /// The file with the settings: the named one, or the one in the folder, if any.
    ///
    /// # Errors
    /// Fails if it cannot be read, or if the named folder does not exist.
    pub(super) fn settings(&self) -> Result<Option<Source>, Failure> {
        if let Some(path) = &self.settings {
            return Source::read(path).map(Some);
        }
        let folder = self.folder.look()?;
        folder.map_or(Ok(None), |folder| workspace::gateway(&folder))
    }

    /// The same for a bundle or a revocation list.
    ///
    /// # Errors
    /// Fails if it cannot be read, or if the folder's policy is not the bundle's.
    pub(super) fn settings_for(&self, bundle: &Path) -> Result<Option<Source>, Failure> {
        let settings = self.settings()?;
        let is_used = self.folder.is_named() || (self.settings.is_none() && settings.is_some());
        if let Some(folder) = self.folder.look()?.filter(|_| is_used) {
            same_policy(bundle, &folder)?;
        }
        Ok(settings)
    }
}

/// Rejects a bundle of another policy than the folder's. Unreadable files are reported elsewhere.
fn same_policy(bundle: &Path, folder: &Path) -> Result<(), Failure> {
    let policy = Workspace::open_folder(folder).ok().and_then(|workspace| workspace.policy().ok());
    let (Some(policy), Some(name)) = (policy, payload::name_in(bundle)) else { return Ok(()) };
    if policy.name == name {
        return Ok(());
    }
    let (file, folder) = (bundle.display(), folder.display());
    let failure =
        Failure::new(format!("{file} is of policy `{name}`, but {folder} has policy `{}`", policy.name));
    Err(failure.hint(format!(
        "name the folder of `{name}` with `-p DIR`, or the gateway's settings alone with `--settings FILE`"
    )))
}

impl Input {
    /// Reads the folder or the bundle.
    ///
    /// # Errors
    /// Fails if there is none, or if a file cannot be read.
    pub(super) fn open(&self) -> Result<Workspace, Failure> {
        match &self.bundle {
            Some(path) => Ok(Workspace::open_bundle(path)?.with_settings(self.settings()?)),
            None => self.files.open(),
        }
    }

    /// The file with the settings, if any.
    ///
    /// # Errors
    /// Fails if it cannot be read, or if the folder's policy is not the bundle's.
    pub(super) fn settings(&self) -> Result<Option<Source>, Failure> {
        self.bundle.as_ref().map_or_else(|| self.files.settings(), |bundle| self.files.settings_for(bundle))
    }

    /// The note for a bundle without gateway settings.
    pub(super) fn without_settings(&self, settings: Option<&Source>) -> Option<Failure> {
        (self.bundle.is_some() && settings.is_none()).then(without_settings)
    }
}

/// The note that safe defaults are used instead of gateway settings.
pub(super) fn without_settings() -> Failure {
    Failure::new("there is no gateway.yaml and no `--settings`: the gateway's settings are the safe defaults")
        .hint("write gateway.yaml beside the policy, name its folder with `-p DIR`, or use `--settings FILE`")
}
