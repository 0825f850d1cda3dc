//! Runs: the journal first, then effects, then read-back, and the way back.
