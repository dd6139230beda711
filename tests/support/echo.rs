//! An upstream that returns every received request as JSON.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::json;

/// Starts the upstream on a free port. It serves until the process ends.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut received = Vec::new();
    loop {
        let (length, answer) = match answer(&received) {
            Some(answered) => answered,
            None => {
                let mut chunk = [0; 16_384];
                let length = stream.read(&mut chunk).ok().filter(|length| *length > 0)?;
                received.extend(&chunk[..length]);
                continue;
            }
        };
        stream.write_all(&answer).ok()?;
        received.drain(..length);
    }
}

/// The length of the first complete request in `received`, and the response to it.
fn answer(received: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut slots);
    let httparse::Status::Complete(head) = request.parse(received).ok()? else {
        return None;
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers: Vec<(String, String)> =
        request.headers.iter().map(|header| (header.name.to_lowercase(), text(header.value))).collect();
    let value = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let body = match value("transfer-encoding") {
        Some("chunked") => chunks(&received[head..])?,
        _ => value("content-length").map_or(0, |length| length.parse().unwrap_or(0)),
    };
    if received.len() < head + body {
        return None;
    }
    let method = request.method?;
    let echo = json!({ "method": method, "path": request.path?, "headers": headers }).to_string();
    let content = if method == "HEAD" { "" } else { &echo };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nx-upstream: echo\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{content}",
        echo.len()
    );
    Some((head + body, answer.into_bytes()))
}

/// The length of a chunked body with its trailers (RFC 9112 §7.1), if it is complete.
fn chunks(body: &[u8]) -> Option<usize> {
    let mut read = 0;
    loop {
        let httparse::Status::Complete((line, size)) = httparse::parse_chunk_size(body.get(read..)?).ok()?
        else {
            return None;
        };
        read += line;
        if size == 0 {
            let mut slots = [httparse::EMPTY_HEADER; 16];
            return match httparse::parse_headers(body.get(read..)?, &mut slots).ok()? {
                httparse::Status::Complete((trailers, _)) => Some(read + trailers),
                httparse::Status::Partial => None,
            };
        }
        read += usize::try_from(size).ok()? + "\r\n".len();
    }
}
