//! NOT NULL, CHECK and unique constraints: checking rows, and PostgreSQL's words for a violation.

use super::access::Access;
use super::columns;
use super::context::ExecContext;
use super::eval::{eval_row, eval_vector};
use crate::catalog::Index;
use crate::error::{Result, SqlError, sqlstate};
use crate::plan::TableChecks;
use crate::types::{ColumnType, Datum, io};
use crate::vector::{Batch, Values};

/// Bytes of a value shown in "Failing row contains".
const SHOWN_BYTES_MAX: usize = 64;

/// A value's text, as it is output.
fn text(value: &Datum, ty: ColumnType, ctx: &ExecContext<'_>) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    io::to_text(value, ty.ty, ty.typmod, ctx.eval.settings)
}

/// `Failing row contains (1, null, …).`
fn failing_row(access: &Access, row: &[Datum], ctx: &ExecContext<'_>) -> String {
    let shown: Vec<String> = access
        .columns()
        .zip(row)
        .map(|(column, value)| {
            let mut text = text(value, column.ty, ctx);
            if text.len() > SHOWN_BYTES_MAX {
                let mut end = SHOWN_BYTES_MAX;
                while !text.is_char_boundary(end) {
                    end = end.saturating_sub(1);
                }
                text.truncate(end);
                text.push_str("...");
            }
            text
        })
        .collect();
    format!("Failing row contains ({}).", shown.join(", "))
}

fn schema(access: &Access, ctx: &ExecContext<'_>) -> String {
    ctx.eval.catalog.schema_name(access.table.schema).unwrap_or_default().to_owned()
}

/// 23502
fn not_null_violation(access: &Access, column: &str, row: &[Datum], ctx: &ExecContext<'_>) -> SqlError {
    let table = &access.table.name;
    SqlError::new(
        sqlstate::NOT_NULL_VIOLATION,
        format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"),
    )
    .with_detail(failing_row(access, row, ctx))
    .with_schema(schema(access, ctx))
    .with_table(table)
    .with_column(column)
}

/// 23514
fn check_violation(access: &Access, constraint: &str, row: &[Datum], ctx: &ExecContext<'_>) -> SqlError {
    let table = &access.table.name;
    SqlError::new(
        sqlstate::CHECK_VIOLATION,
        format!("new row for relation \"{table}\" violates check constraint \"{constraint}\""),
    )
    .with_detail(failing_row(access, row, ctx))
    .with_schema(schema(access, ctx))
    .with_table(table)
    .with_constraint(constraint)
}

/// Checks one row's NOT NULL and CHECK constraints.
///
/// # Errors
/// 23502, 23514.
pub fn check_row(
    access: &Access,
    checks: &TableChecks,
    row: &[Datum],
    ctx: &mut ExecContext<'_>,
) -> Result<()> {
    for (column, value) in access.columns().zip(row) {
        if column.not_null && value.is_null() {
            return Err(not_null_violation(access, &column.name, row, ctx));
        }
    }
    for (name, condition) in &checks.checks {
        // Unknown passes.
        if eval_row(condition, row, ctx)? == Datum::Bool(false) {
            return Err(check_violation(access, name, row, ctx));
        }
    }
    Ok(())
}

/// Checks a batch of rows (their live columns).
///
/// # Errors
/// 23502, 23514, for the first row of the first constraint that is violated.
pub fn check_batch(
    access: &Access,
    checks: &TableChecks,
    batch: &Batch,
    ctx: &mut ExecContext<'_>,
) -> Result<()> {
    for (column, values) in access.columns().zip(&batch.columns) {
        if column.not_null
            && let Some(row) = values.nulls.iter().position(|null| *null)
        {
            return Err(not_null_violation(access, &column.name, &columns::row(batch, row), ctx));
        }
    }
    for (name, condition) in &checks.checks {
        let answer = eval_vector(condition, batch, ctx)?;
        let Values::Bool(flags) = &answer.values else { continue };
        let failed = flags.iter().enumerate().position(|(i, pass)| !pass && !columns::is_null(&answer, i));
        if let Some(row) = failed {
            return Err(check_violation(access, name, &columns::row(batch, row), ctx));
        }
    }
    Ok(())
}

/// 23505. Without an index it is the primary key.
pub fn unique_violation(
    access: &Access,
    index: Option<&Index>,
    values: &[Datum],
    types: &[ColumnType],
    ctx: &ExecContext<'_>,
) -> SqlError {
    let table = &access.table;
    let column_name = |position: usize| table.columns.get(position).map_or("?", |c| c.name.as_str());
    let (constraint, names) = match index {
        Some(index) => {
            let names: Vec<&str> = index
                .keys
                .iter()
                .map(|key| match (key.column, &key.expression) {
                    (Some(position), _) => column_name(position),
                    (None, Some(text)) => text,
                    (None, None) => "?",
                })
                .collect();
            (index.name.as_str(), names)
        }
        None => {
            let name = table.primary_key_index.as_ref().map_or("", |(_, name)| name.as_str());
            (name, table.primary_key.iter().map(|p| column_name(*p)).collect())
        }
    };
    let shown: Vec<String> = values.iter().zip(types).map(|(v, ty)| text(v, *ty, ctx)).collect();
    SqlError::new(
        sqlstate::UNIQUE_VIOLATION,
        format!("duplicate key value violates unique constraint \"{constraint}\""),
    )
    .with_detail(format!("Key ({})=({}) already exists.", names.join(", "), shown.join(", ")))
    .with_schema(schema(access, ctx))
    .with_table(&table.name)
    .with_constraint(constraint)
}

/// 23505 of the primary key, for a row of live columns.
pub fn primary_key_violation(access: &Access, row: &[Datum], ctx: &ExecContext<'_>) -> SqlError {
    let (mut values, mut types) = (Vec::new(), Vec::new());
    for position in &access.table.primary_key {
        let number = access.live_number(*position);
        values.push(number.and_then(|n| row.get(n)).cloned().unwrap_or_default());
        types.extend(access.table.columns.get(*position).map(|c| c.ty));
    }
    unique_violation(access, None, &values, &types, ctx)
}

/// 23505 of a secondary index, by its key values.
pub fn index_violation(
    access: &Access,
    number: usize,
    checks: &TableChecks,
    values: &[Datum],
    ctx: &ExecContext<'_>,
) -> SqlError {
    let keys = checks.indexes.get(number).map(|i| i.0.as_slice()).unwrap_or_default();
    let types: Vec<ColumnType> = keys.iter().map(|e| ColumnType { ty: e.ty, typmod: e.typmod }).collect();
    let index = access.table.indexes.get(number).map(AsRef::as_ref);
    unique_violation(access, index, values, &types, ctx)
}
