//! What can go wrong, split by what the caller can do about it.
//!
//! - try the transaction again: [`Error::WriteConflict`], [`Error::ReadWriteConflict`], [`Error::Deadlock`]
//! - read again, sooner: [`Error::SnapshotTooOld`]
//! - do less, or free something: [`Error::OutOfMemory`], [`Error::DiskFull`], [`Error::TooLarge`]
//! - the statement's own limits: [`Error::LockTimeout`], [`Error::Cancelled`]
//! - the data directory needs a person: [`Error::Corruption`], [`Error::UnknownFormat`], [`Error::DirectoryLocked`]
//! - the process must end: [`Error::Fatal`], and [`Error::Io`] where it comes from opening

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything the engine can answer instead of doing what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// REPEATABLE READ: another transaction changed the row after this one's snapshot (40001).
    #[error("could not serialize access due to concurrent update")]
    WriteConflict,

    /// SERIALIZABLE: no serial order of the transactions would have given what they have read and written (40001).
    #[error("could not serialize access due to read/write dependencies among transactions")]
    ReadWriteConflict {
        /// How that was found.
        reason: ConflictReason,
    },

    /// What the snapshot would see is gone: the versions kept for it took too much memory (72000).
    #[error("snapshot too old")]
    SnapshotTooOld,

    /// A serializable transaction that promised to write nothing writes (25006).
    #[error("cannot write in a read-only transaction")]
    ReadOnly,

    /// Waiting would close a circle of transactions that wait for each other (40P01).
    #[error("deadlock detected")]
    Deadlock {
        /// The circle: each transaction waits for the next, the last for the first.
        cycle: Vec<WaitsFor>,
    },

    /// What is being written would outgrow the memory it may use before files could take it (53200). Nothing was changed.
    #[error("out of memory for writes: {used_bytes} of {limit_bytes} bytes are in use")]
    OutOfMemory {
        /// Bytes in use by rows and their versions.
        used_bytes: u64,
        /// The limit from [`crate::Options::memtable_bytes`].
        limit_bytes: u64,
    },

    /// The disk has no room for more log or files (53100). Nothing was committed, readers go on.
    #[error("could not write to the data directory: no space left on device")]
    DiskFull,

    /// A key or value is longer than the engine takes (54000).
    #[error("{what} of {bytes} bytes exceeds the limit of {limit_bytes} bytes")]
    TooLarge {
        /// "key" or "value".
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// The longest one possible.
        limit_bytes: u64,
    },

    /// The deadline given to a wait for a lock has passed (55P03).
    #[error("canceling statement due to lock timeout")]
    LockTimeout,

    /// The caller's `cancelled` said so during a wait (57014).
    #[error("canceling statement due to user request")]
    Cancelled,

    /// The transaction was committed or rolled back before this call (25000).
    #[error("transaction has already ended")]
    TransactionEnded,

    /// A file's contents are not what was written (XX001).
    #[error("{} is corrupt at byte {offset}: expected {expected}, got {got}", file.display())]
    Corruption {
        /// The file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },

    /// A file was written by a version of the engine whose format this one does not know (XX000).
    #[error("{} has format version {version}, this server knows up to {known}", file.display())]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// The version in its header.
        version: u32,
        /// The newest version this engine reads.
        known: u32,
    },

    /// Another process has the data directory open (55006).
    #[error("data directory \"{}\" is in use by another process", dir.display())]
    DirectoryLocked {
        /// The directory.
        dir: PathBuf,
    },

    /// The operating system refused a file operation (58030).
    #[error("could not {action} \"{}\": {source}", file.display())]
    Io {
        /// What was tried, as a verb: "read", "write", "sync".
        action: &'static str,
        /// On which file.
        file: PathBuf,
        /// Its answer.
        #[source]
        source: Arc<std::io::Error>,
    },

    /// The engine was closed (57P01).
    #[error("the storage engine is closed")]
    Closed,

    /// The log could not be made durable; the engine refuses everything until the process starts again (58030).
    #[error("the storage engine has stopped: {0}")]
    Fatal(Arc<str>),
}

/// One edge of the waits-for graph, for a deadlock's detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitsFor {
    /// [`crate::Transaction::id`] of the one that waits.
    pub waiter: u64,
    /// The transaction it waits for.
    pub holder: u64,
    /// What it waits for.
    pub lock: LockName,
}

/// The name of a lock in the waits-for graph.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LockName {
    /// A row: tree and key.
    Row(crate::TreeId, crate::Key),
    /// An object of [`crate::Transaction::lock_object`].
    Object(u64),
    /// A transaction, held by itself until it ends.
    Transaction(u64),
}

/// How it was found that a serializable transaction has to be rolled back; PostgreSQL's "Reason code".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConflictReason {
    /// Another transaction found it, this one heard of it when it read.
    #[error("Canceled on identification as a pivot, during conflict out checking.")]
    PivotDuringRead,
    /// The same, when it wrote.
    #[error("Canceled on identification as a pivot, during conflict in checking.")]
    PivotDuringWriteCheck,
    /// The same, when it committed.
    #[error("Canceled on identification as a pivot, during commit attempt.")]
    PivotDuringCommit,
    /// It wrote what another had read.
    #[error("Canceled on identification as a pivot, during write.")]
    PivotDuringWrite,
    /// It read what this transaction had written, which has committed.
    #[error("Canceled on conflict out to pivot {0}, during read.")]
    ConflictOutToPivot(u64),
    /// It may have read what a transaction had written that ended so long ago that only little is known of it.
    #[error("Canceled on conflict out to old pivot.")]
    ConflictOutToOldPivot,
}

impl Error {
    /// The SQLSTATE a client is told.
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Error::WriteConflict | Error::ReadWriteConflict { .. } => "40001",
            Error::SnapshotTooOld => "72000",
            Error::ReadOnly => "25006",
            Error::Deadlock { .. } => "40P01",
            Error::OutOfMemory { .. } => "53200",
            Error::DiskFull => "53100",
            Error::TooLarge { .. } => "54000",
            Error::LockTimeout => "55P03",
            Error::Cancelled => "57014",
            Error::TransactionEnded => "25000",
            Error::Corruption { .. } => "XX001",
            Error::UnknownFormat { .. } => "XX000",
            Error::DirectoryLocked { .. } => "55006",
            Error::Io { .. } | Error::Fatal(_) => "58030",
            Error::Closed => "57P01",
        }
    }

    /// A failed file operation; "no space left" becomes [`Error::DiskFull`].
    pub(crate) fn io(action: &'static str, file: &Path, source: std::io::Error) -> Error {
        if source.kind() == std::io::ErrorKind::StorageFull {
            return Error::DiskFull;
        }
        Error::Io { action, file: file.to_path_buf(), source: Arc::new(source) }
    }

    /// A file's contents differ from what must be there.
    pub(crate) fn corrupt(
        file: &Path,
        offset: u64,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Error {
        Error::Corruption {
            file: file.to_path_buf(),
            offset,
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }
}
