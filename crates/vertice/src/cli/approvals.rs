//! `vertice approvals`: what waits for a person, with everything needed to decide.

use event::decision::Approval;
use event::{Gate, Silence};
use store::Store;

use super::args::Approvals;
use super::config_verb::Place;
use super::{Failure, Printer, Verdict};

/// Waits shown in one call.
const LIMIT: usize = 200;

/// Prints them, oldest deadline first.
pub(crate) fn approvals(place: &Place, query: &Approvals, printer: &mut Printer) -> Verdict {
    let store = place.store()?;
    let found = store.approvals(!query.all, LIMIT)?;
    for approval in &found {
        if printer.json {
            printer.document(approval)?;
        } else {
            review(approval, printer)?;
        }
    }
    if found.is_empty() && !printer.json {
        printer.line("nothing waits for you")?;
    }
    Ok(true)
}

/// The same review as the console's page.
fn review(approval: &Approval, printer: &mut Printer) -> Result<(), Failure> {
    let step = &approval.step;
    printer.line(format!("{}  {}", approval.id, step.sentence))?;
    printer.line(format!("  because     {}", approval.title))?;
    printer.line(format!(
        "  gate        {}: {}",
        gate_words(&approval.gate),
        step.gate_why
    ))?;
    let reach = if step.blast.internal {
        "inside our networks"
    } else {
        "outside our networks"
    };
    printer.line(format!(
        "  touches     {} addresses, {reach}",
        step.blast.addresses
    ))?;
    for note in &step.blast.notes {
        printer.line(format!("              {note}"))?;
    }
    for line in &step.diff.removed {
        printer.line(format!("  -           {line}"))?;
    }
    for line in &step.diff.added {
        printer.line(format!("  +           {line}"))?;
    }
    printer.line(format!("  lasts       {}", step.ttl))?;
    printer.line(format!("  undo        {}", step.undo))?;
    let silence = silence_words(approval.gate.silence());
    printer.line(format!("  silence     until {}: {silence}", approval.ends))?;
    printer.line(format!(
        "  decide      vertice approve {} --reason …",
        approval.id
    ))?;
    printer.line("")
}

fn gate_words(gate: &Gate) -> String {
    match gate {
        Gate::Auto => "automatic".into(),
        Gate::Ratify { seconds } => format!("ratify within {seconds} s"),
        Gate::Veto { seconds } => format!("veto within {seconds} s"),
        Gate::Approve { persons, .. } => format!("approve ({persons} persons)"),
        Gate::Deny => "denied".into(),
    }
}

const fn silence_words(silence: Option<Silence>) -> &'static str {
    match silence {
        None => "nothing waits",
        Some(Silence::NothingIsDone) => "nothing is done",
        Some(Silence::ItRuns) => "it runs by itself",
        Some(Silence::ItDissolves) => "what was done dissolves",
    }
}
