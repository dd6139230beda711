//! A relay between a client and a server, which spoils what the server says when it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of the server's bytes.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// They are handed on.
    None,
    /// Nobody is there.
    Down,
    /// They end after so many.
    Cut(usize),
    /// They come late.
    Slow(Duration),
}

/// A relay on a port of its own.
pub(crate) struct Relay {
    address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
}

impl Relay {
    /// A relay to a server.
    pub(crate) fn start(server: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { address: listener.local_addr().unwrap(), fault: Arc::new(Mutex::new(fault)) };
        let fault = Arc::clone(&relay.fault);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let fault = Arc::clone(&fault);
                std::thread::spawn(move || relay_one(client, server, &fault));
            }
        });
        relay
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of the server's bytes from now on.
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

fn relay_one(mut client: TcpStream, server: SocketAddr, fault: &Arc<Mutex<Fault>>) -> Option<()> {
    let mut server = TcpStream::connect(server).ok()?;
    let (mut requests, mut forward) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut requests, &mut forward);
        let _ = forward.shutdown(Shutdown::Both);
    });
    let mut chunk = [0; 65_536];
    loop {
        let length = server.read(&mut chunk).ok()?;
        let now = *fault.lock().unwrap();
        let told = match now {
            Fault::None => client.write_all(&chunk[..length]).is_ok() && length > 0,
            Fault::Down => false,
            Fault::Cut(at) => {
                let _ = client.write_all(&chunk[..length.min(at)]);
                false
            }
            Fault::Slow(wait) => {
                std::thread::sleep(wait);
                client.write_all(&chunk[..length]).is_ok() && length > 0
            }
        };
        if !told {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
            return None;
        }
    }
}
