//! Plimsoll's storage engine: one log-structured keyspace under multi-version concurrency control.

/// Names one ordered tree of keys: the first eight bytes (big-endian) of its keys in logs and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeId(pub u64);

/// A wait for a lock; replaced by the engine.
pub struct LockWait;
/// A wait for durability; replaced by the engine.
pub struct CommitTicket;
