//! The configuration file: one YAML document with the names of the `Database` resource's spec.
//!
//! Every key has a default, an unknown key is an error that names it and its line, and an impossible value is an error
//! that names the key and what it may be. [`watch`] reads the file again while the server runs; everything but what
//! [`Config::needs_restart`] lists takes effect at once.
//!
//! ```yaml
//! revision: "7"                       # opaque; reported by /status
//! auth: {passwordFile: /etc/plimsoll/password}
//! limits: {queryTimeout: 30s, maxRows: 1000000, maxQueryMemory: 256Mi, maxQuerySize: 10Mi, bulkTimeout: none}
//! pool: {maxConnections: 100, acquireTimeout: 30s, idleTimeout: 300s}
//! logging: {level: info, queries: slow, slowQuery: 1s}
//! ```

pub mod memory;
mod password;
mod units;
pub mod watch;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

pub use password::Password;
pub use units::{ByteSize, HumanDuration, TimeLimit};

use std::time::Duration;

/// The whole configuration, every default filled in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// An opaque name of this version of the file; `/status` reports it, so that its writer knows what is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Who may connect.
    #[serde(deserialize_with = "section")]
    pub auth: Auth,
    /// What one statement may use.
    #[serde(deserialize_with = "section")]
    pub limits: Limits,
    /// Connections and admission.
    #[serde(deserialize_with = "section")]
    pub pool: Pool,
    /// Logs.
    #[serde(deserialize_with = "section")]
    pub logging: Logging,
    /// The engine's share of memory.
    #[serde(deserialize_with = "section")]
    pub storage: Storage,
}

/// Who may connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Auth {
    /// A file with the password (a newline at its end is not part of it). Needed to listen beyond loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The user that may connect.
    pub user: String,
}

/// What one statement may use. Going over is an error for the statement, never for the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// A statement that runs longer is cancelled (57014). `SET statement_timeout` works below it.
    pub query_timeout: TimeLimit,
    /// A result with more rows is an error (54000). COPY TO is not counted.
    pub max_rows: u64,
    /// A statement that needs more memory is an error (53200). Default: 1Gi, or 20 % of a smaller memory limit's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_query_memory: Option<ByteSize>,
    /// A longer query text is an error (54000).
    pub max_query_size: ByteSize,
    /// The time limit of COPY, CREATE INDEX and other bulk work.
    pub bulk_timeout: TimeLimit,
}

/// Connections and admission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pool {
    /// Client connections at one time.
    pub max_connections: u32,
    /// How long a connection over the limit waits for one to end before it gets 53300.
    pub acquire_timeout: HumanDuration,
    /// A connection idle this long outside a transaction is closed (57P05).
    pub idle_timeout: TimeLimit,
    /// A transaction idle this long is rolled back and its connection closed (25P03).
    pub idle_in_transaction_timeout: TimeLimit,
    /// Statements that run on worker threads at one time. Default: twice the processors, at least 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_statements: Option<u32>,
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Logging {
    /// The least severe events that are written.
    pub level: Level,
    /// How events are written.
    pub format: Format,
    /// Which statements are logged.
    pub queries: QueryLog,
    /// The duration from which a statement is slow.
    pub slow_query: HumanDuration,
    /// Whether logged statements show their parameters' values.
    pub parameters: bool,
}

/// The engine's share of memory. A change needs a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Storage {
    /// The data kept in memory, in per cent of the memory limit.
    pub memory_percent: u8,
}

/// How severe an event must be to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line for a person.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Which statements are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryLog {
    /// No statement.
    #[default]
    None,
    /// Statements that take at least `slowQuery`.
    Slow,
    /// Every statement.
    All,
}

/// The name of the user and of the database when nothing else is said.
pub const DEFAULT_NAME: &str = "plimsoll";

impl Default for Auth {
    fn default() -> Self {
        Self { password_file: None, user: DEFAULT_NAME.to_owned() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query_timeout: TimeLimit(Some(Duration::from_secs(30))),
            max_rows: 1_000_000,
            max_query_memory: None,
            max_query_size: ByteSize(10 << 20),
            bulk_timeout: TimeLimit(None),
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            max_connections: 100,
            acquire_timeout: HumanDuration(Duration::from_secs(30)),
            idle_timeout: TimeLimit(Some(Duration::from_secs(300))),
            idle_in_transaction_timeout: TimeLimit(Some(Duration::from_secs(300))),
            active_statements: None,
        }
    }
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            level: Level::default(),
            format: Format::default(),
            queries: QueryLog::default(),
            slow_query: HumanDuration(Duration::from_secs(1)),
            parameters: false,
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { memory_percent: 60 }
    }
}

/// Why a configuration cannot be used: one line a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("; "))]
pub struct ConfigError {
    /// What is wrong, each naming the key and, where it is known, the line.
    pub problems: Vec<String>,
}

impl ConfigError {
    fn one(problem: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()] }
    }
}

/// A section that is present but empty (all its keys commented out) has its defaults.
fn section<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Config {
    /// Reads and validates a document; defaults that depend on the machine stay open until [`Config::resolve`].
    pub fn parse(yaml: &str) -> Result<Self, ConfigError> {
        let config: Option<Self> =
            serde_yaml::from_str(yaml).map_err(|error| ConfigError::one(error.to_string()))?;
        let config = config.unwrap_or_default();
        let problems = config.problems();
        if problems.is_empty() {
            return Ok(config);
        }
        let located = problems.iter().map(|problem| problem.located(yaml)).collect();
        Err(ConfigError { problems: located })
    }

    /// Fills in the defaults that depend on the machine: `memory` is the memory limit in bytes.
    pub fn resolve(mut self, memory: u64, processors: usize) -> Self {
        let share = memory / 100 * memory::QUERY_SHARE_PERCENT;
        self.limits.max_query_memory.get_or_insert(ByteSize(share.min(1 << 30)));
        let processors = u32::try_from(processors).unwrap_or(u32::MAX);
        self.pool.active_statements.get_or_insert(processors.saturating_mul(2).max(4));
        self
    }

    /// The memory one statement may use, in bytes.
    pub fn max_query_memory(&self) -> u64 {
        self.limits.max_query_memory.map_or(1 << 30, |size| size.0)
    }

    /// Statements that may run on worker threads at one time.
    pub fn active_statements(&self) -> usize {
        self.pool.active_statements.map_or(4, |n| n as usize)
    }

    /// The keys whose values differ from `running`'s but take effect only when the server starts.
    pub fn needs_restart(&self, running: &Self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        if self.storage.memory_percent != running.storage.memory_percent {
            keys.push("storage.memoryPercent");
        }
        if self.auth.user != running.auth.user {
            keys.push("auth.user");
        }
        keys
    }

    fn problems(&self) -> Vec<Problem> {
        let Self { revision: _, auth, limits, pool, logging, storage } = self;
        let mut problems = Vec::new();
        let mut check = |ok: bool, key: &'static str, must: &'static str, value: &dyn fmt::Display| {
            if !ok {
                problems.push(Problem { key, message: format!("must be {must}, not {value}") });
            }
        };
        let user_ok = !auth.user.is_empty() && auth.user.len() < 64 && !auth.user.contains('\0');
        check(user_ok, "auth.user", "a name of 1 to 63 bytes", &format!("\"{}\"", auth.user));
        check(limits.max_rows >= 1, "limits.maxRows", "at least 1", &limits.max_rows);
        if let Some(size) = limits.max_query_memory {
            check(size.0 >= 1 << 20, "limits.maxQueryMemory", "at least 1Mi", &size);
        }
        let size = limits.max_query_size;
        let size_ok = (1 << 10..=1 << 30).contains(&size.0);
        check(size_ok, "limits.maxQuerySize", "between 1Ki and 1Gi", &size);
        let long = Duration::from_secs(365 * 86_400);
        for (key, limit) in [
            ("limits.queryTimeout", limits.query_timeout),
            ("limits.bulkTimeout", limits.bulk_timeout),
            ("pool.idleTimeout", pool.idle_timeout),
            ("pool.idleInTransactionTimeout", pool.idle_in_transaction_timeout),
        ] {
            check(limit.0.unwrap_or_default() <= long, key, "at most 365d", &limit);
        }
        for (key, duration) in
            [("pool.acquireTimeout", pool.acquire_timeout), ("logging.slowQuery", logging.slow_query)]
        {
            check(duration.0 <= long, key, "at most 365d", &duration);
        }
        let connections = pool.max_connections;
        let connections_ok = (1..=100_000).contains(&connections);
        check(connections_ok, "pool.maxConnections", "between 1 and 100000", &connections);
        if let Some(active) = pool.active_statements {
            check((1..=10_000).contains(&active), "pool.activeStatements", "between 1 and 10000", &active);
        }
        let percent = storage.memory_percent;
        check((1..=80).contains(&percent), "storage.memoryPercent", "between 1 and 80", &percent);
        problems
    }
}

/// An impossible value.
struct Problem {
    key: &'static str,
    message: String,
}

impl Problem {
    /// With the line of the key, where the text has it in the usual form.
    fn located(&self, yaml: &str) -> String {
        let Self { key, message } = self;
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let mut in_section = section.is_empty();
        for (number, line) in yaml.lines().enumerate() {
            if !line.starts_with([' ', '#', '-']) {
                in_section = line.starts_with(&format!("{section}:"));
            }
            if in_section && line.contains(&format!("{name}:")) {
                return format!("{key}: {message} at line {}", number + 1);
            }
        }
        format!("{key}: {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_the_default() {
        for text in ["", "# only a comment\n", "limits:\n  # queryTimeout: 1s\n"] {
            assert_eq!(Config::parse(text), Ok(Config::default()), "{text}");
        }
    }

    #[test]
    fn the_resource_names_are_read() {
        let config = Config::parse(
            "revision: 7\nauth: {passwordFile: /p}\n\
             limits: {queryTimeout: 5s, maxRows: 10, maxQueryMemory: 256Mi, maxQuerySize: 1Mi, bulkTimeout: none}\n\
             pool: {maxConnections: 3, acquireTimeout: 0, idleTimeout: none, idleInTransactionTimeout: 1m, activeStatements: 2}\n\
             logging: {level: debug, format: json, queries: slow, slowQuery: 250ms, parameters: true}\n",
        )
        .unwrap();
        assert_eq!(config.revision.as_deref(), Some("7"));
        assert_eq!(config.limits.query_timeout.0, Some(Duration::from_secs(5)));
        assert_eq!(config.limits.max_query_memory, Some(ByteSize(256 << 20)));
        assert_eq!(config.pool.acquire_timeout.0, Duration::ZERO);
        assert_eq!(config.pool.idle_timeout.0, None);
        assert_eq!(config.logging.queries, QueryLog::Slow);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = Config::default().resolve(8 << 30, 2);
        let yaml = serde_yaml::to_string(&config).unwrap();
        assert_eq!(Config::parse(&yaml), Ok(config));
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        let error = Config::parse("limits:\n  queryTimeout: 1s\n  maxRow: 1\n").unwrap_err().to_string();
        assert!(error.contains("limits") && error.contains("maxRow") && error.contains("line 3"), "{error}");
    }

    #[test]
    fn wrong_values_are_named_with_their_line() {
        let error = Config::parse("pool:\n  idleTimeout: soon\n").unwrap_err().to_string();
        assert!(error.contains("\"soon\"") && error.contains("line 2"), "{error}");
        let error =
            Config::parse("limits:\n  maxRows: 5\npool:\n  maxConnections: 0\n").unwrap_err().to_string();
        assert_eq!(error, "pool.maxConnections: must be between 1 and 100000, not 0 at line 4");
    }

    #[test]
    fn query_memory_follows_a_small_limit() {
        let memory = |limit: u64| Config::default().resolve(limit, 2).max_query_memory();
        assert_eq!(memory(64 << 30), 1 << 30);
        assert_eq!(memory(1000 << 20), 200 << 20);
    }

    #[test]
    fn memory_shares_wait_for_a_restart() {
        let running = Config::default();
        let changed = Config::parse("storage: {memoryPercent: 50}\nlimits: {maxRows: 1}\n").unwrap();
        assert_eq!(changed.needs_restart(&running), ["storage.memoryPercent"]);
    }
}
