//! Transactions.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::key::{Direction, Key, KeyRange, RowBuffer, TreeId, Value};

/// What a transaction sees of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed when it began.
    ReadCommitted,
    /// All statements see what was committed when the first began; a change of a row changed since is refused.
    RepeatableRead,
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

/// A transaction. Shared by `Arc` with the cursors of its session; one call at a time makes sense, several are safe.
/// Dropping it rolls it back.
pub struct Transaction {}

impl Transaction {
    /// Its number: unique while the process lives, in the order of beginning.
    #[must_use]
    pub fn id(&self) -> u64 {
        0
    }

    /// Its isolation.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        Isolation::ReadCommitted
    }

    /// Begins a statement: what the statements before wrote becomes visible to it, and in READ COMMITTED what others
    /// committed until now. Snapshots of earlier statements stay as they are.
    pub fn new_statement(&self) {}

    /// The snapshot of the current statement: commits up to its timestamp, and this transaction's own writes of earlier
    /// statements only (a statement never meets its own writes, the "Halloween problem"). Cheap to clone; pins the
    /// versions it sees while it lives, also beyond the statement.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {}
    }

    /// Locks a row, whether it exists or not, and answers its newest value. A later put or delete of it by this
    /// transaction (after an Update lock) cannot block.
    ///
    /// # Errors
    /// [`Error::WriteConflict`] in REPEATABLE READ where the row was changed after the snapshot; [`Error::Deadlock`]
    /// where the wait would never end.
    pub fn lock_row(
        &self,
        tree: TreeId,
        key: &[u8],
        mode: LockMode,
        wait: WaitPolicy,
    ) -> Result<LockOutcome> {
        let _ = (tree, key, mode, wait);
        Err(Error::Closed)
    }

    /// Writes a row, whether it exists or not.
    ///
    /// # Errors
    /// As [`Transaction::lock_row`], and [`Error::OutOfMemory`], [`Error::DiskFull`], [`Error::TooLarge`].
    pub fn put(&self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<Write> {
        let _ = (tree, key, value);
        Err(Error::Closed)
    }

    /// Deletes a row, if it exists.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    pub fn delete(&self, tree: TreeId, key: &[u8]) -> Result<Write> {
        let _ = (tree, key);
        Err(Error::Closed)
    }

    /// Writes a row if its key does not exist in the newest state (not the snapshot's); waits for an uncommitted
    /// inserter or deleter of the same key.
    ///
    /// # Errors
    /// As [`Transaction::put`], without the conflict: an unseen row is [`Insert::Exists`].
    pub fn insert_unique(&self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<Insert> {
        let _ = (tree, key, value);
        Err(Error::Closed)
    }

    /// The newest value: own, also of the current statement, or committed.
    ///
    /// # Errors
    /// [`Error::Fatal`].
    pub fn get_latest(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value>> {
        let _ = (tree, key);
        Err(Error::Closed)
    }

    /// [`Transaction::put`] of the buffer's rows from index `from` on, with few latch acquisitions. Fastest when the
    /// rows come in key order.
    ///
    /// # Errors
    /// As [`Transaction::put`]; the rows before the failing one are in.
    pub fn put_batch(&self, tree: TreeId, rows: &RowBuffer, from: usize) -> Result<BatchWrite> {
        let _ = (tree, rows, from);
        Err(Error::Closed)
    }

    /// [`Transaction::insert_unique`] of the buffer's rows from index `from` on.
    ///
    /// # Errors
    /// As [`Transaction::insert_unique`]; the rows before the failing one are in.
    pub fn insert_batch(&self, tree: TreeId, rows: &RowBuffer, from: usize) -> Result<BatchWrite> {
        let _ = (tree, rows, from);
        Err(Error::Closed)
    }

    /// Locks an object (a relation, by a number of the caller's) until the transaction ends. `None`: it has the lock;
    /// otherwise wait and call again. Waits are in the same graph as those for rows.
    ///
    /// # Errors
    /// [`Error::Deadlock`].
    pub fn lock_object(&self, object: u64, mode: ObjectLock) -> Result<Option<LockWait>> {
        let _ = (object, mode);
        Err(Error::Closed)
    }

    /// Drops a tree's data when this transaction commits. Snapshots from before go on reading it. The caller sees to
    /// it (by an exclusive object lock) that nobody else writes to the tree.
    pub fn drop_tree(&self, tree: TreeId) {
        let _ = tree;
    }

    /// Marks a point to go back to.
    #[must_use]
    pub fn savepoint(&self) -> Savepoint {
        Savepoint {}
    }

    /// Undoes everything since the savepoint, which stays, and releases row locks taken since.
    pub fn rollback_to(&self, savepoint: &Savepoint) {
        let _ = savepoint;
    }

    /// Forgets a savepoint; what happened since stays.
    pub fn release(&self, savepoint: Savepoint) {
        let _ = savepoint;
    }

    /// Commits: releases all locks and answers a ticket. The client may be told only after the ticket resolved.
    /// A transaction that wrote nothing gets a ticket that has resolved (unless it met a commit that is not durable yet).
    ///
    /// # Errors
    /// [`Error::DiskFull`]: the transaction is rolled back. [`Error::Fatal`], [`Error::Closed`], [`Error::TransactionEnded`].
    pub fn commit(&self) -> Result<CommitTicket> {
        Err(Error::Closed)
    }

    /// Undoes everything and releases all locks. Nothing happens where the transaction has ended.
    pub fn rollback(&self) {}

    /// Bytes of keys and values written so far.
    #[must_use]
    pub fn write_bytes(&self) -> u64 {
        0
    }
}

/// A point inside a transaction; see [`Transaction::savepoint`].
#[derive(Debug, Clone)]
pub struct Savepoint {}

/// A consistent view of all trees; see [`Transaction::snapshot`].
#[derive(Clone)]
pub struct Snapshot {}

impl Snapshot {
    /// It sees the commits up to this one.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        0
    }

    /// The value of a row.
    ///
    /// # Errors
    /// [`Error::Fatal`].
    pub fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value>> {
        let _ = (tree, key);
        Err(Error::Closed)
    }

    /// The rows of a range, in order.
    #[must_use]
    pub fn scan(&self, tree: TreeId, range: KeyRange, direction: Direction) -> Scan {
        let _ = (tree, range, direction);
        Scan {}
    }
}

/// A scan in progress. Holds no latch between calls.
pub struct Scan {}

impl Scan {
    /// Appends up to `limit` rows to the buffer (fewer where they are long: it stops after 1 MiB); false when the range
    /// has ended. A call may append nothing and still answer true, after it has passed many dead rows.
    ///
    /// # Errors
    /// [`Error::Fatal`].
    pub fn next_batch(&mut self, limit: usize, out: &mut RowBuffer) -> Result<bool> {
        let _ = (limit, out);
        Err(Error::Closed)
    }

    /// Goes on after this key (in the direction of the scan), for a caller that consumed only a part of the last batch.
    pub fn seek_after(&mut self, key: &Key) {
        let _ = key;
    }
}

/// A place in the queue of a lock that another transaction holds. A future that resolves when it is worth asking for
/// the lock again, or fails with [`Error::Deadlock`]. Dropping it leaves the queue.
#[derive(Debug)]
pub struct LockWait {}

impl LockWait {
    /// Blocks the thread until the wait is over. `cancelled` is asked about every 10 ms.
    ///
    /// # Errors
    /// [`Error::Deadlock`]; [`Error::LockTimeout`] when the deadline (of [`crate::io::Io::now`]) passes;
    /// [`Error::Cancelled`].
    pub fn wait(self, deadline: Option<Instant>, cancelled: &dyn Fn() -> bool) -> Result<()> {
        let _ = (deadline, cancelled);
        Err(Error::Closed)
    }

    /// The transactions waited for, at the time of blocking.
    #[must_use]
    pub fn holders(&self) -> &[u64] {
        &[]
    }
}

impl Future for LockWait {
    type Output = Result<()>;
    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Err(Error::Closed))
    }
}

/// The promise of a commit: a future that resolves when it is durable and visible to every later snapshot.
#[derive(Debug)]
#[must_use = "a commit is durable only after its ticket resolved"]
pub struct CommitTicket {}

impl CommitTicket {
    /// Whether it has resolved, without waiting.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        false
    }

    /// Blocks the thread until the commit is durable.
    ///
    /// # Errors
    /// [`Error::Fatal`]: whether the commit is durable is known only after a restart.
    pub fn wait(self) -> Result<()> {
        Err(Error::Closed)
    }
}

impl Future for CommitTicket {
    type Output = Result<()>;
    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Err(Error::Closed))
    }
}
