//! Sentences for an incident's timeline out of what was planned, done and decided.

use std::collections::HashSet;

use event::journal::{JournalEntry, JournalRecord};
use event::{
    Incident, IncidentId, IncidentState, Plan, Receipt, TimelineEntry, TimelineKind, hostile,
};
use store::{Change, Store};

/// "Plan: …" for a new plan or revision.
pub fn of_plan(plan: &Plan) -> TimelineEntry {
    let steps: Vec<&str> = plan
        .steps
        .iter()
        .map(|step| step.sentence.as_str())
        .collect();
    TimelineEntry {
        time: plan.created,
        kind: TimelineKind::Plan,
        text: format!("{} ({}): {}", plan.playbook, plan.key, steps.join("; ")),
        reference: plan.id.to_string(),
    }
}

/// The story line of a journal record, where it has one.
pub fn of_record(record: &JournalRecord) -> Option<(IncidentId, TimelineEntry)> {
    match &record.entry {
        JournalEntry::Receipt { receipt } => Some((receipt.incident, of_receipt(receipt))),
        JournalEntry::Gate { approval } => {
            let who = approval.approved_by.last();
            let text = match (&approval.ended, who) {
                (Some(ended), _) => format!("{}: {}", approval.step.sentence, hostile(ended)),
                (None, Some(who)) => {
                    format!("{}: {} said yes", approval.step.sentence, hostile(who))
                }
                (None, None) => format!("{}: waits for a person", approval.step.sentence),
            };
            let reference = approval.id.to_string();
            let time = record.time;
            let entry = TimelineEntry {
                time,
                kind: TimelineKind::Decision,
                text,
                reference,
            };
            Some((approval.incident, entry))
        }
        _ => None,
    }
}

fn of_receipt(receipt: &Receipt) -> TimelineEntry {
    let action = receipt.action.kind().word();
    let target = receipt.action.target();
    TimelineEntry {
        time: receipt.time,
        kind: TimelineKind::Receipt,
        text: format!("{action} {target}: {}, {}", receipt.outcome, receipt.detail),
        reference: receipt.id.to_string(),
    }
}

/// The incident that used to go by `former`, closed with a pointer to the one that it became part
/// of: readers who hold the old id must find the story.
pub fn merged(store: &dyn Store, former: IncidentId, into: &Incident) -> Option<Incident> {
    if former == into.id {
        return None;
    }
    let mut incident = store.incident(former).ok().flatten()?;
    incident.state = IncidentState::Closed;
    incident.revision += 1;
    incident.timeline.push(TimelineEntry {
        time: into.last,
        kind: TimelineKind::Finding,
        text: format!("became part of {}", into.id),
        reference: into.id.to_string(),
    });
    Some(incident)
}

/// The receipt inside a journal record.
pub fn receipt_of(record: &JournalRecord) -> Option<&Receipt> {
    if let JournalEntry::Receipt { receipt } = &record.entry {
        Some(receipt)
    } else {
        None
    }
}

/// Of several states of one incident in a transaction only the last need be written.
pub fn newest_incidents(changes: Vec<Change>) -> Vec<Change> {
    let mut seen = HashSet::new();
    let mut kept: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes.into_iter().rev() {
        let repeated = matches!(&change, Change::Incident(incident) if !seen.insert(incident.id));
        if !repeated {
            kept.push(change);
        }
    }
    kept.reverse();
    kept
}
