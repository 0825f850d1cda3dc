//! The demo's report: what happened, what was done, how it was undone, how long each hop took.

use std::time::Duration;

use event::{Finding, Incident, Outcome, Receipt, ReceiptId};
use serde::Serialize;

use crate::pipeline::Turn;

/// Findings and receipts kept for the report.
const ROWS_MAX: usize = 200;

/// One checked step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What should be so.
    pub what: String,
    /// Was it found so?
    pub verified: bool,
    /// What was seen.
    pub detail: String,
}

/// How long one hop took.
#[derive(Clone, Debug, Serialize)]
pub struct Hop {
    /// From where to where.
    pub name: &'static str,
    /// Milliseconds.
    pub took_ms: f64,
}

/// Everything that the demo saw.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Did it enforce, or only observe?
    pub enforced: bool,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// Hops in order.
    pub hops: Vec<Hop>,
    /// Findings in order.
    pub findings: Vec<String>,
    /// Incident titles.
    pub incidents: Vec<String>,
    /// What was done, in order.
    pub receipts: Vec<String>,
    /// The packet filter while the block stood.
    pub rules: String,
    /// The receipt of the attacker's block.
    pub receipt: Option<ReceiptId>,
}

impl Report {
    pub(super) const fn new(enforced: bool) -> Self {
        Self {
            enforced,
            steps: Vec::new(),
            hops: Vec::new(),
            findings: Vec::new(),
            incidents: Vec::new(),
            receipts: Vec::new(),
            rules: String::new(),
            receipt: None,
        }
    }

    /// Did every step verify?
    pub fn passed(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.verified)
    }

    pub(super) fn check(&mut self, what: &str, verified: bool, detail: &str) {
        let (what, detail) = (what.into(), detail.into());
        self.steps.push(Step {
            what,
            verified,
            detail,
        });
    }

    pub(super) fn turn(&mut self, turn: &Turn) {
        turn.findings
            .iter()
            .for_each(|finding| self.finding(finding));
        for (_, took) in &turn.line_to_effect {
            self.hop("telling line read → effect read back", *took);
        }
        turn.receipts.iter().for_each(|receipt| self.done(receipt));
    }

    fn finding(&mut self, finding: &Finding) {
        if self.findings.len() < ROWS_MAX {
            self.findings
                .push(format!("{}: {}", finding.detector, finding.why));
        }
    }

    fn done(&mut self, receipt: &Receipt) {
        if self.receipts.len() < ROWS_MAX {
            let (action, target) = (receipt.action.kind().word(), receipt.action.target());
            self.receipts
                .push(format!("{action} {target}: {}", receipt.outcome));
        }
        let took = receipt.time.since(receipt.intended);
        if receipt.outcome == Outcome::Verified {
            self.hop("intent journalled → effect read back", took);
        }
    }

    /// The first time that a hop was seen counts: later ones may have waited for it.
    fn hop(&mut self, name: &'static str, took: Duration) {
        if self.hops.iter().all(|hop| hop.name != name) {
            self.hops.push(Hop {
                name,
                took_ms: took.as_secs_f64() * 1000.0,
            });
        }
    }

    pub(super) fn incident(&mut self, incident: &Incident) {
        self.incidents
            .push(format!("{} {}", incident.severity, incident.title));
    }
}
