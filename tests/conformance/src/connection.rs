//! One raw socket to a server: send bytes, read frames until a deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::Deadline;
use crate::frame::{Cut, Frame, cut};

/// How large a read is.
const READ_BYTES: usize = 64 * 1024;

/// What waiting for a frame ended with.
#[derive(Debug)]
pub enum Incoming {
    /// A frame.
    Frame(Frame),
    /// The server closed the connection.
    Closed,
    /// The deadline passed.
    TimedOut,
    /// The server sent what is no frame.
    Broken(String),
}

/// A socket and the bytes read from it that are not frames yet.
pub struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
    closed: bool,
}

impl Connection {
    /// Connects; the server's INFO is left to be read.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))
            .with_context(|| format!("connecting to {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self { socket, buffer: Vec::new(), closed: false })
    }

    /// Sends bytes. An error is not reported: a server may close while a scenario sends, and the next read tells.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.socket.write_all(bytes).is_err() {
            self.closed = self.closed || self.socket.peer_addr().is_err();
        }
    }

    /// Ends the sending side only, as a client that has said everything.
    pub fn finish_sending(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// The next frame, waiting for it until the deadline.
    pub fn next(&mut self, deadline: Deadline) -> Incoming {
        let mut chunk = vec![0; READ_BYTES];
        loop {
            match cut(&self.buffer) {
                Cut::Whole(frame, used) => {
                    self.buffer.drain(..used);
                    return Incoming::Frame(frame);
                }
                Cut::Broken(reason) => return Incoming::Broken(reason),
                Cut::Partial if self.closed => return self.end(),
                Cut::Partial => {}
            }
            let Some(left) = deadline.left() else { return Incoming::TimedOut };
            if self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).is_err() {
                self.closed = true;
                continue;
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => self.closed = true,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.closed = true,
            }
        }
    }

    fn end(&mut self) -> Incoming {
        if self.buffer.is_empty() {
            return Incoming::Closed;
        }
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned();
        Incoming::Broken(format!("closed within a frame: {rest:?}"))
    }
}
