//! A trap: the module dies in the middle of a request, and nothing is let through unjudged for it.
//!
//! The module that ships is given a tripwire: a request with as many headers as no other traps before the filter
//! sees it, as a bug of ours would.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, ExportSection, Function, FunctionSection, Module};
use wasmparser::{Parser, Payload};

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle};
use crate::http::Client;
use crate::{echo, fixture};

#[test]
fn after_a_trap_requests_are_refused_until_the_filter_is_back_with_what_it_knew() {
    let folder = tempfile::tempdir().unwrap();
    let envoy = start(folder.path(), &limited("3/1h"));
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    for round in 1..=2 {
        assert_eq!(trap(&mut client).status, 503, "round {round}");
        let statuses = until_back(&mut client);
        // Refused or judged: a request without a token never passes.
        assert!(statuses.iter().all(|status| [503, 401].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&503), "{statuses:?}");
    }
    // Two of three are left: the bucket outlived the filter.
    let statuses = [0; 3].map(|_| client.get("/v1/items", Some(READER)).status);
    assert_eq!(statuses, [200, 200, 429]);
    assert!(envoy.admin("/stats?filter=vm_reload_success").contains(": 2"), "{}", envoy.log());
}

#[test]
fn other_connections_are_refused_or_judged_while_the_filter_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let envoy = start(folder.path(), &bundle());
    let mut others: Vec<Client> = (0..4).map(|_| envoy.client("main")).collect();
    trap(&mut envoy.client("main"));
    for other in &mut others {
        assert!([401, 503].contains(&other.get("/v1/items", None).status));
    }
}

/// Sends the request that trips the wire.
pub(crate) fn trap(client: &mut Client) -> crate::http::Response {
    let authorization = fixture::reader();
    let mut request = fixture::headers(b"/v1/items", &authorization);
    let names: Vec<String> = (0..80).map(|number| format!("x-{number}")).collect();
    request.extend(names.iter().map(|name| (name.as_str(), &b"1"[..])));
    client.send(&request)
}

/// The statuses of requests without a token until one is judged again.
pub(crate) fn until_back(client: &mut Client) -> Vec<u16> {
    let start = Instant::now();
    let mut statuses = Vec::new();
    while statuses.last() != Some(&401) {
        assert!(start.elapsed() < Duration::from_secs(10), "{statuses:?}");
        statuses.push(client.get("/v1/items", None).status);
        std::thread::sleep(Duration::from_millis(50));
    }
    statuses
}

fn limited(limit: &str) -> Value {
    let mut bundle = bundle();
    bundle["tokens"]["reader"]["rate_limit"] = json!(limit);
    bundle
}

/// Envoy with one worker and a module that has a tripwire.
fn start(folder: &Path, bundle: &Value) -> Envoy {
    start_with(folder, &json!({ "bundle": bundle }))
}

/// The same with any configuration.
pub(crate) fn start_with(folder: &Path, configuration: &Value) -> Envoy {
    let module = module_with_tripwire(folder);
    let configuration = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration.to_string(),
    });
    let listener = envoy::listener("main", &[envoy::wasm_filter(&module, &configuration)]);
    Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap()
}

fn module_with_tripwire(folder: &Path) -> PathBuf {
    let module = std::fs::read(envoy::wasm()).unwrap();
    let mut changed = Module::new();
    let mut tripwire = Tripwire::on(&module);
    tripwire.parse_core_module(&mut changed, Parser::new(0), &module).unwrap();
    let path = folder.join("tripwire.wasm");
    std::fs::write(&path, changed.finish()).unwrap();
    path
}

/// Puts a function before `proxy_on_request_headers`.
struct Tripwire {
    original: u32,
    /// Type of the original: context, number of headers, end of stream.
    kind: u32,
    /// Index of the new function: one behind the last.
    index: u32,
}

impl Tripwire {
    fn on(module: &[u8]) -> Self {
        let (mut imported, mut kinds, mut original) = (0, Vec::new(), None);
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.unwrap();
            if let Payload::ImportSection(section) = payload {
                imported = u32::try_from(section.into_imports().count()).unwrap();
            } else if let Payload::FunctionSection(section) = payload {
                kinds = section.into_iter().map(Result::unwrap).collect();
            } else if let Payload::ExportSection(section) = payload {
                let mut exports = section.into_iter().map(Result::unwrap);
                original = exports.find(|export| export.name == CALLBACK).map(|export| export.index);
            }
        }
        let original = original.unwrap();
        let local = usize::try_from(original - imported).unwrap();
        Self { original, kind: kinds[local], index: imported + u32::try_from(kinds.len()).unwrap() }
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
        body.local_get(1)
            .i32_const(TRIPS_AT)
            .i32_gt_s()
            .if_(wasm_encoder::BlockType::Empty)
            .unreachable()
            .end();
        body.local_get(0).local_get(1).local_get(2).call(self.original).end();
        code.function(&function);
        Ok(())
    }
}

const CALLBACK: &str = "proxy_on_request_headers";
/// More headers than any other request has.
const TRIPS_AT: i32 = 60;
