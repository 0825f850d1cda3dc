//! The engine's side of the socket: sends requests, receives replies, each with a deadline.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use event::actuate::{MESSAGE_BYTES_MAX, Reply, Request};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::serve::wait;

/// Longest wait for room in the socket.
const SEND_WAIT: Duration = Duration::from_secs(5);

/// A connection to the actuator.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// Why a message did not go or come.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The message is above the limit; it was not sent.
    #[error("a request of {bytes} bytes is larger than {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The actuator is gone.
    #[error("the actuator is gone")]
    Closed,
    /// The actuator takes no more requests.
    #[error("the actuator takes no requests for {seconds} s")]
    Stuck {
        /// How long was waited.
        seconds: u64,
    },
    /// A message was no JSON of the protocol.
    #[error("message not understood: {0}")]
    NotUnderstood(#[from] serde_json::Error),
    /// The socket failed.
    #[error("socket to the actuator: {0}")]
    Socket(#[from] io::Error),
}

impl Connection {
    /// Two connected seqpacket sockets: one for [`Connection::new`], the other for the actuator.
    /// Both are closed on exec; a child gets its end by being given it as standard input.
    ///
    /// # Errors
    /// When the system has no more sockets.
    pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
        let pair = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok(pair)
    }

    /// A connection over one end of a pair.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            buffer: vec![0; MESSAGE_BYTES_MAX.saturating_add(1)],
        }
    }

    /// A second handle on the same socket, so that one thread can send and another receive. Two
    /// receivers would take each other's replies.
    ///
    /// # Errors
    /// When the process has no more descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.socket.try_clone()?))
    }

    /// Sends a request whole, or not at all.
    ///
    /// # Errors
    /// [`ConnectionError::TooLarge`] before anything is sent; `Stuck` after 5 s without room;
    /// `Closed` when the actuator is gone.
    pub fn send(&mut self, request: &Request) -> Result<(), ConnectionError> {
        let message = serde_json::to_vec(request)?;
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(ConnectionError::TooLarge {
                bytes: message.len(),
                max: MESSAGE_BYTES_MAX,
            });
        }
        loop {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(&self.socket, &message, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => (),
                Err(Errno::AGAIN) => self.wait_for_room()?,
                Err(errno) => return Err(closed_or(errno)),
            }
        }
    }

    fn wait_for_room(&self) -> Result<(), ConnectionError> {
        if wait(&self.socket, PollFlags::OUT, SEND_WAIT).map_err(closed_or)? {
            return Ok(());
        }
        let seconds = SEND_WAIT.as_secs();
        Err(ConnectionError::Stuck { seconds })
    }

    /// The next reply; `None` when none came within `timeout` (or the wait was interrupted).
    ///
    /// # Errors
    /// `Closed` when the actuator is gone; `NotUnderstood` for a message that is no reply.
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Reply>, ConnectionError> {
        if !wait(&self.socket, PollFlags::IN, timeout).map_err(closed_or)? {
            return Ok(None);
        }
        let flags = RecvFlags::DONTWAIT;
        match rustix::net::recv(&self.socket, self.buffer.as_mut_slice(), flags) {
            Ok((_, 0)) => Err(ConnectionError::Closed),
            Ok((_, length)) => {
                let bytes = self.buffer.get(..length).unwrap_or_default();
                Ok(Some(serde_json::from_slice(bytes)?))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(closed_or(errno)),
        }
    }
}

fn closed_or(errno: Errno) -> ConnectionError {
    match errno {
        Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => ConnectionError::Closed,
        other => ConnectionError::Socket(other.into()),
    }
}

#[cfg(test)]
mod tests;
