//! Gates: who must agree before a step acts. One pure table (guide 04, section 7).
//!
//! Rows are how sure we are, columns are who is hit and whether it can be taken back. What the
//! table gives is only ever made stricter: by records that anyone could have made up, by the
//! stage, by the mode `ask`, by the playbook's author ([`stricter`]), by a rail.
//!
//! Absent on purpose: waiting, counting votes, clocks: those are the engine's.

use event::{Confidence, Gate, Mode, Reversibility, Severity, Stage, Ttl};

/// An approval waits this long, seconds; silence denies.
pub const APPROVE_SECONDS: u32 = 900;
/// A veto window that the table gives, seconds; silence lets it run.
pub const VETO_SECONDS: u32 = 120;
/// Life of an automatic effect on an internal asset that nobody ratifies, seconds.
pub const RATIFY_SECONDS: u32 = 900;
/// Longest automatic effect while confidence is below 90 % or severity below high, seconds.
pub const SHORT_TTL_SECONDS: u32 = 3600;

/// What the table looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateInput {
    /// Severity of the incident.
    pub severity: Severity,
    /// Confidence of the incident.
    pub confidence: Confidence,
    /// Is the target inside our own networks?
    pub internal: bool,
    /// Is it one of the assets whose loss hurts most?
    pub critical: bool,
    /// Whether and how the effect ends.
    pub reversibility: Reversibility,
    /// Does any of it rest on records that anyone could have made up?
    pub spoofable: bool,
    /// What the engine may do by itself.
    pub mode: Mode,
    /// Stage of the containment ladder.
    pub stage: Stage,
    /// Independent detectors that say so: the stage `secondary` acts by itself only from 2.
    pub detectors: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Certain,
    Likely,
    Possible,
    Weak,
}

/// The gate of a step, and why, in one sentence.
///
/// Mode `observe` decides as `act` does: the engine simulates, so that what is shown is what would
/// have happened.
pub fn matrix(input: GateInput) -> (Gate, String) {
    let row = row(input);
    let gate = cell(row, input);
    let mut why = format!("{}, {}", row_words(row, input), target_words(input));
    let demands = [
        (input.spoofable, "anyone could have written these records"),
        (
            input.stage == Stage::Secondary && input.detectors < 2,
            "one detector alone does not start the second stage",
        ),
        (input.mode == Mode::Ask, "mode ask"),
    ];
    let mut strict = gate;
    for (demanded, reason) in demands {
        if demanded && gate_rank(strict) < gate_rank(approve(1)) {
            strict = approve(1);
            why.push_str("; ");
            why.push_str(reason);
        }
    }
    (strict, why)
}

/// The longest life that the table lets an effect have by itself; `None` where the playbook's own
/// limit is enough.
pub fn ttl_limit(input: GateInput) -> Option<Ttl> {
    let automatic = matches!(matrix(input).0, Gate::Auto | Gate::Ratify { .. });
    if automatic && row(input) != Row::Certain {
        Ttl::new(u64::from(SHORT_TTL_SECONDS)).ok()
    } else {
        None
    }
}

/// The stricter of two gates: the author of a playbook can only ask for more.
pub fn stricter(one: Gate, other: Gate) -> Gate {
    match (one, other) {
        (Gate::Ratify { seconds: a }, Gate::Ratify { seconds: b }) => {
            Gate::Ratify { seconds: a.min(b) }
        }
        (Gate::Veto { seconds: a }, Gate::Veto { seconds: b }) => Gate::Veto { seconds: a.max(b) },
        (Gate::Approve { persons: a, .. }, Gate::Approve { persons: b, .. }) => approve(a.max(b)),
        _ if gate_rank(one) >= gate_rank(other) => one,
        _ => other,
    }
}

/// An approval by `persons` different persons within [`APPROVE_SECONDS`].
pub const fn approve(persons: u8) -> Gate {
    Gate::Approve {
        persons,
        seconds: APPROVE_SECONDS,
    }
}

const fn gate_rank(gate: Gate) -> u8 {
    match gate {
        Gate::Auto => 0,
        Gate::Ratify { .. } => 1,
        Gate::Veto { .. } => 2,
        Gate::Approve { .. } => 3,
        Gate::Deny => 4,
    }
}

fn row(input: GateInput) -> Row {
    let confidence = input.confidence.get();
    if confidence >= 0.90 && input.severity >= Severity::High {
        Row::Certain
    } else if confidence >= 0.70 {
        Row::Likely
    } else if confidence >= 0.50 {
        Row::Possible
    } else {
        Row::Weak
    }
}

/// The table of guide 04, section 7.
fn cell(row: Row, input: GateInput) -> Gate {
    const RATIFY: Gate = Gate::Ratify {
        seconds: RATIFY_SECONDS,
    };
    const VETO: Gate = Gate::Veto {
        seconds: VETO_SECONDS,
    };
    // Columns: external, internal, internal and critical, irreversible.
    let cells = match row {
        Row::Certain => [Gate::Auto, RATIFY, VETO, approve(1)],
        Row::Likely => [Gate::Auto, VETO, approve(1), approve(2)],
        Row::Possible => [reflex_only(input.stage), approve(1), approve(2), Gate::Deny],
        Row::Weak => [Gate::Deny; 4],
    };
    let [external, internal, critical, irreversible] = cells;
    match (input.reversibility, input.critical, input.internal) {
        (Reversibility::Irreversible, _, _) => irreversible,
        (_, true, _) => critical,
        (_, false, true) => internal,
        (_, false, false) => external,
    }
}

/// Between 50 % and 70 % only the mildest stage acts by itself; the rest is a person's.
const fn reflex_only(stage: Stage) -> Gate {
    match stage {
        Stage::Reflex => Gate::Auto,
        Stage::Primary | Stage::Secondary => approve(1),
    }
}

fn row_words(row: Row, input: GateInput) -> String {
    let (confidence, severity) = (input.confidence, input.severity);
    match row {
        Row::Weak => format!("{confidence} sure: below 50 % it is only shown"),
        _ => format!("{confidence} sure, severity {severity}"),
    }
}

const fn target_words(input: GateInput) -> &'static str {
    match (input.reversibility, input.critical, input.internal) {
        (Reversibility::Irreversible, _, _) => "cannot be undone",
        (_, true, _) => "critical target of our own",
        (_, false, true) => "target of our own, ends by itself",
        (_, false, false) => "external target, ends by itself",
    }
}

#[cfg(test)]
mod tests;
