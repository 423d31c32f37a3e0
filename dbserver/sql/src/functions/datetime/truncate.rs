//! `date_trunc` and `date_bin`.

use super::extract::{Unit, unrecognized, unsupported};
use super::{Zone, field_overflow};
use crate::error::{Result, SqlError, sqlstate};
use crate::functions::kernel::functions;
use crate::types::Interval;
use crate::types::datetime::{
    self, DAY_US, HOUR_US, MINUTE_US, SECOND_US, check_timestamp, civil_from_days, day_of_week,
    days_from_civil,
};

/// The first year of a decade, century or millennium; centuries begin with a year 1.
fn first_year(unit: Unit, year: i64) -> i64 {
    match unit {
        Unit::Decade => year.div_euclid(10) * 10,
        Unit::Century => (year - 1).div_euclid(100) * 100 + 1,
        Unit::Millennium => (year - 1).div_euclid(1000) * 1000 + 1,
        _ => year,
    }
}

/// Truncates a local time.
fn truncate(unit: Unit, name: &str, local: i64, ty: &str) -> Result<i64> {
    let down = |to: i64| Ok(local - local.rem_euclid(to));
    let days = local.div_euclid(DAY_US);
    let date = civil_from_days(days);
    let first = match unit {
        Unit::Microsecond => return Ok(local),
        Unit::Millisecond => return down(1000),
        Unit::Second => return down(SECOND_US),
        Unit::Minute => return down(MINUTE_US),
        Unit::Hour => return down(HOUR_US),
        Unit::Day => return down(DAY_US),
        Unit::Week => days - (day_of_week(days) + 6) % 7,
        Unit::Month => days_from_civil(date.year, date.month, 1),
        Unit::Quarter => days_from_civil(date.year, (date.month - 1) / 3 * 3 + 1, 1),
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium => {
            days_from_civil(first_year(unit, date.year), 1, 1)
        }
        Unit::Epoch => return Err(unrecognized(name, ty)),
        _ => return Err(unsupported(name, ty)),
    };
    first.checked_mul(DAY_US).ok_or_else(datetime::timestamp_out_of_range).and_then(check_timestamp)
}

fn timestamp(name: &str, local: i64) -> Result<i64> {
    let ty = "timestamp without time zone";
    let unit = Unit::parse(name, ty)?;
    if datetime::is_infinite(local) { Ok(local) } else { truncate(unit, name, local, ty) }
}

/// In a zone: below a day the offset stays what it was, so that an hour shown twice stays itself.
fn timestamptz(name: &str, utc: i64, zone: &Zone) -> Result<i64> {
    let ty = "timestamp with time zone";
    let unit = Unit::parse(name, ty)?;
    if datetime::is_infinite(utc) {
        return Ok(utc);
    }
    let local = zone.local(utc);
    let cut = truncate(unit, name, local, ty)?;
    if matches!(unit, Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour) {
        return Ok(utc - (local - cut));
    }
    zone.utc(cut)
}

fn interval(name: &str, i: Interval) -> Result<Interval> {
    let unit = Unit::parse(name, "interval")?;
    let months = |of: i32| Ok(Interval { months: i.months / of * of, days: 0, micros: 0 });
    let time = |of: i64| Ok(Interval { micros: i.micros / of * of, ..i });
    match unit {
        Unit::Millennium => months(12_000),
        Unit::Century => months(1200),
        Unit::Decade => months(120),
        Unit::Year => months(12),
        Unit::Quarter => months(3),
        Unit::Month => months(1),
        Unit::Day => Ok(Interval { micros: 0, ..i }),
        Unit::Hour => time(HOUR_US),
        Unit::Minute => time(MINUTE_US),
        Unit::Second => time(SECOND_US),
        Unit::Millisecond => time(1000),
        Unit::Microsecond => Ok(i),
        Unit::Week => Err(unsupported(name, "interval").with_detail("Months usually have fractional weeks.")),
        _ => Err(unsupported(name, "interval")),
    }
}

/// The start of the bin of `stride` that holds `at`, counted from `origin`.
fn bin(stride: &Interval, at: i64, origin: i64) -> Result<i64> {
    if datetime::is_infinite(at) {
        return Ok(at);
    }
    if datetime::is_infinite(origin) {
        return Err(field_overflow("origin out of range"));
    }
    if stride.months != 0 {
        return Err(SqlError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let micros = i64::from(stride.days).checked_mul(DAY_US).and_then(|d| d.checked_add(stride.micros));
    let micros = micros.ok_or_else(|| field_overflow("interval out of range"))?;
    if micros <= 0 {
        return Err(field_overflow("stride must be greater than zero"));
    }
    let since = at.checked_sub(origin).ok_or_else(|| field_overflow("interval out of range"))?;
    origin
        .checked_add(since - since.rem_euclid(micros))
        .ok_or_else(datetime::timestamp_out_of_range)
        .and_then(check_timestamp)
}

functions! { TRUNCATES:
    2020 date_trunc(unit: TEXT, t: TIMESTAMP) -> TIMESTAMP |_| { timestamp(unit, t)? }
    1217 date_trunc(unit: TEXT, t: TIMESTAMPTZ) -> TIMESTAMPTZ [stable] |ctx| { timestamptz(unit, t, &Zone::Named(ctx.settings.time_zone))? }
    1284 date_trunc(unit: TEXT, t: TIMESTAMPTZ, zone: TEXT) -> TIMESTAMPTZ [stable] |_| { timestamptz(unit, t, &Zone::named(zone)?)? }
    1218 date_trunc(unit: TEXT, i: INTERVAL) -> INTERVAL |_| { interval(unit, i)? }
    6177 date_bin(stride: INTERVAL, t: TIMESTAMP, origin: TIMESTAMP) -> TIMESTAMP |_| { bin(&stride, t, origin)? }
    6178 date_bin(stride: INTERVAL, t: TIMESTAMPTZ, origin: TIMESTAMPTZ) -> TIMESTAMPTZ |_| { bin(&stride, t, origin)? }
}
