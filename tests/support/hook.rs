//! A receiver of webhooks: accepts posts and responds with a configured status.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::wait;

/// A receiver.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    received: Vec<Received>,
    answered: usize,
    status: u16,
    delay: Duration,
}

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Its first line and its headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
    /// The status of the response.
    pub(crate) status: u16,
}

impl Hook {
    /// Starts a receiver on a free port. It serves until the process ends.
    pub(crate) fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts a receiver at this address.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let state = State { received: Vec::new(), answered: 0, status: 204, delay: Duration::ZERO };
        let hook = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let serving = hook.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hook = serving.clone();
                std::thread::spawn(move || hook.serve(stream));
            }
        });
        hook
    }

    /// Responds with this status from now on, after a delay.
    pub(crate) fn answer(&self, status: u16, delay: Duration) {
        let mut state = self.state.lock().unwrap();
        (state.status, state.delay) = (status, delay);
    }

    /// The requests received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// The number of responses so far.
    pub(crate) fn answered(&self) -> usize {
        self.state.lock().unwrap().answered
    }

    /// The requests that were received and accepted; waits for this many.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        let received = || {
            let mut received = self.received();
            received.retain(|received| received.status == 204);
            received
        };
        let enough = || Some(received()).filter(|received| received.len() >= count);
        wait::found(enough, || format!("{} of {count}: {:?}", received().len(), received()))
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut bytes = Vec::new();
        loop {
            let Some((length, head, body)) = request(&bytes) else {
                let mut chunk = [0; 16_384];
                let length = stream.read(&mut chunk).ok().filter(|length| *length > 0)?;
                bytes.extend(&chunk[..length]);
                continue;
            };
            bytes.drain(..length);
            let (status, delay) = {
                let mut state = self.state.lock().unwrap();
                let status = state.status;
                state.received.push(Received { head, body, status });
                (status, state.delay)
            };
            std::thread::sleep(delay);
            self.state.lock().unwrap().answered += 1;
            let answer = format!("HTTP/1.1 {status} Answer\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).ok()?;
        }
    }
}

/// The length of the first complete request in `bytes`, its head and its body.
fn request(bytes: &[u8]) -> Option<(usize, String, Value)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = end + length.map_or(0, |length| length.parse::<usize>().unwrap());
    let body = serde_json::from_slice(bytes.get(end..length)?).unwrap();
    Some((length, head, body))
}
