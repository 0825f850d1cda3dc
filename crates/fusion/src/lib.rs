//! Findings joined into incidents
