//! Templates of dates and times, and writing by them.

use crate::error::{Result, SqlError};
use crate::types::datetime::{EPOCH_JULIAN, day_of_week, days_from_civil, iso_week};

/// What a template is filled from.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub micro: i64,
    /// Days since 2000-01-01; none for intervals.
    pub days: Option<i64>,
    /// Abbreviation and seconds east of UTC, where there is a zone.
    pub zone: Option<(String, i64)>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// One character that stands for itself; quoted or not.
    Literal(char, bool),
    /// A pattern.
    Field {
        /// Its name in capitals.
        name: &'static str,
        /// As it was written, for its case.
        written: String,
        /// `FM`: without padding.
        bare: bool,
        /// `TH` or `th` follows.
        ordinal: Option<bool>,
    },
}

/// All patterns, longer ones before their prefixes.
static NAMES: &[&str] = &[
    "Y,YYY", "MONTH", "SSSSS", "HH12", "HH24", "IDDD", "IYYY", "SSSS", "YYYY", "A.D.", "A.M.", "B.C.",
    "P.M.", "DAY", "DDD", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "IYY", "MON", "TZH", "TZM", "YYY", "AD",
    "AM", "BC", "CC", "DD", "DY", "FX", "HH", "ID", "IW", "IY", "MI", "MM", "MS", "OF", "PM", "RM", "SS",
    "TZ", "US", "WW", "YY", "D", "I", "J", "Q", "W", "Y",
];

/// English names of months.
pub(super) static MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// English names of days.
pub(super) static DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Roman numbers of months.
pub(super) static ROMAN: [&str; 12] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

/// Takes a template apart.
pub(super) fn pieces(template: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = template;
    'next: while let Some(c) = rest.chars().next() {
        if c == '"' {
            let mut chars = rest.chars();
            chars.next();
            while let Some(c) = chars.next().filter(|c| *c != '"') {
                let c = if c == '\\' { chars.next().unwrap_or(c) } else { c };
                out.push(Piece::Literal(c, true));
            }
            rest = chars.as_str();
            continue;
        }
        if let Some(after) = rest.strip_prefix("\\\"") {
            out.push(Piece::Literal('"', false));
            rest = after;
            continue;
        }
        let mut bare = false;
        let mut at = rest;
        while let Some(after) = strip(at, "FM").or_else(|| strip(at, "TM")) {
            bare |= strip(at, "FM").is_some();
            at = after;
        }
        for name in NAMES {
            if let Some(after) = strip(at, name) {
                let written = at.chars().take(name.len()).collect();
                let ordinal = match (after.strip_prefix("TH"), after.strip_prefix("th")) {
                    (Some(_), _) => Some(true),
                    (_, Some(_)) => Some(false),
                    _ => None,
                };
                rest = if ordinal.is_some() { after.get(2..).unwrap_or_default() } else { after };
                out.push(Piece::Field { name, written, bare, ordinal });
                continue 'next;
            }
        }
        // A prefix without a pattern is dropped; anything else stands for itself.
        if at.len() < rest.len() {
            rest = at;
            continue;
        }
        out.push(Piece::Literal(c, false));
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// A name in the case its pattern is written in.
fn cased(name: &str, written: &str) -> String {
    let mut letters = written.chars().filter(char::is_ascii_alphabetic);
    let upper = |c: Option<char>| c.is_some_and(|c| c.is_ascii_uppercase());
    match (upper(letters.next()), upper(letters.next())) {
        (true, true) => name.to_uppercase(),
        (true, false) => name.to_owned(),
        _ => name.to_lowercase(),
    }
}

/// `st`, `nd`, `rd` or `th`.
pub(super) fn ordinal(digits: &str) -> &'static str {
    let teen = digits.len() > 1 && digits.get(digits.len() - 2..).is_some_and(|d| d.starts_with('1'));
    match digits.bytes().last() {
        _ if teen => "th",
        Some(b'1') => "st",
        Some(b'2') => "nd",
        Some(b'3') => "rd",
        _ => "th",
    }
}

fn padded(value: i64, width: usize, bare: bool) -> String {
    if bare {
        return value.to_string();
    }
    // The sign comes in front of the full width.
    let width = width + usize::from(value < 0);
    format!("{value:0width$}")
}

/// Fills a template.
pub(super) fn write(template: &str, fields: &Fields) -> Result<String> {
    let mut out = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Literal(c, _) => out.push(c),
            Piece::Field { name, written, bare, ordinal: suffix } => {
                let text = field(name, &written, bare, fields)?;
                out.push_str(&text);
                if let Some(upper) = suffix
                    && text.ends_with(|c: char| c.is_ascii_digit())
                {
                    let suffix = ordinal(&text);
                    out.push_str(&if upper { suffix.to_uppercase() } else { suffix.to_owned() });
                }
            }
        }
    }
    Ok(out)
}

fn no_interval() -> SqlError {
    SqlError::new("22007", "invalid format specification for an interval value")
        .with_hint("Intervals are not tied to specific calendar dates.")
}

fn field(name: &str, written: &str, bare: bool, f: &Fields) -> Result<String> {
    let interval = f.days.is_none();
    let calendar = || f.days.ok_or_else(no_interval);
    let year = if interval || f.year > 0 { f.year } else { 1 - f.year };
    let iso = || -> Result<i64> {
        let (year, _) = iso_week(calendar()?);
        Ok(if year > 0 { year } else { 1 - year })
    };
    let of_year = || Ok::<i64, SqlError>(calendar()? - days_from_civil(f.year, 1, 1) + 1);
    let iso_day = |days: i64| match day_of_week(days) {
        0 => 7,
        day => day,
    };
    let named = |full: &str, width: usize| {
        let text = cased(full, written);
        if bare { text } else { format!("{text:<width$}") }
    };
    let half = |first: &str, second: &str, is_second: bool| {
        cased_half(if is_second { second } else { first }, written)
    };
    let offset = f.zone.as_ref().map_or(0, |(_, seconds)| *seconds);
    let sign = if offset < 0 { '-' } else { '+' };
    let fraction = |digits: u32| format!("{:0w$}", f.micro / 10i64.pow(6 - digits), w = digits as usize);
    let twelve = match f.hour % 12 {
        0 => 12,
        hour => hour,
    };
    Ok(match name {
        "AM" | "PM" => half("AM", "PM", f.hour.rem_euclid(24) >= 12),
        "A.M." | "P.M." => half("A.M.", "P.M.", f.hour.rem_euclid(24) >= 12),
        "AD" | "BC" => {
            calendar()?;
            half("AD", "BC", f.year <= 0)
        }
        "A.D." | "B.C." => {
            calendar()?;
            half("A.D.", "B.C.", f.year <= 0)
        }
        "HH" | "HH12" => padded(twelve, 2, bare),
        "HH24" => padded(f.hour, 2, bare),
        "MI" => padded(f.minute, 2, bare),
        "SS" => padded(f.second, 2, bare),
        "SSSS" | "SSSSS" => (f.hour * 3600 + f.minute * 60 + f.second).to_string(),
        "MS" => fraction(3),
        "US" => fraction(6),
        "FF1" => fraction(1),
        "FF2" => fraction(2),
        "FF3" => fraction(3),
        "FF4" => fraction(4),
        "FF5" => fraction(5),
        "FF6" => fraction(6),
        "MONTH" => match month_name(f)? {
            Some(full) => named(full, 9),
            None => String::new(),
        },
        "MON" => match month_name(f)? {
            Some(full) => cased(full.get(..3).unwrap_or(full), written),
            None => String::new(),
        },
        "MM" => padded(f.month, 2, bare),
        "RM" => {
            let index = usize::try_from(f.month.rem_euclid(12) + 11).unwrap_or(0) % 12;
            if f.month == 0 && interval {
                String::new()
            } else {
                let text = ROMAN.get(index).copied().unwrap_or_default();
                let text = if written.starts_with('r') { text.to_lowercase() } else { text.to_owned() };
                if bare { text } else { format!("{text:<4}") }
            }
        }
        "DAY" | "DY" => {
            let full = DAYS.get(day_of_week(calendar()?) as usize).copied().unwrap_or_default();
            if name == "DAY" { named(full, 9) } else { cased(full.get(..3).unwrap_or(full), written) }
        }
        "DDD" => match f.days {
            Some(_) => padded(of_year()?, 3, bare),
            None => padded(f.year * 360 + f.month * 30 + f.day, 3, bare),
        },
        "IDDD" => {
            let days = calendar()?;
            padded((iso_week(days).1 - 1) * 7 + iso_day(days), 3, bare)
        }
        "DD" => padded(f.day, 2, bare),
        "D" => (day_of_week(calendar()?) + 1).to_string(),
        "ID" => iso_day(calendar()?).to_string(),
        "WW" => padded((of_year()? - 1) / 7 + 1, 2, bare),
        "IW" => padded(iso_week(calendar()?).1, 2, bare),
        "W" => ((f.day - 1) / 7 + 1).to_string(),
        "Q" if f.month == 0 => String::new(),
        "Q" => ((f.month - 1) / 3 + 1).to_string(),
        "CC" => {
            let century = if interval {
                f.year / 100
            } else if f.year > 0 {
                (f.year - 1) / 100 + 1
            } else {
                f.year / 100 - 1
            };
            padded(century, 2, bare)
        }
        "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
        "YYYY" => padded(year, 4, bare),
        "YYY" => padded(year % 1000, 3, bare),
        "YY" => padded(year % 100, 2, bare),
        "Y" => (year % 10).to_string(),
        "IYYY" => padded(iso()?, 4, bare),
        "IYY" => padded(iso()? % 1000, 3, bare),
        "IY" => padded(iso()? % 100, 2, bare),
        "I" => (iso()? % 10).to_string(),
        "J" => (calendar()? + EPOCH_JULIAN).to_string(),
        "TZ" => {
            let text = f.zone.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
            if written.starts_with('t') { text.to_lowercase() } else { text }
        }
        "TZH" => format!("{sign}{:02}", offset.abs() / 3600),
        "TZM" => format!("{:02}", offset.abs() % 3600 / 60),
        "OF" => match offset.abs() % 3600 / 60 {
            0 => format!("{sign}{:02}", offset.abs() / 3600),
            minutes => format!("{sign}{:02}:{minutes:02}", offset.abs() / 3600),
        },
        _ => String::new(),
    })
}

/// `AM` and the like have no capitalized form.
fn cased_half(text: &str, written: &str) -> String {
    if written.starts_with(|c: char| c.is_ascii_lowercase()) { text.to_lowercase() } else { text.to_owned() }
}

fn month_name(f: &Fields) -> Result<Option<&'static str>> {
    if f.month == 0 {
        return Ok(None);
    }
    let index = if f.month > 0 { f.month - 1 } else { f.month + 12 };
    Ok(usize::try_from(index).ok().and_then(|i| MONTHS.get(i)).copied())
}
