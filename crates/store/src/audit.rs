//! The audit log's hash chain: `hash = BLAKE3(previous ‖ canonical bytes of the row)`.
//!
//! A changed, swapped, inserted or deleted row breaks the chain at that row. Rows cut off at the
//! end show against the head that the node keeps in a second file. Absent on purpose: signatures.
//! Who can write both the state file and the head file can write a new chain.

use event::Time;

/// Length of a hash, bytes.
pub const HASH_BYTES: usize = 32;
/// What the first row follows.
pub const GENESIS: [u8; HASH_BYTES] = [0; HASH_BYTES];

/// One row of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// 1, 2, 3, … without a gap.
    pub sequence: u64,
    /// When.
    pub time: Time,
    /// Who caused it.
    pub who: String,
    /// What kind of thing happened (`planned`, `intent`, `receipt`, `decided`, …).
    pub what: String,
    /// The whole of it, JSON.
    pub body: String,
    /// Hash of the row before.
    pub previous: [u8; HASH_BYTES],
    /// Hash of this row.
    pub hash: [u8; HASH_BYTES],
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The last row; 0 = no row.
    pub sequence: u64,
    /// Its hash.
    pub hash: [u8; HASH_BYTES],
}

impl AuditHead {
    /// Before the first row.
    pub const START: Self = Self {
        sequence: 0,
        hash: GENESIS,
    };
}

/// What a walk over the audit log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Rows that hold, from the first on.
    pub rows: u64,
    /// The end of what holds.
    pub head: AuditHead,
    /// The head kept in the second file; `None` where there is no such file.
    pub stored_head: Option<AuditHead>,
    /// The first thing that does not hold.
    pub broken: Option<AuditBreak>,
}

impl AuditReport {
    /// Does the whole chain hold?
    pub const fn intact(&self) -> bool {
        self.broken.is_none()
    }
}

/// The first row that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditBreak {
    /// Its sequence, or the one that should stand there.
    pub sequence: u64,
    /// What is wrong.
    pub fault: AuditFault,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// The sequence does not go on by one.
    #[error("a row is missing, doubled or out of order")]
    Sequence,
    /// It does not name the hash of the row before.
    #[error("the row does not follow the one before it")]
    Previous,
    /// Its content is not what was hashed.
    #[error("the row was changed")]
    Content,
    /// A column has the wrong type or is not text.
    #[error("the row cannot be read")]
    Unreadable,
    /// The log ends before the stored head.
    #[error("rows at the end are missing: the stored head is beyond the last row")]
    Truncated,
    /// The row that the stored head names has another hash.
    #[error("the log was rewritten: the stored head names another row")]
    Rewritten,
    /// The head file is damaged.
    #[error("the file with the stored head is damaged")]
    HeadUnreadable,
}

/// A row as it lies in a backend, not yet believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawRow<'a> {
    pub(crate) sequence: i64,
    pub(crate) time_us: i64,
    pub(crate) who: &'a [u8],
    pub(crate) what: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) previous: &'a [u8],
    pub(crate) hash: &'a [u8],
}

impl RawRow<'_> {
    /// The hash of its content after `previous`. Texts are length-prefixed, so that moving a
    /// byte from one to the next shows.
    pub(crate) fn hash_after(&self, previous: &[u8; HASH_BYTES]) -> [u8; HASH_BYTES] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(previous);
        hasher.update(&self.sequence.to_le_bytes());
        hasher.update(&self.time_us.to_le_bytes());
        for text in [self.who, self.what, self.body] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        *hasher.finalize().as_bytes()
    }
}

/// A walk along the chain, row by row.
#[derive(Debug)]
pub(crate) struct Walk {
    head: AuditHead,
    stored: Option<AuditHead>,
}

impl Walk {
    /// From before the first row; `stored` is the head that was kept aside.
    pub(crate) const fn new(stored: Option<AuditHead>) -> Self {
        Self {
            head: AuditHead::START,
            stored,
        }
    }

    /// The last row that held.
    pub(crate) const fn head(&self) -> AuditHead {
        self.head
    }

    /// Goes one row on.
    pub(crate) fn step(&mut self, row: &RawRow<'_>) -> Result<(), AuditBreak> {
        let sequence = self.head.sequence.saturating_add(1);
        let broken = |fault| Err(AuditBreak { sequence, fault });
        if u64::try_from(row.sequence) != Ok(sequence) {
            return broken(AuditFault::Sequence);
        }
        if row.previous != self.head.hash {
            return broken(AuditFault::Previous);
        }
        let hash = row.hash_after(&self.head.hash);
        if row.hash != hash {
            return broken(AuditFault::Content);
        }
        if self
            .stored
            .is_some_and(|stored| stored.sequence == sequence && stored.hash != hash)
        {
            return broken(AuditFault::Rewritten);
        }
        self.head = AuditHead { sequence, hash };
        Ok(())
    }

    /// The report, after the last row or after the first that broke.
    pub(crate) fn finish(self, broken: Option<AuditBreak>) -> AuditReport {
        let beyond = self
            .stored
            .is_some_and(|stored| stored.sequence > self.head.sequence);
        let cut = beyond.then(|| AuditBreak {
            sequence: self.head.sequence.saturating_add(1),
            fault: AuditFault::Truncated,
        });
        AuditReport {
            rows: self.head.sequence,
            head: self.head,
            stored_head: self.stored,
            broken: broken.or(cut),
        }
    }
}

#[cfg(test)]
mod tests;
