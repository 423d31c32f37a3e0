//! Variance, deviation, correlation and regression.
//!
//! Floats use the Youngs-Cramer algorithm, as PostgreSQL does: sums of squares of differences are kept, not sums of
//! squares, so that nothing cancels. Integers and numerics are summed exactly.

use super::{Accumulator, Function, aggregate, first, live, results, state, wrong_form};
use crate::error::Result;
use crate::functions::arithmetic::overflow;
use crate::session::EvalContext;
use crate::types::numeric::NumericSum;
use crate::types::{Datum, Numeric, Type};
use crate::vector::{Values, Vector};

/// Which of the four.
#[derive(Clone, Copy)]
struct Spread {
    sample: bool,
    root: bool,
}

/// Over floats.
struct FloatSpread {
    states: Vec<Moments>,
    spread: Spread,
}

/// Moments of pairs (x alone for the univariate ones).
#[derive(Clone, Copy, Default)]
struct Moments {
    n: f64,
    sx: f64,
    sxx: f64,
    sy: f64,
    syy: f64,
    sxy: f64,
}

impl Moments {
    fn add(&mut self, x: f64, y: f64, alone: bool) -> Result<()> {
        let before = self.n;
        self.n += 1.0;
        let (old_sx, old_sy) = (self.sx, self.sy);
        self.sx += x;
        self.sy += y;
        if before > 0.0 {
            let dx = x * self.n - self.sx;
            let dy = y * self.n - self.sy;
            let pairs = self.n * before;
            let scale = 1.0 / pairs;
            // PostgreSQL divides for one variable and scales for two: the last digit shows it.
            self.sxx += if alone { dx * dx / pairs } else { dx * dx * scale };
            self.syy += dy * dy * scale;
            self.sxy += dx * dy * scale;
            let sums = [self.sx, self.sxx, self.sy, self.syy, self.sxy];
            if sums.iter().any(|s| s.is_infinite()) {
                let inputs = [old_sx, x, old_sy, y];
                if inputs.iter().all(|v| !v.is_infinite()) {
                    return Err(overflow());
                }
                for sum in [&mut self.sxx, &mut self.syy, &mut self.sxy] {
                    if sum.is_infinite() {
                        *sum = f64::NAN;
                    }
                }
            }
        } else {
            // An infinity or NaN as the first value makes the squares NaN.
            let nan = |v: f64| if v.is_finite() { 0.0 } else { f64::NAN };
            (self.sxx, self.syy) = (nan(x), nan(y));
            self.sxy = nan(x) + nan(y);
        }
        Ok(())
    }
}

fn float(values: &Values, row: usize) -> Result<f64> {
    match values {
        Values::Float8(v) => v.get(row).copied().ok_or_else(wrong_form),
        Values::Float4(v) => v.get(row).map(|v| f64::from(*v)).ok_or_else(wrong_form),
        _ => Err(wrong_form()),
    }
}

impl Accumulator for FloatSpread {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, Moments::default());
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let arg = first(args)?;
        for (row, group) in live(groups, skip, &arg.nulls) {
            state(&mut self.states, group)?.add(float(&arg.values, row)?, 0.0, true)?;
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        let Spread { sample, root } = self.spread;
        let value = |m: &Moments| {
            let divisor = if sample { m.n - 1.0 } else { m.n };
            if divisor <= 0.0 {
                return Datum::Null;
            }
            let variance = m.sxx / divisor;
            Datum::Float8(if root { variance.sqrt() } else { variance })
        };
        Ok(results(Type::FLOAT8, self.states.iter().map(value)))
    }
    fn memory(&self) -> u64 {
        (self.states.capacity() * size_of::<Moments>()) as u64
    }
}

/// Over integers and numerics, exactly.
struct ExactSpread {
    states: Vec<(i64, NumericSum, NumericSum)>,
    spread: Spread,
}

impl ExactSpread {
    fn value(&self, count: i64, sum: &NumericSum, squares: &NumericSum) -> Result<Datum> {
        let Spread { sample, root } = self.spread;
        if count == 0 || (sample && count == 1) {
            return Ok(Datum::Null);
        }
        let (sum, squares) = (sum.finish()?, squares.finish()?);
        if !sum.is_finite() {
            return Ok(Datum::Numeric(Numeric::NAN));
        }
        let n = Numeric::from(count);
        let numerator = n.mul(&squares)?.sub(&sum.mul(&sum)?)?;
        if numerator.signum() <= 0 {
            return Ok(Datum::Numeric(Numeric::ZERO));
        }
        let denominator = n.mul(&Numeric::from(if sample { count.saturating_sub(1) } else { count }))?;
        let variance = numerator.div(&denominator)?;
        if !root {
            return Ok(Datum::Numeric(variance));
        }
        let scale = i32::from(variance.scale().unwrap_or(0));
        Ok(Datum::Numeric(variance.sqrt()?.round(scale)))
    }
}

impl Accumulator for ExactSpread {
    fn resize(&mut self, groups: usize) {
        self.states.resize_with(groups, Default::default);
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let arg = first(args)?;
        for (row, group) in live(groups, skip, &arg.nulls) {
            let value = match &arg.values {
                Values::Int2(v) => v.get(row).map(|v| Numeric::from(i64::from(*v))),
                Values::Int4(v) => v.get(row).map(|v| Numeric::from(i64::from(*v))),
                Values::Int8(v) => v.get(row).map(|v| Numeric::from(*v)),
                Values::Numeric(v) => v.get(row).cloned(),
                _ => None,
            };
            let value = value.ok_or_else(wrong_form)?;
            let (count, sum, squares) = state(&mut self.states, group)?;
            *count += 1;
            sum.add(&value)?;
            squares.add(&value.mul(&value)?)?;
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        let mut vector = Vector::empty(Type::NUMERIC);
        for (count, sum, squares) in &self.states {
            vector.push(&self.value(*count, sum, squares)?);
        }
        Ok(vector)
    }
    fn memory(&self) -> u64 {
        (self.states.capacity() * size_of::<(i64, NumericSum, NumericSum)>()) as u64
    }
}

/// Aggregates of pairs (y, x).
struct Pairs {
    states: Vec<Moments>,
    result: fn(&Moments) -> Option<f64>,
    count: bool,
}

impl Accumulator for Pairs {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, Moments::default());
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let [y, x] = args else { return Err(wrong_form()) };
        for (row, group) in live(groups, skip, &y.nulls) {
            if !x.is_null(row) {
                state(&mut self.states, group)?.add(float(&x.values, row)?, float(&y.values, row)?, false)?;
            }
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        if self.count {
            return Ok(results(Type::INT8, self.states.iter().map(|m| Datum::Int8(m.n as i64))));
        }
        let value = |m: &Moments| match (m.n, (self.result)(m)) {
            (n, Some(value)) if n > 0.0 => Datum::Float8(value),
            _ => Datum::Null,
        };
        Ok(results(Type::FLOAT8, self.states.iter().map(value)))
    }
    fn memory(&self) -> u64 {
        (self.states.capacity() * size_of::<Moments>()) as u64
    }
}

macro_rules! spreads {
    ($($name:literal $sample:literal $root:literal: $($oid:literal $arg:ident $kind:ident $result:ident),*;)*) => {
        &[ $($(
            aggregate($oid, $name, &[Type::$arg], Type::$result, |_| Box::new($kind { states: Vec::new(), spread: Spread { sample: $sample, root: $root } })),
        )*)* ]
    };
}
static SPREADS: &[Function] = spreads! {
    "stddev" true true: 2154 INT8 ExactSpread NUMERIC, 2155 INT4 ExactSpread NUMERIC, 2156 INT2 ExactSpread NUMERIC, 2159 NUMERIC ExactSpread NUMERIC, 2157 FLOAT4 FloatSpread FLOAT8, 2158 FLOAT8 FloatSpread FLOAT8;
    "stddev_samp" true true: 2712 INT8 ExactSpread NUMERIC, 2713 INT4 ExactSpread NUMERIC, 2714 INT2 ExactSpread NUMERIC, 2717 NUMERIC ExactSpread NUMERIC, 2715 FLOAT4 FloatSpread FLOAT8, 2716 FLOAT8 FloatSpread FLOAT8;
    "stddev_pop" false true: 2724 INT8 ExactSpread NUMERIC, 2725 INT4 ExactSpread NUMERIC, 2726 INT2 ExactSpread NUMERIC, 2729 NUMERIC ExactSpread NUMERIC, 2727 FLOAT4 FloatSpread FLOAT8, 2728 FLOAT8 FloatSpread FLOAT8;
    "variance" true false: 2148 INT8 ExactSpread NUMERIC, 2149 INT4 ExactSpread NUMERIC, 2150 INT2 ExactSpread NUMERIC, 2153 NUMERIC ExactSpread NUMERIC, 2151 FLOAT4 FloatSpread FLOAT8, 2152 FLOAT8 FloatSpread FLOAT8;
    "var_samp" true false: 2641 INT8 ExactSpread NUMERIC, 2642 INT4 ExactSpread NUMERIC, 2643 INT2 ExactSpread NUMERIC, 2646 NUMERIC ExactSpread NUMERIC, 2644 FLOAT4 FloatSpread FLOAT8, 2645 FLOAT8 FloatSpread FLOAT8;
    "var_pop" false false: 2718 INT8 ExactSpread NUMERIC, 2719 INT4 ExactSpread NUMERIC, 2720 INT2 ExactSpread NUMERIC, 2723 NUMERIC ExactSpread NUMERIC, 2721 FLOAT4 FloatSpread FLOAT8, 2722 FLOAT8 FloatSpread FLOAT8;
};

macro_rules! pairs {
    ($($oid:literal $name:literal $result:expr;)*) => {
        &[ $( aggregate($oid, $name, &[Type::FLOAT8, Type::FLOAT8], Type::FLOAT8, |_| Box::new(Pairs { states: Vec::new(), result: $result, count: false })), )*
           aggregate(2818, "regr_count", &[Type::FLOAT8, Type::FLOAT8], Type::INT8, |_| Box::new(Pairs { states: Vec::new(), result: |_| None, count: true })) ]
    };
}
static PAIRS: &[Function] = pairs! {
    2829 "corr" |m| (m.sxx != 0.0 && m.syy != 0.0).then(|| m.sxy / (m.sxx * m.syy).sqrt());
    2827 "covar_pop" |m| Some(m.sxy / m.n);
    2828 "covar_samp" |m| (m.n > 1.0).then(|| m.sxy / (m.n - 1.0));
    2822 "regr_avgx" |m| Some(m.sx / m.n);
    2823 "regr_avgy" |m| Some(m.sy / m.n);
    2826 "regr_intercept" |m| (m.sxx != 0.0).then(|| (m.sy - m.sx * m.sxy / m.sxx) / m.n);
    2824 "regr_r2" |m| (m.sxx != 0.0).then(|| if m.syy == 0.0 { 1.0 } else { (m.sxy * m.sxy) / (m.sxx * m.syy) });
    2825 "regr_slope" |m| (m.sxx != 0.0).then(|| m.sxy / m.sxx);
    2819 "regr_sxx" |m| Some(m.sxx);
    2821 "regr_sxy" |m| Some(m.sxy);
    2820 "regr_syy" |m| Some(m.syy);
};

/// stddev, variance, corr, regr_*.
pub(in crate::functions) static STATISTICS: &[&[Function]] = &[SPREADS, PAIRS];
