//! What the engine's own process may do, once it is set up: read logs, end its actuator, listen on
//! a low port. The packet filter is the actuator's alone.
//!
//! A child started by root gets its powers from the bounding set, so the actuator can be started
//! again; the bounding set is cut to what it needs for that. Capabilities belong to threads: this
//! runs before the first one is started.

use caps::{CapSet, Capability, CapsHashSet};

/// Kept by the engine: read root's logs, signal an actuator that runs as nobody, port 514.
const OWN: &[Capability] = &[
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_KILL,
    Capability::CAP_NET_BIND_SERVICE,
];
/// Needed by an actuator at its start, before it drops all but the first.
const ACTUATOR: &[Capability] = &[
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
];
/// Needed by `ip netns exec`.
const NAMESPACE: &[Capability] = &[Capability::CAP_SYS_ADMIN];

/// Gives up what the engine does not need. Does nothing for a user who has none of it.
///
/// # Errors
/// The kernel refused: it is better not to start than to start with more than was said.
pub fn give_up(in_namespace: bool) -> Result<(), caps::errors::CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    if held.is_empty() {
        return Ok(());
    }
    let mut bound: CapsHashSet = OWN.iter().chain(ACTUATOR).copied().collect();
    if in_namespace {
        bound.extend(NAMESPACE);
    }
    if held.contains(&Capability::CAP_SETPCAP) {
        for capability in caps::read(None, CapSet::Bounding)? {
            if !bound.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability)?;
            }
        }
    }
    let own: CapsHashSet = OWN
        .iter()
        .copied()
        .filter(|wanted| held.contains(wanted))
        .collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &own)?;
    caps::set(None, CapSet::Permitted, &own)
}
