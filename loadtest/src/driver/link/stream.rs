//! Messages in a stream of bytes: TCP, or TLS over it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};
use tern::wire::framing::{Frame, Framer};

use super::Sent;

/// Bytes that may wait for the connection; media beyond them is dropped here, and counted as this program's.
const BACKLOG: usize = 256 * 1024;

/// Bytes taken from the socket at once.
const PIECE: usize = 16 * 1024;

/// One client's connection.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Received bytes of messages; those before `taken` have been handed out.
    input: Vec<u8>,
    taken: usize,
    /// Bytes for the socket.
    output: Vec<u8>,
    is_connected: bool,
    framer: Framer,
}

impl Stream {
    /// Begins to connect.
    pub(super) fn connect(
        server: SocketAddr,
        source: Option<IpAddr>,
        tls: Option<ClientConnection>,
    ) -> io::Result<Self> {
        let socket =
            Socket::new(Domain::for_address(server), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&server.into()) {
            Err(error) if rustix::io::Errno::from_io_error(&error) != Some(rustix::io::Errno::INPROGRESS) => {
                return Err(error);
            }
            Ok(()) | Err(_) => {}
        }
        let mut stream = Self {
            socket: socket.into(),
            tls: tls.map(Box::new),
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
            is_connected: false,
            framer: Framer::default(),
        };
        stream.seal()?;
        Ok(stream)
    }

    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<Sent> {
        if self.output.len() > BACKLOG {
            return Ok(Sent::Full);
        }
        match &mut self.tls {
            // What comes before the end of the handshake waits in the session.
            Some(tls) => tls.writer().write_all(message)?,
            None => self.output.extend_from_slice(message),
        }
        self.seal()?;
        if self.is_connected {
            self.flush()?;
        }
        Ok(Sent::Yes)
    }

    /// Hands to the kernel what it takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.is_connected {
            if let Some(error) = self.socket.take_error()? {
                return Err(error);
            }
            self.is_connected = true;
        }
        while !self.output.is_empty() {
            match self.socket.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn wants_write(&self) -> bool {
        !self.is_connected || !self.output.is_empty()
    }

    pub(super) fn receive(&mut self, space: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let rest = self.input.get(self.taken..).unwrap_or_default();
            let (length, taken) = match self.framer.next_frame(rest) {
                Frame::Stun(length) => (length, length),
                Frame::ChannelData { len, padded } => (len, padded),
                Frame::Need(_) => {
                    if !self.read()? {
                        return Ok(None);
                    }
                    continue;
                }
                Frame::Invalid => return Err(ErrorKind::InvalidData.into()),
            };
            let (Some(message), Some(space)) = (rest.get(..length), space.get_mut(..length)) else {
                return Err(ErrorKind::InvalidData.into());
            };
            space.copy_from_slice(message);
            self.taken += taken;
            return Ok(Some(length));
        }
    }

    /// Takes bytes from the socket; false when none wait.
    fn read(&mut self) -> io::Result<bool> {
        self.input.drain(..self.taken);
        self.taken = 0;
        if !self.is_connected {
            return Ok(false);
        }
        let mut piece = [0; PIECE];
        let count = match self.socket.read(&mut piece) {
            Ok(0) => {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server has closed the connection"));
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let bytes = piece.get(..count).unwrap_or_default();
        if self.tls.is_some() {
            self.open(bytes)?;
        } else {
            self.input.extend_from_slice(bytes);
        }
        Ok(true)
    }

    /// Decrypts.
    fn open(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            let state = tls
                .process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, format!("TLS: {error}")))?;
            let start = self.input.len();
            self.input.resize(start + state.plaintext_bytes_to_read(), 0);
            if let Some(space) = self.input.get_mut(start..) {
                tls.reader().read_exact(space)?;
            }
        }
        self.seal()?;
        self.flush()
    }

    /// Moves records from the session to the output.
    fn seal(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.output)?;
            }
        }
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
