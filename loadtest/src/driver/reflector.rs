//! A bare reflector, standing in for the server while the generator's own ceiling is looked for: whatever comes goes
//! back to whoever has sent it, with as little work as a program can do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tern::net::udp::{Batch, Payload, SendBatch, SendHeader, UdpOptions, UdpSocket};

use super::link::grow;
use super::poller::{Poller, Ready};

/// As much as a server would have.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

/// Datagrams per system call.
const BATCH: usize = 64;

/// How soon it notices that it is over, in nanoseconds.
const NOTICE: u64 = 20_000_000;

/// One socket and the thread that serves it; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Reflector {
    pub(super) address: SocketAddr,
    is_over: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Reflector {
    /// Begins to reflect on a port of the system's choice.
    pub(super) fn start(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind_listener(address, &UdpOptions::default())?;
        grow(&socket, RECEIVE_BUFFER);
        let poller = Poller::new()?;
        poller.add(&socket, 0, false)?;
        let address = socket.local_addr();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let reflect = move || {
            // What ends it shows as loss, and lowers the ceiling.
            drop(reflect(&socket, &poller, &told));
        };
        let handle = std::thread::Builder::new().name("reflector".to_owned()).spawn(reflect)?;
        Ok(Self { address, is_over, handle: Some(handle) })
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(handle) = self.handle.take() {
            drop(handle.join());
        }
    }
}

fn reflect(socket: &UdpSocket, poller: &Poller, is_over: &AtomicBool) -> io::Result<()> {
    let (mut received, mut out) = (Batch::new(BATCH), SendBatch::new(BATCH));
    let mut ready: Vec<Ready> = Vec::with_capacity(1);
    while !is_over.load(Ordering::Relaxed) {
        poller.wait(NOTICE, &mut ready)?;
        if ready.is_empty() {
            continue;
        }
        // Never merged: a listener may turn that off again, and what comes then can no longer be told apart.
        for index in 0..socket.recv_batch(&mut received)? {
            let Some(packet) = received.packet(index) else { continue };
            let header = SendHeader::to(packet.meta.source);
            for range in packet.segments() {
                if out.is_full() {
                    out.flush(&received);
                }
                out.push(socket, header, Payload::Slot { index, range });
            }
        }
        out.flush(&received);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as StdSocket;

    use super::*;

    #[test]
    fn what_comes_goes_back() {
        let reflector = Reflector::start("127.0.0.1:0".parse().unwrap()).unwrap();
        let socket = StdSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        for message in [&b"one"[..], b"another", b""] {
            socket.send_to(message, reflector.address).unwrap();
            let mut space = [0; 64];
            let (length, from) = socket.recv_from(&mut space).unwrap();
            assert_eq!((&space[..length], from), (message, reflector.address));
        }
    }
}
