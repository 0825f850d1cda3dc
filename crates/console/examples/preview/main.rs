//! The console on invented data, to look at while working on it:
//! `cargo run -p vertice-console --example preview -- [PORT] [empty | many]`. Log in as ana, password
//! `correct horse battery`. A stand-in for the engine says yes to every decision.

mod seed;

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use event::decision::{ApprovalState, DecisionAnswer, Wish};
use event::journal::{JournalEntry, JournalRecord};
use event::{Clock, Outcome, Time};
use store::{Change, DecisionTicket, OpenRole, Sqlite, Status, Store, User, UserRole};

struct WallClock;

impl Clock for WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the preview stands at the edge: it is a node"
    )]
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Time::EPOCH.plus(since.unwrap_or_default())
    }

    fn elapsed(&self) -> Duration {
        self.now().since(Time::EPOCH)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().unwrap_or_default().parse().unwrap_or(8787);
    let what = arguments.next().unwrap_or_default();
    let empty = what == "empty";
    let folder = tempfile::tempdir()?;
    let store = Arc::new(Sqlite::open(folder.path(), OpenRole::Node)?);
    let now = WallClock.now();
    if !empty {
        seed::fill(store.as_ref(), &seed::cases(), now)?;
    }
    if what == "many" {
        seed::fill(store.as_ref(), &seed::many(2_000), now)?;
    }
    let salt = b"only a preview's";
    let password_hash = Argon2::default()
        .hash_password_with_salt(b"correct horse battery", salt)
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|error| error.to_string())?;
    store.commit(vec![Change::User(User {
        name: "ana".into(),
        role: UserRole::Admin,
        password_hash,
        created: now,
    })])?;
    tokio::spawn(engine(store.clone()));
    let app = vertice_console::App {
        store,
        clock: Arc::new(WallClock),
        status: Arc::new(move || {
            if empty {
                Status::default()
            } else {
                seed::status(WallClock.now())
            }
        }),
        metrics: Arc::new(|| "# EOF\n".to_owned()),
        live: tokio::sync::broadcast::Sender::new(16),
        setup_token: String::new(),
        demo: !empty,
        random: |bytes| getrandom::fill(bytes).expect("the system has random bytes"),
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    vertice_console::serve(listener, app, std::future::pending()).await?;
    Ok(())
}

/// Says yes to everything, and lets the store show it.
async fn engine(store: Arc<Sqlite>) {
    let mut seen = DecisionTicket::default();
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Ok(decisions) = store.decisions_after(seen, 10) else {
            continue;
        };
        for (ticket, decision) in decisions {
            seen = ticket;
            let mut changes = carried_out(store.as_ref(), &decision.wish);
            let answer = DecisionAnswer {
                accepted: true,
                detail: "carried out and read back".into(),
            };
            changes.push(Change::Answer { ticket, answer });
            store
                .commit(changes)
                .expect("the preview's own store takes its changes");
        }
    }
}

fn carried_out(store: &dyn Store, wish: &Wish) -> Vec<Change> {
    let (action, state) = match wish {
        Wish::Approve { action, .. } => (*action, ApprovalState::Approved),
        Wish::Deny { action } => (*action, ApprovalState::Denied),
        Wish::Undo { receipt } => {
            let Ok(Some(mut receipt)) = store.receipt(*receipt) else {
                return Vec::new();
            };
            receipt.outcome = Outcome::Undone;
            receipt.detail = "undone, read back: absent".into();
            receipt.expires = None;
            receipt.id = event::ReceiptId::of(&[receipt.id.bytes()]);
            return vec![written(JournalEntry::Receipt {
                receipt: Box::new(receipt),
            })];
        }
        Wish::UndoRun { .. } | Wish::UndoAll => return Vec::new(),
    };
    let Ok(Some(mut approval)) = store.approval(action) else {
        return Vec::new();
    };
    approval.state = state;
    approval.ended = Some("ana, just now".into());
    vec![written(JournalEntry::Gate {
        approval: Box::new(approval),
    })]
}

fn written(entry: JournalEntry) -> Change {
    Change::Journal(JournalRecord {
        time: WallClock.now(),
        who: "engine".into(),
        entry,
    })
}
