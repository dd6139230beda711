//! `slim MODULE`: removes every export from a WebAssembly module that is not listed below.
//!
//! The Rust SDK exports all callbacks of proxy-wasm, and Envoy enters the VM for each exported one: for every
//! response head, every chunk of a body, every end of a stream. A callback without an export costs nothing. This file
//! uses only the standard library, so plain `rustc` builds it before everything else.
#![expect(clippy::print_stderr, reason = "it says what is wrong with the module")]

use std::process::ExitCode;

/// The exports that Envoy calls. This filter does not need the other callbacks of proxy-wasm 0.2.1.
const KEPT: [&str; 12] = [
    "memory",
    "malloc",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_http_call_response",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_delete",
];

fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_default();
    match std::fs::read(&path).map_err(|error| error.to_string()).and_then(|module| slim(&module)) {
        Ok(slim) => match std::fs::write(&path, slim) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&path, &error.to_string()),
        },
        Err(error) => fail(&path, &error),
    }
}

fn fail(path: &str, error: &str) -> ExitCode {
    eprintln!("slim: {path}: {error}");
    ExitCode::FAILURE
}

/// The module with a new export section (WebAssembly 2.0 §5.5: magic, version, sections with id and size).
fn slim(module: &[u8]) -> Result<Vec<u8>, String> {
    let (head, sections) = module.split_at_checked(8).ok_or("too short")?;
    if head != b"\0asm\x01\0\0\0" {
        return Err("not a module".to_owned());
    }
    let mut slim = head.to_vec();
    let mut rest = Reader(sections);
    while !rest.0.is_empty() {
        let id = rest.bytes(1)?;
        let section = rest.sized()?;
        let exports = if id == [EXPORTS] { kept(section)? } else { section.to_vec() };
        slim.extend(id);
        slim.extend(leb128(exports.len()));
        slim.extend(exports);
    }
    Ok(slim)
}

/// The kept entries of the export section (name, kind, index); all of [`KEPT`] must exist.
fn kept(section: &[u8]) -> Result<Vec<u8>, String> {
    let mut reader = Reader(section);
    let mut entries = Vec::new();
    let mut missing = KEPT.to_vec();
    for _ in 0..reader.number()? {
        let before = reader.0;
        let name = reader.sized()?;
        reader.bytes(1)?;
        reader.number()?;
        let entry = before.len().checked_sub(reader.0.len()).and_then(|length| before.get(..length));
        if let Some(position) = missing.iter().position(|kept| kept.as_bytes() == name) {
            missing.swap_remove(position);
            entries.extend(entry.ok_or("cut short")?);
        }
    }
    if !missing.is_empty() {
        return Err(format!("does not export {}", missing.join(", ")));
    }
    Ok([leb128(KEPT.len()), entries].concat())
}

struct Reader<'m>(&'m [u8]);

impl<'m> Reader<'m> {
    fn bytes(&mut self, count: usize) -> Result<&'m [u8], String> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or("cut short")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn sized(&mut self) -> Result<&'m [u8], String> {
        let size = self.number()?;
        self.bytes(size)
    }

    /// An unsigned LEB128 number (WebAssembly 2.0 §5.2.2).
    fn number(&mut self) -> Result<usize, String> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = *self.bytes(1)?.first().ok_or("cut short")?;
            number |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number is too long".to_owned())
    }
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number % 128).unwrap_or(0);
        number /= 128;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Id of the export section.
const EXPORTS: u8 = 7;
