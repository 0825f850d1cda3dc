//! One incident: what happened and what we did, one sentence an event, silence shown as silence.

use std::time::Duration;

use event::{Confidence, Finding, Incident, IncidentId, TimelineEntry, TimelineKind};
use serde::Serialize;
use store::{Store, StoreError};

use super::IncidentLine;
use super::actions::{self, ActionLine};
use crate::draw::bar;
use crate::frame::words::{self, Moment};
use crate::pages::approvals::review_evidence;

/// Silence at least this long is shown as a gap.
pub(crate) const GAP_MIN: Duration = Duration::from_secs(600);
/// Findings shown with their reasons, newest first.
pub(crate) const FINDINGS_SHOWN: usize = 20;
/// Actions shown; the rest is counted.
pub(crate) const ACTIONS_SHOWN: usize = 200;

/// What the page of one incident shows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Story {
    pub(crate) schema: &'static str,
    pub(crate) now: Moment,
    pub(crate) line: IncidentLine,
    pub(crate) incident: Incident,
    pub(crate) items: Vec<Item>,
    pub(crate) findings: Vec<FindingLine>,
    /// At most [`ACTIONS_SHOWN`].
    pub(crate) actions: Vec<ActionLine>,
    pub(crate) actions_total: usize,
}

/// One line of the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub(crate) enum Item {
    /// A new day begins.
    Day {
        /// The first event of that day.
        time: Moment,
    },
    /// Nothing was seen for this long.
    Gap {
        /// In words.
        length: String,
    },
    /// Something happened.
    Said {
        /// When.
        time: Moment,
        /// Our doing, not the attacker's.
        ours: bool,
        /// The word in front of what is ours.
        label: &'static str,
        /// One sentence.
        text: String,
    },
}

/// A finding with why it joined and what it rests on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FindingLine {
    pub(crate) time: Moment,
    pub(crate) joined: Option<String>,
    pub(crate) finding: Finding,
    pub(crate) evidence: Vec<crate::pages::approvals::EvidenceLine>,
}

impl FindingLine {
    pub(crate) fn bar(&self, value: &f64) -> crate::draw::Svg {
        bar::draw(value)
    }
}

impl Story {
    /// Reads it; `None` if there is no such incident.
    pub(crate) fn read(
        store: &dyn Store,
        id: IncidentId,
        now: Moment,
    ) -> Result<Option<Self>, StoreError> {
        let Some(incident) = store.incident(id)? else {
            return Ok(None);
        };
        let mut findings = Vec::new();
        for finding in store.findings_of(id, FINDINGS_SHOWN)? {
            let reason = incident
                .joins
                .iter()
                .find(|join| join.finding == finding.id);
            findings.push(FindingLine {
                time: Moment(finding.time),
                joined: reason.map(|join| join.why.clone()),
                evidence: review_evidence(store, &finding)?,
                finding,
            });
        }
        let mut actions = actions::of(store, id)?;
        let actions_total = actions.len();
        actions.truncate(ACTIONS_SHOWN);
        Ok(Some(Self {
            schema: "vertice.incident/1",
            now,
            line: IncidentLine::of(&incident),
            items: items(&incident.timeline),
            findings,
            actions,
            actions_total,
            incident,
        }))
    }

    pub(crate) fn state_word(&self) -> &'static str {
        super::state_word(self.incident.state)
    }

    pub(crate) fn state_class(&self) -> &'static str {
        super::state_class(self.incident.state)
    }

    pub(crate) fn strip(&self) -> crate::draw::Svg {
        crate::draw::tactics::draw(&self.incident.stage)
    }

    pub(crate) fn bar(&self, confidence: &Confidence) -> crate::draw::Svg {
        bar::draw(&confidence.get())
    }

    pub(crate) fn lasted(&self) -> String {
        words::span(self.incident.last.since(self.incident.first))
    }
}

/// Puts days and gaps between what happened. A plan that says what the plan before it said (a
/// revision with the same steps) is not told again.
pub(crate) fn items(timeline: &[TimelineEntry]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut before: Option<Moment> = None;
    let mut plan = "";
    for entry in timeline {
        if entry.kind == TimelineKind::Plan {
            if entry.text == plan {
                continue;
            }
            plan = &entry.text;
        }
        let time = Moment(entry.time);
        if let Some(before) = before {
            let silence = time.0.since(before.0);
            if silence >= GAP_MIN {
                let length = words::span(silence);
                items.push(Item::Gap { length });
            }
        }
        if !before.is_some_and(|before| before.same_day(time)) {
            items.push(Item::Day { time });
        }
        items.push(said(entry));
        before = Some(time);
    }
    items
}

fn said(entry: &TimelineEntry) -> Item {
    let label = match entry.kind {
        TimelineKind::Finding => "",
        TimelineKind::Plan => "plan",
        TimelineKind::Receipt => "action",
        TimelineKind::Decision => "decision",
    };
    Item::Said {
        time: Moment(entry.time),
        ours: entry.kind != TimelineKind::Finding,
        label,
        text: entry.text.clone(),
    }
}
