//! Intervals: input in PostgreSQL's verbose, SQL and ISO 8601 forms, output in the `postgres` style, arithmetic.

use super::Interval;
use super::compare::interval_micros;
use super::datetime::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, apply_precision};
use crate::error::{Result, SqlError, sqlstate};

/// 22008: `interval out of range`
pub(crate) fn out_of_range() -> SqlError {
    SqlError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

fn invalid(text: &str) -> SqlError {
    SqlError::new(
        sqlstate::INVALID_DATETIME_FORMAT,
        format!("invalid input syntax for type interval: \"{text}\""),
    )
}

fn field_overflow(text: &str) -> SqlError {
    SqlError::new(sqlstate::INTERVAL_FIELD_OVERFLOW, format!("interval field value out of range: \"{text}\""))
}

/// Sums in wide integers, so that only the end is checked.
#[derive(Clone, Copy, Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    /// So many months.
    Months(i64),
}

fn unit(word: &str) -> Option<Unit> {
    Some(match word.to_ascii_lowercase().as_str() {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" | "microsecon" => {
            Unit::Microsecond
        }
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" | "millisecon" => {
            Unit::Millisecond
        }
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Months(1),
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Months(12),
        "dec" | "decs" | "decade" | "decades" => Unit::Months(120),
        "c" | "cent" | "century" | "centuries" => Unit::Months(1200),
        "mil" | "mils" | "millennium" | "millennia" => Unit::Months(12_000),
        _ => return None,
    })
}

impl Sum {
    fn add_days(&mut self, days: f64) {
        self.days += days.trunc() as i128;
        self.micros += (days.fract() * DAY_US as f64).round_ties_even() as i128;
    }
    fn add(&mut self, whole: i64, fraction: f64, unit: Unit) {
        let time =
            |us: i64| i128::from(whole) * i128::from(us) + (fraction * us as f64).round_ties_even() as i128;
        match unit {
            Unit::Microsecond => self.micros += time(1),
            Unit::Millisecond => self.micros += time(1000),
            Unit::Second => self.micros += time(SECOND_US),
            Unit::Minute => self.micros += time(MINUTE_US),
            Unit::Hour => self.micros += time(HOUR_US),
            Unit::Day => {
                self.days += i128::from(whole);
                self.add_days(fraction);
            }
            Unit::Week => {
                self.days += i128::from(whole) * 7;
                self.add_days(fraction * 7.0);
            }
            Unit::Months(1) => {
                self.months += i128::from(whole);
                self.add_days(fraction * 30.0);
            }
            Unit::Months(n) => {
                self.months += i128::from(whole) * i128::from(n);
                self.months += (fraction * n as f64).round_ties_even() as i128;
            }
        }
    }
    fn finish(self, text: &str) -> Result<Interval> {
        let overflow = |_| field_overflow(text);
        Ok(Interval {
            months: i32::try_from(self.months).map_err(overflow)?,
            days: i32::try_from(self.days).map_err(overflow)?,
            micros: i64::try_from(self.micros).map_err(overflow)?,
        })
    }
}

/// A signed decimal: its whole part, and its fraction with the sign.
fn decimal(text: &str) -> Option<(i64, f64)> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.len() + fraction.len() == 0 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    Some(if negative { (-whole, -fraction) } else { (whole, fraction) })
}

/// `h:m`, `h:m:s.f`, `m:s.f`; hours may be many.
fn clock(text: &str, minutes_first: bool) -> Option<i128> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let parts: Vec<&str> = unsigned.split(':').collect();
    let whole = |s: &str| s.parse::<i64>().ok().filter(|_| s.bytes().all(|b| b.is_ascii_digit()));
    let (hours, minutes, seconds) = match parts.as_slice() {
        [m, s] if minutes_first || s.contains('.') => (0, whole(m)?, *s),
        [h, m] => (whole(h)?, whole(m)?, "0"),
        [h, m, s] => (whole(h)?, whole(m)?, *s),
        _ => return None,
    };
    let (second, fraction) = if seconds.is_empty() { (0, 0.0) } else { decimal(seconds)? };
    if minutes > 59 || second > 60 {
        return None;
    }
    let total = i128::from(hours) * i128::from(HOUR_US)
        + i128::from(minutes * MINUTE_US + second * SECOND_US)
        + (fraction * 1e6).round_ties_even() as i128;
    Some(if negative { -total } else { total })
}

/// Cuts a text into signed numbers, clock times, `y-m` and words.
fn tokens(text: &str) -> Option<Vec<&str>> {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let start = i;
        let first = at(i);
        let signed = matches!(first, b'+' | b'-');
        if first.is_ascii_digit() || first == b'.' || signed {
            i += usize::from(signed);
            let end = |from: usize| {
                let rest = bytes.get(from..).unwrap_or_default();
                let inside = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b':');
                from + rest.iter().position(|b| !inside(b)).unwrap_or(rest.len())
            };
            let number = end(i);
            if number == i {
                return None;
            }
            i = number;
            // `1-2`: years and months.
            if at(i) == b'-' && at(i + 1).is_ascii_digit() {
                i = end(i + 1);
            }
        } else if first.is_ascii_alphabetic() {
            while at(i).is_ascii_alphabetic() {
                i += 1;
            }
        } else if first.is_ascii_whitespace() || matches!(first, b',' | b'@') {
            i += 1;
            continue;
        } else {
            return None;
        }
        out.push(text.get(start..i)?);
    }
    Some(out)
}

/// A bit for each unit, so that none comes twice.
fn unit_bit(unit: Unit) -> u32 {
    match unit {
        Unit::Microsecond => 1,
        Unit::Millisecond => 2,
        Unit::Second => 4,
        Unit::Minute => 8,
        Unit::Hour => 16,
        Unit::Day => 32,
        Unit::Week => 64,
        Unit::Months(1) => 128,
        Unit::Months(12) => 256,
        Unit::Months(120) => 512,
        Unit::Months(1200) => 1024,
        Unit::Months(_) => 2048,
    }
}

const TIME_FIELDS: u32 = 4 | 8 | 16;

fn once(seen: &mut u32, bits: u32) -> bool {
    let fresh = *seen & bits == 0;
    *seen |= bits;
    fresh
}

fn parse_verbose(text: &str, bare: Unit, minutes_first: bool) -> Option<Sum> {
    let mut sum = Sum::default();
    let tokens = tokens(text)?;
    let mut rest = tokens.as_slice();
    let mut fields = 0;
    let mut bare_seen = false;
    let mut seen = 0;
    while let Some((&token, tail)) = rest.split_first() {
        rest = tail;
        fields += 1;
        let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
        if token.contains(':') {
            if !once(&mut seen, TIME_FIELDS) {
                return None;
            }
            sum.micros += clock(token, minutes_first)?;
            continue;
        }
        if let Some((years, months)) = unsigned.split_once('-') {
            let (years, months): (i64, i64) = (years.parse().ok()?, months.parse().ok()?);
            if months > 11 {
                return None;
            }
            if !once(&mut seen, 128) {
                return None;
            }
            let total = i128::from(years) * 12 + i128::from(months);
            sum.months += if token.starts_with('-') { -total } else { total };
            continue;
        }
        if token.starts_with(|c: char| c.is_ascii_alphabetic()) {
            if token.eq_ignore_ascii_case("ago") && rest.is_empty() && fields > 1 {
                sum = Sum { months: -sum.months, days: -sum.days, micros: -sum.micros };
                continue;
            }
            return None;
        }
        let (whole, fraction) = decimal(token)?;
        let named = rest.first().and_then(|w| unit(w));
        let unit = match (named, rest.first()) {
            (Some(unit), _) => {
                rest = rest.get(1..).unwrap_or_default();
                unit
            }
            (None, Some(next)) if next.contains(':') => Unit::Day,
            (None, None) if !bare_seen => bare,
            _ => return None,
        };
        bare_seen |= named.is_none();
        if !once(&mut seen, unit_bit(unit)) {
            return None;
        }
        sum.add(whole, fraction, unit);
    }
    (fields > 0).then_some(sum)
}

fn parse_iso(text: &str) -> Option<Sum> {
    let body = text.strip_prefix('P')?;
    let mut sum = Sum::default();
    let (date, time) = match body.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (body, None),
    };
    if date.is_empty() && time.is_none() {
        return None;
    }
    let designated = |part: &str, units: &[(char, Unit)], sum: &mut Sum| -> Option<()> {
        let mut rest = part;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let (number, tail) = rest.split_at_checked(end)?;
            let letter = tail.chars().next()?;
            let (whole, fraction) = decimal(number)?;
            sum.add(whole, fraction, units.iter().find(|u| u.0 == letter)?.1);
            rest = tail.get(1..)?;
        }
        Some(())
    };
    if date.contains(|c: char| c.is_ascii_alphabetic()) || date.is_empty() {
        let units = [('Y', Unit::Months(12)), ('M', Unit::Months(1)), ('W', Unit::Week), ('D', Unit::Day)];
        designated(date, &units, &mut sum)?;
    } else {
        let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
        let mut next = || parts.next().unwrap_or(Ok(0)).ok();
        sum.months += i128::from(next()?) * 12 + i128::from(next()?);
        sum.days += i128::from(next()?);
    }
    if let Some(time) = time {
        if time.contains(':') {
            sum.micros += clock(time, false)?;
        } else {
            let units = [('H', Unit::Hour), ('M', Unit::Minute), ('S', Unit::Second)];
            designated(time, &units, &mut sum)?;
        }
    }
    Some(sum)
}

/// Bits of the modifier's field mask.
const YEAR: i32 = 1 << 2;
const MONTH: i32 = 1 << 1;
const DAY: i32 = 1 << 3;
const HOUR: i32 = 1 << 10;
const MINUTE: i32 = 1 << 11;
const SECOND: i32 = 1 << 12;

fn mask(typmod: i32) -> i32 {
    if typmod < 0 { 0x7fff } else { (typmod >> 16) & 0x7fff }
}

/// Reads an `interval`: 22007, 22015.
pub fn parse(text: &str, typmod: i32) -> Result<Interval> {
    let trimmed = super::io::trim(text);
    let bare = match mask(typmod) {
        YEAR => Unit::Months(12),
        m if m & 0x7fff != 0x7fff && m & MONTH != 0 => Unit::Months(1),
        DAY => Unit::Day,
        m if m == HOUR || m == DAY | HOUR => Unit::Hour,
        m if m != 0x7fff && m & MINUTE != 0 && m & SECOND == 0 => Unit::Minute,
        _ => Unit::Second,
    };
    let minutes_first = mask(typmod) == MINUTE | SECOND;
    let sum = if trimmed.starts_with('P') {
        parse_iso(trimmed)
    } else {
        parse_verbose(trimmed, bare, minutes_first)
    };
    let interval = sum.ok_or_else(|| invalid(text))?.finish(text)?;
    apply_typmod(interval, typmod)
}

/// Cuts off what the modifier's fields leave out, and rounds the seconds to its precision.
pub fn apply_typmod(mut value: Interval, typmod: i32) -> Result<Interval> {
    if typmod < 0 {
        return Ok(value);
    }
    let cut = |v: i64, unit: i64| v / unit * unit;
    match mask(typmod) {
        YEAR => value = Interval { months: value.months / 12 * 12, days: 0, micros: 0 },
        m if m == MONTH || m == YEAR | MONTH => value = Interval { months: value.months, days: 0, micros: 0 },
        DAY => value.micros = 0,
        m if m & 0x7fff != 0x7fff && m & SECOND == 0 => {
            value.micros = cut(value.micros, if m & MINUTE != 0 { MINUTE_US } else { HOUR_US });
        }
        _ => {}
    }
    let precision = typmod & 0xffff;
    if precision < 6 {
        value.micros = apply_precision(value.micros, precision);
    }
    Ok(value)
}

/// Appends an interval in the `postgres` style: `1 year 2 mons 3 days 04:05:06.7`.
pub fn write(value: &Interval, out: &mut Vec<u8>) {
    let start = out.len();
    let mut before_negative = false;
    let mut part = |n: i64, name: &str, out: &mut Vec<u8>| {
        if n == 0 {
            return;
        }
        if out.len() > start {
            out.push(b' ');
        }
        if before_negative && n > 0 {
            out.push(b'+');
        }
        super::io::write_int(n, out);
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        if n != 1 {
            out.push(b's');
        }
        before_negative = n < 0;
    };
    part(i64::from(value.months / 12), "year", out);
    part(i64::from(value.months % 12), "mon", out);
    part(i64::from(value.days), "day", out);
    if out.len() > start && value.micros == 0 {
        return;
    }
    if out.len() > start {
        out.push(b' ');
    }
    if value.micros < 0 {
        out.push(b'-');
    } else if before_negative {
        out.push(b'+');
    }
    let micros = value.micros.unsigned_abs();
    let two = |n: u64, out: &mut Vec<u8>| {
        if n < 10 {
            out.push(b'0');
        }
        super::io::write_int(n as i64, out);
    };
    two(micros / HOUR_US as u64, out);
    out.push(b':');
    two(micros / MINUTE_US as u64 % 60, out);
    out.push(b':');
    let seconds = micros / SECOND_US as u64 % 60;
    two(seconds, out);
    let fraction = format!("{:06}", micros % SECOND_US as u64);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

impl Interval {
    /// `self + other`, field by field; 22008.
    pub fn checked_add(&self, other: &Self) -> Result<Self> {
        let sum = || {
            Some(Self {
                months: self.months.checked_add(other.months)?,
                days: self.days.checked_add(other.days)?,
                micros: self.micros.checked_add(other.micros)?,
            })
        };
        sum().ok_or_else(out_of_range)
    }
    /// `-self`; 22008.
    pub fn checked_neg(&self) -> Result<Self> {
        let negated = || {
            Some(Self {
                months: self.months.checked_neg()?,
                days: self.days.checked_neg()?,
                micros: self.micros.checked_neg()?,
            })
        };
        negated().ok_or_else(out_of_range)
    }
    /// `self - other`; 22008.
    pub fn checked_sub(&self, other: &Self) -> Result<Self> {
        let difference = || {
            Some(Self {
                months: self.months.checked_sub(other.months)?,
                days: self.days.checked_sub(other.days)?,
                micros: self.micros.checked_sub(other.micros)?,
            })
        };
        difference().ok_or_else(out_of_range)
    }
    /// `self * factor`: fractions of months become days, of days microseconds (PostgreSQL's `interval_mul`). 22008.
    pub fn checked_mul(&self, factor: f64) -> Result<Self> {
        self.scale(|x| x * factor)
    }
    /// `self / divisor`; 22012, 22008.
    pub fn checked_div(&self, divisor: f64) -> Result<Self> {
        if divisor == 0.0 {
            return Err(SqlError::new(sqlstate::DIVISION_BY_ZERO, "division by zero"));
        }
        self.scale(|x| x / divisor)
    }
    fn scale(&self, f: impl Fn(f64) -> f64) -> Result<Self> {
        // PostgreSQL rounds what it cascades to microseconds: TSROUND.
        let round = |x: f64| (x * 1e6).round_ties_even() / 1e6;
        let fits = |x: f64| x.is_finite() && x.abs() < 2_147_483_648.0;
        let (months, days) = (f(f64::from(self.months)), f(f64::from(self.days)));
        if !fits(months) || !fits(days) {
            return Err(out_of_range());
        }
        let (whole_months, whole_days) = (months.trunc(), days.trunc());
        let month_days = round((months - whole_months) * 30.0);
        let mut cascade = round((days - whole_days + month_days - month_days.trunc()) * 86_400.0);
        let mut total_days = whole_days + month_days.trunc();
        if cascade.abs() >= 86_400.0 {
            let more = (cascade / 86_400.0).trunc();
            total_days += more;
            cascade -= more * 86_400.0;
        }
        let micros = (f(self.micros as f64) + cascade * 1e6).round_ties_even();
        if !fits(total_days) || micros.is_nan() || micros.abs() >= i64::MAX as f64 {
            return Err(out_of_range());
        }
        Ok(Self { months: whole_months as i32, days: total_days as i32, micros: micros as i64 })
    }
    /// 24 hours as a day: SQL's `justify_hours`.
    #[must_use]
    pub fn justify_hours(&self) -> Self {
        let mut days = i64::from(self.days) + self.micros / DAY_US;
        let mut micros = self.micros % DAY_US;
        if days > 0 && micros < 0 {
            micros += DAY_US;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= DAY_US;
            days += 1;
        }
        Self { months: self.months, days: days as i32, micros }
    }
    /// 30 days as a month: SQL's `justify_days`.
    #[must_use]
    pub fn justify_days(&self) -> Self {
        let (mut months, mut days) = (self.months.saturating_add(self.days / 30), self.days % 30);
        if months > 0 && days < 0 {
            days += 30;
            months -= 1;
        } else if months < 0 && days > 0 {
            days -= 30;
            months += 1;
        }
        Self { months, days, micros: self.micros }
    }
    /// Its length with 24-hour days and 30-day months, in microseconds: what intervals compare by.
    pub fn length_micros(&self) -> i128 {
        interval_micros(self)
    }
}
