//! The engine: what holds the trees, the log and the transactions together, and the threads that work for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::checkpoint;
use crate::error::{Error, Result};
use crate::io::Io;
use crate::key::TreeId;
use crate::manifest::Manifest;
use crate::memtable::Trees;
use crate::mvcc::{Garbage, Isolation, LockManager, Serializable, Slots, Snapshots, Transaction};
use crate::options::Options;
use crate::recovery::{Recovered, recover};
use crate::stats::Stats;
use crate::wal::Log;

/// Longest key.
pub(crate) const KEY_MAX: usize = 64 << 10;
/// Longest value.
pub(crate) const VALUE_MAX: usize = 1 << 30;
/// Rows cleaned up by a commit that wrote something.
const CLEAN_PER_COMMIT: usize = 16;
/// Log that makes a checkpoint worthwhile when closing: less is replayed in a moment.
const CLOSE_CHECKPOINT_BYTES: u64 = 16 << 20;

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
    pub counters: Counters,
    /// The manifest in force; held while a checkpoint runs.
    pub manifest: Mutex<Manifest>,
    chores: Mutex<Chores>,
    chore: Condvar,
    /// Whether a checkpoint has been asked for, so that commits need not take the mutex to ask again.
    checkpoint_asked: AtomicBool,
}

/// What the maintenance thread is to do.
#[derive(Default)]
struct Chores {
    checkpoint: bool,
    clean: bool,
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
    /// After a failed checkpoint: logged bytes before which it is not tried again.
    pub checkpoint_not_before: AtomicU64,
    pub recovery_nanos: AtomicU64,
    pub recovery_records: AtomicU64,
}

impl Shared {
    /// [`Error::OutOfMemory`] where a row of this size would pass the limit.
    pub fn check_memory(&self, bytes: usize) -> Result<()> {
        let used_bytes = self.trees.memory_bytes();
        let limit_bytes = self.options.memory_limit;
        if used_bytes.saturating_add(bytes as u64) > limit_bytes {
            // Rows deleted since may only wait to be cleaned: the next attempt finds the room.
            self.chores.lock().clean = true;
            self.chore.notify_one();
            return Err(Error::OutOfMemory { used_bytes, limit_bytes });
        }
        Ok(())
    }

    /// A commit's share of the cleaning; and it asks for a checkpoint where one is due.
    pub fn collect_garbage(&self) {
        let too_large = self.garbage.collect(self, CLEAN_PER_COMMIT, !self.options.background);
        if !self.options.background {
            return;
        }
        let checkpoint = self.is_checkpoint_due() && !self.checkpoint_asked.swap(true, Ordering::AcqRel);
        if too_large || checkpoint {
            let mut chores = self.chores.lock();
            chores.clean |= too_large;
            chores.checkpoint |= checkpoint;
            drop(chores);
            self.chore.notify_one();
        }
    }

    /// What no commit's share of the cleaning is enough for goes to the maintenance thread.
    fn clean_if_much(&self) {
        if self.garbage.is_much(self) {
            self.chores.lock().clean = true;
            self.chore.notify_one();
        }
    }

    fn log_since_checkpoint(&self) -> u64 {
        let logged = self.log.counters.bytes.load(Ordering::Relaxed);
        let at_checkpoint = self.counters.log_at_checkpoint.load(Ordering::Relaxed);
        let before = if at_checkpoint == 0 { self.counters.log_at_open.load(Ordering::Relaxed) } else { 0 };
        before + logged.saturating_sub(at_checkpoint)
    }

    /// The cap of the log grows with the data, so that checkpoints write a bounded multiple of what the log does.
    fn is_checkpoint_due(&self) -> bool {
        let cap = self.options.wal_bytes_max.max(self.trees.memory_bytes() / 2);
        self.log_since_checkpoint() > cap
            && self.log.counters.bytes.load(Ordering::Relaxed)
                >= self.counters.checkpoint_not_before.load(Ordering::Relaxed)
    }

    fn checkpoint(self: &Arc<Self>) -> Result<()> {
        let result = checkpoint::checkpoint(self);
        if let Err(error) = &result {
            tracing::warn!(%error, "checkpoint failed, the log is kept");
            self.counters.checkpoints_failed.fetch_add(1, Ordering::Relaxed);
            let logged = self.log.counters.bytes.load(Ordering::Relaxed);
            self.counters
                .checkpoint_not_before
                .store(logged + self.options.wal_bytes_max / 8, Ordering::Relaxed);
        }
        self.checkpoint_asked.store(false, Ordering::Release);
        result
    }

    /// The maintenance thread's life.
    fn run_maintenance(self: &Arc<Self>) {
        loop {
            let mut chores = self.chores.lock();
            while !chores.checkpoint && !chores.clean && !chores.closing {
                self.chore.wait(&mut chores);
            }
            if chores.closing || self.log.is_fatal() {
                return;
            }
            let (checkpoint, clean) =
                (std::mem::take(&mut chores.checkpoint), std::mem::take(&mut chores.clean));
            drop(chores);
            if clean {
                self.garbage.collect(self, usize::MAX, true);
            }
            if checkpoint {
                // A failure has been counted and logged; it is tried again when the log has grown.
                if self.checkpoint().is_ok() {
                    self.garbage.collect(self, usize::MAX, true);
                }
            }
        }
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
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the storage engine has panicked");
            }
        }
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
    /// Opens a data directory, creating it where it does not exist: locks it, loads the last checkpoint, replays the
    /// log after it.
    ///
    /// # Errors
    /// [`Error::DirectoryLocked`] where another engine has it; [`Error::Corruption`] and [`Error::UnknownFormat`] name
    /// the file and position that cannot be read. Data beyond the memory limit opens, and can be read and deleted from.
    pub fn open(io: Arc<dyn Io>, dir: &Path, options: Options) -> Result<Engine> {
        io.create_dir_all(dir).map_err(|error| Error::io("create", dir, error))?;
        let directory = io.lock_dir(dir).map_err(|error| Error::io("lock", dir, error))?;
        let directory = directory.ok_or_else(|| Error::DirectoryLocked { dir: dir.to_path_buf() })?;
        let begun = io.now();
        let Recovered { trees, manifest, segments, start, records } = recover(&io, dir, &options)?;
        let counters = Counters::default();
        let took = io.now().saturating_duration_since(begun);
        counters.recovery_nanos.store(nanos(took), Ordering::Relaxed);
        counters.recovery_records.store(records, Ordering::Relaxed);
        counters.log_at_open.store(start.lsn - manifest.replay_from, Ordering::Relaxed);
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
            counters,
            manifest: Mutex::new(manifest),
            chores: Mutex::default(),
            chore: Condvar::new(),
            checkpoint_asked: AtomicBool::new(false),
        });
        let handle = Handle {
            shared: Arc::clone(&shared),
            threads: Mutex::default(),
            directory: Mutex::new(Some(directory)),
        };
        if shared.options.background {
            let spawn = |name: &str, life: fn(&Arc<Shared>)| {
                let shared = Arc::clone(&shared);
                let thread = std::thread::Builder::new().name(name.into()).spawn(move || life(&shared));
                let thread = thread.map_err(|error| Error::io("start a thread for", dir, error))?;
                handle.threads.lock().push(thread);
                Ok::<(), Error>(())
            };
            spawn("wal-flusher", |shared| shared.log.run_flusher(|| shared.clean_if_much()))?;
            spawn("wal-preparer", |shared| shared.log.run_preparer())?;
            spawn("maintenance", Shared::run_maintenance)?;
        }
        Ok(Engine { handle: Arc::new(handle) })
    }

    /// Begins a transaction. Costs no lock and no log until it writes.
    #[must_use]
    pub fn begin(&self, isolation: Isolation) -> Transaction {
        Transaction::new(&self.handle.shared, isolation)
    }

    /// Writes all rows to immutable files, so that the log before can be recycled. Commits and reads go on meanwhile.
    /// Also happens in the background whenever the log has grown enough.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and [`Error::Io`]; then the log is kept and nothing is lost.
    pub fn checkpoint(&self) -> Result<()> {
        self.handle.shared.checkpoint()?;
        self.handle.shared.garbage.collect(&self.handle.shared, usize::MAX, true);
        Ok(())
    }

    /// Writes and syncs the log up to now. Needed only without [`Options::background`].
    ///
    /// # Errors
    /// [`Error::Fatal`] where the log cannot be made durable.
    pub fn flush(&self) -> Result<()> {
        self.handle.shared.log.flush().map(|_| ())
    }

    /// Makes the log durable, checkpoints where that shortens the next start, and stops the engine's threads. Later
    /// commits get [`Error::Closed`].
    ///
    /// # Errors
    /// As [`Engine::checkpoint`] and [`Engine::flush`].
    pub fn close(&self) -> Result<()> {
        let shared = &self.handle.shared;
        let result = shared.log.flush().and_then(|_| {
            if shared.log_since_checkpoint() > CLOSE_CHECKPOINT_BYTES { shared.checkpoint() } else { Ok(()) }
        });
        self.handle.stop();
        result
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &self.handle.shared;
        let (counters, log) = (&shared.counters, &shared.log.counters);
        let position = shared.log.position();
        let trees = shared.trees.all();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            memory_bytes: shared.trees.memory_bytes(),
            memory_limit_bytes: shared.options.memory_limit,
            rows: trees.iter().map(|tree| count(&tree.live)).sum(),
            trees: trees.iter().filter(|tree| count(&tree.live) > 0).count() as u64,
            wal_bytes: load(&log.bytes),
            wal_writes: load(&log.writes),
            wal_syncs: load(&log.syncs),
            wal_sync_time: Duration::from_nanos(load(&log.sync_nanos)),
            wal_bytes_since_checkpoint: shared.log_since_checkpoint(),
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

    /// About how many live rows the tree has; exact while no transaction is writing to it.
    #[must_use]
    pub fn tree_len(&self, tree: TreeId) -> u64 {
        self.handle.shared.trees.get(tree).map_or(0, |tree| count(&tree.live))
    }

    /// About how many bytes of memory the tree takes.
    #[must_use]
    pub fn tree_bytes(&self, tree: TreeId) -> u64 {
        self.handle.shared.trees.get(tree).map_or(0, |tree| count(&tree.bytes))
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

/// A gauge as a count; it may be below zero for an instant.
fn count(gauge: &AtomicI64) -> u64 {
    u64::try_from(gauge.load(Ordering::Relaxed)).unwrap_or(0)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
