//! What a check has found.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Something that is not as it was written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes; `None` where it is about the file as a whole.
    pub offset: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What it costs, and what to do about it.
    pub advice: String,
}

/// See [`super::check`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Damage: what was written is not there.
    pub problems: Vec<Problem>,
    /// What does not belong to the database, or is left from a crash: the engine removes or ignores it.
    pub notes: Vec<String>,
    /// Sorted files read.
    pub files: u64,
    /// Row versions in them.
    pub entries: u64,
    /// Valid records of the log from where it is replayed.
    pub records: u64,
    /// Their bytes.
    pub log_bytes: u64,
}

/// What to do where a part of the database is lost.
pub(super) const RESTORE: &str = "restore the directory from a backup";

impl Report {
    pub(super) fn problem(
        &mut self,
        file: &Path,
        offset: impl Into<Option<u64>>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.problems.push(Problem {
            file: file.to_path_buf(),
            offset: offset.into(),
            what: what.into(),
            advice: advice.into(),
        });
    }

    /// What the engine's own decoders say.
    pub(super) fn error(&mut self, at: &Path, error: &Error, advice: impl Into<String>) {
        match error {
            Error::Corruption { file, offset, expected, got } => {
                self.problem(file, *offset, format!("expected {expected}, got {got}"), advice);
            }
            Error::Io { action, file, source } => {
                self.problem(file, None, format!("could not {action} it: {source}"), advice);
            }
            error => self.problem(at, None, error.to_string(), advice),
        }
    }

    /// Whether there is no damage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}; {}", self.what, self.advice)
    }
}

/// A line for each problem and note, then the sum.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "damaged: {problem}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let verdict = match self.problems.len() {
            0 => "sound".to_owned(),
            1 => "1 problem".to_owned(),
            many => format!("{many} problems"),
        };
        let Report { files, entries, records, log_bytes, .. } = self;
        write!(
            f,
            "{verdict}: {files} sorted files with {entries} row versions, {records} log records of {log_bytes} bytes"
        )
    }
}
