//! Carries out the operations of one request: rails, one transaction a group, read-back.
//!
//! A group ends where a slot comes a second time, so that each operation is read back before the
//! next one changes the same slot. If the kernel refuses a group, its members are tried one by
//! one: one bad operation does not spoil its neighbours.

use std::time::Duration;

use event::ActionId;
use event::actuate::{BATCH_MAX, Operation, OperationResult};

use super::filter::Filter;
use crate::error::KernelError;
use crate::netlink::table::overlap;
use crate::netlink::{Change, Put, Slot, Standing};
use crate::rails::Rails;

/// Ranges that stand at a time: an interval set of more is slow to change.
const RANGES_MAX: usize = 1024;

/// An admitted operation and its place in the request.
#[derive(Clone, Copy, Debug)]
struct Admitted {
    index: usize,
    change: Change,
}

/// One result for each operation, in order.
pub(super) fn change<F: Filter>(
    filter: &mut F,
    rails: &mut Rails,
    operations: &[Operation],
    now: Duration,
) -> Vec<OperationResult> {
    let mut results = Vec::with_capacity(operations.len());
    let mut group: Vec<Admitted> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let again = Slot::of(&operation.action);
        if group.iter().any(|member| member.change.slot == again) {
            run_group(filter, rails, &std::mem::take(&mut group), &mut results);
        }
        // A placeholder is never told: it is overwritten by `run_group` below.
        results.push(OperationResult::Absent);
        match rails.admit(operation, now) {
            Ok(change) => group.push(Admitted { index, change }),
            Err(reason) => put(&mut results, index, OperationResult::Railed { reason }),
        }
    }
    run_group(filter, rails, &group, &mut results);
    results
}

fn put(results: &mut [OperationResult], index: usize, result: OperationResult) {
    if let Some(place) = results.get_mut(index) {
        *place = result;
    }
}

fn run_group<F: Filter>(
    filter: &mut F,
    rails: &mut Rails,
    group: &[Admitted],
    results: &mut [OperationResult],
) {
    let mut sound = Vec::with_capacity(group.len());
    match range_conflicts(filter, group) {
        Ok(conflicts) => {
            for (member, conflict) in group.iter().zip(conflicts) {
                match conflict {
                    None => sound.push(*member),
                    Some(reason) => fail(member, reason, results),
                }
            }
        }
        Err(error) => {
            for member in group {
                fail(member, error.to_string(), results);
            }
        }
    }
    if apply_and_read(filter, rails, &sound, results).is_ok() {
        return;
    }
    for member in &sound {
        if let Err(error) = apply_and_read(filter, rails, std::slice::from_ref(member), results) {
            fail(member, error.to_string(), results);
        }
    }
}

/// A failed change may leave a slot as it was: the ledger keeps it until its time is over, so that
/// nothing that may stand is ever forgotten.
fn fail(member: &Admitted, reason: String, results: &mut [OperationResult]) {
    put(results, member.index, OperationResult::Failed { reason });
}

fn apply_and_read<F: Filter>(
    filter: &mut F,
    rails: &mut Rails,
    group: &[Admitted],
    results: &mut [OperationResult],
) -> Result<(), KernelError> {
    let changes: Vec<Change> = group.iter().map(|member| member.change).collect();
    let slots: Vec<Slot> = changes.iter().map(|change| change.slot).collect();
    filter.apply(&changes)?;
    let read = filter.read(&slots)?;
    for (member, standing) in group.iter().zip(read) {
        let result = judge(member.change.put.as_ref(), standing);
        if standing.is_none() {
            rails.gone(member.change.slot);
        }
        put(results, member.index, result);
    }
    Ok(())
}

/// Does what was read back agree with what was wanted?
fn judge(wanted: Option<&Put>, read: Option<Standing>) -> OperationResult {
    let Some(standing) = read else {
        return match wanted {
            None => OperationResult::Absent,
            Some(_) => OperationResult::Failed {
                reason: "read back: it does not stand".to_owned(),
            },
        };
    };
    let shown = standing.shown();
    let as_wanted = wanted.is_some_and(|wanted| {
        standing.action_id == Some(wanted.action_id)
            && standing.rate == wanted.rate
            && standing.expires_s() <= wanted.seconds
    });
    if as_wanted {
        let expires_s = standing.expires_s();
        return OperationResult::Present { expires_s, shown };
    }
    OperationResult::Failed {
        reason: format!("read back: {shown}"),
    }
}

/// For each member: why its range cannot be added beside the ranges that stand or that come
/// before it in the group. The kernel would refuse these too, or merge them and lose a timeout.
fn range_conflicts<F: Filter>(
    filter: &mut F,
    group: &[Admitted],
) -> Result<Vec<Option<String>>, KernelError> {
    if !group
        .iter()
        .any(|member| member.change.slot.set().is_range())
    {
        return Ok(vec![None; group.len()]);
    }
    let mut ranges: Vec<Slot> = filter.ranges()?.iter().map(|range| range.slot).collect();
    let mut conflicts = Vec::with_capacity(group.len());
    for member in group {
        let slot = member.change.slot;
        if member.change.put.is_none() {
            ranges.retain(|range| *range != slot); // it goes before anything comes
        }
        let adds = slot.set().is_range() && member.change.put.is_some();
        if !adds || ranges.contains(&slot) {
            conflicts.push(None);
            continue;
        }
        let conflict = range_conflict(&ranges, slot);
        if conflict.is_none() {
            ranges.push(slot);
        }
        conflicts.push(conflict);
    }
    Ok(conflicts)
}

fn range_conflict(ranges: &[Slot], slot: Slot) -> Option<String> {
    if ranges.len() >= RANGES_MAX {
        return Some(format!("{RANGES_MAX} ranges stand already"));
    }
    let other = ranges
        .iter()
        .find(|range| overlap(range.network(), slot.network()))?;
    Some(format!(
        "{} overlaps the range {}, which stands",
        slot.network(),
        other.network()
    ))
}

/// Removes what stands in these slots and tells whose it was. Elements without our comment go too.
pub(super) fn remove<F: Filter>(
    filter: &mut F,
    rails: &mut Rails,
    slots: &[Slot],
) -> Result<Vec<ActionId>, KernelError> {
    let mut removed = Vec::new();
    for group in slots.chunks(BATCH_MAX) {
        let standing: Vec<Standing> = filter.read(group)?.into_iter().flatten().collect();
        let changes: Vec<Change> = standing
            .iter()
            .map(|standing| Change {
                slot: standing.slot,
                put: None,
            })
            .collect();
        filter.apply(&changes)?;
        if filter.read(group)?.iter().any(Option::is_some) {
            let what = "remove a protected element";
            return Err(KernelError::NotUnderstood { what });
        }
        for slot in group {
            rails.gone(*slot);
        }
        removed.extend(standing.iter().filter_map(|standing| standing.action_id));
    }
    Ok(removed)
}
