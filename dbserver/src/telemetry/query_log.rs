//! The query log: one event a statement, where `logging.queries` asks for it.

use std::time::Duration;

use crate::config::{Logging, QueryLog};
use crate::telemetry::kind::StatementKind;
use crate::telemetry::logging::QUERY_TARGET;

/// Query texts are cut in the log after this many bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// What a statement did.
pub struct Executed<'a> {
    /// Its text.
    pub sql: &'a str,
    /// What kind of statement it is.
    pub kind: StatementKind,
    /// From its first message to its last row handed over.
    pub elapsed: Duration,
    /// Rows returned or changed.
    pub rows: u64,
    /// The SQLSTATE of its error.
    pub sqlstate: Option<&'a str>,
    /// The connection's id.
    pub connection: i32,
    /// The transaction's id, where it had one.
    pub transaction: Option<u64>,
}

/// Whether a statement that took `elapsed` is to be logged.
pub fn wanted(logging: &Logging, elapsed: Duration) -> bool {
    match logging.queries {
        QueryLog::None => false,
        QueryLog::Slow => elapsed >= logging.slow_query.0,
        QueryLog::All => true,
    }
}

/// Writes the event. `parameters` renders the values; it is asked only where `logging.parameters` allows them.
pub fn write(executed: &Executed<'_>, logging: &Logging, parameters: impl FnOnce() -> String) {
    let cut = executed.sql.floor_char_boundary(TEXT_BYTES_MAX);
    let (sql, _) = executed.sql.split_at_checked(cut).unwrap_or((executed.sql, ""));
    let parameters = if logging.parameters { Some(parameters()).filter(|p| !p.is_empty()) } else { None };
    tracing::info!(
        target: QUERY_TARGET,
        kind = executed.kind.name(),
        duration_ms = executed.elapsed.as_secs_f64() * 1e3,
        rows = executed.rows,
        sqlstate = executed.sqlstate.unwrap_or("00000"),
        connection = executed.connection,
        transaction = executed.transaction,
        parameters,
        sql,
        "statement"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_from_the_threshold_on() {
        let mut logging = Logging { queries: QueryLog::Slow, ..Logging::default() };
        assert!(!wanted(&logging, Duration::from_millis(999)));
        assert!(wanted(&logging, Duration::from_secs(1)));
        logging.queries = QueryLog::None;
        assert!(!wanted(&logging, Duration::from_secs(9)));
        logging.queries = QueryLog::All;
        assert!(wanted(&logging, Duration::ZERO));
    }
}
