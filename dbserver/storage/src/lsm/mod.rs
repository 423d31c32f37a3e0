//! The sorted files under the memtable: a log-structured merge tree (O'Neil et al., 1996), leveled.
//!
//! ```text
//! memtable ---flush--->  L0   files that may overlap, newest first          <--- staged files of large transactions
//!                        L1   files that do not, 64 MiB in all
//!                        L2   ten times as much, and so on                  each compaction moves a few files one level down
//! ```
//! For every key the versions in a file are newer than those in the files after it (L0 in its order, then L1, L2 …), so that
//! whoever looks for a version stops at the first file that has one. What makes that true of a staged file, whose versions become
//! commits later than it is put there: its keys were locked from before, and nothing older of them was left in the memtable.
//!
//! The set of files is immutable; a change makes another one. Readers hold the set they began with, and a file goes from the disk
//! with the last set that names it.

mod compaction;
mod flush;
mod merge;
mod output;
mod pick;
mod range_tombstones;
mod set;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::error::{Error, Result};
use crate::io::Io;
use crate::key::{TreeId, Value};
use crate::manifest::Manifest;
use crate::mvcc::TxnState;
use crate::sst::{BlockCache, Codec, FileMeta, SstWriter, Staged, Table, file_name, hash, user_key};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) use merge::{Merge, Span};
pub(crate) use set::{FileSet, FileView, Newest};

/// The files of an engine.
pub(crate) struct Files {
    io: Arc<dyn Io>,
    /// The data directory.
    root: PathBuf,
    /// Where the files are.
    dir: PathBuf,
    /// A file is ended when it has grown to this.
    file_bytes: u64,
    pub cache: Arc<BlockCache>,
    set: ArcSwap<FileSet>,
    next_file: AtomicU64,
    /// The manifest in force. The set changes only while this is held.
    manifest: Mutex<Manifest>,
    /// Held while the memtable is flushed.
    flushing: Mutex<()>,
    /// Held while files are merged.
    compacting: Mutex<()>,
    /// There is more to merge when all snapshots see this commit.
    compaction_waits_for: AtomicU64,
    /// All commits up to this one are in files.
    flushed: AtomicU64,
    /// The directory may be another engine's. Set while the manifest is held.
    closed: AtomicBool,
    pub counters: Counters,
}

/// For [`crate::Stats`].
#[derive(Default)]
pub(crate) struct Counters {
    pub flush_bytes: AtomicU64,
    pub compactions: AtomicU64,
    pub compactions_failed: AtomicU64,
    pub compaction_bytes_read: AtomicU64,
    pub compaction_bytes_written: AtomicU64,
    pub staged_bytes: AtomicU64,
    pub deleted_in_files: AtomicU64,
}

impl Files {
    /// Of a recovered directory.
    pub fn new(
        io: Arc<dyn Io>,
        root: PathBuf,
        cache: Arc<BlockCache>,
        set: FileSet,
        manifest: Manifest,
        file_bytes: u64,
    ) -> Files {
        Files {
            io,
            dir: root.join(crate::recovery::SST_DIR),
            root,
            file_bytes,
            cache,
            set: ArcSwap::from_pointee(set),
            next_file: AtomicU64::new(manifest.next_file),
            flushed: AtomicU64::new(manifest.timestamp),
            manifest: Mutex::new(manifest),
            flushing: Mutex::new(()),
            compacting: Mutex::new(()),
            compaction_waits_for: AtomicU64::new(u64::MAX),
            closed: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    /// The files as they are now.
    pub fn set(&self) -> Arc<FileSet> {
        self.set.load_full()
    }

    /// How much of L0 waits for a compaction, in files.
    pub fn l0_backlog(&self) -> usize {
        pick::l0_backlog(&self.set.load(), self.flushed(), self.file_bytes)
    }

    /// Whether snapshots from this timestamp on hold back no compaction that older ones did; says so once.
    pub fn is_released(&self, oldest: u64) -> bool {
        let held = self.compaction_waits_for.load(Ordering::SeqCst);
        held <= oldest && self.compaction_waits_for.swap(u64::MAX, Ordering::AcqRel) != u64::MAX
    }

    /// All commits up to this one are in files.
    pub fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// From here on nothing is changed in the directory: a transaction or snapshot may outlive its engine.
    pub fn close(&self) {
        let _changing = self.manifest.lock();
        self.closed.store(true, Ordering::Release);
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Begins a file.
    pub fn create(&self, codec: Codec) -> Result<SstWriter> {
        let _changing = self.manifest.lock();
        self.check_open()?;
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        SstWriter::create(&*self.io, &self.dir.join(file_name(number)), number, codec)
    }

    /// Opens a finished file.
    pub fn open(&self, meta: FileMeta, staged: Option<Staged>) -> Result<Arc<Table>> {
        let path = self.dir.join(file_name(meta.number));
        Table::open(&self.io, &path, &self.cache, meta, staged).map(Arc::new)
    }

    /// Makes the names of finished files durable.
    pub fn sync_dir(&self) -> Result<()> {
        self.io.sync_dir(&self.dir).map_err(|error| Error::io("sync", &self.dir, error))
    }

    /// Takes files away that were never named.
    pub fn discard(&self, numbers: &[u64]) {
        self.cache.forget_unfinished(numbers);
        let _changing = self.manifest.lock();
        // Their numbers may be those of another engine's files by now.
        if self.check_open().is_err() {
            return;
        }
        for number in numbers {
            // Where that fails, the file goes when the directory is opened next.
            let _ = self.io.remove(&self.dir.join(file_name(*number)));
        }
    }

    /// Puts a staged file before all others. Answers up to which commit those hold all.
    pub fn stage(&self, table: Arc<Table>) -> u64 {
        let _changing = self.manifest.lock();
        let mut set = FileSet::clone(&self.set.load());
        self.counters.staged_bytes.fetch_add(table.meta.bytes, Ordering::Relaxed);
        set.l0.insert(0, table);
        self.set.store(Arc::new(set));
        self.flushed()
    }

    /// Takes staged files away again that have not been committed.
    pub fn unstage(&self, is_gone: impl Fn(&Arc<Table>) -> bool) {
        let _changing = self.manifest.lock();
        let mut set = FileSet::clone(&self.set.load());
        set.l0.retain(|table| {
            let gone = table.staged.is_some() && is_gone(table);
            if gone {
                table.set_obsolete();
            }
            !gone
        });
        self.set.store(Arc::new(set));
    }

    /// Changes the set for good: `edit` takes the set and the manifest as they are to what they shall be; the manifest is made
    /// durable, then the set comes into force. Files that the new set does not name go with their last reader.
    fn install(&self, edit: impl FnOnce(&mut FileSet, &mut Manifest)) -> Result<()> {
        let mut manifest = self.manifest.lock();
        self.check_open()?;
        let old = self.set.load_full();
        let mut set = FileSet::clone(&old);
        let mut next = manifest.clone();
        edit(&mut set, &mut next);
        next.next_file = self.next_file.load(Ordering::Relaxed);
        // A staged commit that is not in the files of the manifest's timestamp is in the log behind it.
        let named = |table: &Arc<Table>| table.newest_commit().is_some_and(|commit| commit <= next.timestamp);
        next.files = set
            .all()
            .filter(|(_, table)| named(table))
            .map(|(level, table)| (level, table.named()))
            .collect();
        next.dropped.retain(|tree| set.all().any(|(_, table)| table.meta.has_tree(*tree)));
        let without = |these: &FileSet, those: &FileSet| {
            let gone =
                these.all().filter(|(_, table)| !those.all().any(|(_, other)| Arc::ptr_eq(table, other)));
            gone.for_each(|(_, table)| table.set_obsolete());
        };
        // A disk that is full must not fill with files that nothing names.
        let written = next.write(&*self.io, &self.root).inspect_err(|_| without(&set, &old))?;
        // Where this fails, it is unknown whether it names the new files: they stay.
        written.put_in_force(&*self.io, &self.root)?;
        without(&old, &set);
        self.set.store(Arc::new(set));
        self.flushed.store(next.timestamp, Ordering::Release);
        *manifest = next;
        Ok(())
    }

    /// The value of a row that a view sees in the files, and when it was committed. `None` where that needs the disk, which may not
    /// be read.
    pub fn get(
        &self,
        tree: TreeId,
        key: &[u8],
        view: &FileView<'_>,
        may_read: bool,
    ) -> Result<Option<(Option<Value>, u64)>> {
        let user = user_key(tree, key);
        let set = self.set.load();
        set.get(&user, hash(&user), view, may_read)
    }

    /// The newest committed value in the files, or the transaction's own; and when it was committed, 0 for its own.
    pub fn latest(&self, tree: TreeId, key: &[u8], own: &Arc<TxnState>) -> Result<(Option<Value>, u64)> {
        let view = FileView { timestamp: u64::MAX - 1, own: Some((own, u64::MAX)) };
        let (value, rank) = self.get(tree, key, &view, true)?.unwrap_or_default();
        Ok((value, if rank == u64::MAX { 0 } else { rank }))
    }

    /// What the files say of a row to one who wants to write it. Files with nothing newer than `after` are not asked: 0 for all.
    pub fn newest(&self, tree: TreeId, key: &[u8], own: &Arc<TxnState>, after: u64) -> Result<Newest> {
        let user = user_key(tree, key);
        let set = self.set.load();
        set.newest(&user, hash(&user), own, after)
    }

    /// Whether no file says of a key between these, both included, what was committed after the timestamp or is not yet.
    /// `but`: those that are not asked.
    pub fn nothing_after(
        &self,
        tree: TreeId,
        first: &[u8],
        last: &[u8],
        timestamp: u64,
        but: &dyn Fn(&Table) -> bool,
    ) -> bool {
        self.set.load().nothing_after(&user_key(tree, first), &user_key(tree, last), timestamp, but)
    }
}
