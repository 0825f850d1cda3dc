//! Events to findings: patterns and behaviour
