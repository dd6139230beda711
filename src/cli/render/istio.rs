//! `tokenward render istio`: a WasmPlugin, or an EnvoyFilter for what a WasmPlugin cannot say.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::render::manifest::{self, Identity, Reference};
use crate::cli::render::module::{Fetched, Module};
use crate::cli::render::{Destination, Policy};
use crate::cli::{Exit, Format};

mod envoy_filter;

/// A manifest for Istio: a WasmPlugin, or an EnvoyFilter
///
/// Both fetch the module from where `--url` says and refuse another one than was pinned. The filter stands before
/// Istio's own authentication, so that an AuthorizationPolicy may read the identity headers that it sets. An
/// EnvoyFilter can say more than a WasmPlugin: the VM is the filter's own and may do nothing but what the filter
/// does. It takes the same code of Istio's agent, but its interface is Envoy's, and may need another
/// `tokenward` for another Istio.
#[derive(Args, Debug)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["selector", "target"]))]
#[command(after_help = "\
Examples:
  tokenward render istio --url oci://registry.acme.test/tokenward:1 --image image \\\n      --namespace edge --selector istio=edge
  tokenward render istio --as envoy-filter --url https://files.acme.test/tokenward.wasm \\\n      --wasm tokenward.wasm --namespace edge --target Gateway/edge")]
pub(super) struct Istio {
    #[command(flatten)]
    pub(super) policy: Policy,
    /// Kind of the manifest
    #[arg(long = "as", value_enum, default_value_t = Kind::WasmPlugin, value_name = "KIND")]
    kind: Kind,
    #[command(flatten)]
    pub(super) module: Module,
    #[command(flatten)]
    pub(super) identity: Identity,
    /// Label of the pods, as in istio=ingressgateway; all given must be there
    #[arg(long, value_name = "KEY=VALUE", value_parser = manifest::selector)]
    pub(super) selector: Vec<(String, String)>,
    /// What the policy is attached to, as in Gateway/edge: Gateway, GatewayClass, Service or ServiceEntry
    #[arg(long, value_name = "KIND/NAME", value_parser = manifest::reference, conflicts_with = "selector")]
    pub(super) target: Vec<Reference>,
    /// Judge only what a pod's sidecar receives; never for a gateway, which would judge nothing then
    #[arg(long, requires = "selector")]
    pub(super) inbound: bool,
    /// Place among the filters of this phase: the higher comes first
    #[arg(long, allow_negative_numbers = true)]
    pub(super) priority: Option<i32>,
    /// What becomes of requests after the filter crashed; `close` for an Istio before 1.27
    #[arg(long, value_enum, default_value_t = FailStrategy::Reload, value_name = "STRATEGY")]
    pub(super) fail_strategy: FailStrategy,
    /// Secret of the namespace by which the image is pulled
    #[arg(long, value_name = "NAME", value_parser = manifest::object_name)]
    pull_secret: Option<String>,
    #[command(flatten)]
    destination: Destination,
}

/// Kind of the manifest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Kind {
    WasmPlugin,
    EnvoyFilter,
}

/// What becomes of requests after the filter crashed; none is let through unjudged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum FailStrategy {
    /// They are refused until the filter runs again, a second later
    Reload,
    /// They are refused until the gateway is configured anew
    Close,
}

impl Istio {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let configuration = self.policy.configuration()?;
        check_numbers(&configuration, &mut Vec::new())?;
        let manifest = match self.kind {
            Kind::WasmPlugin => self.wasm_plugin(configuration)?,
            Kind::EnvoyFilter => {
                if self.pull_secret.is_some() {
                    return Err(Failure::new(
                        "an EnvoyFilter cannot name the secret by which an image is pulled",
                    )
                    .hint("give the proxy's service account the secret, or render a WasmPlugin")
                    .into());
                }
                envoy_filter::manifest(&self, &configuration)?
            }
        };
        manifest::write(manifest, &self.destination, format)
    }

    /// The WasmPlugin (istio/api extensions/v1alpha1/wasm.proto).
    fn wasm_plugin(&self, configuration: Value) -> Result<Map<String, Value>, Vec<Failure>> {
        let (location, sha256) = self.module.pinned()?;
        let mut spec = Map::new();
        self.insert_where(&mut spec, "selector", "matchLabels")?;
        if self.inbound {
            spec.insert("match".to_owned(), json!([{ "mode": "SERVER" }]));
        }
        spec.insert("url".to_owned(), json!(location.url));
        spec.insert("sha256".to_owned(), json!(sha256));
        if let Some(secret) = &self.pull_secret {
            if location.fetched != Fetched::Image {
                return Err(Failure::new(format!("{} is no image: no secret pulls it", location.url)).into());
            }
            spec.insert("imagePullSecret".to_owned(), json!(secret));
        }
        // Before Istio's own authentication: a token of ours is no JWT.
        spec.insert("phase".to_owned(), json!("AUTHN"));
        if let Some(priority) = self.priority {
            spec.insert("priority".to_owned(), json!(priority));
        }
        let strategy = match self.fail_strategy {
            FailStrategy::Reload => "FAIL_RELOAD",
            FailStrategy::Close => "FAIL_CLOSE",
        };
        spec.insert("failStrategy".to_owned(), json!(strategy));
        spec.insert("pluginConfig".to_owned(), configuration);
        Ok(self.identity.manifest("extensions.istio.io/v1alpha1", "WasmPlugin", json!({ "spec": spec })))
    }

    /// Puts in which pods are meant: `selector` with its `labels`, or `targetRefs`.
    pub(super) fn insert_where(
        &self,
        spec: &mut Map<String, Value>,
        selector: &str,
        labels: &str,
    ) -> Result<(), Failure> {
        if !self.selector.is_empty() {
            let pairs = self.selector.iter().map(|(key, value)| (key.clone(), json!(value)));
            spec.insert(selector.to_owned(), json!({ labels: pairs.collect::<Map<_, _>>() }));
            return Ok(());
        }
        let references = self.target.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        spec.insert("targetRefs".to_owned(), json!(references));
        Ok(())
    }
}

fn target(reference: &Reference) -> Result<Value, Failure> {
    let Reference { kind, name, section } = reference;
    let group = match kind.as_str() {
        "Gateway" | "GatewayClass" => "gateway.networking.k8s.io",
        "ServiceEntry" => "networking.istio.io",
        "Service" => "",
        _ => {
            return Err(Failure::new(format!("Istio attaches no filter to a `{kind}`"))
                .hint("it does to a Gateway, GatewayClass, Service or ServiceEntry"));
        }
    };
    if section.is_some() {
        return Err(Failure::new(format!("Istio attaches a filter to the whole of {kind}/{name}")));
    }
    Ok(json!({ "group": group, "kind": kind, "name": name }))
}

/// Checks that no number is changed on its way: Istio carries the configuration as a protobuf Struct, whose numbers are
/// doubles.
fn check_numbers(value: &Value, place: &mut Vec<String>) -> Result<(), Failure> {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number > MAX_EXACT) => {
            let place = place.join(".");
            Err(Failure::new(format!("{place} is {number}, and Istio cannot tell it from its neighbours"))
                .hint(format!("make it {MAX_EXACT} at most")))
        }
        Value::Array(items) => items.iter().try_for_each(|item| check_numbers(item, place)),
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
            place.push(key.clone());
            check_numbers(value, place)?;
            place.pop();
            Ok(())
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// 2^53 - 1.
const MAX_EXACT: u64 = 9_007_199_254_740_991;
