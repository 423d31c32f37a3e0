//! The engine's only door to the world: files, clock, randomness.
//!
//! Everything else in this crate goes through these traits, so that a simulator can stand in for the machine and a
//! seed can decide what a power cut leaves behind. What an implementation must promise is what a disk promises:
//! a write is durable after a later [`File::sync`] of that file returned, a created, renamed or removed name after a
//! later [`Io::sync_dir`] of its directory. Until then any part of it, by sector and in any order, may survive a crash.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod real;

pub use real::RealIo;

/// A file system, a clock and a source of randomness.
pub trait Io: Send + Sync {
    /// Creates a directory and its parents; content if it exists.
    fn create_dir_all(&self, dir: &Path) -> std::io::Result<()>;

    /// Names of the files in a directory.
    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>>;

    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> std::io::Result<Arc<dyn File>>;

    /// Renames a file, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> std::io::Result<()>;

    /// Makes the directory's names durable.
    fn sync_dir(&self, dir: &Path) -> std::io::Result<()>;

    /// Locks the directory against other engines until the answer is dropped; `None` where another one has it.
    fn lock_dir(&self, dir: &Path) -> std::io::Result<Option<Box<dyn Send + Sync>>>;

    /// The wall clock: microseconds since 1970, UTC. Recorded, never compared.
    fn wall_clock_us(&self) -> u64;

    /// The monotonic clock.
    fn now(&self) -> Instant;

    /// Random bits, for names that must differ; not for secrets.
    fn random(&self) -> u64;

    /// Waits about this long.
    fn sleep(&self, duration: Duration);

    /// Parks the calling thread until it is unparked, or about this long. May return early.
    fn park(&self, at_most: Option<Duration>);
}

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist, and is not written to.
    Read,
    /// It must exist.
    Existing,
    /// It is created, or emptied where it exists.
    Create,
}

/// An open file, shared by threads; every call names its position.
pub trait File: Send + Sync {
    /// Fills the buffer from the position; fails with `UnexpectedEof` beyond the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()>;

    /// Writes all of the bytes at the position, growing the file where needed.
    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()>;

    /// Makes everything written so far durable, and the file's length.
    fn sync(&self) -> std::io::Result<()>;

    /// Length in bytes.
    fn len(&self) -> std::io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> std::io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
