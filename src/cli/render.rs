//! `tokenward render`: writes the configuration that Envoy, Istio or Envoy Gateway loads, with the bundle in it.
//!
//! In: a policy's folder or a bundle, and a gateway's settings. Out: a configuration in the form that the gateway
//! loads. `render` writes nothing that the filter would reject.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::build::Contents;
use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::folder::PolicyFolder;
use crate::cli::input::{Input, without_settings};
use crate::cli::numbering::Former;
use crate::cli::source::Source;
use crate::cli::{Exit, Format, files, output, workspace};
use crate::engine::config::bundle::Bundle;
use crate::engine::config::problem::Fault;
use crate::engine::policy::gateway::Gateway;

mod configmap;
mod ecds;
mod envoy_gateway;
mod image;
mod istio;
mod manifest;
mod module;
mod oci;
mod yaml;

/// Write the configuration that Envoy, Istio or Envoy Gateway loads
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward render ecds --wasm /etc/tokenward.wasm -o filter.json
  tokenward render image --wasm tokenward.wasm -o image")]
pub(super) struct Render {
    #[command(subcommand)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Target {
    /// An ECDS resource: Envoy loads it from a file, and again after each change
    Ecds(ecds::Ecds),
    Istio(istio::Istio),
    EnvoyGateway(envoy_gateway::EnvoyGateway),
    Configmap(configmap::ConfigMap),
    Image(image::Image),
}

impl Target {
    /// The option that names the policy's folder. `None` if the command reads no policy.
    fn folder(&mut self) -> Option<&mut PolicyFolder> {
        let policy = match self {
            Self::Ecds(ecds) => &mut ecds.policy,
            Self::Istio(istio) => &mut istio.policy,
            Self::EnvoyGateway(gateway) => &mut gateway.policy,
            Self::Configmap(map) => &mut map.policy,
            Self::Image(_) => return None,
        };
        Some(&mut policy.input.files.folder)
    }
}

impl Render {
    /// The option that names the policy's folder. `None` if the command reads no policy.
    pub(super) fn folder(&mut self) -> Option<&mut PolicyFolder> {
        self.target.folder()
    }

    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        match self.target {
            Target::Ecds(ecds) => ecds.run(format),
            Target::Istio(istio) => istio.run(format),
            Target::EnvoyGateway(gateway) => gateway.run(format),
            Target::Configmap(map) => map.run(format),
            Target::Image(image) => image.run(format),
        }
    }
}

/// The content of a configuration: a bundle, and a gateway's settings.
#[derive(Args, Debug)]
struct Policy {
    #[command(flatten)]
    input: Input,
}

impl Policy {
    /// The plugin configuration: the settings, with the bundle unless they have a `feed` that fetches it.
    ///
    /// # Errors
    /// Everything that cannot be read, or that the filter would reject.
    fn configuration(&self) -> Result<Value, Vec<Failure>> {
        let settings = self.input.settings()?;
        let mut configuration = settings.as_ref().map_or_else(|| Ok(Map::new()), tree)?;
        let name = match (&self.input.bundle, &settings) {
            (Some(path), _) => {
                configuration.insert("bundle".to_owned(), bundle(path)?);
                path.clone()
            }
            (None, Some(settings)) if configuration.contains_key("feed") => settings.path.clone(),
            (None, _) => {
                let workspace = self.input.open()?;
                let bundle = Contents::default().bundle(&workspace, &Former::read(None), None)?;
                configuration.insert("bundle".to_owned(), value(&bundle)?);
                workspace.folder().to_owned()
            }
        };
        let configuration = Value::Object(configuration);
        // Never write a configuration that Envoy would reject.
        Gateway::configure(configuration.to_string().as_bytes()).map_err(|problems| {
            let mut failures = Failure::unusable(name.display(), "a usable bundle", &problems);
            let signed = problems.iter().any(|problem| matches!(problem.fault, Fault::Signed(_)));
            if let Some(first) = failures.first_mut().filter(|_| !signed) {
                first.hint =
                    Some("`tokenward lint` says where; `tokenward build` writes no such bundle".to_owned());
            }
            failures
        })?;
        if settings.is_none() {
            output::warning(&without_settings());
        }
        Ok(configuration)
    }
}

/// Reads a bundle from a file. A signed bundle stays text, because it must arrive byte for byte.
fn bundle(path: &Path) -> Result<Value, Vec<Failure>> {
    let source = Source::read(path)?;
    let value: Value = serde_json::from_str(source.text())
        .map_err(|error| Failure::new(format!("{} is not JSON: {error}", path.display())))?;
    if value.get("payloadType").is_some() {
        return Ok(source.text().trim_end().into());
    }
    Ok(value)
}

fn value(bundle: &Bundle) -> Result<Value, Failure> {
    serde_json::to_value(bundle).map_err(|error| Failure::new(format!("cannot write the bundle: {error}")))
}

/// Where the output goes.
#[derive(Args, Debug)]
struct Destination {
    /// File to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Destination {
    /// Writes the output.
    fn write(&self, text: &str, readers: Readers, format: Format) -> Result<Exit, Vec<Failure>> {
        match &self.output {
            None => output::data(text),
            Some(path) => {
                files::replace(path, text, readers)?;
                if format == Format::Json {
                    output::json(&json!({ "file": path }));
                }
                output::done(&format!("rendered {}", path.display()));
            }
        }
        Ok(Exit::Yes)
    }
}

/// The settings in a file, as written there.
fn tree(source: &Source) -> Result<Map<String, Value>, Vec<Failure>> {
    workspace::settings(source)?;
    source.parse()
}

/// Who may read a file with a configuration: only the owner, if it holds a secret.
fn readers(configuration: &Value) -> Readers {
    let has_secret = SECRETS.iter().any(|place| configuration.pointer(place).is_some());
    if has_secret { Readers::Owner } else { Readers::Everybody }
}

/// Where a configuration holds secrets.
const SECRETS: [&str; 3] = ["/audit/chain/hmac_sha256", "/feed/headers", "/alerts/headers"];
