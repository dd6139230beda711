//! `tokenward render configmap`: writes a ConfigMap with the file that an Envoy of your own watches.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::render::manifest::{self, Identity};
use crate::cli::render::{Destination, Policy, ecds, readers};
use crate::cli::{Exit, Format};

/// A ConfigMap with the ECDS resource, for an Envoy of your own in Kubernetes
///
/// Mounted as a folder, it contains `filter.json`, the output of `tokenward render ecds`. Envoy loads a new version
/// without a restart if the folder is its `watched_directory`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward render configmap --wasm /etc/tokenward.wasm --namespace edge -o map.yaml
  tokenward render configmap --bundle bundle.dsse.json --wasm /etc/tokenward.wasm --namespace edge")]
pub(super) struct ConfigMap {
    #[command(flatten)]
    pub(super) policy: Policy,
    /// Path of tokenward.wasm in Envoy's container
    #[arg(long, value_name = "FILE")]
    wasm: PathBuf,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    destination: Destination,
}

impl ConfigMap {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let configuration = self.policy.configuration()?;
        let readers = readers(&configuration);
        let resource = ecds::resource(&configuration.to_string(), &self.wasm);
        let data = json!({ "data": { "filter.json": resource } });
        manifest::write(self.identity.manifest("v1", "ConfigMap", data), readers, &self.destination, format)
    }
}
