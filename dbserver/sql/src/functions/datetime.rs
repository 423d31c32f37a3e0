//! Functions and operators of dates, times and intervals.

mod extract;
mod interval;
mod truncate;

pub(super) use extract::EXTRACTS;
pub(super) use interval::{INTERVALS, interval_add, interval_divide};
pub(super) use truncate::TRUNCATES;

use super::Function;
use super::kernel::{IntoDatum, functions, invalid_parameter};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::datetime::{
    self, DAY_US, HOUR_US, MINUTE_US, SECOND_US, check_date, check_timestamp, date_to_timestamp,
    local_to_utc, timestamp_add, timestamp_sub, timestamptz_add, utc_to_local,
};
use crate::types::{Datum, Interval, Type};
use chrono_tz::Tz;
use std::time::{SystemTime, UNIX_EPOCH};

/// µs between 1970 and 2000.
const EPOCH_SHIFT_US: i64 = 946_684_800 * SECOND_US;

/// The time now, µs since 2000-01-01 UTC.
pub(super) fn clock() -> i64 {
    let unix = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    };
    unix.saturating_sub(EPOCH_SHIFT_US)
}

/// Midnight of a date; for comparisons, one that no timestamp reaches becomes the last.
pub(super) fn date_to_timestamp_saturating(days: i32) -> i64 {
    // A date beyond all timestamps is still before infinity.
    date_to_timestamp(days).unwrap_or(i64::MAX - 1)
}

/// The instant of a local time, for comparisons.
pub(super) fn local_to_utc_saturating(local: i64, zone: Tz) -> i64 {
    if local == i64::MAX - 1 { local } else { local_to_utc(local, zone) }
}

pub(super) fn field_overflow(message: impl Into<String>) -> SqlError {
    SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, message)
}

fn negated(interval: &Interval) -> Result<Interval> {
    interval::negate(*interval)
}

fn date_plus(days: i32, interval: &Interval) -> Result<i64> {
    timestamp_add(date_to_timestamp(days)?, interval)
}

/// A time plus an interval's time, within the day.
fn time_plus(time: i64, micros: i64) -> i64 {
    time.wrapping_add(micros % DAY_US).rem_euclid(DAY_US)
}

fn date_and_time(days: i32, time: i64) -> Result<i64> {
    let midnight = date_to_timestamp(days)?;
    if datetime::is_infinite(midnight) {
        return Ok(midnight);
    }
    check_timestamp(midnight.saturating_add(time))
}

/// The date that year, month and day name; a negative year is BC.
fn date_of(year: i32, month: i32, day: i32, what: &str) -> Result<i64> {
    let wrong = || field_overflow(format!("{what} field value out of range: {year}-{month:02}-{day:02}"));
    let astronomical = match year {
        0 => return Err(wrong()),
        year if year < 0 => i64::from(year) + 1,
        year => i64::from(year),
    };
    let (month, day) = (i64::from(month), i64::from(day));
    if !(1..=12).contains(&month) || day < 1 || day > datetime::days_in_month(astronomical, month) {
        return Err(wrong());
    }
    Ok(datetime::days_from_civil(astronomical, month, day))
}

/// Microseconds of a time of day.
fn time_of(hour: i32, minute: i32, second: f64) -> Result<i64> {
    let wrong = || field_overflow(format!("time field value out of range: {hour}:{minute:02}:{second:02}"));
    let micros = (second * 1e6).round_ties_even();
    let in_range =
        (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60_000_000.0).contains(&micros);
    if second.is_nan() || !in_range || (hour == 24 && (minute > 0 || micros > 0.0)) {
        return Err(wrong());
    }
    Ok(i64::from(hour) * HOUR_US + i64::from(minute) * MINUTE_US + micros as i64)
}

fn make_timestamp(y: i32, mo: i32, d: i32, h: i32, mi: i32, s: f64) -> Result<i64> {
    let days = date_of(y, mo, d, "date")?;
    let time = time_of(h, mi, s)?;
    days.checked_mul(DAY_US)
        .and_then(|midnight| midnight.checked_add(time))
        .ok_or_else(datetime::timestamp_out_of_range)
        .and_then(check_timestamp)
}

fn to_timestamp(seconds: f64) -> Result<i64> {
    if seconds.is_nan() {
        return Err(field_overflow("timestamp cannot be NaN"));
    }
    if seconds.is_infinite() {
        return Ok(if seconds > 0.0 { i64::MAX } else { i64::MIN });
    }
    let micros = ((seconds - 946_684_800.0) * 1e6).round_ties_even();
    if !(-211_813_488_000_000_000.0..9_223_371_331_200_000_000.0).contains(&micros) {
        return Err(field_overflow(format!("timestamp out of range: \"{seconds}\"")));
    }
    check_timestamp(micros as i64)
}

/// A time zone as `AT TIME ZONE` takes it.
enum Zone {
    Named(Tz),
    /// Seconds east of UTC.
    Fixed(i64),
}

impl Zone {
    /// By IANA name, abbreviation, or POSIX form, in which `+2` lies west of UTC.
    fn named(name: &str) -> Result<Self> {
        if let Some(zone) = datetime::find_zone(name) {
            return Ok(Zone::Named(zone));
        }
        if let Some(seconds) = datetime::abbreviation_offset(&name.to_ascii_lowercase()) {
            return Ok(Zone::Fixed(seconds));
        }
        let unknown = || invalid_parameter(format!("time zone \"{name}\" not recognized"));
        let offset = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let (sign, digits) = match (offset.strip_prefix('+'), offset.strip_prefix('-')) {
            (Some(rest), _) => (-1, rest),
            (_, Some(rest)) => (1, rest),
            _ => return Err(unknown()),
        };
        let mut fields = digits.split(':').map(|f| f.parse::<u32>().ok());
        let hours = fields.next().flatten().filter(|h| *h <= 167).ok_or_else(unknown)?;
        let minutes = fields.next().map_or(Some(0), |m| m).filter(|m| *m < 60).ok_or_else(unknown)?;
        Ok(Zone::Fixed(sign * i64::from(hours * 3600 + minutes * 60)))
    }
    fn from_interval(interval: &Interval) -> Result<Self> {
        if interval.months != 0 || interval.days != 0 {
            return Err(invalid_parameter("interval time zone must not include months or days"));
        }
        Ok(Zone::Fixed(interval.micros / SECOND_US))
    }
    fn local(&self, utc: i64) -> i64 {
        match self {
            Zone::Named(zone) => utc_to_local(utc, *zone),
            Zone::Fixed(_) if datetime::is_infinite(utc) => utc,
            Zone::Fixed(seconds) => utc.saturating_add(seconds * SECOND_US),
        }
    }
    fn utc(&self, local: i64) -> Result<i64> {
        if datetime::is_infinite(local) {
            return Ok(local);
        }
        check_timestamp(match self {
            Zone::Named(zone) => local_to_utc(local, *zone),
            Zone::Fixed(seconds) => local.saturating_sub(seconds * SECOND_US),
        })
    }
}

/// Local midnight of today.
fn today(ctx: &EvalContext<'_>) -> i64 {
    let local = utc_to_local(ctx.settings.transaction_time, ctx.settings.time_zone);
    local - local.rem_euclid(DAY_US)
}

fn local_now(ctx: &EvalContext<'_>) -> i64 {
    utc_to_local(ctx.settings.transaction_time, ctx.settings.time_zone)
}

functions! { DATETIMES:
    1299 now() -> TIMESTAMPTZ [stable] |ctx| { ctx.settings.transaction_time }
    2647 transaction_timestamp() -> TIMESTAMPTZ [stable] |ctx| { ctx.settings.transaction_time }
    2648 statement_timestamp() -> TIMESTAMPTZ [stable] |ctx| { ctx.settings.statement_time }
    2649 clock_timestamp() -> TIMESTAMPTZ [volatile] |_| { clock() }
    0 current_timestamp() -> TIMESTAMPTZ [stable] |ctx| { ctx.settings.transaction_time }
    0 current_timestamp(p: INT4) -> TIMESTAMPTZ [stable] |ctx| { datetime::apply_precision(ctx.settings.transaction_time, p) }
    0 localtimestamp() -> TIMESTAMP [stable] |ctx| { local_now(ctx) }
    0 localtimestamp(p: INT4) -> TIMESTAMP [stable] |ctx| { datetime::apply_precision(local_now(ctx), p) }
    0 localtime() -> TIME [stable] |ctx| { local_now(ctx).rem_euclid(DAY_US) }
    0 localtime(p: INT4) -> TIME [stable] |ctx| { datetime::apply_precision(local_now(ctx).rem_euclid(DAY_US), p) }
    0 current_date() -> DATE [stable] |ctx| { datetime::timestamp_to_date(local_now(ctx)) }
    2071 date_pl_interval(d: DATE, i: INTERVAL) -> TIMESTAMP |_| { date_plus(d, &i)? }
    2546 interval_pl_date(i: INTERVAL, d: DATE) -> TIMESTAMP |_| { date_plus(d, &i)? }
    2072 date_mi_interval(d: DATE, i: INTERVAL) -> TIMESTAMP |_| { date_plus(d, &negated(&i)?)? }
    2032 timestamp_pl_interval(t: TIMESTAMP, i: INTERVAL) -> TIMESTAMP |_| { timestamp_add(t, &i)? }
    2548 interval_pl_timestamp(i: INTERVAL, t: TIMESTAMP) -> TIMESTAMP |_| { timestamp_add(t, &i)? }
    2033 timestamp_mi_interval(t: TIMESTAMP, i: INTERVAL) -> TIMESTAMP |_| { timestamp_add(t, &negated(&i)?)? }
    1189 timestamptz_pl_interval(t: TIMESTAMPTZ, i: INTERVAL) -> TIMESTAMPTZ [stable] |ctx| { timestamptz_add(t, &i, ctx.settings.time_zone)? }
    2549 interval_pl_timestamptz(i: INTERVAL, t: TIMESTAMPTZ) -> TIMESTAMPTZ [stable] |ctx| { timestamptz_add(t, &i, ctx.settings.time_zone)? }
    1190 timestamptz_mi_interval(t: TIMESTAMPTZ, i: INTERVAL) -> TIMESTAMPTZ [stable] |ctx| { timestamptz_add(t, &negated(&i)?, ctx.settings.time_zone)? }
    2031 timestamp_mi(a: TIMESTAMP, b: TIMESTAMP) -> INTERVAL |_| { timestamp_sub(a, b)? }
    1188 timestamptz_mi(a: TIMESTAMPTZ, b: TIMESTAMPTZ) -> INTERVAL |_| { timestamp_sub(a, b)? }
    1747 time_pl_interval(t: TIME, i: INTERVAL) -> TIME |_| { time_plus(t, i.micros) }
    1848 interval_pl_time(i: INTERVAL, t: TIME) -> TIME |_| { time_plus(t, i.micros) }
    1748 time_mi_interval(t: TIME, i: INTERVAL) -> TIME |_| { time_plus(t, -(i.micros % DAY_US)) }
    1690 time_mi_time(a: TIME, b: TIME) -> INTERVAL |_| { Interval { months: 0, days: 0, micros: a - b } }
    1272 datetime_pl(d: DATE, t: TIME) -> TIMESTAMP |_| { date_and_time(d, t)? }
    1296 timedate_pl(t: TIME, d: DATE) -> TIMESTAMP |_| { date_and_time(d, t)? }
    2058 age(a: TIMESTAMP, b: TIMESTAMP) -> INTERVAL |_| { datetime::age(a, b)? }
    2059 age(a: TIMESTAMP) -> INTERVAL [stable] |ctx| { datetime::age(today(ctx), a)? }
    1199 age(a: TIMESTAMPTZ, b: TIMESTAMPTZ) -> INTERVAL [stable] |ctx| {
        let zone = ctx.settings.time_zone;
        datetime::age(utc_to_local(a, zone), utc_to_local(b, zone))?
    }
    1386 age(a: TIMESTAMPTZ) -> INTERVAL [stable] |ctx| { datetime::age(today(ctx), utc_to_local(a, ctx.settings.time_zone))? }
    1373 isfinite(d: DATE) -> BOOL |_| { !datetime::is_infinite_date(d) }
    2048 isfinite(t: TIMESTAMP) -> BOOL |_| { !datetime::is_infinite(t) }
    1389 isfinite(t: TIMESTAMPTZ) -> BOOL |_| { !datetime::is_infinite(t) }
    1390 isfinite(i: INTERVAL) -> BOOL |_| { let _ = i; true }
    3846 make_date(y: INT4, m: INT4, d: INT4) -> DATE |_| { check_date(date_of(y, m, d, "date")?)? }
    3847 make_time(h: INT4, m: INT4, s: FLOAT8) -> TIME |_| { time_of(h, m, s)? }
    3461 make_timestamp(y: INT4, mo: INT4, d: INT4, h: INT4, mi: INT4, s: FLOAT8) -> TIMESTAMP |_| { make_timestamp(y, mo, d, h, mi, s)? }
    3462 make_timestamptz(y: INT4, mo: INT4, d: INT4, h: INT4, mi: INT4, s: FLOAT8) -> TIMESTAMPTZ [stable] |ctx| {
        Zone::Named(ctx.settings.time_zone).utc(make_timestamp(y, mo, d, h, mi, s)?)?
    }
    3463 make_timestamptz(y: INT4, mo: INT4, d: INT4, h: INT4, mi: INT4, s: FLOAT8, zone: TEXT) -> TIMESTAMPTZ [stable] |_| {
        Zone::named(zone)?.utc(make_timestamp(y, mo, d, h, mi, s)?)?
    }
    1158 to_timestamp(s: FLOAT8) -> TIMESTAMPTZ |_| { to_timestamp(s)? }
    1159 timezone(zone: TEXT, t: TIMESTAMPTZ) -> TIMESTAMP |_| { Zone::named(zone)?.local(t) }
    2069 timezone(zone: TEXT, t: TIMESTAMP) -> TIMESTAMPTZ |_| { Zone::named(zone)?.utc(t)? }
    1026 timezone(zone: INTERVAL, t: TIMESTAMPTZ) -> TIMESTAMP |_| { Zone::from_interval(&zone)?.local(t) }
    2070 timezone(zone: INTERVAL, t: TIMESTAMP) -> TIMESTAMPTZ |_| { Zone::from_interval(&zone)?.utc(t)? }
}

/// Whether two periods overlap, where an end may be unknown (SQL's OVERLAPS, section 8.14 of the standard).
fn overlap(mut a: (Option<i64>, Option<i64>), mut b: (Option<i64>, Option<i64>)) -> Option<bool> {
    for period in [&mut a, &mut b] {
        match *period {
            (None, None) => return None,
            (None, end) => *period = (end, None),
            (Some(start), Some(end)) if start > end => *period = (Some(end), Some(start)),
            _ => {}
        }
    }
    let ((start_a, end_a), (start_b, end_b)) = (a, b);
    let (start_a, start_b) = (start_a?, start_b?);
    let within = |later: i64, earlier_end: Option<i64>, later_end: Option<i64>| match earlier_end {
        None => None,
        Some(end) if later < end => Some(true),
        Some(_) => later_end.map(|_| false),
    };
    match start_a.cmp(&start_b) {
        std::cmp::Ordering::Greater => within(start_a, end_b, end_a),
        std::cmp::Ordering::Less => within(start_b, end_a, end_b),
        std::cmp::Ordering::Equal => (end_a.is_some() && end_b.is_some()).then_some(true),
    }
}

/// `OVERLAPS` over times, timestamps or timestamptzs (by OID), ends given or as intervals.
fn overlaps<const TY: u32>(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let [a, a_end, b, b_end] = args else {
        return Err(SqlError::internal("overlaps without four arguments"));
    };
    let point = |value: &Datum| match value {
        Datum::Int8(v) => Some(*v),
        _ => None,
    };
    let period = |start: &Datum, end: &Datum| -> Result<(Option<i64>, Option<i64>)> {
        let start = point(start);
        let end = match (start, end) {
            (None, Datum::Interval(_)) => None,
            (Some(start), Datum::Interval(i)) if TY == Type::TIME.0 => Some(time_plus(start, i.micros)),
            (Some(start), Datum::Interval(i)) if TY == Type::TIMESTAMP.0 => Some(timestamp_add(start, i)?),
            (Some(start), Datum::Interval(i)) => Some(timestamptz_add(start, i, ctx.settings.time_zone)?),
            (_, end) => point(end),
        };
        Ok((start, end))
    };
    Ok(overlap(period(a, a_end)?, period(b, b_end)?).into_datum())
}

macro_rules! overlaps {
    ($($ty:ident: $points:literal $intervals:literal $point_interval:literal $interval_point:literal;)*) => {
        /// All forms of OVERLAPS.
        pub(super) static OVERLAPS: &[Function] = &[ $(
            Function::scalar($points, "overlaps", &[Type::$ty, Type::$ty, Type::$ty, Type::$ty], Type::BOOL, overlaps::<{ Type::$ty.0 }>).lax(),
            Function::scalar($intervals, "overlaps", &[Type::$ty, Type::INTERVAL, Type::$ty, Type::INTERVAL], Type::BOOL, overlaps::<{ Type::$ty.0 }>).lax().stable(),
            Function::scalar($point_interval, "overlaps", &[Type::$ty, Type::$ty, Type::$ty, Type::INTERVAL], Type::BOOL, overlaps::<{ Type::$ty.0 }>).lax().stable(),
            Function::scalar($interval_point, "overlaps", &[Type::$ty, Type::INTERVAL, Type::$ty, Type::$ty], Type::BOOL, overlaps::<{ Type::$ty.0 }>).lax().stable(),
        )* ];
    };
}
overlaps! {
    TIMESTAMPTZ: 1304 1305 1306 1307;
    TIME: 1308 1309 1310 1311;
    TIMESTAMP: 2041 2042 2043 2044;
}

fn current_time(_: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    Err(SqlError::unsupported("type time with time zone").with_hint("Use LOCALTIME instead."))
}

/// Declared so that it is named when refused.
pub(super) static REFUSED: &[Function] =
    &[Function::scalar(0, "current_time", &[], Type::TIME, current_time).stable()];
