//! ISO output of dates and times.

use super::{
    Civil, DATE_INFINITY, DATE_NEG_INFINITY, DAY_US, HOUR_US, MINUTE_US, SECOND_US, TIMESTAMP_INFINITY,
    TIMESTAMP_NEG_INFINITY, civil_from_days, offset_at,
};
use chrono_tz::Tz;

fn two(value: i64, out: &mut Vec<u8>) {
    out.push(b'0' + (value / 10 % 10) as u8);
    out.push(b'0' + (value % 10) as u8);
}

fn civil(date: Civil, out: &mut Vec<u8>) -> bool {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    if year < 10_000 {
        two(year / 100, out);
        two(year % 100, out);
    } else {
        crate::types::io::write_int(year, out);
    }
    out.push(b'-');
    two(date.month, out);
    out.push(b'-');
    two(date.day, out);
    date.year <= 0
}

/// Appends `:ss` without the colon, and the fraction without trailing zeroes.
pub(crate) fn seconds(seconds: i64, micros: i64, out: &mut Vec<u8>) {
    two(seconds, out);
    fraction(micros, out);
}

/// Appends `.ffffff` without trailing zeroes, or nothing for 0.
pub(crate) fn fraction(micros: i64, out: &mut Vec<u8>) {
    if micros != 0 {
        out.push(b'.');
        let mut rest = micros;
        let mut unit = 100_000;
        while rest > 0 && unit > 0 {
            out.push(b'0' + (rest / unit) as u8);
            rest %= unit;
            unit /= 10;
        }
    }
}

fn clock(time: i64, out: &mut Vec<u8>) {
    two(time / HOUR_US, out);
    out.push(b':');
    two(time / MINUTE_US % 60, out);
    out.push(b':');
    seconds(time / SECOND_US % 60, time % SECOND_US, out);
}

fn infinity(positive: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if positive { b"infinity" } else { b"-infinity" });
}

/// Appends a date.
pub fn write_date(days: i32, out: &mut Vec<u8>) {
    match days {
        DATE_INFINITY | DATE_NEG_INFINITY => infinity(days > 0, out),
        _ => {
            if civil(civil_from_days(i64::from(days)), out) {
                out.extend_from_slice(b" BC");
            }
        }
    }
}

/// Appends a time of day; 24:00:00 is one.
pub fn write_time(micros: i64, out: &mut Vec<u8>) {
    clock(micros, out);
}

fn write_local(micros: i64, offset: Option<i64>, out: &mut Vec<u8>) {
    let bc = civil(civil_from_days(micros.div_euclid(DAY_US)), out);
    out.push(b' ');
    clock(micros.rem_euclid(DAY_US), out);
    if let Some(offset) = offset {
        out.push(if offset < 0 { b'-' } else { b'+' });
        let offset = offset.abs();
        two(offset / 3600, out);
        if offset % 3600 != 0 {
            out.push(b':');
            two(offset / 60 % 60, out);
            if offset % 60 != 0 {
                out.push(b':');
                two(offset % 60, out);
            }
        }
    }
    if bc {
        out.extend_from_slice(b" BC");
    }
}

/// Appends a time stamp.
pub fn write_timestamp(micros: i64, out: &mut Vec<u8>) {
    match micros {
        TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY => infinity(micros > 0, out),
        _ => write_local(micros, None, out),
    }
}

/// Appends a time stamp in a time zone, with its offset.
pub fn write_timestamptz(micros: i64, zone: Tz, out: &mut Vec<u8>) {
    match micros {
        TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY => infinity(micros > 0, out),
        _ => {
            let offset = offset_at(micros, zone);
            write_local(micros.saturating_add(offset * SECOND_US), Some(offset), out);
        }
    }
}
