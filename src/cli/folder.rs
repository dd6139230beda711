//! Finds the policy's folder: `-p`, else `TOKENWARD_POLICY`, else the nearest folder upwards with a `policy.yaml`.
//!
//! Every command that reads a policy uses this file to find it.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::workspace;

/// The option that names the policy's folder.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct PolicyFolder {
    /// Folder of the policy; by default TOKENWARD_POLICY, else the nearest folder upwards with a policy.yaml
    #[arg(short = 'p', long = "policy", value_name = "DIR")]
    policy: Option<PathBuf>,
}

impl PolicyFolder {
    /// The folder, by the shortest path from the current one.
    ///
    /// # Errors
    /// Fails if the named folder does not exist, or if no folder is found.
    pub(super) fn find(&self) -> Result<PathBuf, Failure> {
        self.look()?.ok_or_else(nowhere)
    }

    /// The folder; `None` if no folder is named and no folder upwards has a policy.
    ///
    /// # Errors
    /// Fails if the named folder does not exist.
    pub(super) fn look(&self) -> Result<Option<PathBuf>, Failure> {
        if let Some(folder) = &self.policy {
            return Ok(Some(shortest(workspace::folder(folder)?)));
        }
        if let Some(folder) = from_environment() {
            let folder = workspace::folder(Path::new(&folder)).map_err(|failure| Failure {
                message: format!("{} (from {VARIABLE})", failure.message),
                ..failure
            })?;
            return Ok(Some(shortest(folder)));
        }
        Ok(nearest().map(|folder| shortest(&folder)))
    }

    /// Uses the folder that was named before the command.
    ///
    /// # Errors
    /// Fails if another folder is named after the command.
    pub(super) fn or_before(&mut self, before: PathBuf) -> Result<(), Failure> {
        if self.policy.is_some() {
            return Err(Failure::new("`-p` is given twice").hint("name one folder"));
        }
        self.policy = Some(before);
        Ok(())
    }

    /// Whether the person named a folder with `-p`.
    pub(super) fn is_named(&self) -> bool {
        self.policy.is_some()
    }

    /// How to call another command for the same folder.
    pub(super) fn command(&self, command: &str) -> String {
        match &self.policy {
            Some(folder) => format!("tokenward {command} -p {}", quoted(folder)),
            None => format!("tokenward {command}"),
        }
    }
}

/// A path as a word on a shell's command line.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn from_environment() -> Option<OsString> {
    std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty())
}

/// The nearest folder upwards with a policy.
fn nearest() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find(|folder| workspace::has_policy(folder)).map(Path::to_owned)
}

/// The same folder, relative to the current one if that is shorter.
fn shortest(folder: &Path) -> PathBuf {
    let relative = std::env::current_dir().ok().and_then(|here| relative(folder, &here));
    let shorter = relative.filter(|relative| relative.as_os_str().len() < folder.as_os_str().len());
    shorter.unwrap_or_else(|| folder.to_owned())
}

/// The path of `folder` from `here`, if one contains the other; `here` is absolute.
fn relative(folder: &Path, here: &Path) -> Option<PathBuf> {
    let whole = here.join(folder);
    // After `..` a name may have another meaning because of symbolic links.
    if whole.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    if let Ok(below) = whole.strip_prefix(here) {
        return Some(if below.as_os_str().is_empty() { PathBuf::from(".") } else { below.to_owned() });
    }
    let above = here.strip_prefix(&whole).ok()?;
    Some(above.components().map(|_| Component::ParentDir).collect())
}

fn nowhere() -> Failure {
    let here = std::env::current_dir().unwrap_or_default();
    Failure::new(format!("there is no policy.yaml in {}, nor in a folder above it", here.display())).hint(
        format!("name the policy's folder by `-p DIR` or {VARIABLE}, or make one: `tokenward init NAME`"),
    )
}

/// The environment variable that names the folder.
const VARIABLE: &str = "TOKENWARD_POLICY";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_relative_if_inside_or_above() {
        let from = |folder| relative(Path::new(folder), Path::new("/work/acme"));
        for (folder, path) in [
            ("/work/acme", Some(".")),
            (".", Some(".")),
            ("/work/acme/edge", Some("edge")),
            ("./edge", Some("edge")),
            ("/work", Some("..")),
            ("/", Some("../..")),
            ("/work/other", None),
            ("../other", None),
        ] {
            assert_eq!(from(folder), path.map(PathBuf::from), "{folder}");
        }
    }

    #[test]
    fn path_is_one_word_of_a_shell() {
        let words = [("policies/acme", "policies/acme"), ("1 + 1", "'1 + 1'"), ("it's", r"'it'\''s'")];
        for (path, word) in words {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
