//! A relay between a client and a server that can disturb the server's responses.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the relay does with the server's bytes.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Forwards them.
    None,
    /// Refuses connections.
    Down,
    /// Cuts them off after this many.
    Cut(usize),
    /// Delays them.
    Slow(Duration),
}

/// A relay on its own port.
pub(crate) struct Relay {
    address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
}

impl Relay {
    /// Starts a relay to a server.
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

    /// The address at which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the fault from now on.
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
