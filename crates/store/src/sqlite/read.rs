//! The questions, as SQL. Each takes one snapshot of the file.

use std::sync::atomic::{AtomicU64, Ordering};

use event::decision::DecisionAnswer;
use event::journal::{JournalEntry, JournalRecord};
use event::{IncidentState, Severity, Time};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::audit::{AuditBreak, AuditFault, AuditHead, AuditRow, RawRow, Walk};
use crate::records::{
    BATCH_ROWS_MAX, DeadLetter, DecisionTicket, IncidentQuery, NumberedDecision, OUTBOX_BYTES_MAX,
    Outbox, OutboxRow, PAGE_MAX, ReceiptQuery, Session, User, UserRole,
};

/// Rows of the audit log read in one transaction, so that a long walk does not hold back the
/// write-ahead log.
const WALK_ROWS: i64 = 10_000;

/// A body by a key.
pub(super) fn one<T: DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    key: impl Params,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let body: Option<String> = statement.query_row(key, |row| row.get(0)).optional()?;
    body.map(|text| parse(&text)).transpose()
}

/// Bodies; those that cannot be understood are left out and counted.
pub(super) fn many<T: DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    key: impl Params,
    unreadable: &AtomicU64,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_str().ok();
        match body.and_then(|text| serde_json::from_str(text).ok()) {
            Some(item) => found.push(item),
            None => {
                unreadable.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Ok(found)
}

pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A limit or offset as SQL takes it.
pub(super) fn bounded(asked: usize, most: usize) -> i64 {
    i64::try_from(asked.min(most)).unwrap_or(i64::MAX)
}

/// A sequence as SQL takes it; beyond all rows when it does not fit.
pub(super) fn sequence(after: u64) -> i64 {
    i64::try_from(after).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Position of a severity, for order.
pub(super) const fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 1,
        Severity::Medium => 2,
        Severity::High => 3,
        Severity::Critical => 4,
    }
}

pub(super) const fn state_word(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "open",
        IncidentState::Contained => "contained",
        IncidentState::Closed => "closed",
    }
}

pub(super) fn incidents<T: DeserializeOwned>(
    connection: &Connection,
    query: &IncidentQuery,
    unreadable: &AtomicU64,
) -> Result<Vec<T>, StoreError> {
    let sql = "SELECT body FROM incidents
        WHERE (?1 IS NULL OR state = ?1) AND severity >= ?2
        ORDER BY changed DESC LIMIT ?3 OFFSET ?4";
    let key = params![
        query.state.map(state_word),
        query.severity_min.map_or(0, rank),
        bounded(query.limit, PAGE_MAX),
        bounded(query.offset, usize::MAX),
    ];
    many(connection, sql, key, unreadable)
}

pub(super) fn incident_counts(
    connection: &Connection,
) -> Result<Vec<(IncidentState, Severity, u64)>, StoreError> {
    let sql = "SELECT state, severity, count(*) FROM incidents GROUP BY state, severity";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        counts.push((state_of(row)?, severity_of(row)?, unsigned(row.get(2)?)));
    }
    Ok(counts)
}

fn state_of(row: &Row<'_>) -> Result<IncidentState, StoreError> {
    let word: String = row.get(0)?;
    let states = [
        IncidentState::Open,
        IncidentState::Contained,
        IncidentState::Closed,
    ];
    let found = states.into_iter().find(|state| state_word(*state) == word);
    found.ok_or_else(|| StoreError::Corrupt(format!("incident state {word:?}")))
}

fn severity_of(row: &Row<'_>) -> Result<Severity, StoreError> {
    let number: i64 = row.get(1)?;
    let found = Severity::ALL
        .into_iter()
        .find(|severity| rank(*severity) == number);
    found.ok_or_else(|| StoreError::Corrupt(format!("severity {number}")))
}

pub(super) fn receipts<T: DeserializeOwned>(
    connection: &Connection,
    query: &ReceiptQuery,
    unreadable: &AtomicU64,
) -> Result<Vec<T>, StoreError> {
    let sql = match (query.standing_only, query.incident.is_some()) {
        (true, true) => {
            "SELECT body FROM receipts WHERE latest = 1 AND stands = 1 AND incident = ?3
             ORDER BY sequence DESC LIMIT ?1 OFFSET ?2"
        }
        (true, false) => {
            "SELECT body FROM receipts WHERE latest = 1 AND stands = 1 AND ?3 IS NULL
             ORDER BY sequence DESC LIMIT ?1 OFFSET ?2"
        }
        (false, true) => {
            "SELECT body FROM receipts WHERE incident = ?3
             ORDER BY sequence DESC LIMIT ?1 OFFSET ?2"
        }
        (false, false) => {
            "SELECT body FROM receipts WHERE ?3 IS NULL
             ORDER BY sequence DESC LIMIT ?1 OFFSET ?2"
        }
    };
    let incident = query.incident.map(|id| *id.bytes());
    let limit = bounded(query.limit, PAGE_MAX);
    let key = params![limit, bounded(query.offset, usize::MAX), incident];
    many(connection, sql, key, unreadable)
}

pub(super) fn decisions_after(
    connection: &Connection,
    ticket: DecisionTicket,
    limit: usize,
    unreadable: &AtomicU64,
) -> Result<Vec<NumberedDecision>, StoreError> {
    let sql = "SELECT ticket, body FROM decisions
        WHERE answer IS NULL AND ticket > ?1 ORDER BY ticket LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![ticket.0, bounded(limit, BATCH_ROWS_MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_str().ok();
        match body.and_then(|text| serde_json::from_str(text).ok()) {
            Some(decision) => found.push((DecisionTicket(row.get(0)?), decision)),
            None => {
                unreadable.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Ok(found)
}

pub(super) fn decision_answer(
    connection: &Connection,
    ticket: DecisionTicket,
) -> Result<Option<DecisionAnswer>, StoreError> {
    let sql = "SELECT answer FROM decisions WHERE ticket = ?1 AND answer IS NOT NULL";
    one(connection, sql, [ticket.0])
}

pub(super) fn journal(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, JournalRecord)>, StoreError> {
    let sql = "SELECT sequence, time_us, who, body FROM audit
        WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![sequence(after), bounded(limit, BATCH_ROWS_MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let number = unsigned(row.get(0)?);
        let entry: JournalEntry = serde_json::from_str(row.get_ref(3)?.as_str().unwrap_or(""))
            .map_err(|error| StoreError::Corrupt(format!("journal record {number}: {error}")))?;
        let time = Time::from_micros(row.get(1)?);
        found.push((
            number,
            JournalRecord {
                time,
                who: row.get(2)?,
                entry,
            },
        ));
    }
    Ok(found)
}

pub(super) fn audit(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<AuditRow>, StoreError> {
    let mut statement = connection.prepare_cached(AUDIT_AFTER)?;
    let mut rows = statement.query(params![sequence(after), bounded(limit, BATCH_ROWS_MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(AuditRow {
            sequence: unsigned(row.get(0)?),
            time: Time::from_micros(row.get(1)?),
            who: row.get(2)?,
            what: row.get(3)?,
            body: row.get(4)?,
            previous: row.get(5)?,
            hash: row.get(6)?,
        });
    }
    Ok(found)
}

const AUDIT_AFTER: &str = "SELECT sequence, time_us, who, what, body, previous, hash
    FROM audit WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

/// Goes on with a walk by at most [`WALK_ROWS`] rows; false at the end of the log.
pub(super) fn walk(
    connection: &Connection,
    walk: &mut Walk,
) -> Result<Result<bool, AuditBreak>, StoreError> {
    let mut statement = connection.prepare_cached(AUDIT_AFTER)?;
    // The first page has no lower end: a row with a sequence below 1 must show.
    let after = if walk.head().sequence == 0 {
        i64::MIN
    } else {
        sequence(walk.head().sequence)
    };
    let mut rows = statement.query(params![after, WALK_ROWS])?;
    let mut any = false;
    while let Some(row) = rows.next()? {
        any = true;
        let unreadable = AuditBreak {
            sequence: walk.head().sequence.saturating_add(1),
            fault: AuditFault::Unreadable,
        };
        let step = raw(row).map_or(Err(unreadable), |raw| walk.step(&raw));
        if let Err(broken) = step {
            return Ok(Err(broken));
        }
    }
    Ok(Ok(any))
}

fn raw<'row>(row: &'row Row<'_>) -> Option<RawRow<'row>> {
    let text = |at: usize| row.get_ref(at).ok()?.as_str().ok().map(str::as_bytes);
    let blob = |at: usize| row.get_ref(at).ok()?.as_blob().ok();
    Some(RawRow {
        sequence: row.get_ref(0).ok()?.as_i64().ok()?,
        time_us: row.get_ref(1).ok()?.as_i64().ok()?,
        who: text(2)?,
        what: text(3)?,
        body: text(4)?,
        previous: blob(5)?,
        hash: blob(6)?,
    })
}

/// The last row of the audit log.
pub(super) fn audit_head(connection: &Connection) -> Result<AuditHead, StoreError> {
    let sql = "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let head = statement
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(head.map_or(AuditHead::START, |(sequence, hash)| AuditHead {
        sequence: unsigned(sequence),
        hash,
    }))
}

/// Does the log hold the row that a head names?
pub(super) fn holds(connection: &Connection, head: AuditHead) -> Result<bool, StoreError> {
    let sql = "SELECT hash FROM audit WHERE sequence = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let key = [sequence(head.sequence)];
    let hash: Option<[u8; 32]> = statement.query_row(key, |row| row.get(0)).optional()?;
    Ok(hash == Some(head.hash) || head == AuditHead::START)
}

/// A single number; 0 where there is no row.
pub(super) fn number(
    connection: &Connection,
    sql: &str,
    key: impl Params,
) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let found: Option<i64> = statement.query_row(key, |row| row.get(0)).optional()?;
    Ok(found.map_or(0, unsigned))
}

/// Pairs of two columns.
pub(super) fn pairs<A, B>(connection: &Connection, sql: &str) -> Result<Vec<(A, B)>, StoreError>
where
    A: rusqlite::types::FromSql,
    B: rusqlite::types::FromSql,
{
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn users(connection: &Connection, name: Option<&str>) -> Result<Vec<User>, StoreError> {
    let sql = "SELECT name, role, password_hash, created_us FROM users
        WHERE ?1 IS NULL OR name = ?1 ORDER BY name";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([name])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(User {
            name: row.get(0)?,
            role: role_of(row, 1)?,
            password_hash: row.get(2)?,
            created: Time::from_micros(row.get(3)?),
        });
    }
    Ok(found)
}

fn role_of(row: &Row<'_>, at: usize) -> Result<UserRole, StoreError> {
    let word: String = row.get(at)?;
    word.parse().map_err(StoreError::Corrupt)
}

pub(super) fn session(
    connection: &Connection,
    token_hash: &[u8; 32],
) -> Result<Option<Session>, StoreError> {
    let sql = "SELECT user, sessions.role, users.role, csrf, sessions.created_us, expires_us
        FROM sessions JOIN users ON users.name = sessions.user WHERE token_hash = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([token_hash])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(Session {
        token_hash: *token_hash,
        user: row.get(0)?,
        role: role_of(row, 1)?.min(role_of(row, 2)?),
        csrf: row.get(3)?,
        created: Time::from_micros(row.get(4)?),
        expires: Time::from_micros(row.get(5)?),
    }))
}

pub(super) fn dead_letters(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let sql = "SELECT id, time_us, stage, reason, stream, position, bytes FROM dead_letters
        ORDER BY id DESC LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([bounded(limit, BATCH_ROWS_MAX)], letter)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn letter(row: &Row<'_>) -> Result<DeadLetter, rusqlite::Error> {
    Ok(DeadLetter {
        id: unsigned(row.get(0)?),
        time: Time::from_micros(row.get(1)?),
        stage: row.get(2)?,
        reason: row.get(3)?,
        stream: row.get(4)?,
        position: unsigned(row.get(5)?),
        bytes: row.get(6)?,
    })
}

pub(super) fn dead_letters_after(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let sql = "SELECT id, time_us, stage, reason, stream, position, bytes FROM dead_letters
        WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![sequence(after), bounded(limit, BATCH_ROWS_MAX)])?;
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    while let Some(row) = rows.next()? {
        let letter = letter(row)?;
        bytes = bytes.saturating_add(letter.bytes.len());
        found.push(letter);
        if bytes >= OUTBOX_BYTES_MAX {
            break;
        }
    }
    Ok(found)
}

pub(super) fn outbox(
    connection: &Connection,
    outbox: Outbox,
    after: u64,
    limit: usize,
) -> Result<Vec<OutboxRow>, StoreError> {
    let sql = match outbox {
        Outbox::Findings => {
            "SELECT sequence, body FROM findings WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"
        }
        Outbox::Incidents => {
            "SELECT changed, body FROM incidents WHERE changed > ?1 ORDER BY changed LIMIT ?2"
        }
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![sequence(after), bounded(limit, BATCH_ROWS_MAX)])?;
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    while let Some(row) = rows.next()? {
        let body: String = row.get(1)?;
        bytes = bytes.saturating_add(body.len());
        found.push(OutboxRow {
            sequence: unsigned(row.get(0)?),
            body,
        });
        if bytes >= OUTBOX_BYTES_MAX {
            break;
        }
    }
    Ok(found)
}

pub(super) fn outbox_head(connection: &Connection, outbox: Outbox) -> Result<u64, StoreError> {
    let sql = match outbox {
        Outbox::Findings => "SELECT coalesce(max(sequence), 0) FROM findings",
        Outbox::Incidents => "SELECT coalesce(max(changed), 0) FROM incidents",
    };
    number(connection, sql, [])
}
