//! `vertice dlq`: records that could not be read, and another try. Nothing here parses: the running
//! node does, with the stream's own parser, and says what became of each.

use std::fs::File;
use std::time::Duration;

use event::Clock;
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde_json::json;
use store::{Change, DeadLetter, Sqlite, Store};

use super::args::{DlqReplay, DlqVerb};
use super::config_verb::Place;
use super::decide::who;
use super::output::say;
use super::status::living;
use super::{Failure, Printer, Verdict};
use crate::clock::SystemClock;
use crate::topics::letters::{ANSWER, Became, IDS_MAX, LetterAnswer, LetterWish, WISH};

/// How long the node may take: it parses some hundred letters each half second.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Held while a wish waits, so that a second one does not take its place.
const LOCK_FILE: &str = "dlq.lock";
/// Letters shown in one call; each may hold 1 MiB.
const LIST_MAX: usize = 10_000;

/// Does the verb.
pub(crate) fn dlq(place: &Place, verb: DlqVerb, printer: &mut Printer) -> Verdict {
    match verb {
        DlqVerb::List { limit } => list(place, limit, printer),
        DlqVerb::Replay(which) => replay(place, which, printer),
    }
}

fn list(place: &Place, limit: usize, printer: &mut Printer) -> Verdict {
    let store = place.store()?;
    let letters = store.dead_letters(limit.min(LIST_MAX))?;
    if letters.is_empty() && !printer.json {
        printer.line("no dead letters: every record was understood")?;
    }
    for letter in &letters {
        show(letter, printer)?;
    }
    Ok(true)
}

fn show(letter: &DeadLetter, printer: &mut Printer) -> Result<(), Failure> {
    let bytes = event::hostile(&String::from_utf8_lossy(&letter.bytes));
    let (stage, reason) = (
        event::hostile(&letter.stage),
        event::hostile(&letter.reason),
    );
    let stream = event::hostile(&letter.stream);
    if printer.json {
        return printer.document(
            &json!({"id": letter.id, "time": letter.time, "stage": stage,
            "reason": reason, "stream": stream, "position": letter.position, "bytes": bytes,
            "length": letter.bytes.len()}),
        );
    }
    let DeadLetter {
        id, time, position, ..
    } = letter;
    printer.line(format!("{id}  {time}  {stage}: {reason}"))?;
    printer.line(format!("    {stream} at {position}"))?;
    printer.line(format!("    {bytes}"))
}

fn replay(place: &Place, which: DlqReplay, printer: &mut Printer) -> Verdict {
    if which.ids.len() > IDS_MAX {
        let what = format!("{} letters named, the limit is {IDS_MAX}", which.ids.len());
        return Err(Failure::usage(what).hint("name fewer, or --all"));
    }
    living(place)?;
    let store = place.store()?;
    let _lock = lock(place)?;
    let wish = LetterWish {
        ticket: SystemClock.now().micros(),
        who: who(),
        ids: (!which.all).then_some(which.ids),
    };
    let value = serde_json::to_string(&wish).map_err(Failure::internal)?;
    let key = WISH.to_owned();
    store.commit(vec![Change::Value { key, value }])?;
    let answer = wait(&store, wish.ticket)?;
    for letter in &answer.letters {
        tell(letter, printer)?;
    }
    if answer.letters.is_empty() && !printer.json {
        printer.line("no dead letters: nothing to do")?;
    }
    Ok(answer.letters.iter().all(Became::is_done))
}

fn tell(letter: &Became, printer: &mut Printer) -> Result<(), Failure> {
    if printer.json {
        return printer.document(letter);
    }
    let Became { id, became, detail } = letter;
    let words = match became.as_str() {
        "event" => "is an event now, and kept:",
        "nothing" => "holds no event, and rightly so:",
        "bad" => "still cannot be read:",
        "gone" => "is gone:",
        _ => "stays as it is:",
    };
    printer.line(format!("{id}  {words} {detail}"))
}

fn lock(place: &Place) -> Result<File, Failure> {
    let path = place.state()?.join(LOCK_FILE);
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600));
    let lock = opened.map_err(|error| {
        Failure::permission(format!("{}: {error}", path.display()))
            .hint("run as the user who runs the node")
    })?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Failure::unreachable("another vertice dlq replay is waiting for its answer")
            .hint("try again when it has ended")
    })?;
    Ok(File::from(lock))
}

fn wait(store: &Sqlite, ticket: i64) -> Result<LetterAnswer, Failure> {
    let deadline = SystemClock.elapsed() + PATIENCE;
    while SystemClock.elapsed() < deadline {
        let text = store.value(ANSWER)?;
        let answer = text.and_then(|text| serde_json::from_str::<LetterAnswer>(&text).ok());
        if let Some(answer) = answer.filter(|answer| answer.ticket == ticket) {
            return Ok(answer);
        }
        std::thread::park_timeout(POLL);
    }
    say("the wish is recorded: the node carries it out when it can");
    Err(Failure::unreachable("the node did not answer in time")
        .hint("look at vertice status, then at vertice dlq list"))
}
