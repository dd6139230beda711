//! `tokenward render image`: writes the module, or the command, as an image, without a daemon.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::files::{self, Readers};
use crate::cli::render::oci::{Contents, Layout};
use crate::cli::{Exit, Format, output};

/// The module as an OCI image, which Istio and Envoy Gateway fetch
///
/// The same module gives the same image, byte for byte. The command prints its digest, which stays the same in a
/// registry if `skopeo`, `oras` or `crane` copies the folder. `docker push` makes a new image with another digest.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward render image --wasm tokenward.wasm -o image
  tokenward render image --wasm tokenward.wasm -o image --tar image.tar")]
pub(super) struct Image {
    /// The module
    #[arg(long, value_name = "FILE", required_unless_present = "command")]
    wasm: Option<PathBuf>,
    /// The `tokenward` command, statically linked, instead of the module: an image to run it from
    #[arg(long, value_name = "FILE", conflicts_with = "wasm")]
    command: Option<PathBuf>,
    /// Folder for the OCI image layout; an existing layout is replaced
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// File for an archive of the image, which `docker load` accepts too
    #[arg(long, value_name = "FILE")]
    tar: Option<PathBuf>,
}

impl Image {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let contents = self.contents()?;
        let layout =
            Layout::of(&contents).map_err(|error| Failure::new(format!("cannot make an image: {error}")))?;
        write_folder(&layout, &self.output)?;
        if let Some(path) = &self.tar {
            let archive = layout
                .archive()
                .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
            files::replace(path, archive, Readers::Everybody)?;
        }
        let digest = format!("sha256:{}", layout.digest());
        match format {
            Format::Text => output::data(&format!("{digest}\n")),
            Format::Json => {
                output::json(&json!({ "digest": digest, "folder": self.output, "tar": self.tar }))
            }
        }
        Ok(Exit::Yes)
    }
}

impl Image {
    /// The module or the command, whichever the arguments name.
    fn contents(&self) -> Result<Contents, Failure> {
        if let Some(path) = &self.command {
            let hint = "`make dist` leaves one in dist/tokenward";
            return read(path, b"\x7fELF", "no Linux program", hint).map(Contents::command);
        }
        let path = self.wasm.as_deref().unwrap_or(Path::new(""));
        let hint = "`make wasm` leaves one in dist/tokenward.wasm";
        read(path, b"\0asm", "no WebAssembly module", hint).map(Contents::module)
    }
}

/// Reads a file that begins so.
fn read(path: &Path, begin: &[u8], otherwise: &str, hint: &'static str) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
    if !bytes.starts_with(begin) {
        return Err(Failure::new(format!("{} is {otherwise}", path.display())).hint(hint));
    }
    Ok(bytes)
}

/// Writes the folder, and replaces an older layout.
///
/// # Errors
/// Fails if it cannot be written, or if the folder has other content.
fn write_folder(layout: &Layout, folder: &Path) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", folder.display()));
    if folder.exists() && !folder.join("oci-layout").is_file() {
        return Err(Failure::new(format!("{} is there already, and is no image", folder.display()))
            .hint("name a folder that is not there"));
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    files::make_folder(parent)?;
    let new = tempfile::Builder::new().prefix(".image").tempdir_in(parent).map_err(cannot)?;
    for (path, bytes) in layout.files() {
        let path = new.path().join(path);
        files::make_folder(path.parent().unwrap_or(parent))?;
        files::replace(&path, bytes, Readers::Everybody)?;
    }
    readable(new.path()).map_err(cannot)?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(cannot)?;
    }
    std::fs::rename(new.keep(), folder).map_err(cannot)
}

/// Makes a folder readable for everybody.
fn readable(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}
