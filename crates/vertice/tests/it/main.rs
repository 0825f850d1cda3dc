//! The binary from outside, as an operator and an attacker meet it: its verbs, its node, its
//! crashes and its effects. One test binary, so that it is linked once.
//!
//! Absent on purpose: what one area does alone (each crate tests itself), and figures.
#![expect(
    clippy::disallowed_methods,
    reason = "tests start processes of their own and wait for them with a bound"
)]

#[cfg(test)]
mod arena;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod dlq;
#[cfg(test)]
mod effects;
#[cfg(test)]
mod home;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod node;
#[cfg(test)]
mod routes;
