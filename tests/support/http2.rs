//! A raw HTTP/2 client: sends any bytes in any header, one request at a time, and returns the status.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    decoder: loona_hpack::Decoder<'static>,
    next_stream: u32,
    content: Vec<u8>,
}

/// A header: any bytes.
type Field = (Vec<u8>, Vec<u8>);

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut client =
            Self { stream, decoder: loona_hpack::Decoder::new(), next_stream: 1, content: Vec::new() };
        client.write(SETTINGS, 0, 0, &[]).unwrap();
        client
    }

    /// Sends a request without a body and returns the response's status.
    pub(crate) fn send(&mut self, headers: &[(&str, &[u8])]) -> u16 {
        let mut fields: Vec<Field> = vec![(b":scheme".to_vec(), b"http".to_vec())];
        for (name, value) in headers {
            let at = if name.starts_with(':') { 0 } else { fields.len() };
            fields.insert(at, (name.as_bytes().to_vec(), value.to_vec()));
        }
        let response = self.exchange(&fields).unwrap().unwrap();
        let (_, status) = response.iter().find(|(name, _)| name == b":status").unwrap();
        String::from_utf8_lossy(status).parse().unwrap()
    }

    /// Sends a request without a body, with exactly these fields in this order; returns the response headers, or
    /// `None` if the server reset the stream.
    ///
    /// # Errors
    /// Fails if the connection has ended.
    pub(crate) fn exchange(&mut self, fields: &[Field]) -> std::io::Result<Option<Vec<Field>>> {
        let stream = self.open();
        self.write(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields))?;
        self.receive(stream)
    }

    /// The same with content that no header announces.
    ///
    /// # Errors
    /// Fails if the connection has ended.
    pub(crate) fn exchange_with_content(
        &mut self,
        fields: &[Field],
        content: &[u8],
    ) -> std::io::Result<Option<Vec<Field>>> {
        let stream = self.open();
        self.write(HEADERS, END_HEADERS, stream, &block(fields))?;
        self.write(DATA, END_STREAM, stream, content)?;
        self.receive(stream)
    }

    /// The same with a body and trailers.
    ///
    /// # Errors
    /// Fails if the connection has ended.
    pub(crate) fn exchange_with_trailers(
        &mut self,
        fields: &[Field],
        trailers: &[Field],
    ) -> std::io::Result<Option<Vec<Field>>> {
        let stream = self.open();
        self.write(HEADERS, END_HEADERS, stream, &block(fields))?;
        self.write(DATA, 0, stream, b"body")?;
        self.write(HEADERS, END_STREAM | END_HEADERS, stream, &block(trailers))?;
        self.receive(stream)
    }

    /// Sends the head of a request and the start of its body, and then resets the stream.
    ///
    /// # Errors
    /// Fails if the connection has ended.
    pub(crate) fn take_back(&mut self, fields: &[Field]) -> std::io::Result<()> {
        let stream = self.open();
        self.write(HEADERS, END_HEADERS, stream, &block(fields))?;
        self.write(DATA, 0, stream, b"beginning")?;
        self.write(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
    }

    /// The content of the last response.
    pub(crate) fn content(&self) -> &[u8] {
        &self.content
    }

    fn open(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    fn receive(&mut self, stream: u32) -> std::io::Result<Option<Vec<Field>>> {
        let mut response = None;
        self.content.clear();
        loop {
            let frame = self.read()?;
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[])?,
                HEADERS if frame.stream == stream => {
                    let headers = self.decoder.decode(&frame.payload).unwrap();
                    // Interim responses may come before it, and trailers after it.
                    let interim =
                        headers.iter().any(|(name, value)| name == b":status" && value.starts_with(b"1"));
                    if !interim {
                        response.get_or_insert(headers);
                    }
                }
                DATA => {
                    self.give_window(&frame)?;
                    self.content.extend(&frame.payload);
                }
                RST_STREAM if frame.stream == stream => return Ok(response),
                GOAWAY => return Err(std::io::ErrorKind::ConnectionAborted.into()),
                _ => {}
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.stream == stream && frame.flags & END_STREAM != 0
            {
                return Ok(response);
            }
        }
    }

    /// Returns received bytes to the connection's window (RFC 9113 §6.9).
    fn give_window(&mut self, frame: &Frame) -> std::io::Result<()> {
        if frame.payload.is_empty() {
            return Ok(());
        }
        let size = u32::try_from(frame.payload.len()).unwrap().to_be_bytes();
        self.write(WINDOW_UPDATE, 0, 0, &size)
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.stream.write_all(&frame)
    }

    fn read(&mut self) -> std::io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }
}

fn block(fields: &[Field]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// A literal header field without indexing or Huffman coding (RFC 7541 §6.2.2).
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.extend(length(text.len()));
        field.extend(text);
    }
    field
}

/// An integer with a 7-bit prefix (RFC 7541 §5.1).
fn length(length: usize) -> Vec<u8> {
    let Some(mut rest) = length.checked_sub(127) else {
        return vec![u8::try_from(length).unwrap()];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
/// An error code (RFC 9113 §7).
const CANCEL: u32 = 8;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
