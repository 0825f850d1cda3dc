//! The whole wiring, in the order of one event: records → events → findings → incidents → plans →
//! engine → requests. One turn of [`Pipeline::turn`] takes what waits, does the five hops, makes what
//! was found and planned durable in one transaction, with the events it rests on, and only then hands
//! out the requests. [`Pipeline::acknowledge`] then makes the whole batch durable in the log.
//!
//! Absent on purpose: threads, sockets and waiting (`node` has them), and any algorithm.

use std::sync::Arc;
use std::time::Duration;

use event::actuate::{Reply, Request};
use event::journal::JournalRecord;
use event::{Clock, Detector, Event, Finding, Incident, Mode, Out, Receipt, Time};
use fusion::Fusion;
use response::engine::{Engine, Input, Output};
use response::playbook::{PlanContext, Playbooks};
use response::rails::Rails;
use segment::LogError;
use store::{Change, Store};

use crate::intake::Feed;
use crate::mailbox::Mail;
use crate::metrics::Metrics;
use crate::node::hops::{Hop, Hops};
use crate::node::intake_desk::IntakeDesk;
use crate::node::{latency::Latency, memory::Memory, story};

/// Detectors take events that come later than the watermark by this much; those beyond are counted
/// and still join where their window is open.
const LATENESS: Duration = Duration::from_secs(120);
/// Changes that may wait for room on the disk; beyond, the node stops.
const BACKLOG_MAX: usize = 100_000;

/// What the node tells the pipeline besides records.
#[derive(Debug)]
pub enum Control {
    /// The actuator answered.
    Reply(Reply),
    /// The actuator cannot be reached.
    ActuatorLost,
    /// It can be reached again.
    ActuatorBack,
    /// The never-block list was found anew.
    Rails(Rails),
    /// A second has passed.
    Tick,
    /// Finish: snapshot, and take no more.
    Stop,
}

/// The five hops and what they keep.
pub struct Pipeline {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) desk: IntakeDesk,
    pub(crate) detectors: Vec<Box<dyn Detector>>,
    pub(crate) fusion: Fusion,
    pub(crate) playbooks: Playbooks,
    pub(crate) engine: Engine,
    pub(crate) rails: Rails,
    pub(crate) memory: Memory,
    pub(crate) latency: Latency,
    pub(crate) hops: Hops,
    pub(crate) mode: Mode,
    /// Are sources followed live? Then the wall clock moves the watermark too.
    pub(crate) live: bool,
    pub(crate) watermark: Time,
    pub(crate) started: Time,
    /// Why nothing new is taken in, while the disk is full: undo goes on, everything else waits.
    pub(crate) degraded: Option<String>,
    /// Changes and requests that could not be committed.
    pub(crate) backlog: (Vec<Change>, Vec<Request>),
    /// Dead letters that are being parsed again.
    pub(crate) letters: crate::topics::Letters,
}

/// What a turn wants done, once it is durable.
#[derive(Debug, Default)]
pub struct Turn {
    /// To the actuator, in order.
    pub requests: Vec<Request>,
    /// Topics of the console that changed.
    pub changed: Vec<&'static str>,
    /// Receipts of this turn, for whoever watches (the demo).
    pub receipts: Vec<Receipt>,
    /// Findings of this turn.
    pub findings: Vec<Finding>,
    /// From reading the telling line to the effect read back, for receipts that tell.
    pub line_to_effect: Vec<(event::ReceiptId, Duration)>,
    /// Was there nothing to do?
    pub idle: bool,
}

/// What one turn gathers before it is made durable.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) changes: Vec<Change>,
    pub(crate) turn: Turn,
}

impl Pipeline {
    /// Takes what waits through the hops; on `Ok` all of it is durable.
    ///
    /// # Errors
    /// The log or the store refused: nothing was acknowledged, the node must stop or retry.
    pub fn turn(&mut self, mail: Mail<Control, Feed>) -> anyhow::Result<Turn> {
        let mut draft = Draft::default();
        let idle = mail.control.is_empty() && mail.feed.is_none();
        let (mut stopping, mut ticked) = (false, false);
        for control in mail.control {
            stopping |= matches!(control, Control::Stop);
            ticked |= matches!(control, Control::Tick);
            self.control(control, &mut draft);
        }
        self.decisions(&mut draft)?;
        if ticked {
            self.letters(&mut draft)?;
        }
        let begun = self.clock.elapsed();
        let received = match mail.feed {
            Some(feed) => Some(self.desk.receive(feed, &mut draft.changes)),
            None => self.desk.waits().then(|| self.desk.write()),
        };
        if let Some(received) = received {
            let items = received.as_ref().map_or(0, Vec::len);
            self.took(Hop::Sources, items, begun);
            self.received(received, &mut draft)?;
        }
        self.remember(stopping, &mut draft)?;
        draft.turn.idle = idle && draft.changes.is_empty();
        self.commit(draft)
    }

    /// Makes the events of the last turn durable: from here on they are acknowledged. Called after
    /// the turn's requests are on their way, since what they rest on is in the store already.
    ///
    /// # Errors
    /// The log refused; what it did not take is read again at the next start.
    pub fn acknowledge(&mut self) -> anyhow::Result<()> {
        self.desk.sync()
    }

    fn control(&mut self, control: Control, draft: &mut Draft) {
        match control {
            Control::Reply(reply) => self.engine_step(Input::Reply(reply), draft),
            Control::ActuatorLost => self.engine_step(Input::ActuatorLost, draft),
            Control::ActuatorBack => self.engine_step(Input::ActuatorBack, draft),
            Control::Rails(rails) => {
                self.rails = rails.clone();
                self.engine_step(Input::Rails(rails), draft);
            }
            Control::Tick => self.tick(draft),
            Control::Stop => {}
        }
    }

    fn tick(&mut self, draft: &mut Draft) {
        self.engine_step(Input::Tick, draft);
        if self.live {
            self.advance(self.clock.now(), draft);
        }
        self.hops.tick(self.clock.elapsed());
        self.metrics.tick(self);
    }

    /// What persons decided since the last turn, by any door.
    fn decisions(&mut self, draft: &mut Draft) -> anyhow::Result<()> {
        for (ticket, decision) in self.memory.new_decisions(self.store.as_ref())? {
            self.engine_step(
                Input::Decision {
                    ticket: ticket.0,
                    decision,
                },
                draft,
            );
        }
        Ok(())
    }

    /// Hop 1: records became events, and events are in the log; or there is no room for them, and
    /// they wait.
    #[expect(
        clippy::vec_box,
        reason = "boxed since the parser; moved on as they are"
    )]
    fn received(
        &mut self,
        received: Result<Vec<Box<Event>>, LogError>,
        draft: &mut Draft,
    ) -> anyhow::Result<()> {
        let events = match received {
            Err(error @ LogError::NoSpace { .. }) => {
                self.degrade(&error.to_string());
                return Ok(());
            }
            other => other?,
        };
        self.memory.events += events.len() as u64;
        for event in events {
            self.observe(event, draft);
        }
        Ok(())
    }

    /// Hop 2: an event may become findings.
    pub(crate) fn observe(&mut self, event: Box<Event>, draft: &mut Draft) {
        let mut out = Out::default();
        let observed = event.observed;
        // A record from the future must not close everybody's windows.
        let reached = event.time.min(observed);
        if reached.plus(LATENESS) < self.watermark {
            self.memory.late += 1;
        }
        let begun = self.clock.elapsed();
        if let Some(event) = self.memory.recent.keep(event) {
            for detector in &mut self.detectors {
                detector.observe(event, &mut out);
            }
        }
        self.took(Hop::Detect, 1, begun);
        if reached.seconds() > self.watermark.seconds() {
            self.advance(reached, draft);
        }
        for finding in out.take() {
            self.latency.finding(&finding, observed, self.clock.now());
            self.join(finding, draft);
        }
    }

    fn advance(&mut self, watermark: Time, draft: &mut Draft) {
        if watermark <= self.watermark {
            return;
        }
        self.watermark = watermark;
        let mut out = Out::default();
        for detector in &mut self.detectors {
            detector.advance(watermark, &mut out);
        }
        for finding in out.take() {
            self.join(finding, draft);
        }
        for incident in self.fusion.advance(watermark) {
            draft.changes.push(Change::Incident(incident));
        }
    }

    /// Hop 3: a finding joins an incident. After a restart it may be known already: then the
    /// incident is rebuilt, but nothing is planned twice.
    fn join(&mut self, finding: Finding, draft: &mut Draft) {
        let known = Memory::is_known(self.store.as_ref(), finding.id);
        self.metrics.finding(&finding);
        self.memory.findings += 1;
        let begun = self.clock.elapsed();
        let joined = self.fusion.join(finding.clone());
        self.took(Hop::Fusion, 1, begun);
        let incident = joined.incident;
        for former in joined.merged {
            let closed = story::merged(self.store.as_ref(), former, &incident);
            draft.changes.extend(closed.map(Change::Incident));
        }
        if known {
            return;
        }
        self.memory.evidence(&finding, &mut draft.changes);
        draft.changes.push(Change::Finding {
            incident: incident.id,
            finding: finding.clone(),
        });
        draft.changes.push(Change::Incident(incident.clone()));
        draft.turn.findings.push(finding);
        draft.turn.changed.push("incidents");
        self.plan(&incident, draft);
    }

    /// Hop 4: an incident may call for plans.
    fn plan(&mut self, incident: &Incident, draft: &mut Draft) {
        let engine = &self.engine;
        let memory = &self.memory;
        let context = PlanContext {
            mode: self.mode,
            now: self.clock.now(),
            rails: &self.rails,
            relapses: &|playbook, key, step| engine.relapses(playbook, key, step),
            connections: &|address| memory.connections(address),
        };
        let begun = self.clock.elapsed();
        let plans = self.playbooks.plan(incident, &context);
        self.took(Hop::Plan, 1, begun);
        for plan in plans {
            self.note(incident.id, story::of_plan(&plan), draft);
            let begun = self.clock.elapsed();
            let output = self
                .engine
                .step_plan(plan, incident.latest.id, self.clock.now());
            self.took(Hop::Respond, 1, begun);
            self.carry_out(output, draft);
        }
    }

    fn took(&mut self, hop: Hop, items: usize, begun: Duration) {
        let duration = self.clock.elapsed().saturating_sub(begun);
        self.hops.took(hop, items, duration);
    }

    /// Hop 5: the engine writes down what it is about to do, then asks.
    fn engine_step(&mut self, input: Input, draft: &mut Draft) {
        let begun = self.clock.elapsed();
        let output = self.engine.step(input, self.clock.now());
        self.took(Hop::Respond, 1, begun);
        self.carry_out(output, draft);
    }

    fn carry_out(&mut self, output: Output, draft: &mut Draft) {
        let now = self.clock.now();
        draft.turn.requests.extend(output.requests);
        for (ticket, answer) in output.answers {
            let ticket = store::DecisionTicket(ticket);
            draft.changes.push(Change::Answer { ticket, answer });
        }
        for record in output.records {
            self.journalled(record, now, draft);
        }
    }

    fn journalled(&mut self, record: JournalRecord, now: Time, draft: &mut Draft) {
        if let Some((incident, entry)) = story::of_record(&record) {
            self.note(incident, entry, draft);
        }
        if let Some(receipt) = story::receipt_of(&record) {
            let standing = self.memory.stands(receipt);
            if let Some(incident) = self.fusion.contained(receipt.incident, standing, now) {
                draft.changes.push(Change::Incident(incident));
            }
            let latency = self.latency.receipt(receipt, now);
            let told = latency.map(|took| (receipt.id, took.from_line));
            draft.turn.line_to_effect.extend(told);
            self.metrics.receipt(receipt, latency);
            draft.turn.receipts.push(receipt.clone());
        }
        draft.turn.changed.push("approvals");
        draft.changes.push(Change::Journal(record));
    }

    fn note(
        &mut self,
        incident: event::IncidentId,
        entry: event::TimelineEntry,
        draft: &mut Draft,
    ) {
        if let Some(changed) = self.fusion.note(incident, entry) {
            draft.changes.push(Change::Incident(changed));
            draft.turn.changed.push("incidents");
        }
    }

    /// Snapshots of all state, with the offsets that belong to it, when it is time.
    fn remember(&mut self, stopping: bool, draft: &mut Draft) -> anyhow::Result<()> {
        if !self.memory.snapshot_due(self.clock.elapsed(), stopping) {
            return Ok(());
        }
        // The offsets about to be written say that everything before them is in the log.
        self.desk.sync()?;
        for detector in &self.detectors {
            let name = format!("detector/{}", detector.name());
            draft.changes.push(Change::Snapshot {
                name,
                bytes: detector.snapshot(),
            });
        }
        draft.changes.push(Change::Snapshot {
            name: "fusion".into(),
            bytes: self.fusion.snapshot(),
        });
        self.desk.offsets(&mut draft.changes)
    }

    /// One transaction for everything; what it refuses was never acknowledged. When the disk is
    /// full the changes wait here, their requests too, and nothing new is taken in; a later turn
    /// that undoes something may use the store's reserve.
    pub(crate) fn commit(&mut self, draft: Draft) -> anyhow::Result<Turn> {
        let Draft { changes, mut turn } = draft;
        turn.changed.sort_unstable();
        turn.changed.dedup();
        let (mut all, mut requests) = std::mem::take(&mut self.backlog);
        all.extend(changes);
        requests.append(&mut turn.requests);
        if all.is_empty() {
            turn.requests = requests;
            return Ok(turn);
        }
        let all = story::newest_incidents(all);
        match self.store.commit(all.clone()) {
            Ok(()) => {
                self.recovered();
                turn.requests = requests;
                Ok(turn)
            }
            Err(error) if error.retry_helps() && all.len() <= BACKLOG_MAX => {
                self.degrade(&error.to_string());
                self.backlog = (all, requests);
                Ok(Turn {
                    idle: true,
                    ..Turn::default()
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn degrade(&mut self, why: &str) {
        if self.degraded.is_none() {
            tracing::error!(why, "nothing new is taken in; undo goes on");
        }
        self.degraded = Some(why.into());
    }

    fn recovered(&mut self) {
        if !self.desk.waits() && self.degraded.take().is_some() {
            tracing::info!("taking in again");
        }
    }
}
