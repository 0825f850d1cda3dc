//! Entry points for fuzzing: outside bytes in, no panic out, and no rail ever passed.

use std::time::Duration;

use event::actuate::{Request, Verb};

use crate::netlink::element::{join_ranges, read_message};
use crate::netlink::wire::Messages;
use crate::rails::{Limits, Rails};
use crate::serve::dry_session;

/// Reads bytes as a datagram of the kernel: messages, errors, elements, ranges.
pub fn fuzz_message(bytes: &[u8]) {
    for message in Messages(bytes) {
        let _number = message.error();
        let mut ranges = Vec::new();
        read_message(&message, |set, raw| {
            let standing = raw.standing(set);
            let _shown = (standing.action(), standing.shown(), standing.expires_s());
            ranges.push((set, raw));
        });
        if let Some((set, _)) = ranges.first().copied() {
            let raws = ranges.into_iter().map(|(_, raw)| raw).collect();
            let _networks = join_ranges(set, raws);
        }
    }
}

/// Reads bytes as a request of the engine and answers it with no kernel behind; whatever the rails
/// let through must be outside the never-block list.
pub fn fuzz_request(bytes: &[u8]) {
    if let Ok(mut session) = dry_session() {
        let _reply = session.answer(bytes, Duration::from_secs(1));
    }
    let Ok(request) = serde_json::from_slice::<Request>(bytes) else {
        return;
    };
    let Verb::Change { operations } = request.verb else {
        return;
    };
    let Ok(mut rails) = Rails::new(Limits::default(), &[]) else {
        return;
    };
    for operation in &operations {
        let admitted = rails.admit(operation, Duration::from_secs(1));
        let effect = admitted.is_ok_and(|change| change.put.is_some());
        assert!(!effect || rails.touches_protected(&operation.action).is_none());
    }
}
