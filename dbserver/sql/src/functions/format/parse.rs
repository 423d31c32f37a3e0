//! Reading dates and times by a template.

use super::date_template::{DAYS, MONTHS, Piece, ROMAN, pieces};
use crate::error::{Result, SqlError, sqlstate};
use crate::types::datetime::{
    self, DAY_US, EPOCH_JULIAN, SECOND_US, check_date, check_timestamp, days_from_civil, days_in_month,
};
use chrono_tz::Tz;

/// What was read; none where the template has no such field.
#[derive(Default)]
struct Found {
    year: Option<i64>,
    century: Option<i64>,
    bc: bool,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week_of_month: Option<i64>,
    week: Option<i64>,
    julian: Option<i64>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    hour: i64,
    twelve: bool,
    pm: Option<bool>,
    minute: i64,
    second: i64,
    micro: i64,
    seconds_of_day: Option<i64>,
    zone_sign: i64,
    zone_hour: Option<i64>,
    zone_minute: i64,
}

fn format_error(message: String) -> SqlError {
    SqlError::new(sqlstate::INVALID_DATETIME_FORMAT, message)
}

/// Most digits of a numeric pattern; none for others.
fn digits(name: &str) -> Option<usize> {
    Some(match name {
        "HH" | "HH12" | "HH24" | "MI" | "SS" | "MM" | "DD" | "WW" | "IW" | "CC" | "YY" | "IY" | "TZH"
        | "TZM" => 2,
        "DDD" | "IDDD" | "MS" | "YYY" | "IYY" => 3,
        "YYYY" | "IYYY" => 4,
        "SSSS" | "SSSSS" => 5,
        "US" => 6,
        "D" | "ID" | "W" | "Q" | "Y" | "I" => 1,
        "J" => 8,
        "FF1" => 1,
        "FF2" => 2,
        "FF3" => 3,
        "FF4" => 4,
        "FF5" => 5,
        "FF6" => 6,
        _ => return None,
    })
}

fn spaces(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_whitespace())
}

fn is_separator(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphanumeric() && !c.is_ascii_control() && c != '"'
}

/// Reads a number: as many digits as there are where something else follows, else as many as its pattern has.
/// Gives the number and how many digits it had.
fn number<'t>(text: &'t str, name: &str, most: usize, greedy: bool) -> Result<(i64, usize, &'t str)> {
    let signed = greedy && text.starts_with(['-', '+']);
    let body = if signed { text.get(1..).unwrap_or_default() } else { text };
    let all = body.bytes().take_while(u8::is_ascii_digit).count();
    let taken = if greedy { all } else { all.min(most) };
    let (digits, rest) = body.split_at_checked(taken).unwrap_or((body, ""));
    if !greedy && body.len() < most {
        return Err(format_error(format!("source string too short for \"{name}\" formatting field"))
            .with_detail(format!("Field requires {most} characters, but only {} remain.", body.len()))
            .with_hint("If your source string is not fixed-width, try using the \"FM\" modifier."));
    }
    if taken == 0 || (!greedy && taken < most) {
        let shown: String = text.chars().take(most).collect();
        let error = format_error(format!("invalid value \"{shown}\" for \"{name}\""));
        return Err(if taken == 0 {
            error.with_detail("Value must be an integer.")
        } else {
            error
                .with_detail(format!("Field requires {most} characters, but only {taken} could be parsed."))
                .with_hint("If your source string is not fixed-width, try using the \"FM\" modifier.")
        });
    }
    let value: i64 = digits.parse().ok().filter(|v: &i64| *v <= i64::from(i32::MAX)).ok_or_else(|| {
        SqlError::new(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            format!("value for \"{name}\" in source string is out of range"),
        )
    })?;
    Ok((if signed && text.starts_with('-') { -value } else { value }, taken, rest))
}

/// Finds which of `names` the text begins with, in any case; the longest.
fn name<'t>(text: &'t str, names: &[&str], short: Option<usize>, field: &str) -> Result<(i64, &'t str)> {
    let mut best: Option<(usize, usize)> = None;
    for (index, full) in names.iter().enumerate() {
        let wanted = short.map_or(*full, |n| full.get(..n).unwrap_or(full));
        let fits = text.get(..wanted.len()).is_some_and(|head| head.eq_ignore_ascii_case(wanted));
        if fits && best.is_none_or(|(length, _)| wanted.len() > length) {
            best = Some((wanted.len(), index));
        }
    }
    match best {
        Some((length, index)) => Ok((index as i64, text.get(length..).unwrap_or_default())),
        None => {
            let word: String = text.chars().take_while(|c| !c.is_whitespace()).collect();
            Err(format_error(format!("invalid value \"{word}\" for \"{field}\""))
                .with_detail("The given value did not match any of the allowed values for this field."))
        }
    }
}

/// A year of two or three digits is taken for the one next to 2020.
fn near_2020(year: i64, digits: usize) -> i64 {
    match year {
        _ if digits >= 4 || year < 0 => year,
        0..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}

fn read(text: &str, template: &str) -> Result<Found> {
    let mut found = Found { zone_sign: 1, ..Found::default() };
    let pieces = pieces(template);
    let mut rest = spaces(text);
    let mut following = pieces.iter().skip(1);
    for piece in &pieces {
        let next = following.next();
        match piece {
            Piece::Literal(c, quoted) => {
                if !quoted && (is_separator(*c) || c.is_whitespace()) {
                    // One separator of any kind, with space around it.
                    let trimmed = spaces(rest);
                    rest = match trimmed.chars().next() {
                        Some(found)
                            if is_separator(found)
                                && !matches!(
                                    (found, next),
                                    ('-' | '+', Some(Piece::Field { name: "TZH", .. }))
                                ) =>
                        {
                            trimmed.get(1..).unwrap_or_default()
                        }
                        _ => trimmed,
                    };
                } else {
                    let mut chars = rest.chars();
                    chars.next();
                    rest = chars.as_str();
                }
            }
            Piece::Field { name: field, written, bare, .. } => {
                rest = spaces(rest);
                let greedy = *bare
                    || match next {
                        None => true,
                        Some(Piece::Literal(c, _)) => !c.is_ascii_digit(),
                        Some(Piece::Field { name, .. }) => digits(name).is_none(),
                    };
                rest = one(&mut found, field, written, greedy, rest)?;
                if let Piece::Field { ordinal: Some(_), .. } = piece {
                    rest = rest.get(2..).unwrap_or_default();
                }
            }
        }
    }
    Ok(found)
}

fn one<'t>(found: &mut Found, field: &str, written: &str, greedy: bool, text: &'t str) -> Result<&'t str> {
    match field {
        "AM" | "PM" | "A.M." | "P.M." => {
            let names: &[&str] = if field.contains('.') { &["A.M.", "P.M."] } else { &["AM", "PM"] };
            let (index, rest) = name(text, names, None, written)?;
            found.pm = Some(index == 1);
            found.twelve = true;
            return Ok(rest);
        }
        "AD" | "BC" | "A.D." | "B.C." => {
            let names: &[&str] = if field.contains('.') { &["A.D.", "B.C."] } else { &["AD", "BC"] };
            let (index, rest) = name(text, names, None, written)?;
            found.bc = index == 1;
            return Ok(rest);
        }
        "MONTH" | "MON" | "RM" => {
            let names: &[&str] = if field == "RM" { &ROMAN } else { &MONTHS };
            let (index, rest) = name(text, names, (field == "MON").then_some(3), written)?;
            found.month = Some(index + 1);
            return Ok(rest);
        }
        "DAY" | "DY" => {
            let (_, rest) = name(text, &DAYS, (field == "DY").then_some(3), written)?;
            return Ok(rest);
        }
        "TZ" | "OF" => {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("formatting field \"{field}\" is only supported in to_char"),
            ));
        }
        "FX" => return Ok(text),
        "Y,YYY" => {
            let (thousands, _, rest) = number(text, written, 4, true)?;
            let (units, _, rest) = number(rest.strip_prefix(',').unwrap_or(rest), written, 3, false)?;
            found.year = Some(thousands * 1000 + units);
            return Ok(rest);
        }
        "TZH" => {
            let (sign, text) = match text.chars().next() {
                Some('-') => (-1, text.get(1..).unwrap_or_default()),
                Some('+' | ' ') => (1, text.get(1..).unwrap_or_default()),
                _ => (1, text),
            };
            let (hours, _, rest) = number(text, written, 2, greedy)?;
            found.zone_sign = sign;
            found.zone_hour = Some(hours);
            return Ok(rest);
        }
        _ => {}
    }
    let most = digits(field).unwrap_or(2);
    let (value, length, rest) = number(text, written, most, greedy)?;
    let fraction = |digits: usize| {
        let cut = value.to_string().chars().take(6).collect::<String>().parse::<i64>().unwrap_or(0);
        let have = if length > 6 { 6 } else { length.max(1) };
        let _ = digits;
        cut * 10i64.pow(6u32.saturating_sub(have as u32))
    };
    match field {
        "HH" | "HH12" => {
            found.twelve = true;
            found.hour = value;
        }
        "HH24" => found.hour = value,
        "MI" => found.minute = value,
        "SS" => found.second = value,
        "SSSS" | "SSSSS" => found.seconds_of_day = Some(value),
        "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => found.micro = fraction(most),
        "MM" => found.month = Some(value),
        "DD" => found.day = Some(value),
        "DDD" => found.day_of_year = Some(value),
        "D" | "Q" => {}
        "ID" => found.iso_day = Some(value),
        "WW" => found.week = Some(value),
        "W" => found.week_of_month = Some(value),
        "IW" => found.iso_week = Some(value),
        "CC" => found.century = Some(value),
        "YYYY" => found.year = Some(value),
        "YYY" | "YY" | "Y" => found.year = Some(near_2020(value, length)),
        "IYYY" => found.iso_year = Some(value),
        "IYY" | "IY" | "I" => found.iso_year = Some(near_2020(value, length)),
        "J" => found.julian = Some(value),
        "TZM" => found.zone_minute = value,
        _ => {}
    }
    Ok(rest)
}

fn out_of_range(text: &str) -> SqlError {
    SqlError::new(
        sqlstate::DATETIME_FIELD_OVERFLOW,
        format!("date/time field value out of range: \"{text}\""),
    )
}

impl Found {
    /// Days since 2000-01-01. What the template does not name is that of 0001-01-01 BC's new year.
    fn days(&self, text: &str) -> Result<i64> {
        if let Some(julian) = self.julian {
            return Ok(julian - EPOCH_JULIAN);
        }
        if let Some(year) = self.iso_year {
            let (week, day) = (self.iso_week.unwrap_or(1), self.iso_day.unwrap_or(1));
            // The 4th of January is always in week 1.
            let fourth = days_from_civil(year, 1, 4);
            let monday = fourth - (datetime::day_of_week(fourth) + 6) % 7;
            return Ok(monday + (week - 1) * 7 + (day - 1));
        }
        let mut year = match (self.year, self.century) {
            (Some(year), Some(century)) if year < 100 => (century - 1) * 100 + year,
            (Some(year), _) => year,
            (None, Some(century)) => (century - 1) * 100 + 1,
            (None, None) => 0,
        };
        if self.bc && year > 0 {
            year = 1 - year;
        } else if year < 0 {
            year += 1;
        }
        if let Some(day) = self.day_of_year.or(self.week.map(|w| (w - 1) * 7 + 1)) {
            if !(1..=366).contains(&day) {
                return Err(out_of_range(text));
            }
            return Ok(days_from_civil(year, 1, 1) + day - 1);
        }
        let month = self.month.unwrap_or(1);
        let day = self.day.or(self.week_of_month.map(|w| (w - 1) * 7 + 1)).unwrap_or(1);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return Err(out_of_range(text));
        }
        Ok(days_from_civil(year, month, day))
    }
    /// Microseconds of the day.
    fn time(&self, text: &str) -> Result<i64> {
        let mut hour = self.hour;
        if self.twelve {
            if !(1..=12).contains(&hour) {
                return Err(format_error(format!("hour \"{hour}\" is invalid for the 12-hour clock"))
                    .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            match self.pm {
                Some(true) if hour < 12 => hour += 12,
                Some(false) if hour == 12 => hour = 0,
                _ => {}
            }
        }
        let seconds = match self.seconds_of_day {
            Some(seconds) => seconds,
            None => {
                let (minute, second) = (self.minute, self.second);
                if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
                    return Err(out_of_range(text));
                }
                hour * 3600 + minute * 60 + second
            }
        };
        if !(0..86_400).contains(&seconds) {
            return Err(out_of_range(text));
        }
        Ok(seconds * SECOND_US + self.micro)
    }
}

/// `to_date`
pub(super) fn date(text: &str, template: &str) -> Result<i32> {
    let found = read(text, template)?;
    found.time(text)?;
    check_date(found.days(text)?)
}

/// `to_timestamp(text, text)`
pub(super) fn timestamp(text: &str, template: &str, zone: Tz) -> Result<i64> {
    let found = read(text, template)?;
    let time = found.time(text)?;
    let local = found.days(text)?.checked_mul(DAY_US).and_then(|d| d.checked_add(time));
    let local = local.ok_or_else(datetime::timestamp_out_of_range)?;
    check_timestamp(match found.zone_hour {
        None => datetime::local_to_utc(local, zone),
        Some(hours) => {
            let seconds = found.zone_sign * (hours * 3600 + found.zone_minute * 60);
            local.saturating_sub(seconds * SECOND_US)
        }
    })
}
