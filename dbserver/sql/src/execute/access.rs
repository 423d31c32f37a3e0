//! How a table's rows and index entries are read and written: worked out once per table and thread, because point
//! plans cannot afford it per row.

use crate::catalog::{Index, Table};
use crate::error::Result;
use crate::expr::Expr;
use crate::types::key::{self, KeyPart};
use crate::types::table_row::{RowLayout, TableReader};
use crate::types::{Datum, Type};
use crate::vector::Vector;
use hashbrown::HashMap;
use std::cell::RefCell;
use std::sync::Arc;

/// Tables remembered per thread.
const REMEMBERED_MAX: usize = 256;

/// A table with its layout.
#[derive(Debug)]
pub struct Access {
    /// The table.
    pub table: Arc<Table>,
    /// Where its columns are.
    pub layout: RowLayout,
    /// Positions of its live columns.
    pub live: Vec<usize>,
    /// Reads all of those.
    pub reader: TableReader,
}

thread_local! {
    /// By the table's address, which stays taken because the table is kept here too.
    static REMEMBERED: RefCell<HashMap<usize, Arc<Access>>> = RefCell::new(HashMap::new());
}

impl Access {
    /// The access to a table.
    pub fn of(table: &Arc<Table>) -> Arc<Access> {
        let key = Arc::as_ptr(table) as usize;
        REMEMBERED.with_borrow_mut(|remembered| {
            if let Some(access) = remembered.get(&key) {
                return Arc::clone(access);
            }
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            let layout = RowLayout::new(table);
            let columns = table.columns.iter().enumerate();
            let live: Vec<usize> = columns.filter(|(_, c)| !c.dropped).map(|(i, _)| i).collect();
            let reader = layout.reader(&live);
            let access = Arc::new(Access { table: Arc::clone(table), layout, live, reader });
            remembered.insert(key, Arc::clone(&access));
            access
        })
    }

    /// A row's live columns.
    ///
    /// # Errors
    /// XX001 for bytes that are no row.
    pub fn read(&self, key: &[u8], value: &[u8]) -> Result<Vec<Datum>> {
        self.reader.read(key, value)
    }

    /// The live columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &crate::catalog::Column> {
        self.live.iter().filter_map(|i| self.table.columns.get(*i))
    }

    /// Types of the live columns.
    pub fn types(&self) -> Vec<Type> {
        self.columns().map(|c| c.ty.ty).collect()
    }

    /// The live number of the column at a position of the table.
    pub fn live_number(&self, position: usize) -> Option<usize> {
        self.live.iter().position(|p| *p == position)
    }

    /// Whether rows are found by a primary key, not by hidden numbers.
    pub fn has_primary_key(&self) -> bool {
        !self.table.primary_key.is_empty()
    }
}

/// The key parts of an index, of key expressions of these types.
pub fn index_parts(index: &Index, keys: &[Expr]) -> Vec<KeyPart> {
    index
        .keys
        .iter()
        .zip(keys)
        .map(|(key, expr)| KeyPart { ty: expr.ty, descending: key.descending, nulls_first: key.nulls_first })
        .collect()
}

/// The key parts of an index as far as its columns tell; text where an expression's type is not known.
pub fn index_parts_of(table: &Table, index: &Index, types: &[Type]) -> Vec<KeyPart> {
    index
        .keys
        .iter()
        .enumerate()
        .map(|(i, key)| {
            let column = key.column.and_then(|c| table.columns.get(c)).map(|c| c.ty.ty);
            let ty = column.or_else(|| types.get(i).copied()).unwrap_or(Type::TEXT);
            KeyPart { ty, descending: key.descending, nulls_first: key.nulls_first }
        })
        .collect()
}

/// Appends the key of a row's entry in an index: its key columns, then the row's key unless the entry has to be unique
/// by its columns alone. Says whether it has to.
pub fn index_entry(
    index: &Index,
    parts: &[KeyPart],
    values: &[Datum],
    row_key: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    key::encode(values, parts, out);
    let unique = index.unique && !values.iter().any(Datum::is_null);
    if !unique {
        out.extend_from_slice(row_key);
    }
    unique
}

/// [`index_entry`] of row `row` of vectors.
pub fn index_entry_from(
    index: &Index,
    parts: &[KeyPart],
    values: &[Arc<Vector>],
    row: usize,
    row_key: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    for (vector, part) in values.iter().zip(parts) {
        key::encode_from(vector, row, *part, out);
    }
    let unique = index.unique && !values.iter().any(|v| super::columns::is_null(v, row));
    if !unique {
        out.extend_from_slice(row_key);
    }
    unique
}
