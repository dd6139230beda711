//! Writes files: completely or not at all.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::cli::failure::Failure;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Readers {
    /// Only its owner.
    Owner,
    /// Everybody that the umask permits, for example an Envoy that runs as another user.
    Everybody,
}

/// Replaces the file at `path` with `text` in one step: a reader sees the old text or the new one.
///
/// Links are followed: the target is replaced. If the path is not a regular file (a device, a pipe), the text is
/// appended. `readers` may read a new file, as far as the umask permits; an existing file keeps its permissions.
///
/// # Errors
/// Fails if the file cannot be written. The old file is then unchanged.
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

/// Whether the path names an open file of a process, as `/dev/stdout` does. If it were replaced, the process would
/// keep the old file.
fn is_open_file(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|open| path.starts_with(open))
}

/// Follows the links of a path, even if the last one leads to a file that does not exist yet.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// Creates a file with `text` in one step.
///
/// # Errors
/// Fails if the file cannot be written or already exists.
pub(super) fn create(path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
    let file = written(path, text.as_bytes(), None, readers)?;
    file.persist_noclobber(path).map_err(|error| cannot(path, &error.error))?;
    Ok(())
}

/// Creates a folder and its missing parents.
///
/// # Errors
/// Fails if the folder cannot be created.
pub(super) fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path)
        .map_err(|error| Failure::new(format!("cannot make folder {}: {error}", path.display())))
}

/// Writes `text` to an unnamed file in the folder of `path`.
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

/// Maximum number of links to follow, as in Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;
