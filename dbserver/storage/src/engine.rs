//! The engine: what holds the trees, the log and the transactions together, and the threads that work for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::io::Io;
use crate::key::TreeId;
use crate::lsm::Files;
use crate::memtable::Trees;
use crate::mvcc::{Garbage, Isolation, LockManager, Serializable, Slots, Snapshots, Transaction};
use crate::options::Options;
use crate::recovery::{Recovered, recover};
use crate::stats::Stats;
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use crate::sync::thread::JoinHandle;
use crate::sync::{Condvar, Mutex};
use crate::wal::Log;

/// Longest key.
pub(crate) const KEY_MAX: usize = 64 << 10;
/// Longest value.
pub(crate) const VALUE_MAX: usize = 1 << 30;
/// Rows cleaned up by a commit that wrote something.
const CLEAN_PER_COMMIT: usize = 16;
/// Log that makes a flush worthwhile when closing: less is replayed in a moment.
const CLOSE_FLUSH_BYTES: u64 = 16 << 20;
/// How long the log's flusher pauses after a batch, at most, so that writers do not outrun flush and compaction.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Files of L0 from which on writers are slowed, and those at which they are slowed most.
const L0_SLOW: (usize, usize) = (16, 64);
/// How many flushes a writer waits for before it is refused, and how long for each.
const MEMORY_FLUSHES: usize = 3;
const MEMORY_WAIT: Duration = Duration::from_secs(10);
/// The part of the memory for rows that may be taken by what is kept for old snapshots before these are ended.
const OLD_SHARE: u64 = 4;
/// Pause after a compaction that failed; after each further one in a row twice as long, up to the longest.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(300);

/// What transactions, snapshots and threads share.
pub(crate) struct Shared {
    pub io: Arc<dyn Io>,
    pub dir: PathBuf,
    pub options: Options,
    pub trees: Trees,
    pub slots: Slots,
    pub snapshots: Arc<Snapshots>,
    pub locks: Arc<LockManager>,
    pub serializable: Serializable,
    pub log: Log,
    pub garbage: Garbage,
    pub next_txn: AtomicU64,
    pub files: Files,
    pub counters: Counters,
    chores: Mutex<Chores>,
    /// The maintenance threads': there is something to do.
    chore: Condvar,
    /// Those who wait for memory: a flush has ended.
    flushed: Condvar,
    /// Those who pause: the engine is being closed.
    stopped: Condvar,
    /// Why the last flush has failed, if it has.
    flush_error: Mutex<Option<Error>>,
    /// The same of compactions.
    compaction_error: Mutex<Option<String>>,
    /// Whether a flush has been asked for, so that commits need not take the mutex to ask again.
    flush_asked: AtomicBool,
}

/// What the maintenance threads are to do.
#[derive(Default)]
struct Chores {
    flush: bool,
    /// What those who wait for a flush need memory for, at most.
    room_bytes: u64,
    clean: bool,
    compact: bool,
    closing: bool,
}

/// For [`Stats`].
#[derive(Default)]
pub(crate) struct Counters {
    pub live: AtomicI64,
    pub commits: AtomicU64,
    pub rollbacks: AtomicU64,
    pub checkpoints: AtomicU64,
    pub checkpoints_failed: AtomicU64,
    pub checkpoint_nanos: AtomicU64,
    pub checkpoint_bytes: AtomicU64,
    /// Bytes logged by this process when the last checkpoint began.
    pub log_at_checkpoint: AtomicU64,
    /// Bytes that the log had when it was opened.
    pub log_at_open: AtomicU64,
    /// Time that batches of the log were held back.
    pub pause_nanos: AtomicU64,
    /// After a failed checkpoint: logged bytes before which it is not tried again.
    pub checkpoint_not_before: AtomicU64,
    pub recovery_nanos: AtomicU64,
    pub recovery_records: AtomicU64,
}

impl Shared {
    /// Room in memory for a row of this size. Waits for a flush where there is none.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where what nobody may move to files yet takes all there is.
    pub fn check_memory(self: &Arc<Self>, bytes: usize) -> Result<()> {
        let limit_bytes = self.options.memtable_bytes;
        let has_room = || self.memory_bytes().saturating_add(bytes as u64) <= limit_bytes;
        if has_room() {
            return Ok(());
        }
        let flushed = if self.options.background {
            let mut chores = self.chores.lock();
            // The flush that is on its way may have begun too early to help; the one after it did not.
            for _ in 0..MEMORY_FLUSHES {
                if has_room() || chores.closing {
                    break;
                }
                chores.flush = true;
                chores.room_bytes = chores.room_bytes.max(bytes as u64);
                self.chore.notify_all();
                self.flushed.wait_for(&mut chores, MEMORY_WAIT);
            }
            drop(chores);
            self.flush_error.lock().clone().map_or(Ok(()), Err)
        } else {
            self.relieve_memory(bytes as u64)
        };
        // Old snapshots go before writers do. (They let old versions go to files: mostly there is no need.)
        while !has_room()
            && self.garbage.condense(self) > limit_bytes / OLD_SHARE
            && self.end_oldest_snapshot().is_some()
        {}
        let used_bytes = self.memory_bytes();
        match flushed {
            _ if has_room() => Ok(()),
            Err(Error::DiskFull) => Err(Error::DiskFull),
            _ => Err(Error::OutOfMemory { used_bytes, limit_bytes }),
        }
    }

    /// Bytes of rows, versions, and what waits to be cleaned up.
    fn memory_bytes(&self) -> u64 {
        self.trees.memory_bytes() + self.garbage.bytes()
    }

    /// Keeps what waits for old snapshots within its share of memory.
    fn bound_garbage(&self) {
        let most = self.options.memtable_bytes / OLD_SHARE;
        if self.garbage.bytes() <= most {
            return;
        }
        self.garbage.condense(self);
        // Half of it, so that this is worth its while.
        while self.garbage.bytes() > most / 2 && self.end_oldest_snapshot().is_some() {}
    }

    /// Ends the oldest snapshot, and cleans up what was kept for it.
    fn end_oldest_snapshot(&self) -> Option<u64> {
        let timestamp = self.snapshots.end_oldest()?;
        tracing::warn!(timestamp, "a snapshot was ended: what was kept for it took too much memory");
        self.garbage.collect(self, usize::MAX, true);
        Some(timestamp)
    }

    /// Flushes, and takes rows from memory, so that there is room for this many bytes.
    fn relieve_memory(self: &Arc<Self>, room_bytes: u64) -> Result<()> {
        self.flush_memtable()?;
        self.garbage.collect(self, usize::MAX, true);
        let limit = self.options.memtable_bytes;
        self.evict((limit / 2).min(limit.saturating_sub(room_bytes)));
        Ok(())
    }

    /// A commit's share of the cleaning; and it asks for a flush where one is due.
    pub fn collect_garbage(&self) {
        let mut too_large = self.garbage.collect(self, CLEAN_PER_COMMIT, !self.options.background);
        if !self.options.background {
            return self.bound_garbage();
        }
        too_large |= self.garbage.bytes() > self.options.memtable_bytes / OLD_SHARE;
        let flush = self.is_flush_due() && !self.flush_asked.swap(true, Ordering::AcqRel);
        if too_large || flush {
            let mut chores = self.chores.lock();
            chores.clean |= too_large;
            chores.flush |= flush;
            drop(chores);
            self.chore.notify_all();
        }
    }

    /// What no commit's share of the cleaning is enough for goes to the maintenance thread.
    fn clean_if_much(&self) {
        if self.garbage.is_much(self) {
            self.chores.lock().clean = true;
            self.chore.notify_all();
        }
    }

    /// The next flush comes at once.
    pub fn ask_to_flush(&self) {
        self.chores.lock().flush = true;
        self.chore.notify_all();
    }

    /// There may be something to compact.
    pub fn ask_to_compact(&self) {
        self.chores.lock().compact = true;
        self.chore.notify_all();
    }

    /// [`Error::Closed`] where the engine is being closed, [`Error::Fatal`] where its log has failed.
    pub fn check_open(&self) -> Result<()> {
        self.log.check()?;
        if self.chores.lock().closing { Err(Error::Closed) } else { Ok(()) }
    }

    fn log_since_flush(&self) -> u64 {
        let logged = self.log.counters.bytes.load(Ordering::Relaxed);
        let at_checkpoint = self.counters.log_at_checkpoint.load(Ordering::Relaxed);
        let before = if at_checkpoint == 0 { self.counters.log_at_open.load(Ordering::Relaxed) } else { 0 };
        before + logged.saturating_sub(at_checkpoint)
    }

    /// Half of the memory for rows may fill, and the log up to its cap.
    fn is_flush_due(&self) -> bool {
        let due = self.log_since_flush() > self.options.wal_bytes_max
            || self.memory_bytes() > self.options.memtable_bytes / 4 * 3;
        let logged = self.log.counters.bytes.load(Ordering::Relaxed);
        due && logged >= self.counters.checkpoint_not_before.load(Ordering::Relaxed)
    }

    fn flush_and_count(self: &Arc<Self>) -> Result<()> {
        let result = self.flush_memtable();
        *self.flush_error.lock() = result.as_ref().err().cloned();
        if let Err(error) = &result {
            tracing::warn!(%error, "could not flush the memtable, the log is kept");
            self.counters.checkpoints_failed.fetch_add(1, Ordering::Relaxed);
            let logged = self.log.counters.bytes.load(Ordering::Relaxed);
            let again = logged + self.options.wal_bytes_max / 8;
            self.counters.checkpoint_not_before.store(again, Ordering::Relaxed);
        }
        self.flush_asked.store(false, Ordering::Release);
        result
    }

    /// How far behind flush and compaction are, from 0 (not at all) to 1.
    fn pressure(&self) -> f64 {
        let (slow, stop) = L0_SLOW;
        let l0 = self.files.l0_backlog();
        let files = l0.saturating_sub(slow) as f64 / (stop - slow) as f64;
        let limit = self.options.memtable_bytes as f64;
        let memory = (self.memory_bytes() as f64 / limit - 0.8) / 0.2;
        files.max(memory).clamp(0.0, 1.0)
    }

    /// After each batch of the log: where flush or compaction fall behind, the next batch, and with it its commits, waits in
    /// proportion.
    pub fn after_batch(&self) {
        self.clean_if_much();
        let pressure = self.pressure();
        if pressure > 0.0 {
            let pause = PAUSE_MAX.mul_f64(pressure);
            let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
            self.counters.pause_nanos.fetch_add(nanos, Ordering::Relaxed);
            self.io.sleep(pause);
        }
    }

    /// The maintenance thread's life.
    fn run_maintenance(self: &Arc<Self>) {
        loop {
            let mut chores = self.chores.lock();
            while !chores.flush && !chores.clean && !chores.closing {
                self.chore.wait(&mut chores);
            }
            if chores.closing || self.log.is_fatal() {
                return;
            }
            let (flush, clean) = (std::mem::take(&mut chores.flush), std::mem::take(&mut chores.clean));
            let room = std::mem::take(&mut chores.room_bytes);
            drop(chores);
            if clean {
                self.garbage.collect(self, usize::MAX, true);
                self.bound_garbage();
            }
            if flush {
                // A failure has been counted and logged; it is tried again when the log has grown. What is in files can go anyway.
                let _ = self.flush_and_count();
                self.garbage.collect(self, usize::MAX, true);
                let limit = self.options.memtable_bytes;
                if self.memory_bytes() > (limit / 4 * 3).min(limit.saturating_sub(room)) {
                    self.evict((limit / 2).min(limit.saturating_sub(room)));
                }
                let _chores = self.chores.lock();
                self.flushed.notify_all();
            }
            self.ask_to_compact();
        }
    }

    /// The compaction thread's life.
    fn run_compaction(self: &Arc<Self>) {
        let mut failures = 0;
        loop {
            let mut chores = self.chores.lock();
            while !chores.compact && !chores.closing {
                self.chore.wait(&mut chores);
            }
            if chores.closing || self.log.is_fatal() {
                return;
            }
            chores.compact = false;
            drop(chores);
            loop {
                match self.compact_and_note() {
                    Ok(more) => {
                        failures = 0;
                        if !more {
                            break;
                        }
                    }
                    Err(Error::Closed) => break,
                    Err(error) => {
                        let pause = retry_pause(failures);
                        tracing::warn!(%error, again_in_s = pause.as_secs(), "could not compact");
                        // A damaged file is known now, and left out.
                        failures = if matches!(error, Error::Corruption { .. }) { 0 } else { failures + 1 };
                        let mut chores = self.chores.lock();
                        chores.compact = true;
                        if !chores.closing {
                            self.stopped.wait_for(&mut chores, pause);
                        }
                        break;
                    }
                }
            }
        }
    }

    /// One unit of compaction, as [`Shared::compact`]; a failure is counted and kept for [`Stats`] until one succeeds.
    fn compact_and_note(&self) -> Result<bool> {
        let result = self.compact();
        match &result {
            Err(Error::Closed) => {}
            Err(error) => {
                self.files.counters.compactions_failed.fetch_add(1, Ordering::Relaxed);
                *self.compaction_error.lock() = Some(error.to_string());
            }
            Ok(_) => *self.compaction_error.lock() = None,
        }
        result
    }
}

/// The engine's threads and its claim on the directory, until the last handle is gone.
struct Handle {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    directory: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Handle {
    /// Ends the threads; everything appended to the log is durable after that.
    fn stop(&self) {
        self.shared.log.close();
        self.shared.chores.lock().closing = true;
        self.shared.chore.notify_all();
        self.shared.flushed.notify_all();
        self.shared.stopped.notify_all();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the storage engine has panicked");
            }
        }
        self.shared.files.close();
        *self.directory.lock() = None;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An open data directory. A clone is another handle on the same engine.
#[derive(Clone)]
pub struct Engine {
    handle: Arc<Handle>,
}

impl Engine {
    /// Opens a data directory, creating it where it does not exist: locks it, opens its files, replays the log after them.
    ///
    /// # Errors
    /// [`Error::DirectoryLocked`] where another engine has it; [`Error::Corruption`] and [`Error::UnknownFormat`] name
    /// the file and position that cannot be read.
    pub fn open(io: Arc<dyn Io>, dir: &Path, options: Options) -> Result<Engine> {
        io.create_dir_all(dir).map_err(|error| Error::io("create", dir, error))?;
        let directory = io.lock_dir(dir).map_err(|error| Error::io("lock", dir, error))?;
        let directory = directory.ok_or_else(|| Error::DirectoryLocked { dir: dir.to_path_buf() })?;
        let begun = io.now();
        let Recovered { trees, files, segments, start, records, replayed_from } =
            recover(&io, dir, &options)?;
        let counters = Counters::default();
        let took = io.now().saturating_duration_since(begun);
        counters.recovery_nanos.store(nanos(took), Ordering::Relaxed);
        counters.recovery_records.store(records, Ordering::Relaxed);
        counters.log_at_open.store(start.lsn - replayed_from, Ordering::Relaxed);
        let snapshots = Arc::new(Snapshots::new(start.timestamp));
        let log = Log::new(Arc::clone(&io), segments, Arc::clone(&snapshots), &start, &options);
        tracing::info!(
            records,
            rows = trees.all().iter().map(|tree| tree.live.load(Ordering::Relaxed)).sum::<i64>(),
            took_ms = took.as_millis() as u64,
            "recovered"
        );
        let shared = Arc::new(Shared {
            io,
            dir: dir.to_path_buf(),
            options,
            trees,
            slots: Slots::default(),
            snapshots,
            locks: Arc::default(),
            serializable: Serializable::default(),
            log,
            garbage: Garbage::default(),
            next_txn: AtomicU64::new(1),
            files,
            counters,
            chores: Mutex::default(),
            chore: Condvar::new(),
            flushed: Condvar::new(),
            stopped: Condvar::new(),
            flush_error: Mutex::default(),
            compaction_error: Mutex::default(),
            flush_asked: AtomicBool::new(false),
        });
        let handle = Handle {
            shared: Arc::clone(&shared),
            threads: Mutex::default(),
            directory: Mutex::new(Some(directory)),
        };
        if shared.options.background {
            let spawn = |name: &str, life: fn(&Arc<Shared>)| {
                let shared = Arc::clone(&shared);
                let thread =
                    crate::sync::thread::Builder::new().name(name.into()).spawn(move || life(&shared));
                let thread = thread.map_err(|error| Error::io("start a thread for", dir, error))?;
                handle.threads.lock().push(thread);
                Ok::<(), Error>(())
            };
            spawn("wal-flusher", |shared| shared.log.run_flusher(|| shared.after_batch()))?;
            spawn("wal-preparer", |shared| shared.log.run_preparer())?;
            spawn("maintenance", Shared::run_maintenance)?;
            spawn("compaction", Shared::run_compaction)?;
            shared.ask_to_compact();
        }
        Ok(Engine { handle: Arc::new(handle) })
    }

    /// Begins a transaction. Costs no lock and no log until it writes.
    #[must_use]
    pub fn begin(&self, isolation: Isolation) -> Transaction {
        Transaction::new(&self.handle.shared, isolation)
    }

    /// Writes what was committed since the last time to files, so that the log before can be recycled. Commits and reads go on
    /// meanwhile. Also happens in the background whenever the log or the memtable has grown enough.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and [`Error::Io`]; then the log is kept and nothing is lost.
    pub fn checkpoint(&self) -> Result<()> {
        let shared = &self.handle.shared;
        shared.flush_and_count()?;
        shared.garbage.collect(shared, usize::MAX, true);
        if shared.options.background {
            shared.ask_to_compact();
        }
        Ok(())
    }

    /// Merges a few files into the next level, where that is due; answers whether it was. Also happens in the background.
    ///
    /// # Errors
    /// As [`Engine::checkpoint`], and [`Error::Corruption`]; then the files stay as they are.
    pub fn compact(&self) -> Result<bool> {
        self.handle.shared.compact_and_note()
    }

    /// Flushes, and takes from memory whatever is in files, down to this many bytes.
    ///
    /// # Errors
    /// As [`Engine::checkpoint`].
    pub fn shrink_memory(&self, bytes: u64) -> Result<()> {
        self.checkpoint()?;
        self.handle.shared.evict(bytes);
        Ok(())
    }

    /// Ends the oldest snapshot, if it is older than the newest commit, and answers its timestamp: whoever reads by it gets
    /// [`Error::SnapshotTooOld`]. Also happens when what is kept for it takes too much memory.
    pub fn end_oldest_snapshot(&self) -> Option<u64> {
        self.handle.shared.end_oldest_snapshot()
    }

    /// Writes and syncs the log up to now. Needed only without [`Options::background`].
    ///
    /// # Errors
    /// [`Error::Fatal`] where the log cannot be made durable.
    pub fn flush(&self) -> Result<()> {
        self.handle.shared.log.flush().map(|_| ())
    }

    /// Makes the log durable, flushes where that shortens the next start, and stops the engine's threads. Later
    /// commits get [`Error::Closed`].
    ///
    /// # Errors
    /// As [`Engine::checkpoint`] and [`Engine::flush`].
    pub fn close(&self) -> Result<()> {
        let shared = &self.handle.shared;
        let result = shared.log.flush().and_then(|_| {
            if shared.log_since_flush() > CLOSE_FLUSH_BYTES { shared.flush_and_count() } else { Ok(()) }
        });
        self.handle.stop();
        result
    }

    /// The newest commit that a snapshot taken now sees.
    #[must_use]
    pub fn visible_timestamp(&self) -> u64 {
        self.handle.shared.snapshots.visible()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &self.handle.shared;
        let (counters, log) = (&shared.counters, &shared.log.counters);
        let (position, ()) = shared.log.position(|| ());
        let trees = shared.trees.all();
        let (files, set) = (&shared.files, shared.files.set());
        let levels = u8::try_from(set.levels.len()).unwrap_or(u8::MAX);
        let damaged = set.all().filter(|(_, table)| table.is_damaged());
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            memory_bytes: shared.memory_bytes(),
            memory_limit_bytes: shared.options.memtable_bytes,
            cache_bytes: files.cache.bytes(),
            cache_limit_bytes: shared.options.cache_bytes,
            cache_hits: load(&files.cache.hits),
            cache_misses: load(&files.cache.misses),
            files: (0..=levels).map(|level| set.level_files(level)).collect(),
            file_bytes: (0..=levels).map(|level| set.level_bytes(level)).collect(),
            flush_bytes: load(&files.counters.flush_bytes),
            staged_bytes: load(&files.counters.staged_bytes),
            deleted_in_files: load(&files.counters.deleted_in_files),
            compactions: load(&files.counters.compactions),
            compactions_failed: load(&files.counters.compactions_failed),
            flush_error: shared.flush_error.lock().as_ref().map(Error::to_string),
            compaction_error: shared.compaction_error.lock().clone(),
            compaction_bytes_read: load(&files.counters.compaction_bytes_read),
            compaction_bytes_written: load(&files.counters.compaction_bytes_written),
            corruptions: load(&files.cache.corruptions),
            damaged_files: damaged.map(|(_, table)| table.path().to_path_buf()).collect(),
            pause_time: Duration::from_nanos(load(&counters.pause_nanos)),
            rows: trees.iter().map(|tree| count(&tree.live)).sum(),
            trees: trees.iter().filter(|tree| count(&tree.live) > 0).count() as u64,
            wal_bytes: load(&log.bytes),
            wal_writes: load(&log.writes),
            wal_syncs: load(&log.syncs),
            wal_sync_time: Duration::from_nanos(load(&log.sync_nanos)),
            wal_bytes_since_checkpoint: shared.log_since_flush(),
            last_lsn: position.end,
            durable_lsn: load(&log.durable),
            checkpoints: load(&counters.checkpoints),
            checkpoints_failed: load(&counters.checkpoints_failed),
            checkpoint_time: Duration::from_nanos(load(&counters.checkpoint_nanos)),
            checkpoint_bytes: load(&counters.checkpoint_bytes),
            transactions_live: count(&counters.live),
            commits: load(&counters.commits),
            rollbacks: load(&counters.rollbacks),
            snapshots_live: shared.snapshots.count(),
            snapshots_ended: shared.snapshots.ended(),
            garbage_bytes: shared.garbage.bytes(),
            oldest_snapshot: shared.snapshots.oldest(),
            visible_timestamp: shared.snapshots.visible(),
            lock_waits: load(&shared.locks.waits),
            deadlocks: load(&shared.locks.deadlocks),
            serialization_failures: load(&shared.serializable.refused),
            predicate_marks: shared.serializable.marks(),
            recovery_time: Duration::from_nanos(load(&counters.recovery_nanos)),
            recovery_records: load(&counters.recovery_records),
            fatal: shared.log.is_fatal(),
        }
    }

    /// How many rows the tree has, with what open transactions have made and deleted.
    #[must_use]
    pub fn tree_len(&self, tree: TreeId) -> u64 {
        self.handle.shared.trees.get(tree).map_or(0, |tree| count(&tree.live))
    }

    /// About how many bytes the tree takes: in memory, and in the files that hold nothing else.
    #[must_use]
    pub fn tree_bytes(&self, tree: TreeId) -> u64 {
        let shared = &self.handle.shared;
        let memory = shared.trees.get(tree).map_or(0, |tree| count(&tree.bytes));
        memory + shared.files.set().tree_bytes(tree)
    }

    /// A name for a new tree, never handed out before. A tree begins to exist with its first row.
    ///
    /// # Errors
    /// [`Error::DiskFull`] or [`Error::Fatal`], as a commit.
    pub fn allocate_tree(&self) -> Result<TreeId> {
        self.handle.shared.log.allocate_tree()
    }

    /// Drops every tree that `live` denies: left behind by DDL that was rolled back or cut short by a crash. To be
    /// called while no DDL runs, best before the first transaction. Answers how many there were.
    ///
    /// # Errors
    /// As a commit.
    pub fn orphan_trees(&self, live: &dyn Fn(TreeId) -> bool) -> Result<u64> {
        let txn = self.begin(Isolation::ReadCommitted);
        let mut orphans = 0;
        for tree in self.handle.shared.trees.all() {
            if tree.dropped.load(Ordering::Acquire) == 0 && !live(tree.id) {
                txn.drop_tree(tree.id);
                orphans += 1;
            }
        }
        txn.commit()?.wait()?;
        Ok(orphans)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("dir", &self.handle.shared.dir).finish_non_exhaustive()
    }
}

/// The pause after a compaction that failed when `failures` before it had, in a row.
fn retry_pause(failures: u32) -> Duration {
    RETRY_PAUSE.saturating_mul(1 << failures.min(16)).min(RETRY_PAUSE_MAX)
}

/// A gauge as a count; it may be below zero for an instant.
fn count(gauge: &AtomicI64) -> u64 {
    u64::try_from(gauge.load(Ordering::Relaxed)).unwrap_or(0)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compaction_that_fails_again_and_again_is_tried_less_often() {
        let pauses: Vec<u64> = (0..10).map(|failures| retry_pause(failures).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(retry_pause(u32::MAX), RETRY_PAUSE_MAX);
    }
}
