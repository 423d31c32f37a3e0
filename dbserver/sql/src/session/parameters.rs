//! The run-time parameters there are. Those that change nothing here are taken because clients set or show them.

/// A parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// In PostgreSQL's spelling.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The default, as SHOW gives it.
    pub default: &'static str,
    /// ParameterStatus reports it.
    pub reported: bool,
    /// For SHOW ALL and `pg_settings`.
    pub description: &'static str,
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Int {
        min: i64,
        max: i64,
        unit: Unit,
    },
    Float,
    Enum(&'static [&'static str]),
    Text,
    /// Identifiers, as in `search_path`.
    List,
    Encoding,
    TimeZone,
    DateStyle,
    /// Cannot be changed.
    Fixed,
    /// Not while the server runs.
    Restart,
}

/// Base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    None,
    Ms,
    Kb,
}

const fn p(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind, default, reported: false, description }
}
const fn reported(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Parameter {
    Parameter { name, kind, default, reported: true, description }
}
const fn int(min: i64, max: i64) -> Kind {
    Kind::Int { min, max, unit: Unit::None }
}
const MS: Kind = Kind::Int { min: 0, max: 2_147_483_647, unit: Unit::Ms };
const MEMORY: Kind = Kind::Int { min: 0, max: 2_147_483_647, unit: Unit::Kb };
const LEVELS: Kind = Kind::Enum(&[
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error", "fatal",
    "panic",
]);
const ISOLATION: Kind =
    Kind::Enum(&["serializable", "repeatable read", "read committed", "read uncommitted"]);

pub(crate) static PARAMETERS: &[Parameter] = &[
    reported(
        "application_name",
        Kind::Text,
        "",
        "Sets the application name to be reported in statistics and logs.",
    ),
    reported("client_encoding", Kind::Encoding, "UTF8", "Sets the client's character set encoding."),
    reported("DateStyle", Kind::DateStyle, "ISO, MDY", "Sets the display format for date and time values."),
    reported(
        "default_transaction_read_only",
        Kind::Bool,
        "off",
        "Sets the default read-only status of new transactions.",
    ),
    reported("in_hot_standby", Kind::Fixed, "off", "Shows whether hot standby is currently active."),
    reported("integer_datetimes", Kind::Fixed, "on", "Shows whether datetimes are integer based."),
    reported(
        "IntervalStyle",
        Kind::Enum(&["postgres"]),
        "postgres",
        "Sets the display format for interval values.",
    ),
    reported("is_superuser", Kind::Fixed, "on", "Shows whether the current user is a superuser."),
    reported("server_encoding", Kind::Fixed, "UTF8", "Shows the server (database) character set encoding."),
    reported("server_version", Kind::Fixed, "15.0", "Shows the server version."),
    reported("session_authorization", Kind::Text, "plimsoll", "Sets the session user name."),
    reported(
        "standard_conforming_strings",
        Kind::Bool,
        "on",
        "Causes '...' strings to treat backslashes literally.",
    ),
    reported(
        "TimeZone",
        Kind::TimeZone,
        "UTC",
        "Sets the time zone for displaying and interpreting time stamps.",
    ),
    p(
        "allow_system_table_mods",
        Kind::Bool,
        "off",
        "Allows modifications of the structure of system tables.",
    ),
    p("array_nulls", Kind::Bool, "on", "Enable input of NULL elements in arrays."),
    p("autovacuum", Kind::Restart, "on", "Starts the autovacuum subprocess."),
    p(
        "backslash_quote",
        Kind::Enum(&["safe_encoding", "on", "off"]),
        "safe_encoding",
        "Sets whether \"\\'\" is allowed in string literals.",
    ),
    p("block_size", Kind::Fixed, "8192", "Shows the size of a disk block."),
    p("bytea_output", Kind::Enum(&["escape", "hex"]), "hex", "Sets the output format for bytea."),
    p(
        "check_function_bodies",
        Kind::Bool,
        "on",
        "Check routine bodies during CREATE FUNCTION and CREATE PROCEDURE.",
    ),
    p("client_min_messages", LEVELS, "notice", "Sets the message levels that are sent to the client."),
    p(
        "commit_delay",
        int(0, 100_000),
        "0",
        "Sets the delay in microseconds between transaction commit and flushing WAL to disk.",
    ),
    p(
        "constraint_exclusion",
        Kind::Enum(&["partition", "on", "off"]),
        "partition",
        "Enables the planner to use constraints to optimize queries.",
    ),
    p(
        "cpu_tuple_cost",
        Kind::Float,
        "0.01",
        "Sets the planner's estimate of the cost of processing each tuple.",
    ),
    p(
        "cursor_tuple_fraction",
        Kind::Float,
        "0.1",
        "Sets the planner's estimate of the fraction of a cursor's rows that will be retrieved.",
    ),
    p("data_checksums", Kind::Fixed, "on", "Shows whether data checksums are turned on for this cluster."),
    p("deadlock_timeout", MS, "1s", "Sets the time to wait on a lock before checking for deadlock."),
    p(
        "debug_assertions",
        Kind::Fixed,
        "off",
        "Shows whether the running server has assertion checks enabled.",
    ),
    p("default_statistics_target", int(1, 10_000), "100", "Sets the default statistics target."),
    p(
        "default_table_access_method",
        Kind::Text,
        "heap",
        "Sets the default table access method for new tables.",
    ),
    p("default_tablespace", Kind::Text, "", "Sets the default tablespace to create tables and indexes in."),
    p(
        "default_text_search_config",
        Kind::Text,
        "pg_catalog.simple",
        "Sets default text search configuration.",
    ),
    p(
        "default_toast_compression",
        Kind::Text,
        "pglz",
        "Sets the default compression method for compressible values.",
    ),
    p(
        "default_transaction_deferrable",
        Kind::Bool,
        "off",
        "Sets the default deferrable status of new transactions.",
    ),
    p(
        "default_transaction_isolation",
        ISOLATION,
        "read committed",
        "Sets the transaction isolation level of each new transaction.",
    ),
    p(
        "effective_cache_size",
        MEMORY,
        "4GB",
        "Sets the planner's assumption about the total size of the data caches.",
    ),
    p(
        "effective_io_concurrency",
        int(0, 1000),
        "1",
        "Number of simultaneous requests that can be handled efficiently by the disk subsystem.",
    ),
    p("enable_bitmapscan", Kind::Bool, "on", "Enables the planner's use of bitmap-scan plans."),
    p("enable_hashagg", Kind::Bool, "on", "Enables the planner's use of hashed aggregation plans."),
    p("enable_hashjoin", Kind::Bool, "on", "Enables the planner's use of hash join plans."),
    p("enable_indexonlyscan", Kind::Bool, "on", "Enables the planner's use of index-only-scan plans."),
    p("enable_indexscan", Kind::Bool, "on", "Enables the planner's use of index-scan plans."),
    p("enable_material", Kind::Bool, "on", "Enables the planner's use of materialization."),
    p("enable_mergejoin", Kind::Bool, "on", "Enables the planner's use of merge join plans."),
    p("enable_nestloop", Kind::Bool, "on", "Enables the planner's use of nested-loop join plans."),
    p("enable_seqscan", Kind::Bool, "on", "Enables the planner's use of sequential-scan plans."),
    p("enable_sort", Kind::Bool, "on", "Enables the planner's use of explicit sort steps."),
    p("escape_string_warning", Kind::Bool, "on", "Warn about backslash escapes in ordinary string literals."),
    p(
        "extra_float_digits",
        int(-15, 3),
        "1",
        "Sets the number of digits displayed for floating-point values.",
    ),
    p(
        "from_collapse_limit",
        int(1, i32::MAX as i64),
        "8",
        "Sets the FROM-list size beyond which subqueries are not collapsed.",
    ),
    p("fsync", Kind::Restart, "on", "Forces synchronization of updates to disk."),
    p("geqo", Kind::Bool, "on", "Enables genetic query optimization."),
    p(
        "idle_in_transaction_session_timeout",
        MS,
        "0",
        "Sets the maximum allowed idle time between queries, when in a transaction.",
    ),
    p(
        "idle_session_timeout",
        MS,
        "0",
        "Sets the maximum allowed idle time between queries, when not in a transaction.",
    ),
    p("jit", Kind::Bool, "off", "Allow JIT compilation."),
    p(
        "join_collapse_limit",
        int(1, i32::MAX as i64),
        "8",
        "Sets the FROM-list size beyond which JOIN constructs are not flattened.",
    ),
    p("lc_collate", Kind::Fixed, "C", "Shows the collation order locale."),
    p("lc_ctype", Kind::Fixed, "C.UTF-8", "Shows the character classification and case conversion locale."),
    p("lc_messages", Kind::Text, "C", "Sets the language in which messages are displayed."),
    p("lc_monetary", Kind::Text, "C", "Sets the locale for formatting monetary amounts."),
    p("lc_numeric", Kind::Text, "C", "Sets the locale for formatting numbers."),
    p("lc_time", Kind::Text, "C", "Sets the locale for formatting date and time values."),
    p(
        "lo_compat_privileges",
        Kind::Bool,
        "off",
        "Enables backward compatibility mode for privilege checks on large objects.",
    ),
    p("lock_timeout", MS, "0", "Sets the maximum allowed duration of any wait for a lock."),
    p(
        "log_min_duration_statement",
        Kind::Int { min: -1, max: 2_147_483_647, unit: Unit::Ms },
        "-1",
        "Sets the minimum execution time above which all statements will be logged.",
    ),
    p("log_min_messages", LEVELS, "warning", "Sets the message levels that are logged."),
    p(
        "log_statement",
        Kind::Enum(&["none", "ddl", "mod", "all"]),
        "none",
        "Sets the type of statements logged.",
    ),
    p(
        "maintenance_work_mem",
        MEMORY,
        "64MB",
        "Sets the maximum memory to be used for maintenance operations.",
    ),
    p("max_connections", Kind::Restart, "100", "Sets the maximum number of concurrent connections."),
    p("max_identifier_length", Kind::Fixed, "63", "Shows the maximum identifier length."),
    p("max_index_keys", Kind::Fixed, "32", "Shows the maximum number of index keys."),
    p(
        "max_parallel_workers_per_gather",
        int(0, 1024),
        "2",
        "Sets the maximum number of parallel processes per executor node.",
    ),
    p(
        "max_prepared_transactions",
        Kind::Restart,
        "0",
        "Sets the maximum number of simultaneously prepared transactions.",
    ),
    p("max_wal_size", MEMORY, "1GB", "Sets the WAL size that triggers a checkpoint."),
    p(
        "password_encryption",
        Kind::Enum(&["scram-sha-256"]),
        "scram-sha-256",
        "Chooses the algorithm for encrypting passwords.",
    ),
    p(
        "plan_cache_mode",
        Kind::Enum(&["auto", "force_generic_plan", "force_custom_plan"]),
        "auto",
        "Controls the planner's selection of custom or generic plan.",
    ),
    p("port", Kind::Restart, "5432", "Sets the TCP port the server listens on."),
    p("quote_all_identifiers", Kind::Bool, "off", "When generating SQL fragments, quote all identifiers."),
    p(
        "random_page_cost",
        Kind::Float,
        "4",
        "Sets the planner's estimate of the cost of a nonsequentially fetched disk page.",
    ),
    p("role", Kind::Text, "none", "Sets the current role."),
    p("row_security", Kind::Bool, "on", "Enable row security."),
    p(
        "search_path",
        Kind::List,
        "\"$user\", public",
        "Sets the schema search order for names that are not schema-qualified.",
    ),
    p(
        "seq_page_cost",
        Kind::Float,
        "1",
        "Sets the planner's estimate of the cost of a sequentially fetched disk page.",
    ),
    p("server_version_num", Kind::Fixed, "150000", "Shows the server version as an integer."),
    p(
        "session_replication_role",
        Kind::Enum(&["origin", "replica", "local"]),
        "origin",
        "Sets the session's behavior for triggers and rewrite rules.",
    ),
    p(
        "shared_buffers",
        Kind::Restart,
        "128MB",
        "Sets the number of shared memory buffers used by the server.",
    ),
    p("ssl", Kind::Restart, "off", "Enables SSL connections."),
    p("statement_timeout", MS, "0", "Sets the maximum allowed duration of any statement."),
    p("synchronize_seqscans", Kind::Bool, "on", "Enable synchronized sequential scans."),
    p(
        "synchronous_commit",
        Kind::Enum(&["local", "remote_write", "remote_apply", "on", "off"]),
        "on",
        "Sets the current transaction's synchronization level.",
    ),
    p("tcp_keepalives_idle", int(0, i32::MAX as i64), "0", "Time between issuing TCP keepalives."),
    p("tcp_keepalives_interval", int(0, i32::MAX as i64), "0", "Time between TCP keepalive retransmits."),
    p("tcp_keepalives_count", int(0, i32::MAX as i64), "0", "Maximum number of TCP keepalive retransmits."),
    p("tcp_user_timeout", MS, "0", "TCP user timeout."),
    p("temp_buffers", MEMORY, "8MB", "Sets the maximum number of temporary buffers used by each session."),
    p("timezone_abbreviations", Kind::Text, "Default", "Selects a file of time zone abbreviations."),
    p("track_activities", Kind::Bool, "on", "Collects information about executing commands."),
    p(
        "transaction_deferrable",
        Kind::Bool,
        "off",
        "Whether to defer a read-only serializable transaction until it can be executed with no possible serialization failures.",
    ),
    p(
        "transaction_isolation",
        ISOLATION,
        "read committed",
        "Sets the current transaction's isolation level.",
    ),
    p("transaction_read_only", Kind::Bool, "off", "Sets the current transaction's read-only status."),
    p("transform_null_equals", Kind::Bool, "off", "Treats \"expr=NULL\" as \"expr IS NULL\"."),
    p("vacuum_cost_delay", Kind::Float, "0", "Vacuum cost delay in milliseconds."),
    p(
        "vacuum_freeze_min_age",
        int(0, 1_000_000_000),
        "50000000",
        "Minimum age at which VACUUM should freeze a table row.",
    ),
    p("wal_level", Kind::Restart, "replica", "Sets the level of information written to the WAL."),
    p("work_mem", MEMORY, "4MB", "Sets the maximum memory to be used for query workspaces."),
    p(
        "xmlbinary",
        Kind::Enum(&["base64", "hex"]),
        "base64",
        "Sets how binary values are to be encoded in XML.",
    ),
    p(
        "xmloption",
        Kind::Enum(&["content", "document"]),
        "content",
        "Sets whether XML data is to be considered as documents or content fragments.",
    ),
];
