//! The packet filter as the session sees it: a trait only to isolate the kernel.

use crate::error::KernelError;
use crate::netlink::{Change, Slot, Standing, Table};

/// A packet filter with our table in it.
pub(crate) trait Filter {
    /// Changes each time the table had to be made anew.
    fn generation(&self) -> u64;
    /// Makes sure that the table stands as it was made.
    fn ensure(&mut self) -> Result<(), KernelError>;
    /// All changes as one transaction, or none.
    fn apply(&mut self, changes: &[Change]) -> Result<(), KernelError>;
    /// The elements of these slots, in order.
    fn read(&mut self, slots: &[Slot]) -> Result<Vec<Option<Standing>>, KernelError>;
    /// All elements, sorted by slot.
    fn dump(&mut self) -> Result<Vec<Standing>, KernelError>;
    /// The standing ranges.
    fn ranges(&mut self) -> Result<Vec<Standing>, KernelError>;
}

impl Filter for Table {
    fn generation(&self) -> u64 {
        Self::generation(self)
    }

    fn ensure(&mut self) -> Result<(), KernelError> {
        Self::ensure(self)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), KernelError> {
        Self::apply(self, changes)
    }

    fn read(&mut self, slots: &[Slot]) -> Result<Vec<Option<Standing>>, KernelError> {
        Self::read(self, slots)
    }

    fn dump(&mut self) -> Result<Vec<Standing>, KernelError> {
        Self::dump(self)
    }

    fn ranges(&mut self) -> Result<Vec<Standing>, KernelError> {
        Self::ranges(self)
    }
}

/// A filter that holds nothing: for fuzzing the way up to the kernel.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl Filter for Nowhere {
    fn generation(&self) -> u64 {
        0
    }

    fn ensure(&mut self) -> Result<(), KernelError> {
        Ok(())
    }

    fn apply(&mut self, _changes: &[Change]) -> Result<(), KernelError> {
        Ok(())
    }

    fn read(&mut self, slots: &[Slot]) -> Result<Vec<Option<Standing>>, KernelError> {
        Ok(vec![None; slots.len()])
    }

    fn dump(&mut self) -> Result<Vec<Standing>, KernelError> {
        Ok(Vec::new())
    }

    fn ranges(&mut self) -> Result<Vec<Standing>, KernelError> {
        Ok(Vec::new())
    }
}
