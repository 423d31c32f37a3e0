//! Statistics at rest: one row in the catalog's tree for each table and column, as JSON, values in their text form.
//!
//! ```text
//! "t" oid            rows and pages of a table
//! "t" oid position   a column: what ANALYZE found (position: 2 bytes, big-endian)
//! ```

use super::{ColumnStatistics, TableStatistics};
use crate::catalog::store::{corrupt, json, key, neutral, put, remove};
use crate::error::Result;
use crate::types::{Datum, Oid, Type, io};
use plimsoll_storage::Transaction;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The kind of these rows in the catalog's tree.
pub(crate) const KIND: u8 = b't';

#[derive(Serialize, Deserialize)]
struct TableRow {
    rows: u64,
    pages: u64,
}

#[derive(Serialize, Deserialize)]
struct ColumnRow {
    ty: Oid,
    null_fraction: f64,
    width: i32,
    distinct: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    common: Vec<(String, f64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    histogram: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<f64>,
}

fn column_key(table: Oid, position: usize) -> Vec<u8> {
    let mut out = key(KIND, table).to_vec();
    out.extend_from_slice(&u16::try_from(position).unwrap_or(u16::MAX).to_be_bytes());
    out
}

fn text(value: &Datum, ty: Type) -> String {
    io::to_text(value, ty, -1, &neutral())
}

fn column_row(column: &ColumnStatistics) -> ColumnRow {
    ColumnRow {
        ty: column.ty.0,
        null_fraction: column.null_fraction,
        width: column.width,
        distinct: column.distinct,
        common: column.common.iter().map(|(v, part)| (text(v, column.ty), *part)).collect(),
        histogram: column.histogram.iter().map(|v| text(v, column.ty)).collect(),
        correlation: column.correlation,
    }
}

fn column(row: ColumnRow) -> Result<ColumnStatistics> {
    let ty = Type(row.ty);
    let value = |text: &str| io::input(ty, -1, text, &neutral());
    Ok(ColumnStatistics {
        ty,
        null_fraction: row.null_fraction,
        width: row.width,
        distinct: row.distinct,
        common: row.common.iter().map(|(text, part)| Ok((value(text)?, *part))).collect::<Result<_>>()?,
        histogram: row.histogram.iter().map(|text| value(text)).collect::<Result<_>>()?,
        correlation: row.correlation,
    })
}

/// Writes what differs between two versions of a table's statistics.
pub(crate) fn write(
    transaction: &Transaction,
    table: Oid,
    before: Option<&Arc<TableStatistics>>,
    after: Option<&Arc<TableStatistics>>,
) -> Result<()> {
    if let (Some(a), Some(b)) = (before, after)
        && Arc::ptr_eq(a, b)
    {
        return Ok(());
    }
    let columns = |s: Option<&'_ Arc<TableStatistics>>| s.map(|s| s.columns.clone()).unwrap_or_default();
    let (old, new) = (columns(before), columns(after));
    for position in old.keys().filter(|p| !new.contains_key(p)) {
        remove(transaction, &column_key(table, *position))?;
    }
    for (position, column) in &new {
        if old.get(position).is_none_or(|c| !Arc::ptr_eq(c, column)) {
            put(transaction, &column_key(table, *position), &json(&column_row(column))?)?;
        }
    }
    match (before, after) {
        (_, Some(after)) => {
            put(transaction, &key(KIND, table), &json(&TableRow { rows: after.rows, pages: after.pages })?)
        }
        (Some(_), None) => remove(transaction, &key(KIND, table)),
        (None, None) => Ok(()),
    }
}

/// Adds a row that was read to the statistics of its table. A column's value that its type no longer reads makes the column one
/// without statistics.
pub(crate) fn read(statistics: &mut TableStatistics, key: &[u8], value: &[u8]) -> Result<()> {
    match key.get(5..) {
        Some([]) => {
            let row: TableRow = serde_json::from_slice(value).map_err(corrupt)?;
            (statistics.rows, statistics.pages) = (row.rows, row.pages);
        }
        Some(&[high, low]) => {
            let row: ColumnRow = serde_json::from_slice(value).map_err(corrupt)?;
            if let Ok(found) = column(row) {
                statistics.columns.insert(usize::from(u16::from_be_bytes([high, low])), Arc::new(found));
            }
        }
        _ => {}
    }
    Ok(())
}
