//! Incidents to plans to receipts: playbooks, gates, engine, rails.
//!
//! `Incident` → [`playbook`] (what people wrote, checked, resolved into a `Plan`; [`gates`] decide
//! who must agree, [`rails`] what is never done, [`actions`] how an effect looks and how it is
//! undone) → [`engine`] (journal first, then effects, then read-back) → `Receipt`.
//!
//! Absent on purpose: I/O, clocks, async, randomness. The privileged process is the `actuator`'s.
#![warn(missing_docs)]

pub mod actions;
pub mod engine;
pub mod gates;
pub mod playbook;
pub mod rails;
