//! `vertice approve`, `deny`, `undo`: writes a decision for the engine and waits for its answer.
//! Nothing here acts: the running node does, and says what became of it.

use std::str::FromStr;
use std::time::Duration;

use event::Clock;
use event::decision::{Decision, DecisionAnswer, Wish};
use store::{DecisionTicket, Store};

use super::args::{Undo, Word};
use super::config_verb::Place;
use super::status::living;
use super::{Failure, Printer, Verdict};
use crate::clock::SystemClock;

/// How long the node may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);

/// Yes to a waiting step, bound to the plan as it is now.
pub(crate) fn approve(place: &Place, word: &Word, printer: &mut Printer) -> Verdict {
    let action = id(&word.id)?;
    let store = place.store()?;
    let approval = store.approval(action)?.ok_or_else(|| {
        let failure = Failure::usage(format!("{action} waits for nobody"));
        failure.hint("vertice approvals lists what waits")
    })?;
    let wish = Wish::Approve {
        action,
        plan_hash: approval.plan_hash,
    };
    decide(place, wish, &word.reason, printer)
}

/// No to a waiting step.
pub(crate) fn deny(place: &Place, word: &Word, printer: &mut Printer) -> Verdict {
    decide(
        place,
        Wish::Deny {
            action: id(&word.id)?,
        },
        &word.reason,
        printer,
    )
}

/// Takes back an effect, a run, or everything.
pub(crate) fn undo(place: &Place, what: &Undo, printer: &mut Printer) -> Verdict {
    let wish = match (&what.receipt, &what.run, what.all) {
        (Some(receipt), ..) => Wish::Undo {
            receipt: id(receipt)?,
        },
        (None, Some(run), _) => Wish::UndoRun { plan: id(run)? },
        (None, None, true) => Wish::UndoAll,
        (None, None, false) => return Err(Failure::usage("name a receipt, --run or --all")),
    };
    decide(place, wish, "", printer)
}

fn id<T: FromStr<Err = event::IdError>>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|error| Failure::usage(error).hint("copy the id from vertice's output"))
}

fn decide(place: &Place, wish: Wish, reason: &str, printer: &mut Printer) -> Verdict {
    living(place)?;
    let store = place.store()?;
    let decision = Decision {
        who: who(),
        time: SystemClock.now(),
        reason: reason.into(),
        wish,
    };
    let ticket = store.decide(&decision)?;
    let answer = wait(&store, ticket)?;
    if printer.json {
        printer.document(&answer)?;
    } else {
        printer.line(&answer.detail)?;
    }
    Ok(answer.accepted)
}

fn wait(store: &store::Sqlite, ticket: DecisionTicket) -> Result<DecisionAnswer, Failure> {
    let deadline = SystemClock.elapsed() + PATIENCE;
    while SystemClock.elapsed() < deadline {
        if let Some(answer) = store.decision_answer(ticket)? {
            return Ok(answer);
        }
        std::thread::park_timeout(POLL);
    }
    Err(
        Failure::unreachable("the node did not answer in time; the decision is recorded")
            .hint("look at vertice status, then at vertice approvals"),
    )
}

/// The user as the system knows them; the numeric id where there is no name.
pub(super) fn who() -> String {
    let uid = rustix::process::getuid().as_raw();
    let names = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = names.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    format!("cli:{}", name.unwrap_or_else(|| uid.to_string()))
}
