//! Logs and streams to events, one folder a source
