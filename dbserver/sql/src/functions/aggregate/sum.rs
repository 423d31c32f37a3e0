//! count, sum, avg, and the bit and boolean aggregates.

use super::{Accumulator, Function, aggregate, first, live, results, state, wrong_form};
use crate::error::Result;
use crate::functions::arithmetic::overflow;
use crate::functions::datetime;
use crate::functions::kernel::out_of_range;
use crate::session::EvalContext;
use crate::types::numeric::NumericSum;
use crate::types::{Datum, Interval, Numeric, Type};
use crate::vector::{Values, Vector};

/// `count(*)` and `count(x)`.
#[derive(Default)]
struct Count {
    counts: Vec<i64>,
}

impl Accumulator for Count {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let nulls = args.first().map_or(&[][..], |v| v.nulls.as_slice());
        if let ([count], true, true) = (self.counts.as_mut_slice(), skip.is_empty(), nulls.is_empty()) {
            *count = count.saturating_add_unsigned(groups.len() as u64);
            return Ok(());
        }
        for (_, group) in live(groups, skip, nulls) {
            *state(&mut self.counts, group)? += 1;
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        Ok(Vector::new(Type::INT8, Values::Int8(std::mem::take(&mut self.counts))))
    }
    fn memory(&self) -> u64 {
        self.counts.capacity() as u64 * 8
    }
}

/// A running total that knows what it becomes.
trait Total: Clone + Default + Send {
    /// The value of row `row` added.
    fn add(&mut self, values: &Values, row: usize) -> Result<()>;
    /// `sum` of `count` values, as a `ty`.
    fn sum(&self, count: i64, ty: Type) -> Result<Datum>;
    /// `avg` of `count` values.
    fn average(&self, count: i64) -> Result<Datum>;
    /// All rows without a group or null, where that can be done faster.
    fn add_all(&mut self, _: &Values) -> Result<bool> {
        Ok(false)
    }
}

/// Integers of all widths: never overflows before 2^63 rows of bigint.
#[derive(Clone, Default)]
struct IntegerTotal(i128);

impl Total for IntegerTotal {
    #[inline]
    fn add(&mut self, values: &Values, row: usize) -> Result<()> {
        let value = match values {
            Values::Int4(v) => v.get(row).map(|v| i128::from(*v)),
            Values::Int8(v) => v.get(row).map(|v| i128::from(*v)),
            Values::Int2(v) => v.get(row).map(|v| i128::from(*v)),
            _ => None,
        };
        self.0 += value.ok_or_else(wrong_form)?;
        Ok(())
    }
    fn add_all(&mut self, values: &Values) -> Result<bool> {
        self.0 += match values {
            Values::Int4(v) => i128::from(v.iter().map(|v| i64::from(*v)).sum::<i64>()),
            Values::Int8(v) => v.iter().map(|v| i128::from(*v)).sum(),
            Values::Int2(v) => i128::from(v.iter().map(|v| i64::from(*v)).sum::<i64>()),
            _ => return Err(wrong_form()),
        };
        Ok(true)
    }
    fn sum(&self, _: i64, ty: Type) -> Result<Datum> {
        if ty == Type::INT8 {
            return i64::try_from(self.0).map(Datum::Int8).map_err(|_| out_of_range("bigint"));
        }
        Ok(Datum::Numeric(Numeric::from_i128(self.0, 0)))
    }
    fn average(&self, count: i64) -> Result<Datum> {
        Ok(Datum::Numeric(Numeric::from_i128(self.0, 0).div(&Numeric::from(count))?))
    }
}

/// Floats, added in double precision; a sum of float4 is rounded at the end.
#[derive(Clone, Default)]
struct FloatTotal(f64);

impl FloatTotal {
    fn take(&mut self, value: f64) -> Result<()> {
        let sum = self.0 + value;
        if sum.is_infinite() && !self.0.is_infinite() && !value.is_infinite() {
            return Err(overflow());
        }
        self.0 = sum;
        Ok(())
    }
}

impl Total for FloatTotal {
    fn add(&mut self, values: &Values, row: usize) -> Result<()> {
        let value = match values {
            Values::Float8(v) => v.get(row).copied(),
            Values::Float4(v) => v.get(row).map(|v| f64::from(*v)),
            _ => None,
        };
        self.take(value.ok_or_else(wrong_form)?)
    }
    fn sum(&self, _: i64, ty: Type) -> Result<Datum> {
        if ty == Type::FLOAT4 {
            let narrow = self.0 as f32;
            return if narrow.is_infinite() && !self.0.is_infinite() {
                Err(overflow())
            } else {
                Ok(Datum::Float4(narrow))
            };
        }
        Ok(Datum::Float8(self.0))
    }
    fn average(&self, count: i64) -> Result<Datum> {
        Ok(Datum::Float8(self.0 / count as f64))
    }
}

/// Numerics.
impl Total for NumericSum {
    fn add(&mut self, values: &Values, row: usize) -> Result<()> {
        let Values::Numeric(values) = values else { return Err(wrong_form()) };
        NumericSum::add(self, values.get(row).ok_or_else(wrong_form)?)
    }
    fn sum(&self, _: i64, _: Type) -> Result<Datum> {
        Ok(Datum::Numeric(self.finish()?))
    }
    fn average(&self, count: i64) -> Result<Datum> {
        Ok(Datum::Numeric(self.finish()?.div(&Numeric::from(count))?))
    }
}

/// Intervals, field by field.
#[derive(Clone, Default)]
struct IntervalTotal(Interval);

impl Total for IntervalTotal {
    fn add(&mut self, values: &Values, row: usize) -> Result<()> {
        let Values::Interval(values) = values else { return Err(wrong_form()) };
        self.0 = datetime::interval_add(self.0, *values.get(row).ok_or_else(wrong_form)?)?;
        Ok(())
    }
    fn sum(&self, _: i64, _: Type) -> Result<Datum> {
        Ok(Datum::Interval(self.0))
    }
    fn average(&self, count: i64) -> Result<Datum> {
        Ok(Datum::Interval(datetime::interval_divide(self.0, count as f64)?))
    }
}

/// `sum` (or `avg`) over a kind of total; null where no row counted.
struct Sum<T> {
    totals: Vec<(T, i64)>,
    result: Type,
    average: bool,
}

impl<T: Total> Accumulator for Sum<T> {
    fn resize(&mut self, groups: usize) {
        self.totals.resize_with(groups, Default::default);
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let arg = first(args)?;
        if let ([(total, count)], true, true) =
            (self.totals.as_mut_slice(), skip.is_empty(), arg.nulls.is_empty())
            && arg.len() == groups.len()
            && total.add_all(&arg.values)?
        {
            *count = count.saturating_add_unsigned(groups.len() as u64);
            return Ok(());
        }
        for (row, group) in live(groups, skip, &arg.nulls) {
            let (total, count) = state(&mut self.totals, group)?;
            total.add(&arg.values, row)?;
            *count += 1;
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        let mut vector = Vector::empty(self.result);
        for (total, count) in &self.totals {
            vector.push(&match (*count, self.average) {
                (0, _) => Datum::Null,
                (count, true) => total.average(count)?,
                (count, false) => total.sum(count, self.result)?,
            });
        }
        Ok(vector)
    }
    fn memory(&self) -> u64 {
        (self.totals.capacity() * size_of::<(T, i64)>()) as u64
    }
}

/// The numbers of an aggregate that folds values of one type with a function: bit_and, bool_or, …
struct Fold<T> {
    states: Vec<Option<T>>,
    fold: fn(T, T) -> T,
    values: fn(&Values) -> Option<&[T]>,
    datum: fn(T) -> Datum,
    ty: Type,
}

impl<T: Copy + Send> Accumulator for Fold<T> {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, None);
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let arg = first(args)?;
        let values = (self.values)(&arg.values).ok_or_else(wrong_form)?;
        for (row, group) in live(groups, skip, &arg.nulls) {
            let value = *values.get(row).ok_or_else(wrong_form)?;
            let state = state(&mut self.states, group)?;
            *state = Some(state.map_or(value, |old| (self.fold)(old, value)));
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        Ok(results(self.ty, self.states.iter().map(|s| s.map_or(Datum::Null, self.datum))))
    }
    fn memory(&self) -> u64 {
        (self.states.capacity() * size_of::<Option<T>>()) as u64
    }
}

macro_rules! sums {
    ($(($sum:literal, $avg:literal, $arg:ident -> $sum_ty:ident, $avg_ty:ident, $total:ident)),* $(,)?) => {
        &[ $(
            aggregate($sum, "sum", &[Type::$arg], Type::$sum_ty, |_| Box::new(Sum::<$total> { totals: Vec::new(), result: Type::$sum_ty, average: false })),
            aggregate($avg, "avg", &[Type::$arg], Type::$avg_ty, |_| Box::new(Sum::<$total> { totals: Vec::new(), result: Type::$avg_ty, average: true })),
        )* ]
    };
}
static TOTALS: &[Function] = sums![
    (2109, 2102, INT2 -> INT8, NUMERIC, IntegerTotal),
    (2108, 2101, INT4 -> INT8, NUMERIC, IntegerTotal),
    (2107, 2100, INT8 -> NUMERIC, NUMERIC, IntegerTotal),
    (2110, 2104, FLOAT4 -> FLOAT4, FLOAT8, FloatTotal),
    (2111, 2105, FLOAT8 -> FLOAT8, FLOAT8, FloatTotal),
    (2114, 2103, NUMERIC -> NUMERIC, NUMERIC, NumericSum),
    (2113, 2106, INTERVAL -> INTERVAL, INTERVAL, IntervalTotal),
];

macro_rules! folds {
    ($($oid:literal $name:literal $ty:ident $form:ident $fold:expr;)*) => {
        &[ $( aggregate($oid, $name, &[Type::$ty], Type::$ty, |_| Box::new(Fold {
            states: Vec::new(),
            fold: $fold,
            values: |values| match values { Values::$form(v) => Some(v.as_slice()), _ => None },
            datum: Datum::$form,
            ty: Type::$ty,
        })) ),* ]
    };
}
static FOLDS: &[Function] = folds! {
    2236 "bit_and" INT2 Int2 |a, b| a & b;
    2238 "bit_and" INT4 Int4 |a, b| a & b;
    2240 "bit_and" INT8 Int8 |a, b| a & b;
    2237 "bit_or" INT2 Int2 |a, b| a | b;
    2239 "bit_or" INT4 Int4 |a, b| a | b;
    2241 "bit_or" INT8 Int8 |a, b| a | b;
    6164 "bit_xor" INT2 Int2 |a, b| a ^ b;
    6165 "bit_xor" INT4 Int4 |a, b| a ^ b;
    6166 "bit_xor" INT8 Int8 |a, b| a ^ b;
    2517 "bool_and" BOOL Bool |a, b| a & b;
    2518 "bool_or" BOOL Bool |a, b| a | b;
    2519 "every" BOOL Bool |a, b| a & b;
};

static COUNTS: &[Function] = &[
    aggregate(2803, "count", &[], Type::INT8, |_| Box::<Count>::default()),
    aggregate(2147, "count", &[Type::ANY], Type::INT8, |_| Box::<Count>::default()),
];

/// count, sum, avg, bit_*, bool_*.
pub(in crate::functions) static SUMS: &[&[Function]] = &[COUNTS, TOTALS, FOLDS];
