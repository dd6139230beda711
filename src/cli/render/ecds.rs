//! `tokenward render ecds`: writes a file that Envoy watches.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::render::{Destination, Policy, readers};
use crate::cli::{Exit, Format, output};
use crate::engine::words::secret::SecretDigest;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward render ecds --wasm /etc/tokenward.wasm -o filter.json
  tokenward render ecds --bundle bundle.dsse.json --wasm /etc/tokenward.wasm -o filter.json")]
pub(super) struct Ecds {
    #[command(flatten)]
    pub(super) policy: Policy,
    /// Path of tokenward.wasm, as Envoy sees it
    #[arg(long, value_name = "FILE")]
    wasm: PathBuf,
    #[command(flatten)]
    destination: Destination,
}

impl Ecds {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let configuration = self.policy.configuration()?;
        let text = resource(&configuration.to_string(), &self.wasm);
        if !self.wasm.is_file() {
            let absent = Failure::new(format!("there is no file {} here", self.wasm.display()));
            output::warning(&absent.hint("`--wasm` is the module's path where Envoy runs"));
        }
        self.destination.write(&text, readers(&configuration), format)
    }
}

/// The discovery response with the filter's configuration, as one line
/// (envoy/service/discovery/v3/discovery.proto, envoy/extensions/wasm/v3/wasm.proto).
///
/// Its version is the digest of its content: the same content always has the same version.
pub(super) fn resource(configuration: &str, wasm: &Path) -> String {
    let wasm = wasm.display().to_string();
    let resource = json!({
        "version_info": SecretDigest::of(format!("{configuration}{wasm}").as_bytes()).to_hex(),
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "tokenward",
            "typed_config": {
                "@type": WASM_FILTER,
                "config": {
                    "name": "tokenward",
                    "failure_policy": "FAIL_RELOAD",
                    "vm_config": {
                        "vm_id": "tokenward",
                        "runtime": RUNTIME,
                        "code": { "local": { "filename": wasm } },
                    },
                    "configuration": string_value(configuration),
                },
            },
        }],
    });
    format!("{resource}\n")
}

/// A text as a `google.protobuf.StringValue`, which reaches the filter unchanged.
pub(super) fn string_value(text: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text })
}

/// Type of the filter's configuration.
pub(super) const WASM_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
/// The WebAssembly runtime of Envoy's and Istio's own builds.
pub(super) const RUNTIME: &str = "envoy.wasm.runtime.v8";
