//! Writing files: whole or not at all.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::cli::failure::Failure;

/// Who may read a file that was not there before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Readers {
    /// Its owner only.
    Owner,
    /// Everybody, Envoy under a user of its own among them.
    Everybody,
}

/// Puts `text` in the place of the file at `path`, in one step: a reader sees the old text or the new one.
///
/// A new file can be read by `readers`; an old one keeps its permissions.
///
/// # Errors
/// That it cannot be written; the old file is then as it was.
pub(super) fn replace(path: &Path, text: impl AsRef<[u8]>, readers: Readers) -> Result<(), Failure> {
    let old = std::fs::metadata(path).map(|metadata| metadata.permissions());
    let file = written(path, text.as_ref(), old.unwrap_or_else(|_| readers.permissions()))?;
    file.persist(path).map_err(|error| cannot(path, &error.error))?;
    Ok(())
}

/// Makes a file with `text`, in one step.
///
/// # Errors
/// That it cannot be written, or is there already.
pub(super) fn create(path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
    let file = written(path, text.as_bytes(), readers.permissions())?;
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
fn written(path: &Path, text: &[u8], permissions: Permissions) -> Result<NamedTempFile, Failure> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    if !folder.is_dir() {
        let (path, folder) = (path.display(), folder.display());
        return Err(Failure::new(format!("cannot write {path}: there is no folder {folder}")));
    }
    let write = || {
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(text)?;
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| cannot(path, &error))
}

impl Readers {
    fn permissions(self) -> Permissions {
        Permissions::from_mode(match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o644,
        })
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}
