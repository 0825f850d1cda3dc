//! Puts a pipeline together: lock, log, store, snapshots, and the log's tail beyond them.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::{Clock, Event, Time};
use fusion::Fusion;
use response::engine::{Caps, Engine, EngineConfig};
use response::playbook::{Playbook, Playbooks};
use response::rails::Rails;
use rustix::fs::{FlockOperation, Mode as FileMode, OFlags};
use segment::{LogConfig, Reader, Writer};
use store::{OpenRole, Sqlite, Store, StoreError};

use super::actuator_link::LinkError;
use super::connections::Connections;
use super::intake_desk::IntakeDesk;
use super::memory::Memory;
use super::{AHEAD, LOG_SEQUENCE, Options};
use crate::config::{Config, Response};
use crate::intake::{FileSource, ListenSource, SourceSpec};
use crate::metrics::Metrics;
use crate::pipeline::{Draft, Pipeline};

/// Zstandard's fast levels are negative. Against level 1 this one takes 8 % off the whole work on an
/// EVE record and makes the log half as large again (76 instead of 49 MB for 339 MB of records).
const ZSTD_LEVEL: i32 = -2;
/// Largest playbook file.
pub const PLAYBOOK_BYTES_MAX: u64 = 256 * 1024;
/// Playbooks read from one folder.
const PLAYBOOKS_MAX: usize = 1000;
/// Events before the snapshot from which parsers learn again what they were in the middle of.
const WARM_EVENTS: u64 = 2048;
/// Journal records read at once when the engine is rebuilt.
const JOURNAL_PAGE: usize = 10_000;

/// Why a node cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The state folder cannot be used.
    #[error("state folder {path}: {reason}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another node runs on it.
    #[error("state folder {path} is in use by another node")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The event log refused.
    #[error("event log: {0}")]
    Log(#[from] segment::LogError),
    /// The store refused.
    #[error("state: {0}")]
    Store(#[from] StoreError),
    /// A playbook is wrong.
    #[error("playbook {0}")]
    Playbook(String),
    /// A source cannot be opened.
    #[error("source: {0}")]
    Source(String),
    /// The console cannot serve.
    #[error("console: {0}")]
    Console(String),
    /// There is no actuator.
    #[error(transparent)]
    Actuator(#[from] LinkError),
    /// A thread cannot be started.
    #[error("thread: {0}")]
    Thread(String),
    /// A turn of the pipeline failed.
    #[error("pipeline: {0}")]
    Pipeline(String),
}

impl NodeError {
    pub(super) fn pipeline(error: anyhow::Error) -> Self {
        match error.downcast::<StoreError>() {
            Ok(error) => Self::Store(error),
            Err(error) => Self::Pipeline(format!("{error:#}")),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Folder { .. } => "name a folder that you may write with --state",
            Self::Locked { .. } => "stop the other node, or give this one a folder of its own",
            Self::Actuator(_) => "run as root, or set response.mode to observe",
            Self::Console(_) => {
                "set console.listen to another address, or console.enabled to false"
            }
            Self::Playbook(_) => "run vertice playbook check FILE",
            Self::Source(_) => "run vertice doctor",
            Self::Store(StoreError::ReadOnly | StoreError::Denied(_)) => {
                "run as the user who owns the state folder"
            }
            Self::Store(StoreError::Full) => "make room on the disk; undo still works",
            _ => return None,
        })
    }
}

/// The state folder, held by one node at a time.
#[derive(Debug)]
pub struct StateFolder {
    /// Where.
    pub path: PathBuf,
    /// The database in it.
    pub store: Arc<Sqlite>,
    _lock: OwnedFd,
}

impl StateFolder {
    /// Makes the folder (mode 0700) if needed, locks it, and opens the store as the one writer.
    ///
    /// # Errors
    /// [`NodeError::Locked`] if another node holds it.
    pub fn lock(path: &Path) -> Result<Self, NodeError> {
        let refused = |reason: String| NodeError::Folder {
            path: path.into(),
            reason,
        };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .recursive(true)
            .create(path)
            .map_err(|error| refused(error.to_string()))?;
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
        let lock = rustix::fs::open(
            path.join("node.lock"),
            flags,
            FileMode::from_raw_mode(0o600),
        )
        .map_err(|error| refused(error.to_string()))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| NodeError::Locked { path: path.into() })?;
        let store = Arc::new(Sqlite::open(path, OpenRole::Node)?);
        Ok(Self {
            path: path.into(),
            store,
            _lock: lock,
        })
    }

    /// The node has ended in order: its last sign of life goes.
    pub fn leave(self) {
        std::fs::remove_file(self.path.join(store::STATUS_FILE)).unwrap_or_default();
    }
}

/// What a pipeline is made from beside its state.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) rails: Rails,
}

/// A pipeline that stands where the last one stopped.
pub(super) fn pipeline(
    folder: &StateFolder,
    parts: Parts<'_>,
    options: &Options,
) -> Result<Pipeline, NodeError> {
    let Parts {
        config,
        clock,
        metrics,
        rails,
    } = parts;
    let store: Arc<dyn Store> = Arc::clone(&folder.store) as Arc<dyn Store>;
    let log_folder = folder.path.join("log");
    let (mut log, recovery) = Writer::open(&log_folder, log_config(config))?;
    // After damage no number below the snapshot may be given again.
    log.skip_to(committed_sequence(store.as_ref())?);
    if recovery.torn_bytes > 0 || recovery.bad_blocks > 0 {
        let (torn, bad) = (recovery.torn_bytes, recovery.bad_blocks);
        tracing::warn!(
            torn,
            bad,
            "event log repaired: torn tail cut, bad blocks set aside"
        );
    }
    let settings = sources::Settings {
        zone_offset_s: config.node.zone_offset_minutes * 60,
    };
    let mut desk = IntakeDesk::new(Arc::clone(clock), Arc::clone(metrics), log, settings);
    desk.bad_blocks = recovery.bad_blocks;
    for source in config.effective_sources() {
        if let (Some(file), Some(format)) = (source.file, source.format) {
            desk.format(file.display().to_string(), format);
        }
    }
    let mut memory = Memory::default();
    memory.connections = config
        .response
        .namespace
        .is_none()
        .then(Connections::default);
    let mut pipeline = Pipeline {
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
        desk,
        detectors: sentinel::detectors(&config.detect),
        fusion: Fusion::new(fusion::Limits::default()),
        playbooks: playbooks(&config.response)?,
        engine: engine(store.as_ref(), config)?,
        rails,
        memory,
        mode: config.response.mode,
        latency: super::latency::Latency::default(),
        live: !options.recorded,
        watermark: Time::from_micros(i64::MIN),
        started: clock.now(),
        hops: super::hops::Hops::default(),
        degraded: None,
        backlog: (Vec::new(), Vec::new()),
        letters: crate::topics::Letters::default(),
        store,
    };
    pipeline.restore();
    pipeline.replay_tail(&log_folder)?;
    Ok(pipeline)
}

fn log_config(config: &Config) -> LogConfig {
    LogConfig {
        retain_bytes: config.log.retain_mib.saturating_mul(1024 * 1024),
        retain_age: Some(std::time::Duration::from_secs(
            config.log.retain_days.saturating_mul(86_400),
        )),
        zstd_level: ZSTD_LEVEL,
        ..LogConfig::default()
    }
}

/// The log position that the last snapshot covers.
fn committed_sequence(store: &dyn Store) -> Result<u64, NodeError> {
    let value = store.value(LOG_SEQUENCE)?;
    Ok(value.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// The engine, folded from its journal.
fn engine(store: &dyn Store, config: &Config) -> Result<Engine, NodeError> {
    let fence = store.take_epoch()?;
    let caps = Caps {
        ip_blocks_per_minute: config.response.new_per_minute,
        ..Caps::default()
    };
    let engine_config = EngineConfig {
        mode: config.response.mode,
        fence,
        caps,
        ..EngineConfig::default()
    };
    let mut records = Vec::new();
    let mut after = 0;
    loop {
        let page = store.journal(after, JOURNAL_PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        records.extend(page.into_iter().map(|(_, record)| record));
    }
    Ok(Engine::restore(engine_config, records))
}

/// Shipped playbooks, replaced by name and joined by the operator's.
///
/// # Errors
/// The first problem, with file, line and column.
pub fn playbooks(config: &Response) -> Result<Playbooks, NodeError> {
    let mut list: Vec<Playbook> = Vec::new();
    for (name, text) in Playbooks::embedded() {
        list.push(parse(name, text)?);
    }
    for folder in &config.playbooks {
        for path in yaml_files(folder)? {
            let playbook = parse(&path.display().to_string(), &read(&path)?)?;
            list.retain(|known| known.name() != playbook.name());
            list.push(playbook);
        }
    }
    Playbooks::new(list).map_err(|error| NodeError::Playbook(error.to_string()))
}

fn parse(name: &str, text: &[u8]) -> Result<Playbook, NodeError> {
    Playbook::parse(text).map_err(|problems| {
        let first = problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        NodeError::Playbook(format!("{name}:{first}"))
    })
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, NodeError> {
    let unreadable = |error| NodeError::Playbook(format!("{}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .take(PLAYBOOKS_MAX);
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, NodeError> {
    let unreadable = |error| NodeError::Playbook(format!("{}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(PLAYBOOK_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// The configured sources in the intake's words.
pub(super) fn sources(config: &Config) -> Vec<SourceSpec> {
    let mut specs = Vec::new();
    for source in config.effective_sources() {
        if let Some(path) = source.file {
            let follow = source.follow.unwrap_or(true);
            specs.push(SourceSpec::File(FileSource { path, follow }));
        }
        if source.udp.is_some() || source.tcp.is_some() {
            specs.push(SourceSpec::Listen(ListenSource {
                udp: source.udp,
                tcp: source.tcp,
            }));
        }
    }
    specs
}

impl Pipeline {
    /// Takes up the snapshots. One that cannot be read starts its detector anew and is said.
    fn restore(&mut self) {
        for detector in &mut self.detectors {
            let name = format!("detector/{}", detector.name());
            let restored = match self.store.snapshot(&name) {
                Ok(Some(bytes)) => detector.restore(&bytes).map_err(|error| error.to_string()),
                Ok(None) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = restored {
                tracing::warn!(name, error, "snapshot not taken up");
            }
        }
        let restored = match self.store.snapshot("fusion") {
            Ok(Some(bytes)) => self
                .fusion
                .restore(&bytes)
                .map_err(|error| error.to_string()),
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = restored {
            tracing::warn!(error, "fusion's snapshot not taken up");
        }
        let restored = match self.store.snapshot(AHEAD) {
            Ok(Some(bytes)) => self
                .desk
                .ahead
                .restore(&bytes)
                .map_err(|error| error.to_string()),
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = restored {
            tracing::warn!(error, "events may be written a second time");
        }
    }

    /// Events beyond the snapshot go through the hops again. What was committed before the crash
    /// is known by its id; what was not is planned now.
    fn replay_tail(&mut self, log_folder: &Path) -> Result<(), NodeError> {
        let mut reader = Reader::open(log_folder)?;
        let committed = committed_sequence(self.store.as_ref())?;
        reader.from(committed.saturating_sub(WARM_EVENTS));
        let mut draft = Draft::default();
        while let Some(record) = reader.next_record()? {
            let Ok(event) = serde_json::from_slice::<Event>(&record.bytes) else {
                continue;
            };
            if record.sequence < committed {
                self.desk.warm(&event);
                continue;
            }
            self.desk.ahead.insert(&event);
            self.observe(Box::new(event), &mut draft);
        }
        self.commit(draft).map_err(NodeError::pipeline)?;
        Ok(())
    }
}
