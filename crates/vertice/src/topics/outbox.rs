//! Rows of the store as messages: which key, which time, which bytes.
//!
//! Nouns go out as they lie in the store. What belongs together has one key: findings their site,
//! incidents their id, plans, approvals and receipts the target, the audit log its writer.

use bus::Message;
use event::journal::JournalEntry;
use event::{IncidentId, Plan, Time};
use serde::Deserialize;
use serde_json::json;
use store::{AuditRow, Outbox, OutboxRow};

/// A row of an outbox.
#[derive(Debug)]
pub(super) struct Row {
    /// Its place.
    pub(super) sequence: u64,
    /// What it becomes; nothing if it is for another topic.
    pub(super) message: Option<Message>,
}

/// Of an incident only what is its key: the rest may be long.
#[derive(Deserialize)]
struct Named {
    id: IncidentId,
}

/// A row of the journal: the noun that it carries if one is named by `kind`, itself if none is.
pub(super) fn of_journal(row: AuditRow, kind: Option<&'static str>) -> Row {
    let sequence = row.sequence;
    let message = match kind {
        None => Some(of_audit(row)),
        Some(kind) if kind == row.what => Some(of_entry(row)),
        Some(_) => None,
    };
    Row { sequence, message }
}

/// The whole row with its hashes, so that the chain can be checked from the topic alone.
fn of_audit(row: AuditRow) -> Message {
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (previous, hash): (String, String) = (hexadecimal(&row.previous), hexadecimal(&row.hash));
    let record = json!({"sequence": row.sequence, "time": row.time, "who": row.who,
        "what": row.what, "body": row.body, "previous": previous, "hash": hash});
    Message {
        key: row.who,
        time: row.time,
        bytes: record.to_string().into_bytes(),
    }
}

/// The plan, wait or receipt of a record. A body that this program does not understand goes out
/// as it is, without a key: a consumer may know it.
fn of_entry(row: AuditRow) -> Message {
    let time = row.time;
    let message = |key: String, noun: Result<Vec<u8>, serde_json::Error>| {
        noun.ok().map(|bytes| Message { key, time, bytes })
    };
    let known = match serde_json::from_str(&row.body) {
        Ok(JournalEntry::Planned { plan }) => message(target(&plan), serde_json::to_vec(&plan)),
        Ok(JournalEntry::Gate { approval }) => {
            message(approval.step.action.target(), serde_json::to_vec(&approval))
        }
        Ok(JournalEntry::Receipt { receipt }) => {
            message(receipt.action.target(), serde_json::to_vec(&receipt))
        }
        Ok(_) | Err(_) => None,
    };
    known.unwrap_or_else(|| Message {
        key: String::new(),
        time,
        bytes: row.body.into_bytes(),
    })
}

/// A plan's steps act on one target as a rule; the first one's stands for all.
fn target(plan: &Plan) -> String {
    let first = plan.steps.first();
    first.map_or_else(|| plan.key.clone(), |step| step.action.target())
}

/// A finding or an incident. One that cannot be read goes out as it is.
pub(super) fn of_noun(outbox: Outbox, row: OutboxRow, site: &str, now: Time) -> Row {
    let key = match outbox {
        Outbox::Findings => site.to_owned(),
        Outbox::Incidents => serde_json::from_str::<Named>(&row.body)
            .map(|incident| incident.id.to_string())
            .unwrap_or_default(),
    };
    Row {
        sequence: row.sequence,
        message: Some(Message {
            key,
            // When it came to be known here: event time may be any.
            time: now,
            bytes: row.body.into_bytes(),
        }),
    }
}
