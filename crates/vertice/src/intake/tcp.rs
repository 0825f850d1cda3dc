//! Syslog by TCP (RFC 6587). All connections in one thread; when nobody takes the records, none is
//! read, and TCP makes the senders wait.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use event::Name;

use super::batch::Batch;
use super::files::READ_BYTES;
use super::framing::{Framing, Message};
use super::listen::first_position;
use super::outlet::{Outlet, Stopped, count};
use super::{IntakeError, Record};

/// Connections at a time; beyond, the one silent for longest gives way, or the new one is refused.
const CONNECTIONS_MAX: usize = 256;
/// Connections of one peer.
const CONNECTIONS_PER_PEER_MAX: usize = 32;
/// A connection silent for this long may give way to a new one.
const SILENT_AFTER: Duration = Duration::from_secs(60);
/// Bytes of incomplete messages over all connections; beyond, the one that grew is closed.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long to wait after the system refused to accept.
const BREATH: Duration = Duration::from_millis(50);

/// A bound listener.
pub(super) struct Tcp {
    listener: TcpListener,
    address: SocketAddr,
}

struct Connection {
    socket: TcpStream,
    peer: IpAddr,
    framing: Framing,
    last_read: Duration,
}

/// What the thread carries from turn to turn.
struct Reading {
    stream: Name,
    position: u64,
    batch: Batch,
    buffer: Vec<u8>,
    connections: Vec<Connection>,
}

impl Tcp {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, IntakeError> {
        let refused = |source| IntakeError::Listen {
            protocol: "tcp",
            address,
            source,
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens until stopped.
    pub(super) fn run(self, outlet: &Outlet) {
        let mut reading = Reading {
            stream: Name::new(&format!("tcp:{}", self.address)),
            position: first_position(outlet),
            batch: Batch::default(),
            buffer: vec![0; READ_BYTES],
            connections: Vec::new(),
        };
        while !outlet.stop().is_set() {
            if reading.turn(&self.listener, outlet) == Err(Stopped) {
                return;
            }
        }
    }
}

impl Reading {
    fn turn(&mut self, listener: &TcpListener, outlet: &Outlet) -> Result<(), Stopped> {
        let mut readable: Vec<BorrowedFd<'_>> = vec![listener.as_fd()];
        readable.extend(
            self.connections
                .iter()
                .map(|connection| connection.socket.as_fd()),
        );
        let ready = outlet.stop().wait_beside(&readable, None);
        // From the last to the first, so that removing one leaves the others' places.
        for index in (0..self.connections.len()).rev() {
            if ready.get(index + 1) == Some(&true) && !self.read(index, outlet)? {
                self.connections.swap_remove(index);
            }
        }
        outlet.batch(&mut self.batch, Vec::new())?;
        if ready.first() == Some(&true) {
            self.accept(listener, outlet);
        }
        Ok(())
    }

    /// Reads once; `false` when the connection has ended.
    fn read(&mut self, index: usize, outlet: &Outlet) -> Result<bool, Stopped> {
        let held: usize = self
            .connections
            .iter()
            .map(|other| other.framing.held())
            .sum();
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(false);
        };
        let read = match connection.socket.read(&mut self.buffer) {
            Ok(read) if read > 0 && held <= HELD_BYTES_MAX => read,
            Err(error) if is_passing(&error) => return Ok(true),
            Ok(_) | Err(_) => {
                let last = connection.framing.rest();
                if held > HELD_BYTES_MAX {
                    count(&outlet.counters().connections_refused, 1);
                }
                if let Some(message) = last {
                    self.push(message, outlet)?;
                }
                return Ok(false);
            }
        };
        connection.last_read = outlet.elapsed();
        let mut framing = std::mem::take(&mut connection.framing);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.get(..read).unwrap_or_default();
        while let Some(message) = framing.next(&mut rest) {
            self.push(message, outlet)?;
        }
        self.buffer = buffer;
        if let Some(connection) = self.connections.get_mut(index) {
            connection.framing = framing;
        }
        Ok(true)
    }

    fn push(&mut self, message: Message, outlet: &Outlet) -> Result<(), Stopped> {
        if message.cut {
            count(&outlet.counters().cut, 1);
        }
        if message.bytes.is_empty() {
            return Ok(()); // the line end behind a counted message
        }
        self.batch.push(Record {
            stream: self.stream.clone(),
            position: self.position,
            bytes: message.bytes,
            spoofable: false,
            observed: outlet.now(),
        });
        self.position = self.position.saturating_add(1);
        if self.batch.is_full() {
            outlet.batch(&mut self.batch, Vec::new())
        } else {
            Ok(())
        }
    }

    fn accept(&mut self, listener: &TcpListener, outlet: &Outlet) {
        let (socket, address) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if is_passing(&error) => return,
            Err(_) => return outlet.stop().wait(BREATH), // no descriptor left, most likely
        };
        let peer = address.ip().to_canonical();
        let is_ready = socket.set_nonblocking(true).is_ok();
        if !is_ready || !self.has_room(peer, outlet.elapsed()) {
            count(&outlet.counters().connections_refused, 1);
            return; // dropping it closes it
        }
        let (framing, last_read) = (Framing::default(), outlet.elapsed());
        self.connections.push(Connection {
            socket,
            peer,
            framing,
            last_read,
        });
    }

    fn has_room(&mut self, peer: IpAddr, now: Duration) -> bool {
        let of_peer = self
            .connections
            .iter()
            .filter(|other| other.peer == peer)
            .count();
        if of_peer >= CONNECTIONS_PER_PEER_MAX {
            return false;
        }
        if self.connections.len() < CONNECTIONS_MAX {
            return true;
        }
        let by_silence = self
            .connections
            .iter()
            .enumerate()
            .min_by_key(|(_, c)| c.last_read);
        let Some((index, silent)) = by_silence else {
            return true;
        };
        if now.saturating_sub(silent.last_read) < SILENT_AFTER {
            return false;
        }
        self.connections.swap_remove(index);
        true
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted)
}
