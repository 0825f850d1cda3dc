//! Syslog by UDP (RFC 5426): one datagram, one message. Anyone may have sent it.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use event::Name;

use super::batch::Batch;
use super::outlet::{Outlet, Stopped, count};
use super::{IntakeError, Record};

/// The kernel's buffer, bytes: what comes while a batch waits. The system may grant less.
const KERNEL_BYTES: usize = 4 * 1024 * 1024;
/// A batch that nobody takes for this long is dropped and counted.
const PATIENCE: Duration = Duration::from_millis(100);
/// Largest datagram of IPv4 and IPv6 without jumbograms.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// How long to wait after the system refused to read.
const BREATH: Duration = Duration::from_millis(50);

/// A bound socket.
pub(super) struct Udp {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Udp {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, IntakeError> {
        let refused = |source| IntakeError::Listen {
            protocol: "udp",
            address,
            source,
        };
        let socket = UdpSocket::bind(address).map_err(refused)?;
        socket.set_nonblocking(true).map_err(refused)?;
        if let Err(error) = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, KERNEL_BYTES)
        {
            tracing::debug!(%error, "the receive buffer stays as it is");
        }
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self { socket, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens until stopped.
    pub(super) fn run(self, outlet: &Outlet) {
        let stream = Name::new(&format!("udp:{}", self.address));
        let mut position = first_position(outlet);
        let mut batch = Batch::default();
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !outlet.stop().is_set() {
            outlet.stop().wait_beside(&[self.socket.as_fd()], None);
            while !batch.is_full() {
                let length = match self.socket.recv_from(&mut buffer) {
                    Ok((length, _)) => length,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {
                        outlet.stop().wait(BREATH);
                        break;
                    }
                };
                let bytes = trim(buffer.get(..length).unwrap_or_default()).to_vec();
                let (stream, observed) = (stream.clone(), outlet.now());
                batch.push(Record {
                    stream,
                    position,
                    bytes,
                    spoofable: true,
                    observed,
                });
                position = position.saturating_add(1);
            }
            match outlet.batch_or_drop(&mut batch, PATIENCE) {
                Ok(dropped) => count(&outlet.counters().udp_dropped, dropped),
                Err(Stopped) => return,
            }
        }
    }
}

/// Positions go on from one start to the next without a stored state: microseconds of the start,
/// which no listener outruns.
pub(super) fn first_position(outlet: &Outlet) -> u64 {
    u64::try_from(outlet.now().micros()).unwrap_or(0)
}

/// Without the line end or zero byte that some senders add.
fn trim(datagram: &[u8]) -> &[u8] {
    let mut bytes = datagram;
    while let Some((b'\n' | b'\r' | 0, before)) = bytes.split_last() {
        bytes = before;
    }
    bytes
}
