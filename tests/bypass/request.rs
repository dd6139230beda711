//! A request as an attacker shapes it, and its bytes in both protocols.

use crate::policy::Caller;
use crate::upstream::find;

/// A header with arbitrary bytes.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// A request.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Request {
    pub(crate) caller: Caller,
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) authority: Vec<u8>,
    /// Headers except `host`, including `authorization`.
    pub(crate) headers: Vec<Field>,
    pub(crate) wire: Wire,
}

/// How a request is encoded.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Wire {
    Http1(Http1),
    Http2,
    /// HTTP/1.1 bytes as written in a file.
    Raw(Vec<u8>),
}

/// Parts of an HTTP/1 request that the sender chooses.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Http1 {
    pub(crate) before: Vec<u8>,
    pub(crate) version: &'static [u8],
    /// The end of the request line and of each header.
    pub(crate) end: &'static [u8],
    /// Bytes after the head.
    pub(crate) after: Vec<u8>,
}

impl Default for Http1 {
    fn default() -> Self {
        Self { before: Vec::new(), version: b"HTTP/1.1", end: b"\r\n", after: Vec::new() }
    }
}

impl Request {
    /// Returns an ordinary request.
    pub(crate) fn new(caller: Caller, method: &[u8], target: &[u8]) -> Self {
        let bearer = caller.secret().map(|secret| format!("Bearer {secret}").into_bytes());
        Self {
            caller,
            method: method.to_vec(),
            target: target.to_vec(),
            authority: b"gateway.test".to_vec(),
            headers: bearer.map(|value| (b"authorization".to_vec(), value)).into_iter().collect(),
            wire: Wire::Http1(Http1::default()),
        }
    }

    pub(crate) fn with(mut self, name: &[u8], value: &[u8]) -> Self {
        self.add(name, value);
        self
    }

    pub(crate) fn over(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    pub(crate) fn at(mut self, authority: &[u8]) -> Self {
        self.authority = authority.to_vec();
        self
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        self.headers.push((name.to_vec(), value.to_vec()));
    }

    /// Whether a compliant server can keep the connection open after the request.
    pub(crate) fn is_tame(&self) -> bool {
        let plain = |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
        self.wire == Wire::Http1(Http1::default())
            && plain(&self.method)
            && plain(&self.target)
            && plain(&self.authority)
            && self.headers.iter().all(|(name, value)| {
                plain(name) && plain(value) && !name.starts_with(b"content-length") && !is_hop(name)
            })
    }

    /// Whether the request gets exactly one answer. With `expect` there are two.
    pub(crate) fn is_countable(&self) -> bool {
        let expects = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"expect"));
        !expects && (self.wire == Wire::Http2 || self.is_tame())
    }

    /// Encodes the request for HTTP/1.1. `number` identifies it to the upstream.
    pub(crate) fn to_http1(&self, number: usize) -> Vec<u8> {
        let plain = Http1::default();
        let Http1 { before, version, end, after } = match &self.wire {
            Wire::Http1(wire) => wire,
            Wire::Http2 => &plain,
            Wire::Raw(bytes) => return numbered(bytes, number),
        };
        let mut bytes = [before, &self.method[..], b" ", &self.target, b" ", version, end].concat();
        if !self.authority.is_empty() {
            bytes.extend([b"host: ", &self.authority[..], end].concat());
        }
        let number = digits(number);
        let field = (NUMBER.to_vec(), number.clone());
        for (name, value) in [&field].into_iter().chain(&self.headers) {
            bytes.extend([name, &b": "[..], value, end].concat());
        }
        bytes.extend(*end);
        // A request inside the request has the same number.
        let mut after = after.clone();
        while let Some(at) = find(&after, PLACEHOLDER) {
            after.splice(at..at + PLACEHOLDER.len(), number.iter().copied());
        }
        [bytes, after].concat()
    }

    /// Returns the HTTP/2 fields, pseudo-headers first.
    pub(crate) fn to_http2(&self, number: usize) -> Vec<Field> {
        let pseudo = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        let mut fields = vec![pseudo(b":method", &self.method), pseudo(b":scheme", b"http")];
        if !self.target.is_empty() {
            fields.push(pseudo(b":path", &self.target));
        }
        if !self.authority.is_empty() {
            fields.push(pseudo(b":authority", &self.authority));
        }
        fields.push(pseudo(NUMBER, &digits(number)));
        fields.extend(self.headers.iter().cloned());
        fields
    }

    /// Renders the request for people, on one line.
    pub(crate) fn shown(&self) -> String {
        if self.wire == Wire::Http2 {
            let fields = self.to_http2(0);
            let fields = fields
                .iter()
                .map(|(name, value)| [name, &b": "[..], value].concat().escape_ascii().to_string());
            return format!("HTTP/2 [{}]", fields.collect::<Vec<_>>().join(", "));
        }
        format!("\"{}\"", self.to_http1(0).escape_ascii())
    }
}

/// Adds the number as a header after each request line.
fn numbered(bytes: &[u8], number: usize) -> Vec<u8> {
    let Some(end) = bytes.windows(5).position(|five| five == b"HTTP/").and_then(|version| {
        let line = bytes[version..].iter().position(|byte| *byte == b'\n')?;
        Some(version + line + 1)
    }) else {
        return bytes.to_vec();
    };
    [&bytes[..end], NUMBER, b": ", &digits(number), b"\r\n", &bytes[end..]].concat()
}

fn digits(number: usize) -> Vec<u8> {
    format!("{number:08}").into_bytes()
}

fn is_hop(name: &[u8]) -> bool {
    [&b"connection"[..], b"upgrade", b"transfer-encoding", b"expect"]
        .iter()
        .any(|hop| name.to_ascii_lowercase().starts_with(hop))
}

/// The header by which the upstream identifies requests.
pub(crate) const NUMBER: &[u8] = b"x-bench";
/// Placeholder for the number in the bytes after a head, with the same length.
pub(crate) const PLACEHOLDER: &[u8] = b"@NUMBER@";
