//! Reading: followed files, whole files, directories, stdin, and the syslog listener.
//!
//! Threads with bounded buffers turn bytes into [`Record`]s and hand them over in batches through
//! a bounded channel. When it is full, files wait, TCP stops reading, and UDP counts what it drops.
//! A batch carries the [`Offset`]s that cover exactly its records: whoever commits both together
//! loses nothing and repeats nothing across a restart.
//!
//! A record's position in a file is its byte offset; after each rotation or truncation the
//! generation in the bits from 40 up grows by one, so that a position is never used twice.
//!
//! Absent on purpose: parsing, compressed files, reading directories recursively, and any answer
//! to a network peer.

mod batch;
mod files;
mod follow;
mod framing;
mod lines;
mod listen;
mod once;
mod outlet;
mod tail;
mod tcp;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use event::{Clock, Time};

use outlet::{Counters, Outlet, Stop};

/// Longest line or message, bytes without its end. A longer one is cut, but to one byte more, so
/// that a parser with the same limit sees that it is not whole.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Records in a batch, at most.
pub const BATCH_RECORDS_MAX: usize = 1024;
/// Bytes in a batch, beyond which no further record is added.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Sources, at most.
pub const SOURCES_MAX: usize = 256;

/// One record as it was read: a line without its end, or a syslog message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The file's path, `stdin`, or the listener (`udp:127.0.0.1:514`).
    pub stream: event::Name,
    /// Where in the stream; never twice the same.
    pub position: u64,
    /// Its bytes, as they came.
    pub bytes: Vec<u8>,
    /// Came by UDP: anyone may have sent it.
    pub spoofable: bool,
    /// When it was read.
    pub observed: Time,
}

/// What the intake hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Records, and the offsets that cover exactly these.
    Batch {
        /// At most [`BATCH_RECORDS_MAX`], in order within a stream.
        records: Vec<Record>,
        /// One for each file concerned; none for what cannot be read again.
        offsets: Vec<Offset>,
    },
    /// A stream that is not followed was read to its end.
    Ended {
        /// The stream.
        stream: event::Name,
    },
    /// Something that a person should know; reading goes on.
    Problem {
        /// The stream.
        stream: event::Name,
        /// What, in words.
        text: String,
    },
}

/// How far a stream has been read, to be handed back at the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The stream.
    pub stream: String,
    /// Opaque.
    pub state: String,
}

/// A file, a directory, or `-` for stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSource {
    /// Where.
    pub path: PathBuf,
    /// Go on at the end, through rotation and truncation; else read once.
    pub follow: bool,
}

/// A syslog listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenSource {
    /// One message a datagram.
    pub udp: Option<SocketAddr>,
    /// Lines or counted octets (RFC 6587).
    pub tcp: Option<SocketAddr>,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// From files.
    File(FileSource),
    /// From the network.
    Listen(ListenSource),
}

/// Why reading could not begin.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A file that is to be read once cannot be opened.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Stdin and pipes cannot be followed.
    #[error("{path} is no file and cannot be followed")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The address is taken, foreign, or needs privileges.
    #[error("cannot listen on {protocol} {address}: {source}")]
    Listen {
        /// `udp` or `tcp`.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// More than [`SOURCES_MAX`].
    #[error("{count} sources are above the limit of {SOURCES_MAX}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// The system refused a thread or a descriptor.
    #[error("cannot start reading: {source}")]
    System {
        /// The system's words.
        source: std::io::Error,
    },
}

impl From<std::io::Error> for IntakeError {
    fn from(source: std::io::Error) -> Self {
        Self::System { source }
    }
}

/// What was read and dropped since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records handed over.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records cut at [`LINE_BYTES_MAX`].
    pub cut: u64,
    /// Datagrams dropped because nobody took the records in time.
    pub udp_dropped: u64,
    /// Connections refused at a limit.
    pub connections_refused: u64,
    /// 1 once a file of a directory was not followed at the limit of streams.
    pub files_refused: u64,
    /// Records read but not handed over because reading was stopped; files are read again there.
    pub abandoned: u64,
}

/// Reading, until [`Intake::stop`] or drop.
#[derive(Debug)]
pub struct Intake {
    stop: Arc<Stop>,
    counters: Arc<Counters>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    addresses: Vec<SocketAddr>,
}

impl Intake {
    /// Has everything been read to its end? Never while something is followed or listened to.
    pub fn finished(&self) -> bool {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().all(JoinHandle::is_finished)
    }

    /// Ends all reading and waits for the threads. Nobody needs to receive meanwhile: what the
    /// channel does not take is left, and files are read from there at the next start.
    pub fn stop(&self) {
        self.stop.set();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reading thread panicked");
            }
        }
    }

    /// What was read and dropped since the start.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Where the listeners listen, in the order of the sources, UDP before TCP: for port 0.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts reading. `known` holds the committed [`Offset`]s, state by stream.
///
/// # Errors
/// [`IntakeError`]; nothing is left running.
pub fn start(
    sources: Vec<SourceSpec>,
    known: HashMap<String, String>,
    clock: Arc<dyn Clock>,
    sender: SyncSender<Feed>,
) -> Result<Intake, IntakeError> {
    if sources.len() > SOURCES_MAX {
        return Err(IntakeError::TooMany {
            count: sources.len(),
        });
    }
    let stop = Arc::new(Stop::new()?);
    let counters = Arc::new(Counters::default());
    let outlet = Outlet::new(sender, clock, Arc::clone(&stop), Arc::clone(&counters));
    // From here on, dropping it ends what was started.
    let mut intake = Intake {
        stop,
        counters,
        threads: Mutex::default(),
        addresses: Vec::new(),
    };
    let mut followed = Vec::new();
    for source in sources {
        match source {
            SourceSpec::File(file) if file.follow => followed.push(follow::check(file)?),
            SourceSpec::File(file) => {
                let reading = once::prepare(file.path, &known)?;
                intake.spawn("read", outlet.clone(), move |outlet| reading.run(outlet))?;
            }
            SourceSpec::Listen(listen) => intake.listen(listen, &outlet)?,
        }
    }
    if !followed.is_empty() {
        let follower = follow::Follower::new(followed, known);
        intake.spawn("follow", outlet, move |outlet| follower.run(outlet))?;
    }
    Ok(intake)
}

impl Intake {
    fn spawn(
        &self,
        name: &str,
        outlet: Outlet,
        work: impl FnOnce(&Outlet) + Send + 'static,
    ) -> Result<(), IntakeError> {
        let builder = std::thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(move || work(&outlet))?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    fn listen(&mut self, listen: ListenSource, outlet: &Outlet) -> Result<(), IntakeError> {
        if let Some(address) = listen.udp {
            let udp = listen::Udp::bind(address)?;
            self.addresses.push(udp.address());
            self.spawn("syslog-udp", outlet.clone(), move |outlet| udp.run(outlet))?;
        }
        if let Some(address) = listen.tcp {
            let tcp = tcp::Tcp::bind(address)?;
            self.addresses.push(tcp.address());
            self.spawn("syslog-tcp", outlet.clone(), move |outlet| tcp.run(outlet))?;
        }
        Ok(())
    }
}

/// The door for the fuzz target: takes `bytes` apart as one TCP connection that sends them in
/// pieces of `piece` bytes; returns the messages' bytes. Never panics, never holds more than
/// [`LINE_BYTES_MAX`] and a piece.
pub fn fuzz_framing(bytes: &[u8], piece: usize) -> usize {
    let mut framing = framing::Framing::default();
    let mut total = 0;
    for chunk in bytes.chunks(piece.max(1)) {
        let mut rest = chunk;
        while let Some(message) = framing.next(&mut rest) {
            total += message.bytes.len();
        }
    }
    total + framing.rest().map_or(0, |message| message.bytes.len())
}
