//! A transaction: reading through its snapshots, writing pending versions, locking, and its end.

use std::sync::Arc;

use super::locks::LockWait;
use super::serializable::{Span, Wait};
use super::slots::TxnState;
use super::snapshot::{Pin, Snapshot};
use super::stage;
use super::ticket::CommitTicket;
use super::types::{
    BatchWrite, Durability, Insert, Isolation, LockMode, LockOutcome, ObjectLock, WaitPolicy, Write,
};
use super::work::{Savepoint, Work};
use super::write::{Applied, Below, Want, Writer, newest};
use crate::engine::{KEY_MAX, Shared, VALUE_MAX};
use crate::error::{Error, LockName, Result};
use crate::key::{Key, KeyRange, RowBuffer, TreeId, Value};
use crate::lsm::FileView;
use crate::memtable::{Change, Tree};
use crate::sst::Table;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::wal::Until;

/// Rows of a batch written under one acquisition of the tree's latch.
const LATCH_ROWS: usize = 128;

/// A transaction. Shared by `Arc` with the cursors of its session; one call at a time makes sense, several are safe.
/// Dropping it rolls it back.
pub struct Transaction {
    shared: Arc<Shared>,
    pub(super) state: Arc<TxnState>,
    isolation: Isolation,
    read_only: AtomicBool,
    work: Mutex<Work>,
}

/// See [`Transaction::see_newest`].
pub struct NewestView<'t> {
    transaction: &'t Transaction,
    /// The transaction's own snapshot, if it had taken it.
    own: Option<Arc<Pin>>,
}

impl Drop for NewestView<'_> {
    fn drop(&mut self) {
        let mut work = self.transaction.work.lock();
        // One that has ended meanwhile keeps nothing from being pruned.
        work.pin = self.own.take().filter(|_| !work.ended);
    }
}

impl Transaction {
    pub(crate) fn new(shared: &Arc<Shared>, isolation: Isolation) -> Transaction {
        let id = shared.next_txn.fetch_add(1, Ordering::Relaxed);
        shared.counters.live.fetch_add(1, Ordering::Relaxed);
        Transaction {
            shared: Arc::clone(shared),
            state: Arc::new(TxnState::new(id)),
            isolation,
            read_only: AtomicBool::new(false),
            work: Mutex::new(Work::new()),
        }
    }

    /// Its number: unique while the process lives, in the order of beginning.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.state.id
    }

    /// Its isolation.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Promises to write nothing, for a serializable transaction before its first snapshot: it is tracked less, or not at all.
    pub fn declare_read_only(&self) {
        self.read_only.store(true, Ordering::Relaxed);
    }

    /// Takes the snapshot of a serializable transaction that has been declared read-only, and waits for one that no anomaly can be
    /// seen in, whatever others do. `None`: it has one, and cannot fail any more; otherwise wait and call again. May block for
    /// a sync of the log.
    ///
    /// # Errors
    /// [`Error::Fatal`], [`Error::TransactionEnded`].
    pub fn safe_snapshot(&self) -> Result<Option<LockWait>> {
        let shared = &self.shared;
        loop {
            let mut work = self.work()?;
            self.pin(&mut work);
            match shared.serializable.wait_for_safety(&self.state) {
                Wait::Nothing => return Ok(None),
                Wait::End(holder) => {
                    let name = LockName::Transaction(holder.id);
                    let (io, shared_mode) = (&shared.io, ObjectLock::Shared);
                    let wait = shared.locks.block_on_row(io, &self.state, &holder, name, shared_mode)?;
                    if wait.is_some() {
                        return Ok(wait);
                    }
                }
                Wait::Commit(timestamp) => {
                    shared.serializable.abort(&self.state);
                    work.pin = None;
                    CommitTicket::new(shared, timestamp, Until::Visible).wait()?;
                }
            }
        }
    }

    /// Begins a statement: what the statements before wrote becomes visible to it, and in READ COMMITTED what others
    /// committed until now. Snapshots of earlier statements stay as they are.
    pub fn new_statement(&self) {
        let mut work = self.work.lock();
        work.command += 1;
        if self.isolation == Isolation::ReadCommitted {
            // The next use takes a new one.
            work.pin = None;
        }
    }

    /// What has been committed so far, durable or not: when the ticket resolves, a new statement's snapshot has all of it. For
    /// one who has a lock whose holder gave it up by committing, which is before that commit is visible.
    pub fn committed_so_far(&self) -> CommitTicket {
        CommitTicket::new(&self.shared, self.shared.log.newest_timestamp(), Until::Visible)
    }

    /// Ends a statement, for a session that goes idle inside the transaction: in READ COMMITTED no versions are pinned
    /// until the next statement, but by snapshots that are still held.
    pub fn end_statement(&self) {
        if self.isolation == Isolation::ReadCommitted {
            self.work.lock().pin = None;
        }
    }

    /// The snapshot of the current statement: commits up to its timestamp, and this transaction's own writes of earlier
    /// statements only (a statement never meets its own writes, the "Halloween problem"). Cheap to clone; pins the
    /// versions it sees while it lives, also beyond the statement.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut work = self.work.lock();
        let command = work.command;
        let pin = Arc::clone(self.pin(&mut work));
        Snapshot::new(pin, Some((Arc::clone(&self.state), command)))
    }

    /// The timestamp of the snapshot that all its statements share; none before it is taken, and in READ COMMITTED.
    #[must_use]
    pub fn fixed_snapshot(&self) -> Option<u64> {
        if self.isolation == Isolation::ReadCommitted {
            return None;
        }
        self.work.lock().pin.as_ref().map(|pin| pin.timestamp)
    }

    /// Lets statements see what is committed now, besides the transaction's own writes, until the answer is dropped: for checks that
    /// have to hold for others' newest rows as well. Nothing is to be written meanwhile.
    pub fn see_newest(&self) -> NewestView<'_> {
        let pin = Pin::new(&self.shared);
        NewestView { transaction: self, own: self.work.lock().pin.replace(pin) }
    }

    /// Locks a row, whether it exists or not, and answers its newest value. A later put or delete of it by this
    /// transaction (after an Update lock) cannot block.
    ///
    /// # Errors
    /// [`Error::WriteConflict`] in REPEATABLE READ and above where the row was changed after the snapshot, and
    /// [`Error::SnapshotTooOld`] where it does not exist and that was ended, so that it may have been deleted since;
    /// [`Error::ReadWriteConflict`] in SERIALIZABLE; [`Error::Deadlock`] where the wait would never end; [`Error::OutOfMemory`].
    pub fn lock_row(
        &self,
        tree: TreeId,
        key: &[u8],
        mode: LockMode,
        wait: WaitPolicy,
    ) -> Result<LockOutcome> {
        let want = match mode {
            LockMode::Update => Want::Lock,
            LockMode::Share => Want::Share(wait),
        };
        loop {
            let mut work = self.work()?;
            // A lock stays in memory until the transaction ends.
            self.shared.check_memory(key.len())?;
            let mut writer = self.writer(&mut work, tree)?;
            self.shared.serializable.read(&self.state, tree, || Span::key(key))?;
            match writer.one(key, want)? {
                Applied::Locked { current, changed, by_statement } => {
                    return Ok(LockOutcome::Locked { current, changed, by_statement });
                }
                _ if wait == WaitPolicy::Skip => return Ok(LockOutcome::Skipped),
                applied => {
                    if let Some(wait) = self.block(tree, key, want, applied)? {
                        return Ok(LockOutcome::Blocked(wait));
                    }
                }
            }
        }
    }

    /// Writes a row, whether it exists or not.
    ///
    /// # Errors
    /// As [`Transaction::lock_row`], and [`Error::OutOfMemory`], [`Error::DiskFull`], [`Error::TooLarge`].
    pub fn put(&self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<Write> {
        match self.write(tree, key, Want::Put(value))? {
            Insert::Blocked(wait) => Ok(Write::Blocked(wait)),
            Insert::Inserted | Insert::Exists(_) => Ok(Write::Done),
        }
    }

    /// Deletes a row, if it exists.
    ///
    /// # Errors
    /// As [`Transaction::put`].
    pub fn delete(&self, tree: TreeId, key: &[u8]) -> Result<Write> {
        match self.write(tree, key, Want::Delete)? {
            Insert::Blocked(wait) => Ok(Write::Blocked(wait)),
            Insert::Inserted | Insert::Exists(_) => Ok(Write::Done),
        }
    }

    /// Deletes a row, if it exists, also where it is newer than the snapshot: for what follows from another row, which the caller has
    /// locked (an entry of an index that may be younger than the transaction).
    ///
    /// # Errors
    /// As [`Transaction::put`], without the conflict.
    pub fn delete_newest(&self, tree: TreeId, key: &[u8]) -> Result<Write> {
        match self.write(tree, key, Want::DeleteNewest)? {
            Insert::Blocked(wait) => Ok(Write::Blocked(wait)),
            Insert::Inserted | Insert::Exists(_) => Ok(Write::Done),
        }
    }

    /// Writes a row if its key does not exist in the newest state (not the snapshot's); waits for an uncommitted
    /// inserter or deleter of the same key.
    ///
    /// # Errors
    /// As [`Transaction::put`], without the conflict: an unseen row is [`Insert::Exists`].
    pub fn insert_unique(&self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<Insert> {
        self.write(tree, key, Want::Insert(value))
    }

    /// The newest value: own, also of the current statement, or committed.
    ///
    /// # Errors
    /// [`Error::Fatal`], [`Error::ReadWriteConflict`].
    pub fn get_latest(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value>> {
        let mut work = self.work()?;
        self.pin_serializable(&mut work);
        self.shared.serializable.read(&self.state, tree, || Span::key(key))?;
        let Some(tree) = self.shared.trees.get(tree) else { return Ok(None) };
        let in_memory = || {
            let rows = tree.rows.read();
            let newest = rows.get(key).and_then(|row| newest(&self.shared, self.state.slot(), &row.head));
            let newest = newest.map(|(value, timestamp)| (value.cloned(), timestamp));
            (newest, tree.is_partial(), tree.departures())
        };
        let (value, timestamp) = loop {
            let departures = match in_memory() {
                (Some(newest), ..) => break newest,
                (None, false, _) => break (None, 0),
                (None, true, departures) => departures,
            };
            let below = self.shared.files.latest(tree.id, key, &self.state)?;
            // Where a newer one has come to memory meanwhile, or gone from there to the files, that counts.
            if matches!(in_memory(), (None, _, now) if now == departures) {
                break below;
            }
        };
        work.depends_on = work.depends_on.max(timestamp);
        Ok(value)
    }

    /// Whether a write of the row will find in memory what it looks up in the files. Where `may_read`, it is read now, for a caller
    /// that must not wait for the disk later.
    ///
    /// # Errors
    /// As [`Snapshot::get`], but for snapshots.
    pub fn read_ahead(&self, tree: TreeId, key: &[u8], may_read: bool) -> Result<bool> {
        let Some(tree) = self.shared.trees.get(tree) else { return Ok(true) };
        if !tree.is_partial() || tree.rows.read().get(key).is_some() {
            return Ok(true);
        }
        let view = FileView { timestamp: u64::MAX, own: None };
        self.shared.files.get(tree.id, key, &view, may_read).map(|found| found.is_some())
    }

    /// [`Transaction::put`] of the buffer's rows from index `from` on, with few latch acquisitions. Fastest when the
    /// rows come in key order.
    ///
    /// # Errors
    /// As [`Transaction::put`]; the rows before the failing one are in.
    pub fn put_batch(&self, tree: TreeId, rows: &RowBuffer, from: usize) -> Result<BatchWrite> {
        self.write_batch(tree, rows, from, false)
    }

    /// [`Transaction::insert_unique`] of the buffer's rows from index `from` on.
    ///
    /// # Errors
    /// As [`Transaction::insert_unique`]; the rows before the failing one are in.
    pub fn insert_batch(&self, tree: TreeId, rows: &RowBuffer, from: usize) -> Result<BatchWrite> {
        self.write_batch(tree, rows, from, true)
    }

    /// Locks an object (a relation, by a number of the caller's) until the transaction ends. `None`: it has the lock;
    /// otherwise wait and call again. Waits are in the same graph as those for rows.
    ///
    /// # Errors
    /// [`Error::Deadlock`].
    pub fn lock_object(&self, object: u64, mode: ObjectLock) -> Result<Option<LockWait>> {
        let mut work = self.work()?;
        if work.objects.get(&object).is_some_and(|held| *held == mode || *held == ObjectLock::Exclusive) {
            return Ok(None);
        }
        let wait = self.shared.locks.lock_object(&self.shared.io, &self.state, object, mode)?;
        if wait.is_none() {
            work.objects.insert(object, mode);
        }
        Ok(wait)
    }

    /// Drops a tree's data when this transaction commits. Snapshots from before go on reading it. The caller sees to
    /// it (by an exclusive object lock) that nobody else writes to the tree.
    pub fn drop_tree(&self, tree: TreeId) {
        let mut work = self.work.lock();
        if !work.ended && !work.drops.contains(&tree) {
            self.pin_serializable(&mut work);
            // Where that is refused, the commit will be.
            let _ = self.shared.serializable.write(&self.state, tree, || Span::range(&KeyRange::all()));
            work.drops.push(tree);
        }
    }

    /// Marks a point to go back to.
    #[must_use]
    pub fn savepoint(&self) -> Savepoint {
        self.work.lock().savepoint()
    }

    /// Undoes everything since the savepoint, which stays, and releases row locks taken since.
    pub fn rollback_to(&self, savepoint: &Savepoint) {
        let mut work = self.work.lock();
        if work.ended {
            return;
        }
        work.rollback_to(&self.shared, &self.state, savepoint);
        self.shared.locks.some_rows_released(&self.state);
    }

    /// Forgets a savepoint; what happened since stays.
    pub fn release(&self, savepoint: Savepoint) {
        // Nothing is kept for a savepoint: its versions stay apart until the transaction ends.
        let Savepoint { .. } = savepoint;
    }

    /// Commits: releases all locks and answers a ticket. The client may be told only after the ticket resolved.
    /// A transaction that wrote nothing gets a ticket that has resolved (unless it met a commit that is not durable yet).
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::ReadWriteConflict`]: the transaction is rolled back. [`Error::Fatal`],
    /// [`Error::Closed`], [`Error::TransactionEnded`].
    pub fn commit(&self) -> Result<CommitTicket> {
        self.commit_with(Durability::Synchronous)
    }

    /// [`Transaction::commit`], of this durability. One that drops trees is always synchronous: only a durable drop may free
    /// their files.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn commit_with(&self, durability: Durability) -> Result<CommitTicket> {
        let mut work = self.work()?;
        work.ended = true;
        let shared = &self.shared;
        let asynchronous = durability == Durability::Asynchronous || !shared.options.synchronous;
        let (durability, until) = if asynchronous && work.drops.is_empty() {
            (Durability::Asynchronous, Until::Visible)
        } else {
            (Durability::Synchronous, Until::Durable)
        };
        let read_only = work.is_read_only();
        let outcome = if read_only {
            shared.serializable.commit(&self.state, None).map(|()| work.depends_on)
        } else {
            self.commit_writes(&mut work, durability)
        };
        if outcome.is_err() || read_only {
            // At most locks, where it has committed: they go as those of a rollback do.
            self.undo(&mut work);
        }
        self.ended(&mut work, outcome.is_ok());
        Ok(CommitTicket::new(shared, outcome?, until))
    }

    /// Undoes everything and releases all locks. Nothing happens where the transaction has ended.
    pub fn rollback(&self) {
        let mut work = self.work.lock();
        if !work.ended {
            work.ended = true;
            self.undo(&mut work);
            self.ended(&mut work, false);
        }
    }

    /// Bytes of keys and values written so far.
    #[must_use]
    pub fn write_bytes(&self) -> u64 {
        self.work.lock().write_bytes
    }

    /// The work of a transaction that has not ended, of an engine that runs.
    pub(super) fn work(&self) -> Result<MutexGuard<'_, Work>> {
        self.shared.log.check()?;
        let work = self.work.lock();
        if work.ended { Err(Error::TransactionEnded) } else { Ok(work) }
    }

    fn pin<'a>(&self, work: &'a mut Work) -> &'a Arc<Pin> {
        work.pin.get_or_insert_with(|| match self.isolation {
            // A snapshot of one that has ended is of no more consequence.
            Isolation::Serializable if !work.ended => {
                let read_only = self.read_only.load(Ordering::Relaxed);
                self.shared.serializable.begin(&self.shared, &self.state, read_only)
            }
            _ => Pin::new(&self.shared),
        })
    }

    /// A serializable transaction is tracked from its snapshot on.
    fn pin_serializable(&self, work: &mut Work) {
        if self.isolation == Isolation::Serializable {
            self.pin(work);
        }
    }

    /// What writes to one tree, for one call.
    pub(super) fn writer<'a>(&'a self, work: &'a mut Work, tree: TreeId) -> Result<Writer<'a>> {
        let timestamp = self.pin(work).timestamp;
        let tree = self.shared.trees.get_or_create(tree).ok_or(Error::TooLarge {
            what: "tree number",
            bytes: tree.0,
            limit_bytes: 1 << 28,
        })?;
        let slot = self.shared.slots.assign(&self.state).ok_or_else(|| Error::OutOfMemory {
            used_bytes: self.shared.trees.memory_bytes(),
            limit_bytes: self.shared.options.memtable_bytes,
        })?;
        Ok(Writer {
            shared: &self.shared,
            state: &self.state,
            slot,
            tree,
            snapshot: timestamp,
            first_updater_wins: self.isolation != Isolation::ReadCommitted,
            work,
        })
    }

    /// One write, repeated while the transaction in the way has just ended.
    fn write(&self, tree: TreeId, key: &[u8], want: Want<'_>) -> Result<Insert> {
        loop {
            let mut work = self.work()?;
            if let Some(bytes) = check_size(key, want)? {
                self.shared.check_memory(bytes)?;
            }
            let mut writer = self.writer(&mut work, tree)?;
            self.shared.serializable.write(&self.state, tree, || Span::key(key))?;
            match writer.one(key, want)? {
                Applied::Done => {
                    self.stage_if_due(&mut work)?;
                    return Ok(Insert::Inserted);
                }
                Applied::Exists(value) => {
                    self.shared.serializable.read(&self.state, tree, || Span::key(key))?;
                    return Ok(Insert::Exists(value));
                }
                applied => {
                    if let Some(wait) = self.block(tree, key, want, applied)? {
                        return Ok(Insert::Blocked(wait));
                    }
                }
            }
        }
    }

    fn write_batch(&self, tree: TreeId, rows: &RowBuffer, from: usize, unique: bool) -> Result<BatchWrite> {
        let mut index = from;
        let mut work = self.work()?;
        while index < rows.len() {
            let mut writer = self.writer(&mut work, tree)?;
            let target: Arc<Tree> = Arc::clone(&writer.tree);
            let end = rows.len().min(index + LATCH_ROWS);
            let bytes =
                (index..end).filter_map(|index| rows.get(index)).map(|(key, value)| key.len() + value.len());
            self.shared.check_memory(bytes.sum())?;
            let mut below = below(&writer, rows, index..end)?.into_iter();
            let mut change = Change::default();
            let mut applied = Ok(Applied::Done);
            for (key, _) in (index..end).filter_map(|index| rows.get(index)) {
                self.shared.serializable.write(&self.state, tree, || Span::key(key))?;
            }
            let mut latched = target.rows.write();
            while index < end {
                let Some((key, value)) = rows.get(index) else { break };
                let want = if unique { Want::Insert(value) } else { Want::Put(value) };
                applied = check_size(key, want)
                    .and_then(|_| writer.apply(&mut latched, key, want, below.next().flatten(), &mut change));
                if !matches!(applied, Ok(Applied::Done)) {
                    break;
                }
                index += 1;
            }
            drop(latched);
            writer.account(&change);
            self.stage_if_due(&mut work)?;
            match applied? {
                // The files have to be asked again.
                Applied::Done | Applied::Below => {}
                Applied::Exists(value) => {
                    let key = rows.get(index).map(|(key, _)| key).unwrap_or_default();
                    self.shared.serializable.read(&self.state, tree, || Span::key(key))?;
                    return Ok(BatchWrite::Exists { index, value });
                }
                applied => {
                    let Some((key, value)) = rows.get(index) else { break };
                    if let Some(wait) = self.block(tree, key, Want::Put(value), applied)? {
                        return Ok(BatchWrite::Blocked { index, wait });
                    }
                }
            }
        }
        Ok(BatchWrite::Done)
    }

    /// Moves the writes to a file, where they have become many.
    pub(super) fn stage_if_due(&self, work: &mut Work) -> Result<()> {
        if stage::is_due(&self.shared, work) { stage::stage(&self.shared, &self.state, work) } else { Ok(()) }
    }

    /// Queues behind whoever is in the way; `None` where nobody is any more.
    fn block(&self, tree: TreeId, key: &[u8], want: Want<'_>, applied: Applied) -> Result<Option<LockWait>> {
        let name = LockName::Row(tree, Key::new(key));
        let shared = &self.shared;
        match applied {
            Applied::Foreign(holder) => {
                let mode =
                    if matches!(want, Want::Share(_)) { ObjectLock::Shared } else { ObjectLock::Exclusive };
                shared.locks.block_on_row(&shared.io, &self.state, &holder, name, mode)
            }
            Applied::Shared => shared.locks.block_on_shares(&shared.io, &self.state, name),
            Applied::Queued(wait) => Ok(Some(wait)),
            Applied::Done | Applied::Exists(_) | Applied::Locked { .. } | Applied::Below => Ok(None),
        }
    }

    /// Logs the commit, frees the locks, and stamps the rows.
    fn commit_writes(&self, work: &mut Work, durability: Durability) -> Result<u64> {
        let shared = &self.shared;
        let dropped: Vec<_> = work.drops.iter().filter_map(|tree| shared.trees.get(*tree)).collect();
        let drops = work.drops.clone();
        if !work.staged.is_empty() {
            // The log is about to name the files.
            shared.files.sync_dir()?;
        }
        if !work.staged.is_empty() {
            work.rows.iter().for_each(|(tree, rows)| work.redo.rows(tree, rows));
        }
        let rows = &work.rows;
        let staged = work.staged.iter().map(|table| table.named()).collect();
        let timestamp =
            shared.log.commit(&self.state, &work.redo, drops, staged, durability, |timestamp| {
                shared.serializable.commit(&self.state, Some(timestamp))?;
                for tree in &dropped {
                    tree.dropped.store(timestamp, Ordering::Release);
                }
                rows.commit();
                Ok(())
            })?;
        self.release_locks();
        work.settle_all(shared, &self.state, timestamp);
        if !work.staged.is_empty() {
            shared.ask_to_flush();
        }
        Ok(timestamp)
    }

    /// Takes off all pending versions and frees the locks.
    fn undo(&self, work: &mut Work) {
        work.undo_all(&self.shared, &self.state);
        self.shared.serializable.abort(&self.state);
        self.state.abort();
        if !work.staged.is_empty() {
            let own = |table: &Arc<Table>| {
                table.staged.as_ref().is_some_and(|staged| Arc::ptr_eq(&staged.state, &self.state))
            };
            self.shared.files.unstage(own);
        }
        self.release_locks();
    }

    fn release_locks(&self) {
        let shares = self.shared.locks.shares_of(&self.state);
        self.shared.locks.finish(&self.state);
        for name in shares {
            if let LockName::Row(tree, _) = name
                && let Some(tree) = self.shared.trees.get(tree)
            {
                tree.shares.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// No version carries the transaction's slot any more, and it holds no lock.
    fn ended(&self, work: &mut Work, committed: bool) {
        let shared = &self.shared;
        shared.slots.release(&self.state);
        let cleaned = work.write_bytes > 0;
        work.end();
        shared.counters.live.fetch_sub(1, Ordering::Relaxed);
        let counter = if committed { &shared.counters.commits } else { &shared.counters.rollbacks };
        counter.fetch_add(1, Ordering::Relaxed);
        if cleaned {
            shared.collect_garbage();
        }
    }
}

/// The limits of keys and values; answers the bytes that will be written. Deletes may go beyond the memory limit.
pub(super) fn check_size(key: &[u8], want: Want<'_>) -> Result<Option<usize>> {
    let value_bytes = match want {
        Want::Put(value) | Want::Insert(value) => value.len(),
        Want::Delete | Want::DeleteNewest | Want::Lock | Want::Share(_) => return Ok(None),
    };
    for (what, bytes, limit) in [("key", key.len(), KEY_MAX), ("value", value_bytes, VALUE_MAX)] {
        if bytes > limit {
            return Err(Error::TooLarge { what, bytes: bytes as u64, limit_bytes: limit as u64 });
        }
    }
    Ok(Some(key.len() + value_bytes))
}

/// What the files say of the rows that are not in memory.
fn below(writer: &Writer<'_>, rows: &RowBuffer, range: std::ops::Range<usize>) -> Result<Vec<Option<Below>>> {
    if !writer.tree.is_partial() {
        return Ok(Vec::new());
    }
    let missing: Vec<_> = {
        let latched = writer.tree.rows.read();
        range
            .map(|index| rows.get(index).map(|(key, _)| key).filter(|key| latched.get(key).is_none()))
            .collect()
    };
    missing.into_iter().map(|key| key.map(|key| writer.below(key)).transpose()).collect()
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.rollback();
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("id", &self.id()).field("isolation", &self.isolation).finish()
    }
}
