//! SQLite in its fastest layout for such keys: they are the rowid. WAL; synchronous=NORMAL for the load, FULL for durable
//! commits; one connection, since writers that share one queue faster than connections that poll for the lock.

use super::{CACHE_BYTES, Key, RANGE_ROWS, Store, Value};
use anyhow::Result;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Sqlite(Mutex<Connection>);

pub fn open(folder: &Path) -> Result<Box<dyn Store>> {
    let connection = Connection::open(folder.join("data"))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // Negative: in KiB.
    connection.pragma_update(None, "cache_size", -(i64::try_from(CACHE_BYTES >> 10)?))?;
    connection.execute("create table t (k integer primary key, v blob not null)", ())?;
    Ok(Box::new(Sqlite(Mutex::new(connection))))
}

impl Sqlite {
    fn connection(&self, synchronous: &str) -> Result<MutexGuard<'_, Connection>> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connection.prepare_cached(&format!("pragma synchronous = {synchronous}"))?.execute(())?;
        Ok(connection)
    }
}

/// The same order as that of the bytes.
fn integer(key: Key) -> i64 {
    (u64::from_be_bytes(key) ^ (1 << 63)).cast_signed()
}

impl Store for Sqlite {
    fn insert(&self, rows: &[(Key, Value)]) -> Result<()> {
        let mut connection = self.connection("normal")?;
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached("insert into t (k, v) values (?1, ?2)")?;
            for (key, value) in rows {
                insert.execute(params![integer(*key), value])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn sync(&self) -> Result<()> {
        let connection = self.connection("normal")?;
        Ok(connection.query_row("pragma wal_checkpoint(full)", (), |_| Ok(()))?)
    }

    fn get(&self, keys: &[Key]) -> Result<usize> {
        let mut connection = self.connection("normal")?;
        let transaction = connection.transaction()?;
        let mut select = transaction.prepare_cached("select v from t where k = ?1")?;
        let mut found = 0;
        for key in keys {
            let mut rows = select.query([integer(*key)])?;
            if let Some(row) = rows.next()? {
                found += usize::from(row.get_ref(0)?.as_blob()?.len() == 100);
            }
        }
        Ok(found)
    }

    fn ranges(&self, keys: &[Key]) -> Result<usize> {
        let mut connection = self.connection("normal")?;
        let transaction = connection.transaction()?;
        let mut select =
            transaction.prepare_cached("select k, v from t where k >= ?1 order by k limit ?2")?;
        let mut found = 0;
        for key in keys {
            let mut rows = select.query(params![integer(*key), RANGE_ROWS as i64])?;
            while let Some(row) = rows.next()? {
                found += usize::from(row.get_ref(1)?.as_blob()?.len() == 100);
            }
        }
        Ok(found)
    }

    fn commit(&self, key: Key, value: &Value) -> Result<()> {
        let connection = self.connection("full")?;
        connection
            .prepare_cached("insert into t (k, v) values (?1, ?2)")?
            .execute(params![integer(key), value])?;
        Ok(())
    }
}
