//! The node's own account of itself, for `vertice status`, the console and `/readyz`.

use event::Mode;
use store::{ActuatorStatus, HopStatus, SourceStatus, Status};

use super::ActuatorLink;
use crate::config::Config;
use crate::mailbox::FEED_BYTES_MAX;
use crate::node::hops::Hop;
use crate::pipeline::Pipeline;

const HOUR_S: u64 = 3600;

/// How the node stands now.
pub(super) fn of(pipeline: &Pipeline, config: &Config, link: Option<&ActuatorLink>) -> Status {
    let now = pipeline.clock.now();
    let actuator = actuator(config.response.mode, link);
    let standing = pipeline.engine.standing();
    let hour = std::time::Duration::from_secs(HOUR_S);
    let expiring = standing
        .iter()
        .filter(|effect| effect.expires <= now.plus(hour))
        .count();
    let waiting = pipeline.engine.waiting();
    let uptime_s = now.since(pipeline.started).as_secs();
    let events_total = pipeline.memory.events;
    Status {
        node: config.node.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        mode: config.response.mode,
        pid: std::process::id(),
        started: pipeline.started,
        now,
        uptime_s,
        ready: pipeline.degraded.is_none()
            && (actuator.reachable || config.response.mode == Mode::Observe),
        actuator,
        sources: sources(pipeline),
        events_total,
        findings_total: pipeline.memory.findings,
        events_per_s: pipeline.hops.rate(Hop::Detect),
        late_events: pipeline.memory.late,
        hops: hops(pipeline),
        effects_standing: standing.len() as u64,
        effects_expiring_1h: expiring as u64,
        approvals_waiting: waiting.len() as u64,
        oldest_approval: waiting.iter().map(|approval| approval.asked).min(),
        log_bytes: pipeline.desk.log_bytes(),
        bad_blocks: pipeline.desk.bad_blocks,
        dead_letters: pipeline.store.dead_letter_count().unwrap_or_default(),
    }
}

fn actuator(mode: Mode, link: Option<&ActuatorLink>) -> ActuatorStatus {
    let Some(link) = link else {
        let state = format!("not started: mode {mode} changes nothing");
        return ActuatorStatus {
            state,
            reachable: false,
            generation: 0,
        };
    };
    let (reachable, problem) = link.state();
    let state = match (reachable, problem.as_str()) {
        (true, _) => "reachable".into(),
        (false, "") => "not reachable".into(),
        (false, problem) => format!("not reachable: {problem}"),
    };
    ActuatorStatus {
        state,
        reachable,
        generation: link.generation(),
    }
}

fn sources(pipeline: &Pipeline) -> Vec<SourceStatus> {
    let row = |(stream, counts): (&event::Name, &super::intake_desk::StreamCounts)| SourceStatus {
        name: stream.to_string(),
        last_seen: counts.last_seen,
        lines: counts.read,
        kept: counts.kept + counts.known,
        dropped: counts.dropped,
        bad: counts.bad,
    };
    let mut rows: Vec<SourceStatus> = pipeline.desk.counts.iter().map(row).collect();
    rows.sort_by(|left, right| left.name.cmp(&right.name));
    rows
}

fn hops(pipeline: &Pipeline) -> Vec<HopStatus> {
    let bad = pipeline.desk.counts.values().map(|counts| counts.bad).sum();
    let evicted = pipeline
        .detectors
        .iter()
        .map(|detector| detector.size().1)
        .sum();
    let drops = [bad, evicted, pipeline.fusion.evicted(), 0, 0];
    let mut hops = pipeline.hops.status();
    for (hop, drops) in hops.iter_mut().zip(drops) {
        hop.drops = drops;
    }
    if let Some(first) = hops.first_mut() {
        // The only queue before the hops: they work one after the other in one turn.
        first.queue_limit_bytes = FEED_BYTES_MAX as u64;
        first.queue_bytes = pipeline.metrics.queued();
    }
    hops
}
