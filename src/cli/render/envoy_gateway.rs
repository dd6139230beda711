//! `tokenward render envoy-gateway`: writes an EnvoyExtensionPolicy.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::render::manifest::{self, Identity, Reference};
use crate::cli::render::module::{Fetched, Module};
use crate::cli::render::{Destination, Policy, readers};
use crate::cli::{Exit, Format};

/// A manifest for Envoy Gateway: an EnvoyExtensionPolicy
#[derive(Args, Debug)]
#[group(skip)]
#[command(after_help = "\
Examples:
  tokenward render envoy-gateway --url oci://registry.acme.test/tokenward:1 --image image \\\n      --namespace edge --target Gateway/edge
  tokenward render envoy-gateway --bundle bundle.dsse.json --url oci://registry.acme.test/tokenward:1 \\\n      --image image --namespace edge --target HTTPRoute/orders")]
pub(super) struct EnvoyGateway {
    #[command(flatten)]
    pub(super) policy: Policy,
    #[command(flatten)]
    module: Module,
    #[command(flatten)]
    identity: Identity,
    /// Target of the policy, in the same namespace: Gateway, ListenerSet, HTTPRoute or GRPCRoute
    #[arg(long, value_name = "KIND/NAME[/SECTION]", value_parser = manifest::reference, required = true)]
    target: Vec<Reference>,
    /// Secret of the namespace for pulling the image
    #[arg(long, value_name = "NAME", value_parser = manifest::object_name)]
    pull_secret: Option<String>,
    #[command(flatten)]
    destination: Destination,
}

impl EnvoyGateway {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let configuration = self.policy.configuration()?;
        let readers = readers(&configuration);
        let targets = self.target.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        let Identity { namespace, name } = &self.identity;
        let wasm = json!([{
            "name": format!("{namespace}.{name}"),
            "code": self.code()?,
            "config": configuration,
            // If the filter fails, requests are rejected.
            "failOpen": false,
        }]);
        let manifest = self.identity.manifest(
            "gateway.envoyproxy.io/v1alpha1",
            "EnvoyExtensionPolicy",
            json!({ "spec": { "targetRefs": targets, "wasm": wasm } }),
        );
        manifest::write(manifest, readers, &self.destination, format)
    }

    /// The source of the module (envoyproxy/gateway api/v1alpha1/wasm_types.go).
    fn code(&self) -> Result<Value, Failure> {
        let (location, sha256) = self.module.pinned()?;
        let mut source = Map::new();
        source.insert("url".to_owned(), json!(location.url));
        source.insert("sha256".to_owned(), json!(sha256));
        match (location.fetched, &self.pull_secret) {
            (Fetched::Image, secret) => {
                if let Some(secret) = secret {
                    source.insert("pullSecretRef".to_owned(), json!({ "name": secret }));
                }
                Ok(json!({ "type": "Image", "image": source }))
            }
            (Fetched::Http, None) => Ok(json!({ "type": "HTTP", "http": source })),
            (Fetched::Http, Some(_)) => {
                Err(Failure::new(format!("{} is no image: no secret pulls it", location.url)))
            }
        }
    }
}

fn target(reference: &Reference) -> Result<Value, Failure> {
    let Reference { kind, name, section } = reference;
    if !["Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute"].contains(&kind.as_str()) {
        return Err(Failure::new(format!("Envoy Gateway attaches no filter of requests to a `{kind}`"))
            .hint("it does to a Gateway, ListenerSet, HTTPRoute or GRPCRoute"));
    }
    let mut target = json!({ "group": "gateway.networking.k8s.io", "kind": kind, "name": name });
    if let (Value::Object(target), Some(section)) = (&mut target, section) {
        target.insert("sectionName".to_owned(), json!(section));
    }
    Ok(target)
}
