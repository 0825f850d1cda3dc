//! One bus, embedded on the segment log
