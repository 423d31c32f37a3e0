//! Many rows into one table: COPY, INSERT … SELECT, index builds, rewrites. Constraints are checked over whole columns, rows
//! are encoded into buffers that are used again, and each tree gets its rows in one go.

use super::access::Access;
use super::columns;
use super::constraints::{check_batch, index_violation, primary_key_violation};
use super::context::ExecContext;
use super::entries::{index_entries, too_large};
use super::key_events::record;
use crate::catalog::Table;
use crate::error::{Result, SqlError, sqlstate};
use crate::plan::TableChecks;
use crate::statistics::Change;
use crate::types::Datum;
use crate::types::table_row::row_number_key;
use crate::vector::{BATCH_ROWS_MAX, Batch};
use plimsoll_storage::{BatchWrite, Load, RowBuffer, TreeId};
use std::sync::Arc;

/// Writes new rows of a table. Conflicting ones are errors. What it has taken is in the table when it has been finished.
pub struct TableWriter {
    access: Arc<Access>,
    checks: Arc<TableChecks>,
    /// Nobody else can write rows with these keys, as long as they come in order: they go to files when they are many.
    load: Option<Load>,
    rows: RowBuffer,
    entries: RowBuffer,
    key: Vec<u8>,
    value: Vec<u8>,
    written: u64,
    /// The row of the last batch that had a conflict.
    conflict: Option<usize>,
}

impl TableWriter {
    /// A writer of rows with these constraints and index keys.
    pub fn new(table: &Arc<Table>, checks: Arc<TableChecks>) -> Self {
        let access = Access::of(table);
        // Row numbers are taken for one statement alone, and ascend.
        let load = (!access.has_primary_key()).then(|| Load::new(table.tree));
        Self {
            access,
            checks,
            load,
            rows: RowBuffer::new(),
            entries: RowBuffer::new(),
            key: Vec::new(),
            value: Vec::new(),
            written: 0,
            conflict: None,
        }
    }

    /// The same for a table whose tree is new and that nobody else can write to.
    pub fn of_new_tree(table: &Arc<Table>, checks: Arc<TableChecks>) -> Self {
        Self { load: Some(Load::new(table.tree)), ..Self::new(table, checks) }
    }

    /// Ends the writing; answers how many rows were written.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn finish(mut self, ctx: &ExecContext<'_>) -> Result<u64> {
        self.end_load(ctx)?;
        Ok(self.written)
    }

    /// After 23505: which row of the batch it was.
    pub fn conflict(&self) -> Option<usize> {
        self.conflict
    }

    /// Writes rows of datums, one per live column.
    ///
    /// # Errors
    /// As [`TableWriter::write`].
    pub fn write_rows(&mut self, rows: &[Vec<Datum>], ctx: &mut ExecContext<'_>) -> Result<()> {
        let types = self.access.types();
        for part in rows.chunks(BATCH_ROWS_MAX) {
            let batch = columns::from_rows(&types, part.iter().map(Vec::as_slice))?;
            self.write(&batch, ctx)?;
        }
        Ok(())
    }

    /// Looks at NOT NULL and CHECK alone.
    ///
    /// # Errors
    /// 23502, 23514.
    pub fn check(&self, batch: &Batch, ctx: &mut ExecContext<'_>) -> Result<()> {
        check_batch(&self.access, &self.checks, batch, ctx)
    }

    /// Writes the rows of a batch, whose columns are the table's live ones.
    ///
    /// # Errors
    /// 23502, 23514, 23505; 57014 in a wait; what storage fails with.
    pub fn write(&mut self, batch: &Batch, ctx: &mut ExecContext<'_>) -> Result<()> {
        ctx.check()?;
        check_batch(&self.access, &self.checks, batch, ctx)?;
        self.write_unchecked(batch, ctx)
    }

    /// [`TableWriter::write`] of rows that are known to satisfy NOT NULL and CHECK.
    ///
    /// # Errors
    /// 23505; 57014 in a wait; what storage fails with.
    pub fn write_unchecked(&mut self, batch: &Batch, ctx: &mut ExecContext<'_>) -> Result<()> {
        let access = Arc::clone(&self.access);
        let first = if access.has_primary_key() {
            None
        } else {
            let numbers =
                ctx.row_numbers.ok_or_else(|| SqlError::internal("no row numbers to insert with"))?;
            Some(numbers.take(access.table.tree, batch.rows as u64, ctx.snapshot()?)?)
        };
        self.rows.clear();
        for row in 0..batch.rows {
            self.key.clear();
            self.value.clear();
            match first {
                Some(first) => self.key.extend_from_slice(&row_number_key(first.saturating_add(row as u64))),
                None => access.layout.encode_key_from(&batch.columns, row, &mut self.key),
            }
            access.layout.encode_value_from(&batch.columns, row, &mut self.value);
            if !self.rows.push(&self.key, &self.value) {
                return Err(too_large());
            }
        }
        if let Some(index) = self.append_rows(first.is_none(), ctx)? {
            self.conflict = Some(index);
            return Err(primary_key_violation(&access, &columns::row(batch, index), ctx));
        }
        for number in 0..access.table.indexes.len() {
            self.write_index(number, batch, ctx)?;
        }
        if !access.table.foreign_keys.is_empty() {
            for row in 0..batch.rows {
                let Some((key, _)) = self.rows.get(row) else { continue };
                record(&access, None, Some((key, &columns::row(batch, row))), ctx)?;
            }
        }
        self.written = self.written.saturating_add(batch.rows as u64);
        ctx.count_change(access.table.oid, Change::Insert, batch.rows as u64);
        Ok(())
    }

    /// Writes `self.rows` to the table's tree; answers the index of one whose key exists.
    fn append_rows(&mut self, unique: bool, ctx: &ExecContext<'_>) -> Result<Option<usize>> {
        let mut from = 0;
        if let Some(load) = &mut self.load {
            from = ctx.transaction()?.load(load, &self.rows, 0)?;
            if from == self.rows.len() {
                return Ok(None);
            }
            // Out of order: from here on the rows are looked up.
            self.end_load(ctx)?;
        }
        append(self.access.table.tree, &self.rows, from, unique, ctx)
    }

    fn end_load(&mut self, ctx: &ExecContext<'_>) -> Result<()> {
        let Some(load) = self.load.take() else { return Ok(()) };
        let few = ctx.transaction()?.finish_load(load)?;
        append(self.access.table.tree, &few, 0, false, ctx).map(|_| ())
    }

    /// Writes the entries of one index for rows whose keys are in `self.rows`.
    fn write_index(&mut self, number: usize, batch: &Batch, ctx: &mut ExecContext<'_>) -> Result<()> {
        let access = Arc::clone(&self.access);
        let (Some(index), Some((keys, predicate))) =
            (access.table.indexes.get(number), self.checks.indexes.get(number))
        else {
            return Ok(());
        };
        let of = index_entries(index, keys, predicate.as_ref(), batch, &self.rows, &mut self.entries, ctx)?;
        if let Some(at) = append(index.tree, &self.entries, 0, index.unique, ctx)? {
            let key: Vec<Datum> = of.values.iter().map(|v| columns::get(v, at)).collect();
            self.conflict = of.row(at);
            return Err(index_violation(&access, number, &self.checks, &key, ctx));
        }
        Ok(())
    }

    /// Writes the entries of one index for rows that are in the table: an index build. `keys` are the rows' keys, a bytea column.
    ///
    /// # Errors
    /// 23505 (as `could not create unique index` says), 57014.
    pub fn build_index(
        &mut self,
        number: usize,
        batch: &Batch,
        keys: &crate::vector::Vector,
        ctx: &mut ExecContext<'_>,
    ) -> Result<()> {
        ctx.check()?;
        self.rows.clear();
        let crate::vector::Values::Bytea(row_keys) = &keys.values else {
            return Err(SqlError::internal("row keys are not bytea"));
        };
        for row in 0..batch.rows {
            if !self.rows.push(columns::var(row_keys, row), &[]) {
                return Err(too_large());
            }
        }
        let table = Arc::clone(&self.access.table);
        self.write_index(number, batch, ctx).map_err(|error| build_error(&table, number, error))
    }
}

/// 23505 as CREATE UNIQUE INDEX words it; other errors as they are.
pub(crate) fn build_error(table: &Table, number: usize, error: SqlError) -> SqlError {
    if error.sqlstate() != sqlstate::UNIQUE_VIOLATION {
        return error;
    }
    let name = table.indexes.get(number).map(|i| i.name.as_str()).unwrap_or_default();
    let fields = error.fields();
    SqlError::new(sqlstate::UNIQUE_VIOLATION, format!("could not create unique index \"{name}\""))
        .with_detail(fields.detail.replace("already exists", "is duplicated"))
        .with_schema(&fields.schema)
        .with_table(&fields.table)
        .with_constraint(&fields.constraint)
}

/// Writes the rows of a buffer from index `from` on, waiting where it has to; answers the index of a row whose key exists.
fn append(
    tree: TreeId,
    rows: &RowBuffer,
    mut from: usize,
    unique: bool,
    ctx: &ExecContext<'_>,
) -> Result<Option<usize>> {
    let transaction = ctx.transaction()?;
    loop {
        let outcome = if unique {
            transaction.insert_batch(tree, rows, from)?
        } else {
            transaction.put_batch(tree, rows, from)?
        };
        match outcome {
            BatchWrite::Done => return Ok(None),
            BatchWrite::Exists { index, .. } => return Ok(Some(index)),
            BatchWrite::Blocked { index, wait } => {
                ctx.wait(wait)?;
                from = index;
            }
        }
    }
}
