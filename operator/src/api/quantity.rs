//! Amounts of bytes and cores, written as Kubernetes writes them: `10Gi`, `500m`, `2`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// What the CRD accepts: digits with an optional fraction, then a decimal or binary suffix. The exponent form (`1e3`)
/// and the sign that Kubernetes also knows are left out: no size here is negative, and one way to write is enough.
const PATTERN: &str = r"^[0-9]{1,18}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$";

/// An amount with a Kubernetes suffix. Kept as written; compare by [`Quantity::milli`].
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Quantity(String);

/// Why a text is not a [`Quantity`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QuantityError {
    /// The text does not match the pattern of the CRD.
    #[error("\"{0}\" is not a quantity: write digits and a suffix such as 500m, 256Mi or 10Gi")]
    Malformed(String),
    /// The amount does not fit the arithmetic used here.
    #[error("\"{0}\" is too large")]
    TooLarge(String),
}

impl Quantity {
    /// Takes the text as it stands; it is checked where its amount is asked for.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The amount in thousandths (of a byte, of a core), rounded up.
    pub fn milli(&self) -> Result<u128, QuantityError> {
        let malformed = || QuantityError::Malformed(self.0.clone());
        let too_large = || QuantityError::TooLarge(self.0.clone());
        let digits_end = self.0.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.0.len());
        let (number, suffix) = self.0.split_at_checked(digits_end).ok_or_else(malformed)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
            return Err(malformed());
        }
        let unit_milli: u128 = match suffix {
            "m" => 1,
            "" => 1_000,
            "k" => 1_000_000,
            "M" => 1_000_000_000,
            "G" => 1_000_000_000_000,
            "T" => 1_000_000_000_000_000,
            "P" => 1_000_000_000_000_000_000,
            "Ki" => 1_000 << 10,
            "Mi" => 1_000 << 20,
            "Gi" => 1_000 << 30,
            "Ti" => 1_000 << 40,
            "Pi" => 1_000 << 50,
            _ => return Err(malformed()),
        };
        let scale =
            u32::try_from(fraction.len()).ok().and_then(|n| 10u128.checked_pow(n)).ok_or_else(too_large)?;
        let mantissa: u128 = format!("{whole}{fraction}").parse().map_err(|_| too_large())?;
        Ok(mantissa.checked_mul(unit_milli).ok_or_else(too_large)?.div_ceil(scale))
    }

    /// The amount in whole units (bytes, cores), rounded up.
    pub fn units(&self) -> Result<u64, QuantityError> {
        u64::try_from(self.milli()?.div_ceil(1_000)).map_err(|_| QuantityError::TooLarge(self.0.clone()))
    }

    /// The size in the form of dbserver's file: whole bytes, with the largest binary suffix that keeps it exact.
    pub fn size(&self) -> Result<String, QuantityError> {
        let bytes = self.units()?;
        let exact = [("Gi", 30), ("Mi", 20), ("Ki", 10)]
            .into_iter()
            .find(|(_, bits)| bytes > 0 && bytes.trailing_zeros() >= *bits);
        Ok(match exact {
            Some((suffix, bits)) => format!("{}{suffix}", bytes >> bits),
            None => bytes.to_string(),
        })
    }
}

impl From<&str> for Quantity {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let quantity = Self::new(text);
        quantity.milli()?;
        Ok(quantity)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `cpu: 2` reaches us as a number, `cpu: 500m` as a text; both are the same thing to a person.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum IntOrString {
            Int(u64),
            String(String),
        }
        Ok(match IntOrString::deserialize(deserializer)? {
            IntOrString::Int(number) => Self(number.to_string()),
            IntOrString::String(text) => Self(text),
        })
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A pattern binds texts only, so whole numbers pass it.
        json_schema!({
            "pattern": PATTERN,
            "x-kubernetes-int-or-string": true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_scale() {
        for (text, milli) in [
            ("0", 0),
            ("1", 1_000),
            ("500m", 500),
            ("0.5", 500),
            ("1.5k", 1_500_000),
            ("1Ki", 1_024_000),
            ("0.5Ki", 512_000),
            ("10Gi", 10_737_418_240_000),
            ("0.0001", 1),
        ] {
            assert_eq!(Quantity::new(text).milli(), Ok(milli), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", ".5", "1.", "1.2.3", "-1", "1e3", "1 Gi", "1GB", "Gi", "1ki", "٣"] {
            assert!(matches!(Quantity::new(text).milli(), Err(QuantityError::Malformed(_))), "{text}");
        }
        let huge = "9".repeat(60);
        assert_eq!(Quantity::new(&*huge).milli(), Err(QuantityError::TooLarge(huge)));
    }

    #[test]
    fn sizes_keep_the_largest_exact_suffix() {
        for (text, size) in
            [("256Mi", "256Mi"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("1k", "1000"), ("0", "0")]
        {
            assert_eq!(Quantity::new(text).size().as_deref(), Ok(size), "{text}");
        }
    }
}
