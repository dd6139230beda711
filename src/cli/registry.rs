//! The registry as a file that commands change: they lock, read, edit, check and replace it.
//!
//! ```text
//! RegistryFile::open ──▶ edit ──▶ Edit::check ──▶ Edit::write
//!  (locked, read)       (text)   (it compiles)   (in one step)
//! ```

use std::path::{Path, PathBuf};

use crate::cli::dry_run::Writing;
use crate::cli::failure::Failure;
use crate::cli::files::{self, Readers};
use crate::cli::lock::{Held, Lock};
use crate::cli::nearest::help;
use crate::cli::source::Source;
use crate::cli::workspace::{self, EMPTY_REGISTRY, Workspace};
use crate::engine::config::bundle::{Bundle, Registry, Secret, Token, Version};
use crate::engine::config::problem::{Problem, Problems};
use crate::engine::policy::compiled::Policy;
use crate::engine::words::entries::Entries;
use crate::engine::words::name::{SecretId, TokenId};

mod edit;
#[cfg(test)]
mod styles;
mod text;
pub(super) mod yaml;

/// A registry that other commands cannot change until this is dropped.
#[derive(Debug)]
pub(super) struct RegistryFile {
    path: PathBuf,
    /// `None` if the file does not exist yet.
    source: Option<Source>,
    registry: Registry,
    lock: Lock,
}

impl RegistryFile {
    /// Locks a policy's folder and reads its registry. Without a file, the registry is empty.
    ///
    /// # Errors
    /// Fails if the folder cannot be locked, or if the registry is invalid.
    pub(super) fn open(folder: &Path) -> Result<Self, Vec<Failure>> {
        Self::locked(folder, Held::Fail)
    }

    /// Locks a policy's folder and reads its registry.
    ///
    /// # Errors
    /// Fails if the folder cannot be locked, if it has no registry, or if the registry is invalid.
    pub(super) fn open_existing(folder: &Path, held: Held) -> Result<Self, Vec<Failure>> {
        let file = Self::locked(folder, held)?;
        if file.source.is_none() {
            return Err(workspace::no_registry(folder).into());
        }
        Ok(file)
    }

    fn locked(folder: &Path, held: Held) -> Result<Self, Vec<Failure>> {
        let lock = Lock::of(&home(folder)?, held)?;
        let source = workspace::registry(folder)?;
        let registry = match &source {
            Some(source) => workspace::read(source)?,
            None => Registry { version: Version, tokens: Entries::default() },
        };
        let path = source
            .as_ref()
            .map_or_else(|| workspace::inside(folder, "tokens.yaml"), |source| source.path.clone());
        Ok(Self { path, source, registry, lock })
    }

    /// Returns the content of the file.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Edits the text so that it describes `new`.
    ///
    /// # Errors
    /// Fails if the editor does not support the style of the text.
    pub(super) fn edit(self, new: Registry) -> Result<Edit, Failure> {
        let text = self.source.as_ref().map_or(EMPTY_REGISTRY, Source::text);
        Ok(Edit { text: edit::edited(text, &self.registry, &new)?, new, file: self })
    }
}

/// An edit of the registry that is not yet written.
#[derive(Debug)]
pub(super) struct Edit {
    file: RegistryFile,
    new: Registry,
    text: String,
}

impl Edit {
    /// Checks that the policy compiles after the edit.
    ///
    /// # Errors
    /// Fails with the problems that the edit would cause.
    pub(super) fn check(self, workspace: &Workspace) -> Result<Self, Vec<Failure>> {
        let bundle = Bundle::of(workspace.policy()?, self.new.clone());
        let Err(problems) = Policy::compile(bundle) else { return Ok(self) };
        // Report earlier problems first, with their location in the files.
        workspace.compile()?;
        let name = self.file.path.file_name().unwrap_or_default().to_string_lossy();
        let report = |problem: &Problem| Failure::of(problem, format_args!("{name}, unchanged"), None);
        Err(Problems::iter(&problems).map(report).collect())
    }

    /// Replaces the file and returns its path.
    ///
    /// # Errors
    /// Fails if the file cannot be written, or if an editor changed it despite the lock.
    pub(super) fn write(self, writing: Writing) -> Result<PathBuf, Failure> {
        let RegistryFile { path, source, lock, .. } = self.file;
        if writing == Writing::Real && source.as_ref().map(Source::text) != Some(self.text.as_str()) {
            refuse_changed(&path, source.as_ref())?;
            files::replace(&path, &self.text, Readers::Owner)?;
        }
        drop(lock);
        Ok(path)
    }
}

/// Returns the folder that holds the registry. If the registry is a link, this is the folder of its target, because a
/// command replaces the target.
///
/// # Errors
/// Fails if the policy's folder does not exist.
pub(super) fn home(folder: &Path) -> Result<PathBuf, Failure> {
    let target = files::resolved(&workspace::inside(workspace::folder(folder)?, "tokens.yaml"));
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(parent.unwrap_or(folder).to_owned())
}

/// Reads a policy's registry. No lock is needed, because commands replace the file in one step.
///
/// # Errors
/// Fails if there is no registry, or if it is invalid.
pub(super) fn read(folder: &Path) -> Result<Registry, Vec<Failure>> {
    let source = workspace::registry(workspace::folder(folder)?)?;
    workspace::read(&source.ok_or_else(|| workspace::no_registry(folder))?)
}

/// Returns the token with this id.
///
/// # Errors
/// Fails if the token does not exist, and suggests a similar id.
pub(super) fn token<'r>(registry: &'r Registry, id: &TokenId) -> Result<&'r Token, Failure> {
    registry.tokens.get(id).ok_or_else(|| {
        let known: Vec<&str> = registry.tokens.iter().map(|(id, _)| id.as_str()).collect();
        Failure::new(format!("token `{id}` is not in the registry")).hint(help("token", id.as_str(), &known))
    })
}

/// Returns an error if the registry lacks the token or secret that a request names as `token` or `token/secret`.
pub(super) fn stranger(tokens: &Entries<TokenId, Token>, name: &str) -> Option<Failure> {
    let (id, secret) = name.split_once('/').map_or((name, None), |(id, secret)| (id, Some(secret)));
    let Some((_, token)) = tokens.iter().find(|(known, _)| known.as_str() == id) else {
        let known: Vec<&str> = tokens.iter().map(|(id, _)| id.as_str()).collect();
        let message = format!("token `{}` is not in the registry", id.escape_default());
        return Some(Failure::new(message).hint(help("token", id, &known)));
    };
    let known: Vec<&str> = token.secrets.iter().map(|secret| secret.id.as_str()).collect();
    let strange = secret.filter(|secret| !known.contains(secret))?;
    let message = format!("token `{id}` has no secret `{}`", strange.escape_default());
    Some(Failure::new(message).hint(help("secret", strange, &known)))
}

/// Rejects a new secret for a revoked token, because it would never work.
///
/// # Errors
/// Fails if the token is revoked.
pub(super) fn refuse_revoked(id: &TokenId, token: &Token) -> Result<(), Failure> {
    let Some(revoked_at) = token.revoked_at else { return Ok(()) };
    let message = format!("token `{id}` was revoked at {}: no secret of it works", String::from(revoked_at));
    Err(Failure::new(message).hint("mint a secret for a new token"))
}

/// Returns the token's secret with this id.
///
/// # Errors
/// Fails if the secret does not exist, and lists the existing ones.
pub(super) fn secret<'r>(token: &TokenId, known: &'r Token, id: &SecretId) -> Result<&'r Secret, Failure> {
    known.secrets.iter().find(|secret| secret.id == *id).ok_or_else(|| {
        let ids: Vec<&str> = known.secrets.iter().map(|secret| secret.id.as_str()).collect();
        Failure::new(format!("token `{token}` has no secret `{id}`")).hint(help("secret", id.as_str(), &ids))
    })
}

/// Rejects the write if someone saved the file in the meantime. Editors ignore the lock.
fn refuse_changed(path: &Path, read: Option<&Source>) -> Result<(), Failure> {
    let now = path.exists().then(|| Source::read(path)).transpose()?;
    if now.as_ref().map(Source::text) == read.map(Source::text) {
        return Ok(());
    }
    Err(Failure::new(format!("{} was changed by somebody else at the same time", path.display()))
        .hint("nothing was written; try again"))
}
