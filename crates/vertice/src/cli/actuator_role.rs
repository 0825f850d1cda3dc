//! The role `vertice actuator`: the small privileged process. Its standard input is the socket.

use std::os::fd::AsFd;

use super::args::ActuatorRole;
use super::{Failure, Verdict};

/// Serves requests until the socket is closed.
pub(crate) fn actuator(role: &ActuatorRole) -> Verdict {
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let socket = socket.map_err(Failure::internal)?;
    let mut limits = actuator::rails::Limits::default();
    limits.new_per_minute_max = role.new_per_minute.unwrap_or(limits.new_per_minute_max);
    let config = actuator::ActuatorConfig {
        limits,
        never_block: role.never_block.clone(),
        ..actuator::ActuatorConfig::default()
    };
    match actuator::serve(socket, config) {
        Ok(()) => Ok(true),
        Err(error) => Err(Failure::permission(format!("actuator: {error}"))
            .hint("run as root with nf_tables in the kernel, or set response.mode to observe")),
    }
}
