//! The actuator as a process of its own, for the tests in namespaces. Its socket is standard
//! input; arguments: `UID-OF-THE-PEER|any NEW-PER-MINUTE RESOLV-CONF`.

use std::os::fd::AsFd as _;
use std::process::ExitCode;

use vertice_actuator::ActuatorConfig;
use vertice_actuator::rails::Limits;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the test reads the error there")]
            {
                eprintln!("{error}");
            }
            ExitCode::from(5)
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [peer, new_per_minute_max, resolv_conf] = arguments.as_slice() else {
        return Err("three arguments are needed".into());
    };
    let config = ActuatorConfig {
        peer_uid: peer.parse().ok(),
        limits: Limits {
            new_per_minute_max: new_per_minute_max.parse()?,
            ..Limits::default()
        },
        resolv_conf: resolv_conf.into(),
        utmp: "/dev/null".into(),
        ..ActuatorConfig::default()
    };
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(vertice_actuator::serve(socket, config)?)
}
