//! Gives up everything but CAP_NET_ADMIN, for good.

use std::path::Path;

use caps::{CapSet, Capability, CapsHashSet};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use crate::error::ActuatorError;

fn failed(what: &'static str) -> impl Fn(Errno) -> ActuatorError {
    move |errno| ActuatorError::Privileges {
        what,
        reason: errno.to_string(),
    }
}

/// Leaves the calling thread with CAP_NET_ADMIN, no way to gain more, and (when it was root) the
/// uid and gid `run_as`.
/// Privileges belong to threads, so there must be no other thread that would keep them.
pub(super) fn give_up(run_as: Option<u32>, proc_root: &Path) -> Result<(), ActuatorError> {
    check_alone(proc_root)?;
    leave_process_group();
    set_no_new_privs(true).map_err(failed("no_new_privs"))?;
    shrink_bounding_set()?;
    set(CapSet::Ambient, &CapsHashSet::new())?;
    if let Some(id) = run_as.filter(|_| geteuid().is_root()) {
        become_user(id)?;
    }
    let only = CapsHashSet::from([Capability::CAP_NET_ADMIN]);
    set(CapSet::Effective, &only)?;
    set(CapSet::Permitted, &only)?;
    set(CapSet::Inheritable, &CapsHashSet::new())
}

fn check_alone(proc_root: &Path) -> Result<(), ActuatorError> {
    let failed = |reason| ActuatorError::Privileges {
        what: "a process of one thread is needed",
        reason,
    };
    let tasks = std::fs::read_dir(proc_root.join("self/task"));
    match tasks.map(Iterator::count) {
        Ok(1) => Ok(()),
        Ok(threads) => Err(failed(format!("it has {threads}"))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// An interrupt from the terminal is for the engine, which may want to undo before it hangs up. A
/// session's leader cannot leave, and need not.
fn leave_process_group() {
    let _leader = rustix::process::setpgid(None, None);
}

/// Needs CAP_SETPCAP; a process started with CAP_NET_ADMIN alone has nothing to lose there, since
/// no_new_privs keeps it from ever gaining what the set would allow.
fn shrink_bounding_set() -> Result<(), ActuatorError> {
    let may = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false);
    if !may {
        return Ok(());
    }
    set(
        CapSet::Bounding,
        &CapsHashSet::from([Capability::CAP_NET_ADMIN]),
    )
}

fn set(kind: CapSet, wanted: &CapsHashSet) -> Result<(), ActuatorError> {
    let failed = |error: caps::errors::CapsError| ActuatorError::Privileges {
        what: "capabilities",
        reason: error.to_string(),
    };
    if !matches!(kind, CapSet::Bounding) {
        return caps::set(None, kind, wanted).map_err(failed);
    }
    let held = caps::read(None, kind).map_err(failed)?;
    for capability in held.difference(wanted) {
        caps::drop(None, kind, *capability).map_err(failed)?;
    }
    Ok(())
}

/// In a user namespace the id may not exist (EINVAL): then the namespace's root, which owns
/// nothing outside, is kept.
fn become_user(id: u32) -> Result<(), ActuatorError> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    set_keep_capabilities(true).map_err(failed("keep capabilities over the change of uid"))?;
    match set_thread_res_gid(gid, gid, gid) {
        Err(Errno::INVAL) => return Ok(()),
        other => other.map_err(failed("gid"))?,
    }
    match set_thread_groups(&[]) {
        Err(Errno::PERM) => (), // user namespaces forbid it, and there they give nothing
        other => other.map_err(failed("groups"))?,
    }
    set_thread_res_uid(uid, uid, uid).map_err(failed("uid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_many_threads_is_told_how_many() {
        let (held, release) = std::sync::mpsc::sync_channel::<()>(0);
        let other = std::thread::spawn(move || release.recv().is_err());
        let refused = check_alone(Path::new("/proc")).unwrap_err().to_string();
        drop(held);
        assert!(other.join().unwrap());
        assert!(
            refused.contains("one thread is needed: it has"),
            "{refused}"
        );
        assert!(check_alone(Path::new("/nonexistent")).is_err());
    }
}
