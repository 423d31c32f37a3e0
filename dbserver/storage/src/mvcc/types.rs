//! What the calls of a transaction take and answer.

use super::locks::LockWait;
use crate::key::Value;

/// What a transaction sees of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed when it began.
    ReadCommitted,
    /// All statements see what was committed when the first began; a change of a row changed since is refused.
    RepeatableRead,
    /// As [`Isolation::RepeatableRead`], and a transaction is refused before the serializable ones together could do what they
    /// could not have done one after the other.
    Serializable,
}

/// What a commit's ticket waits for; see [`Transaction::commit_with`].
///
/// [`Transaction::commit_with`]: crate::Transaction::commit_with
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The disk: no crash can undo the commit after that.
    Synchronous,
    /// Nothing: later snapshots see the commit at once, the log's flusher makes it durable soon. A crash before that undoes it
    /// and all later ones, never half of it and never one before it alone.
    Asynchronous,
}

/// Strength of a row lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Alone: as an update or delete of the row.
    Update,
    /// With other sharers, against updates and deletes.
    Share,
}

/// What to do when the row is locked by another transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Answer [`LockOutcome::Blocked`], queued.
    Wait,
    /// Answer [`LockOutcome::Skipped`] and leave no trace: the caller skips the row, or makes it an error (NOWAIT).
    Skip,
}

/// Strength of an object lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectLock {
    /// With other sharers.
    Shared,
    /// Alone.
    Exclusive,
}

/// Answer of [`Transaction::lock_row`].
#[derive(Debug)]
pub enum LockOutcome {
    /// The transaction has the lock until it ends (or rolls back to a savepoint before).
    Locked {
        /// The newest value, own or committed; `None` where the row does not exist (any more).
        current: Option<Value>,
        /// Whether that is newer than what the transaction's snapshot sees: the caller must evaluate its condition again.
        changed: bool,
        /// Whether it was the transaction's current statement that wrote it.
        by_statement: bool,
    },
    /// Another transaction has it: wait, then call again.
    Blocked(LockWait),
    /// Another transaction has it, and the policy was [`WaitPolicy::Skip`].
    Skipped,
}

/// Answer of a write.
#[derive(Debug)]
pub enum Write {
    /// Done.
    Done,
    /// Nothing done, another transaction has the row: wait, then call again.
    Blocked(LockWait),
}

/// Answer of [`Transaction::insert_unique`].
#[derive(Debug)]
pub enum Insert {
    /// The row is in.
    Inserted,
    /// Nothing done: the key exists, with this newest value (own or committed).
    Exists(Value),
    /// Nothing done, another transaction inserts or deletes the key: wait, then call again.
    Blocked(LockWait),
}

/// Answer of [`Transaction::put_batch`] and [`Transaction::insert_batch`].
#[derive(Debug)]
pub enum BatchWrite {
    /// All rows are in.
    Done,
    /// The rows before `index` are in, the one there exists already.
    Exists {
        /// Which row.
        index: usize,
        /// Its newest value.
        value: Value,
    },
    /// The rows before `index` are in; another transaction has that one: wait, then call again from there.
    Blocked {
        /// Which row.
        index: usize,
        /// The wait.
        wait: LockWait,
    },
}
