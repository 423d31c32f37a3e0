//! Vectors as the executor moves them: gather, append, slice, repeat, and batches of them.

use crate::error::{Result, SqlError, sqlstate};
use crate::types::{Datum, Type};
use crate::vector::{Batch, Values, VarValues, Vector};
use std::sync::Arc;

/// The row number of no row: gathers a null.
pub const NONE: u32 = u32::MAX;

/// Runs `$body` with the inner vector, whatever the physical form; `$var` for the forms of variable length.
macro_rules! each_form {
    ($values:expr, $v:ident => $body:expr, $w:ident => $var:expr) => {
        match $values {
            Values::Bool($v) => $body,
            Values::Int2($v) => $body,
            Values::Int4($v) => $body,
            Values::Int8($v) => $body,
            Values::Float4($v) => $body,
            Values::Float8($v) => $body,
            Values::Numeric($v) => $body,
            Values::Text($w) => $var,
            Values::Bytea($w) => $var,
            Values::Interval($v) => $body,
            Values::Uuid($v) => $body,
            Values::Oid($v) => $body,
            Values::Datum($v) => $body,
        }
    };
}

/// No rows of a type.
pub fn empty(ty: Type) -> Vector {
    Vector { ty, values: Values::empty(ty.physical()), nulls: Vec::new() }
}

/// Rows in a vector.
pub fn len(vector: &Vector) -> usize {
    each_form!(&vector.values, v => v.len(), w => w.offsets.len().saturating_sub(1))
}

/// Whether row `i` is null.
pub fn is_null(vector: &Vector, i: usize) -> bool {
    vector.nulls.get(i).copied().unwrap_or(false)
}

/// The bytes of value `i`; none of them beyond the end.
pub fn var(values: &VarValues, i: usize) -> &[u8] {
    let (Some(&from), Some(&to)) = (values.offsets.get(i), values.offsets.get(i.saturating_add(1))) else {
        return &[];
    };
    values.bytes.get(from as usize..to as usize).unwrap_or_default()
}

fn too_long() -> SqlError {
    SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "a column of the intermediate result exceeds 4 GiB")
}

/// Appends a value's bytes.
///
/// # Errors
/// 54000 where the column would exceed 4 GiB.
pub fn push_var(values: &mut VarValues, bytes: &[u8]) -> Result<()> {
    values.bytes.extend_from_slice(bytes);
    values.offsets.push(u32::try_from(values.bytes.len()).map_err(|_| too_long())?);
    Ok(())
}

fn default_numeric() -> crate::types::Numeric {
    crate::types::Numeric(crate::types::datum::NumericRepr::Small { coefficient: 0, scale: 0 })
}

/// The value a null row holds.
trait Blank: Clone {
    fn blank() -> Self;
}
macro_rules! blank { ($($t:ty),*) => { $( impl Blank for $t { fn blank() -> Self { <$t>::default() } } )* }; }
blank!(bool, i16, i32, i64, f32, f64, u32, [u8; 16], crate::types::Interval, Datum);
impl Blank for crate::types::Numeric {
    fn blank() -> Self {
        default_numeric()
    }
}
fn blank_of<T: Blank>(_: &[T]) -> T {
    T::blank()
}

/// Marks the last row (already pushed) as null or not.
fn mark(vector: &mut Vector, null: bool) {
    let rows = len(vector);
    if null {
        vector.nulls.resize(rows.saturating_sub(1), false);
        vector.nulls.push(true);
    } else if !vector.nulls.is_empty() {
        vector.nulls.push(false);
    }
}

/// Appends a null.
pub fn push_null(vector: &mut Vector) {
    each_form!(&mut vector.values, v => v.push(blank_of(v)), w => {
        let last = w.offsets.last().copied().unwrap_or(0);
        w.offsets.push(last);
    });
    mark(vector, true);
}

/// Appends a value.
///
/// # Errors
/// XX000 where it is of another physical form; 54000 where the column would exceed 4 GiB.
pub fn push(vector: &mut Vector, value: &Datum) -> Result<()> {
    match (&mut vector.values, value) {
        (_, Datum::Null) => {
            push_null(vector);
            return Ok(());
        }
        (Values::Bool(v), Datum::Bool(x)) => v.push(*x),
        (Values::Int2(v), Datum::Int2(x)) => v.push(*x),
        (Values::Int4(v), Datum::Int4(x)) => v.push(*x),
        (Values::Int8(v), Datum::Int8(x)) => v.push(*x),
        (Values::Float4(v), Datum::Float4(x)) => v.push(*x),
        (Values::Float8(v), Datum::Float8(x)) => v.push(*x),
        (Values::Numeric(v), Datum::Numeric(x)) => v.push(x.clone()),
        (Values::Text(v), Datum::Text(x)) => push_var(v, x.as_bytes())?,
        (Values::Bytea(v), Datum::Bytea(x)) => push_var(v, x)?,
        (Values::Interval(v), Datum::Interval(x)) => v.push(*x),
        (Values::Uuid(v), Datum::Uuid(x)) => v.push(*x),
        (Values::Oid(v), Datum::Oid(x)) => v.push(*x),
        (Values::Datum(v), x) => v.push(x.clone()),
        (_, x) => {
            return Err(SqlError::internal(format!("value {x:?} is not of type {}", vector.ty.sql_name())));
        }
    }
    mark(vector, false);
    Ok(())
}

/// Row `i` as a datum.
pub fn get(vector: &Vector, i: usize) -> Datum {
    if is_null(vector, i) {
        return Datum::Null;
    }
    match &vector.values {
        Values::Bool(v) => v.get(i).map(|x| Datum::Bool(*x)),
        Values::Int2(v) => v.get(i).map(|x| Datum::Int2(*x)),
        Values::Int4(v) => v.get(i).map(|x| Datum::Int4(*x)),
        Values::Int8(v) => v.get(i).map(|x| Datum::Int8(*x)),
        Values::Float4(v) => v.get(i).map(|x| Datum::Float4(*x)),
        Values::Float8(v) => v.get(i).map(|x| Datum::Float8(*x)),
        Values::Numeric(v) => v.get(i).map(|x| Datum::Numeric(x.clone())),
        Values::Text(v) => Some(Datum::Text(String::from_utf8_lossy(var(v, i)).into())),
        Values::Bytea(v) => Some(Datum::Bytea(var(v, i).into())),
        Values::Interval(v) => v.get(i).map(|x| Datum::Interval(*x)),
        Values::Uuid(v) => v.get(i).map(|x| Datum::Uuid(*x)),
        Values::Oid(v) => v.get(i).map(|x| Datum::Oid(*x)),
        Values::Datum(v) => v.get(i).cloned(),
    }
    .unwrap_or_default()
}

/// Whether row `i` of a boolean vector is true (not false, not null).
pub fn is_true(vector: &Vector, i: usize) -> bool {
    matches!(&vector.values, Values::Bool(v) if v.get(i).copied().unwrap_or(false)) && !is_null(vector, i)
}

/// The rows of a boolean vector that are true.
pub fn true_rows(vector: &Vector) -> Vec<u32> {
    let Values::Bool(values) = &vector.values else { return Vec::new() };
    let mut rows = Vec::with_capacity(values.len());
    if vector.nulls.is_empty() {
        rows.extend((0u32..).zip(values).filter(|(_, v)| **v).map(|(i, _)| i));
    } else {
        let both = values.iter().zip(&vector.nulls);
        rows.extend((0u32..).zip(both).filter(|(_, (v, null))| **v && !**null).map(|(i, _)| i));
    }
    rows
}

/// Rows `rows` of a vector, in that order; [`NONE`] (and any other number beyond the end) gives a null.
///
/// # Errors
/// 54000 where the column would exceed 4 GiB.
pub fn take(vector: &Vector, rows: &[u32]) -> Result<Vector> {
    let n = len(vector);
    let beyond = rows.iter().any(|&i| i as usize >= n);
    let nulls = if vector.nulls.is_empty() && !beyond {
        Vec::new()
    } else {
        rows.iter().map(|&i| i as usize >= n || is_null(vector, i as usize)).collect()
    };
    fn gather<T: Blank>(values: &[T], rows: &[u32]) -> Vec<T> {
        rows.iter().map(|&i| values.get(i as usize).cloned().unwrap_or_else(T::blank)).collect()
    }
    fn gather_var(values: &VarValues, rows: &[u32]) -> Result<VarValues> {
        let mut offsets = Vec::with_capacity(rows.len().saturating_add(1));
        offsets.push(0);
        let mut bytes = Vec::new();
        for &i in rows {
            bytes.extend_from_slice(var(values, i as usize));
            offsets.push(u32::try_from(bytes.len()).map_err(|_| too_long())?);
        }
        Ok(VarValues { offsets, bytes })
    }
    let values = match &vector.values {
        Values::Bool(v) => Values::Bool(gather(v, rows)),
        Values::Int2(v) => Values::Int2(gather(v, rows)),
        Values::Int4(v) => Values::Int4(gather(v, rows)),
        Values::Int8(v) => Values::Int8(gather(v, rows)),
        Values::Float4(v) => Values::Float4(gather(v, rows)),
        Values::Float8(v) => Values::Float8(gather(v, rows)),
        Values::Numeric(v) => Values::Numeric(gather(v, rows)),
        Values::Text(v) => Values::Text(gather_var(v, rows)?),
        Values::Bytea(v) => Values::Bytea(gather_var(v, rows)?),
        Values::Interval(v) => Values::Interval(gather(v, rows)),
        Values::Uuid(v) => Values::Uuid(gather(v, rows)),
        Values::Oid(v) => Values::Oid(gather(v, rows)),
        Values::Datum(v) => Values::Datum(gather(v, rows)),
    };
    Ok(Vector { ty: vector.ty, values, nulls })
}

/// Appends all rows of `more`.
///
/// # Errors
/// XX000 where it is of another physical form; 54000 where the column would exceed 4 GiB.
pub fn append(vector: &mut Vector, more: &Vector) -> Result<()> {
    let (before, added) = (len(vector), len(more));
    if vector.nulls.is_empty() != more.nulls.is_empty() {
        vector.nulls.resize(before, false);
    }
    if more.nulls.is_empty() {
        if !vector.nulls.is_empty() {
            vector.nulls.resize(before.saturating_add(added), false);
        }
    } else {
        vector.nulls.extend_from_slice(&more.nulls);
    }
    fn append_var(values: &mut VarValues, more: &VarValues) -> Result<()> {
        let base = u32::try_from(values.bytes.len()).map_err(|_| too_long())?;
        u32::try_from(values.bytes.len().saturating_add(more.bytes.len())).map_err(|_| too_long())?;
        values.bytes.extend_from_slice(&more.bytes);
        values.offsets.extend(more.offsets.iter().skip(1).map(|o| o.saturating_add(base)));
        Ok(())
    }
    match (&mut vector.values, &more.values) {
        (Values::Bool(v), Values::Bool(m)) => v.extend_from_slice(m),
        (Values::Int2(v), Values::Int2(m)) => v.extend_from_slice(m),
        (Values::Int4(v), Values::Int4(m)) => v.extend_from_slice(m),
        (Values::Int8(v), Values::Int8(m)) => v.extend_from_slice(m),
        (Values::Float4(v), Values::Float4(m)) => v.extend_from_slice(m),
        (Values::Float8(v), Values::Float8(m)) => v.extend_from_slice(m),
        (Values::Numeric(v), Values::Numeric(m)) => v.extend_from_slice(m),
        (Values::Text(v), Values::Text(m)) => append_var(v, m)?,
        (Values::Bytea(v), Values::Bytea(m)) => append_var(v, m)?,
        (Values::Interval(v), Values::Interval(m)) => v.extend_from_slice(m),
        (Values::Uuid(v), Values::Uuid(m)) => v.extend_from_slice(m),
        (Values::Oid(v), Values::Oid(m)) => v.extend_from_slice(m),
        (Values::Datum(v), Values::Datum(m)) => v.extend_from_slice(m),
        _ => {
            return Err(SqlError::internal(format!(
                "column of type {} met values of type {}",
                vector.ty.sql_name(),
                more.ty.sql_name()
            )));
        }
    }
    Ok(())
}

/// `rows` times the same value.
///
/// # Errors
/// As [`push`].
pub fn repeat(ty: Type, value: &Datum, rows: usize) -> Result<Vector> {
    let mut vector = empty(ty);
    if rows == 0 {
        return Ok(vector);
    }
    push(&mut vector, value)?;
    if rows > 1 {
        each_form!(&mut vector.values, v => {
            let first = v.first().cloned().unwrap_or_else(|| blank_of(v));
            v.resize(rows, first);
        }, w => {
            let one = w.bytes.len();
            u32::try_from(one.saturating_mul(rows)).map_err(|_| too_long())?;
            w.bytes = w.bytes.repeat(rows);
            w.offsets = (0..=rows).map(|i| (i.saturating_mul(one)) as u32).collect();
        });
        if !vector.nulls.is_empty() {
            vector.nulls.resize(rows, true);
        }
    }
    Ok(vector)
}

/// Rows `from..from + count` (fewer at the end).
///
/// # Errors
/// As [`take`].
pub fn slice(vector: &Vector, from: usize, count: usize) -> Result<Vector> {
    let end = from.saturating_add(count).min(len(vector));
    let rows: Vec<u32> = (from..end).map(|i| u32::try_from(i).unwrap_or(NONE)).collect();
    take(vector, &rows)
}

/// Bytes a vector takes.
pub fn memory(vector: &Vector) -> u64 {
    fn fixed<T>(v: &[T]) -> usize {
        std::mem::size_of_val(v)
    }
    fn datum(value: &Datum) -> usize {
        std::mem::size_of::<Datum>()
            + match value {
                Datum::Text(t) => t.len(),
                Datum::Bytea(b) => b.len(),
                Datum::Array(a) => a.values.iter().map(datum).sum(),
                Datum::Record(r) => {
                    r.values.iter().map(datum).sum::<usize>() + r.fields.len().saturating_mul(32)
                }
                _ => 0,
            }
    }
    let bytes = match &vector.values {
        Values::Bool(v) => fixed(v),
        Values::Int2(v) => fixed(v),
        Values::Int4(v) => fixed(v),
        Values::Int8(v) => fixed(v),
        Values::Float4(v) => fixed(v),
        Values::Float8(v) => fixed(v),
        Values::Numeric(v) => fixed(v),
        Values::Text(v) | Values::Bytea(v) => v.bytes.len() + v.offsets.len().saturating_mul(4),
        Values::Interval(v) => fixed(v),
        Values::Uuid(v) => fixed(v),
        Values::Oid(v) => fixed(v),
        Values::Datum(v) => v.iter().map(datum).sum(),
    };
    (bytes + vector.nulls.len()) as u64
}

/// Bytes a batch takes.
pub fn batch_memory(batch: &Batch) -> u64 {
    batch.columns.iter().map(|c| memory(c)).sum()
}

/// A batch of vectors.
pub fn batch(rows: usize, columns: Vec<Vector>) -> Batch {
    Batch { rows, columns: columns.into_iter().map(Arc::new).collect() }
}

/// Rows of a batch, as [`take`].
///
/// # Errors
/// As [`take`].
pub fn take_batch(batch: &Batch, rows: &[u32]) -> Result<Batch> {
    let columns: Result<Vec<Arc<Vector>>> =
        batch.columns.iter().map(|c| take(c, rows).map(Arc::new)).collect();
    Ok(Batch { rows: rows.len(), columns: columns? })
}

/// Rows `from..from + count` of a batch; the batch itself where that is all of it.
///
/// # Errors
/// As [`take`].
pub fn slice_batch(batch: &Batch, from: usize, count: usize) -> Result<Batch> {
    if from == 0 && count >= batch.rows {
        return Ok(batch.clone());
    }
    let rows = batch.rows.saturating_sub(from).min(count);
    let columns: Result<Vec<Arc<Vector>>> =
        batch.columns.iter().map(|c| slice(c, from, rows).map(Arc::new)).collect();
    Ok(Batch { rows, columns: columns? })
}

/// Keeps the rows where a boolean vector is true; none where no row is left.
///
/// # Errors
/// As [`take`].
pub fn filter_batch(batch: Batch, keep: &Vector) -> Result<Option<Batch>> {
    let rows = true_rows(keep);
    if rows.is_empty() { Ok(None) } else { keep_rows(batch, &rows).map(Some) }
}

/// These of a batch's rows, which ascend.
///
/// # Errors
/// As [`take`].
pub fn keep_rows(batch: Batch, rows: &[u32]) -> Result<Batch> {
    if rows.len() == batch.rows { Ok(batch) } else { take_batch(&batch, rows) }
}

/// Row `i` of a batch as datums.
pub fn row(batch: &Batch, i: usize) -> Vec<Datum> {
    batch.columns.iter().map(|c| get(c, i)).collect()
}

/// A batch of rows of datums.
///
/// # Errors
/// As [`push`].
pub fn from_rows<'r>(types: &[Type], rows: impl Iterator<Item = &'r [Datum]>) -> Result<Batch> {
    let mut columns: Vec<Vector> = types.iter().map(|ty| empty(*ty)).collect();
    let mut count = 0usize;
    for row in rows {
        count = count.saturating_add(1);
        let mut values = row.iter();
        for column in &mut columns {
            push(column, values.next().unwrap_or(&Datum::Null))?;
        }
    }
    Ok(batch(count, columns))
}

/// Rows of batches, one after the other in one vector per column; the row count beside.
#[derive(Debug)]
pub struct Accumulated {
    /// One per column.
    pub columns: Vec<Vector>,
    /// Rows in each.
    pub rows: usize,
}

impl Accumulated {
    /// No rows.
    pub fn new(types: &[Type]) -> Self {
        Self { columns: types.iter().map(|ty| empty(*ty)).collect(), rows: 0 }
    }
    /// Appends a batch.
    ///
    /// # Errors
    /// As [`append`].
    pub fn add(&mut self, batch: &Batch) -> Result<()> {
        for (column, more) in self.columns.iter_mut().zip(&batch.columns) {
            append(column, more)?;
        }
        self.rows = self.rows.saturating_add(batch.rows);
        if self.rows >= NONE as usize {
            return Err(SqlError::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                "an intermediate result exceeds 4294967294 rows",
            ));
        }
        Ok(())
    }
    /// Bytes held.
    pub fn memory(&self) -> u64 {
        self.columns.iter().map(memory).sum()
    }
    /// As a batch.
    pub fn into_batch(self) -> Batch {
        batch(self.rows, self.columns)
    }
}
