//! A machine whose files cannot be changed.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::io::{File, Io, OpenMode};

/// Whatever would change something fails.
pub(super) struct ReadOnly(pub Arc<dyn Io>);

fn refused<T>() -> Result<T> {
    Err(Error::new(ErrorKind::ReadOnlyFilesystem, "files are only looked at"))
}

impl Io for ReadOnly {
    fn create_dir_all(&self, _: &Path) -> Result<()> {
        refused()
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.0.list(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>> {
        if mode == OpenMode::Create { refused() } else { self.0.open(path, OpenMode::Read) }
    }

    fn rename(&self, _: &Path, _: &Path) -> Result<()> {
        refused()
    }

    fn remove(&self, _: &Path) -> Result<()> {
        refused()
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        refused()
    }

    fn lock_dir(&self, dir: &Path) -> Result<Option<Box<dyn Send + Sync>>> {
        self.0.lock_dir(dir)
    }

    fn wall_clock_us(&self) -> u64 {
        self.0.wall_clock_us()
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn random(&self) -> u64 {
        self.0.random()
    }

    fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }

    fn park(&self, at_most: Option<Duration>) {
        self.0.park(at_most);
    }
}
