//! `cargo xtask bench-host …`: the processes that run inside the bench's namespaces.
//!
//! `echo ADDRESS` answers datagrams; `attack VICTIM LOG` writes failures and feels when its packets
//! stop to come back; `get ADDRESS PATH` reads one page. All end when their input is closed.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::logs;
use super::process::{now, pause, unix_micros};

/// Time between two probes.
const STEP: Duration = Duration::from_millis(1);
/// Silence after which the attacker counts as dropped.
const SILENCE: Duration = Duration::from_millis(150);
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs one of the roles.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    match words {
        ["echo", address] => echo(address.parse()?),
        ["attack", victim, log] => attack(victim.parse()?, log),
        ["get", address, path] => get(address.parse()?, path),
        other => bail!("unknown role {other:?}"),
    }
}

fn echo(address: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind(address)?;
    println!("ready");
    let answering = move || {
        let mut datagram = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            // A sender that is gone is no reason to end.
            socket
                .send_to(&datagram[..length], from)
                .unwrap_or_default();
        }
    };
    drop(std::thread::spawn(answering));
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// For each line `ADDRESS FAILURES` of the input: probes from that address, writes that many
/// failures at once, and answers `UNIX_MICROS MICROS`: when it wrote, and how long after that the
/// first packet was sent that never came back (`-` if all came back).
fn attack(victim: SocketAddr, log: &str) -> Result<()> {
    let mut log = std::fs::OpenOptions::new()
        .append(true)
        .open(log)
        .context("log")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (from, failures) = line.split_once(' ').context("ADDRESS FAILURES")?;
        let from: Ipv4Addr = from.parse()?;
        let failures: u64 = failures.parse()?;
        let mut probe = Probe::open(from, victim)?;
        let lines: String = (0..failures)
            .map(|_| logs::failure(unix_micros() / 1_000_000, from, 4242))
            .collect();
        let written = now();
        let written_at = unix_micros();
        log.write_all(lines.as_bytes())?;
        match probe.until_silent()? {
            Some(sent) => println!(
                "{written_at} {}",
                sent.saturating_duration_since(written).as_micros()
            ),
            None => println!("{written_at} -"),
        }
    }
    Ok(())
}

/// Datagrams that are sent, numbered, and come back.
struct Probe {
    socket: UdpSocket,
    next: u64,
    /// Sent, not yet back, oldest first.
    waiting: VecDeque<(u64, Instant)>,
    answered: Instant,
}

impl Probe {
    /// Opens it and waits until the way is open.
    fn open(from: Ipv4Addr, victim: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind((from, 0)).with_context(|| from.to_string())?;
        socket.connect(victim)?;
        socket.set_nonblocking(true)?;
        let mut probe = Self {
            socket,
            next: 0,
            waiting: VecDeque::new(),
            answered: now(),
        };
        let start = now();
        while start.elapsed() < PATIENCE {
            probe.send();
            pause(STEP);
            if probe.receive() {
                return Ok(probe);
            }
        }
        bail!("no answer from {victim} before the attack")
    }

    fn send(&mut self) {
        let sent = now();
        // A refusal is a packet that does not come back.
        self.socket
            .send(&self.next.to_be_bytes())
            .map(drop)
            .unwrap_or_default();
        self.waiting.push_back((self.next, sent));
        self.next += 1;
    }

    /// Takes all that came back; true if there was something.
    fn receive(&mut self) -> bool {
        let mut any = false;
        let mut datagram = [0; 8];
        while let Ok(8) = self.socket.recv(&mut datagram) {
            let number = u64::from_be_bytes(datagram);
            while self
                .waiting
                .front()
                .is_some_and(|(sent, _)| *sent <= number)
            {
                self.waiting.pop_front();
            }
            self.answered = now();
            any = true;
        }
        any
    }

    /// When the first packet was sent that never came back.
    fn until_silent(&mut self) -> io::Result<Option<Instant>> {
        let start = now();
        self.answered = start;
        while start.elapsed() < PATIENCE {
            self.send();
            pause(STEP);
            self.receive();
            if self.answered.elapsed() > SILENCE {
                return Ok(self.waiting.front().map(|(_, sent)| *sent));
            }
        }
        Ok(None)
    }
}

fn get(address: SocketAddr, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut page = Vec::new();
    stream.read_to_end(&mut page)?;
    io::stdout().write_all(&page)?;
    Ok(())
}
