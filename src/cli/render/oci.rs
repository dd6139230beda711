//! An OCI image of the module that both Istio and Envoy Gateway can fetch.
//!
//! In: a module. Out: an image layout (OCI image-spec, image-layout.md) with one manifest and one layer, a gzipped
//! tar with the single file `plugin.wasm`. The fetchers look for that name in the last layer of type
//! `application/vnd.oci.image.layer.v1.tar+gzip`. They accept neither an index of several manifests nor another
//! compression. The same module gives the same bytes, because they contain no time, owner or name of this machine.

use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::engine::words::secret::SecretDigest;

/// An image layout: its files by name, in the order of the archive.
pub(super) struct Layout {
    name: &'static str,
    files: Vec<(String, Vec<u8>)>,
    config: Blob,
    layer: Blob,
    manifest: Blob,
}

/// A blob, named by its digest.
struct Blob {
    media_type: &'static str,
    digest: String,
    size: usize,
}

/// What an image has: one file, and how to run it.
pub(super) struct Contents {
    name: &'static str,
    file: &'static str,
    bytes: Vec<u8>,
    mode: u32,
    architecture: &'static str,
    config: Value,
}

impl Contents {
    /// The module, for a fetcher that looks for `plugin.wasm`.
    pub(super) fn module(bytes: Vec<u8>) -> Self {
        let name = env!("CARGO_PKG_NAME");
        Self { name, file: "plugin.wasm", bytes, mode: 0o644, architecture: "amd64", config: json!({}) }
    }

    /// The command, statically linked for this machine's architecture. It runs in `/work`, without privileges.
    pub(super) fn command(bytes: Vec<u8>) -> Self {
        let name = concat!(env!("CARGO_PKG_NAME"), "-cli");
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({ "Entrypoint": ["/tokenward"], "WorkingDir": "/work", "User": "65532:65532" });
        Self { name, file: "tokenward", bytes, mode: 0o755, architecture, config }
    }
}

impl Layout {
    /// The image of these contents.
    pub(super) fn of(contents: &Contents) -> io::Result<Self> {
        let tar = archive([(contents.file, contents.bytes.as_slice())], contents.mode)?;
        let diff_id = SecretDigest::of(&tar).to_hex();
        let mut files = Vec::new();
        let layer = add(&mut files, "application/vnd.oci.image.layer.v1.tar+gzip", gzip(&tar)?);
        let config = json!({
            "architecture": contents.architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": contents.config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
        });
        let config =
            add(&mut files, "application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
            "annotations": {
                "org.opencontainers.image.title": contents.name,
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
                "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
            },
        });
        let manifest = add(&mut files, MANIFEST, manifest.to_string().into_bytes());
        let mut described = manifest.descriptor();
        if let Value::Object(described) = &mut described {
            let version = json!({ "org.opencontainers.image.ref.name": env!("CARGO_PKG_VERSION") });
            described.insert("annotations".to_owned(), version);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [described] });
        files.push(("index.json".to_owned(), index.to_string().into_bytes()));
        files.push((
            "oci-layout".to_owned(),
            json!({ "imageLayoutVersion": "1.0.0" }).to_string().into_bytes(),
        ));
        Ok(Self { name: contents.name, files, config, layer, manifest })
    }

    /// SHA-256 of the manifest in hex, which pins the image.
    pub(super) fn digest(&self) -> &str {
        &self.manifest.digest
    }

    /// The files of the layout.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// The layout as an archive, with the index that `docker load` reads.
    pub(super) fn archive(&self) -> io::Result<Vec<u8>> {
        let docker = json!([{
            "Config": self.config.path(),
            "RepoTags": [format!("{}:{}", self.name, env!("CARGO_PKG_VERSION"))],
            "Layers": [self.layer.path()],
        }])
        .to_string();
        archive(self.files().chain([("manifest.json", docker.as_bytes())]), 0o644)
    }
}

impl Blob {
    fn descriptor(&self) -> Value {
        let Self { media_type, digest, size } = self;
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }
}

/// The digest of the image in a folder: of the only manifest in its index.
///
/// # Errors
/// Fails if there is no image, or more than one.
pub(super) fn digest(folder: &Path) -> Result<String, Failure> {
    let path = folder.join("index.json");
    let text = std::fs::read(&path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())).hint(HOW))?;
    let index: Value = serde_json::from_slice(&text).unwrap_or_default();
    let manifests = index.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [manifest] = manifests else {
        let count = manifests.len();
        return Err(Failure::new(format!("{} names {count} images instead of one", path.display())).hint(HOW));
    };
    let digest =
        manifest.get("digest").and_then(Value::as_str).and_then(|digest| digest.strip_prefix("sha256:"));
    let digest = digest.filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let digest = digest
        .ok_or_else(|| Failure::new(format!("{} has no SHA-256 of its image", path.display())).hint(HOW))?;
    let blob = std::fs::read(folder.join("blobs/sha256").join(digest)).unwrap_or_default();
    if SecretDigest::of(&blob).to_hex() != digest {
        let folder = folder.display();
        return Err(Failure::new(format!("{folder} has no manifest sha256:{digest}, which its index names"))
            .hint(HOW));
    }
    Ok(digest.to_owned())
}

fn add(files: &mut Vec<(String, Vec<u8>)>, media_type: &'static str, bytes: Vec<u8>) -> Blob {
    let blob = Blob { media_type, digest: SecretDigest::of(&bytes).to_hex(), size: bytes.len() };
    files.push((blob.path(), bytes));
    blob
}

/// A tar (POSIX ustar) of world-readable files of root, dated 1970.
fn archive<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>, mode: u32) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        archive.append_data(&mut header, name, bytes)?;
    }
    archive.into_inner()
}

/// Gzip without a time or a name (RFC 1952 §2.3.1).
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder =
        GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const UNKNOWN_SYSTEM: u8 = 255;
const HOW: &str = "`make image` leaves an image in dist/image";
