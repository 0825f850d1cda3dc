//! Durable segment log: zstd blocks, CRC, group commit
