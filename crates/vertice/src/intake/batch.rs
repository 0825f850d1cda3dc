//! Collects records up to the limits of a batch.

use super::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Record};

/// Records that wait to be handed over.
#[derive(Debug, Default)]
pub(super) struct Batch {
    records: Vec<Record>,
    bytes: usize,
}

impl Batch {
    pub(super) fn push(&mut self, record: Record) {
        self.bytes = self.bytes.saturating_add(record.bytes.len());
        self.records.push(record);
    }

    /// Is it time to hand it over?
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= BATCH_RECORDS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The records; the batch is empty afterwards.
    pub(super) fn take(&mut self) -> Vec<Record> {
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }
}
