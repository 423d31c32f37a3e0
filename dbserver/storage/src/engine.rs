//! The engine: what holds the trees, the log and the transactions together.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::Io;
use crate::key::TreeId;
use crate::mvcc::{Isolation, Transaction};
use crate::options::Options;
use crate::stats::Stats;

/// An open data directory. A clone is another handle on the same engine.
#[derive(Clone)]
pub struct Engine {}

impl Engine {
    /// Opens a data directory, creating it where it does not exist: locks it, loads the last checkpoint, replays the
    /// log after it.
    ///
    /// # Errors
    /// [`Error::DirectoryLocked`] where another engine has it; [`Error::Corruption`] and [`Error::UnknownFormat`] name
    /// the file and position that cannot be read; [`Error::OutOfMemory`] where the data does not fit the limit.
    pub fn open(io: Arc<dyn Io>, dir: &Path, options: Options) -> Result<Engine> {
        let _ = (io, dir, options);
        Err(Error::Closed)
    }

    /// Begins a transaction. Costs no lock and no log until it writes.
    #[must_use]
    pub fn begin(&self, isolation: Isolation) -> Transaction {
        let _ = isolation;
        Transaction {}
    }

    /// Writes all rows to immutable files, so that the log before can be recycled. Commits and reads go on meanwhile.
    /// Also happens in the background whenever the log has grown enough.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and [`Error::Io`]; then the log is kept and nothing is lost.
    pub fn checkpoint(&self) -> Result<()> {
        Err(Error::Closed)
    }

    /// Writes and syncs the log up to now. Needed only without [`Options::background`].
    ///
    /// # Errors
    /// [`Error::Fatal`] where the log cannot be made durable.
    pub fn flush(&self) -> Result<()> {
        Err(Error::Closed)
    }

    /// Makes the log durable, checkpoints where that shortens the next start, and stops the engine's threads. Later
    /// commits get [`Error::Closed`].
    ///
    /// # Errors
    /// As [`Engine::checkpoint`] and [`Engine::flush`].
    pub fn close(&self) -> Result<()> {
        Err(Error::Closed)
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// About how many live rows the tree has; exact while no transaction is writing to it.
    #[must_use]
    pub fn tree_len(&self, tree: TreeId) -> u64 {
        let _ = tree;
        0
    }

    /// About how many bytes of memory the tree takes.
    #[must_use]
    pub fn tree_bytes(&self, tree: TreeId) -> u64 {
        let _ = tree;
        0
    }

    /// A name for a new tree, never handed out before. A tree begins to exist with its first row.
    ///
    /// # Errors
    /// [`Error::DiskFull`] or [`Error::Fatal`], as a commit.
    pub fn allocate_tree(&self) -> Result<TreeId> {
        Err(Error::Closed)
    }

    /// Drops every tree that `live` denies: left behind by DDL that was rolled back or cut short by a crash. To be
    /// called while no DDL runs, best before the first transaction. Answers how many there were.
    ///
    /// # Errors
    /// As a commit.
    pub fn orphan_trees(&self, live: &dyn Fn(TreeId) -> bool) -> Result<u64> {
        let _ = live;
        Err(Error::Closed)
    }
}
