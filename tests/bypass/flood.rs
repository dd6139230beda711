//! `--flood`: measures how many bytes of log a caller without a working token causes for each byte that it sends.
//!
//! Each flood is one HTTP/2 connection that sends one request again and again: HPACK (RFC 7541 §6.1) encodes each
//! repeated header as a single byte. Envoy's speed depends on the machine, so the test asserts other things: a line has
//! at most 512 bytes, each second of each chain has a limited number of lines and one summary, and lines and summaries
//! account for every request.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envoy::Envoy;
use crate::setting::FLOODED;

/// A request that is sent repeatedly.
struct Request {
    name: &'static str,
    /// The expected reason of the decision.
    reason: &'static str,
    method: Vec<u8>,
    host: Vec<u8>,
    path: Vec<u8>,
    authorization: Vec<u8>,
}

/// The result of a flood.
pub(crate) struct Flood {
    name: &'static str,
    requests: usize,
    /// Bytes sent.
    sent: usize,
    /// Bytes added to Envoy's log, with the prefix that Envoy puts before each line.
    logged: usize,
    lines: usize,
    counted: usize,
    failures: Vec<String>,
}

/// Floods the listener with `count` copies of each request.
pub(crate) fn run(envoy: &Envoy, count: usize) -> Vec<Flood> {
    let address = envoy.listener(FLOODED);
    requests().iter().map(|request| Flood::run(envoy, address, request, count)).collect()
}

/// Returns the worst request of each kind: non-text bytes, long values, or permitted requests.
fn requests() -> [Request; 7] {
    // A label has at most 63 bytes (RFC 1035 §2.3.4).
    let host = [&b"h".repeat(60)[..]; 4].join(&b'.');
    let long = |byte| [b"/", &[byte; 1_500][..]].concat();
    let bearer = |name| format!("Bearer {}", crate::policy::secret(name)).into_bytes();
    let request = |name, reason, path, authorization| Request {
        name,
        reason,
        method: b"GET".to_vec(),
        host: host.clone(),
        path,
        authorization,
    };
    let plain = |name, reason, authorization| request(name, reason, long(b'a'), authorization);
    [
        request("bad bytes", "malformed_request", long(0xFF), Vec::new()),
        request("quotes", "missing_token", long(b'"'), Vec::new()),
        plain("no token", "missing_token", Vec::new()),
        plain("unknown token", "unknown_token", bearer("a-guess")),
        plain("revoked token", "revoked_token", bearer("revoked")),
        request("public", "public", b"/healthz".to_vec(), Vec::new()),
        Request { method: b"M".repeat(200), ..plain("long method", "missing_token", Vec::new()) },
    ]
}

impl Flood {
    fn run(envoy: &Envoy, address: SocketAddr, request: &Request, count: usize) -> Self {
        let before = envoy.log().len();
        let sent = flood(address, request, count);
        let start = Instant::now();
        loop {
            let log = envoy.log();
            let log = log.get(before..).unwrap_or_default();
            let events = events(log);
            let flood = Self::of(request, count, sent, log.len(), &events);
            if flood.lines + flood.counted >= count || start.elapsed() > PATIENCE {
                return flood;
            }
            // The next tick writes the summary of the last second.
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn of(request: &Request, requests: usize, sent: usize, logged: usize, events: &[(usize, Value)]) -> Self {
        let Request { name, reason, .. } = request;
        // Lines and summaries by chain and second.
        let mut seconds: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
        let (mut lines, mut counted, mut failures) = (0, 0, Vec::new());
        for (length, event) in events {
            let text = |field: &str| event[field].as_str().unwrap_or_default();
            let second = |time| (text("chain").to_owned(), text(time)[..SECOND].to_owned());
            match text("event") {
                "decision" => {
                    seconds.entry(second("ts")).or_default().0 += 1;
                    lines += 1;
                    if text("reason") != *reason || *length > most_bytes(event) {
                        failures.push(format!("{name}: {length} bytes: {event}"));
                    }
                }
                "summary" => {
                    seconds.entry(second("since")).or_default().1 += 1;
                    counted += number(&event["count"]);
                    if event["reasons"] != json!({ *reason: event["count"] }) {
                        failures.push(format!("{name}: {event}"));
                    }
                }
                _ => {}
            }
        }
        for ((_, second), (lines, summaries)) in &seconds {
            if *lines > MOST_LINES || *summaries > 1 {
                failures.push(format!("{name}: {lines} lines and {summaries} summaries in {second}"));
            }
        }
        if lines + counted != requests {
            failures.push(format!("{name}: {requests} requests, {lines} lines and {counted} counted"));
        }
        // A bug shows in every line, so the first ones are enough.
        failures.truncate(3);
        Self { name, requests, sent, logged, lines, counted, failures }
    }

    /// Returns what is wrong.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, requests, sent, logged, lines, counted, .. } = self;
        let ratio = logged * 10 / sent;
        write!(
            f,
            "flood: {name}: {requests} requests, {sent} bytes sent, {logged} logged (×{}.{}), {lines} lines, {counted} counted",
            ratio / 10,
            ratio % 10
        )
    }
}

/// Returns the maximum size of an event's line in bytes. A line about a known token is longer, but the same limit
/// applies to their number.
fn most_bytes(event: &Value) -> usize {
    if event["token"].is_null() { 512 } else { 2_467 }
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap_or_default()).unwrap_or_default()
}

/// Returns the events in a log, with the length of each line.
fn events(log: &str) -> Vec<(usize, Value)> {
    let lines = log.lines().filter_map(|line| line.find("{\"v\":1,").map(|start| &line[start..]));
    // The last line may be incomplete.
    lines.filter_map(|line| Some((line.len(), serde_json::from_str(line).ok()?))).collect()
}

/// Sends a request `count` times over one connection and waits for all answers. Returns the number of bytes sent.
fn flood(address: SocketAddr, request: &Request, count: usize) -> usize {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut connection = Connection { stream, sent: 0, received: Vec::new() };
    let window = u32::try_from(i32::MAX).unwrap() - 65_535;
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..]].concat();
    connection.write(&[preface, frame(WINDOW_UPDATE, 0, 0, &window.to_be_bytes())].concat());
    let (first, again) = request.blocks();
    let mut number = 0;
    while number < count {
        let batch = BATCH.min(count - number);
        let frames: Vec<u8> = (number..number + batch)
            .flat_map(|number| {
                let block = if number == 0 { &first } else { &again };
                let stream = u32::try_from(2 * number + 1).unwrap();
                frame(HEADERS, END_STREAM | END_HEADERS, stream, block)
            })
            .collect();
        connection.write(&frames);
        connection.wait_for_answers(batch);
        number += batch;
    }
    connection.sent
}

impl Request {
    /// Returns two header blocks: the first fills the dynamic table, the second refers to its entries.
    fn blocks(&self) -> (Vec<u8>, Vec<u8>) {
        // `:scheme: http` is in the static table.
        let (mut first, mut again) = (vec![0x86], vec![0x86]);
        let fields: [(&[u8], &[u8]); 4] = [
            (b":method", &self.method),
            (b":authority", &self.host),
            (b":path", &self.path),
            (b"authorization", &self.authorization),
        ];
        let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        for (place, (name, value)) in (1..).zip(&fields) {
            first.push(0x40);
            for text in [name, value] {
                first.extend(length(text.len()));
                first.extend(*text);
            }
            // The newest entry has the lowest index after the static table.
            again.push(0x80 | u8::try_from(62 + fields.len() - place).unwrap());
        }
        (first, again)
    }
}

struct Connection {
    stream: TcpStream,
    sent: usize,
    received: Vec<u8>,
}

impl Connection {
    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.sent += bytes.len();
    }

    /// Waits until `count` streams have ended.
    fn wait_for_answers(&mut self, mut count: usize) {
        let mut chunk = vec![0; 1 << 16];
        while count > 0 {
            let length = self.stream.read(&mut chunk).unwrap();
            assert!(length > 0, "Envoy closed the connection");
            self.received.extend(&chunk[..length]);
            let mut at = 0;
            while let Some([a, b, c, kind, flags, ..]) = self.received.get(at..at + 9) {
                let end = at + 9 + usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
                if self.received.len() < end {
                    break;
                }
                let (ended, reset) =
                    (matches!(*kind, HEADERS | DATA) && flags & END_STREAM != 0, *kind == RST_STREAM);
                assert!(*kind != GOAWAY && !reset, "Envoy refused a request");
                count -= usize::from(ended);
                at = end;
            }
            self.received.drain(..at);
        }
    }
}

/// Encodes a frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Encodes an integer with a 7-bit prefix (RFC 7541 §5.1).
fn length(length: usize) -> Vec<u8> {
    let Some(mut rest) = length.checked_sub(127) else { return vec![u8::try_from(length).unwrap()] };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// Default of `audit.strangers`.
const MOST_LINES: usize = 200;
/// Length of a time in characters, up to the second.
const SECOND: usize = 19;
/// Fewer than the streams that Envoy accepts at once.
const BATCH: usize = 50;
const PATIENCE: Duration = Duration::from_secs(120);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
