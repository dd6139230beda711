//! `tokenward render istio`: writes a WasmPlugin, or an EnvoyFilter for options that a WasmPlugin lacks.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::render::manifest::{self, Identity, Reference};
use crate::cli::render::module::{Fetched, Module};
use crate::cli::render::{Destination, Policy, readers};
use crate::cli::{Exit, Format};

mod envoy_filter;

/// A manifest for Istio: a WasmPlugin, or an EnvoyFilter
///
/// Both fetch the module from `--url` and reject it unless it has the pinned digest. The filter runs before Istio's
/// own authentication, so an AuthorizationPolicy can use its identity headers. An EnvoyFilter has more options than a
/// WasmPlugin: the filter gets its own VM with only the capabilities that it needs. It uses the same code in Istio's
/// agent. But its interface is Envoy's own, so another version of Istio may need another version of `tokenward`.
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
    /// Label of the pods, as in istio=ingressgateway; pods must have all given labels
    #[arg(long, value_name = "KEY=VALUE", value_parser = manifest::selector)]
    pub(super) selector: Vec<(String, String)>,
    /// Target of the policy, as in Gateway/edge: Gateway, GatewayClass, Service or ServiceEntry
    #[arg(long, value_name = "KIND/NAME", value_parser = manifest::reference, conflicts_with = "selector")]
    pub(super) target: Vec<Reference>,
    /// Judge only the requests that a pod's sidecar receives; not for a gateway, where it would judge none
    #[arg(long, requires = "selector")]
    pub(super) inbound: bool,
    /// Order among the filters of this phase: higher comes first
    #[arg(long, allow_negative_numbers = true)]
    pub(super) priority: Option<i32>,
    /// How to treat requests after the filter crashed; use `close` for Istio before 1.27
    #[arg(long, value_enum, default_value_t = FailStrategy::Reload, value_name = "STRATEGY")]
    pub(super) fail_strategy: FailStrategy,
    /// Secret of the namespace for pulling the image
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

/// How to treat requests after the filter crashed. Both options reject them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum FailStrategy {
    /// Reject requests until the filter runs again, about a second later
    Reload,
    /// Reject requests until the gateway gets a new configuration
    Close,
}

impl Istio {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let configuration = self.policy.configuration()?;
        check_numbers(&configuration, &mut Vec::new())?;
        let readers = readers(&configuration);
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
        manifest::write(manifest, readers, &self.destination, format)
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
        // Before Istio's own authentication, because tokenward's tokens are not JWTs.
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

    /// Adds the selection of pods: `selector` with its `labels`, or `targetRefs`.
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

/// Checks that no number loses precision: Istio carries the configuration as a protobuf Struct, whose numbers are
/// doubles.
fn check_numbers(value: &Value, place: &mut Vec<String>) -> Result<(), Failure> {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number > MAX_EXACT) => {
            let place = place.join(".");
            Err(Failure::new(format!("{place} is {number}, and Istio would round it"))
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
