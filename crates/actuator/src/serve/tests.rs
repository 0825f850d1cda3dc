//! What `serve` refuses before it touches anything. Run in a thread without any capability: even
//! as root these tests cannot change the host's packet filter.

use caps::CapSet;

use super::*;
use crate::client::Connection;

fn serve_without_privileges(config: ActuatorConfig) -> ActuatorError {
    let (_ours, theirs) = Connection::pair().unwrap();
    let served = std::thread::spawn(move || {
        caps::clear(None, CapSet::Effective).unwrap();
        caps::clear(None, CapSet::Permitted).unwrap();
        serve(theirs, config)
    });
    served.join().unwrap().unwrap_err()
}

#[test]
fn without_the_capability_the_error_says_which_one() {
    let error = serve_without_privileges(ActuatorConfig::default());
    let told = matches!(
        error,
        ActuatorError::Permission { .. } | ActuatorError::NotSupported { .. }
    );
    assert!(told, "{error}");
}

#[test]
fn a_wrong_peer_is_refused() {
    let own = rustix::process::getuid().as_raw();
    let error = serve_without_privileges(ActuatorConfig {
        peer_uid: Some(own.wrapping_add(1)),
        ..ActuatorConfig::default()
    });
    assert!(matches!(error, ActuatorError::WrongPeer { .. }), "{error}");
}

#[test]
fn without_proc_nothing_is_blocked() {
    let error = serve_without_privileges(ActuatorConfig {
        proc_root: PathBuf::from("/nonexistent"),
        ..ActuatorConfig::default()
    });
    assert_eq!(
        error.to_string(),
        "cannot read the own addresses below /nonexistent"
    );
}

#[test]
fn a_reply_above_the_limit_becomes_a_refusal() {
    let reply = Reply {
        serial: 3,
        answer: Answer::Refused {
            reason: "x".repeat(MESSAGE_BYTES_MAX),
        },
    };
    let told: Reply = serde_json::from_slice(&encode(&reply)).unwrap();
    let Answer::Refused { reason } = &told.answer else {
        panic!("{told:?}");
    };
    assert!(reason.contains("larger than 131072"), "{reason}");
    assert_eq!(told.serial, 3);
}
