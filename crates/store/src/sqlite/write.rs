//! One commit: changes applied in order inside one transaction.

use event::decision::{Approval, ApprovalState, Decision, DecisionAnswer};
use event::journal::{JournalEntry, JournalRecord};
use event::{Event, Finding, Incident, IncidentId, Outcome, Plan, Receipt};
use rusqlite::{Params, Transaction, params};
use serde::Serialize;

use super::{Limits, read};
use crate::StoreError;
use crate::audit::{AuditHead, RawRow};
use crate::records::{
    BODY_BYTES_MAX, Change, DEAD_LETTER_BYTES_MAX, DECISIONS_WAITING_MAX, DeadLetter,
    DecisionTicket, SNAPSHOT_BYTES_MAX, Session, USERS_MAX, User,
};

/// Changes being applied.
pub(super) struct Batch<'t> {
    transaction: &'t Transaction<'t>,
    limits: &'t Limits,
    /// End of the audit chain; read at the first record, since others may have written.
    chain: Option<AuditHead>,
    grown: Grown,
}

/// Which bounded tables got rows, to be cut back at the end of the commit.
#[derive(Default)]
struct Grown {
    findings: bool,
    evidence: bool,
    incidents: bool,
    sessions: bool,
    dead_letters: bool,
}

impl<'t> Batch<'t> {
    pub(super) fn new(transaction: &'t Transaction<'t>, limits: &'t Limits) -> Self {
        Self {
            transaction,
            limits,
            chain: None,
            grown: Grown::default(),
        }
    }

    /// Applies one change. [`Change::Fence`] is judged before, by the caller.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::Incident(incident) => self.incident(incident),
            Change::Finding { incident, finding } => self.finding(*incident, finding),
            Change::Evidence(event) => self.evidence(event),
            Change::Plan(plan) => self.plan(plan),
            Change::Journal(record) => self.journal(record),
            Change::Answer { ticket, answer } => self.answer(*ticket, answer),
            Change::Offset { stream, state } => self.offset(stream, state),
            Change::Snapshot { name, bytes } => self.snapshot(name, bytes),
            Change::User(user) => self.user(user),
            Change::RemoveUser(name) => self.run("DELETE FROM users WHERE name = ?1", [name]),
            Change::Session(session) => self.session(session),
            Change::RemoveSession(hash) => {
                self.run("DELETE FROM sessions WHERE token_hash = ?1", [hash])
            }
            Change::Value { key, value } => self.value(key, value),
            Change::DeadLetter(letter) => self.dead_letter(letter),
            Change::RemoveDeadLetter(id) => self.remove_dead_letter(*id),
            Change::Fence => Ok(()),
        }
    }

    /// Cuts tables back to their limits; the new end of the audit chain, if it grew.
    pub(super) fn finish(self) -> Result<Option<AuditHead>, StoreError> {
        if self.grown.findings {
            self.keep_newest("findings", self.limits.findings)?;
        }
        if self.grown.evidence {
            self.keep_newest("evidence", self.limits.evidence)?;
        }
        if self.grown.incidents {
            self.trim_incidents()?;
        }
        if self.grown.sessions {
            self.trim_sessions()?;
        }
        if self.grown.dead_letters {
            self.trim_dead_letters()?;
        }
        Ok(self.chain)
    }

    fn run(&self, sql: &str, values: impl Params) -> Result<(), StoreError> {
        self.change(sql, values).map(drop)
    }

    /// Runs a statement; the number of rows it changed.
    fn change(&self, sql: &str, values: impl Params) -> Result<u64, StoreError> {
        let changed = self.transaction.prepare_cached(sql)?.execute(values)?;
        Ok(changed as u64)
    }

    fn incident(&mut self, incident: &Incident) -> Result<(), StoreError> {
        const CHANGED: &str = "(SELECT coalesce(max(changed), 0) + 1 FROM incidents)";
        let state = read::state_word(incident.state);
        let severity = read::rank(incident.severity);
        let values = params![incident.id.bytes(), state, severity, body(incident)?];
        let sql = format!(
            "UPDATE incidents SET state = ?2, severity = ?3, changed = {CHANGED}, body = ?4
             WHERE id = ?1"
        );
        if self.change(&sql, values)? > 0 {
            return Ok(());
        }
        self.grown.incidents = true;
        let sql = format!(
            "INSERT INTO incidents(id, state, severity, changed, body)
             VALUES(?1, ?2, ?3, {CHANGED}, ?4)"
        );
        self.run(&sql, values)
    }

    fn finding(&mut self, incident: IncidentId, finding: &Finding) -> Result<(), StoreError> {
        self.grown.findings = true;
        let sql = "INSERT INTO findings(id, incident, time_us, body) VALUES(?1, ?2, ?3, ?4)
            ON CONFLICT(id) DO UPDATE SET incident = excluded.incident,
                time_us = excluded.time_us, body = excluded.body";
        let time_us = finding.time.micros();
        self.run(
            sql,
            params![
                finding.id.bytes(),
                incident.bytes(),
                time_us,
                body(finding)?
            ],
        )
    }

    fn evidence(&mut self, event: &Event) -> Result<(), StoreError> {
        self.grown.evidence = true;
        let sql = "INSERT INTO evidence(id, body) VALUES(?1, ?2) ON CONFLICT(id) DO NOTHING";
        self.run(sql, params![event.id.bytes(), body(event)?])
    }

    fn plan(&self, plan: &Plan) -> Result<(), StoreError> {
        let sql = "INSERT INTO plans(id, incident, created_us, body) VALUES(?1, ?2, ?3, ?4)
            ON CONFLICT(id) DO UPDATE SET incident = excluded.incident,
                created_us = excluded.created_us, body = excluded.body";
        let created_us = plan.created.micros();
        self.run(
            sql,
            params![
                plan.id.bytes(),
                plan.incident.bytes(),
                created_us,
                body(plan)?
            ],
        )
    }

    fn journal(&mut self, record: &JournalRecord) -> Result<(), StoreError> {
        self.append(record)?;
        match &record.entry {
            JournalEntry::Planned { plan } => self.plan(plan),
            JournalEntry::Gate { approval } => self.approval(approval),
            JournalEntry::Receipt { receipt } => self.receipt(receipt),
            JournalEntry::Decided { decision, answer } => self.decided(decision, answer),
            JournalEntry::Intent { .. }
            | JournalEntry::UndoIntent { .. }
            | JournalEntry::Closed { .. }
            | JournalEntry::ModeSet { .. }
            | JournalEntry::Notice { .. } => Ok(()),
        }
    }

    /// Journal and audit log are the same rows.
    fn append(&mut self, record: &JournalRecord) -> Result<(), StoreError> {
        let head = match self.chain {
            Some(head) => head,
            None => read::audit_head(self.transaction)?,
        };
        let text = body(&record.entry)?;
        let what = word(&record.entry);
        let next = head.sequence.saturating_add(1);
        let mut row = RawRow {
            sequence: read::sequence(next),
            time_us: record.time.micros(),
            who: record.who.as_bytes(),
            what: what.as_bytes(),
            body: text.as_bytes(),
            previous: &head.hash,
            hash: &[],
        };
        let hash = row.hash_after(&head.hash);
        row.hash = &hash;
        let sql = "INSERT INTO audit(sequence, time_us, who, what, body, previous, hash)
            VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = params![
            row.sequence,
            row.time_us,
            record.who,
            what,
            text,
            head.hash,
            hash
        ];
        self.run(sql, values)?;
        self.chain = Some(AuditHead {
            sequence: next,
            hash,
        });
        Ok(())
    }

    fn approval(&self, approval: &Approval) -> Result<(), StoreError> {
        let sql = "INSERT INTO approvals(id, waiting, asked_us, ends_us, body)
            VALUES(?1, ?2, ?3, ?4, ?5)
            ON CONFLICT(id) DO UPDATE SET waiting = excluded.waiting,
                asked_us = excluded.asked_us, ends_us = excluded.ends_us, body = excluded.body";
        let waiting = approval.state == ApprovalState::Waiting;
        let (asked, ends) = (approval.asked.micros(), approval.ends.micros());
        self.run(
            sql,
            params![approval.id.bytes(), waiting, asked, ends, body(approval)?],
        )
    }

    fn receipt(&self, receipt: &Receipt) -> Result<(), StoreError> {
        let older = "UPDATE receipts SET latest = 0 WHERE action = ?1 AND latest = 1";
        self.run(older, [receipt.action_id.bytes()])?;
        // The same receipt again takes a new place: it is what is known last.
        let sql = "INSERT OR REPLACE INTO receipts(sequence, id, action, plan, incident, stands,
                latest, body)
            VALUES((SELECT coalesce(max(sequence), 0) + 1 FROM receipts), ?1, ?2, ?3, ?4, ?5, 1,
                ?6)";
        let values = params![
            receipt.id.bytes(),
            receipt.action_id.bytes(),
            receipt.plan.bytes(),
            receipt.incident.bytes(),
            receipt.outcome.stands(),
            body(receipt)?,
        ];
        self.run(sql, values)
    }

    /// The journal names a decision by content, not by ticket: the oldest such one that waits.
    fn decided(&self, decision: &Decision, answer: &DecisionAnswer) -> Result<(), StoreError> {
        let sql = "UPDATE decisions SET answer = ?1 WHERE ticket =
            (SELECT min(ticket) FROM decisions WHERE answer IS NULL AND body = ?2)";
        self.run(sql, params![body(answer)?, body(decision)?])
    }

    fn answer(&self, ticket: DecisionTicket, answer: &DecisionAnswer) -> Result<(), StoreError> {
        let sql = "UPDATE decisions SET answer = ?1 WHERE ticket = ?2";
        match self.change(sql, params![body(answer)?, ticket.0])? {
            0 => Err(StoreError::Other(format!(
                "there is no decision {}",
                ticket.0
            ))),
            _ => Ok(()),
        }
    }

    fn offset(&self, stream: &str, state: &str) -> Result<(), StoreError> {
        within("offset", state.len(), BODY_BYTES_MAX)?;
        let sql = "INSERT OR REPLACE INTO offsets(stream, state) VALUES(?1, ?2)";
        self.run(sql, [stream, state])
    }

    fn snapshot(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        within("snapshot", bytes.len(), SNAPSHOT_BYTES_MAX)?;
        let sql = "INSERT OR REPLACE INTO snapshots(name, bytes) VALUES(?1, ?2)";
        self.run(sql, params![name, bytes])
    }

    fn value(&self, key: &str, value: &str) -> Result<(), StoreError> {
        within("value", value.len(), BODY_BYTES_MAX)?;
        self.run(
            "INSERT OR REPLACE INTO vals(key, value) VALUES(?1, ?2)",
            [key, value],
        )
    }

    fn user(&self, user: &User) -> Result<(), StoreError> {
        let changed = "DELETE FROM sessions WHERE user = ?1 AND NOT EXISTS
            (SELECT 1 FROM users WHERE name = ?1 AND password_hash = ?2)";
        self.run(changed, [&user.name, &user.password_hash])?;
        let sql = "INSERT INTO users(name, role, password_hash, created_us)
            VALUES(?1, ?2, ?3, ?4)
            ON CONFLICT(name) DO UPDATE SET role = excluded.role,
                password_hash = excluded.password_hash, created_us = excluded.created_us";
        let created_us = user.created.micros();
        self.run(
            sql,
            params![user.name, user.role.word(), user.password_hash, created_us],
        )?;
        let users = read::number(self.transaction, "SELECT count(*) FROM users", [])?;
        if users > USERS_MAX {
            return Err(StoreError::Other(format!(
                "there are {USERS_MAX} accounts already"
            )));
        }
        Ok(())
    }

    fn session(&mut self, session: &Session) -> Result<(), StoreError> {
        self.grown.sessions = true;
        let known = "SELECT count(*) FROM users WHERE name = ?1";
        if read::number(self.transaction, known, [&session.user])? == 0 {
            return Err(StoreError::Other(format!(
                "there is no account {:?}",
                session.user
            )));
        }
        let sql = "INSERT OR REPLACE INTO sessions(token_hash, user, role, csrf, created_us,
                expires_us) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![
            session.token_hash,
            session.user,
            session.role.word(),
            session.csrf,
            session.created.micros(),
            session.expires.micros(),
        ];
        self.run(sql, values)
    }

    fn dead_letter(&mut self, letter: &DeadLetter) -> Result<(), StoreError> {
        self.grown.dead_letters = true;
        let kept = letter
            .bytes
            .get(..DEAD_LETTER_BYTES_MAX)
            .unwrap_or(&letter.bytes);
        let mut reason = letter.reason.clone();
        if kept.len() < letter.bytes.len() {
            reason = format!("{reason} (cut from {} bytes)", letter.bytes.len());
        }
        let digest = blake3::hash(&letter.bytes);
        let sql = "INSERT INTO dead_letters(time_us, stage, reason, stream, position, digest,
                bytes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT(stage, stream, position, digest) DO NOTHING";
        let values = params![
            letter.time.micros(),
            letter.stage,
            reason,
            letter.stream,
            read::sequence(letter.position),
            digest.as_bytes(),
            kept,
        ];
        if self.change(sql, values)? > 0 {
            self.count("dead_letter_bytes", kept.len() as u64)?;
        }
        Ok(())
    }

    fn remove_dead_letter(&self, id: u64) -> Result<(), StoreError> {
        let sql = "UPDATE counters SET value = value - coalesce(
                (SELECT length(bytes) FROM dead_letters WHERE id = ?1), 0)
            WHERE name = 'dead_letter_bytes'";
        self.run(sql, [read::sequence(id)])?;
        let sql = "DELETE FROM dead_letters WHERE id = ?1";
        self.run(sql, [read::sequence(id)])
    }

    fn count(&self, name: &str, more: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO counters(name, value) VALUES(?1, ?2)
            ON CONFLICT(name) DO UPDATE SET value = value + excluded.value";
        self.run(sql, params![name, read::sequence(more)])
    }

    fn dropped(&self, table: &str, rows: u64) -> Result<(), StoreError> {
        if rows == 0 {
            return Ok(());
        }
        self.count(&format!("dropped:{table}"), rows)
    }

    /// Keeps the last `most` rows of a table whose `sequence` only grows.
    fn keep_newest(&self, table: &'static str, most: u64) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM {table} WHERE sequence <= (SELECT max(sequence) FROM {table}) - ?1"
        );
        let gone = self.change(&sql, [read::sequence(most)])?;
        self.dropped(table, gone)
    }

    /// When there are too many incidents, one in a hundred goes, so that it is not done each time.
    fn trim_incidents(&self) -> Result<(), StoreError> {
        let most = self.limits.incidents;
        let all = read::number(self.transaction, "SELECT count(*) FROM incidents", [])?;
        if all <= most {
            return Ok(());
        }
        let excess = (all - most).saturating_add(most / 100);
        // The newest change stays: the next one must get a higher number.
        let sql = "DELETE FROM incidents WHERE id IN
            (SELECT id FROM incidents WHERE changed < (SELECT max(changed) FROM incidents)
             ORDER BY state = 'closed' DESC, changed LIMIT ?1)";
        let gone = self.change(sql, [read::sequence(excess)])?;
        self.dropped("incidents", gone)
    }

    fn trim_sessions(&self) -> Result<(), StoreError> {
        let sql = "DELETE FROM sessions WHERE token_hash IN
            (SELECT token_hash FROM sessions ORDER BY expires_us DESC LIMIT -1 OFFSET ?1)";
        let gone = self.change(sql, [read::sequence(self.limits.sessions)])?;
        self.dropped("sessions", gone)
    }

    fn trim_dead_letters(&self) -> Result<(), StoreError> {
        let over = "SELECT max(0, (SELECT count(*) FROM dead_letters) - ?1)";
        let excess = read::number(
            self.transaction,
            over,
            [read::sequence(self.limits.letters)],
        )?;
        for _ in 0..excess {
            self.drop_oldest_letter()?;
        }
        let bytes = "SELECT value FROM counters WHERE name = 'dead_letter_bytes'";
        while read::number(self.transaction, bytes, [])? > self.limits.letter_bytes {
            if !self.drop_oldest_letter()? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn drop_oldest_letter(&self) -> Result<bool, StoreError> {
        let sql = "UPDATE counters SET value = value - coalesce(
                (SELECT length(bytes) FROM dead_letters ORDER BY id LIMIT 1), 0)
            WHERE name = 'dead_letter_bytes'";
        self.run(sql, [])?;
        let sql = "DELETE FROM dead_letters WHERE id = (SELECT min(id) FROM dead_letters)";
        let gone = self.change(sql, [])?;
        self.dropped("dead_letters", gone)?;
        Ok(gone > 0)
    }
}

/// Writes a decision; refused when too many wait.
pub(super) fn decide(
    transaction: &Transaction<'_>,
    decision: &Decision,
) -> Result<DecisionTicket, StoreError> {
    let sql = "SELECT count(*) FROM decisions WHERE answer IS NULL";
    if read::number(transaction, sql, [])? >= DECISIONS_WAITING_MAX {
        let text = format!("{DECISIONS_WAITING_MAX} decisions wait already: does a node run?");
        return Err(StoreError::Other(text));
    }
    let mut statement = transaction.prepare_cached("INSERT INTO decisions(body) VALUES(?1)")?;
    let ticket = statement.insert([body(decision)?])?;
    Ok(DecisionTicket(ticket))
}

/// Does the change end effects? Such changes still go through when the disk is full.
pub(super) const fn dissolves(change: &Change) -> bool {
    let Change::Journal(record) = change else {
        return false;
    };
    match &record.entry {
        JournalEntry::UndoIntent { .. } | JournalEntry::Decided { .. } => true,
        JournalEntry::Receipt { receipt } => {
            matches!(receipt.outcome, Outcome::Undone | Outcome::Expired)
        }
        _ => false,
    }
}

/// May another process than the node make this change? Of the journal only notices: they tell
/// who changed an account, and the engine does nothing on them.
pub(super) const fn visitor_may(change: &Change) -> bool {
    if let Change::Journal(record) = change {
        return matches!(record.entry, JournalEntry::Notice { .. });
    }
    matches!(
        change,
        Change::User(_)
            | Change::RemoveUser(_)
            | Change::Session(_)
            | Change::RemoveSession(_)
            | Change::Value { .. }
    )
}

const fn word(entry: &JournalEntry) -> &'static str {
    match entry {
        JournalEntry::Planned { .. } => "planned",
        JournalEntry::Gate { .. } => "gate",
        JournalEntry::Intent { .. } => "intent",
        JournalEntry::UndoIntent { .. } => "undo_intent",
        JournalEntry::Receipt { .. } => "receipt",
        JournalEntry::Decided { .. } => "decided",
        JournalEntry::Closed { .. } => "closed",
        JournalEntry::ModeSet { .. } => "mode_set",
        JournalEntry::Notice { .. } => "notice",
    }
}

fn body(item: &impl Serialize) -> Result<String, StoreError> {
    let text = serde_json::to_string(item).map_err(|error| StoreError::Other(error.to_string()))?;
    within("record", text.len(), BODY_BYTES_MAX)?;
    Ok(text)
}

const fn within(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), StoreError> {
    if bytes > bytes_max {
        return Err(StoreError::TooLarge {
            what,
            bytes,
            bytes_max,
        });
    }
    Ok(())
}
