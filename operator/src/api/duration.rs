//! Lengths of time, written as `30s`, `1h30m`, `250ms`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the CRD accepts: whole numbers with a unit, largest first or not, as Go's and Kubernetes' durations.
const PATTERN: &str = "^([0-9]{1,9}(ms|s|m|h)){1,4}$";

/// A length of time of at least a millisecond. Kept as written; use [`Duration::millis`] for its length.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Duration(String);

/// Why a text is not a [`Duration`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// The text does not match the pattern of the CRD.
    #[error("\"{0}\" is not a duration: write whole numbers with a unit, such as 250ms, 30s or 1h30m")]
    Malformed(String),
    /// Zero: a limit that nothing can meet, and not a way to say "no limit".
    #[error("\"{0}\" is no time at all")]
    Zero(String),
}

impl Duration {
    /// Takes the text as it stands; it is checked where its length is asked for.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length in milliseconds, at least 1.
    pub fn millis(&self) -> Result<u64, DurationError> {
        let malformed = || DurationError::Malformed(self.0.clone());
        let mut rest = self.0.as_str();
        let mut total_ms: u64 = 0;
        if rest.is_empty() {
            return Err(malformed());
        }
        while !rest.is_empty() {
            let number_end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
            let (number, tail) = rest.split_at_checked(number_end).ok_or_else(malformed)?;
            // "ms" before "m": the longer unit is the one meant.
            let (unit_ms, tail) = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
                .into_iter()
                .find_map(|(unit, ms)| tail.strip_prefix(unit).map(|tail| (ms, tail)))
                .ok_or_else(malformed)?;
            let number: u64 = number.parse().map_err(|_| malformed())?;
            total_ms =
                number.checked_mul(unit_ms).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(malformed)?;
            rest = tail;
        }
        if total_ms == 0 { Err(DurationError::Zero(self.0.clone())) } else { Ok(total_ms) }
    }

    /// The length in the form of dbserver's file: one whole number of seconds, or of milliseconds.
    pub fn normal(&self) -> Result<String, DurationError> {
        let ms = self.millis()?;
        Ok(if ms % 1_000 == 0 { format!("{}s", ms / 1_000) } else { format!("{ms}ms") })
    }
}

impl From<&str> for Duration {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
            "pattern": PATTERN,
            "x-kubernetes-validations": [{
                "rule": "duration(self) > duration('0s') && duration(self) <= duration('8760h')",
                "message": "must be longer than no time at all and at most a year (8760h)"
            }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, ms) in
            [("30s", 30_000), ("1h30m", 5_400_000), ("250ms", 250), ("1m1ms", 60_001), ("0h1s", 1_000)]
        {
            assert_eq!(Duration::new(text).millis(), Ok(ms), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "30", "s", "1.5s", "-1s", "1d", "1 s", "99999999999999999999s"] {
            assert!(matches!(Duration::new(text).millis(), Err(DurationError::Malformed(_))), "{text}");
        }
        assert_eq!(Duration::new("0s").millis(), Err(DurationError::Zero("0s".into())));
    }

    #[test]
    fn normal_form_is_one_number() {
        for (text, normal) in
            [("1h30m", "5400s"), ("250ms", "250ms"), ("1s500ms", "1500ms"), ("300s", "300s")]
        {
            assert_eq!(Duration::new(text).normal().as_deref(), Ok(normal), "{text}");
        }
    }
}
