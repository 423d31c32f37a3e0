//! Reading dates and times: the manual's appendix B.
//!
//! The text is cut into fields (numbers, dates with separators, clock times, zone offsets, words), and each is taken for
//! what it must be given what came before: `8` after a month name is a day, `2000` is a year, a word is a
//! month, a zone, AM or BC.

use super::zone::{abbreviation_offset, find_zone};
use super::{
    DATE_INFINITY, DATE_NEG_INFINITY, DAY_US, EPOCH_JULIAN, HOUR_US, MINUTE_US, SECOND_US,
    TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, UNIX_EPOCH_DAYS, apply_precision, check_date,
    check_timestamp, days_from_civil, days_in_month, local_to_utc, timestamp_out_of_range, utc_to_local,
};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::{DateOrder, EvalSettings};
use chrono_tz::Tz;

/// Why a text is no date or time.
#[derive(Debug)]
enum Failure {
    Syntax,
    /// Where another order of day and month might do.
    MonthDay,
    Field,
    Displacement,
    Zone(String),
}

type Parse<T> = std::result::Result<T, Failure>;

fn error(failure: &Failure, type_name: &str, text: &str) -> SqlError {
    let field = || {
        SqlError::new(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            format!("date/time field value out of range: \"{text}\""),
        )
    };
    match failure {
        Failure::Syntax => SqlError::new(
            sqlstate::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        ),
        Failure::MonthDay => field().with_hint("Perhaps you need a different \"datestyle\" setting."),
        Failure::Field => field(),
        Failure::Displacement => SqlError::new(
            sqlstate::INVALID_TIME_ZONE_DISPLACEMENT,
            format!("time zone displacement out of range: \"{text}\""),
        ),
        Failure::Zone(name) => {
            SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized"))
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Digits, perhaps with a fraction.
    Number,
    /// Digits or a month name with `-`, `/` or `.` between.
    Date,
    /// Digits with `:` between.
    Time,
    /// `+` or `-` and digits.
    Offset,
    Word,
}

fn run(text: &str, start: usize, ok: impl Fn(u8) -> bool) -> usize {
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    start.saturating_add(rest.iter().position(|b| !ok(*b)).unwrap_or(rest.len()))
}

/// Cuts a text into its fields.
fn fields(text: &str) -> Parse<Vec<(Kind, &str)>> {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let start = i;
        let first = at(i);
        let kind = if first.is_ascii_digit() || (first == b'.' && at(i + 1).is_ascii_digit()) {
            i = run(text, i, |b| b.is_ascii_digit());
            match at(i) {
                b':' => {
                    i = run(text, i, |b| b.is_ascii_digit() || b == b':' || b == b'.');
                    Kind::Time
                }
                d @ (b'-' | b'/' | b'.') if at(i + 1).is_ascii_digit() => {
                    let second = run(text, i + 1, |b| b.is_ascii_digit());
                    if at(second) == d && at(second + 1).is_ascii_alphanumeric() || d != b'.' {
                        i = run(text, i, |b| b.is_ascii_digit() || b == d);
                        Kind::Date
                    } else {
                        i = second;
                        Kind::Number
                    }
                }
                d @ (b'-' | b'/' | b'.') if at(i + 1).is_ascii_alphabetic() => {
                    i = run(text, i, |b| b.is_ascii_alphanumeric() || b == d);
                    Kind::Date
                }
                b'.' => {
                    i += 1;
                    Kind::Number
                }
                _ => Kind::Number,
            }
        } else if first.is_ascii_alphabetic() {
            i = run(text, i, |b| b.is_ascii_alphabetic());
            let next = at(i);
            let is_month = month(&text.get(start..i).unwrap_or_default().to_ascii_lowercase()).is_some();
            if is_month && matches!(next, b'-' | b'/' | b'.') && at(i + 1).is_ascii_digit() {
                i = run(text, i, |b| b.is_ascii_digit() || b == next);
                Kind::Date
            } else if matches!(next, b'/' | b'_') && at(i + 1).is_ascii_alphanumeric()
                || (next.is_ascii_digit() && i - start >= 3 && !is_month)
            {
                i = run(text, i, |b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+'));
                Kind::Word
            } else {
                Kind::Word
            }
        } else if matches!(first, b'+' | b'-') {
            i = run(text, i + 1, |b| b == b' ');
            if at(i).is_ascii_digit() {
                i = run(text, i, |b| b.is_ascii_digit() || b == b':' || b == b'.');
                Kind::Offset
            } else if at(i).is_ascii_alphabetic() {
                i = run(text, i, |b| b.is_ascii_alphabetic());
                Kind::Word
            } else {
                return Err(Failure::Syntax);
            }
        } else if first.is_ascii_whitespace() || first == b'\x0b' || first.is_ascii_punctuation() {
            i += 1;
            continue;
        } else {
            return Err(Failure::Syntax);
        };
        if out.len() >= 25 {
            return Err(Failure::Syntax);
        }
        out.push((kind, text.get(start..i).unwrap_or_default()));
    }
    Ok(out)
}

fn month(word: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let at = MONTHS.iter().position(|m| *m == word || (m.get(..3) == Some(word)))?;
    Some(at as i64 + 1)
}

fn month_or_sept(word: &str) -> Option<i64> {
    if word == "sept" { Some(9) } else { month(word) }
}

fn is_day_of_week(word: &str) -> bool {
    const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    DAYS.iter().any(|d| *d == word || d.get(..3) == Some(word))
        || matches!(word, "tues" | "wednes" | "thur" | "thurs")
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Zone {
    Named(Tz),
    /// Seconds east.
    Fixed(i64),
}

/// What is known so far.
#[derive(Debug, Default)]
struct Fields {
    year: Option<(i64, bool)>,
    month: Option<i64>,
    day: Option<i64>,
    text_month: bool,
    /// A date as days, by a Julian number or `today`.
    days: Option<i64>,
    day_of_year: Option<i64>,
    /// Microseconds since midnight.
    time: Option<i64>,
    hour_12: Option<bool>,
    zone: Option<Zone>,
    bc: bool,
    instant: Option<i64>,
    infinity: Option<bool>,
}

/// `.5` as microseconds, rounded.
fn fraction_micros(digits: &str) -> Parse<i64> {
    if digits.is_empty() {
        return Ok(0);
    }
    let value: f64 = format!("0.{digits}").parse().map_err(|_| Failure::Syntax)?;
    Ok((value * 1e6).round_ties_even() as i64)
}

/// `h:m`, `h:m:s`, `h:m:s.f`
pub(crate) fn clock(text: &str) -> Option<(i64, i64, i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let mut number = |optional: bool| match parts.next() {
        Some(p) if !p.is_empty() && p.len() < 10 => p.parse::<i64>().ok(),
        None if optional => Some(0),
        _ => None,
    };
    let (h, m, s) = (number(false)?, number(false)?, number(true)?);
    if parts.next().is_some() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((h, m, s, fraction_micros(fraction).ok()?))
}

fn time_of(h: i64, m: i64, s: i64, micros: i64) -> Parse<i64> {
    let total = h * HOUR_US + m * MINUTE_US + s * SECOND_US + micros;
    if m > 59 || s > 60 || h > 24 || total > DAY_US { Err(Failure::Field) } else { Ok(total) }
}

fn offset(text: &str) -> Parse<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.get(1..).unwrap_or_default().trim_start();
    let number = |s: &str| s.parse::<i64>().map_err(|_| Failure::Syntax);
    let parts: Vec<&str> = digits.split(':').collect();
    let (h, m, s) = match parts.as_slice() {
        [all] if all.len() > 2 => match all.split_at_checked(all.len() - 2) {
            Some((h, m)) if h.len() > 2 => {
                let (h, m2) = h.split_at_checked(h.len() - 2).unwrap_or((h, "0"));
                (number(h)?, number(m2)?, number(m)?)
            }
            Some((h, m)) => (number(h)?, number(m)?, 0),
            None => return Err(Failure::Syntax),
        },
        [h] => (number(h)?, 0, 0),
        [h, m] => (number(h)?, number(m)?, 0),
        [h, m, s] => (number(h)?, number(m)?, number(s)?),
        _ => return Err(Failure::Syntax),
    };
    if h > 15 || m > 59 || s > 59 {
        return Err(Failure::Displacement);
    }
    Ok(sign * (h * 3600 + m * 60 + s))
}

impl Fields {
    fn has_date(&self) -> bool {
        self.days.is_some()
            || self.day_of_year.is_some()
            || (self.year.is_some() && self.month.is_some() && self.day.is_some())
    }
    fn set_year(&mut self, digits: &str) -> Parse<()> {
        let year = digits.parse().map_err(|_| Failure::Field)?;
        match self.year.replace((year, digits.len() <= 2)) {
            None => Ok(()),
            Some(_) => Err(Failure::Syntax),
        }
    }
    /// A number that is a part of a date.
    fn date_number(&mut self, digits: &str, order: DateOrder) -> Parse<()> {
        let value: i64 = digits.parse().map_err(|_| Failure::Field)?;
        let wide = digits.len() >= 3;
        match (self.year.is_some(), self.month.is_some(), self.day.is_some()) {
            (true, false, false) if digits.len() == 3 => self.day_of_year = Some(value),
            (false, false, false) if wide || order == DateOrder::Ymd => self.set_year(digits)?,
            (false, false, false) if order == DateOrder::Dmy => self.day = Some(value),
            (false, false, _) | (true, false, _) => self.month = Some(value),
            (false, true, false) if self.text_month && (wide || order == DateOrder::Ymd) => {
                self.set_year(digits)?;
            }
            // `1 Feb 2003` where years come first: what was taken for the year was the day.
            (true, true, false) if self.text_month && wide && self.year.is_some_and(|y| y.1) => {
                self.day = self.year.replace((value, false)).map(|y| y.0);
            }
            (_, true, false) => self.day = Some(value),
            (false, true, true) => self.set_year(digits)?,
            (true, true, true) => return Err(Failure::Syntax),
        }
        Ok(())
    }
    fn date(&mut self, text: &str, order: DateOrder) -> Parse<()> {
        if self.year.is_some() || self.day.is_some() || self.days.is_some() || self.month.is_some() {
            return Err(Failure::Syntax);
        }
        let parts: Vec<&str> = text.split(['-', '/', '.']).filter(|p| !p.is_empty()).collect();
        if parts.len() > 3 {
            return Err(Failure::Syntax);
        }
        // A month name first, so that the numbers know.
        for part in &parts {
            if part.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let number = month_or_sept(&part.to_ascii_lowercase()).ok_or(Failure::Syntax)?;
                if self.month.replace(number).is_some() {
                    return Err(Failure::Syntax);
                }
                self.text_month = true;
            }
        }
        for part in parts.iter().filter(|p| !p.starts_with(|c: char| c.is_ascii_alphabetic())) {
            self.date_number(part, order)?;
        }
        if self.has_date() { Ok(()) } else { Err(Failure::Syntax) }
    }
    /// Digits without separators.
    fn number(&mut self, text: &str, order: DateOrder, after_t: bool) -> Parse<()> {
        let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
        let has_fraction = text.contains('.');
        let cut = |from: usize, to: usize| -> Parse<i64> {
            digits.get(from..to).and_then(|d| d.parse().ok()).ok_or(Failure::Syntax)
        };
        if self.time.is_none() && (self.has_date() || after_t) {
            let (h, m, s) = match digits.len() {
                6 => (cut(0, 2)?, cut(2, 4)?, cut(4, 6)?),
                4 if !has_fraction => (cut(0, 2)?, cut(2, 4)?, 0),
                _ => return Err(Failure::Syntax),
            };
            self.time = Some(time_of(h, m, s, fraction_micros(fraction)?)?);
            return Ok(());
        }
        if has_fraction {
            // `1999.008`: year and day of the year.
            if self.year.is_none() && self.month.is_none() && digits.len() >= 4 && fraction.len() == 3 {
                self.set_year(digits)?;
                self.day_of_year = fraction.parse().ok();
                return Ok(());
            }
            return Err(Failure::Syntax);
        }
        let fresh = self.year.is_none() && self.month.is_none() && self.day.is_none() && self.days.is_none();
        match digits.len() {
            8 if fresh => {
                self.set_year(digits.get(..4).unwrap_or_default())?;
                (self.month, self.day) = (Some(cut(4, 6)?), Some(cut(6, 8)?));
            }
            6 if fresh => {
                self.set_year(digits.get(..2).unwrap_or_default())?;
                (self.month, self.day) = (Some(cut(2, 4)?), Some(cut(4, 6)?));
            }
            7 if fresh => {
                self.set_year(digits.get(..4).unwrap_or_default())?;
                self.day_of_year = Some(cut(4, 7)?);
            }
            5 if fresh => {
                self.set_year(digits.get(..2).unwrap_or_default())?;
                self.day_of_year = Some(cut(2, 5)?);
            }
            _ => self.date_number(digits, order)?,
        }
        Ok(())
    }
    fn word(&mut self, text: &str, s: &EvalSettings) -> Parse<()> {
        let lower = text.to_ascii_lowercase();
        let today =
            |shift: i64| Some(utc_to_local(s.transaction_time, s.time_zone).div_euclid(DAY_US) + shift);
        if let Some(number) = month_or_sept(&lower) {
            self.text_month = true;
            // `8 Jan`: the 8 was taken for a month.
            if let Some(earlier) = self.month.replace(number) {
                if self.day.is_some() {
                    return Err(Failure::Syntax);
                }
                self.day = Some(earlier);
            }
            return Ok(());
        }
        match lower.as_str() {
            "am" | "pm" => {
                self.hour_12 = Some(lower == "pm");
                return Ok(());
            }
            "bc" | "ad" => {
                self.bc = lower == "bc";
                return Ok(());
            }
            "at" | "on" | "dst" => return Ok(()),
            "now" => {
                self.instant = Some(s.transaction_time);
                return Ok(());
            }
            "today" | "tomorrow" | "yesterday" => {
                self.days = match lower.as_str() {
                    "today" => today(0),
                    "tomorrow" => today(1),
                    _ => today(-1),
                };
                return Ok(());
            }
            "allballs" => {
                self.time = Some(0);
                self.zone = Some(Zone::Fixed(0));
                return Ok(());
            }
            "epoch" => {
                self.instant = Some(-UNIX_EPOCH_DAYS * DAY_US);
                return Ok(());
            }
            "infinity" | "+infinity" | "inf" | "+inf" | "-infinity" | "-inf" => {
                self.infinity = Some(!lower.starts_with('-'));
                return Ok(());
            }
            _ => {}
        }
        if is_day_of_week(&lower) {
            return Ok(());
        }
        if self.zone.is_some() {
            return Err(Failure::Syntax);
        }
        // Abbreviations before names, as in PostgreSQL: EST is a fixed offset.
        self.zone = Some(match abbreviation_offset(&lower) {
            Some(seconds) => Zone::Fixed(seconds),
            None => match find_zone(text) {
                Some(zone) => Zone::Named(zone),
                None if lower.contains(['/', '_']) => return Err(Failure::Zone(lower)),
                None => return Err(Failure::Syntax),
            },
        });
        Ok(())
    }
    /// Days since 2000-01-01.
    fn date_value(&self) -> Parse<i64> {
        if let Some(days) = self.days {
            return Ok(days);
        }
        let (mut year, two_digits) = self.year.ok_or(Failure::Syntax)?;
        if self.bc {
            if year <= 0 {
                return Err(Failure::Field);
            }
            year = 1 - year;
        } else if two_digits {
            if year < 70 {
                year += 2000;
            } else if year < 100 {
                year += 1900;
            }
        } else if year <= 0 {
            return Err(Failure::Field);
        }
        if !(-4714..=5_874_898).contains(&year) {
            return Err(Failure::Field);
        }
        if let Some(day) = self.day_of_year {
            let length = if days_in_month(year, 2) == 29 { 366 } else { 365 };
            if !(1..=length).contains(&day) {
                return Err(Failure::Field);
            }
            return Ok(days_from_civil(year, 1, 1) + day - 1);
        }
        let (Some(month), Some(day)) = (self.month, self.day) else { return Err(Failure::Syntax) };
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(Failure::MonthDay);
        }
        if day > days_in_month(year, month) {
            return Err(Failure::Field);
        }
        Ok(days_from_civil(year, month, day))
    }
    fn time_value(&self) -> Parse<Option<i64>> {
        let Some(time) = self.time else { return Ok(None) };
        Ok(Some(match self.hour_12 {
            None => time,
            Some(_) if time / HOUR_US > 12 => return Err(Failure::Field),
            Some(true) if time / HOUR_US != 12 => time + 12 * HOUR_US,
            Some(false) if time / HOUR_US == 12 => time - 12 * HOUR_US,
            Some(_) => time,
        }))
    }
}

fn decode(text: &str, s: &EvalSettings) -> Parse<Fields> {
    let mut out = Fields::default();
    let mut after_t = false;
    let mut julian = false;
    for (kind, field) in fields(text)? {
        let was_t = std::mem::take(&mut after_t);
        if std::mem::take(&mut julian) {
            let (whole, fraction) = field.split_once('.').unwrap_or((field, ""));
            if kind != Kind::Number || out.has_date() {
                return Err(Failure::Syntax);
            }
            out.days = Some(whole.parse::<i64>().map_err(|_| Failure::Field)? - EPOCH_JULIAN);
            if !fraction.is_empty() {
                let part: f64 = format!("0.{fraction}").parse().map_err(|_| Failure::Syntax)?;
                out.time = Some((part * DAY_US as f64).round() as i64);
            }
            continue;
        }
        match kind {
            Kind::Date => out.date(field, s.date_order)?,
            Kind::Time => {
                let (h, m, sec, micros) = clock(field).ok_or(Failure::Syntax)?;
                if out.time.replace(time_of(h, m, sec, micros)?).is_some() {
                    return Err(Failure::Syntax);
                }
            }
            Kind::Offset if out.time.is_some() && out.zone.is_none() => {
                out.zone = Some(Zone::Fixed(offset(field)?));
            }
            Kind::Offset => return Err(Failure::Syntax),
            Kind::Number => out.number(field, s.date_order, was_t)?,
            Kind::Word if field.eq_ignore_ascii_case("t") => after_t = true,
            Kind::Word if matches!(field, "j" | "J" | "jd" | "JD") => julian = true,
            Kind::Word => out.word(field, s)?,
        }
    }
    if after_t || julian {
        return Err(Failure::Syntax);
    }
    Ok(out)
}

/// A local time and the zone that came with it, an instant, or an infinity.
enum Stamp {
    Local(i64, Option<Zone>),
    Instant(i64),
    Infinity(bool),
}

fn stamp(text: &str, s: &EvalSettings) -> Parse<Stamp> {
    let fields = decode(text, s)?;
    if let Some(positive) = fields.infinity {
        return Ok(Stamp::Infinity(positive));
    }
    if let Some(instant) = fields.instant {
        return Ok(Stamp::Instant(instant));
    }
    let days = fields.date_value()?;
    let time = fields.time_value()?.unwrap_or(0);
    if fields.hour_12.is_some() && fields.time.is_none() {
        return Err(Failure::Syntax);
    }
    let micros = days.checked_mul(DAY_US).and_then(|d| d.checked_add(time)).ok_or(Failure::Field)?;
    Ok(Stamp::Local(micros, fields.zone))
}

fn infinity(positive: bool) -> i64 {
    if positive { TIMESTAMP_INFINITY } else { TIMESTAMP_NEG_INFINITY }
}

fn range_error(text: &str) -> SqlError {
    let error = timestamp_out_of_range();
    SqlError::new(error.sqlstate(), format!("timestamp out of range: \"{text}\""))
}

/// Reads a `timestamp` (a zone in it is ignored): 22007, 22008.
pub fn parse_timestamp(text: &str, typmod: i32, s: &EvalSettings) -> Result<i64> {
    let micros = match stamp(text, s).map_err(|e| error(&e, "timestamp", text))? {
        Stamp::Infinity(positive) => return Ok(infinity(positive)),
        // `epoch` is the same in every zone for a timestamp, `now` is local.
        Stamp::Instant(instant) if instant == -UNIX_EPOCH_DAYS * DAY_US => instant,
        Stamp::Instant(instant) => utc_to_local(instant, s.time_zone),
        Stamp::Local(micros, _) => micros,
    };
    check_timestamp(apply_precision(micros, typmod)).map_err(|_| range_error(text))
}

/// Reads a `timestamptz` (in the session's zone where it has none): 22007, 22008.
pub fn parse_timestamptz(text: &str, typmod: i32, s: &EvalSettings) -> Result<i64> {
    let micros = match stamp(text, s).map_err(|e| error(&e, "timestamp with time zone", text))? {
        Stamp::Infinity(positive) => return Ok(infinity(positive)),
        Stamp::Instant(instant) => instant,
        Stamp::Local(micros, Some(Zone::Fixed(seconds))) => micros.saturating_sub(seconds * SECOND_US),
        Stamp::Local(micros, Some(Zone::Named(zone))) => local_to_utc(micros, zone),
        Stamp::Local(micros, None) => local_to_utc(micros, s.time_zone),
    };
    check_timestamp(apply_precision(micros, typmod)).map_err(|_| range_error(text))
}

/// Reads a `date`: 22007, 22008.
pub fn parse_date(text: &str, s: &EvalSettings) -> Result<i32> {
    let fail = |e: Failure| error(&e, "date", text);
    let fields = decode(text, s).map_err(fail)?;
    if let Some(positive) = fields.infinity {
        return Ok(if positive { DATE_INFINITY } else { DATE_NEG_INFINITY });
    }
    let days = match fields.instant {
        Some(instant) if instant == -UNIX_EPOCH_DAYS * DAY_US => -UNIX_EPOCH_DAYS,
        Some(instant) => utc_to_local(instant, s.time_zone).div_euclid(DAY_US),
        None => {
            fields.time_value().map_err(fail)?;
            fields.date_value().map_err(fail)?
        }
    };
    check_date(days).map_err(|e| SqlError::new(e.sqlstate(), format!("date out of range: \"{text}\"")))
}

/// Reads a `time`: 22007, 22008. A date and a zone in it are ignored.
pub fn parse_time(text: &str, typmod: i32, s: &EvalSettings) -> Result<i64> {
    let fail = |e: Failure| error(&e, "time", text);
    let mut fields = match decode(text, s) {
        Ok(fields) => fields,
        // Digits alone are a clock time here.
        Err(failure) => decode(&format!("T{}", text.trim()), s).map_err(|_| fail(failure))?,
    };
    if fields.time.is_none()
        && fields.instant.is_none()
        && text.trim().bytes().all(|b| b.is_ascii_digit() || b == b'.')
    {
        fields = decode(&format!("T{}", text.trim()), s).map_err(fail)?;
    }
    let time = match fields.instant {
        Some(instant) => utc_to_local(instant, s.time_zone).rem_euclid(DAY_US),
        None => fields.time_value().map_err(fail)?.ok_or_else(|| fail(Failure::Syntax))?,
    };
    if fields.infinity.is_some() {
        return Err(fail(Failure::Syntax));
    }
    Ok(apply_precision(time, typmod))
}
