//! The shipped module with a tripwire: a request with very many headers crashes the module before the filter sees the
//! request, as a bug in the filter would.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, ExportSection, Function, FunctionSection, Module};
use wasmparser::{Parser, Payload};

use crate::envoy::{self, Envoy};
use crate::http::Client;
use crate::{echo, fixture, wait};

/// Envoy with one worker and a module with a tripwire.
pub(crate) fn start(folder: &Path, bundle: &Value) -> Envoy {
    start_with(folder, &json!({ "bundle": bundle }))
}

/// The same with any configuration.
pub(crate) fn start_with(folder: &Path, configuration: &Value) -> Envoy {
    start_wired(folder, configuration, Wire::Trap, None)
}

/// The same with one more cluster.
pub(crate) fn start_with_cluster(folder: &Path, configuration: &Value, cluster: &Value) -> Envoy {
    start_wired(folder, configuration, Wire::Trap, Some(cluster))
}

/// The same, with a choice of crash.
pub(crate) fn start_wired(
    folder: &Path,
    configuration: &Value,
    wire: Wire,
    cluster: Option<&Value>,
) -> Envoy {
    let module = module_with_tripwire(folder, wire);
    let configuration = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration.to_string(),
    });
    let listener = envoy::listener("main", &[envoy::wasm_filter(&module, &configuration)]);
    let mut configuration = envoy::configuration(&[listener], echo::start());
    let clusters = configuration["static_resources"]["clusters"].as_array_mut().unwrap();
    clusters.extend(cluster.cloned());
    Envoy::start(&configuration, 1).unwrap()
}

/// Sends the request that trips the wire.
pub(crate) fn trap(client: &mut Client) -> crate::http::Response {
    let authorization = fixture::reader();
    let mut request = fixture::headers(b"/v1/items", &authorization);
    let names: Vec<String> = (0..80).map(|number| format!("x-{number}")).collect();
    request.extend(names.iter().map(|name| (name.as_str(), &b"1"[..])));
    client.send(&request)
}

/// The statuses of requests without a token, until the filter judges one again.
pub(crate) fn until_back(client: &mut Client) -> Vec<u16> {
    let mut statuses = Vec::new();
    wait::until(|| {
        statuses.push(client.get("/v1/items", None).status);
        statuses.last() == Some(&401)
    });
    statuses
}

/// The kind of crash.
#[derive(Clone, Copy)]
pub(crate) enum Wire {
    /// The module ends at once.
    Trap,
    /// The module panics: it requests more memory than can exist.
    Panic,
}

pub(crate) fn module_with_tripwire(folder: &Path, wire: Wire) -> PathBuf {
    let module = std::fs::read(envoy::wasm()).unwrap();
    let mut changed = Module::new();
    let mut tripwire = Tripwire::on(&module, wire);
    tripwire.parse_core_module(&mut changed, Parser::new(0), &module).unwrap();
    let path = folder.join("tripwire.wasm");
    std::fs::write(&path, changed.finish()).unwrap();
    path
}

/// Inserts a function before `proxy_on_request_headers`.
struct Tripwire {
    original: u32,
    /// Type of the original function: context, number of headers, end of stream.
    kind: u32,
    /// Index of the new function: one after the last.
    index: u32,
    malloc: u32,
    wire: Wire,
}

impl Tripwire {
    fn on(module: &[u8], wire: Wire) -> Self {
        let (mut imported, mut kinds, mut exports) = (0, Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.unwrap();
            if let Payload::ImportSection(section) = payload {
                imported = u32::try_from(section.into_imports().count()).unwrap();
            } else if let Payload::FunctionSection(section) = payload {
                kinds = section.into_iter().map(Result::unwrap).collect();
            } else if let Payload::ExportSection(section) = payload {
                exports = section.into_iter().map(Result::unwrap).collect();
            }
        }
        let index = |name: &str| exports.iter().find(|export| export.name == name).unwrap().index;
        let (original, malloc) = (index(CALLBACK), index("malloc"));
        let local = usize::try_from(original - imported).unwrap();
        let index = imported + u32::try_from(kinds.len()).unwrap();
        Self { original, kind: kinds[local], index, malloc, wire }
    }
}

impl Reencode for Tripwire {
    type Error = std::convert::Infallible;

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        reencode::utils::parse_function_section(self, functions, section)?;
        functions.function(self.kind);
        Ok(())
    }

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: wasmparser::Export<'_>,
    ) -> Result<(), reencode::Error> {
        let index = if export.name == CALLBACK { self.index } else { export.index };
        reencode::utils::parse_export(self, exports, wasmparser::Export { index, ..export })
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        reencode::utils::parse_code_section(self, code, section)?;
        let mut function = Function::new([]);
        let mut body = function.instructions();
        body.local_get(1).i32_const(TRIPS_AT).i32_gt_s().if_(wasm_encoder::BlockType::Empty);
        match self.wire {
            Wire::Trap => body.unreachable(),
            Wire::Panic => body.i32_const(-1).call(self.malloc).drop(),
        };
        body.end();
        body.local_get(0).local_get(1).local_get(2).call(self.original).end();
        code.function(&function);
        Ok(())
    }
}

const CALLBACK: &str = "proxy_on_request_headers";
/// More headers than any other request has.
const TRIPS_AT: i32 = 60;
