//! `extract` (numeric) and `date_part` (double precision).

use crate::error::{Result, SqlError};
use crate::functions::kernel::{functions, invalid_parameter};
use crate::session::EvalContext;
use crate::types::datetime::{
    self, Civil, DAY_US, EPOCH_JULIAN, HOUR_US, MINUTE_US, Parts, SECOND_US, days_from_civil, split_timestamp,
};
use crate::types::{Interval, Numeric};

/// A unit of time, by any of its names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Julian,
    Epoch,
    Zone,
    ZoneHour,
    ZoneMinute,
}

impl Unit {
    /// The unit of a name; 22023 for unknown ones.
    pub(super) fn parse(name: &str, ty: &str) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds"
            | "microsecon" => Unit::Microsecond,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds"
            | "millisecon" => Unit::Millisecond,
            "second" | "seconds" | "s" | "sec" | "secs" => Unit::Second,
            "minute" | "minutes" | "m" | "min" | "mins" => Unit::Minute,
            "hour" | "hours" | "h" | "hr" | "hrs" => Unit::Hour,
            "day" | "days" | "d" => Unit::Day,
            "week" | "weeks" | "w" => Unit::Week,
            "month" | "months" | "mon" | "mons" => Unit::Month,
            "quarter" | "qtr" => Unit::Quarter,
            "year" | "years" | "y" | "yr" | "yrs" => Unit::Year,
            "decade" | "decades" | "dec" | "decs" => Unit::Decade,
            "century" | "centuries" | "c" | "cent" => Unit::Century,
            "millennium" | "millennia" | "mil" | "mils" => Unit::Millennium,
            "dow" => Unit::DayOfWeek,
            "isodow" => Unit::IsoDayOfWeek,
            "doy" => Unit::DayOfYear,
            "isoyear" => Unit::IsoYear,
            "julian" | "jd" | "j" => Unit::Julian,
            "epoch" => Unit::Epoch,
            "timezone" => Unit::Zone,
            "timezone_hour" | "timezone_h" => Unit::ZoneHour,
            "timezone_minute" | "timezone_m" => Unit::ZoneMinute,
            _ => return Err(unrecognized(name, ty)),
        })
    }
}

/// 22023 for no unit at all.
pub(super) fn unrecognized(name: &str, ty: &str) -> SqlError {
    invalid_parameter(format!("unit \"{}\" not recognized for type {ty}", name.to_ascii_lowercase()))
}

/// 0A000 for a unit that a type does not have.
pub(super) fn unsupported(name: &str, ty: &str) -> SqlError {
    SqlError::new(
        crate::error::sqlstate::FEATURE_NOT_SUPPORTED,
        format!("unit \"{}\" not supported for type {ty}", name.to_ascii_lowercase()),
    )
}

fn whole(value: i64) -> Numeric {
    Numeric::from(value)
}

/// A year as people count: there is no year 0.
fn counted(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

fn of_year(unit: Unit, year: i64) -> Option<i64> {
    Some(match unit {
        Unit::Year => counted(year),
        Unit::Decade if year >= 0 => year / 10,
        Unit::Decade => -((8 - (year - 1)) / 10),
        Unit::Century if year > 0 => (year + 99) / 100,
        Unit::Century => -((99 - (year - 1)) / 100),
        Unit::Millennium if year > 0 => (year + 999) / 1000,
        Unit::Millennium => -((999 - (year - 1)) / 1000),
        _ => return None,
    })
}

/// What a calendar date says of a unit.
fn of_date(unit: Unit, days: i64, date: Civil) -> Option<i64> {
    Some(match unit {
        Unit::Day => date.day,
        Unit::Month => date.month,
        Unit::Quarter => (date.month - 1) / 3 + 1,
        Unit::Week => datetime::iso_week(days).1,
        Unit::IsoYear => counted(datetime::iso_week(days).0),
        Unit::DayOfWeek => datetime::day_of_week(days),
        Unit::IsoDayOfWeek => match datetime::day_of_week(days) {
            0 => 7,
            day => day,
        },
        Unit::DayOfYear => days - days_from_civil(date.year, 1, 1) + 1,
        unit => return of_year(unit, date.year),
    })
}

fn of_seconds(unit: Unit, second: i64, micro: i64) -> Option<Numeric> {
    let micros = second * SECOND_US + micro;
    Some(match unit {
        Unit::Microsecond => whole(micros),
        Unit::Millisecond => Numeric::new(micros, 3),
        Unit::Second => Numeric::new(micros, 6),
        _ => return None,
    })
}

fn of_timestamp(unit: Unit, local: i64) -> Result<Option<Numeric>> {
    let Parts { date, hour, minute, second, micro } = split_timestamp(local);
    let days = local.div_euclid(DAY_US);
    Ok(Some(match unit {
        Unit::Hour => whole(hour),
        Unit::Minute => whole(minute),
        Unit::Microsecond | Unit::Millisecond | Unit::Second => {
            return Ok(of_seconds(unit, second, micro));
        }
        Unit::Julian => {
            let part = whole(local.rem_euclid(DAY_US)).div(&whole(DAY_US))?;
            whole(days + EPOCH_JULIAN).add(&part)?
        }
        Unit::Epoch => epoch(local),
        unit => return Ok(of_date(unit, days, date).map(whole)),
    }))
}

/// Seconds since 1970, with microseconds.
fn epoch(micros: i64) -> Numeric {
    Numeric::from_i128(i128::from(micros) + i128::from(super::EPOCH_SHIFT_US), 6)
}

/// Of an infinity: infinite for what grows for ever, null for what goes round.
fn of_infinity(unit: Unit, positive: bool) -> Option<Numeric> {
    let grows = matches!(
        unit,
        Unit::Year
            | Unit::Decade
            | Unit::Century
            | Unit::Millennium
            | Unit::Julian
            | Unit::IsoYear
            | Unit::Epoch
    );
    grows.then_some(if positive { Numeric::INFINITY } else { Numeric::NEG_INFINITY })
}

const DATE: &str = "date";
const TIME: &str = "time without time zone";
const TIMESTAMP: &str = "timestamp without time zone";
const TIMESTAMPTZ: &str = "timestamp with time zone";
const INTERVAL: &str = "interval";

fn from_date(name: &str, days: i32) -> Result<Option<Numeric>> {
    let unit = Unit::parse(name, DATE)?;
    if datetime::is_infinite_date(days) {
        return Ok(of_infinity(unit, days > 0));
    }
    let days = i64::from(days);
    match unit {
        Unit::Julian => Ok(Some(whole(days + EPOCH_JULIAN))),
        Unit::Epoch => Ok(Some(whole((days + datetime::UNIX_EPOCH_DAYS) * 86_400))),
        unit => match of_date(unit, days, datetime::civil_from_days(days)) {
            Some(value) => Ok(Some(whole(value))),
            None => Err(unsupported(name, DATE)),
        },
    }
}

fn from_time(name: &str, time: i64) -> Result<Option<Numeric>> {
    let unit = Unit::parse(name, TIME)?;
    let value = match unit {
        Unit::Hour => Some(whole(time / HOUR_US)),
        Unit::Minute => Some(whole(time / MINUTE_US % 60)),
        Unit::Epoch => Some(Numeric::new(time, 6)),
        unit => of_seconds(unit, time / SECOND_US % 60, time % SECOND_US),
    };
    value.map(Some).ok_or_else(|| unsupported(name, TIME))
}

fn from_timestamp(name: &str, local: i64) -> Result<Option<Numeric>> {
    let unit = Unit::parse(name, TIMESTAMP)?;
    if matches!(unit, Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute) {
        return Err(unsupported(name, TIMESTAMP));
    }
    if datetime::is_infinite(local) {
        return Ok(of_infinity(unit, local > 0));
    }
    of_timestamp(unit, local)
}

fn from_timestamptz(name: &str, utc: i64, ctx: &EvalContext<'_>) -> Result<Option<Numeric>> {
    let unit = Unit::parse(name, TIMESTAMPTZ)?;
    if datetime::is_infinite(utc) {
        return Ok(of_infinity(unit, utc > 0));
    }
    let offset = datetime::offset_at(utc, ctx.settings.time_zone);
    match unit {
        Unit::Epoch => Ok(Some(epoch(utc))),
        Unit::Zone => Ok(Some(whole(offset))),
        Unit::ZoneHour => Ok(Some(whole(offset / 3600))),
        Unit::ZoneMinute => Ok(Some(whole(offset % 3600 / 60))),
        unit => of_timestamp(unit, utc.saturating_add(offset * SECOND_US)),
    }
}

fn from_interval(name: &str, i: &Interval) -> Result<Option<Numeric>> {
    let unit = Unit::parse(name, INTERVAL)?;
    let (months, time) = (i64::from(i.months), i.micros);
    let value = match unit {
        Unit::Hour => whole(time / HOUR_US),
        Unit::Minute => whole(time / MINUTE_US % 60),
        Unit::Microsecond | Unit::Millisecond | Unit::Second => {
            return Ok(of_seconds(unit, time / SECOND_US % 60, time % SECOND_US));
        }
        Unit::Day => whole(i64::from(i.days)),
        Unit::Month => whole(months % 12),
        Unit::Quarter => whole(months % 12 / 3 + 1),
        Unit::Year => whole(months / 12),
        Unit::Decade => whole(months / 120),
        Unit::Century => whole(months / 1200),
        Unit::Millennium => whole(months / 12_000),
        Unit::Epoch => {
            // A year has 365.25 days and a month 30: in quarters of a day, these are whole.
            let quarters = 1461 * (months / 12) + 120 * (months % 12) + 4 * i64::from(i.days);
            Numeric::from_i128(i128::from(quarters) * 21_600 * 1_000_000 + i128::from(time), 6)
        }
        _ => return Err(unsupported(name, INTERVAL)),
    };
    Ok(Some(value))
}

fn float(value: Option<Numeric>) -> Option<f64> {
    value.map(|v| v.to_f64())
}

functions! { EXTRACTS:
    6199 extract(unit: TEXT, d: DATE) -> NUMERIC |_| { from_date(unit, d)? }
    6200 extract(unit: TEXT, t: TIME) -> NUMERIC |_| { from_time(unit, t)? }
    6202 extract(unit: TEXT, t: TIMESTAMP) -> NUMERIC |_| { from_timestamp(unit, t)? }
    6203 extract(unit: TEXT, t: TIMESTAMPTZ) -> NUMERIC [stable] |ctx| { from_timestamptz(unit, t, ctx)? }
    6204 extract(unit: TEXT, i: INTERVAL) -> NUMERIC |_| { from_interval(unit, &i)? }
    1384 date_part(unit: TEXT, d: DATE) -> FLOAT8 |_| {
        // As a timestamp, so that hours are there.
        float(if datetime::is_infinite_date(d) { from_date(unit, d)? } else { from_timestamp(unit, datetime::date_to_timestamp(d)?)? })
    }
    1385 date_part(unit: TEXT, t: TIME) -> FLOAT8 |_| { float(from_time(unit, t)?) }
    2021 date_part(unit: TEXT, t: TIMESTAMP) -> FLOAT8 |_| { float(from_timestamp(unit, t)?) }
    1171 date_part(unit: TEXT, t: TIMESTAMPTZ) -> FLOAT8 [stable] |ctx| { float(from_timestamptz(unit, t, ctx)?) }
    1172 date_part(unit: TEXT, i: INTERVAL) -> FLOAT8 |_| { float(from_interval(unit, &i)?) }
}
