//! The small privileged process: typed requests, rails of its own
