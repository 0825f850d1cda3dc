use event::actuate::{Answer, Operation, Verb};
use event::{Action, ActionId};

use super::*;

fn hello(serial: u64) -> Request {
    Request {
        serial,
        fence: 1,
        verb: Verb::Hello,
    }
}

fn pair() -> (Connection, OwnedFd) {
    let (ours, theirs) = Connection::pair().unwrap();
    (Connection::new(ours), theirs)
}

#[test]
fn a_request_goes_and_a_reply_comes() {
    let (mut connection, theirs) = pair();
    connection.send(&hello(7)).unwrap();
    let mut buffer = [0; 256];
    let flags = RecvFlags::empty();
    let (_, length) = rustix::net::recv(&theirs, &mut buffer[..], flags).unwrap();
    let request: Request = serde_json::from_slice(&buffer[..length]).unwrap();
    assert_eq!(request, hello(7));
    assert_eq!(connection.receive(Duration::ZERO).unwrap(), None);
    let reply = Reply {
        serial: 7,
        answer: Answer::Changed { results: vec![] },
    };
    let bytes = serde_json::to_vec(&reply).unwrap();
    rustix::net::send(&theirs, &bytes, SendFlags::empty()).unwrap();
    let mut receiver = connection.try_clone().unwrap();
    assert_eq!(receiver.receive(SEND_WAIT).unwrap(), Some(reply));
}

#[test]
fn a_gone_actuator_is_told_from_a_silent_one() {
    let (mut connection, theirs) = pair();
    drop(theirs);
    let sent = connection.send(&hello(1));
    assert!(matches!(sent, Err(ConnectionError::Closed)), "{sent:?}");
    let received = connection.receive(SEND_WAIT);
    assert!(
        matches!(received, Err(ConnectionError::Closed)),
        "{received:?}"
    );
}

#[test]
fn a_message_that_is_no_reply_is_an_error_of_its_own() {
    let (mut connection, theirs) = pair();
    rustix::net::send(&theirs, b"{}", SendFlags::empty()).unwrap();
    let received = connection.receive(SEND_WAIT);
    let understood = !matches!(received, Err(ConnectionError::NotUnderstood(_)));
    assert!(!understood, "{received:?}");
}

#[test]
fn a_request_above_the_limit_is_not_sent() {
    let (mut connection, theirs) = pair();
    let operation = Operation {
        action_id: ActionId::of(&[b"x"]),
        action: Action::BlockIp {
            target: "203.0.113.7/32".parse().unwrap(),
        },
        present_s: Some(60),
        approved: false,
    };
    let request = Request {
        serial: 1,
        fence: 1,
        verb: Verb::Change {
            operations: vec![operation; 2000],
        },
    };
    let sent = connection.send(&request);
    assert!(
        matches!(sent, Err(ConnectionError::TooLarge { .. })),
        "{sent:?}"
    );
    let flags = RecvFlags::DONTWAIT;
    let nothing = rustix::net::recv(&theirs, &mut [0; 8][..], flags);
    assert_eq!(nothing.unwrap_err(), Errno::AGAIN);
}
