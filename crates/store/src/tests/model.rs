//! Any sequence of commits leaves the store as a naive model says: last write wins, a commit is
//! whole or not at all, a reopened file is the same file.

use std::collections::{BTreeMap, HashMap};

use event::decision::ApprovalState;
use event::journal::JournalEntry;
use event::{ActionId, Incident, IncidentState, Outcome, Plan, Receipt, Severity};
use proptest::prelude::*;

use super::node;
use crate::samples::{
    action_id, answer, approval, decision, incident, incident_id, notice, plan, plan_id, receipt,
    record,
};
use crate::{Change, DecisionTicket, IncidentQuery, ReceiptQuery, Store};

/// A change in few words.
#[derive(Clone, Debug)]
enum Move {
    Incident(u64, usize, usize),
    Planned(u64, u64, u32),
    Gate(u64, bool),
    Receipt(u64, u64, usize),
    Offset(u8, u8),
    Notice,
    /// Fails, and with it the whole commit.
    Impossible,
}

const STATES: [IncidentState; 3] = [
    IncidentState::Open,
    IncidentState::Contained,
    IncidentState::Closed,
];
const OUTCOMES: [Outcome; 5] = [
    Outcome::Applied,
    Outcome::Verified,
    Outcome::Undone,
    Outcome::Failed,
    Outcome::Expired,
];

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => (0..6u64, 0..3usize, 0..5usize).prop_map(|(n, s, v)| Move::Incident(n, s, v)),
        2 => (0..4u64, 0..3u64, 1..9u32).prop_map(|(n, i, r)| Move::Planned(n, i, r)),
        2 => (0..4u64, any::<bool>()).prop_map(|(n, waits)| Move::Gate(n, waits)),
        4 => (0..4u64, 0..4u64, 0..5usize).prop_map(|(s, a, o)| Move::Receipt(s, a, o)),
        1 => (0..3u8, any::<u8>()).prop_map(|(stream, state)| Move::Offset(stream, state)),
        1 => Just(Move::Notice),
        1 => Just(Move::Impossible),
    ]
}

impl Move {
    fn change(&self) -> Change {
        match *self {
            Self::Incident(number, state, severity) => {
                Change::Incident(incident(number, STATES[state], Severity::ALL[severity]))
            }
            Self::Planned(number, of, revision) => {
                let plan = Box::new(plan(number, of, revision));
                record(JournalEntry::Planned { plan })
            }
            Self::Gate(number, waits) => {
                let approval = Box::new(approval(number, state_of(waits)));
                record(JournalEntry::Gate { approval })
            }
            Self::Receipt(serial, action, outcome) => {
                let receipt = Box::new(receipt(serial, action, OUTCOMES[outcome]));
                record(JournalEntry::Receipt { receipt })
            }
            Self::Offset(stream, state) => Change::Offset {
                stream: stream.to_string(),
                state: state.to_string(),
            },
            Self::Notice => notice("noted"),
            Self::Impossible => Change::Answer {
                ticket: DecisionTicket(404),
                answer: answer("nobody asked"),
            },
        }
    }
}

const fn state_of(waits: bool) -> ApprovalState {
    if waits {
        ApprovalState::Waiting
    } else {
        ApprovalState::Denied
    }
}

/// The naive model: everything in lists and maps, written straight down.
#[derive(Clone, Default)]
struct Model {
    incidents: Vec<Incident>,
    plans: HashMap<u64, Plan>,
    waits: BTreeMap<u64, bool>,
    receipts: Vec<Receipt>,
    offsets: BTreeMap<String, String>,
    records: u64,
}

impl Model {
    /// The state after a commit; `None` if the commit must fail.
    fn after(&self, batch: &[Move]) -> Option<Self> {
        let mut next = self.clone();
        for one in batch {
            if matches!(one, Move::Impossible) {
                return None;
            }
            next.apply(one);
        }
        Some(next)
    }

    fn apply(&mut self, one: &Move) {
        match (one, one.change()) {
            (_, Change::Incident(incident)) => {
                self.incidents.retain(|kept| kept.id != incident.id);
                self.incidents.push(incident);
            }
            (_, Change::Offset { stream, state }) => {
                self.offsets.insert(stream, state);
            }
            (one, _) => self.journal(one),
        }
    }

    fn journal(&mut self, one: &Move) {
        self.records += 1;
        match *one {
            Move::Planned(number, of, revision) => {
                self.plans.insert(number, plan(number, of, revision));
            }
            Move::Gate(number, waits) => {
                self.waits.insert(number, waits);
            }
            Move::Receipt(serial, action, outcome) => {
                let receipt = receipt(serial, action, OUTCOMES[outcome]);
                self.receipts.retain(|kept| kept.id != receipt.id);
                self.receipts.push(receipt);
            }
            _ => {}
        }
    }

    fn latest(&self, action: ActionId) -> Option<&Receipt> {
        let mut newest_first = self.receipts.iter().rev();
        newest_first.find(|receipt| receipt.action_id == action)
    }

    fn standing(&self) -> Vec<Receipt> {
        let newest_first = self.receipts.iter().rev();
        let standing = newest_first.filter(|receipt| {
            self.latest(receipt.action_id) == Some(*receipt) && receipt.outcome.stands()
        });
        standing.cloned().collect()
    }
}

fn compare(store: &dyn Store, model: &Model) {
    let all = IncidentQuery::default();
    let mut incidents = store.incidents(&all).unwrap();
    incidents.reverse();
    assert_eq!(incidents, model.incidents);
    for state in STATES {
        let query = IncidentQuery {
            state: Some(state),
            severity_min: Some(Severity::Medium),
            ..all
        };
        let wanted =
            model.incidents.iter().rev().filter(|incident| {
                incident.state == state && incident.severity >= Severity::Medium
            });
        assert_eq!(
            store.incidents(&query).unwrap(),
            wanted.cloned().collect::<Vec<_>>()
        );
    }
    for number in 0..4 {
        assert_eq!(
            store.plan(plan_id(number)).unwrap().as_ref(),
            model.plans.get(&number)
        );
        let latest = store.latest_receipt(action_id(number)).unwrap();
        assert_eq!(latest.as_ref(), model.latest(action_id(number)));
        let wait = store
            .approval(action_id(number))
            .unwrap()
            .map(|wait| wait.state);
        assert_eq!(wait, model.waits.get(&number).copied().map(state_of));
    }
    let waiting = model.waits.values().filter(|waits| **waits).count();
    assert_eq!(store.approvals(true, 10).unwrap().len(), waiting);
    let standing = ReceiptQuery {
        standing_only: true,
        ..ReceiptQuery::default()
    };
    assert_eq!(store.receipts(&standing).unwrap(), model.standing());
    assert_eq!(
        store.offsets().unwrap(),
        model.offsets.clone().into_iter().collect::<Vec<_>>()
    );
    assert_eq!(store.journal_head().unwrap(), model.records);
    assert_eq!(store.journal(0, 1000).unwrap().len() as u64, model.records);
    assert!(store.verify_audit().unwrap().intact());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn projections_equal_the_model(commits in prop::collection::vec(prop::collection::vec(moves(), 0..8), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = node(dir.path());
        let mut model = Model::default();
        for (number, batch) in commits.iter().enumerate() {
            let done = store.commit(batch.iter().map(Move::change).collect());
            let after = model.after(batch);
            prop_assert_eq!(done.is_ok(), after.is_some());
            model = after.unwrap_or(model);
            if number == commits.len() / 2 {
                drop(store);
                store = node(dir.path());
            }
        }
        compare(&store, &model);
        prop_assert_eq!(store.plans_of(incident_id(0)).unwrap().len(),
            model.plans.values().filter(|plan| plan.incident == incident_id(0)).count());
        store.decide(&decision("last")).unwrap();
    }
}
