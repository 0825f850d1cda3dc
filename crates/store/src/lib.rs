//! Transactional state on SQLite
