//! `tokenward render`: the configuration that Envoy loads, with the bundle in it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::source::Source;
use crate::cli::{Exit, Format, files, output, workspace};
use crate::engine::problem::Fault;
use crate::engine::secret::SecretDigest;
use crate::engine::settings::Gateway;

/// Write the configuration that Envoy loads
#[derive(Args, Debug)]
pub(super) struct Render {
    #[command(subcommand)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Target {
    /// An ECDS resource: Envoy loads it from the file and again whenever it is replaced
    Ecds(Ecds),
}

#[derive(Args, Debug)]
struct Ecds {
    /// Bundle that `tokenward build` or `tokenward sign` wrote
    bundle: PathBuf,
    /// Path of tokenward.wasm, as Envoy sees it
    #[arg(long, value_name = "FILE")]
    wasm: PathBuf,
    /// The gateway's settings, as in gateway.yaml; the safe defaults without it
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// File to write; standard output without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Render {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let Target::Ecds(ecds) = self.target;
        let bundle = Source::read(&ecds.bundle)?;
        let mut value: Value = serde_json::from_str(bundle.text())
            .map_err(|error| Failure::new(format!("{} is not JSON: {error}", ecds.bundle.display())))?;
        if value.get("payloadType").is_some() {
            // What is signed has to arrive byte for byte.
            value = bundle.text().trim_end().into();
        }
        let mut configuration = match &ecds.settings {
            Some(path) => settings(path)?,
            None => Map::new(),
        };
        configuration.insert("bundle".to_owned(), value);
        let configuration = Value::Object(configuration).to_string();
        // What Envoy would refuse is not written.
        Gateway::configure(configuration.as_bytes()).map_err(|problems| {
            let failure = Failure::new(format!("{} is no usable bundle\n{problems}", ecds.bundle.display()));
            if problems.iter().any(|problem| matches!(problem.fault, Fault::Signed(_))) {
                return failure;
            }
            failure.hint("`tokenward lint` tells where; `tokenward build` writes no such bundle")
        })?;
        let mut text = resource(&configuration, &ecds.wasm.display().to_string()).to_string();
        text.push('\n');
        if !ecds.wasm.is_file() {
            let absent = Failure::new(format!("there is no file {} here", ecds.wasm.display()));
            output::warning(&absent.hint("`--wasm` is the module's path where Envoy runs"));
        }
        match &ecds.output {
            None => output::data(&text),
            Some(path) => {
                files::replace(path, &text, Readers::Everybody)?;
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

/// The discovery response with the filter's configuration
/// (envoy/service/discovery/v3/discovery.proto, envoy/extensions/wasm/v3/wasm.proto).
fn resource(configuration: &str, wasm: &str) -> Value {
    json!({
        "version_info": SecretDigest::of(format!("{configuration}{wasm}").as_bytes()).to_hex(),
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "tokenward",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "tokenward",
                    "failure_policy": "FAIL_RELOAD",
                    "vm_config": {
                        "vm_id": "tokenward",
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": wasm } },
                    },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": configuration,
                    },
                },
            },
        }],
    })
}
