//! What the caller may choose when it opens an engine.

use std::sync::Arc;

use crate::error::Error;

/// Called once when the log can no longer be made durable; see [`Options::fatal`].
pub type FatalHook = Arc<dyn Fn(&Error) + Send + Sync>;

/// Choices of [`crate::Engine::open`]. All sizes are in bytes.
#[derive(Clone)]
pub struct Options {
    /// Most memory that rows and their versions may take; a writer over it gets [`Error::OutOfMemory`].
    pub memory_limit: u64,
    /// Size of one log segment file. Kept by the data directory: only the value at its creation counts.
    pub wal_segment_size: u64,
    /// Log since the last checkpoint that triggers the next one. It grows with the data (half of it), so that
    /// checkpoints write at most about twice what the log does.
    pub wal_bytes_max: u64,
    /// Whether a commit's ticket waits for the disk. Off: a crash of the machine may lose the newest commits,
    /// never half of one.
    pub synchronous: bool,
    /// Whether flushing, checkpoints and clean-up run on threads of the engine. Off: the caller drives them with
    /// [`crate::Engine::flush`] and [`crate::Engine::checkpoint`] (a deterministic simulator does).
    pub background: bool,
    /// Called when a write or sync of the log failed: what is on disk is then unknown, so the process must end and
    /// recover from what is durable. The default aborts the process; after a hook that returns, the engine refuses
    /// everything with [`Error::Fatal`].
    pub fatal: FatalHook,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            memory_limit: 1 << 30,
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
            .field("memory_limit", &self.memory_limit)
            .field("wal_segment_size", &self.wal_segment_size)
            .field("wal_bytes_max", &self.wal_bytes_max)
            .field("synchronous", &self.synchronous)
            .field("background", &self.background)
            .finish_non_exhaustive()
    }
}
