//! Counters and gauges of a running engine, for metrics and `/status`.

use std::time::Duration;

/// A snapshot of the engine's counters; see [`crate::Engine::stats`]. Counters start at zero when the engine opens.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes that rows and their versions take in memory, estimated.
    pub memory_bytes: u64,
    /// The limit of `memory_bytes`.
    pub memory_limit_bytes: u64,
    /// Bytes of blocks of files in memory.
    pub cache_bytes: u64,
    /// The limit of `cache_bytes`.
    pub cache_limit_bytes: u64,
    /// Blocks found in memory.
    pub cache_hits: u64,
    /// Blocks read from files.
    pub cache_misses: u64,
    /// Files of each level, L0 first.
    pub files: Vec<u64>,
    /// Their bytes.
    pub file_bytes: Vec<u64>,
    /// Bytes of files that flushes wrote.
    pub flush_bytes: u64,
    /// Bytes of files that large transactions wrote.
    pub staged_bytes: u64,
    /// Rows whose deletions went straight to files.
    pub deleted_in_files: u64,
    /// Units of compaction done.
    pub compactions: u64,
    /// Units of compaction that failed.
    pub compactions_failed: u64,
    /// Why the last flush has failed, if it has.
    pub flush_error: Option<String>,
    /// Why the last compaction has failed, if it has: it is tried again, ever less often.
    pub compaction_error: Option<String>,
    /// Bytes of files that compactions read.
    pub compaction_bytes_read: u64,
    /// Bytes of files that compactions wrote.
    pub compaction_bytes_written: u64,
    /// Times that a file was found damaged.
    pub corruptions: u64,
    /// The files of which that is known; what else is in them can be read.
    pub damaged_files: Vec<std::path::PathBuf>,
    /// Time that commits were held back because flush or compaction could not keep up.
    pub pause_time: Duration,
    /// Live rows of all trees, an estimate after a crash or a rollback to a savepoint.
    pub rows: u64,
    /// Trees that hold rows.
    pub trees: u64,
    /// Bytes appended to the log.
    pub wal_bytes: u64,
    /// Write calls on the log.
    pub wal_writes: u64,
    /// Syncs of the log.
    pub wal_syncs: u64,
    /// Time spent in those syncs.
    pub wal_sync_time: Duration,
    /// Log bytes since the last checkpoint: what a restart would replay.
    pub wal_bytes_since_checkpoint: u64,
    /// Position after the newest log record.
    pub last_lsn: u64,
    /// Position up to which the log is durable.
    pub durable_lsn: u64,
    /// Checkpoints done.
    pub checkpoints: u64,
    /// Checkpoints that failed; the log is kept until one succeeds.
    pub checkpoints_failed: u64,
    /// Time the last checkpoint took.
    pub checkpoint_time: Duration,
    /// Bytes of the last checkpoint's files.
    pub checkpoint_bytes: u64,
    /// Transactions that have begun and not ended.
    pub transactions_live: u64,
    /// Transactions committed, with or without writes.
    pub commits: u64,
    /// Transactions rolled back.
    pub rollbacks: u64,
    /// Snapshots alive.
    pub snapshots_live: u64,
    /// Snapshots that were ended because the versions kept for them took too much memory.
    pub snapshots_ended: u64,
    /// Bytes of what waits to be cleaned up until no snapshot needs it, beside the versions themselves; part of `memory_bytes`.
    pub garbage_bytes: u64,
    /// Timestamp of the oldest snapshot alive, which pins versions; the newest timestamp when there is none.
    pub oldest_snapshot: u64,
    /// Timestamp of the newest commit that new snapshots see.
    pub visible_timestamp: u64,
    /// Times a transaction had to wait for a lock.
    pub lock_waits: u64,
    /// Waits refused because they would never end.
    pub deadlocks: u64,
    /// Serializable transactions refused for what they and others have read and written.
    pub serialization_failures: u64,
    /// Keys and ranges that serializable transactions have read or written and that are still kept.
    pub predicate_marks: u64,
    /// How long opening took to load files and replay the log.
    pub recovery_time: Duration,
    /// Log records replayed when opening.
    pub recovery_records: u64,
    /// Whether the log has failed and everything is refused.
    pub fatal: bool,
}
