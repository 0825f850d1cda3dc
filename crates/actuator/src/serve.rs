//! The actuator's loop: one request in, one answer out, until the engine goes away.
//!
//! At the start it checks who is at the other end, opens netlink, gives up every privilege but
//! CAP_NET_ADMIN and all system calls that it does not need. When the engine goes (end of file), it ends too and leaves the rest to the
//! kernel's timeouts: it never removes an effect because of its own end.

mod change;
mod filter;
mod privileges;
mod sandbox;
mod session;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use event::actuate::{Answer, MESSAGE_BYTES_MAX, Reply};
use ipnet::IpNet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::time::{ClockId, clock_gettime};

use crate::error::ActuatorError;
use crate::netlink::Table;
use crate::rails::{Limits, Rails, can_discover, discover, login_sources};
pub(crate) use session::Session;

/// Addresses, gateways and resolvers are looked for this often.
const DISCOVER_EVERY: Duration = Duration::from_secs(30);
/// A peer that does not take its answer for this long is gone.
const SEND_WAIT: Duration = Duration::from_secs(5);

/// How the actuator is set up. `Default` fits a Linux host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActuatorConfig {
    /// Never blocked, beside what is found.
    pub never_block: Vec<IpNet>,
    /// Uid that the peer must have; `None` takes any.
    pub peer_uid: Option<u32>,
    /// Uid and gid to run as after the start, when started as root; `None` stays root (without
    /// root's powers, but still owner of its files).
    pub run_as: Option<u32>,
    /// New effects in any 60 s that no person approved, and effects that stand at a time.
    pub limits: Limits,
    /// `/proc`.
    pub proc_root: PathBuf,
    /// `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// Login records, read once at the start.
    pub utmp: PathBuf,
}

/// Uid and gid `nobody`.
const NOBODY: u32 = 65_534;

impl Default for ActuatorConfig {
    fn default() -> Self {
        Self {
            never_block: Vec::new(),
            peer_uid: None,
            run_as: Some(NOBODY),
            limits: Limits::default(),
            proc_root: PathBuf::from("/proc"),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            utmp: PathBuf::from("/run/utmp"),
        }
    }
}

/// Serves the engine at the other end of `socket` until it goes. Gives up privileges of the
/// calling thread for good, so the process must have no other thread.
///
/// # Errors
/// [`ActuatorError`] when it cannot start (permission, kernel without nf_tables, wrong peer), or
/// when the socket fails.
pub fn serve(socket: OwnedFd, config: ActuatorConfig) -> Result<(), ActuatorError> {
    check_peer(&socket, config.peer_uid)?;
    check_discovery(&config)?;
    let mut rails = Rails::new(config.limits, &config.never_block)?;
    for (address, why) in login_sources(&config.utmp) {
        rails.protect(IpNet::from(address), &why)?;
    }
    // The first generation differs from start to start, so that the engine notices a new process.
    let first = u64::try_from(boot_time().as_millis()).unwrap_or(0);
    let table = Table::open(first).map_err(ActuatorError::at_start)?;
    privileges::give_up(config.run_as, &config.proc_root)?;
    sandbox::enter()?;
    let mut session = Session::start(table, rails, boot_time())?;
    let mut discovered: Option<Duration> = None;
    let mut buffer = vec![0; MESSAGE_BYTES_MAX.saturating_add(1)];
    loop {
        let now = boot_time();
        if discovered.is_none_or(|last| now.saturating_sub(last) >= DISCOVER_EVERY) {
            discovered = Some(now);
            let found = discover(&config.proc_root, &config.resolv_conf);
            session.rediscovered(&found, now);
        }
        match receive(&socket, &mut buffer)? {
            Received::Nothing => (),
            Received::End => return Ok(()),
            Received::Message(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                if !answer(&socket, &session.answer(bytes, boot_time()))? {
                    return Ok(());
                }
            }
        }
    }
}

fn check_peer(socket: &OwnedFd, expected: Option<u32>) -> Result<(), ActuatorError> {
    let credentials =
        rustix::net::sockopt::socket_peercred(socket).map_err(ActuatorError::Socket)?;
    let actual = credentials.uid.as_raw();
    match expected {
        Some(expected) if expected != actual => Err(ActuatorError::WrongPeer { actual, expected }),
        _ => Ok(()),
    }
}

/// An actuator that cannot find its host's own addresses must not block anything.
fn check_discovery(config: &ActuatorConfig) -> Result<(), ActuatorError> {
    if can_discover(&config.proc_root) {
        return Ok(());
    }
    let path = config.proc_root.display().to_string();
    Err(ActuatorError::NoDiscovery { path })
}

/// Time since the machine started, sleep included.
fn boot_time() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

enum Received {
    Nothing,
    End,
    Message(usize),
}

/// Waits until the next look around at most. A message above the limit comes with its real
/// length, so that it is refused as too large.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<Received, ActuatorError> {
    match wait(socket, PollFlags::IN, DISCOVER_EVERY) {
        Ok(true) => (),
        Ok(false) => return Ok(Received::Nothing),
        Err(errno) => return Err(ActuatorError::Socket(errno)),
    }
    match rustix::net::recv(socket, &mut *buffer, RecvFlags::TRUNC) {
        Ok((_, 0)) | Err(Errno::CONNRESET) => Ok(Received::End),
        Ok((_, length)) => Ok(Received::Message(length.min(buffer.len()))),
        Err(Errno::INTR | Errno::AGAIN) => Ok(Received::Nothing),
        Err(errno) => Err(ActuatorError::Socket(errno)),
    }
}

/// Sends an answer; `false` when the peer is gone.
fn answer(socket: &OwnedFd, reply: &Reply) -> Result<bool, ActuatorError> {
    let bytes = encode(reply);
    for _ in 0..2 {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match rustix::net::send(socket, &bytes, flags) {
            Ok(_) => return Ok(true),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => return Ok(false),
            Err(Errno::INTR) => (),
            Err(Errno::AGAIN) => match wait(socket, PollFlags::OUT, SEND_WAIT) {
                Ok(true) => (),
                Ok(false) => return Ok(false),
                Err(errno) => return Err(ActuatorError::Socket(errno)),
            },
            Err(errno) => return Err(ActuatorError::Socket(errno)),
        }
    }
    Ok(false)
}

/// The reply as JSON; one that would not fit is replaced by a refusal that says so.
fn encode(reply: &Reply) -> Vec<u8> {
    let fits = serde_json::to_vec(reply)
        .ok()
        .filter(|bytes| bytes.len() <= MESSAGE_BYTES_MAX);
    fits.unwrap_or_else(|| {
        let refused = Reply {
            serial: reply.serial,
            answer: Answer::Refused {
                reason: format!("the answer is larger than {MESSAGE_BYTES_MAX} bytes"),
            },
        };
        serde_json::to_vec(&refused).unwrap_or_default()
    })
}

/// Waits for an event, at most this long. An interrupted wait counts as nothing.
pub(crate) fn wait(socket: &OwnedFd, flags: PollFlags, longest: Duration) -> Result<bool, Errno> {
    let timeout = Timespec {
        tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(longest.subsec_nanos()),
    };
    let mut polled = [PollFd::new(socket, flags)];
    match poll(&mut polled, Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Used by the fuzz targets: a session without any kernel behind it.
pub(crate) fn dry_session() -> Result<Session<filter::Nowhere>, ActuatorError> {
    let rails = Rails::new(Limits::default(), &[])?;
    Session::start(filter::Nowhere, rails, Duration::ZERO)
}

#[cfg(test)]
mod tests;
