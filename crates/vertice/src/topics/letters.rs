//! `vertice dlq replay`, the node's side: dead letters go through their stream's parser again, as
//! after an upgrade. What becomes an event is written to the log and goes the way of every event;
//! its letter goes in the same transaction.
//!
//! The wish and its answer are two values of the store: the command line may write values, and one
//! wish at a time is enough (it holds a lock). A wish that a crash cut short is begun again: what
//! was done is then gone from the letters. Letters are never parsed again unasked.

use std::collections::VecDeque;

use event::journal::{JournalEntry, JournalRecord};
use segment::LogError;
use serde::{Deserialize, Serialize};
use sources::Parsed;
use store::{Change, DEAD_LETTER_BYTES_MAX, DeadLetter};

use crate::pipeline::{Draft, Pipeline};

/// Key of the value with the wish.
pub(crate) const WISH: &str = "dlq/wish";
/// Key of the value with the answer.
pub(crate) const ANSWER: &str = "dlq/answer";
/// Letters parsed again in one turn.
const LETTERS_A_TURN: usize = 512;
/// Letters that one wish can name.
pub(crate) const IDS_MAX: usize = 1000;
/// The hop whose letters can be parsed again.
const PARSE: &str = "parse";

/// Which letters shall be parsed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LetterWish {
    /// Names the wish.
    pub(crate) ticket: i64,
    /// Whose wish it is.
    pub(crate) who: String,
    /// These; all if none is named.
    pub(crate) ids: Option<Vec<u64>>,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LetterAnswer {
    /// The wish.
    pub(crate) ticket: i64,
    /// Letter by letter.
    pub(crate) letters: Vec<Became>,
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Became {
    /// The letter.
    pub(crate) id: u64,
    /// `event`, `nothing`, `bad`, `cut`, `other_stage` or `gone`.
    pub(crate) became: String,
    /// The event's id, or why it is no event; escaped.
    pub(crate) detail: String,
}

impl Became {
    fn new(id: u64, became: &str, detail: String) -> Self {
        Self {
            id,
            became: became.into(),
            detail,
        }
    }

    /// Is the letter done with, now or before?
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.became.as_str(), "event" | "nothing")
    }
}

/// The wish at work.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    work: Option<Work>,
    /// The last wish that was looked at.
    seen: Option<i64>,
}

#[derive(Debug)]
struct Work {
    wish: LetterWish,
    left: Left,
    done: Vec<Became>,
}

#[derive(Clone, Debug)]
enum Left {
    Ids(VecDeque<u64>),
    /// Those after this number, up to that one.
    Range(u64, u64),
}

impl Pipeline {
    /// Carries out a wish about dead letters, some letters a turn.
    ///
    /// # Errors
    /// The log or the store refused: the node must stop or retry.
    pub(crate) fn letters(&mut self, draft: &mut Draft) -> anyhow::Result<()> {
        if self.degraded.is_some() || self.desk.waits() {
            return Ok(()); // no room: the wish waits with everything else
        }
        let Some(mut work) = self.letter_work()? else {
            return Ok(());
        };
        let before = (work.left.clone(), work.done.len());
        let letters = self.next_letters(&mut work)?;
        if letters.is_empty() {
            self.answer(work, draft)?;
            return Ok(());
        }
        let (usable, others): (Vec<DeadLetter>, Vec<DeadLetter>) = letters
            .into_iter()
            .partition(|letter| unusable(letter).is_none());
        let parsed = match self.desk.again(&usable) {
            Err(error @ LogError::NoSpace { .. }) => {
                tracing::warn!(%error, "dead letters are parsed again later");
                work.left = before.0;
                work.done.truncate(before.1);
                self.letters.work = Some(work);
                return Ok(());
            }
            parsed => parsed?,
        };
        work.done.extend(others.iter().filter_map(unusable));
        for (letter, (parsed, known)) in usable.iter().zip(parsed) {
            work.done.push(self.became(letter.id, parsed, known, draft));
        }
        self.letters.work = Some(work);
        Ok(())
    }

    /// The wish at work, or a new one.
    fn letter_work(&mut self) -> anyhow::Result<Option<Work>> {
        if let Some(work) = self.letters.work.take() {
            return Ok(Some(work));
        }
        let Some(text) = self.store.value(WISH)? else {
            return Ok(None);
        };
        let Ok(wish) = serde_json::from_str::<LetterWish>(&text) else {
            return Ok(None); // nobody waits for an answer to it
        };
        if self.letters.seen.replace(wish.ticket) == Some(wish.ticket) {
            return Ok(None);
        }
        let answered = self.store.value(ANSWER)?;
        let answered = answered.and_then(|text| serde_json::from_str::<LetterAnswer>(&text).ok());
        if answered.is_some_and(|answer| answer.ticket == wish.ticket) {
            return Ok(None);
        }
        let left = match &wish.ids {
            Some(ids) => Left::Ids(ids.iter().copied().take(IDS_MAX).collect()),
            None => {
                let newest = self.store.dead_letters(1)?;
                Left::Range(0, newest.first().map_or(0, |letter| letter.id))
            }
        };
        Ok(Some(Work {
            wish,
            left,
            done: Vec::new(),
        }))
    }

    fn next_letters(&self, work: &mut Work) -> anyhow::Result<Vec<DeadLetter>> {
        let mut found = Vec::new();
        match &mut work.left {
            Left::Range(after, last) => {
                found = self.store.dead_letters_after(*after, LETTERS_A_TURN)?;
                found.retain(|letter| letter.id <= *last);
                *after = found.last().map_or(*last, |letter| letter.id);
            }
            Left::Ids(ids) => {
                // A letter holds 1 MiB at most: one by one until there is something to do.
                while let (true, Some(id)) = (found.is_empty(), ids.pop_front()) {
                    match self.store.dead_letter(id)? {
                        Some(letter) => found.push(letter),
                        None => {
                            let detail = "there is no such dead letter".into();
                            work.done.push(Became::new(id, "gone", detail));
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// `known`: a crash came between log and store, and the restart has seen the event.
    fn became(&mut self, id: u64, parsed: Parsed, known: bool, draft: &mut Draft) -> Became {
        let became = match parsed {
            Parsed::Event(event) => {
                let detail = event.id.to_string();
                if !known {
                    self.memory.events += 1;
                    self.observe(event, draft);
                }
                Became::new(id, "event", detail)
            }
            Parsed::Nothing(reason) => Became::new(id, "nothing", reason.word().to_owned()),
            Parsed::Bad(reason) => Became::new(id, "bad", event::hostile(&reason.to_string())),
        };
        if became.is_done() {
            draft.changes.push(Change::RemoveDeadLetter(id));
        }
        self.metrics.replayed(&became.became);
        became
    }

    /// The answer, and a note of it in the audit log.
    fn answer(&self, work: Work, draft: &mut Draft) -> anyhow::Result<()> {
        let Work { wish, done, .. } = work;
        let events = done
            .iter()
            .filter(|letter| letter.became == "event")
            .count();
        let all = done.len();
        let text = format!("{all} dead letters parsed again, {events} became events");
        draft.changes.push(Change::Journal(JournalRecord {
            time: self.clock.now(),
            who: event::hostile(&wish.who),
            entry: JournalEntry::Notice { text },
        }));
        let answer = LetterAnswer {
            ticket: wish.ticket,
            letters: done,
        };
        draft.changes.push(Change::Value {
            key: ANSWER.into(),
            value: serde_json::to_string(&answer)?,
        });
        Ok(())
    }
}

/// Why a letter cannot be parsed again, if so.
fn unusable(letter: &DeadLetter) -> Option<Became> {
    if letter.stage != PARSE {
        let detail = format!(
            "stage {} cannot be done again",
            event::hostile(&letter.stage)
        );
        return Some(Became::new(letter.id, "other_stage", detail));
    }
    let is_cut =
        letter.bytes.len() >= DEAD_LETTER_BYTES_MAX && letter.reason.contains("(cut from ");
    is_cut.then(|| Became::new(letter.id, "cut", "its end was not kept".into()))
}
