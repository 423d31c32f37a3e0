//! Writing one row: its place in the table's tree and its entries in the indexes.
//!
//! Point plans must not block, so every write may stop with the lock to wait for; operators wait on the spot and try that one
//! write again.

use super::access::{Access, index_entry, index_parts};
use super::columns;
use super::constraints::{index_violation, primary_key_violation};
use super::context::ExecContext;
use super::entries::index_entries;
use super::eval::eval_row;
use super::key_events::record;
use super::operators::IN_FILE_ROWS_MIN;
use super::shape::columns_used;
use crate::catalog::{Index, Table};
use crate::error::{Result, SqlError};
use crate::plan::TableChecks;
use crate::statistics::Change;
use crate::types::Datum;
use crate::types::key::KeyPart;
use crate::types::table_row::row_number_key;
use crate::vector::Batch;
use plimsoll_storage::{BulkDelete, Insert, LockWait, RowBuffer, TreeId, Write};
use std::sync::Arc;

/// Why a write did not happen.
#[derive(Debug)]
pub enum Stop {
    /// It failed.
    Error(SqlError),
    /// It has to wait (only where the writer may not block).
    Wait(LockWait),
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Stop::Error(error)
    }
}

impl From<plimsoll_storage::Error> for Stop {
    fn from(error: plimsoll_storage::Error) -> Self {
        Stop::Error(error.into())
    }
}

impl Stop {
    /// For writers that block.
    pub fn into_error(self) -> SqlError {
        match self {
            Stop::Error(error) => error,
            Stop::Wait(_) => SqlError::internal("a wait where none was expected"),
        }
    }
}

/// What an insert met.
pub enum Inserted {
    /// The row is in.
    Done,
    /// A row with the same primary key (`None`) or key of a unique index is there. What was written of the new row before is still there.
    Conflict {
        /// Which index.
        index: Option<usize>,
        /// The other row's key.
        row_key: Vec<u8>,
    },
}

/// Writes rows of one table.
pub struct RowWriter<'p> {
    /// The table.
    pub access: Arc<Access>,
    /// Its constraints and index keys.
    pub checks: &'p TableChecks,
    indexes: Vec<IndexWriter>,
    blocking: bool,
    key: Vec<u8>,
    value: Vec<u8>,
    entry: Vec<u8>,
    new_entry: Vec<u8>,
}

struct IndexWriter {
    index: Arc<Index>,
    parts: Vec<KeyPart>,
    /// Live columns that the keys and the predicate read.
    used: Vec<bool>,
    bulk: BulkDelete,
}

impl<'p> RowWriter<'p> {
    /// A writer; `blocking` ones wait for locks.
    pub fn new(table: &Arc<Table>, checks: &'p TableChecks, blocking: bool) -> Self {
        let access = Access::of(table);
        let indexes = table.indexes.iter().zip(&checks.indexes).map(|(index, (keys, predicate))| {
            let mut used = Vec::new();
            keys.iter().chain(predicate).for_each(|e| columns_used(e, &mut used));
            let bulk = BulkDelete::new(index.tree);
            IndexWriter { index: Arc::clone(index), parts: index_parts(index, keys), used, bulk }
        });
        let indexes = indexes.collect();
        Self {
            access,
            checks,
            indexes,
            blocking,
            key: Vec::new(),
            value: Vec::new(),
            entry: Vec::new(),
            new_entry: Vec::new(),
        }
    }

    /// Whether deleting takes the old row, not just its key.
    pub fn needs_old(&self) -> bool {
        self.has_indexes() || self.access.table.has_key_relations()
    }

    /// Whether there are indexes.
    pub fn has_indexes(&self) -> bool {
        !self.indexes.is_empty()
    }

    /// The key of the row inserted or updated last.
    pub fn last_key(&self) -> &[u8] {
        &self.key
    }

    fn blocked(&self, wait: LockWait, ctx: &ExecContext<'_>) -> Result<(), Stop> {
        if self.blocking { Ok(ctx.wait(wait)?) } else { Err(Stop::Wait(wait)) }
    }

    /// Where the writer must not block, what a write looks up in the files is in memory after this.
    fn read_ahead(&self, tree: TreeId, key: &[u8], ctx: &ExecContext<'_>) -> Result<(), Stop> {
        let transaction = ctx.transaction()?;
        if self.blocking || transaction.read_ahead(tree, key, false)? {
            return Ok(());
        }
        ctx.eval.session.wait_begin("IO", "DataFileRead")?;
        let read = transaction.read_ahead(tree, key, true);
        ctx.eval.session.wait_end();
        Ok(read.map(drop)?)
    }

    fn put(&self, tree: TreeId, key: &[u8], value: &[u8], ctx: &ExecContext<'_>) -> Result<(), Stop> {
        self.read_ahead(tree, key, ctx)?;
        let transaction = ctx.transaction()?;
        while let Write::Blocked(wait) = transaction.put(tree, key, value)? {
            self.blocked(wait, ctx)?;
        }
        Ok(())
    }

    fn remove(&self, tree: TreeId, key: &[u8], ctx: &ExecContext<'_>) -> Result<(), Stop> {
        let transaction = ctx.transaction()?;
        while let Write::Blocked(wait) = transaction.delete(tree, key)? {
            self.blocked(wait, ctx)?;
        }
        Ok(())
    }

    /// The value that is there already, if one is.
    fn insert_unique(
        &self,
        tree: TreeId,
        key: &[u8],
        value: &[u8],
        ctx: &ExecContext<'_>,
    ) -> Result<Option<Vec<u8>>, Stop> {
        self.read_ahead(tree, key, ctx)?;
        let transaction = ctx.transaction()?;
        loop {
            match transaction.insert_unique(tree, key, value)? {
                Insert::Inserted => return Ok(None),
                Insert::Exists(value) => return Ok(Some(value.to_vec())),
                Insert::Blocked(wait) => self.blocked(wait, ctx)?,
            }
        }
    }

    /// Takes a row's entry out of an index. In one that is still being built, an entry that has to be unique may be another row's:
    /// one written since for the same key, of which the older row has none yet.
    fn remove_entry(
        &self,
        number: usize,
        unique: bool,
        row_key: &[u8],
        ctx: &ExecContext<'_>,
    ) -> Result<(), Stop> {
        let Some(writer) = self.indexes.get(number) else { return Ok(()) };
        let tree = writer.index.tree;
        self.read_ahead(tree, &self.entry, ctx)?;
        let transaction = ctx.transaction()?;
        loop {
            if unique
                && !writer.index.valid
                && transaction.get_latest(tree, &self.entry)?.is_none_or(|value| *value != *row_key)
            {
                return Ok(());
            }
            // The entry may be younger than the row, which is locked: that of an index built since the transaction's snapshot.
            match transaction.delete_newest(tree, &self.entry)? {
                Write::Done => return Ok(()),
                Write::Blocked(wait) => self.blocked(wait, ctx)?,
            }
        }
    }

    /// Writes the entry of a row that is in the table, locked, to an index that is being built: where it has none yet.
    ///
    /// # Errors
    /// 23505 where another row has the key.
    pub fn add_entry(
        &mut self,
        number: usize,
        row_key: &[u8],
        row: &[Datum],
        ctx: &mut ExecContext<'_>,
    ) -> Result<(), Stop> {
        let Some(values) = self.index_values(number, row, ctx)? else { return Ok(()) };
        self.key.clear();
        self.key.extend_from_slice(row_key);
        match self.insert_entry(number, &values, ctx)? {
            Some(other) if other != row_key => {
                let access = Arc::clone(&self.access);
                Err(index_violation(&access, number, self.checks, &values, ctx).into())
            }
            _ => Ok(()),
        }
    }

    /// The key values of a row in an index; none where the index's predicate leaves the row out.
    fn index_values(
        &self,
        number: usize,
        row: &[Datum],
        ctx: &mut ExecContext<'_>,
    ) -> Result<Option<Vec<Datum>>> {
        let Some((keys, predicate)) = self.checks.indexes.get(number) else { return Ok(None) };
        if let Some(predicate) = predicate
            && eval_row(predicate, row, ctx)? != Datum::Bool(true)
        {
            return Ok(None);
        }
        let values: Result<Vec<Datum>> = keys.iter().map(|key| eval_row(key, row, ctx)).collect();
        values.map(Some)
    }

    /// The key of the row in the primary key (`None`) or a unique index that conflicts with a new row, as far as can be seen now:
    /// own or committed. Looks at `target`, or everywhere.
    pub fn find_conflict(
        &mut self,
        row: &[Datum],
        target: Option<Option<usize>>,
        ctx: &mut ExecContext<'_>,
    ) -> Result<Option<Vec<u8>>> {
        let transaction = ctx.transaction()?;
        if self.access.has_primary_key() && target.is_none_or(|t| t.is_none()) {
            self.key.clear();
            self.access.layout.encode_key(row, &mut self.key);
            if transaction.get_latest(self.access.table.tree, &self.key)?.is_some() {
                return Ok(Some(self.key.clone()));
            }
        }
        for number in 0..self.indexes.len() {
            if target.is_some_and(|t| t != Some(number)) {
                continue;
            }
            let Some(values) = self.index_values(number, row, ctx)? else { continue };
            let Some(writer) = self.indexes.get(number) else { continue };
            self.entry.clear();
            if index_entry(&writer.index, &writer.parts, &values, &[], &mut self.entry)
                && let Some(row_key) = transaction.get_latest(writer.index.tree, &self.entry)?
            {
                return Ok(Some(row_key.to_vec()));
            }
        }
        Ok(None)
    }

    /// Inserts a row of live columns, which has been checked; stops at the first conflict.
    ///
    /// # Errors
    /// Those of evaluation and storage.
    pub fn try_insert(&mut self, row: &[Datum], ctx: &mut ExecContext<'_>) -> Result<Inserted, Stop> {
        let access = Arc::clone(&self.access);
        let tree = access.table.tree;
        self.key.clear();
        self.value.clear();
        access.layout.encode_value(row, &mut self.value);
        if access.has_primary_key() {
            access.layout.encode_key(row, &mut self.key);
            if self.insert_unique(tree, &self.key, &self.value, ctx)?.is_some() {
                return Ok(Inserted::Conflict { index: None, row_key: self.key.clone() });
            }
        } else {
            let numbers =
                ctx.row_numbers.ok_or_else(|| SqlError::internal("no row numbers to insert with"))?;
            let number = numbers.take(tree, 1, ctx.snapshot()?)?;
            self.key.extend_from_slice(&row_number_key(number));
            self.put(tree, &self.key, &self.value, ctx)?;
        }
        for number in 0..self.indexes.len() {
            let Some(values) = self.index_values(number, row, ctx)? else { continue };
            if let Some(row_key) = self.insert_entry(number, &values, ctx)? {
                return Ok(Inserted::Conflict { index: Some(number), row_key });
            }
        }
        ctx.count_change(access.table.oid, Change::Insert, 1);
        record(&access, None, Some((&self.key, row)), ctx)?;
        Ok(Inserted::Done)
    }

    /// Writes an index entry for the row whose key is in `self.key`; answers the key of the row that has a unique one already.
    fn insert_entry(
        &mut self,
        number: usize,
        values: &[Datum],
        ctx: &ExecContext<'_>,
    ) -> Result<Option<Vec<u8>>, Stop> {
        let Some(writer) = self.indexes.get(number) else { return Ok(None) };
        let mut entry = std::mem::take(&mut self.new_entry);
        entry.clear();
        let unique = index_entry(&writer.index, &writer.parts, values, &self.key, &mut entry);
        let tree = writer.index.tree;
        let result = if unique {
            self.insert_unique(tree, &entry, &self.key, ctx)
        } else {
            self.put(tree, &entry, &self.key, ctx).map(|()| None)
        };
        self.new_entry = entry;
        result
    }

    /// The violation that a conflict is, where it is not expected.
    pub fn violation(&self, index: Option<usize>, row: &[Datum], ctx: &mut ExecContext<'_>) -> SqlError {
        match index {
            None => primary_key_violation(&self.access, row, ctx),
            Some(number) => match self.index_values(number, row, ctx) {
                Ok(values) => {
                    index_violation(&self.access, number, self.checks, &values.unwrap_or_default(), ctx)
                }
                Err(error) => error,
            },
        }
    }

    /// Inserts a row that has been checked.
    ///
    /// # Errors
    /// 23505.
    pub fn insert(&mut self, row: &[Datum], ctx: &mut ExecContext<'_>) -> Result<(), Stop> {
        match self.try_insert(row, ctx)? {
            Inserted::Done => Ok(()),
            Inserted::Conflict { index, .. } => Err(self.violation(index, row, ctx).into()),
        }
    }

    /// Replaces the row at `row_key`, which is locked, by one that has been checked.
    ///
    /// # Errors
    /// 23505.
    pub fn update(
        &mut self,
        row_key: &[u8],
        old: &[Datum],
        new: &[Datum],
        ctx: &mut ExecContext<'_>,
    ) -> Result<(), Stop> {
        let access = Arc::clone(&self.access);
        let tree = access.table.tree;
        self.value.clear();
        access.layout.encode_value(new, &mut self.value);
        self.key.clear();
        if access.has_primary_key() {
            access.layout.encode_key(new, &mut self.key);
        } else {
            self.key.extend_from_slice(row_key);
        }
        let moved = self.key != row_key;
        if moved {
            if self.insert_unique(tree, &self.key, &self.value, ctx)?.is_some() {
                return Err(primary_key_violation(&access, new, ctx).into());
            }
            self.remove(tree, row_key, ctx)?;
        } else {
            self.put(tree, &self.key, &self.value, ctx)?;
        }
        for number in 0..self.indexes.len() {
            let Some(writer) = self.indexes.get(number) else { continue };
            let mut columns = writer.used.iter().zip(old.iter().zip(new));
            if !moved && columns.all(|(used, (old, new))| !used || old == new) {
                continue;
            }
            let before = self.index_values(number, old, ctx)?;
            let after = self.index_values(number, new, ctx)?;
            self.entry.clear();
            let mut unique = false;
            if let (Some(values), Some(writer)) = (&before, self.indexes.get(number)) {
                unique = index_entry(&writer.index, &writer.parts, values, row_key, &mut self.entry);
            }
            if let (Some(_), Some(values), false, Some(writer)) =
                (&before, &after, moved, self.indexes.get(number))
            {
                let mut entry = std::mem::take(&mut self.new_entry);
                entry.clear();
                index_entry(&writer.index, &writer.parts, values, row_key, &mut entry);
                let same = entry == self.entry;
                self.new_entry = entry;
                if same {
                    continue;
                }
            }
            if before.is_some() {
                self.remove_entry(number, unique, row_key, ctx)?;
            }
            if let Some(values) = after
                && self.insert_entry(number, &values, ctx)?.is_some()
            {
                return Err(index_violation(&access, number, self.checks, &values, ctx).into());
            }
        }
        ctx.count_change(access.table.oid, Change::Update, 1);
        record(&access, Some(old), Some((&self.key, new)), ctx)?;
        Ok(())
    }

    /// Deletes the row at `row_key`, which is locked.
    ///
    /// # Errors
    /// Those of evaluation and storage.
    pub fn delete(&mut self, row_key: &[u8], old: &[Datum], ctx: &mut ExecContext<'_>) -> Result<(), Stop> {
        for number in 0..self.indexes.len() {
            self.delete_entry(number, row_key, old, ctx)?;
        }
        self.remove(self.access.table.tree, row_key, ctx)?;
        ctx.count_change(self.access.table.oid, Change::Delete, 1);
        record(&self.access, Some(old), None, ctx)?;
        Ok(())
    }

    fn delete_entry(
        &mut self,
        number: usize,
        row_key: &[u8],
        old: &[Datum],
        ctx: &mut ExecContext<'_>,
    ) -> Result<(), Stop> {
        let Some(values) = self.index_values(number, old, ctx)? else { return Ok(()) };
        let Some(writer) = self.indexes.get(number) else { return Ok(()) };
        self.entry.clear();
        let unique = index_entry(&writer.index, &writer.parts, &values, row_key, &mut self.entry);
        self.remove_entry(number, unique, row_key, ctx)
    }

    /// What goes with rows that the statement's snapshot shows and that have just been deleted from the table's tree: their entries.
    /// Batches of live columns, if they are needed ([`RowWriter::needs_old`]), each with the rows' keys.
    ///
    /// # Errors
    /// Those of evaluation and storage.
    pub fn delete_batches_rest(
        &mut self,
        parts: &[(Batch, RowBuffer)],
        ctx: &mut ExecContext<'_>,
    ) -> Result<(), Stop> {
        for number in 0..self.indexes.len() {
            if !self.delete_entries_in_file(number, parts, ctx)? {
                for (batch, keys) in parts {
                    self.delete_entries(number, batch, keys, ctx)?;
                }
            }
        }
        let table = &self.access.table;
        ctx.count_change(table.oid, Change::Delete, parts.iter().map(|(batch, _)| batch.rows as u64).sum());
        if table.has_key_relations() {
            for (batch, _) in parts {
                for row in 0..batch.rows {
                    record(&self.access, Some(&columns::row(batch, row)), None, ctx)?;
                }
            }
        }
        Ok(())
    }

    /// Deletes the entries of very many rows in one index, all or none; answers whether it has.
    fn delete_entries_in_file(
        &mut self,
        number: usize,
        parts: &[(Batch, RowBuffer)],
        ctx: &mut ExecContext<'_>,
    ) -> Result<bool, Stop> {
        let (Some(writer), Some((exprs, predicate))) =
            (self.indexes.get_mut(number), self.checks.indexes.get(number))
        else {
            return Ok(false);
        };
        let rows: usize = parts.iter().map(|(batch, _)| batch.rows).sum();
        if !writer.index.valid || rows < IN_FILE_ROWS_MIN || writer.bulk.has_given_up() {
            return Ok(false);
        }
        let (mut some, mut all) = (RowBuffer::new(), RowBuffer::new());
        let mut reservation = ctx.reservation();
        for (batch, keys) in parts {
            ctx.check()?;
            index_entries(&writer.index, exprs, predicate.as_ref(), batch, keys, &mut some, ctx)?;
            // They are sorted into a second buffer.
            let fits = reservation.grow((some.bytes() as u64).saturating_mul(2)).is_ok();
            if !fits || !some.iter().all(|(key, _)| all.push(key, &[])) {
                return Ok(false);
            }
        }
        let enough = all.len() >= IN_FILE_ROWS_MIN;
        let sorted = all.sorted();
        let transaction = ctx.transaction()?;
        // Between a table's rows that have gone others may be left, whose entries lie among theirs.
        Ok(enough && transaction.delete_in_file(&mut writer.bulk, &sorted, false, ctx.snapshot()?)?)
    }

    /// Deletes the entries of a batch's rows in one index.
    fn delete_entries(
        &mut self,
        number: usize,
        batch: &Batch,
        keys: &RowBuffer,
        ctx: &mut ExecContext<'_>,
    ) -> Result<(), Stop> {
        let (Some(writer), Some((exprs, predicate))) =
            (self.indexes.get(number), self.checks.indexes.get(number))
        else {
            return Ok(());
        };
        let index = Arc::clone(&writer.index);
        if !index.valid {
            // It may lack them.
            for row in 0..batch.rows {
                let (key, _) = keys.get(row).unwrap_or_default();
                self.delete_entry(number, key, &columns::row(batch, row), ctx)?;
            }
            return Ok(());
        }
        let mut entries = RowBuffer::new();
        let of = index_entries(&index, exprs, predicate.as_ref(), batch, keys, &mut entries, ctx)?;
        let mut from = 0;
        while from < entries.len() {
            ctx.check()?;
            let until = ctx.transaction()?.delete_batch(index.tree, &entries, from, ctx.snapshot()?)?;
            // An entry that is younger than the snapshot; where it is not alone, the others follow it.
            let count = if until > from { 1 } else { entries.len().saturating_sub(until) };
            from = until.saturating_add(count);
            for entry in until..from {
                let (Some((_, key)), Some(row)) = (entries.get(entry), of.row(entry)) else { continue };
                self.delete_entry(number, key, &columns::row(batch, row), ctx)?;
            }
        }
        Ok(())
    }
}
