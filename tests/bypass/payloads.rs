//! Payloads from a file: one path or raw request on each line.
//!
//! Every caller sends a path as it is, and also after a permitted path. A line with ` HTTP/` is a raw request:
//! `\r \n \t \0 \\` and `\xNN` are bytes, and `{viewer}` is the viewer's secret. The parser adds a missing empty line at
//! its end. It ignores empty lines and lines that start with `# `.

use std::collections::HashSet;

use crate::generate::{Attack, GOALS};
use crate::policy::Caller;
use crate::request::{Request, Wire};

/// Parses the lines of a file into distinct attacks.
pub(crate) fn parse(text: &[u8]) -> Vec<Attack> {
    let mut known = HashSet::new();
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"# "));
    let requests = lines.flat_map(|line| {
        if line.windows(6).any(|six| six == b" HTTP/") { vec![raw(line)] } else { paths(line) }
    });
    let fresh = requests.filter(|request| known.insert(request.clone()));
    fresh.map(|request| Attack { request, families: Vec::new() }).collect()
}

fn paths(line: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    for caller in Caller::ALL {
        let cover = GOALS.iter().find(|goal| goal.caller == caller).map_or("", |goal| goal.cover);
        let start: &[u8] = if line.starts_with(b"/") { b"" } else { b"/" };
        let below = [cover.as_bytes(), start, line].concat();
        for target in [line.to_vec(), [start, line].concat(), below] {
            let request = Request::new(caller, b"GET", &target);
            requests.push(request.clone().over(Wire::Http2));
            requests.push(request);
        }
    }
    requests
}

fn raw(line: &[u8]) -> Request {
    let mut line = String::from_utf8_lossy(line).into_owned();
    let mut caller = Caller::Nobody;
    for known in Caller::ALL {
        if let (Some(token), Some(secret)) = (known.token(), known.secret()) {
            let name = format!("{{{token}}}");
            if line.contains(&name) {
                caller = known;
                line = line.replace(&name, &secret);
            }
        }
    }
    let mut bytes = unescape(line.as_bytes());
    if !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        bytes.extend(b"\r\n\r\n");
    }
    Request::new(caller, b"GET", b"/").over(Wire::Raw(bytes))
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let hex = || u8::from_str_radix(std::str::from_utf8(after.get(1..3)?).ok()?, 16).ok();
        let (byte, used) = match (byte, after.first()) {
            (b'\\', Some(b'r')) => (b'\r', 1),
            (b'\\', Some(b'n')) => (b'\n', 1),
            (b'\\', Some(b't')) => (b'\t', 1),
            (b'\\', Some(b'0')) => (0, 1),
            (b'\\', Some(b'\\')) => (b'\\', 1),
            (b'\\', Some(b'x')) => hex().map_or((b'\\', 0), |byte| (byte, 3)),
            _ => (*byte, 0),
        };
        bytes.push(byte);
        rest = &after[used..];
    }
    bytes
}
