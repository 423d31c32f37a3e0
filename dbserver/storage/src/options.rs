//! What the caller may choose when it opens an engine.

use std::sync::Arc;

use crate::error::Error;

/// Called once when the log can no longer be made durable; see [`Options::fatal`].
pub type FatalHook = Arc<dyn Fn(&Error) + Send + Sync>;

/// Choices of [`crate::Engine::open`]. All sizes are in bytes.
#[derive(Clone)]
pub struct Options {
    /// Memory for rows and versions that were written lately. Rows leave it for files before it is full, and writers are slowed;
    /// a writer whom that does not help gets [`Error::OutOfMemory`].
    pub memtable_bytes: u64,
    /// Memory for blocks of files.
    pub cache_bytes: u64,
    /// What a transaction writes at least before its writes may move to a file of their own; the true measure is a part of
    /// [`Options::memtable_bytes`].
    pub stage_bytes_min: usize,
    /// Size at which a sorted file is ended.
    pub file_bytes: u64,
    /// What the first level of files that do not overlap holds; each further one holds ten times as much.
    pub level_bytes: u64,
    /// Size of one log segment file. Kept by the data directory: only the value at its creation counts.
    pub wal_segment_size: u64,
    /// Log since the last flush of the memtable that triggers the next one: what a start has to replay at most.
    pub wal_bytes_max: u64,
    /// Whether a commit's ticket waits for the disk. Off: every commit is one of [`crate::Durability::Asynchronous`].
    pub synchronous: bool,
    /// Whether flushing, compaction and clean-up run on threads of the engine. Off: the caller drives them with
    /// [`crate::Engine::flush`], [`crate::Engine::checkpoint`] and [`crate::Engine::compact`] (a deterministic simulator does).
    pub background: bool,
    /// Called when a write or sync of the log failed: what is on disk is then unknown, so the process must end and
    /// recover from what is durable. The default aborts the process; after a hook that returns, the engine refuses
    /// everything with [`Error::Fatal`].
    pub fatal: FatalHook,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            memtable_bytes: 256 << 20,
            cache_bytes: 256 << 20,
            stage_bytes_min: 256 << 10,
            file_bytes: 32 << 20,
            level_bytes: 128 << 20,
            wal_segment_size: 16 << 20,
            wal_bytes_max: 128 << 20,
            synchronous: true,
            background: true,
            fatal: Arc::new(|error| {
                tracing::error!(%error, "the write-ahead log failed, the process ends to recover from what is durable");
                std::process::abort();
            }),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("memtable_bytes", &self.memtable_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("wal_segment_size", &self.wal_segment_size)
            .field("wal_bytes_max", &self.wal_bytes_max)
            .field("synchronous", &self.synchronous)
            .field("background", &self.background)
            .finish_non_exhaustive()
    }
}
