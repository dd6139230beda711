//! Sends many attacks at a time, and reports the outcome of each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::generate::Attack;
use crate::http2;
use crate::request::{Request, Wire};
use crate::upstream::find;

/// The outcome of a request, as its sender sees it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Outcome {
    /// The upstream answered.
    Forwarded,
    /// The filter rejected the request, for this reason.
    Refused(String),
    /// Envoy rejected the request, with these response code details or only a status.
    Envoy(String),
}

/// Sends all attacks to a server. The number of an attack is its place in the list.
pub(crate) fn send(address: SocketAddr, attacks: &[Attack]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(vec![Outcome::Envoy("not sent".to_owned()); attacks.len()]);
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut sender = Sender { address, http1: None, http2: None };
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(attack) = attacks.get(number) else { return };
                    let outcome = sender.send(&attack.request, number);
                    outcomes.lock().unwrap()[number] = outcome;
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

/// Number of requests sent twice, because the connection ended before an answer came.
pub(crate) static RESENT: AtomicUsize = AtomicUsize::new(0);

struct Sender {
    address: SocketAddr,
    http1: Option<TcpStream>,
    http2: Option<http2::Client>,
}

impl Sender {
    fn send(&mut self, request: &Request, number: usize) -> Outcome {
        match request.wire {
            Wire::Http2 => self.send_http2(request, number),
            Wire::Http1(_) | Wire::Raw(_) if request.is_tame() => self.send_tame(request, number),
            Wire::Http1(_) | Wire::Raw(_) => self.send_wild(request, number),
        }
    }

    fn send_http2(&mut self, request: &Request, number: usize) -> Outcome {
        let client = self.http2.get_or_insert_with(|| http2::Client::connect(self.address));
        match client.exchange(&request.to_http2(number)) {
            Ok(Some(headers)) => {
                let header = |name: &str| {
                    let found = headers.iter().find(|(known, _)| known == name.as_bytes());
                    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
                };
                outcome(&header(":status").unwrap_or_default(), header("x-upstream"), header("x-details"))
            }
            Ok(None) => Outcome::Envoy("stream reset".to_owned()),
            Err(_) => {
                self.http2 = None;
                Outcome::Envoy("connection closed".to_owned())
            }
        }
    }

    /// Sends a request and reads its response on a connection that is reused.
    fn send_tame(&mut self, request: &Request, number: usize) -> Outcome {
        let bytes = request.to_http1(number);
        for attempt in 0..2 {
            RESENT.fetch_add(attempt, Ordering::Relaxed);
            let mut stream = self.http1.take().unwrap_or_else(|| connect(self.address, PATIENCE));
            let head = if stream.write_all(&bytes).is_ok() {
                read_response(&mut stream, &request.method)
            } else {
                None
            };
            if let Some(head) = head {
                if !head.to_ascii_lowercase().contains("\r\nconnection: close") {
                    self.http1 = Some(stream);
                }
                return of_head(&head);
            }
        }
        Outcome::Envoy("connection closed".to_owned())
    }

    /// Sends a request that may leave the connection in any state. It uses its own connection, and a complete request
    /// follows so that the server has more to read.
    fn send_wild(&self, request: &Request, number: usize) -> Outcome {
        let mut stream = connect(self.address, IMPATIENCE);
        let _ = stream.write_all(&[&request.to_http1(number)[..], LAST].concat());
        let mut bytes = Vec::new();
        let mut chunk = [0; 4_096];
        // A server that answers `connection: close` reads no more, and may take a second to close.
        while find(&bytes.to_ascii_lowercase(), b"\r\nconnection: close\r\n").is_none()
            && let Ok(length @ 1..) = stream.read(&mut chunk)
        {
            bytes.extend(&chunk[..length]);
        }
        // The interim response to `Expect`.
        if let Some(end) = find(&bytes, b"\r\n\r\n").filter(|_| bytes.starts_with(b"HTTP/1.1 100 ")) {
            bytes.drain(..end + 4);
        }
        let end = find(&bytes, b"\r\n\r\n").unwrap_or(bytes.len());
        if bytes.is_empty() {
            return Outcome::Envoy("no answer".to_owned());
        }
        of_head(&String::from_utf8_lossy(&bytes[..end]))
    }
}

fn connect(address: SocketAddr, patience: Duration) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads the head and the body of one response, and returns the head. Returns `None` if the connection has ended.
fn read_response(stream: &mut TcpStream, method: &[u8]) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let lower = head.to_ascii_lowercase();
            let length =
                lower.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            let body = if method == b"HEAD" { 0 } else { length.unwrap_or(0) };
            if bytes.len() >= end + 4 + body {
                return Some(head);
            }
        }
        let length = stream.read(&mut chunk).ok().filter(|length| *length > 0)?;
        bytes.extend(&chunk[..length]);
    }
}

fn of_head(head: &str) -> Outcome {
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let value = |name: &str| header(name).map(|(_, value)| value.to_owned());
    outcome(head.get(9..12).unwrap_or(head), value("x-upstream"), value("x-details"))
}

fn outcome(status: &str, upstream: Option<String>, details: Option<String>) -> Outcome {
    if upstream.is_some() {
        return Outcome::Forwarded;
    }
    match details {
        Some(details) => match details.strip_prefix("tokenward_") {
            Some(reason) => Outcome::Refused(reason.to_owned()),
            None => Outcome::Envoy(details.split(['{', ':']).next().unwrap_or_default().to_owned()),
        },
        None => Outcome::Envoy(format!("status {status}")),
    }
}

const LAST: &[u8] = b"\r\n\r\nGET /healthz HTTP/1.1\r\nhost: gateway.test\r\nconnection: close\r\n\r\n";
const SENDERS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(120);
const IMPATIENCE: Duration = Duration::from_millis(300);
