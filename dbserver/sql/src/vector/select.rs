//! Picking rows: take, filter, slice, append, gather. What joins, sorts and filters do with columns.

use super::{Values, VarValues, Vector};
use crate::types::{Datum, Type};

/// The number that stands for a null row in [`Vector::take_optional`].
pub const NO_ROW: u32 = u32::MAX;

fn pick<T: Clone>(values: &[T], indices: &[u32], default: impl Fn() -> T) -> Vec<T> {
    indices.iter().map(|&i| values.get(i as usize).cloned().unwrap_or_else(&default)).collect()
}

fn pick_copy<T: Copy + Default>(values: &[T], indices: &[u32]) -> Vec<T> {
    indices.iter().map(|&i| values.get(i as usize).copied().unwrap_or_default()).collect()
}

impl VarValues {
    fn pick(&self, indices: &[u32]) -> Self {
        let average = self.bytes.len().checked_div(self.len()).unwrap_or(0);
        let mut out = Self::with_capacity(indices.len(), average.saturating_mul(indices.len()));
        indices.iter().for_each(|&i| out.push(self.get(i as usize)));
        out
    }
    fn append(&mut self, other: &Self) {
        let base = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&other.bytes);
        self.offsets.extend(other.offsets.iter().skip(1).map(|o| base.saturating_add(*o)));
    }
    fn slice(&self, start: usize, rows: usize) -> Self {
        let offsets = self.offsets.get(start..=start.saturating_add(rows)).unwrap_or_default();
        let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else { return Self::default() };
        Self {
            offsets: offsets.iter().map(|o| o.saturating_sub(first)).collect(),
            bytes: self.bytes.get(first as usize..last as usize).unwrap_or_default().to_vec(),
        }
    }
}

impl Values {
    fn pick(&self, indices: &[u32]) -> Self {
        match self {
            Values::Bool(v) => Values::Bool(pick_copy(v, indices)),
            Values::Int2(v) => Values::Int2(pick_copy(v, indices)),
            Values::Int4(v) => Values::Int4(pick_copy(v, indices)),
            Values::Int8(v) => Values::Int8(pick_copy(v, indices)),
            Values::Float4(v) => Values::Float4(pick_copy(v, indices)),
            Values::Float8(v) => Values::Float8(pick_copy(v, indices)),
            Values::Numeric(v) => Values::Numeric(pick(v, indices, Default::default)),
            Values::Text(v) => Values::Text(v.pick(indices)),
            Values::Bytea(v) => Values::Bytea(v.pick(indices)),
            Values::Interval(v) => Values::Interval(pick_copy(v, indices)),
            Values::Uuid(v) => Values::Uuid(pick_copy(v, indices)),
            Values::Oid(v) => Values::Oid(pick_copy(v, indices)),
            Values::Datum(v) => Values::Datum(pick(v, indices, || Datum::Null)),
        }
    }
}

/// The positions of the true ones.
pub fn selected(selection: &[bool]) -> Vec<u32> {
    selection.iter().enumerate().filter(|(_, s)| **s).map(|(i, _)| i as u32).collect()
}

impl Vector {
    /// The rows at `indices`, in that order, with repetitions.
    pub fn take(&self, indices: &[u32]) -> Self {
        let nulls = if self.nulls.is_empty() { Vec::new() } else { pick_copy(&self.nulls, indices) };
        Self { ty: self.ty, values: self.values.pick(indices), nulls }
    }
    /// As `take`, where an index of [`NO_ROW`] (or any beyond the end) gives null: the missing side of an outer join.
    pub fn take_optional(&self, indices: &[u32]) -> Self {
        let rows = self.len();
        let mut nulls = Vec::new();
        if !self.nulls.is_empty() || indices.iter().any(|&i| i as usize >= rows) {
            nulls.extend(indices.iter().map(|&i| i as usize >= rows || self.is_null(i as usize)));
        }
        Self { ty: self.ty, values: self.values.pick(indices), nulls }
    }
    /// The rows where `selection` is true.
    pub fn filter(&self, selection: &[bool]) -> Self {
        self.take(&selected(selection))
    }
    /// `rows` rows from `start` on, or as many as there are.
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        let start = start.min(self.len());
        let rows = rows.min(self.len().saturating_sub(start));
        let range = start..start.saturating_add(rows);
        macro_rules! cut {
            ($v:expr) => {
                $v.get(range.clone()).unwrap_or_default().to_vec()
            };
        }
        let values = match &self.values {
            Values::Bool(v) => Values::Bool(cut!(v)),
            Values::Int2(v) => Values::Int2(cut!(v)),
            Values::Int4(v) => Values::Int4(cut!(v)),
            Values::Int8(v) => Values::Int8(cut!(v)),
            Values::Float4(v) => Values::Float4(cut!(v)),
            Values::Float8(v) => Values::Float8(cut!(v)),
            Values::Numeric(v) => Values::Numeric(cut!(v)),
            Values::Text(v) => Values::Text(v.slice(start, rows)),
            Values::Bytea(v) => Values::Bytea(v.slice(start, rows)),
            Values::Interval(v) => Values::Interval(cut!(v)),
            Values::Uuid(v) => Values::Uuid(cut!(v)),
            Values::Oid(v) => Values::Oid(cut!(v)),
            Values::Datum(v) => Values::Datum(cut!(v)),
        };
        Self { ty: self.ty, values, nulls: cut!(self.nulls) }
    }
    /// Adds all rows of a vector of the same physical form.
    pub fn append(&mut self, other: &Vector) {
        if !self.nulls.is_empty() || !other.nulls.is_empty() {
            self.nulls.resize(self.len(), false);
            if other.nulls.is_empty() {
                self.nulls.resize(self.len().saturating_add(other.len()), false);
            } else {
                self.nulls.extend_from_slice(&other.nulls);
            }
        }
        match (&mut self.values, &other.values) {
            (Values::Bool(a), Values::Bool(b)) => a.extend_from_slice(b),
            (Values::Int2(a), Values::Int2(b)) => a.extend_from_slice(b),
            (Values::Int4(a), Values::Int4(b)) => a.extend_from_slice(b),
            (Values::Int8(a), Values::Int8(b)) => a.extend_from_slice(b),
            (Values::Float4(a), Values::Float4(b)) => a.extend_from_slice(b),
            (Values::Float8(a), Values::Float8(b)) => a.extend_from_slice(b),
            (Values::Numeric(a), Values::Numeric(b)) => a.extend_from_slice(b),
            (Values::Text(a), Values::Text(b)) | (Values::Bytea(a), Values::Bytea(b)) => a.append(b),
            (Values::Interval(a), Values::Interval(b)) => a.extend_from_slice(b),
            (Values::Uuid(a), Values::Uuid(b)) => a.extend_from_slice(b),
            (Values::Oid(a), Values::Oid(b)) => a.extend_from_slice(b),
            (Values::Datum(a), Values::Datum(b)) => a.extend_from_slice(b),
            (values, _) => {
                debug_assert!(false, "append of a vector of another form");
                (0..other.len()).for_each(|_| values.push_default());
            }
        }
    }
    /// All rows of several vectors, one after the other.
    pub fn concat<'a>(ty: Type, vectors: impl IntoIterator<Item = &'a Vector>) -> Self {
        let mut out = Self::empty(ty);
        vectors.into_iter().for_each(|v| out.append(v));
        out
    }
    /// Rows of several vectors: (vector, row) each; a vector of [`NO_ROW`] gives null.
    pub fn gather(ty: Type, vectors: &[&Vector], rows: &[(u32, u32)]) -> Self {
        let mut out = Self::with_capacity(ty, rows.len());
        for &(vector, row) in rows {
            match vectors.get(vector as usize) {
                Some(from) => out.push_from(from, row as usize),
                None => out.push_null(),
            }
        }
        out
    }
    /// Adds one row of a vector of the same physical form, without a datum in between.
    pub fn push_from(&mut self, from: &Vector, row: usize) {
        if row >= from.len() || from.is_null(row) {
            return self.push_null();
        }
        macro_rules! copy {
            ($a:expr, $b:expr) => {
                $b.get(row).map(|x| $a.push(x.clone())).is_some()
            };
        }
        let copied = match (&mut self.values, &from.values) {
            (Values::Bool(a), Values::Bool(b)) => copy!(a, b),
            (Values::Int2(a), Values::Int2(b)) => copy!(a, b),
            (Values::Int4(a), Values::Int4(b)) => copy!(a, b),
            (Values::Int8(a), Values::Int8(b)) => copy!(a, b),
            (Values::Float4(a), Values::Float4(b)) => copy!(a, b),
            (Values::Float8(a), Values::Float8(b)) => copy!(a, b),
            (Values::Numeric(a), Values::Numeric(b)) => copy!(a, b),
            (Values::Text(a), Values::Text(b)) | (Values::Bytea(a), Values::Bytea(b)) => {
                a.push(b.get(row));
                true
            }
            (Values::Interval(a), Values::Interval(b)) => copy!(a, b),
            (Values::Uuid(a), Values::Uuid(b)) => copy!(a, b),
            (Values::Oid(a), Values::Oid(b)) => copy!(a, b),
            (Values::Datum(a), Values::Datum(b)) => copy!(a, b),
            _ => false,
        };
        debug_assert!(copied, "a row of another form");
        if !copied {
            self.values.push_default();
        }
        if !self.nulls.is_empty() {
            self.nulls.push(false);
        }
    }
}
