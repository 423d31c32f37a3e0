//! Plimsoll's engine: commits of the load are not waited for, the log is synced behind them.

use super::{CACHE_BYTES, Key, RANGE_ROWS, Store, Value};
use anyhow::{Result, ensure};
use plimsoll_storage::io::RealIo;
use plimsoll_storage::{Direction, Engine, Insert, Isolation, KeyRange, Options, RowBuffer, TreeId, Write};
use std::ops::Bound;
use std::path::Path;

struct Plimsoll(Engine);

const TREE: TreeId = TreeId(1);

pub fn open(folder: &Path) -> Result<Box<dyn Store>> {
    // As dbserver divides what it has: 25 parts for rows in memory, 40 for blocks of files.
    let memtable_bytes = CACHE_BYTES as u64 * 25 / 65;
    let cache_bytes = CACHE_BYTES as u64 - memtable_bytes;
    let options = Options { memtable_bytes, cache_bytes, ..Options::default() };
    Ok(Box::new(Plimsoll(Engine::open(RealIo::shared(), folder, options)?)))
}

impl Store for Plimsoll {
    fn insert(&self, rows: &[(Key, Value)]) -> Result<()> {
        let transaction = self.0.begin(Isolation::ReadCommitted);
        for (key, value) in rows {
            let inserted = transaction.insert_unique(TREE, key, value)?;
            ensure!(matches!(inserted, Insert::Inserted), "a key that exists");
        }
        drop(transaction.commit()?);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        // The log is in order: what waits for one more record has waited for all before it.
        self.commit([0; 8], &[0; 100])
    }

    fn get(&self, keys: &[Key]) -> Result<usize> {
        let snapshot = self.0.begin(Isolation::ReadCommitted).snapshot();
        let mut found = 0;
        for key in keys {
            found += usize::from(snapshot.get(TREE, key)?.is_some_and(|value| value.len() == 100));
        }
        Ok(found)
    }

    fn ranges(&self, keys: &[Key]) -> Result<usize> {
        let snapshot = self.0.begin(Isolation::ReadCommitted).snapshot();
        let mut buffer = RowBuffer::new();
        let mut found = 0;
        for key in keys {
            buffer.clear();
            let range = KeyRange { lower: Bound::Included(key[..].into()), upper: Bound::Unbounded };
            let mut scan = snapshot.scan(TREE, range, Direction::Forward);
            while buffer.len() < RANGE_ROWS && scan.next_batch(RANGE_ROWS - buffer.len(), &mut buffer)? {}
            found += buffer.len();
        }
        Ok(found)
    }

    fn commit(&self, key: Key, value: &Value) -> Result<()> {
        let transaction = self.0.begin(Isolation::ReadCommitted);
        let written = transaction.put(TREE, &key, value)?;
        ensure!(matches!(written, Write::Done), "a locked row");
        Ok(transaction.commit()?.wait()?)
    }
}
