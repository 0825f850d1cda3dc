//! Everything that a person needs to decide one step.

use event::decision::{Approval, ApprovalState};
use event::{ActionId, Event, Finding, Plan, Receipt, ReceiptId};
use serde::Serialize;
use store::{Store, StoreError};

use crate::draw::bar;
use crate::frame::words::{Kind, Moment};

/// Events shown as evidence: the newest of the finding that moved the plan.
pub(crate) const EVIDENCE_SHOWN: usize = 3;

/// One step under review.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Review {
    pub(crate) approval: Approval,
    pub(crate) kind: Kind,
    pub(crate) asked: Moment,
    pub(crate) ends: Moment,
    pub(crate) plan: Option<Plan>,
    pub(crate) finding: Option<Finding>,
    pub(crate) evidence: Vec<EvidenceLine>,
    /// What the incident is called now; `None` if it is not kept any more.
    pub(crate) incident_title: Option<String>,
    /// What became of the step, once it was begun.
    pub(crate) receipt: Option<Receipt>,
}

/// An event that a finding rests on, as it was read.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EvidenceLine {
    pub(crate) time: Moment,
    pub(crate) stream: String,
    pub(crate) position: u64,
    pub(crate) raw: String,
}

impl EvidenceLine {
    fn of(event: Event) -> Self {
        Self {
            time: Moment(event.time),
            stream: event.origin.stream.as_str().to_owned(),
            position: event.origin.position,
            raw: event.raw,
        }
    }
}

/// The newest events that `finding` rests on, oldest first; events that retention took are left
/// out.
pub(crate) fn evidence_of(
    store: &dyn Store,
    finding: &Finding,
) -> Result<Vec<EvidenceLine>, StoreError> {
    let mut lines = Vec::new();
    for id in finding.evidence.iter().rev().take(EVIDENCE_SHOWN) {
        lines.extend(store.evidence(*id)?.map(EvidenceLine::of));
    }
    lines.sort_by_key(|line| (line.time, line.position));
    Ok(lines)
}

impl Review {
    /// Reads it; `None` if there is no such step.
    pub(crate) fn read(store: &dyn Store, id: ActionId) -> Result<Option<Self>, StoreError> {
        let Some(approval) = store.approval(id)? else {
            return Ok(None);
        };
        let incident = store.incident(approval.incident)?;
        let incident_title = incident.as_ref().map(|incident| incident.title.clone());
        let finding = incident.map(|incident| incident.latest);
        let evidence = match &finding {
            Some(finding) => evidence_of(store, finding)?,
            None => Vec::new(),
        };
        Ok(Some(Self {
            kind: Kind::of(approval.gate),
            asked: Moment(approval.asked),
            ends: Moment(approval.ends),
            plan: store.plan(approval.plan)?,
            finding,
            evidence,
            incident_title,
            receipt: store.latest_receipt(id)?,
            approval,
        }))
    }

    /// May somebody still decide?
    pub(crate) fn waits(&self) -> bool {
        self.approval.state == ApprovalState::Waiting
    }

    /// Is the plan that waits another than the one of this hash? Without a hash: no.
    pub(crate) fn differs(&self, shown: &str) -> bool {
        !shown.is_empty() && self.waits() && self.approval.plan_hash != shown
    }

    /// The incident, in its own words.
    pub(crate) fn because(&self) -> String {
        self.incident_title
            .clone()
            .unwrap_or_else(|| self.approval.title.clone())
    }

    /// Who ended the wait.
    pub(crate) fn ended(&self) -> Option<String> {
        self.approval.ended.as_deref().map(super::without_colon)
    }

    /// The receipt of an effect that stands.
    pub(crate) fn undoable(&self) -> Option<ReceiptId> {
        let receipt = self.receipt.as_ref()?;
        receipt.outcome.stands().then_some(receipt.id)
    }

    /// The command that says yes.
    pub(crate) fn command(&self) -> String {
        format!("vertice approve {}", self.approval.id)
    }

    pub(crate) fn state_word(&self) -> &'static str {
        super::state_word(self.approval.state)
    }

    /// Persons that have to say yes.
    pub(crate) fn persons(&self) -> u8 {
        match self.approval.gate {
            event::Gate::Approve { persons, .. } => persons,
            _ => 1,
        }
    }

    pub(crate) fn bar(&self, value: &f64) -> crate::draw::Svg {
        bar::draw(value)
    }
}
