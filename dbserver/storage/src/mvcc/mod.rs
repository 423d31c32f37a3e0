//! Multi-version concurrency control: transactions, snapshots, locks.

mod transaction;

pub use transaction::{
    BatchWrite, CommitTicket, Insert, Isolation, LockMode, LockOutcome, LockWait, ObjectLock, Savepoint,
    Scan, Snapshot, Transaction, WaitPolicy, Write,
};
