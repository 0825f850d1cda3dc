#![expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of the tests themselves"
)]

use std::collections::BTreeMap;

use event::Action;
use event::actuate::OperationResult;
use rustix::io::Errno;

use super::*;
use crate::netlink::{Change, Slot};
use crate::rails::Limits;

/// A packet filter in memory that can be told to fail.
#[derive(Debug, Default)]
struct Model {
    elements: BTreeMap<Slot, Standing>,
    /// A slot that the kernel refuses to change.
    refuses: Option<Slot>,
    /// Present changes are lost without an error.
    forgets: bool,
    dumps: usize,
    transactions: usize,
}

impl Filter for Model {
    fn generation(&self) -> u64 {
        1
    }

    fn ensure(&mut self) -> Result<(), KernelError> {
        Ok(())
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), KernelError> {
        self.transactions += 1;
        if changes
            .iter()
            .any(|change| Some(change.slot) == self.refuses)
        {
            return Err(KernelError::Refused {
                what: "change elements",
                errno: Errno::NOMEM,
            });
        }
        for change in changes {
            self.elements.remove(&change.slot);
            if let Some(put) = change.put.filter(|_| !self.forgets) {
                let milliseconds = u64::from(put.seconds) * 1000;
                let standing = Standing {
                    slot: change.slot,
                    rate: put.rate,
                    action_id: Some(put.action_id),
                    timeout_ms: milliseconds,
                    expires_ms: milliseconds,
                };
                self.elements.insert(change.slot, standing);
            }
        }
        Ok(())
    }

    fn read(&mut self, slots: &[Slot]) -> Result<Vec<Option<Standing>>, KernelError> {
        Ok(slots
            .iter()
            .map(|slot| self.elements.get(slot).copied())
            .collect())
    }

    fn dump(&mut self) -> Result<Vec<Standing>, KernelError> {
        self.dumps += 1;
        Ok(self.elements.values().copied().collect())
    }

    fn ranges(&mut self) -> Result<Vec<Standing>, KernelError> {
        let ranges = self
            .elements
            .values()
            .filter(|one| one.slot.set().is_range());
        Ok(ranges.copied().collect())
    }
}

const NOW: Duration = Duration::from_secs(1000);

fn session(model: Model) -> Session<Model> {
    let limits = Limits {
        new_per_minute_max: 100_000,
        ..Limits::default()
    };
    Session::start(model, Rails::new(limits, &[]).unwrap(), NOW).unwrap()
}

fn ask(session: &mut Session<Model>, fence: u64, verb: Verb) -> Answer {
    let request = Request {
        serial: 9,
        fence,
        verb,
    };
    let reply = session.answer(&serde_json::to_vec(&request).unwrap(), NOW);
    assert_eq!(reply.serial, 9);
    reply.answer
}

fn host(number: u32) -> Operation {
    let target = IpNet::from(std::net::IpAddr::V4((0x1400_0000 + number).into()));
    Operation {
        action_id: ActionId::of(&[&number.to_le_bytes()]),
        action: Action::BlockIp { target },
        present_s: Some(60),
        approved: false,
    }
}

fn change_all(session: &mut Session<Model>, operations: Vec<Operation>) -> Vec<OperationResult> {
    match ask(session, 0, Verb::Change { operations }) {
        Answer::Changed { results } => results,
        other => panic!("{other:?}"),
    }
}

fn is_present(result: &OperationResult) -> bool {
    matches!(result, OperationResult::Present { .. })
}

#[test]
fn a_batch_is_one_transaction_and_each_operation_is_answered_in_order() {
    let mut session = session(Model::default());
    let mut operations: Vec<Operation> = (0..10).map(host).collect();
    operations[3].present_s = None;
    operations[5].action = Action::BlockIp {
        target: "127.0.0.1/32".parse().unwrap(),
    };
    let results = change_all(&mut session, operations);
    assert_eq!(results[3], OperationResult::Absent);
    assert!(matches!(results[5], OperationResult::Railed { .. }));
    assert_eq!(results.iter().filter(|one| is_present(one)).count(), 8);
    assert_eq!(session.filter.transactions, 1);
}

#[test]
fn one_operation_that_the_kernel_refuses_does_not_spoil_the_others() {
    let model = Model {
        refuses: Some(Slot::of(&host(2).action)),
        ..Model::default()
    };
    let mut session = session(model);
    let results = change_all(&mut session, (0..5).map(host).collect());
    let OperationResult::Failed { reason } = &results[2] else {
        panic!("{results:?}");
    };
    assert!(reason.contains("change elements"), "{reason}");
    assert_eq!(results.iter().filter(|one| is_present(one)).count(), 4);
}

#[test]
fn success_that_cannot_be_read_back_is_a_failure() {
    let model = Model {
        forgets: true,
        ..Model::default()
    };
    let mut session = session(model);
    let results = change_all(&mut session, vec![host(1)]);
    let failed =
        matches!(&results[0], OperationResult::Failed { reason } if reason.contains("read back"));
    assert!(failed, "{results:?}");
}

#[test]
fn an_old_fence_is_refused_for_every_verb() {
    let mut session = session(Model::default());
    assert!(matches!(
        ask(&mut session, 5, Verb::Hello),
        Answer::Ready { .. }
    ));
    for verb in [
        Verb::Hello,
        Verb::Dump { offset: 0 },
        Verb::Protect { networks: vec![] },
        Verb::Change {
            operations: vec![host(1)],
        },
    ] {
        let answer = ask(&mut session, 4, verb);
        assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }
    assert!(session.filter.elements.is_empty());
    assert!(matches!(
        ask(&mut session, 5, Verb::Hello),
        Answer::Ready { .. }
    ));
}

#[test]
fn what_is_not_understood_is_refused_and_counted() {
    let mut session = session(Model::default());
    let large = vec![b' '; MESSAGE_BYTES_MAX + 1];
    for (count, bytes) in (1..).zip([b"{".as_slice(), b"[]", &large, b"\xff"]) {
        let reply = session.answer(bytes, NOW);
        let Answer::Refused { reason } = reply.answer else {
            panic!("{reply:?}");
        };
        assert!(reason.starts_with(&format!("not understood ({count} so far)")));
    }
    let many = vec![host(1); BATCH_MAX + 1];
    let answer = ask(&mut session, 0, Verb::Change { operations: many });
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    assert_eq!(session.filter.transactions, 0);
}

#[test]
fn a_dump_is_told_in_pages_that_fit_from_one_look() {
    let mut model = Model::default();
    for number in 0..3000 {
        let operation = host(number);
        let slot = Slot::of(&operation.action);
        let standing = Standing {
            slot,
            rate: None,
            action_id: Some(operation.action_id),
            timeout_ms: 60_000,
            expires_ms: 60_000,
        };
        model.elements.insert(slot, standing);
    }
    let mut session = session(model);
    let looks = session.filter.dumps;
    let (mut offset, mut told, mut pages) = (0, Vec::new(), 0);
    loop {
        let answer = ask(&mut session, 0, Verb::Dump { offset });
        let bytes = serde_json::to_vec(&answer).unwrap().len();
        assert!(bytes < MESSAGE_BYTES_MAX - 100, "{bytes}");
        let Answer::Standing { elements, next } = answer else {
            panic!("{answer:?}");
        };
        told.extend(elements.into_iter().map(|element| element.action));
        pages += 1;
        let Some(next) = next else { break };
        offset = next;
    }
    let all: Vec<Action> = (0..3000).map(|number| host(number).action).collect();
    assert_eq!(told, all);
    assert!(pages > 1);
    assert_eq!(session.filter.dumps, looks + 1);
}

#[test]
fn protecting_and_discovering_remove_what_overlaps() {
    let mut session = session(Model::default());
    change_all(
        &mut session,
        (0..300).map(host).collect::<Vec<_>>().split_off(44),
    );
    let networks = vec!["20.0.1.0/25".parse().unwrap()];
    let Answer::Protected { removed } = ask(&mut session, 0, Verb::Protect { networks }) else {
        panic!("not protected");
    };
    assert_eq!(removed.len(), 44);
    let found = vec![("20.0.0.50/32".parse().unwrap(), "own address".to_owned())];
    session.rediscovered(&found, NOW);
    assert_eq!(session.filter.elements.len(), 256 - 45);
    let results = change_all(&mut session, vec![host(50)]);
    let railed =
        matches!(&results[0], OperationResult::Railed { reason } if reason.contains("own address"));
    assert!(railed, "{results:?}");
}

#[test]
fn effects_of_an_earlier_run_that_are_protected_now_go_at_the_first_look() {
    let mut first = session(Model::default());
    change_all(&mut first, vec![host(1), host(2)]);
    let model = first.filter;
    let rails = Rails::new(Limits::default(), &["20.0.0.1/32".parse().unwrap()]).unwrap();
    let mut second = Session::start(model, rails, NOW).unwrap();
    second.rediscovered(&[], NOW);
    assert_eq!(second.filter.elements.len(), 1);
}

fn range(target: &str, present_s: Option<u32>) -> Operation {
    let target = target.parse().unwrap();
    Operation {
        action_id: ActionId::of(&[b"range"]),
        action: Action::BlockIp { target },
        present_s,
        approved: true,
    }
}

#[test]
fn a_range_may_come_where_another_goes_in_the_same_request() {
    let mut session = session(Model::default());
    let results = change_all(&mut session, vec![range("20.0.0.0/24", Some(60))]);
    assert!(is_present(&results[0]));
    let results = change_all(
        &mut session,
        vec![
            range("20.0.0.0/24", None),
            range("20.0.0.0/25", Some(60)),
            range("20.0.0.0/26", Some(60)),
        ],
    );
    assert_eq!(results[0], OperationResult::Absent);
    assert!(is_present(&results[1]), "{results:?}");
    let failed =
        matches!(&results[2], OperationResult::Failed { reason } if reason.contains("20.0.0.0/25"));
    assert!(failed, "{results:?}");
}
