//! fjall: the load's batches go to the operating system (its default), durable commits to the disk (fdatasync).

use super::{CACHE_BYTES, Key, RANGE_ROWS, Store, Value};
use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use std::path::Path;

struct Fjall {
    database: Database,
    rows: Keyspace,
}

pub fn open(folder: &Path) -> Result<Box<dyn Store>> {
    let database = Database::builder(folder).cache_size(CACHE_BYTES as u64).open()?;
    let rows = database.keyspace("rows", KeyspaceCreateOptions::default)?;
    Ok(Box::new(Fjall { database, rows }))
}

impl Fjall {
    fn write(&self, rows: &[(Key, Value)], mode: PersistMode) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(mode));
        for (key, value) in rows {
            batch.insert(&self.rows, &key[..], &value[..]);
        }
        Ok(batch.commit()?)
    }
}

impl Store for Fjall {
    fn insert(&self, rows: &[(Key, Value)]) -> Result<()> {
        self.write(rows, PersistMode::Buffer)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn get(&self, keys: &[Key]) -> Result<usize> {
        let snapshot = self.database.snapshot();
        let mut found = 0;
        for key in keys {
            found += usize::from(snapshot.get(&self.rows, key)?.is_some_and(|value| value.len() == 100));
        }
        Ok(found)
    }

    fn ranges(&self, keys: &[Key]) -> Result<usize> {
        let snapshot = self.database.snapshot();
        let mut found = 0;
        for key in keys {
            for row in snapshot.range::<&Key, _>(&self.rows, key..).take(RANGE_ROWS) {
                found += usize::from(row.into_inner()?.1.len() == 100);
            }
        }
        Ok(found)
    }

    fn commit(&self, key: Key, value: &Value) -> Result<()> {
        self.write(&[(key, *value)], PersistMode::SyncData)
    }
}
