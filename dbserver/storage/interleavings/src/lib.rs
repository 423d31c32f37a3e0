//! The storage engine once more: the same sources, over locks, atomics and threads that
//! [shuttle](https://github.com/awslabs/shuttle) drives ([`sync`] in place of the engine's own), so that its tests can try
//! thousands of interleavings of the whole engine and replay the one that fails.

#![forbid(unsafe_code)]

#[path = "../../src/engine.rs"]
mod engine;
#[path = "../../src/error.rs"]
mod error;
#[cfg(test)]
#[path = "../../src/fuzz/mod.rs"]
mod fuzz;
#[path = "../../src/inspect/mod.rs"]
pub mod inspect;
#[path = "../../src/io/mod.rs"]
pub mod io;
#[path = "../../src/key.rs"]
mod key;
#[path = "../../src/lsm/mod.rs"]
mod lsm;
#[path = "../../src/manifest.rs"]
mod manifest;
#[path = "../../src/memtable/mod.rs"]
mod memtable;
#[path = "../../src/mvcc/mod.rs"]
mod mvcc;
#[path = "../../src/options.rs"]
mod options;
#[path = "../../src/recovery.rs"]
mod recovery;
#[path = "../../src/sst/mod.rs"]
mod sst;
#[path = "../../src/stats.rs"]
mod stats;
mod sync;
#[path = "../../src/wal/mod.rs"]
mod wal;

pub use engine::Engine;
pub use error::{ConflictReason, Error, LockName, Result, WaitsFor};
pub use key::{Direction, Key, KeyRange, RowBuffer, TreeId, Value};
pub use mvcc::{
    BatchWrite, BulkDelete, CommitTicket, Durability, Insert, Isolation, Load, LockMode, LockOutcome,
    LockWait, NewestView, ObjectLock, Savepoint, Scan, Snapshot, Transaction, WaitPolicy, Write,
};
pub use options::{FatalHook, Options};
pub use stats::Stats;
