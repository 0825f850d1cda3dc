//! The few names that come again in every record (hosts, programs, methods), allocated once.

use std::collections::HashMap;

use event::Name;

/// Names held; a further one is allocated anew each time.
const NAMES_MAX: usize = 1024;
/// Bytes of the longest name held.
const NAME_HELD_BYTES_MAX: usize = 128;

/// A bounded table of shared names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    held: HashMap<Box<str>, Name>,
    last: Option<Name>,
}

impl Names {
    /// The name for `text`, shared where it was seen before.
    pub(crate) fn name(&mut self, text: &str) -> Name {
        if let Some(last) = &self.last
            && last.as_str() == text
        {
            return last.clone();
        }
        let name = self.look_up(text);
        self.last = Some(name.clone());
        name
    }

    fn look_up(&mut self, text: &str) -> Name {
        if let Some(name) = self.held.get(text) {
            return name.clone();
        }
        let name = Name::new(text);
        if self.held.len() < NAMES_MAX && text.len() <= NAME_HELD_BYTES_MAX {
            self.held.insert(text.into(), name.clone());
        }
        name
    }
}
