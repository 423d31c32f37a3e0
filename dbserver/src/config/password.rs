//! The password clients must know, read from a file; it never shows in logs or in `/status`.

use std::fmt;
use std::path::Path;

use super::ConfigError;

/// A password. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads the password a file holds; one newline at its end is not part of it. Fails where the file cannot be read
    /// or is empty.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let wrong = |why: &dyn fmt::Display| {
            ConfigError::one(format!("auth.passwordFile: cannot use {}: {why}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(wrong(&"it is empty"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The password itself, for what derives a verifier from it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_at_the_end_is_not_part_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "se cret \n").unwrap();
        assert_eq!(Password::read(&path).unwrap().reveal(), "se cret ");
        std::fs::write(&path, "\n").unwrap();
        assert!(Password::read(&path).is_err());
        assert!(Password::read(&directory.path().join("absent")).is_err());
        assert_eq!(format!("{:?}", Password::new("x")), "Password(..)");
    }
}
