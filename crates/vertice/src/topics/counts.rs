//! What the publisher counts, by topic.

use bus::Topic;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::publisher::FEEDS;

type Labels = Vec<(&'static str, &'static str)>;

/// Metrics of the topics.
#[derive(Debug, Default)]
pub struct Counts {
    published: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    refused: Family<Labels, Counter>,
    lost: Family<Labels, Counter>,
    backlog: Family<Labels, Gauge>,
    bytes: Family<Labels, Gauge>,
}

impl Counts {
    /// Makes them known to `/metrics`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Messages published by topic";
        registry.register("topic_published", help, self.published.clone());
        let help = "Attempts to publish that failed and are tried again";
        registry.register("topic_publish_failures", help, self.failures.clone());
        let help = "Records too large for a message, kept as dead letters of the bus";
        registry.register("topic_refused", help, self.refused.clone());
        let help = "Records that the store dropped at its limit before they were published";
        registry.register("topic_lost", help, self.lost.clone());
        let help = "Rows of the store that are not published yet";
        registry.register("topic_backlog", help, self.backlog.clone());
        let help = "Bytes of a topic on disk";
        registry.register("topic_bytes", help, self.bytes.clone());
        for (topic, _) in FEEDS {
            // From the start at 0, so that the first failure is a change that an alert sees.
            for family in [&self.published, &self.failures, &self.refused, &self.lost] {
                add(family, topic, 0);
            }
        }
    }

    pub(super) fn published(&self, topic: Topic, count: usize) {
        add(&self.published, topic, count as u64);
    }

    pub(super) fn failed(&self, topic: Topic) {
        add(&self.failures, topic, 1);
    }

    pub(super) fn refused(&self, topic: Topic) {
        add(&self.refused, topic, 1);
    }

    pub(super) fn lost(&self, topic: Topic, count: u64) {
        add(&self.lost, topic, count);
    }

    pub(super) fn backlog(&self, topic: Topic, rows: u64) {
        set(&self.backlog, topic, rows);
    }

    pub(super) fn bytes(&self, topic: Topic, bytes: u64) {
        set(&self.bytes, topic, bytes);
    }
}

fn labels(topic: Topic) -> Labels {
    vec![("topic", topic.as_str())]
}

fn add(family: &Family<Labels, Counter>, topic: Topic, count: u64) {
    family.get_or_create(&labels(topic)).inc_by(count);
}

fn set(family: &Family<Labels, Gauge>, topic: Topic, value: u64) {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    family.get_or_create(&labels(topic)).set(value);
}
