//! `tokenward render`: what Envoy, Istio and Envoy Gateway load, with the bundle in it.
//!
//! In: the bundle that `tokenward build` wrote, and a gateway's settings. Out: a configuration in the form that
//! the one who loads it takes. Nothing is rendered that the filter would refuse.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::source::Source;
use crate::cli::{Exit, Format, files, output, workspace};
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

/// Write what Envoy, Istio or Envoy Gateway loads
#[derive(Args, Debug)]
pub(super) struct Render {
    #[command(subcommand)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Target {
    /// An ECDS resource: Envoy loads it from the file and again whenever it is replaced
    Ecds(ecds::Ecds),
    Istio(istio::Istio),
    EnvoyGateway(envoy_gateway::EnvoyGateway),
    Configmap(configmap::ConfigMap),
    Image(image::Image),
}

impl Render {
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

/// What is configured: a bundle and a gateway's settings.
#[derive(Args, Debug)]
struct Policy {
    /// Bundle that `tokenward build` or `tokenward sign` wrote; none where the settings have a `feed`
    bundle: Option<PathBuf>,
    /// The gateway's settings, as in gateway.yaml; the safe defaults without it
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl Policy {
    /// The plugin configuration.
    ///
    /// # Errors
    /// What cannot be read, and what the filter would refuse.
    fn configuration(&self) -> Result<Value, Vec<Failure>> {
        let mut configuration = match &self.settings {
            Some(path) => settings(path)?,
            None => Map::new(),
        };
        let name = match &self.bundle {
            Some(path) => {
                configuration.insert("bundle".to_owned(), bundle(path)?);
                path.as_path()
            }
            None if configuration.contains_key("feed") => {
                self.settings.as_deref().unwrap_or(Path::new("settings"))
            }
            None => return Err(no_bundle().into()),
        };
        let configuration = Value::Object(configuration);
        // What Envoy would refuse is not written.
        Gateway::configure(configuration.to_string().as_bytes()).map_err(|problems| {
            let failure = Failure::new(format!("{} is not a usable bundle\n{problems}", name.display()));
            if problems.iter().any(|problem| matches!(problem.fault, Fault::Signed(_))) {
                return failure;
            }
            failure.hint("`tokenward lint` tells where; `tokenward build` writes no such bundle")
        })?;
        Ok(configuration)
    }
}

/// The bundle in a file; one that is signed as it is, for it has to arrive byte for byte.
fn bundle(path: &Path) -> Result<Value, Vec<Failure>> {
    let source = Source::read(path)?;
    let value: Value = serde_json::from_str(source.text())
        .map_err(|error| Failure::new(format!("{} is not JSON: {error}", path.display())))?;
    if value.get("payloadType").is_some() {
        return Ok(source.text().trim_end().into());
    }
    Ok(value)
}

fn no_bundle() -> Failure {
    Failure::new("there is no bundle".to_owned())
        .hint("name the file that `tokenward build` wrote, or `--settings` with a `feed` to fetch it from")
}

/// Where the text goes.
#[derive(Args, Debug)]
struct Destination {
    /// File to write; standard output without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Destination {
    fn write(&self, text: &str, format: Format) -> Result<Exit, Vec<Failure>> {
        match &self.output {
            None => output::data(text),
            Some(path) => {
                files::replace(path, text, Readers::Everybody)?;
                if format == Format::Json {
                    output::json(&json!({ "file": path }));
                }
                output::done(&format!("rendered {}", path.display()));
            }
        }
        Ok(Exit::Yes)
    }
}

/// The settings in a file, as they are written there.
fn settings(path: &Path) -> Result<Map<String, Value>, Vec<Failure>> {
    let source = Source::read(path)?;
    workspace::settings(&source)?;
    source.parse().map_err(|problems| Failure::new(problems.to_string()).into())
}
