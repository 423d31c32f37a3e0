//! redb: the load's transactions are not durable until one that is follows (`Durability::None`), at the load's end and every
//! 64 transactions, since it frees pages only there; durable commits are `Durability::Immediate`.

use super::{CACHE_BYTES, Key, RANGE_ROWS, Store, Value};
use anyhow::Result;
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

struct Redb {
    database: Database,
    transactions: AtomicU64,
}

const TABLE: TableDefinition<&[u8; 8], &[u8]> = TableDefinition::new("rows");
/// Transactions from one durable one to the next in the load.
const DURABLE_EVERY: u64 = 64;

pub fn open(folder: &Path) -> Result<Box<dyn Store>> {
    let database = Database::builder().set_cache_size(CACHE_BYTES).create(folder.join("data"))?;
    Ok(Box::new(Redb { database, transactions: AtomicU64::new(0) }))
}

impl Redb {
    fn write(&self, rows: &[(Key, Value)], durability: Durability) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in rows {
                table.insert(key, &value[..])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Store for Redb {
    fn insert(&self, rows: &[(Key, Value)]) -> Result<()> {
        let number = self.transactions.fetch_add(1, Ordering::Relaxed);
        let durable = number % DURABLE_EVERY == DURABLE_EVERY - 1;
        self.write(rows, if durable { Durability::Immediate } else { Durability::None })
    }

    fn sync(&self) -> Result<()> {
        self.write(&[], Durability::Immediate)
    }

    fn get(&self, keys: &[Key]) -> Result<usize> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let mut found = 0;
        for key in keys {
            found += usize::from(table.get(key)?.is_some_and(|value| value.value().len() == 100));
        }
        Ok(found)
    }

    fn ranges(&self, keys: &[Key]) -> Result<usize> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let mut found = 0;
        for key in keys {
            for row in table.range::<&Key>(key..)?.take(RANGE_ROWS) {
                found += usize::from(row?.1.value().len() == 100);
            }
        }
        Ok(found)
    }

    fn commit(&self, key: Key, value: &Value) -> Result<()> {
        self.write(&[(key, *value)], Durability::Immediate)
    }
}
