//! Writing files: whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::cli::failure::Failure;

/// Puts `text` in the place of the file at `path`, in one step: a reader sees the old text or the new one.
///
/// A new file can be read by its owner only; an old one keeps its permissions.
///
/// # Errors
/// That it cannot be written; the old file is then as it was.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    // tempfile makes its files with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)?;
    if let Ok(metadata) = std::fs::metadata(path) {
        file.as_file().set_permissions(metadata.permissions()).map_err(cannot)?;
    }
    file.as_file().sync_all().map_err(cannot)?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    Ok(())
}
