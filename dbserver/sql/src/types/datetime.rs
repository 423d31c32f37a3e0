//! Dates, times and time stamps, as PostgreSQL has them: days and microseconds from 2000-01-01 in the proleptic
//! Gregorian calendar, with infinities at the ends of the integers.
//!
//! - `parse`: the input forms of the manual's appendix B
//! - `format`: ISO output
//! - `zone`: time zones, by the IANA database (chrono-tz) and PostgreSQL's abbreviations
//! - here: the calendar, arithmetic with intervals, precision

mod format;
mod parse;
mod zone;

pub use format::{write_date, write_time, write_timestamp, write_timestamptz};
pub use parse::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
pub(crate) use zone::abbreviation_offset;
pub use zone::{abbreviation, find_zone, local_to_utc, offset_at, utc_to_local};

use super::Interval;
use crate::error::{Result, SqlError, sqlstate};
use chrono_tz::Tz;

/// Microseconds of a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds of a minute.
pub const MINUTE_US: i64 = 60 * SECOND_US;
/// Microseconds of an hour.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// Microseconds of a day.
pub const DAY_US: i64 = 24 * HOUR_US;
/// Julian day of 2000-01-01.
pub const EPOCH_JULIAN: i64 = 2_451_545;
/// Days from 1970-01-01 to 2000-01-01.
pub const UNIX_EPOCH_DAYS: i64 = 10_957;
/// `-infinity` and `infinity` of date.
pub const DATE_NEG_INFINITY: i32 = i32::MIN;
/// See [`DATE_NEG_INFINITY`].
pub const DATE_INFINITY: i32 = i32::MAX;
/// `-infinity` and `infinity` of timestamp and timestamptz.
pub const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;
/// See [`TIMESTAMP_NEG_INFINITY`].
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// The first time stamp: 4714-11-24 00:00 BC.
pub const TIMESTAMP_MIN: i64 = -211_813_488_000_000_000;
/// The first that is too late: 294277-01-01.
pub const TIMESTAMP_END: i64 = 9_223_371_331_200_000_000;
/// The first date, and the first that is too late (5874898-01-01).
const DATE_MIN: i64 = -EPOCH_JULIAN;
const DATE_END: i64 = 2_147_483_494 - EPOCH_JULIAN;

/// 22008: `timestamp out of range`
pub fn timestamp_out_of_range() -> SqlError {
    SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// A calendar date; year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year; 0 is 1 BC, -1 is 2 BC.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

/// Days since 2000-01-01 of a date (Howard Hinnant's `days_from_civil`). The day may be any.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468 - UNIX_EPOCH_DAYS
}

/// The date of a number of days since 2000-01-01.
pub fn civil_from_days(days: i64) -> Civil {
    let days = days + UNIX_EPOCH_DAYS + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Civil { year: year + era * 400 + i64::from(month <= 2), month, day }
}

/// Days of a month.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 0 is Sunday.
pub fn day_of_week(days: i64) -> i64 {
    (days + 6).rem_euclid(7)
}

/// ISO 8601 year and week of a day.
pub fn iso_week(days: i64) -> (i64, i64) {
    // The week's Thursday decides its year.
    let thursday = days + 3 - (days + 5).rem_euclid(7);
    let year = civil_from_days(thursday).year;
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// A time stamp's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The date.
    pub date: Civil,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// Microseconds of the second.
    pub micro: i64,
}

/// Splits a (local) time stamp.
pub fn split_timestamp(micros: i64) -> Parts {
    let time = micros.rem_euclid(DAY_US);
    Parts {
        date: civil_from_days(micros.div_euclid(DAY_US)),
        hour: time / HOUR_US,
        minute: time / MINUTE_US % 60,
        second: time / SECOND_US % 60,
        micro: time % SECOND_US,
    }
}

/// Whether a time stamp is one of the infinities.
pub fn is_infinite(micros: i64) -> bool {
    micros == TIMESTAMP_INFINITY || micros == TIMESTAMP_NEG_INFINITY
}

/// Whether a date is one of the infinities.
pub fn is_infinite_date(days: i32) -> bool {
    days == DATE_INFINITY || days == DATE_NEG_INFINITY
}

/// 22008 outside PostgreSQL's range.
pub fn check_timestamp(micros: i64) -> Result<i64> {
    if (TIMESTAMP_MIN..TIMESTAMP_END).contains(&micros) { Ok(micros) } else { Err(timestamp_out_of_range()) }
}

/// 22008 (`date out of range`) outside PostgreSQL's range.
pub fn check_date(days: i64) -> Result<i32> {
    if (DATE_MIN..DATE_END).contains(&days) {
        Ok(days as i32)
    } else {
        Err(SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range"))
    }
}

/// Midnight of a date.
pub fn date_to_timestamp(days: i32) -> Result<i64> {
    match days {
        DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
        DATE_NEG_INFINITY => Ok(TIMESTAMP_NEG_INFINITY),
        _ => match i64::from(days).checked_mul(DAY_US).filter(|t| *t < TIMESTAMP_END) {
            Some(micros) => Ok(micros),
            None => Err(SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range for timestamp")),
        },
    }
}

/// The date of a (local) time stamp.
pub fn timestamp_to_date(micros: i64) -> i32 {
    match micros {
        TIMESTAMP_INFINITY => DATE_INFINITY,
        TIMESTAMP_NEG_INFINITY => DATE_NEG_INFINITY,
        _ => micros.div_euclid(DAY_US) as i32,
    }
}

/// Rounds to `precision` digits of the second (the type modifier; -1 for none), half away from zero as PostgreSQL.
pub fn apply_precision(micros: i64, precision: i32) -> i64 {
    if !(0..6).contains(&precision) || is_infinite(micros) {
        return micros;
    }
    let unit = 10i64.pow(6 - precision as u32);
    let half = unit / 2;
    if micros >= 0 {
        micros.saturating_add(half) / unit * unit
    } else {
        -(half.saturating_sub(micros) / unit * unit)
    }
}

/// `timestamp + interval`: months, then days, then microseconds; the day is cut to its month's end. 22008.
pub fn timestamp_add(micros: i64, interval: &Interval) -> Result<i64> {
    if is_infinite(micros) {
        return Ok(micros);
    }
    let mut result = micros;
    if interval.months != 0 {
        let parts = split_timestamp(result);
        let months = parts.date.year * 12 + parts.date.month - 1 + i64::from(interval.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let days = days_from_civil(year, month, parts.date.day.min(days_in_month(year, month)));
        let midnight = days.checked_mul(DAY_US).ok_or_else(timestamp_out_of_range)?;
        result = midnight.checked_add(result.rem_euclid(DAY_US)).ok_or_else(timestamp_out_of_range)?;
    }
    i64::from(interval.days)
        .checked_mul(DAY_US)
        .and_then(|d| result.checked_add(d))
        .and_then(|r| r.checked_add(interval.micros))
        .ok_or_else(timestamp_out_of_range)
        .and_then(check_timestamp)
}

/// `timestamptz + interval`: months and days in local time, so that a day may have 23 hours. 22008.
pub fn timestamptz_add(micros: i64, interval: &Interval, zone: Tz) -> Result<i64> {
    if is_infinite(micros) {
        return Ok(micros);
    }
    let mut result = micros;
    if interval.months != 0 || interval.days != 0 {
        let calendar = Interval { micros: 0, ..*interval };
        result = local_to_utc(timestamp_add(utc_to_local(result, zone), &calendar)?, zone);
    }
    check_timestamp(result.checked_add(interval.micros).ok_or_else(timestamp_out_of_range)?)
}

/// `timestamp - timestamp`: days and microseconds. 22008 for infinities.
pub fn timestamp_sub(a: i64, b: i64) -> Result<Interval> {
    if is_infinite(a) || is_infinite(b) {
        return Err(SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "cannot subtract infinite timestamps"));
    }
    let micros = a.checked_sub(b).ok_or_else(super::interval::out_of_range)?;
    Ok(Interval { months: 0, days: (micros / DAY_US) as i32, micros: micros % DAY_US })
}

/// `age(a, b)` of local time stamps: years, months and days by the calendar. 22008 for infinities, for which PostgreSQL 15
/// gives a number of no meaning.
pub fn age(a: i64, b: i64) -> Result<Interval> {
    if is_infinite(a) || is_infinite(b) {
        return Err(timestamp_out_of_range());
    }
    let negative = a < b;
    let (later, earlier) = if negative { (b, a) } else { (a, b) };
    let (x, y) = (split_timestamp(later), split_timestamp(earlier));
    let mut micros = later.rem_euclid(DAY_US) - earlier.rem_euclid(DAY_US);
    let mut days = x.date.day - y.date.day;
    let mut months = (x.date.year - y.date.year) * 12 + x.date.month - y.date.month;
    if micros < 0 {
        micros += DAY_US;
        days -= 1;
    }
    while days < 0 {
        // Borrows the length of the earlier date's month.
        days += days_in_month(y.date.year, y.date.month);
        months -= 1;
    }
    let sign = if negative { -1 } else { 1 };
    Ok(Interval { months: (months * sign) as i32, days: (days * sign) as i32, micros: micros * sign })
}
