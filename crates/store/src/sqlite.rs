//! The store on SQLite: one file, one writer at a time, readers that never wait for it.
//!
//! WAL with `synchronous=FULL`: what `commit` returned for is on disk. Absent on purpose: a lock
//! against a second node (the segment log has one; here the fencing epoch decides).

mod files;
mod open;
mod read;
mod schema;
mod write;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use event::decision::{Approval, Decision, DecisionAnswer};
use event::journal::JournalRecord;
use event::{
    ActionId, Event, EventId, Finding, FindingId, Incident, IncidentId, IncidentState, Plan,
    PlanId, Receipt, ReceiptId, Severity,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use crate::audit::{AuditBreak, AuditFault, AuditHead, AuditReport, AuditRow, Walk};
use crate::records::{
    BATCH_ROWS_MAX, Change, DeadLetter, DecisionTicket, IncidentQuery, NumberedDecision, Outbox,
    OutboxRow, PAGE_MAX, ReceiptQuery, Session, User,
};
use crate::{Store, StoreError};
pub use files::RESERVE_FILE;
use files::{HeadFile, Reserve, StoredHead};
pub use open::{Limits, OpenRole, Options};
use open::{connect, open_node, open_visitor};

/// Name of the state file inside its folder.
pub const STATE_FILE: &str = "state.db";
/// Connections that read.
const READERS: usize = 2;
/// One in so many refused commits tries to take the reserve again.
const RESERVE_TRIES: u64 = 16;

/// The store on SQLite.
#[derive(Debug)]
pub struct Sqlite {
    dir: PathBuf,
    role: OpenRole,
    limits: Limits,
    writer: Mutex<Writer>,
    readers: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
    epoch: AtomicU64,
    reserve: Reserve,
    refused: AtomicU64,
    unreadable: AtomicU64,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    head: Option<HeadFile>,
}

impl Sqlite {
    /// Opens `state.db` in `dir`. A node makes both (folder 0700, file 0600) and migrates.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a visitor without a file, [`StoreError::NewerSchema`],
    /// [`StoreError::OlderSchema`] for a visitor, [`StoreError::Corrupt`],
    /// [`StoreError::ReadOnly`], [`StoreError::Full`].
    pub fn open(dir: &Path, role: OpenRole) -> Result<Self, StoreError> {
        Self::open_with(dir, role, &Options::default())
    }

    /// [`Sqlite::open`] with other than the default options.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(dir: &Path, role: OpenRole, options: &Options) -> Result<Self, StoreError> {
        let file = dir.join(STATE_FILE);
        let connection = match role {
            OpenRole::Node => open_node(dir, &file, options)?,
            OpenRole::Visitor => open_visitor(&file, options)?,
        };
        let head = match role {
            OpenRole::Node => Some(HeadFile::open(dir, |head| read::holds(&connection, head))?),
            OpenRole::Visitor => None,
        };
        let reserve = Reserve::new(dir, options.reserve_bytes);
        if role == OpenRole::Node {
            take_if_there_is_space(&reserve)?;
        }
        let readers = (0..READERS).map(|_| Ok(Mutex::new(connect(&file, options)?)));
        Ok(Self {
            dir: dir.to_path_buf(),
            role,
            limits: options.limits,
            writer: Mutex::new(Writer { connection, head }),
            readers: readers.collect::<Result<_, StoreError>>()?,
            turn: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
            reserve,
            refused: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
        })
    }

    /// SQLite's own check of the whole file; slow, for `vertice doctor`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first complaint.
    pub fn check(&self) -> Result<(), StoreError> {
        self.read(|connection| {
            let sql = "PRAGMA quick_check(1)";
            let said: String = connection.query_row(sql, [], |row| row.get(0))?;
            if said == "ok" {
                Ok(())
            } else {
                Err(StoreError::Corrupt(said))
            }
        })
    }

    fn read<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let reader = self
            .readers
            .get(turn % READERS)
            .or_else(|| self.readers.first());
        let reader = reader.ok_or_else(|| StoreError::Other("no reader".to_owned()))?;
        question(&lock(reader))
    }

    fn body<T: serde::de::DeserializeOwned>(
        &self,
        sql: &str,
        id: &[u8; 16],
    ) -> Result<Option<T>, StoreError> {
        self.read(|connection| read::one(connection, sql, [id]))
    }

    fn bodies<T: serde::de::DeserializeOwned>(
        &self,
        sql: &str,
        id: &[u8; 16],
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        let limit = read::bounded(limit, PAGE_MAX);
        self.read(|connection| {
            let key = rusqlite::params![id, limit];
            read::many(connection, sql, key, &self.unreadable)
        })
    }

    /// One transaction on the writer's connection; on disk when it returns `Ok`.
    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<(T, Option<AuditHead>), StoreError>,
    ) -> Result<T, StoreError> {
        let mut guard = lock(&self.writer);
        let Writer { connection, head } = &mut *guard;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (done, chain) = work(&transaction)?;
        transaction.commit()?;
        if let (Some(file), Some(end)) = (head, chain) {
            // The commit stands whatever becomes of this: a head that lags breaks nothing.
            drop(file.write(end));
        }
        Ok(done)
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.write(|transaction| {
            self.check_fence(transaction, changes)?;
            let mut batch = write::Batch::new(transaction, &self.limits);
            for change in changes {
                batch.apply(change)?;
            }
            Ok(((), batch.finish()?))
        })
    }

    fn check_fence(&self, connection: &Connection, changes: &[Change]) -> Result<(), StoreError> {
        let owned = self.epoch.load(Ordering::SeqCst);
        let asked = changes.iter().any(|change| matches!(change, Change::Fence));
        if owned == 0 && !asked {
            return Ok(());
        }
        let newest = newest_epoch(connection)?;
        if owned == newest && owned != 0 {
            Ok(())
        } else {
            Err(StoreError::Fenced { owned, newest })
        }
    }

    /// While the reserve is gone only undo goes through; now and then it is taken again.
    fn check_space(&self) -> Result<(), StoreError> {
        if self.role == OpenRole::Visitor || self.reserve.held() {
            return Ok(());
        }
        let refused = self.refused.fetch_add(1, Ordering::Relaxed);
        if refused.is_multiple_of(RESERVE_TRIES) {
            self.reserve.take()
        } else {
            Err(StoreError::Full)
        }
    }
}

fn take_if_there_is_space(reserve: &Reserve) -> Result<(), StoreError> {
    match reserve.take() {
        Err(StoreError::Full) => Ok(()), // opens all the same: undo must go on
        taken => taken,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic inside a transaction rolled it back; the connection itself is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn newest_epoch(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT value FROM counters WHERE name = 'epoch'";
    read::number(connection, sql, [])
}

impl Store for Sqlite {
    fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.role == OpenRole::Visitor && !changes.iter().all(write::visitor_may) {
            let text = "only the node writes this; others decide and manage accounts";
            return Err(StoreError::Other(text.to_owned()));
        }
        let dissolves = changes.iter().any(write::dissolves);
        if !dissolves {
            self.check_space()?;
        }
        match self.apply(&changes) {
            Err(StoreError::Full) if dissolves => {
                self.reserve.release()?;
                self.apply(&changes)
            }
            done => done,
        }
    }

    fn take_epoch(&self) -> Result<u64, StoreError> {
        if self.role == OpenRole::Visitor {
            return Err(StoreError::Other("only a node takes an epoch".to_owned()));
        }
        let sql = "INSERT INTO counters(name, value) VALUES('epoch', 1)
            ON CONFLICT(name) DO UPDATE SET value = value + 1";
        let epoch = self.write(|transaction| {
            transaction.execute(sql, [])?;
            Ok((newest_epoch(transaction)?, None))
        })?;
        self.epoch.store(epoch, Ordering::SeqCst);
        Ok(epoch)
    }

    fn incident(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        self.body("SELECT body FROM incidents WHERE id = ?1", id.bytes())
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        self.read(|connection| read::incidents(connection, query, &self.unreadable))
    }

    fn incident_counts(&self) -> Result<Vec<(IncidentState, Severity, u64)>, StoreError> {
        self.read(read::incident_counts)
    }

    fn finding(&self, id: FindingId) -> Result<Option<Finding>, StoreError> {
        self.body("SELECT body FROM findings WHERE id = ?1", id.bytes())
    }

    fn findings_of(&self, incident: IncidentId, limit: usize) -> Result<Vec<Finding>, StoreError> {
        let sql = "SELECT body FROM findings WHERE incident = ?1
            ORDER BY time_us DESC, sequence DESC LIMIT ?2";
        self.bodies(sql, incident.bytes(), limit)
    }

    fn evidence(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.body("SELECT body FROM evidence WHERE id = ?1", id.bytes())
    }

    fn plan(&self, id: PlanId) -> Result<Option<Plan>, StoreError> {
        self.body("SELECT body FROM plans WHERE id = ?1", id.bytes())
    }

    fn plans_of(&self, incident: IncidentId) -> Result<Vec<Plan>, StoreError> {
        let sql = "SELECT body FROM plans WHERE incident = ?1
            ORDER BY created_us DESC, sequence DESC LIMIT ?2";
        self.bodies(sql, incident.bytes(), PAGE_MAX)
    }

    fn receipt(&self, id: ReceiptId) -> Result<Option<Receipt>, StoreError> {
        self.body("SELECT body FROM receipts WHERE id = ?1", id.bytes())
    }

    fn receipts_of(&self, plan: PlanId) -> Result<Vec<Receipt>, StoreError> {
        let sql = "SELECT body FROM receipts WHERE plan = ?1 ORDER BY sequence DESC LIMIT ?2";
        let mut receipts: Vec<Receipt> = self.bodies(sql, plan.bytes(), PAGE_MAX)?;
        receipts.reverse();
        Ok(receipts)
    }

    fn latest_receipt(&self, action: ActionId) -> Result<Option<Receipt>, StoreError> {
        let sql = "SELECT body FROM receipts WHERE action = ?1 ORDER BY sequence DESC LIMIT 1";
        self.body(sql, action.bytes())
    }

    fn receipts(&self, query: &ReceiptQuery) -> Result<Vec<Receipt>, StoreError> {
        self.read(|connection| read::receipts(connection, query, &self.unreadable))
    }

    fn approvals(&self, waiting_only: bool, limit: usize) -> Result<Vec<Approval>, StoreError> {
        let limit = read::bounded(limit, PAGE_MAX);
        let sql = "SELECT body FROM approvals WHERE waiting = 1 ORDER BY ends_us LIMIT ?1";
        let waiting: Vec<Approval> =
            self.read(|connection| read::many(connection, sql, [limit], &self.unreadable))?;
        let left = limit.saturating_sub(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
        if waiting_only || left == 0 {
            return Ok(waiting);
        }
        let sql = "SELECT body FROM approvals WHERE waiting = 0 ORDER BY asked_us DESC LIMIT ?1";
        let over = self.read(|connection| read::many(connection, sql, [left], &self.unreadable))?;
        Ok(waiting.into_iter().chain(over).collect())
    }

    fn approval(&self, id: ActionId) -> Result<Option<Approval>, StoreError> {
        self.body("SELECT body FROM approvals WHERE id = ?1", id.bytes())
    }

    fn decide(&self, decision: &Decision) -> Result<DecisionTicket, StoreError> {
        let once = || self.write(|transaction| Ok((write::decide(transaction, decision)?, None)));
        match once() {
            Err(StoreError::Full) => {
                self.reserve.release()?; // it may be the wish to undo
                once()
            }
            done => done,
        }
    }

    fn decisions_after(
        &self,
        ticket: DecisionTicket,
        limit: usize,
    ) -> Result<Vec<NumberedDecision>, StoreError> {
        self.read(|connection| read::decisions_after(connection, ticket, limit, &self.unreadable))
    }

    fn decision_answer(
        &self,
        ticket: DecisionTicket,
    ) -> Result<Option<DecisionAnswer>, StoreError> {
        self.read(|connection| read::decision_answer(connection, ticket))
    }

    fn journal(&self, after: u64, limit: usize) -> Result<Vec<(u64, JournalRecord)>, StoreError> {
        self.read(|connection| read::journal(connection, after, limit))
    }

    fn journal_head(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(sequence), 0) FROM audit";
        self.read(|connection| read::number(connection, sql, []))
    }

    fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        self.read(|connection| read::audit(connection, after, limit))
    }

    fn verify_audit(&self) -> Result<AuditReport, StoreError> {
        // The head first: rows written meanwhile come after it, never before.
        let (stored, damaged) = match files::read_head(&self.dir) {
            StoredHead::Missing => (None, false),
            StoredHead::Damaged => (None, true),
            StoredHead::Is(head) => (Some(head), false),
        };
        let mut walk = Walk::new(stored);
        loop {
            match self.read(|connection| read::walk(connection, &mut walk))? {
                Ok(true) => {}
                Err(broken) => return Ok(walk.finish(Some(broken))),
                Ok(false) => break,
            }
        }
        let sequence = walk.head().sequence;
        let fault = AuditFault::HeadUnreadable;
        Ok(walk.finish(damaged.then_some(AuditBreak { sequence, fault })))
    }

    fn outbox(
        &self,
        outbox: Outbox,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.read(|connection| read::outbox(connection, outbox, after, limit))
    }

    fn outbox_head(&self, outbox: Outbox) -> Result<u64, StoreError> {
        self.read(|connection| read::outbox_head(connection, outbox))
    }

    fn offsets(&self) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT stream, state FROM offsets ORDER BY stream";
        self.read(|connection| read::pairs(connection, sql))
    }

    fn snapshot(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT bytes FROM snapshots WHERE name = ?1";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_row([name], |row| row.get(0)).optional()?)
        })
    }

    fn value(&self, key: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM vals WHERE key = ?1";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_row([key], |row| row.get(0)).optional()?)
        })
    }

    fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        self.read(|connection| Ok(read::users(connection, Some(name))?.into_iter().next()))
    }

    fn users(&self) -> Result<Vec<User>, StoreError> {
        self.read(|connection| read::users(connection, None))
    }

    fn session(&self, token_hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        self.read(|connection| read::session(connection, token_hash))
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let limit = limit.min(BATCH_ROWS_MAX);
        self.read(|connection| read::dead_letters(connection, limit))
    }

    fn dead_letter_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM dead_letters";
        self.read(|connection| read::number(connection, sql, []))
    }

    fn dead_letter(&self, id: u64) -> Result<Option<DeadLetter>, StoreError> {
        let found = self.dead_letters_after(id.saturating_sub(1), 1)?;
        Ok(found.into_iter().find(|letter| letter.id == id))
    }

    fn dead_letters_after(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(|connection| read::dead_letters_after(connection, after, limit))
    }

    fn dropped(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT substr(name, 9), value FROM counters WHERE name GLOB 'dropped:*'
            ORDER BY name";
        let rows: Vec<(String, i64)> = self.read(|connection| read::pairs(connection, sql))?;
        Ok(rows
            .into_iter()
            .map(|(table, rows)| (table, read::unsigned(rows)))
            .collect())
    }

    fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    fn change_marker(&self) -> Result<u64, StoreError> {
        // Always the same connection, and one that never writes: its data version then moves
        // with each commit of anybody, our own writer included.
        let reader = self.readers.first();
        let reader = reader.ok_or_else(|| StoreError::Other("no reader".to_owned()))?;
        let sql = "PRAGMA data_version";
        read::number(&lock(reader), sql, [])
    }

    fn maintain(&self) -> Result<(), StoreError> {
        // On a reader's connection and passively: commits go on meanwhile.
        let reader = self.readers.last();
        let reader = reader.ok_or_else(|| StoreError::Other("no reader".to_owned()))?;
        let sql = "PRAGMA wal_checkpoint(PASSIVE)";
        Ok(lock(reader).query_row(sql, [], |_| Ok(()))?)
    }

    fn release_reserve(&self) -> Result<(), StoreError> {
        self.reserve.release()
    }

    fn reserve_held(&self) -> bool {
        self.reserve.held()
    }
}
