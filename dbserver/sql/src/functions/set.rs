//! Set-returning functions. All rows are made at once; the length is bounded by the statement's memory.

use super::kernel::{invalid_parameter, take};
use super::{Function, Kernel, RowsFn, compose, json, regex};
use crate::context::Reservation;
use crate::error::{Result, SqlError};
use crate::session::EvalContext;
use crate::types::datetime::{is_infinite, timestamp_add, timestamptz_add};
use crate::types::{Datum, Interval, Numeric, Oid, Type};

type Rows = Result<Vec<Vec<Datum>>>;
type Columns = fn(&[Type]) -> Vec<(&'static str, Type)>;

/// Rows between looks at the deadline and the memory limit.
const STEP: usize = 1024;
/// Bytes a row of one value takes, roughly.
const ROW_BYTES: u64 = (size_of::<Vec<Datum>>() + size_of::<Datum>()) as u64;

/// Gathers rows of one value, watching deadline and memory.
fn gather(ctx: &EvalContext<'_>, values: impl Iterator<Item = Result<Datum>>) -> Rows {
    let mut held = Reservation::new(&ctx.query.memory);
    let mut rows = Vec::new();
    for value in values {
        if rows.len() % STEP == 0 {
            ctx.query.check()?;
            held.grow(STEP as u64 * ROW_BYTES)?;
        }
        rows.push(vec![value?]);
    }
    Ok(rows)
}

fn zero_step() -> SqlError {
    invalid_parameter("step size cannot equal zero")
}

/// `start`, `start + step`, … up to `stop` in the step's direction.
fn integers(
    args: &[Datum],
    ctx: &EvalContext<'_>,
    take: fn(Option<&Datum>) -> Result<i64>,
    datum: fn(i64) -> Datum,
) -> Rows {
    let mut args = args.iter();
    let (start, stop) = (take(args.next())?, take(args.next())?);
    let step = args.next().map_or(Ok(1), |s| take(Some(s)))?;
    if step == 0 {
        return Err(zero_step());
    }
    let beyond = |value: i64| if step > 0 { value > stop } else { value < stop };
    let first = Some(start).filter(|v| !beyond(*v));
    // Past the end of bigint there is nothing more.
    let all = std::iter::successors(first, |v| v.checked_add(step).filter(|v| !beyond(*v)));
    gather(ctx, all.map(|v| Ok(datum(v))))
}

fn int4(value: Option<&Datum>) -> Result<i64> {
    take::INT4(value).map(i64::from)
}

fn series_int4(args: &[Datum], ctx: &EvalContext<'_>) -> Rows {
    integers(args, ctx, int4, |v| Datum::Int4(v as i32))
}
fn series_int8(args: &[Datum], ctx: &EvalContext<'_>) -> Rows {
    integers(args, ctx, take::INT8, Datum::Int8)
}

fn series_numeric(args: &[Datum], ctx: &EvalContext<'_>) -> Rows {
    let mut args = args.iter();
    let (start, stop) = (take::NUMERIC(args.next())?, take::NUMERIC(args.next())?);
    let one = Numeric::from(1i64);
    let step = args.next().map_or(Ok(&one), |s| take::NUMERIC(Some(s)))?;
    for (value, name) in [(start, "start"), (stop, "stop"), (step, "step size")] {
        let wrong = match (value.is_nan(), value.is_infinite()) {
            (true, _) => "NaN",
            (_, true) => "infinity",
            _ => continue,
        };
        let name = if name == "step size" { name.to_owned() } else { format!("{name} value") };
        return Err(invalid_parameter(format!("{name} cannot be {wrong}")));
    }
    if step.is_zero() {
        return Err(zero_step());
    }
    let up = step.signum() > 0;
    let mut next = Some(start.clone());
    let all = std::iter::from_fn(|| {
        let value = next.take()?;
        if if up { value > *stop } else { value < *stop } {
            return None;
        }
        match value.add(step) {
            Ok(after) => next = Some(after),
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(Datum::Numeric(value)))
    });
    gather(ctx, all)
}

/// The sign of an interval as PostgreSQL compares it with zero.
fn sign(step: &Interval) -> std::cmp::Ordering {
    crate::types::compare::interval_cmp(step, &Interval::default())
}

fn times(args: &[Datum], ctx: &EvalContext<'_>, add: impl Fn(i64, &Interval) -> Result<i64>) -> Rows {
    let mut args = args.iter();
    let (start, stop) = (take::TIMESTAMP(args.next())?, take::TIMESTAMP(args.next())?);
    let step = take::INTERVAL(args.next())?;
    let direction = sign(&step);
    if direction.is_eq() {
        return Err(zero_step());
    }
    let mut next = Some(start);
    let all = std::iter::from_fn(|| {
        let value = next.take()?;
        if if direction.is_gt() { value > stop } else { value < stop } {
            return None;
        }
        // From an infinity a step leads nowhere: PostgreSQL would go on for ever, until it is stopped.
        next = Some(value);
        match add(value, &step) {
            Ok(after) if !is_infinite(value) => next = Some(after),
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(Datum::Int8(value)))
    });
    gather(ctx, all)
}

fn series_timestamp(args: &[Datum], ctx: &EvalContext<'_>) -> Rows {
    times(args, ctx, timestamp_add)
}
fn series_timestamptz(args: &[Datum], ctx: &EvalContext<'_>) -> Rows {
    times(args, ctx, |t, step| timestamptz_add(t, step, ctx.settings.time_zone))
}

fn unnest(args: &[Datum], ctx: &EvalContext<'_>) -> Rows {
    gather(ctx, take::ANYARRAY(args.first())?.values.iter().map(|v| Ok(v.clone())))
}

fn generate_subscripts(args: &[Datum], ctx: &EvalContext<'_>) -> Rows {
    let mut args = args.iter();
    let array = take::ANYARRAY(args.next())?;
    let dimension = take::INT4(args.next())?;
    let reverse = args.next().map_or(Ok(false), |r| take::BOOL(Some(r)))?;
    let index = usize::try_from(dimension.saturating_sub(1)).ok();
    let Some(&(length, low)) = index.and_then(|i| array.dims.get(i)) else { return Ok(Vec::new()) };
    let subscripts = low..low.saturating_add(length);
    if reverse {
        gather(ctx, subscripts.rev().map(|i| Ok(Datum::Int4(i))))
    } else {
        gather(ctx, subscripts.map(|i| Ok(Datum::Int4(i))))
    }
}

fn string_to_table(args: &[Datum], ctx: &EvalContext<'_>) -> Rows {
    gather(ctx, compose::string_to_parts(args).unwrap_or_default().into_iter().map(Ok))
}

const fn set(
    oid: Oid,
    name: &'static str,
    args: &'static [Type],
    result: Type,
    columns: Columns,
    rows: RowsFn,
) -> Function {
    Function::of(oid, name, args, result, Kernel::Set { columns, rows })
}

macro_rules! sets {
    ($($oid:literal $name:ident [$($arg:ident)*] $result:ident $rows:expr;)*) => {
        &[ $( set($oid, stringify!($name), &[$(Type::$arg),*], Type::$result, |_| vec![(stringify!($name), Type::$result)], $rows) ),* ]
    };
}
static PLAIN: &[Function] = sets! {
    1067 generate_series [INT4 INT4] INT4 series_int4;
    1066 generate_series [INT4 INT4 INT4] INT4 series_int4;
    1069 generate_series [INT8 INT8] INT8 series_int8;
    1068 generate_series [INT8 INT8 INT8] INT8 series_int8;
    3260 generate_series [NUMERIC NUMERIC] NUMERIC series_numeric;
    3259 generate_series [NUMERIC NUMERIC NUMERIC] NUMERIC series_numeric;
    938 generate_series [TIMESTAMP TIMESTAMP INTERVAL] TIMESTAMP series_timestamp;
    939 generate_series [TIMESTAMPTZ TIMESTAMPTZ INTERVAL] TIMESTAMPTZ series_timestamptz;
    1192 generate_subscripts [ANYARRAY INT4] INT4 generate_subscripts;
    1191 generate_subscripts [ANYARRAY INT4 BOOL] INT4 generate_subscripts;
    2763 regexp_matches [TEXT TEXT] TEXT_ARRAY regex::matches_rows;
    2764 regexp_matches [TEXT TEXT TEXT] TEXT_ARRAY regex::matches_rows;
    2765 regexp_split_to_table [TEXT TEXT] TEXT regex::split_rows;
    2766 regexp_split_to_table [TEXT TEXT TEXT] TEXT regex::split_rows;
    3957 json_object_keys [JSON] TEXT json::key_rows;
    3931 jsonb_object_keys [JSONB] TEXT json::key_rows;
};

fn value(ty: Type) -> Vec<(&'static str, Type)> {
    vec![("value", ty)]
}
fn key_value(ty: Type) -> Vec<(&'static str, Type)> {
    vec![("key", Type::TEXT), ("value", ty)]
}
fn unnest_column(types: &[Type]) -> Vec<(&'static str, Type)> {
    vec![("unnest", types.first().and_then(|t| t.element()).unwrap_or(Type::TEXT))]
}

static NAMED: &[Function] = &[
    set(2331, "unnest", &[Type::ANYARRAY], Type::ANYELEMENT, unnest_column, unnest),
    set(3955, "json_array_elements", &[Type::JSON], Type::JSON, |_| value(Type::JSON), json::element_rows),
    set(
        3219,
        "jsonb_array_elements",
        &[Type::JSONB],
        Type::JSONB,
        |_| value(Type::JSONB),
        json::element_rows,
    ),
    set(
        3969,
        "json_array_elements_text",
        &[Type::JSON],
        Type::TEXT,
        |_| value(Type::TEXT),
        json::element_text_rows,
    ),
    set(
        3465,
        "jsonb_array_elements_text",
        &[Type::JSONB],
        Type::TEXT,
        |_| value(Type::TEXT),
        json::element_text_rows,
    ),
    set(3958, "json_each", &[Type::JSON], Type::RECORD, |_| key_value(Type::JSON), json::each_rows),
    set(3208, "jsonb_each", &[Type::JSONB], Type::RECORD, |_| key_value(Type::JSONB), json::each_rows),
    set(3959, "json_each_text", &[Type::JSON], Type::RECORD, |_| key_value(Type::TEXT), json::each_text_rows),
    set(
        3932,
        "jsonb_each_text",
        &[Type::JSONB],
        Type::RECORD,
        |_| key_value(Type::TEXT),
        json::each_text_rows,
    ),
    set(
        6160,
        "string_to_table",
        &[Type::TEXT, Type::TEXT],
        Type::TEXT,
        |_| vec![("string_to_table", Type::TEXT)],
        string_to_table,
    )
    .lax(),
    set(
        6161,
        "string_to_table",
        &[Type::TEXT, Type::TEXT, Type::TEXT],
        Type::TEXT,
        |_| vec![("string_to_table", Type::TEXT)],
        string_to_table,
    )
    .lax(),
];

/// All of them.
pub(super) static SETS: &[&[Function]] = &[PLAIN, NAMED];
