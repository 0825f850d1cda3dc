//! What the engine said to a decision, shown on the page that the person is sent back to.

use event::decision::DecisionAnswer;
use serde::{Deserialize, Serialize};
use store::DecisionTicket;

use crate::problem::Problem;
use crate::state::Shared;

/// A page may be asked to show what became of a decision.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// Number of the decision.
    ticket: Option<i64>,
}

/// A line above the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    /// Was it carried out? `None` while nobody knows.
    pub(crate) accepted: Option<bool>,
    /// The short word in front.
    pub(crate) title: &'static str,
    /// The engine's words.
    pub(crate) detail: String,
}

impl Note {
    /// Of an answer, or of silence so far.
    pub(crate) fn of(answer: Option<&DecisionAnswer>) -> Self {
        match answer {
            None => Self {
                accepted: None,
                title: "Written down",
                detail: "The engine has not answered yet. Nothing is lost: it reads decisions \
                         when it comes back."
                    .to_owned(),
            },
            Some(answer) if answer.accepted => Self {
                accepted: Some(true),
                title: "Done",
                detail: answer.detail.clone(),
            },
            Some(answer) => Self {
                accepted: Some(false),
                title: if answer.detail.starts_with("stale") {
                    "Stale"
                } else {
                    "Refused"
                },
                detail: answer.detail.clone(),
            },
        }
    }

    /// The plan on the page is not the plan that waits any more.
    pub(crate) fn stale() -> Self {
        Self {
            accepted: Some(false),
            title: "Stale",
            detail: "stale: the plan changed after it was shown to you, so nothing was done. \
                     This is the plan as it now stands."
                .to_owned(),
        }
    }

    /// The class of its box.
    pub(crate) fn class(&self) -> &'static str {
        match self.accepted {
            Some(true) => "note-good",
            Some(false) => "note-bad",
            None => "",
        }
    }
}

impl Asked {
    /// The note that was asked for.
    pub(crate) async fn note(&self, shared: &Shared) -> Result<Option<Note>, Problem> {
        let Some(ticket) = self.ticket.map(DecisionTicket) else {
            return Ok(None);
        };
        let answer = shared
            .ask(move |store| store.decision_answer(ticket))
            .await?;
        Ok(Some(Note::of(answer.as_ref())))
    }
}
