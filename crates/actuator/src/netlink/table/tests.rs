use event::{Action, ActionId};

use super::*;
use crate::netlink::element::Put;

fn slot(target: &str) -> Slot {
    let target = target.parse().unwrap();
    Slot::of(&Action::BlockIp { target })
}

fn change(target: &str, present: bool) -> Change {
    let put = Put {
        seconds: 60,
        action_id: ActionId::of(&[target.as_bytes()]),
        rate: None,
    };
    Change {
        slot: slot(target),
        put: present.then_some(put),
    }
}

fn kinds(changes: &[Change], standing: &[Slot]) -> Vec<u16> {
    let stands = |slot: &Slot| standing.contains(slot);
    let parts = transaction(changes, &stands);
    parts.iter().map(|part| part.kind).collect()
}

#[test]
fn hosts_are_added_deleted_and_added_so_that_old_kernels_take_the_new_timeout() {
    let present = [change("203.0.113.7/32", true)];
    assert_eq!(
        kinds(&present, &[]),
        [NEW_ELEMENT, DELETE_ELEMENT, NEW_ELEMENT]
    );
    let absent = [change("203.0.113.7/32", false)];
    assert_eq!(kinds(&absent, &[]), [NEW_ELEMENT, DELETE_ELEMENT]);
    let both = [
        change("203.0.113.7/32", true),
        change("203.0.113.8/32", false),
    ];
    assert_eq!(
        kinds(&both, &[]),
        [NEW_ELEMENT, DELETE_ELEMENT, NEW_ELEMENT]
    );
}

#[test]
fn ranges_are_deleted_only_where_they_stand() {
    let range = "203.0.113.0/24";
    assert_eq!(kinds(&[change(range, true)], &[]), [NEW_ELEMENT]);
    assert_eq!(kinds(&[change(range, false)], &[]), [0; 0]);
    let standing = [slot(range)];
    assert_eq!(
        kinds(&[change(range, true)], &standing),
        [DELETE_ELEMENT, NEW_ELEMENT]
    );
    assert_eq!(kinds(&[change(range, false)], &standing), [DELETE_ELEMENT]);
}

#[test]
fn a_dump_that_shows_an_element_twice_is_not_taken() {
    let standing = |target, expires_ms| Standing {
        slot: slot(target),
        rate: None,
        action_id: None,
        timeout_ms: 60_000,
        expires_ms,
    };
    let once = [standing("203.0.113.7/32", 9), standing("203.0.113.8/32", 9)];
    assert!(!shows_twice(&once));
    let twice = [standing("203.0.113.7/32", 8), standing("203.0.113.7/32", 9)];
    assert!(shows_twice(&twice));
}
