//! Arithmetic of intervals: months, days and microseconds each by themselves, fractions handed down.

use super::field_overflow;
use crate::error::{Result, SqlError};
use crate::functions::kernel::{division_by_zero, functions};
use crate::types::Interval;
use crate::types::datetime::DAY_US;

const DAYS_PER_MONTH: i32 = 30;

fn out_of_range() -> SqlError {
    field_overflow("interval out of range")
}

/// The sum; 22008 where a field overflows.
pub(crate) fn interval_add(a: Interval, b: Interval) -> Result<Interval> {
    let sum = || {
        Some(Interval {
            months: a.months.checked_add(b.months)?,
            days: a.days.checked_add(b.days)?,
            micros: a.micros.checked_add(b.micros)?,
        })
    };
    sum().ok_or_else(out_of_range)
}

/// The negative.
pub(super) fn negate(a: Interval) -> Result<Interval> {
    let negated = || {
        Some(Interval {
            months: a.months.checked_neg()?,
            days: a.days.checked_neg()?,
            micros: a.micros.checked_neg()?,
        })
    };
    negated().ok_or_else(out_of_range)
}

/// Rounds seconds or days to microseconds' precision, to drop the noise of division.
fn round_micro(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

fn whole(value: f64) -> Result<i32> {
    if (-2_147_483_648.0..2_147_483_648.0).contains(&value) { Ok(value as i32) } else { Err(out_of_range()) }
}

/// Each field scaled; what is left of a month becomes days, what is left of a day becomes time.
fn scale(a: Interval, by: impl Fn(f64) -> f64) -> Result<Interval> {
    let (months, days) = (by(f64::from(a.months)), by(f64::from(a.days)));
    let whole_months = whole(months)?;
    let mut whole_days = whole(days)?;
    let month_days = round_micro((months - f64::from(whole_months)) * f64::from(DAYS_PER_MONTH));
    let mut seconds =
        round_micro((days - f64::from(whole_days) + month_days - month_days.trunc()) * 86_400.0);
    if seconds.abs() >= 86_400.0 {
        let extra = (seconds / 86_400.0).trunc();
        whole_days = whole_days.checked_add(extra as i32).ok_or_else(out_of_range)?;
        seconds -= extra * 86_400.0;
    }
    whole_days = whole_days.checked_add(month_days as i32).ok_or_else(out_of_range)?;
    let micros = (by(a.micros as f64) + seconds * 1e6).round_ties_even();
    // 2^63 and beyond do not fit.
    if !(i64::MIN as f64..i64::MAX as f64).contains(&micros) {
        return Err(out_of_range());
    }
    Ok(Interval { months: whole_months, days: whole_days, micros: micros as i64 })
}

fn multiply(a: Interval, factor: f64) -> Result<Interval> {
    scale(a, |field| field * factor)
}

/// The interval divided; 22012 by zero.
pub(crate) fn interval_divide(a: Interval, by: f64) -> Result<Interval> {
    if by == 0.0 {
        return Err(division_by_zero());
    }
    scale(a, |field| field / by)
}

/// Gives days and time the same sign.
fn align_time(i: &mut Interval) {
    if i.days > 0 && i.micros < 0 {
        i.micros += DAY_US;
        i.days -= 1;
    } else if i.days < 0 && i.micros > 0 {
        i.micros -= DAY_US;
        i.days += 1;
    }
}

fn carry_hours(i: &mut Interval) -> Result<()> {
    let days = i32::try_from(i.micros / DAY_US).map_err(|_| out_of_range())?;
    i.micros %= DAY_US;
    i.days = i.days.checked_add(days).ok_or_else(out_of_range)?;
    Ok(())
}

fn carry_days(i: &mut Interval) -> Result<()> {
    let months = i.days / DAYS_PER_MONTH;
    i.days %= DAYS_PER_MONTH;
    i.months = i.months.checked_add(months).ok_or_else(out_of_range)?;
    Ok(())
}

fn justify_hours(mut i: Interval) -> Result<Interval> {
    carry_hours(&mut i)?;
    align_time(&mut i);
    Ok(i)
}

fn justify_days(mut i: Interval) -> Result<Interval> {
    carry_days(&mut i)?;
    if i.months > 0 && i.days < 0 {
        i.days += DAYS_PER_MONTH;
        i.months -= 1;
    } else if i.months < 0 && i.days > 0 {
        i.days -= DAYS_PER_MONTH;
        i.months += 1;
    }
    Ok(i)
}

fn justify_interval(mut i: Interval) -> Result<Interval> {
    carry_hours(&mut i)?;
    carry_days(&mut i)?;
    if i.months > 0 && (i.days < 0 || (i.days == 0 && i.micros < 0)) {
        i.days += DAYS_PER_MONTH;
        i.months -= 1;
    } else if i.months < 0 && (i.days > 0 || (i.days == 0 && i.micros > 0)) {
        i.days -= DAYS_PER_MONTH;
        i.months += 1;
    }
    align_time(&mut i);
    Ok(i)
}

fn make(
    years: i32,
    months: i32,
    weeks: i32,
    days: i32,
    hours: i32,
    minutes: i32,
    seconds: f64,
) -> Result<Interval> {
    let micros = (seconds * 1e6).round_ties_even();
    let fields = || {
        if micros.is_nan() || micros.abs() > 9.2e18 {
            return None;
        }
        let time = i64::from(hours) * 3600 + i64::from(minutes) * 60;
        Some(Interval {
            months: years.checked_mul(12)?.checked_add(months)?,
            days: weeks.checked_mul(7)?.checked_add(days)?,
            micros: time.checked_mul(1_000_000)?.checked_add(micros as i64)?,
        })
    };
    fields().ok_or_else(out_of_range)
}

functions! { INTERVALS:
    1169 interval_pl(a: INTERVAL, b: INTERVAL) -> INTERVAL |_| { interval_add(a, b)? }
    1170 interval_mi(a: INTERVAL, b: INTERVAL) -> INTERVAL |_| {
        let difference = || Some(Interval { months: a.months.checked_sub(b.months)?, days: a.days.checked_sub(b.days)?, micros: a.micros.checked_sub(b.micros)? });
        difference().ok_or_else(out_of_range)?
    }
    1168 interval_um(a: INTERVAL) -> INTERVAL |_| { negate(a)? }
    1618 interval_mul(a: INTERVAL, by: FLOAT8) -> INTERVAL |_| { multiply(a, by)? }
    1624 mul_d_interval(by: FLOAT8, a: INTERVAL) -> INTERVAL |_| { multiply(a, by)? }
    1326 interval_div(a: INTERVAL, by: FLOAT8) -> INTERVAL |_| { interval_divide(a, by)? }
    1175 justify_hours(i: INTERVAL) -> INTERVAL |_| { justify_hours(i)? }
    1295 justify_days(i: INTERVAL) -> INTERVAL |_| { justify_days(i)? }
    2711 justify_interval(i: INTERVAL) -> INTERVAL |_| { justify_interval(i)? }
    3464 make_interval(y: INT4, mo: INT4, w: INT4, d: INT4, h: INT4, mi: INT4, s: FLOAT8) -> INTERVAL |_| { make(y, mo, w, d, h, mi, s)? }
    3464 make_interval(y: INT4, mo: INT4, w: INT4, d: INT4, h: INT4, mi: INT4) -> INTERVAL |_| { make(y, mo, w, d, h, mi, 0.0)? }
    3464 make_interval(y: INT4, mo: INT4, w: INT4, d: INT4, h: INT4) -> INTERVAL |_| { make(y, mo, w, d, h, 0, 0.0)? }
    3464 make_interval(y: INT4, mo: INT4, w: INT4, d: INT4) -> INTERVAL |_| { make(y, mo, w, d, 0, 0, 0.0)? }
    3464 make_interval(y: INT4, mo: INT4, w: INT4) -> INTERVAL |_| { make(y, mo, w, 0, 0, 0, 0.0)? }
    3464 make_interval(y: INT4, mo: INT4) -> INTERVAL |_| { make(y, mo, 0, 0, 0, 0, 0.0)? }
    3464 make_interval(y: INT4) -> INTERVAL |_| { make(y, 0, 0, 0, 0, 0, 0.0)? }
    3464 make_interval() -> INTERVAL |_| { Interval::default() }
}
