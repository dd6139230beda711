//! The source from which a gateway fetches the module, and the digest that it must have.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::render::oci;
use crate::engine::words::secret::SecretDigest;

/// The source of the module.
#[derive(Args, Debug)]
#[group(skip)]
pub(super) struct Module {
    /// Source of the module: oci://REGISTRY/NAME:TAG, https://… or http://…
    #[arg(long)]
    url: Location,
    /// Required SHA-256: of the manifest for an image, otherwise of the module
    #[arg(long, value_name = "HEX", value_parser = digest, conflicts_with_all = ["image", "wasm"])]
    sha256: Option<String>,
    /// Folder with the image from `tokenward render image`, to take its digest
    #[arg(long, value_name = "FOLDER", conflicts_with = "wasm")]
    image: Option<PathBuf>,
    /// File of the module, to take its digest; for modules fetched by http
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
}

/// An address, and how to fetch from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Location {
    pub(super) url: String,
    pub(super) fetched: Fetched,
}

/// How a module is fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fetched {
    /// As an image from a registry.
    Image,
    /// As a file by http or https.
    Http,
}

impl std::str::FromStr for Location {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = url.split_once("://").ok_or(NO_LOCATION)?;
        let fetched = match scheme {
            "oci" => Fetched::Image,
            "https" | "http" => Fetched::Http,
            _ => return Err(NO_LOCATION),
        };
        let printable = rest.bytes().all(|byte| byte.is_ascii_graphic());
        if rest.is_empty() || rest.starts_with('/') || !printable {
            return Err(NO_LOCATION);
        }
        Ok(Self { url: url.to_owned(), fetched })
    }
}

impl Module {
    /// The address, and the digest in hex that the fetched content must have.
    ///
    /// # Errors
    /// Fails if no option gives the digest, or if it is the digest of something else.
    pub(super) fn pinned(&self) -> Result<(&Location, String), Failure> {
        let location = &self.url;
        let digest = match (&self.sha256, &self.image, &self.wasm, location.fetched) {
            (Some(digest), _, _, _) => digest.clone(),
            (None, Some(folder), _, Fetched::Image) => oci::digest(folder)?,
            (None, None, Some(file), Fetched::Http) => digest_of(file)?,
            (None, Some(_), _, Fetched::Http) => {
                return Err(Failure::new(format!("{} is no image", location.url))
                    .hint("name the module's file by `--wasm`"));
            }
            (None, None, Some(_), Fetched::Image) => {
                return Err(Failure::new(format!(
                    "{} is an image, which has another digest than its module",
                    location.url
                ))
                .hint("name the image's folder by `--image`, as `tokenward render image` wrote it"));
            }
            (None, None, None, _) => {
                return Err(Failure::new(format!("nothing says what must come from {}", location.url))
                    .hint("pin it: by `--image dist/image`, `--wasm dist/tokenward.wasm` or `--sha256`"));
            }
        };
        Ok((location, digest))
    }
}

fn digest_of(file: &Path) -> Result<String, Failure> {
    let module = std::fs::read(file)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
    Ok(SecretDigest::of(&module).to_hex())
}

fn digest(text: &str) -> Result<String, &'static str> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hex && text.len() == 64 { Ok(text.to_owned()) } else { Err("a SHA-256 has 64 of 0-9 and a-f") }
}

const NO_LOCATION: &str = "it begins with oci://, https:// or http:// and a host";
