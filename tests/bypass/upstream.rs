//! An upstream that reads heads as leniently as possible, serves everything and records what it received.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::request::{Field, NUMBER};

/// The running upstream.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

/// A request that reached the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// Header names are in lower case.
    pub(crate) headers: Vec<Field>,
    /// The head as received.
    pub(crate) head: Vec<u8>,
}

impl Upstream {
    /// Starts the upstream on a free port. It serves until the process ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let memory = Arc::clone(&memory);
                std::thread::spawn(move || serve(stream, &memory));
            }
        });
        Self { address, received }
    }

    /// Returns the requests received since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

impl Received {
    /// Returns the number of the request, or `None` if the request has no number or two numbers.
    pub(crate) fn number(&self) -> Option<usize> {
        let mut numbers = self.headers.iter().filter(|(name, _)| name == NUMBER);
        let (_, number) = numbers.next()?;
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        numbers.next().is_none().then_some(number)
    }

    /// Whether the request's `connection` names the header.
    pub(crate) fn nominates(&self, name: &[u8]) -> bool {
        let options = self.headers.iter().filter(|(known, _)| known == b"connection");
        let mut options = options.flat_map(|(_, value)| value.split(|byte| *byte == b','));
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(name))
    }

    /// Parses a head. Any line end ends a line, and a folded line is one line.
    fn parse(head: &[u8]) -> Option<Self> {
        let mut lines = head.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty());
        let line = lines.next()?;
        let (method, rest) = cut(line, line.iter().position(|byte| *byte == b' ')?);
        let version = rest.windows(6).rposition(|six| six == b" HTTP/").unwrap_or(rest.len());
        let mut headers: Vec<Field> = Vec::new();
        for line in lines {
            let end = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let (name, value) = cut(line, end);
            match headers.last_mut() {
                Some((_, value)) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                    value.extend([b" ", line.trim_ascii()].concat());
                }
                _ => headers.push((name.trim_ascii().to_ascii_lowercase(), value.trim_ascii().to_vec())),
            }
        }
        let target = rest[..version].trim_ascii().to_vec();
        Some(Self { method: method.to_vec(), target, headers, head: head.to_vec() })
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice())
    }
}

fn serve(mut stream: TcpStream, memory: &Mutex<Vec<Received>>) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let Some((length, request)) = whole(&bytes) else {
            let mut chunk = [0; 16_384];
            let length = stream.read(&mut chunk).ok().filter(|length| *length > 0)?;
            bytes.extend(&chunk[..length]);
            continue;
        };
        bytes.drain(..length);
        let content = if request.method == b"HEAD" { "" } else { "ok" };
        let answer = format!("HTTP/1.1 200 OK\r\nx-upstream: bypass\r\ncontent-length: 2\r\n\r\n{content}");
        memory.lock().unwrap().push(request);
        stream.write_all(answer.as_bytes()).ok()?;
    }
}

/// Returns the first complete request, and its length.
fn whole(bytes: &[u8]) -> Option<(usize, Received)> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let ends = [&b"\r\n\r\n"[..], b"\n\n", b"\n\r\n"];
    let end =
        ends.iter().filter_map(|end| find(&bytes[start..], end).map(|at| start + at + end.len())).min()?;
    let request = Received::parse(&bytes[start..end])?;
    let chunked = request.header("transfer-encoding").is_some_and(|value| find(value, b"chunked").is_some());
    let length =
        request.header("content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    let body: usize = if chunked { find(&bytes[end..], b"0\r\n\r\n")? + 5 } else { length.unwrap_or(0) };
    (bytes.len() >= end + body).then_some((end + body, request))
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn cut(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    (&bytes[..at], bytes.get(at + 1..).unwrap_or_default())
}
