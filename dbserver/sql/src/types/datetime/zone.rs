//! Time zones: IANA names by chrono-tz, PostgreSQL's default abbreviations, and which instant a local time means.

use super::{SECOND_US, UNIX_EPOCH_DAYS};
use chrono::{Offset, TimeZone};
use chrono_tz::{OffsetName, Tz};

const UNIX_EPOCH_S: i64 = UNIX_EPOCH_DAYS * 86_400;

/// Seconds east of UTC of `zone` at an instant (µs since 2000-01-01 UTC).
pub fn offset_at(micros: i64, zone: Tz) -> i64 {
    if zone == Tz::UTC {
        return 0;
    }
    let seconds = micros.div_euclid(SECOND_US).saturating_add(UNIX_EPOCH_S);
    // Beyond chrono's years the rules of its last ones hold, a whole number of 400-year cycles away.
    let cycle = 146_097 * 86_400;
    let seconds = if seconds.abs() > 200_000 * 31_556_952 {
        seconds % cycle + cycle * 100 * seconds.signum()
    } else {
        seconds
    };
    match chrono::DateTime::from_timestamp(seconds, 0) {
        Some(instant) => {
            i64::from(zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc())
        }
        None => 0,
    }
}

/// The zone's abbreviation at an instant, e.g. `CEST`.
pub fn abbreviation(micros: i64, zone: Tz) -> String {
    let seconds = micros.div_euclid(SECOND_US).saturating_add(UNIX_EPOCH_S);
    chrono::DateTime::from_timestamp(seconds, 0)
        .and_then(|t| zone.offset_from_utc_datetime(&t.naive_utc()).abbreviation().map(str::to_owned))
        .unwrap_or_default()
}

/// Local time of an instant. Infinities stay.
pub fn utc_to_local(micros: i64, zone: Tz) -> i64 {
    if super::is_infinite(micros) {
        return micros;
    }
    micros.saturating_add(offset_at(micros, zone) * SECOND_US)
}

/// The instant of a local time. Where clocks skip it, the offset before holds; where they show it twice, it is the
/// second (PostgreSQL's `DetermineTimeZoneOffset`). Infinities stay.
pub fn local_to_utc(micros: i64, zone: Tz) -> i64 {
    if super::is_infinite(micros) || zone == Tz::UTC {
        return micros;
    }
    // The offsets a day before and after: at most one transition lies between.
    let day = 86_400 * SECOND_US;
    let before = offset_at(micros.saturating_sub(day), zone);
    let after = offset_at(micros.saturating_add(day), zone);
    let with = |offset: i64| micros.saturating_sub(offset * SECOND_US);
    if before == after {
        return with(before);
    }
    let holds = |offset: i64| offset_at(with(offset), zone) == offset;
    if holds(after) { with(after) } else { with(before) }
}

/// A zone by its IANA name in any case.
pub fn find_zone(name: &str) -> Option<Tz> {
    if let Ok(zone) = name.parse() {
        return Some(zone);
    }
    match name.to_ascii_lowercase().as_str() {
        "utc" | "z" | "zulu" | "gmt" | "ut" => Some(Tz::UTC),
        lower => chrono_tz::TZ_VARIANTS.iter().copied().find(|z| z.name().eq_ignore_ascii_case(lower)),
    }
}

/// Seconds east of UTC of an abbreviation in PostgreSQL's default set, e.g. -18000 for `est`.
pub(crate) fn abbreviation_offset(name: &str) -> Option<i64> {
    let minutes: i64 = match name {
        "utc" | "gmt" | "z" | "zulu" | "ut" | "uct" | "wet" => 0,
        "bst" | "cet" | "west" | "met" => 60,
        "cest" | "eet" | "mest" | "mesz" | "mez" | "sast" => match name {
            "mez" => 60,
            _ => 120,
        },
        "eest" | "msk" => 180,
        "msd" => 240,
        "ist" => 120,
        "jst" | "kst" => 540,
        "hkt" | "awst" => 480,
        "acst" => 570,
        "aest" => 600,
        "aedt" => 660,
        "acdt" => 630,
        "nzst" => 720,
        "nzdt" => 780,
        "est" | "cdt" => -300,
        "edt" | "ast" => -240,
        "cst" | "mdt" => -360,
        "mst" | "pdt" => -420,
        "pst" | "akdt" => -480,
        "akst" => -540,
        "hst" => -600,
        "adt" => -180,
        "nst" => -210,
        "ndt" => -150,
        "brt" | "art" => -180,
        _ => return None,
    };
    Some(minutes * 60)
}
