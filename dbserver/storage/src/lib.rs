//! Plimsoll's storage engine: one keyspace of ordered maps ("trees") under multi-version concurrency control: a memtable made
//! durable by one write-ahead log, over a log-structured merge tree of immutable files.
//!
//! It knows keys and bytes, no SQL types. [`Engine::open`] recovers a data directory; [`Engine::begin`] starts a
//! [`Transaction`]; its [`Transaction::snapshot`] reads without ever waiting for a writer; writers that meet another
//! transaction's uncommitted row get a [`LockWait`] instead of an answer, to await or to block on, and then ask again.
//! [`Transaction::commit`] releases locks at once and hands out a [`CommitTicket`], which resolves when the commit is
//! durable: only then may a client be told (unless it asked for [`Durability::Asynchronous`]).

#![forbid(unsafe_code)]

mod engine;
mod error;
#[cfg(test)]
mod fuzz;
pub mod inspect;
pub mod io;
mod key;
mod lsm;
mod manifest;
mod memtable;
mod mvcc;
mod options;
mod recovery;
mod sst;
mod stats;
mod sync;
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
