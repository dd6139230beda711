//! The common parts of Kubernetes manifests: names, labels, references, and the maximum size.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::render::{Destination, yaml};
use crate::cli::{Exit, Format, output};

/// Name and namespace of an object.
#[derive(Args, Debug)]
pub(super) struct Identity {
    /// Name of the object
    #[arg(long, default_value = "tokenward", value_parser = object_name)]
    pub(super) name: String,
    /// Namespace of the object
    #[arg(long, value_parser = label)]
    pub(super) namespace: String,
}

impl Identity {
    /// The manifest of an object with this name; `rest` has its fields beside `metadata`.
    pub(super) fn manifest(&self, version: &str, kind: &str, rest: Value) -> Map<String, Value> {
        let Self { name, namespace } = self;
        let mut manifest = Map::new();
        manifest.insert("apiVersion".to_owned(), json!(version));
        manifest.insert("kind".to_owned(), json!(kind));
        manifest.insert("metadata".to_owned(), json!({ "name": name, "namespace": namespace }));
        if let Value::Object(rest) = rest {
            manifest.extend(rest);
        }
        manifest
    }
}

/// Writes a manifest: as JSON if requested and no file is named, otherwise as YAML.
///
/// # Errors
/// Fails if it is larger than the API server accepts, or cannot be written.
pub(super) fn write(
    manifest: Map<String, Value>,
    readers: Readers,
    destination: &Destination,
    format: Format,
) -> Result<Exit, Vec<Failure>> {
    let manifest = Value::Object(manifest);
    let size = manifest.to_string().len();
    if size > MAX_BYTES {
        return Err(too_large(&manifest, size).into());
    }
    if size > MAX_ANNOTATION {
        let large =
            Failure::new(format!("{size} bytes are more than `kubectl apply` keeps in an annotation"));
        output::note(&large.hint("apply it with  kubectl apply --server-side"));
    }
    let text = match (&manifest, format, &destination.output) {
        (Value::Object(entries), Format::Text, _) | (Value::Object(entries), Format::Json, Some(_)) => {
            yaml::bundle(entries)
        }
        _ => format!("{manifest}\n"),
    };
    destination.write(&text, readers, format)
}

#[cold]
fn too_large(manifest: &Value, size: usize) -> Failure {
    let kind = manifest.get("kind").and_then(Value::as_str).unwrap_or_default();
    Failure::new(format!(
        "the {kind} has {size} bytes, which is more than the {MAX_BYTES} that Kubernetes stores"
    ))
    .hint(
        "give Envoy the file that `tokenward render ecds` writes on a volume; \
             `tokenward prune` makes it smaller, and so does a bundle for each service",
    )
}

/// Checks a name as in a DNS domain (RFC 1123), as Kubernetes requires for names of objects.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let parts = text.split('.').all(|part| label(part).is_ok());
    if text.len() <= 253 && parts { Ok(text.to_owned()) } else { Err(NO_NAME.to_owned()) }
}

/// Checks a label of a DNS name (RFC 1123): at most 63 of `a-z 0-9 -`, without `-` at either end.
pub(super) fn label(text: &str) -> Result<String, String> {
    let letters = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let fits = (1..=63).contains(&text.len()) && letters && !text.starts_with('-') && !text.ends_with('-');
    if fits { Ok(text.to_owned()) } else { Err(NO_NAME.to_owned()) }
}

/// Reads a label of an object, as in `app=edge`.
pub(super) fn selector(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it is KEY=VALUE, as in app=edge")?;
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let valid = |text: &str| {
        let edges = |c: char| c.is_ascii_alphanumeric();
        text.len() <= 63
            && text.starts_with(edges)
            && text.ends_with(edges)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let prefix = key.rsplit_once('/').is_none_or(|(prefix, _)| object_name(prefix).is_ok());
    if valid(name) && prefix && (value.is_empty() || valid(value)) {
        return Ok((key.to_owned(), value.to_owned()));
    }
    Err("letters, digits and -_. make a label, at most 63".to_owned())
}

/// An object to which a policy is attached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reference {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) section: Option<String>,
}

/// Reads `Gateway/edge`, or `Gateway/edge/https` for one of its listeners or rules.
pub(super) fn reference(text: &str) -> Result<Reference, String> {
    let mut parts = text.splitn(3, '/');
    let (Some(kind), Some(name)) = (parts.next(), parts.next()) else {
        return Err("it is KIND/NAME, as in Gateway/edge".to_owned());
    };
    let section = parts.next().map(object_name).transpose()?;
    Ok(Reference { kind: kind.to_owned(), name: object_name(name)?, section })
}

/// Maximum size of a manifest: 1 MiB, the limit of a ConfigMap. Other objects have the same limit here: etcd accepts
/// 1.5 MiB, including additions of the API server.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// 256 KiB: the limit for all annotations. Client-side `kubectl apply` stores a copy of the object there.
const MAX_ANNOTATION: usize = 256 * 1024;
const NO_NAME: &str = "a name has at most 63 of a-z, 0-9 and - between them";
