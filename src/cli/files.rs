//! Writing files: whole or not at all.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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
pub(super) fn replace(path: &Path, text: &str, readers: Readers) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Failure::new(format!(
            "cannot write {}: there is no folder {}",
            path.display(),
            folder.display()
        )));
    }
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)?;
    let old = std::fs::metadata(path).map(|metadata| metadata.permissions());
    let permissions = old.unwrap_or_else(|_| {
        Permissions::from_mode(match readers {
            Readers::Owner => 0o600,
            Readers::Everybody => 0o644,
        })
    });
    file.as_file().set_permissions(permissions).map_err(cannot)?;
    file.as_file().sync_all().map_err(cannot)?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    Ok(())
}
