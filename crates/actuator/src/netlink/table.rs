//! Keeps our table standing and changes its elements, each group as one kernel transaction.
//!
//! The kernel counts every transaction of its namespace in a generation number. While that number
//! is the one we left, nobody has touched the rules and one question of 3 µs proves it; otherwise
//! the table is compared with what it was when we made it, and made anew where it differs.

use ipnet::IpNet;
use rustix::io::Errno;

use super::element::{Change, Raw, Set, Slot, Standing, join_ranges, read_message};
use super::numbers::{
    CREATE, DELETE_ELEMENT, DELETE_RULE, DELETE_TABLE, GET_CHAIN, GET_ELEMENT, GET_GENERATION,
    GET_RULE, GET_SET, GET_TABLE, NEW_ELEMENT, NEW_GENERATION, NEW_RULE, NEW_TABLE,
};
use super::ruleset::{self, Chain, TABLE, attribute};
use super::socket::{Part, Socket};
use super::wire::{Attributes, Message};
use crate::error::KernelError;

/// `NFT_MSG_DELCHAIN`.
const DELETE_CHAIN: u16 = super::numbers::NFTABLES | 5;
/// Attempts at a dump that others keep changing.
const DUMP_ATTEMPTS_MAX: usize = 8;
/// Attempts at a transaction that others keep spoiling.
const APPLY_ATTEMPTS_MAX: usize = 3;
/// Elements read in one dump; more is an error, not a cut.
const ELEMENTS_MAX: usize = 1 << 20;

/// Our table in the kernel.
#[derive(Debug)]
pub struct Table {
    socket: Socket,
    /// Counts the makings of the table.
    generation: u64,
    /// The kernel's generation number when the table was last known to be whole.
    whole_at: Option<u32>,
    /// What the kernel showed of our chains and rules right after they were made.
    reference: Vec<u8>,
}

impl Table {
    /// Opens the packet filter of the calling thread's network namespace and makes the table
    /// stand. Elements of an earlier run are kept when the sets are as ours; chains and rules are
    /// always made anew, in the same transaction. `generation` is the first generation told.
    ///
    /// # Errors
    /// [`KernelError`], also when this process may not change the packet filter.
    pub fn open(generation: u64) -> Result<Self, KernelError> {
        let mut table = Self {
            socket: Socket::open()?,
            generation,
            whole_at: None,
            reference: Vec::new(),
        };
        table.kernel_generation()?;
        table.remake()?;
        Ok(table)
    }

    /// Changes each time the table had to be made anew.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes sure that the table stands as it was made.
    ///
    /// # Errors
    /// [`KernelError`] when the kernel refuses.
    pub fn ensure(&mut self) -> Result<(), KernelError> {
        let now = self.kernel_generation()?;
        if self.whole_at == Some(now) {
            return Ok(());
        }
        if self.sets_stand()? && self.fingerprint()?.as_ref() == Some(&self.reference) {
            self.whole_at = Some(now);
            return Ok(());
        }
        self.generation = self.generation.saturating_add(1);
        self.remake()
    }

    fn remake(&mut self) -> Result<(), KernelError> {
        let repaired = self.sets_stand()? && self.repair_chains().is_ok();
        if !repaired {
            self.make()?;
        }
        let before = self.kernel_generation()?;
        let what = "read the table back";
        self.reference = self
            .fingerprint()?
            .ok_or(KernelError::NotUnderstood { what })?;
        self.whole_at = Some(before);
        Ok(())
    }

    /// Deletes what stands under our name, and makes all of it, as one transaction.
    fn make(&mut self) -> Result<(), KernelError> {
        let name = |writer: &mut super::wire::Writer| writer.text(attribute::TABLE_NAME, TABLE);
        let mut parts = vec![
            Part::new(NEW_TABLE, CREATE, name),
            Part::new(DELETE_TABLE, 0, name),
        ];
        parts.extend(ruleset::table_and_sets());
        parts.extend(ruleset::chains_and_rules());
        self.socket.commit("make the table", &parts)
    }

    /// Makes chains and rules anew and leaves the sets and their elements as they are.
    fn repair_chains(&mut self) -> Result<(), KernelError> {
        let mut parts = vec![Part::new(DELETE_RULE, 0, |writer| {
            writer.text(attribute::RULE_TABLE, TABLE);
        })];
        for (chain, shown) in Chain::ALL.into_iter().zip(self.chains()?) {
            if shown.is_some() {
                parts.push(Part::new(DELETE_CHAIN, 0, move |writer| {
                    writer.text(attribute::CHAIN_TABLE, TABLE);
                    writer.text(attribute::CHAIN_NAME, chain.name());
                }));
            }
        }
        parts.extend(ruleset::chains_and_rules());
        self.socket.commit("make the chains", &parts)
    }

    fn kernel_generation(&mut self) -> Result<u32, KernelError> {
        let what = "ask for the generation";
        let mut number = None;
        let question = Part::new(GET_GENERATION, 0, |_| ());
        self.socket.ask(what, &[question], |answer| {
            let answer = answer.filter(|answer| answer.kind == NEW_GENERATION);
            number = answer.and_then(|answer| answer.attributes().number(1));
            Ok(())
        })?;
        number.ok_or(KernelError::NotUnderstood { what })
    }

    /// Do the table and all its sets stand with our flags and keys?
    fn sets_stand(&mut self) -> Result<bool, KernelError> {
        let mut questions = vec![Part::new(GET_TABLE, 0, |writer| {
            writer.text(attribute::TABLE_NAME, TABLE);
        })];
        questions.extend(Set::ALL.into_iter().map(|set| {
            Part::new(GET_SET, 0, move |writer| {
                writer.text(attribute::SET_TABLE, TABLE);
                writer.text(attribute::SET_NAME, set.name());
            })
        }));
        let mut expected = std::iter::once(None).chain(Set::ALL.map(Some));
        let mut stand = true;
        self.socket.ask("read the sets", &questions, |answer| {
            let set = expected.next().flatten();
            stand &= answer.is_some_and(|answer| set.is_none_or(|set| is_our_set(set, answer)));
            Ok(())
        })?;
        Ok(stand)
    }

    /// What the kernel shows of our three chains.
    fn chains(&mut self) -> Result<Vec<Option<Vec<u8>>>, KernelError> {
        let questions = Chain::ALL.map(|chain| {
            Part::new(GET_CHAIN, 0, move |writer| {
                writer.text(attribute::CHAIN_TABLE, TABLE);
                writer.text(attribute::CHAIN_NAME, chain.name());
            })
        });
        let mut shown = Vec::new();
        self.socket.ask("read the chains", &questions, |answer| {
            shown.push(answer.map(|answer| chain_print(answer.attributes())));
            Ok(())
        })?;
        Ok(shown)
    }

    /// Chains and rules as the kernel shows them, without handles and counters; `None` when a
    /// chain is missing.
    fn fingerprint(&mut self) -> Result<Option<Vec<u8>>, KernelError> {
        let chains: Option<Vec<Vec<u8>>> = self.chains()?.into_iter().collect();
        let Some(chains) = chains else {
            return Ok(None);
        };
        let question = Part::new(GET_RULE, 0, |writer| {
            writer.text(attribute::RULE_TABLE, TABLE);
        });
        for _ in 0..DUMP_ATTEMPTS_MAX {
            let mut print = chains.concat();
            let whole = self.socket.dump("read the rules", &question, |message| {
                if message.kind == NEW_RULE {
                    rule_print(message.attributes(), &mut print);
                }
            })?;
            if whole {
                return Ok(Some(print));
            }
        }
        Err(interrupted("read the rules"))
    }

    /// Applies all changes as one transaction: all or none. Changing the same slot twice in one
    /// call is the caller's mistake.
    ///
    /// # Errors
    /// [`KernelError`]; nothing was changed then.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), KernelError> {
        let what = "change elements";
        for attempt in 1..=APPLY_ATTEMPTS_MAX {
            let ranges = self.ranges_for(changes.iter().map(|change| change.slot))?;
            let stands = |slot: &Slot| ranges.iter().any(|range| range.slot == *slot);
            let parts = transaction(changes, &stands);
            let before = self.whole_at;
            match self.socket.commit(what, &parts) {
                // A range expired, or somebody flushed the table, between our look and our act.
                Err(error) if error.errno() == Some(Errno::NOENT) => self.ensure()?,
                Err(error) if attempt == APPLY_ATTEMPTS_MAX => return Err(error),
                Err(error) if error.errno() == Some(Errno::AGAIN) => (),
                Err(error) => return Err(error),
                Ok(()) => return self.note_own_change(before, parts.is_empty()),
            }
        }
        Err(KernelError::Refused {
            what,
            errno: Errno::NOENT,
        })
    }

    /// If only our own transaction moved the kernel's generation, the table is still whole.
    fn note_own_change(&mut self, before: Option<u32>, empty: bool) -> Result<(), KernelError> {
        let after = self.kernel_generation()?;
        let own = before.is_some_and(|before| before.checked_add(1) == Some(after));
        if own && !empty {
            self.whole_at = Some(after);
        }
        Ok(())
    }

    /// Reads the elements of these slots, in their order; `None` where none stands.
    ///
    /// # Errors
    /// [`KernelError`] when the kernel does not answer.
    pub fn read(&mut self, slots: &[Slot]) -> Result<Vec<Option<Standing>>, KernelError> {
        let ranges = self.ranges_for(slots.iter().copied())?;
        let hosts: Vec<Slot> = slots
            .iter()
            .copied()
            .filter(|slot| !slot.set().is_range())
            .collect();
        let mut read = self.read_hosts(&hosts)?.into_iter();
        let shown = |slot: &Slot| {
            if slot.set().is_range() {
                ranges.iter().find(|range| range.slot == *slot).copied()
            } else {
                read.next().flatten()
            }
        };
        Ok(slots.iter().map(shown).collect())
    }

    fn read_hosts(&mut self, slots: &[Slot]) -> Result<Vec<Option<Standing>>, KernelError> {
        let questions: Vec<Part<'_>> = slots
            .iter()
            .map(|slot| {
                Part::new(GET_ELEMENT, 0, move |writer| {
                    Slot::write_list(slot.set(), writer, |writer| slot.write_bare(writer));
                })
            })
            .collect();
        let mut standing = Vec::with_capacity(slots.len());
        let mut asked = slots.iter();
        self.socket
            .ask("read elements back", &questions, |answer| {
                let slot = asked.next();
                let mut found = None;
                if let Some(answer) = answer {
                    read_message(&answer, |set, raw| found = Some(raw.standing(set)));
                }
                standing.push(found.filter(|found: &Standing| Some(&found.slot) == slot));
                Ok(())
            })?;
        Ok(standing)
    }

    /// All elements of all sets, sorted by slot.
    ///
    /// # Errors
    /// [`KernelError`] when the kernel does not answer, or others keep changing the table.
    pub fn dump(&mut self) -> Result<Vec<Standing>, KernelError> {
        let mut all = Vec::new();
        for set in Set::ALL {
            all.append(&mut self.dump_set(set)?);
        }
        Ok(all)
    }

    /// The standing ranges of the two interval sets.
    ///
    /// # Errors
    /// As [`Table::dump`].
    pub fn ranges(&mut self) -> Result<Vec<Standing>, KernelError> {
        let mut ranges = self.dump_set(Set::BlockNet4)?;
        ranges.append(&mut self.dump_set(Set::BlockNet6)?);
        Ok(ranges)
    }

    fn ranges_for(
        &mut self,
        mut slots: impl Iterator<Item = Slot>,
    ) -> Result<Vec<Standing>, KernelError> {
        if slots.any(|slot| slot.set().is_range()) {
            return self.ranges();
        }
        Ok(Vec::new())
    }

    fn dump_set(&mut self, set: Set) -> Result<Vec<Standing>, KernelError> {
        let what = "dump a set";
        let question = Part::new(GET_ELEMENT, 0, move |writer| {
            writer.text(attribute::LIST_TABLE, TABLE);
            writer.text(attribute::LIST_SET, set.name());
        });
        for _ in 0..DUMP_ATTEMPTS_MAX {
            let mut raws: Vec<Raw> = Vec::new();
            let mut standing: Vec<Standing> = Vec::new();
            let whole = self.socket.dump(what, &question, |message| {
                if message.kind == NEW_ELEMENT && standing.len().max(raws.len()) <= ELEMENTS_MAX {
                    read_message(&message, |_, raw| {
                        if set.is_range() {
                            raws.push(raw);
                        } else {
                            standing.push(raw.standing(set));
                        }
                    });
                }
            })?;
            if standing.len().max(raws.len()) > ELEMENTS_MAX {
                let max = ELEMENTS_MAX;
                return Err(KernelError::TooLarge { what, max });
            }
            standing.sort_unstable();
            if whole && !shows_twice(&standing) {
                standing.append(&mut join_ranges(set, raws));
                return Ok(standing);
            }
        }
        Err(interrupted(what))
    }
}

/// The kernel counts positions to go on with a dump. A hash set that grows meanwhile changes its
/// order: as many elements are shown twice as are not shown at all, and no flag tells.
fn shows_twice(sorted: &[Standing]) -> bool {
    sorted
        .iter()
        .zip(sorted.iter().skip(1))
        .any(|(left, right)| left.slot == right.slot)
}

/// Do two networks share an address?
pub(crate) fn overlap(left: IpNet, right: IpNet) -> bool {
    left.contains(&right) || right.contains(&left)
}

const fn interrupted(what: &'static str) -> KernelError {
    KernelError::Refused {
        what,
        errno: Errno::INTR,
    }
}

fn is_our_set(set: Set, answer: Message<'_>) -> bool {
    let shown = answer.attributes();
    shown.text(attribute::SET_NAME) == Some(set.name())
        && shown.number(attribute::SET_FLAGS) == Some(ruleset::set_flags(set))
        && shown.number(attribute::SET_KEY_KIND) == Some(ruleset::key_kind(set))
        && shown.number(attribute::SET_KEY_BYTES) == Some(ruleset::key_bytes(set))
        && shown.find(attribute::SET_EXPRESSION).is_some() == set.is_limit()
}

fn chain_print(shown: Attributes<'_>) -> Vec<u8> {
    let mut print = Vec::new();
    for kind in [
        attribute::CHAIN_NAME,
        attribute::CHAIN_HOOK,
        attribute::CHAIN_POLICY,
        attribute::CHAIN_TYPE,
    ] {
        print.extend_from_slice(shown.find(kind).unwrap_or_default());
        print.push(b'|');
    }
    print
}

fn rule_print(shown: Attributes<'_>, print: &mut Vec<u8>) {
    if shown.text(attribute::RULE_TABLE) != Some(TABLE) {
        return;
    }
    print.extend_from_slice(shown.find(attribute::RULE_CHAIN).unwrap_or_default());
    let expressions = shown.inside(attribute::RULE_EXPRESSIONS);
    for (_, payload) in expressions.unwrap_or(Attributes(&[])) {
        let expression = Attributes(payload);
        let name = expression
            .text(attribute::EXPRESSION_NAME)
            .unwrap_or_default();
        print.extend_from_slice(name.as_bytes());
        if name != "counter" {
            let data = expression.find(attribute::EXPRESSION_DATA);
            print.extend_from_slice(data.unwrap_or_default());
        }
    }
    print.push(b'\n');
}

/// The messages of one transaction. In hash sets: add, delete, add with timeout. The first add
/// makes the delete succeed whether or not the element stood, and the delete makes old kernels
/// take the new timeout. Interval sets refuse to add what overlaps, so there the delete is sent
/// only for what stands.
fn transaction<'all>(changes: &'all [Change], stands: &impl Fn(&Slot) -> bool) -> Vec<Part<'all>> {
    let mut parts = Vec::new();
    for set in Set::ALL {
        let of_set: Vec<&Change> = changes
            .iter()
            .filter(|change| change.slot.set() == set)
            .collect();
        let cleared: Vec<Slot> = of_set
            .iter()
            .map(|change| change.slot)
            .filter(|slot| !set.is_range() || stands(slot))
            .collect();
        let put: Vec<&Change> = of_set
            .into_iter()
            .filter(|change| change.put.is_some())
            .collect();
        if !cleared.is_empty() {
            if !set.is_range() {
                parts.push(bare_part(NEW_ELEMENT, CREATE, set, cleared.clone()));
            }
            parts.push(bare_part(DELETE_ELEMENT, 0, set, cleared));
        }
        if !put.is_empty() {
            parts.push(put_part(set, put));
        }
    }
    parts
}

fn bare_part(kind: u16, flags: u16, set: Set, slots: Vec<Slot>) -> Part<'static> {
    Part::new(kind, flags, move |writer| {
        Slot::write_list(set, writer, |writer| {
            for slot in &slots {
                slot.write_bare(writer);
            }
        });
    })
}

fn put_part(set: Set, changes: Vec<&Change>) -> Part<'_> {
    Part::new(NEW_ELEMENT, CREATE, move |writer| {
        Slot::write_list(set, writer, |writer| {
            for change in &changes {
                if let Some(put) = &change.put {
                    change.slot.write_put(put, writer);
                }
            }
        });
    })
}

#[cfg(test)]
mod tests;
