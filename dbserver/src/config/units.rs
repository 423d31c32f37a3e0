//! Durations, time limits and sizes as a person writes them in the configuration.
//!
//! ```text
//! 500ms  30s  5m  1h30m  0        a duration
//! none                            (or 0) where a time limit may be absent
//! 10Mi  1Gi  4096  2G             a size: Ki, Mi, Gi, Ti are powers of 1024; k, M, G, T of 1000
//! ```

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A length of time, written `500ms`, `30s`, `5m`, `1h30m` or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct HumanDuration(pub Duration);

/// A time limit: a duration, or `none` (also `0`) for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeLimit(pub Option<Duration>);

/// A number of bytes, written `4096`, `10Mi`, `1Gi` or `2G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl HumanDuration {
    /// Reads a duration; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a duration: write it as 500ms, 30s, 5m, 1h30m or 0");
        let text_trimmed = text.trim();
        if text_trimmed == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut rest = text_trimmed;
        let mut total_ms: u64 = 0;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let (number, after) = split_number(rest);
            let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, next) = after.split_at_checked(unit_len).ok_or_else(wrong)?;
            let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
            let number: u64 = number.parse().map_err(|_| wrong())?;
            total_ms =
                number.checked_mul(*factor).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(wrong)?;
            rest = next;
        }
        Ok(Self(Duration::from_millis(total_ms)))
    }
}

impl TimeLimit {
    /// Reads a time limit: a duration, or `none`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "none" {
            return Ok(Self(None));
        }
        let HumanDuration(duration) = HumanDuration::parse(text).map_err(|e| e + ", or none")?;
        Ok(Self((!duration.is_zero()).then_some(duration)))
    }
}

impl ByteSize {
    /// Reads a size; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a size: write it as 4096, 256Ki, 10Mi or 1Gi");
        let (number, unit) = split_number(text.trim());
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(*factor).map(Self).ok_or_else(wrong)
    }
}

/// The digits a text begins with, and what follows them.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if ms == 0 {
            f.write_str("0")
        } else if ms.is_multiple_of(1_000) {
            write!(f, "{}s", ms / 1_000)
        } else {
            write!(f, "{ms}ms")
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => HumanDuration(duration).fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, factor) in SIZE_UNITS.iter().take(5).rev() {
            if self.0 >= *factor && self.0.is_multiple_of(*factor) {
                return write!(f, "{}{name}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// Serde for a unit: a string, or the bare number that YAML makes of `0` or `4096`.
macro_rules! human_serde {
    ($type:ident, $expected:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Human;
                impl Visitor<'_> for Human {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text).map_err(E::custom)
                    }
                    fn visit_u64<E: Error>(self, number: u64) -> Result<$type, E> {
                        $type::parse(&number.to_string()).map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Human)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

human_serde!(HumanDuration, "a duration such as 500ms, 30s or 0");
human_serde!(TimeLimit, "a duration such as 30s, or none");
human_serde!(ByteSize, "a size such as 10Mi or 1Gi");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = |text: &str| HumanDuration::parse(text).map(|d| d.0.as_millis());
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("30s"), Ok(30_000));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("0"), Ok(0));
        for bad in ["", "30", "s", "-1s", "1.5s", "30 s", "30sec", "99999999999999999999s", "none"] {
            assert!(ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn time_limits() {
        assert_eq!(TimeLimit::parse("none"), Ok(TimeLimit(None)));
        assert_eq!(TimeLimit::parse("0"), Ok(TimeLimit(None)));
        assert_eq!(TimeLimit::parse("2s"), Ok(TimeLimit(Some(Duration::from_secs(2)))));
        assert!(TimeLimit::parse("never").is_err());
    }

    #[test]
    fn sizes() {
        let bytes = |text: &str| ByteSize::parse(text).map(|s| s.0);
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("256Mi"), Ok(256 << 20));
        assert_eq!(bytes("2G"), Ok(2_000_000_000));
        for bad in ["", "Mi", "1.5Gi", "-1", "10mb", "99999999999999Ti"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn display_is_read_back() {
        for text in ["0", "1s", "1500ms", "5400s"] {
            assert_eq!(HumanDuration::parse(text).unwrap().to_string(), text);
        }
        for text in ["0", "1023", "1Ki", "10Mi", "1Gi", "1536Mi"] {
            assert_eq!(ByteSize::parse(text).unwrap().to_string(), text);
        }
    }
}
