//! Writing files: whole or not at all.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::cli::failure::Failure;

/// Who may read a file that was not there before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Readers {
    /// Its owner only.
    Owner,
    /// Everybody that the umask allows, Envoy under a user of its own among them.
    Everybody,
}

/// Puts `text` in the place of the file at `path`, in one step: a reader sees the old text or the new one.
///
/// A link is followed: its target is replaced. To what is not a regular file (a device, a pipe) the text is appended. A new file can be read by `readers`, as far as the umask allows; an old one keeps its permissions.
///
/// # Errors
/// That it cannot be written; the old file is then as it was.
pub(super) fn replace(path: &Path, text: impl AsRef<[u8]>, readers: Readers) -> Result<(), Failure> {
    let metadata = std::fs::metadata(path).ok();
    if metadata.as_ref().is_some_and(|metadata| !metadata.is_file()) || is_open_file(path) {
        let write = || OpenOptions::new().append(true).open(path)?.write_all(text.as_ref());
        return write().map_err(|error| cannot(path, &error));
    }
    let target = resolved(path);
    let file = written(&target, text.as_ref(), metadata.map(|metadata| metadata.permissions()), readers)?;
    file.persist(&target).map_err(|error| cannot(path, &error.error))?;
    Ok(())
}

/// Whether the path names an open file of a process, as `/dev/stdout` does. Replacing it would leave the process with
/// the old file.
fn is_open_file(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|open| path.starts_with(open))
}

/// The file that a path names once its links are followed, also where the last of them leads to no file yet.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// Makes a file with `text`, in one step.
///
/// # Errors
/// That it cannot be written, or is there already.
pub(super) fn create(path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
    let file = written(path, text.as_bytes(), None, readers)?;
    file.persist_noclobber(path).map_err(|error| cannot(path, &error.error))?;
    Ok(())
}

/// Makes a folder and those above it, where there are none.
///
/// # Errors
/// That it cannot be made.
pub(super) fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path)
        .map_err(|error| Failure::new(format!("cannot make folder {}: {error}", path.display())))
}

/// A nameless neighbour of `path` with `text`, on disk.
fn written(
    path: &Path,
    text: &[u8],
    permissions: Option<Permissions>,
    readers: Readers,
) -> Result<NamedTempFile, Failure> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    if !folder.is_dir() {
        let (path, folder) = (path.display(), folder.display());
        return Err(Failure::new(format!("cannot write {path}: there is no folder {folder}")));
    }
    let write = || {
        // The umask applies to the permissions of a new file (open(2)).
        let mut file = Builder::new().permissions(readers.permissions()).tempfile_in(folder)?;
        file.write_all(text)?;
        if let Some(permissions) = permissions {
            file.as_file().set_permissions(permissions)?;
        }
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| cannot(path, &error))
}

impl Readers {
    fn permissions(self) -> Permissions {
        Permissions::from_mode(match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o666,
        })
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}

/// Most links that are followed, as in Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;
