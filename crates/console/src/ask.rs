//! Questions to the store, asked on a blocking thread.

use event::decision::{Decision, DecisionAnswer, Wish};
use std::time::Duration;
use store::{DecisionTicket, PAGE_MAX, Store, StoreError};

use crate::problem::Problem;
use crate::state::Shared;

/// How long a handler waits for the engine's answer to a decision.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How often it looks.
const ANSWER_POLL: Duration = Duration::from_millis(50);

/// How many there are, when a list of at most [`PAGE_MAX`] rows was read: its length, or what the
/// node itself counts where the list is full.
pub(crate) fn at_least(listed: usize, counted: u64) -> usize {
    if listed < PAGE_MAX {
        listed
    } else {
        listed.max(usize::try_from(counted).unwrap_or(usize::MAX))
    }
}

impl Shared {
    /// Asks the store something.
    pub(crate) async fn ask<T, F>(&self, question: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = self.app.store.clone();
        let answered = tokio::task::spawn_blocking(move || question(store.as_ref())).await;
        match answered {
            Ok(result) => result.map_err(Problem::Store),
            Err(_) => Err(Problem::Internal("a question to the store was lost")),
        }
    }

    /// Writes what a person wishes and waits for the engine's answer; `None` if it gave none yet.
    pub(crate) async fn decide(
        &self,
        user: &str,
        reason: String,
        wish: Wish,
    ) -> Result<(DecisionTicket, Option<DecisionAnswer>), Problem> {
        let decision = Decision {
            who: format!("console:{user}"),
            time: self.app.clock.now(),
            reason,
            wish,
        };
        let ticket = self.ask(move |store| store.decide(&decision)).await?;
        let answer = tokio::time::timeout(ANSWER_WAIT, self.answer(ticket)).await;
        for topic in crate::live::TOPICS {
            self.hub.note(topic);
        }
        match answer {
            Ok(answer) => Ok((ticket, Some(answer?))),
            Err(_elapsed) => Ok((ticket, None)),
        }
    }

    async fn answer(&self, ticket: DecisionTicket) -> Result<DecisionAnswer, Problem> {
        loop {
            let answer = self.ask(move |store| store.decision_answer(ticket)).await?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
            tokio::time::sleep(ANSWER_POLL).await;
        }
    }
}
