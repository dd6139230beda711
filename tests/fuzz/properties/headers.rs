//! Headers: parsed from the lines of an input, as the filter reads them, and as the host has them after a verdict.

use tokenward::engine::config::settings::Settings;
use tokenward::engine::policy::verdict::Forward;
use tokenward::engine::request::head::RequestHead;

/// Names and values.
pub(crate) type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// The headers as Envoy passes them: each pseudo-header occurs once (RFC 9113 §8.3).
pub(crate) fn parse<'d>(lines: impl Iterator<Item = &'d [u8]>) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in lines.map(header) {
        let pseudo = name.starts_with(b":");
        if !pseudo || headers.iter().all(|(known, _)| *known != name) {
            headers.push((name, value));
        }
    }
    headers
}

/// Parses `name: value`. Envoy uses lower-case names.
fn header(line: &[u8]) -> (Vec<u8>, Vec<u8>) {
    // The name of a pseudo-header starts with a colon.
    let end = line.iter().skip(1).position(|byte| *byte == b':').map_or(line.len(), |end| end + 1);
    let value = line.get(end + 1..).unwrap_or_default();
    (line[..end].to_ascii_lowercase(), value.trim_ascii().to_vec())
}

/// The headers as the filter reads them.
pub(crate) fn read<'h>(headers: &'h Headers, settings: &Settings) -> RequestHead<'h> {
    let headers = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    RequestHead::read(headers, settings)
}

/// The headers after the host has made the changes.
pub(crate) fn changed(headers: &Headers, forward: &Forward<'_>) -> Headers {
    let mut after = headers.clone();
    after.retain(|(name, _)| !forward.remove.contains(&name.as_slice()));
    for (name, value) in &forward.set {
        after.retain(|(known, _)| known.as_slice() != name.as_bytes());
        after.push((name.as_bytes().to_vec(), value.to_vec()));
    }
    after.extend(forward.add.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())));
    after
}
