//! ATT&CK knowledge compiled in: which techniques exist, what replaced the old ones, and how far
//! along the attack each one lies.
//!
//! The data file `data/enterprise.tsv` is generated from MITRE's STIX bundle by
//! `cargo xtask attack <bundle>` and never edited by hand. © 2025 The MITRE Corporation. This work
//! is reproduced and distributed with the permission of The MITRE Corporation.
//!
//! Absent on purpose: groups, software and descriptions; reading a bundle at run time.
#![warn(missing_docs)]

use std::sync::OnceLock;

use event::{Tactic, TechniqueId};

/// The committed catalogue, in order of id.
const DATA: &str = include_str!("../data/enterprise.tsv");

/// The release of ATT&CK that is compiled in.
pub const RELEASE: &str = "18.1";

/// MITRE's copyright line, to be shown wherever ATT&CK content is shown.
pub const COPYRIGHT: &str = "© 2025 The MITRE Corporation. This work is reproduced and distributed \
     with the permission of The MITRE Corporation.";

/// Steps followed from a revoked technique to its successor; the release needs two.
const REPLACEMENTS_MAX: usize = 8;

/// A technique or sub-technique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Technique {
    /// Its id.
    pub id: TechniqueId,
    /// Its name ("Password Guessing"); a sub-technique's without its parent's.
    pub name: &'static str,
    /// What it serves, in kill-chain order; at least one if live.
    pub tactics: Vec<Tactic>,
    /// Where it is seen ("Linux", "Windows", …), sorted.
    pub platforms: Vec<&'static str>,
    /// ATT&CK's version of this entry ("1.4").
    pub version: &'static str,
    /// In use, or withdrawn.
    pub status: Status,
    /// What revoked it, if anything did.
    pub replaced_by: Option<TechniqueId>,
}

/// Does a technique stand?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// In use.
    Live,
    /// Withdrawn without a successor.
    Deprecated,
    /// Replaced: [`Technique::replaced_by`] says by what.
    Revoked,
}

/// The entry with exactly this id, also a withdrawn one.
pub fn technique(id: TechniqueId) -> Option<&'static Technique> {
    let all = all();
    let found = all.binary_search_by_key(&id, |entry| entry.id).ok()?;
    all.get(found)
}

/// The live technique that `id` means today: itself, or what it was revoked by. `None` for an
/// unknown id and for one that was withdrawn without a successor.
pub fn resolve(id: TechniqueId) -> Option<TechniqueId> {
    let mut current = id;
    for _ in 0..REPLACEMENTS_MAX {
        let entry = technique(current)?;
        if entry.status == Status::Live {
            return Some(current);
        }
        current = entry.replaced_by?;
    }
    None
}

/// Every entry, withdrawn ones too, sorted by id.
pub fn all() -> &'static [Technique] {
    static ALL: OnceLock<Vec<Technique>> = OnceLock::new();
    ALL.get_or_init(|| rows().filter_map(parse).collect())
}

/// What `id` serves, in kill-chain order. A revoked id answers for its successor, an unknown
/// sub-technique for its parent; empty if that is unknown too.
pub fn tactics_of(id: TechniqueId) -> &'static [Tactic] {
    let known = resolve(id).or_else(|| resolve(id.parent()));
    known
        .and_then(technique)
        .map_or(&[], |entry| entry.tactics.as_slice())
}

/// How far an attack that shows `techniques` has certainly come: the furthest over the techniques
/// of the *least* far tactic of each. Valid accounts alone (initial access … privilege
/// escalation) thus prove initial access and not more.
pub fn furthest_tactic(techniques: &[TechniqueId]) -> Option<Tactic> {
    let least = |id: &TechniqueId| tactics_of(*id).first().copied();
    techniques.iter().filter_map(least).max()
}

fn rows() -> impl Iterator<Item = &'static str> {
    DATA.lines().filter(|line| !line.starts_with('#'))
}

/// One line of the data file; `None` cannot happen to committed data (tested).
fn parse(line: &'static str) -> Option<Technique> {
    let mut fields = line.split('\t');
    let mut field = || fields.next();
    let id = field()?.parse().ok()?;
    let status = status(field()?)?;
    let replaced_by = match field()? {
        "" => None,
        text => Some(text.parse().ok()?),
    };
    let (version, name) = (field()?, field()?);
    let mut tactics = list(field()?)
        .map(|word| word.parse().ok())
        .collect::<Option<Vec<Tactic>>>()?;
    tactics.sort_unstable();
    let platforms = list(field()?).collect();
    Some(Technique {
        id,
        name,
        tactics,
        platforms,
        version,
        status,
        replaced_by,
    })
}

fn status(word: &str) -> Option<Status> {
    match word {
        "live" => Some(Status::Live),
        "deprecated" => Some(Status::Deprecated),
        "revoked" => Some(Status::Revoked),
        _ => None,
    }
}

fn list(field: &'static str) -> impl Iterator<Item = &'static str> {
    field.split(',').filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests;
