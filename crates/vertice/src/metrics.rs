//! The node's metrics: one registry per instance, never a global, so that two nodes can live in
//! one process. Names are listed in docs/reference/metrics.md; `cargo xtask tidy` compares.

use std::sync::atomic::{AtomicU64, Ordering};

use event::{Finding, Receipt};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::node::latency::Took;
use crate::pipeline::Pipeline;

type Labels = Vec<(&'static str, String)>;

/// Bounds, in seconds, of the line-to-block histogram.
const LATENCY_BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Bounds, in seconds, of the finding-to-block histogram.
const FINDING_BOUNDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0,
];

/// All metrics of one node.
pub struct Metrics {
    registry: Registry,
    events: Family<Labels, Counter>,
    findings: Family<Labels, Counter>,
    receipts: Family<Labels, Counter>,
    problems: Family<Labels, Counter>,
    latency: Histogram,
    from_finding: Histogram,
    queue_bytes: Gauge,
    watermark: Gauge<f64, AtomicU64>,
    detector_keys: Family<Labels, Gauge>,
    detector_evicted: Family<Labels, Counter>,
    standing: Gauge,
    waiting: Gauge,
    incidents_open: Gauge,
    log_bytes: Gauge,
    /// What is published to the bus.
    pub(crate) topics: crate::topics::Counts,
    letters: Family<Labels, Counter>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("vertice"),
            events: Family::default(),
            findings: Family::default(),
            receipts: Family::default(),
            problems: Family::default(),
            latency: Histogram::new(LATENCY_BOUNDS),
            from_finding: Histogram::new(FINDING_BOUNDS),
            queue_bytes: Gauge::default(),
            watermark: Gauge::default(),
            detector_keys: Family::default(),
            detector_evicted: Family::default(),
            standing: Gauge::default(),
            waiting: Gauge::default(),
            incidents_open: Gauge::default(),
            log_bytes: Gauge::default(),
            topics: crate::topics::Counts::default(),
            letters: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let Self { registry, .. } = self;
        registry.register(
            "records",
            "Records by source and outcome",
            self.events.clone(),
        );
        registry.register(
            "findings",
            "Findings by detector and severity",
            self.findings.clone(),
        );
        registry.register(
            "receipts",
            "Receipts by action and outcome",
            self.receipts.clone(),
        );
        registry.register(
            "source_problems",
            "Problems of sources",
            self.problems.clone(),
        );
        let help = "From reading the telling line to the effect read back";
        registry.register("log_line_to_block_seconds", help, self.latency.clone());
        let help = "From making the finding to the effect read back";
        registry.register("finding_to_block_seconds", help, self.from_finding.clone());
        registry.register(
            "feed_queue_bytes",
            "Bytes waiting",
            self.queue_bytes.clone(),
        );
        registry.register(
            "watermark_seconds",
            "Event time reached",
            self.watermark.clone(),
        );
        registry.register(
            "detector_keys",
            "Keys a detector holds",
            self.detector_keys.clone(),
        );
        let help = "Keys a detector gave up at its limit";
        registry.register("detector_evicted", help, self.detector_evicted.clone());
        registry.register(
            "effects_standing",
            "Effects that stand now",
            self.standing.clone(),
        );
        registry.register(
            "approvals_waiting",
            "Steps waiting for a person",
            self.waiting.clone(),
        );
        registry.register(
            "incidents_open",
            "Incidents held open",
            self.incidents_open.clone(),
        );
        registry.register(
            "log_bytes",
            "Bytes of the event log",
            self.log_bytes.clone(),
        );
        let help = "Dead letters parsed again, by what became of them";
        registry.register("dead_letters_replayed", help, self.letters.clone());
        for became in ["event", "nothing", "bad"] {
            let labels = vec![("became", became.to_owned())];
            drop(self.letters.get_or_create(&labels));
        }
        self.topics.register(registry);
    }

    /// The text that `/metrics` serves.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap_or_default();
        text
    }

    /// A finding was made.
    pub fn finding(&self, finding: &Finding) {
        let detector = ("detector", finding.detector.as_str().into());
        let severity = ("severity", finding.severity.word().into());
        self.findings.get_or_create(&vec![detector, severity]).inc();
    }

    /// A receipt came, with the time from line to block where it is known.
    pub fn receipt(&self, receipt: &Receipt, took: Option<Took>) {
        let action = ("action", receipt.action.kind().word().into());
        let outcome = ("outcome", receipt.outcome.word().into());
        self.receipts.get_or_create(&vec![action, outcome]).inc();
        if let Some(took) = took {
            self.latency.observe(took.from_line.as_secs_f64());
            self.from_finding.observe(took.from_finding.as_secs_f64());
        }
    }

    /// A source has a problem.
    pub fn problem(&self, stream: &str) {
        self.problems
            .get_or_create(&vec![("source", event::hostile(stream))])
            .inc();
    }

    /// A dead letter was parsed again.
    pub(crate) fn replayed(&self, became: &str) {
        let labels = vec![("became", became.to_owned())];
        self.letters.get_or_create(&labels).inc();
    }

    /// Bytes that wait before the pipeline.
    pub fn queue(&self, bytes: usize) {
        self.queue_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Bytes that waited when last looked.
    pub fn queued(&self) -> u64 {
        u64::try_from(self.queue_bytes.get()).unwrap_or(0)
    }

    /// Once a second: everything that is counted elsewhere.
    pub(crate) fn tick(&self, pipeline: &Pipeline) {
        for (stream, counts) in &pipeline.desk.counts {
            let outcomes = [
                ("kept", counts.kept),
                ("dropped", counts.dropped),
                ("bad", counts.bad),
                ("known", counts.known),
            ];
            for (outcome, count) in outcomes {
                let labels = vec![("source", stream.to_string()), ("outcome", outcome.into())];
                set(&self.events.get_or_create(&labels), count);
            }
        }
        for detector in &pipeline.detectors {
            let (keys, evicted) = detector.size();
            let labels = vec![("detector", detector.name().into())];
            self.detector_keys
                .get_or_create(&labels)
                .set(i64::try_from(keys).unwrap_or(i64::MAX));
            set(&self.detector_evicted.get_or_create(&labels), evicted);
        }
        self.watermark.set(pipeline.watermark.seconds() as f64);
        self.standing.set(pipeline.engine.standing().len() as i64);
        self.waiting.set(pipeline.engine.waiting().len() as i64);
        self.incidents_open.set(pipeline.fusion.open_count() as i64);
        self.log_bytes
            .set(i64::try_from(pipeline.desk.log_bytes()).unwrap_or(i64::MAX));
    }
}

fn set(counter: &Counter, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}
