//! The image, read as by the fetchers of Istio and Envoy Gateway, and by a Docker Engine if there is one.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tokenward::engine::words::secret::SecretDigest;

use crate::shipping::{printed, workshop};

#[test]
fn layout_has_what_both_fetchers_need() {
    let workshop = workshop();
    let layout = Layout(files(&workshop.path().join("image")));
    assert_eq!(layout.json("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }));
    let index = layout.json("index.json");
    let [described] = index["manifests"].as_array().unwrap().as_slice() else { panic!("{index}") };
    let manifest: Value = serde_json::from_slice(layout.blob(described)).unwrap();
    assert_eq!(described["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["mediaType"], described["mediaType"]);
    let [layer] = manifest["layers"].as_array().unwrap().as_slice() else { panic!("{manifest}") };
    assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let compressed = layout.blob(layer);
    // No name, no time, no system (RFC 1952).
    assert_eq!(&compressed[3..10], &[0, 0, 0, 0, 0, 2, 255]);
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(compressed).read_to_end(&mut tar).unwrap();
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut entries = archive.entries().unwrap();
    let mut entry = entries.next().unwrap().unwrap();
    let header = entry.header();
    assert_eq!(entry.path().unwrap().to_str(), Some("plugin.wasm"));
    assert_eq!((header.mode().unwrap(), header.mtime().unwrap()), (0o644, 0));
    assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
    let mut module = Vec::new();
    entry.read_to_end(&mut module).unwrap();
    assert_eq!(module, std::fs::read(workshop.path().join("module.wasm")).unwrap());
    drop(entry);
    assert!(entries.next().is_none());
    let config: Value = serde_json::from_slice(layout.blob(&manifest["config"])).unwrap();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    assert_eq!(config["rootfs"], json!({ "type": "layers", "diff_ids": [digest(&tar)] }));
    // The folder contains only manifest, config and layer.
    assert_eq!(layout.0.len(), 5, "{:?}", layout.0.keys());
}

#[test]
fn command_image_runs_the_command() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenward"), b"\x7fELF: a program").unwrap();
    printed(
        folder.path(),
        &["render", "image", "--command", "tokenward", "-o", "image", "--tar", "image.tar"],
    );
    let layout = Layout(files(&folder.path().join("image")));
    let described = &layout.json("index.json")["manifests"][0];
    let manifest: Value = serde_json::from_slice(layout.blob(described)).unwrap();
    let config: Value = serde_json::from_slice(layout.blob(&manifest["config"])).unwrap();
    let expected = json!({ "Entrypoint": ["/tokenward"], "WorkingDir": "/work", "User": "65532:65532" });
    assert_eq!(config["config"], expected);
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(layout.blob(&manifest["layers"][0])).read_to_end(&mut tar).unwrap();
    let mut archive = tar::Archive::new(tar.as_slice());
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap().to_str(), Some("tokenward"));
    assert_eq!(entry.header().mode().unwrap(), 0o755);
}

#[test]
fn image_is_reproducible_and_replaced() {
    let (one, other) = (workshop(), workshop());
    let (first, tar) =
        (files(&one.path().join("image")), std::fs::read(one.path().join("image.tar")).unwrap());
    assert_eq!(first, files(&other.path().join("image")));
    assert_eq!(tar, std::fs::read(other.path().join("image.tar")).unwrap());
    // Another module, then the first one again.
    let module = |bytes: &[u8]| {
        std::fs::write(one.path().join("module.wasm"), bytes).unwrap();
        printed(one.path(), &["render", "image", "--wasm", "module.wasm", "-o", "image"]);
        files(&one.path().join("image"))
    };
    let second = module(b"\0asm\x01\0\0\0\0\x02\x01a");
    assert!(second != first && second.len() == first.len(), "{:?}", second.keys());
    assert_eq!(module(b"\0asm\x01\0\0\0"), first);
}

#[test]
fn tampered_image_is_rejected() {
    let workshop = workshop();
    let index = workshop.path().join("image/index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    let digest = text.split("sha256:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    std::fs::write(&index, text.replace(&digest, &"0".repeat(64))).unwrap();
    let arguments =
        ["render", "istio", "--bundle", "bundle.json", "--url", "oci://a.test/b", "--image", "image"];
    let output = crate::shipping::tokenward(
        workshop.path(),
        &[&arguments[..], &["--namespace", "a", "--selector", "a=b"]].concat(),
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && told.contains("which its index names"), "{told}");
}

#[test]
fn docker_loads_the_archive() {
    let server = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
    if !server.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no Docker Engine");
        return;
    }
    let workshop = workshop();
    let docker = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).current_dir(workshop.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    // Without a name, so that an image of the user keeps its own name.
    let nameless = without_names(&std::fs::read(workshop.path().join("image.tar")).unwrap());
    std::fs::write(workshop.path().join("nameless.tar"), nameless).unwrap();
    let loaded = docker(&["load", "--quiet", "--input", "nameless.tar"]);
    let id = loaded.rsplit(' ').next().unwrap();
    let container = docker(&["create", id, "none"]);
    docker(&["cp", &format!("{container}:/plugin.wasm"), "copied.wasm"]);
    docker(&["rm", &container]);
    docker(&["rmi", id]);
    let read = |name: &str| std::fs::read(workshop.path().join(name)).unwrap();
    assert_eq!(read("copied.wasm"), read("module.wasm"));
}

/// The archive with an image without a name.
fn without_names(tar: &[u8]) -> Vec<u8> {
    let mut nameless = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (mut header, mut bytes) = (entry.header().clone(), Vec::new());
        let path = entry.path().unwrap().into_owned();
        entry.read_to_end(&mut bytes).unwrap();
        if path.to_str() == Some("manifest.json") {
            let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
            manifest[0]["RepoTags"] = Value::Null;
            bytes = manifest.to_string().into_bytes();
        }
        header.set_size(bytes.len() as u64);
        nameless.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    nameless.into_inner().unwrap()
}

/// The files of a layout.
struct Layout(BTreeMap<String, Vec<u8>>);

impl Layout {
    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.0[name]).unwrap()
    }

    /// The blob of a descriptor; checks that it exists and has the digest and size.
    fn blob(&self, descriptor: &Value) -> &[u8] {
        let name = descriptor["digest"].as_str().unwrap();
        let blob = &self.0[&format!("blobs/{}", name.replace(':', "/"))];
        assert_eq!((digest(blob).as_str(), json!(blob.len())), (name, descriptor["size"].clone()));
        blob
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", SecretDigest::of(bytes).to_hex())
}

/// The files below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            found.insert(name, std::fs::read(path).unwrap());
        }
    }
    found
}
