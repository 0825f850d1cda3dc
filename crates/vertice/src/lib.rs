//! The wiring of Vértice: configuration, pipeline and the operator verbs.
