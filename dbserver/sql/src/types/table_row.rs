//! A table's rows between storage and columns: which columns the key holds and which the value does.
//!
//! Key columns whose encoding can be read back ([`key::is_reversible`]) are not stored a second time. A table without
//! a primary key has its rows under a hidden number, eight bytes big-endian.
//!
//! Rows are given *by live column*: dropped columns have no place in them (and are stored as nulls). Columns to read are
//! named by their position in `Table::columns`.

use super::key::{self, KeyPart, KeyReader};
use super::row::{RowReader, encode_row, encode_row_from};
use super::{Datum, Type};
use crate::catalog::Table;
use crate::error::Result;
use crate::vector::Vector;
use std::sync::Arc;

/// Where a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Part of the key.
    Key(usize),
    /// Column of the value.
    Value(usize),
}

/// How a table's rows are stored. Cheap to make; made once per plan.
#[derive(Clone, Debug)]
pub struct RowLayout {
    key: Vec<KeyPart>,
    /// Live column number of each key part.
    key_live: Vec<usize>,
    /// By position in the table.
    sources: Vec<Source>,
    types: Vec<Type>,
    missing: Vec<Datum>,
    value_types: Vec<Type>,
    /// Live column number of each value column; none where dropped.
    value_live: Vec<Option<usize>>,
}

/// The key of a table without a primary key.
pub fn row_number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

impl RowLayout {
    /// The layout of a table.
    pub fn new(table: &Table) -> Self {
        let mut live = 0usize;
        let live_of: Vec<Option<usize>> = table
            .columns
            .iter()
            .map(|c| {
                (!c.dropped).then(|| {
                    live = live.saturating_add(1);
                    live.saturating_sub(1)
                })
            })
            .collect();
        let live_at = |position: usize| live_of.get(position).copied().flatten();
        let mut layout = Self {
            key: Vec::new(),
            key_live: Vec::new(),
            sources: Vec::with_capacity(table.columns.len()),
            types: table.columns.iter().map(|c| c.ty.ty).collect(),
            missing: table.columns.iter().map(|c| c.missing.clone()).collect(),
            value_types: Vec::new(),
            value_live: Vec::new(),
        };
        for position in &table.primary_key {
            if let Some(column) = table.columns.get(*position) {
                layout.key.push(KeyPart::ascending(column.ty.ty));
                layout.key_live.push(live_at(*position).unwrap_or(usize::MAX));
            }
        }
        for (position, column) in table.columns.iter().enumerate() {
            let in_key = table.primary_key.iter().position(|p| *p == position);
            match in_key.filter(|_| key::is_reversible(column.ty.ty)) {
                Some(part) => layout.sources.push(Source::Key(part)),
                None => {
                    layout.sources.push(Source::Value(layout.value_types.len()));
                    layout.value_types.push(column.ty.ty);
                    layout.value_live.push(live_at(position));
                }
            }
        }
        layout
    }
    /// The parts of the key; none when rows are under hidden numbers.
    pub fn key_parts(&self) -> &[KeyPart] {
        &self.key
    }
    /// Appends the key of a row of live columns. Nothing when there is no primary key.
    pub fn encode_key(&self, row: &[Datum], out: &mut Vec<u8>) {
        for (part, live) in self.key.iter().zip(&self.key_live) {
            key::encode_part(row.get(*live).unwrap_or(&Datum::Null), *part, out);
        }
    }
    /// Appends the key of the primary key's values, in its order; fewer give a prefix.
    pub fn encode_key_values(&self, values: &[Datum], out: &mut Vec<u8>) {
        key::encode(values, &self.key, out);
    }
    /// Appends the value of a row of live columns.
    pub fn encode_value(&self, row: &[Datum], out: &mut Vec<u8>) {
        let values = self.value_live.iter().map(|live| live.and_then(|l| row.get(l)).unwrap_or(&Datum::Null));
        encode_row(&self.value_types, values, out);
    }
    /// [`RowLayout::encode_key`] of row `row` of the live columns' vectors.
    pub fn encode_key_from(&self, columns: &[Arc<Vector>], row: usize, out: &mut Vec<u8>) {
        for (part, live) in self.key.iter().zip(&self.key_live) {
            match columns.get(*live) {
                Some(column) => key::encode_from(column, row, *part, out),
                None => key::encode_part(&Datum::Null, *part, out),
            }
        }
    }
    /// [`RowLayout::encode_value`] of row `row` of the live columns' vectors.
    pub fn encode_value_from(&self, columns: &[Arc<Vector>], row: usize, out: &mut Vec<u8>) {
        let values = self.value_live.iter().map(|live| live.and_then(|l| columns.get(l)).map(AsRef::as_ref));
        encode_row_from(&self.value_types, values, row, out);
    }
    /// A reader of the columns at `columns` (positions in the table), in that order, with repetitions.
    pub fn reader(&self, columns: &[usize]) -> TableReader {
        let mut from_key = vec![Vec::new(); self.key.len()];
        let (mut wanted, mut targets, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        let mut copies = Vec::new();
        for (output, position) in columns.iter().enumerate() {
            match self.sources.get(*position) {
                Some(Source::Key(part)) => {
                    if let Some(outputs) = from_key.get_mut(*part) {
                        outputs.push(output);
                    }
                }
                Some(Source::Value(stored)) => match wanted.iter().position(|w| w == stored) {
                    Some(first) => copies.push((targets.get(first).copied().unwrap_or(0), output)),
                    None => {
                        wanted.push(*stored);
                        targets.push(output);
                        missing.push(self.missing.get(*position).cloned().unwrap_or_default());
                    }
                },
                None => {}
            }
        }
        let parts = from_key.iter().rposition(|o| !o.is_empty()).map_or(0, |p| p.saturating_add(1));
        from_key.truncate(parts);
        let types = columns.iter().map(|c| self.types.get(*c).copied().unwrap_or(Type::TEXT)).collect();
        TableReader {
            key: self.key.iter().copied().zip(from_key).collect(),
            row: RowReader::new(&self.value_types, &wanted, missing),
            targets,
            copies,
            types,
        }
    }
    /// The columns at `columns` of one row. For many rows make a `reader` once.
    pub fn decode(&self, key: &[u8], value: &[u8], columns: &[usize]) -> Result<Vec<Datum>> {
        self.reader(columns).read(key, value)
    }
}

/// Reads some columns of a table's rows.
#[derive(Clone, Debug)]
pub struct TableReader {
    /// Key parts up to the last that is wanted, and the outputs that want each.
    key: Vec<(KeyPart, Vec<usize>)>,
    row: RowReader,
    /// Output of each wanted value column.
    targets: Vec<usize>,
    /// (output, output) of columns wanted twice.
    copies: Vec<(usize, usize)>,
    types: Vec<Type>,
}

impl TableReader {
    /// The columns of one row.
    pub fn read(&self, key: &[u8], value: &[u8]) -> Result<Vec<Datum>> {
        let mut out = vec![Datum::Null; self.types.len()];
        let mut reader = KeyReader::new(key);
        for (part, outputs) in &self.key {
            let datum = reader.next(*part)?.unwrap_or_default();
            for output in outputs {
                if let Some(place) = out.get_mut(*output) {
                    place.clone_from(&datum);
                }
            }
        }
        if !self.targets.is_empty() {
            let mut stored = self.row.read(value)?.into_iter();
            for target in &self.targets {
                if let (Some(place), Some(datum)) = (out.get_mut(*target), stored.next()) {
                    *place = datum;
                }
            }
        }
        for (from, to) in &self.copies {
            let datum = out.get(*from).cloned().unwrap_or_default();
            if let Some(place) = out.get_mut(*to) {
                *place = datum;
            }
        }
        Ok(out)
    }
    /// Empty vectors for the columns.
    pub fn vectors(&self, rows: usize) -> Vec<Vector> {
        self.types.iter().map(|ty| Vector::with_capacity(*ty, rows)).collect()
    }
    /// Appends the columns of one row to the vectors, of which there may be more behind. After an error the vectors are of no use.
    #[inline]
    pub fn read_into(&self, key: &[u8], value: &[u8], vectors: &mut [Vector]) -> Result<()> {
        let mut reader = KeyReader::new(key);
        for (part, outputs) in &self.key {
            let datum = reader.next(*part)?.unwrap_or_default();
            for output in outputs {
                if let Some(vector) = vectors.get_mut(*output) {
                    vector.push(&datum);
                }
            }
        }
        if !self.targets.is_empty() {
            self.row.read_vectors(value, &self.targets, vectors)?;
        }
        for (from, to) in &self.copies {
            let datum = vectors.get(*from).map(|v| v.get(v.len().saturating_sub(1))).unwrap_or_default();
            if let Some(vector) = vectors.get_mut(*to) {
                vector.push(&datum);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
