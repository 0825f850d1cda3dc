//! `vertice explain ID`: walks from an effect back to the log lines, one cause a line.

use event::{Event, EventId, Finding, FindingId, Id, Plan, Receipt};
use segment::Reader;
use serde::Serialize;
use serde_json::json;
use store::{Sqlite, Store};

use super::config_verb::Place;
use super::{Failure, Printer, Verdict};

/// Findings walked below one incident.
const FINDINGS_MAX: usize = 100;

struct Walk<'a> {
    store: Sqlite,
    place: &'a Place,
    printer: &'a mut Printer,
    depth: usize,
}

/// Prints the walk.
pub(crate) fn explain(place: &Place, id: &str, printer: &mut Printer) -> Verdict {
    let store = place.store()?;
    let mut walk = Walk {
        store,
        place,
        printer,
        depth: 0,
    };
    match id.get(..2) {
        Some("rc") => walk.receipt(parse(id)?)?,
        Some("ac") => walk.action(parse(id)?)?,
        Some("pl") => walk.plan(parse(id)?)?,
        Some("in") => walk.incident(parse(id)?)?,
        Some("fi") => walk.finding(parse(id)?)?,
        Some("ev") => walk.event(parse(id)?, None)?,
        _ => {
            return Err(Failure::usage(format!(
                "{:?} is not an id",
                event::hostile(id)
            )));
        }
    }
    Ok(true)
}

fn parse<K: event::Kind>(text: &str) -> Result<Id<K>, Failure> {
    text.parse().map_err(Failure::usage)
}

fn missing(id: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("{id} is not in this node's store"))
        .hint("check --state, and that the id is whole")
}

impl Walk<'_> {
    /// One noun of the walk: in JSON whole, else as a line and deeper ones below it.
    fn show(
        &mut self,
        noun: &str,
        value: &impl Serialize,
        lines: &[String],
    ) -> Result<(), Failure> {
        if self.printer.json {
            return self
                .printer
                .document(&json!({"noun": noun, "depth": self.depth, "value": value}));
        }
        let indent = "  ".repeat(self.depth);
        for line in lines {
            self.printer.line(format!("{indent}{line}"))?;
        }
        Ok(())
    }

    fn action(&mut self, id: event::ActionId) -> Result<(), Failure> {
        if let Some(receipt) = self.store.latest_receipt(id)? {
            return self.receipt_below(&receipt);
        }
        let approval = self.store.approval(id)?.ok_or_else(|| missing(id))?;
        let first = format!("{}  waits: {}", approval.id, approval.step.sentence);
        self.show("approval", &approval, &[first])?;
        self.depth += 1;
        self.plan(approval.plan)
    }

    fn receipt(&mut self, id: event::ReceiptId) -> Result<(), Failure> {
        let receipt = self.store.receipt(id)?.ok_or_else(|| missing(id))?;
        self.receipt_below(&receipt)
    }

    fn receipt_below(&mut self, receipt: &Receipt) -> Result<(), Failure> {
        let action = receipt.action.kind().word();
        let first = format!("{}  {action} {}", receipt.id, receipt.action.target());
        let second = format!(
            "    {} at {}: {}",
            receipt.outcome, receipt.time, receipt.detail
        );
        self.show("receipt", receipt, &[first, second])?;
        self.depth += 1;
        match self.store.plan(receipt.plan)? {
            Some(plan) => self.plan_lines(&plan)?,
            None => self.show(
                "missing",
                &receipt.plan,
                &[format!("{}  not kept", receipt.plan)],
            )?,
        }
        self.depth += 1;
        self.incident_lines(receipt.incident)?;
        self.depth += 1;
        self.finding(receipt.finding)
    }

    fn plan(&mut self, id: event::PlanId) -> Result<(), Failure> {
        let plan = self.store.plan(id)?.ok_or_else(|| missing(id))?;
        self.plan_lines(&plan)?;
        self.depth += 1;
        self.incident(plan.incident)
    }

    fn plan_lines(&mut self, plan: &Plan) -> Result<(), Failure> {
        let first = format!("{}  {} v{}", plan.id, plan.playbook, plan.playbook_version);
        self.show("plan", plan, &[first, format!("    {}", plan.sentence)])
    }

    fn incident_lines(&mut self, id: event::IncidentId) -> Result<(), Failure> {
        let Some(incident) = self.store.incident(id)? else {
            return self.show("missing", &id, &[format!("{id}  not kept")]);
        };
        let first = format!("{}  {}", incident.id, incident.title);
        let second = format!("    {}, {}", incident.severity, incident.confidence);
        self.show("incident", &incident, &[first, second])
    }

    fn incident(&mut self, id: event::IncidentId) -> Result<(), Failure> {
        if self.store.incident(id)?.is_none() {
            return Err(missing(id));
        }
        self.incident_lines(id)?;
        self.depth += 1;
        for finding in self.store.findings_of(id, FINDINGS_MAX)? {
            self.finding_below(&finding)?;
        }
        Ok(())
    }

    fn finding(&mut self, id: FindingId) -> Result<(), Failure> {
        let finding = self.store.finding(id)?.ok_or_else(|| missing(id))?;
        self.finding_below(&finding)
    }

    fn finding_below(&mut self, finding: &Finding) -> Result<(), Failure> {
        let techniques: Vec<String> = finding.techniques.iter().map(ToString::to_string).collect();
        let first = format!("{}  {}", finding.id, finding.why);
        let second = format!("    {} {}", finding.rule.id, techniques.join(" "));
        self.show("finding", finding, &[first, second])?;
        self.depth += 1;
        for id in &finding.evidence {
            self.event(*id, Some(finding))?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// An event from the store, or from the log where the store does not hold it.
    fn event(&mut self, id: EventId, finding: Option<&Finding>) -> Result<(), Failure> {
        let found = match self.store.evidence(id)? {
            Some(event) => Some(event),
            None => self.logged(id, finding)?,
        };
        let Some(event) = found else {
            return match finding {
                Some(_) => self.show("missing", &id, &[format!("{id}  no longer in the log")]),
                None => Err(missing(id)),
            };
        };
        let place = format!("{} at {}", event.origin.stream, event.origin.position);
        let first = format!("{}  {}  {place}", event.id, event.time);
        let second = format!("    {}", event::hostile(&event.raw));
        self.show("event", &event, &[first, second])
    }

    fn logged(&self, id: EventId, finding: Option<&Finding>) -> Result<Option<Event>, Failure> {
        let folder = self.place.state()?.join("log");
        let (first, last) = finding.map_or(
            (event::Time::from_micros(i64::MIN), event::Time::MAX),
            |finding| (finding.first, finding.time),
        );
        let mut reader = Reader::between(&folder, first, last).map_err(Failure::internal)?;
        let wanted = id.to_string();
        while let Some(record) = reader.next_record().map_err(Failure::internal)? {
            // Cheap look before the JSON is read.
            let head = record.bytes.get(..64).unwrap_or(&record.bytes);
            if !String::from_utf8_lossy(head).contains(&wanted) {
                continue;
            }
            if let Ok(event) = serde_json::from_slice::<Event>(&record.bytes) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}
