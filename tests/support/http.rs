//! A raw HTTP/1.1 client: sends any bytes, so a request can be as odd as an attacker's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A keep-alive connection that reconnects if the server closes it.
pub(crate) struct Client {
    address: SocketAddr,
    stream: TcpStream,
    /// Bytes that were read beyond the last response.
    rest: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// The value of a header, lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap()
    }

    /// A connection; fails if nothing listens at the address.
    pub(crate) fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, rest: Vec::new() })
    }

    /// Sends a request with these headers, pseudo-headers first, and reads the response.
    pub(crate) fn send(&mut self, headers: &[(&str, &[u8])]) -> Response {
        self.send_raw(&request(headers), find(headers, ":method") == b"HEAD")
    }

    /// Sends a GET with a bearer token.
    pub(crate) fn get(&mut self, path: &str, secret: Option<&str>) -> Response {
        let authorization = secret.map(|secret| format!("Bearer {secret}"));
        let mut headers: Vec<(&str, &[u8])> =
            vec![(":method", b"GET"), (":path", path.as_bytes()), (":authority", b"gateway.test")];
        headers.extend(authorization.iter().map(|value| ("authorization", value.as_bytes())));
        self.send(&headers)
    }

    /// Sends bytes and reads the response.
    pub(crate) fn send_raw(&mut self, request: &[u8], head: bool) -> Response {
        self.stream.write_all(request).unwrap();
        let (status, headers) = self.read_head();
        let mut response = Response { status, headers, body: String::new() };
        let no_body = head || matches!(status, 204 | 304);
        if !no_body && response.header("transfer-encoding") == Some("chunked") {
            response.body = self.read_chunks();
        } else if let Some(length) = response.header("content-length").filter(|_| !no_body) {
            let length: usize = length.parse().unwrap();
            response.body = self.take(length);
        }
        if response.header("connection") == Some("close") {
            *self = Self::connect(self.address);
        }
        response
    }

    fn read_head(&mut self) -> (u16, Vec<(String, String)>) {
        loop {
            let mut slots = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Response::new(&mut slots);
            if let httparse::Status::Complete(length) = parsed.parse(&self.rest).unwrap() {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let headers =
                    parsed.headers.iter().map(|header| (header.name.to_lowercase(), text(header.value)));
                let head = (parsed.code.unwrap(), headers.collect());
                self.rest.drain(..length);
                return head;
            }
            self.fill();
        }
    }

    /// Reads a chunked body (RFC 9112 §7.1).
    fn read_chunks(&mut self) -> String {
        let mut body = String::new();
        loop {
            while !self.rest.windows(2).any(|pair| pair == b"\r\n") {
                self.fill();
            }
            let httparse::Status::Complete((line, size)) = httparse::parse_chunk_size(&self.rest).unwrap()
            else {
                panic!("half a chunk size: {}", self.rest.escape_ascii());
            };
            self.rest.drain(..line);
            let chunk = self.take(usize::try_from(size).unwrap());
            assert_eq!(self.take(2), "\r\n");
            if size == 0 {
                return body;
            }
            body += &chunk;
        }
    }

    fn take(&mut self, length: usize) -> String {
        while self.rest.len() < length {
            self.fill();
        }
        String::from_utf8_lossy(&self.rest.drain(..length).collect::<Vec<_>>()).into_owned()
    }

    fn fill(&mut self) {
        let mut chunk = [0; 16_384];
        let length = self.stream.read(&mut chunk).unwrap();
        assert!(length > 0, "the connection was closed; read so far: {}", self.rest.escape_ascii());
        self.rest.extend(&chunk[..length]);
    }
}

/// The bytes of a request.
pub(crate) fn request(headers: &[(&str, &[u8])]) -> Vec<u8> {
    let method = find(headers, ":method");
    let mut bytes =
        [method, b" ", find(headers, ":path"), b" HTTP/1.1\r\nhost: ", find(headers, ":authority")].concat();
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        bytes.extend([b"\r\n", name.as_bytes(), b": ", value].concat());
    }
    if !matches!(method, b"GET" | b"HEAD" | b"OPTIONS") {
        bytes.extend(b"\r\ncontent-length: 0");
    }
    bytes.extend(b"\r\n\r\n");
    bytes
}

fn find<'a>(headers: &[(&str, &'a [u8])], name: &str) -> &'a [u8] {
    headers.iter().find(|(known, _)| *known == name).map_or(b"", |(_, value)| value)
}
