//! Audit logs: their events, the schema of an event, and `tokenward audit verify`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The schema of events.
pub(crate) fn read_schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&fs::read_to_string("schemas/event.json").unwrap()).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// The events in a log.
pub(crate) fn events(log: &str) -> Vec<Value> {
    let events = log.lines().filter_map(|line| Some(&line[line.find("{\"v\":1,")?..]));
    events.map(|event| serde_json::from_str(event).unwrap()).collect()
}

/// Runs `tokenward audit verify` with this standard input.
pub(crate) fn verify(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut stdin).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
    command.args(["audit", "verify"]).args(arguments).current_dir(folder).stdin(stdin).output().unwrap()
}
