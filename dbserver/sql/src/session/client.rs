//! A session, as the wire layer drives it.
//!
//! ```text
//! extended:  parse ─ describe_statement ─ bind ─ describe_portal ─ execute… ─ sync
//! simple:    begin_simple ─ (simple_next ─ execute("")…)… ─ sync
//! COPY in:   execute gives CopyIn ─ copy_data… ─ copy_done (or copy_fail) ─ …
//! error:     fail(&error), then in the extended protocol skip to Sync; sync
//! ```
//!
//! Calls that answer a [`Step`] (execute, copy_done, sync) are called again with the same arguments after a [`Step::Wait`] is over or,
//! with [`Mode::Worker`], after a [`Step::Offload`]. In [`Mode::Worker`] they block and give neither.

use crate::context::QueryContext;
use crate::error::{Result, SqlError};
use crate::plan::ResultColumn;
use crate::session::database::{Database, SessionOptions};
use crate::session::{DateOrder, Description, EvalSettings, Mode, Sink, Step, TransactionStatus};
use crate::types::Oid;
use std::sync::Arc;
use std::time::Duration;

/// A client's session. `Send`: it moves to a worker thread and back.
pub struct Session {
    database: Arc<Database>,
    options: SessionOptions,
}

/// For metrics, logs and limits: what a statement is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatementInfo {
    /// Its kind.
    pub kind: StatementKind,
    /// COPY, CREATE INDEX, VACUUM and the like: `limits.bulkTimeout` instead of `limits.queryTimeout`.
    pub bulk: bool,
    /// Its result counts against `limits.maxRows` (COPY TO does not).
    pub counts_rows: bool,
}

/// Kinds of statements, as metrics label them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StatementKind {
    /// SELECT, VALUES, TABLE, FETCH
    Select,
    /// INSERT
    Insert,
    /// UPDATE
    Update,
    /// DELETE
    Delete,
    /// COPY
    Copy,
    /// CREATE, ALTER, DROP, TRUNCATE, COMMENT
    Ddl,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT …
    Transaction,
    /// Everything else: SET, SHOW, EXPLAIN, VACUUM …
    Utility,
}

impl StatementKind {
    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            StatementKind::Select => "select",
            StatementKind::Insert => "insert",
            StatementKind::Update => "update",
            StatementKind::Delete => "delete",
            StatementKind::Copy => "copy",
            StatementKind::Ddl => "ddl",
            StatementKind::Transaction => "transaction",
            StatementKind::Utility => "utility",
        }
    }
    /// All of them.
    pub const ALL: [StatementKind; 8] = [
        StatementKind::Select,
        StatementKind::Insert,
        StatementKind::Update,
        StatementKind::Delete,
        StatementKind::Copy,
        StatementKind::Ddl,
        StatementKind::Transaction,
        StatementKind::Utility,
    ];
}

/// A NoticeResponse: fields as in an error, with a severity.
#[derive(Clone, Debug)]
pub struct Notice {
    /// `NOTICE`, `WARNING`, `INFO`, `DEBUG` or `LOG`.
    pub severity: &'static str,
    /// SQLSTATE (`00000` for most notices), message, detail, hint.
    pub error: SqlError,
}

impl Session {
    pub(crate) fn new(database: Arc<Database>, options: SessionOptions) -> Self {
        Self { database, options }
    }
    /// The database.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }
    /// `session_user`.
    pub fn user(&self) -> &str {
        &self.options.user
    }

    /// A startup parameter (other than user, database, replication), or one of `options=-c name=value` (which [`Session::set_startup_options`] splits).
    ///
    /// # Errors
    /// 42704 for an unknown parameter, 22023 for an invalid value: fatal to the connection.
    pub fn set_startup(&mut self, name: &str, value: &str) -> Result<()> {
        let _ = (name, value);
        Err(SqlError::unsupported("SET"))
    }
    /// The startup parameter `options`: `-c name=value`, `--name=value`, backslash-escaped blanks.
    ///
    /// # Errors
    /// As [`Session::set_startup`]; 42601 for other switches.
    pub fn set_startup_options(&mut self, options: &str) -> Result<()> {
        let _ = options;
        Err(SqlError::unsupported("SET"))
    }
    /// The parameters that ParameterStatus reports, with their values now; for the startup. Later changes come from
    /// [`Session::take_parameter_changes`].
    pub fn reported_parameters(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    /// Reported parameters that changed since the last call: send ParameterStatus for each before ReadyForQuery.
    pub fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        Vec::new()
    }
    /// Notices since the last call: send them before the answer of the statement that gave them.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }

    /// Parse. Replaces the unnamed statement; a type of 0 is to be inferred. Plans the statement.
    ///
    /// # Errors
    /// 42P05 for a name in use, 42601 for several statements in one, and all errors of parsing and binding.
    pub fn parse(&mut self, name: &str, sql: &str, param_types: &[Oid]) -> Result<()> {
        let _ = (name, sql, param_types);
        Err(SqlError::unsupported("Parse"))
    }
    /// Describe of a statement.
    ///
    /// # Errors
    /// 26000 where there is no such statement; errors of planning it anew after DDL.
    pub fn describe_statement(&mut self, name: &str) -> Result<Description> {
        let _ = name;
        Err(SqlError::unsupported("Describe"))
    }
    /// Describe of a portal, with the format of each result column (0 text, 1 binary).
    ///
    /// # Errors
    /// 34000 where there is no such portal.
    pub fn describe_portal(&mut self, name: &str) -> Result<(Description, Vec<i16>)> {
        let _ = name;
        Err(SqlError::unsupported("Describe"))
    }
    /// Bind. `params` are (format, bytes), none for null. Replaces the unnamed portal.
    ///
    /// # Errors
    /// 26000; 08P01 for a wrong number of parameters or formats; 42P03 for a portal name in use; 22P02, 22P03 … for values that cannot be read; 25P02.
    pub fn bind(
        &mut self,
        portal: &str,
        statement: &str,
        params: &[Option<(i16, &[u8])>],
        result_formats: &[i16],
    ) -> Result<()> {
        let _ = (portal, statement, params, result_formats);
        Err(SqlError::unsupported("Bind"))
    }
    /// The result formats of a portal, one per column; empty where it has no rows.
    pub fn result_formats(&self, portal: &str) -> &[i16] {
        let _ = portal;
        &[]
    }
    /// The result columns of a portal; empty where it has no rows. The wire layer encodes each row by them.
    pub fn portal_columns(&self, portal: &str) -> &[ResultColumn] {
        let _ = portal;
        &[]
    }
    /// The settings that values' text depends on now. The wire layer holds them while a portal executes.
    pub fn eval_settings(&self) -> Arc<EvalSettings> {
        Arc::new(EvalSettings {
            time_zone: chrono_tz::UTC,
            extra_float_digits: 1,
            date_order: DateOrder::Mdy,
            bytea_escape: false,
            transaction_time: 0,
            statement_time: 0,
            search_path: Vec::new(),
        })
    }
    /// What the portal's statement is; none for an unknown portal.
    pub fn portal_info(&self, portal: &str) -> Option<StatementInfo> {
        let _ = portal;
        None
    }
    /// The text of the portal's statement, for logs and `pg_stat_activity`.
    pub fn portal_text(&self, portal: &str) -> Option<Arc<str>> {
        let _ = portal;
        None
    }
    /// Execute: runs a portal to its end or for `max_rows` rows (0: all). Begins the implicit transaction where none is open.
    ///
    /// # Errors
    /// All that statements fail with; the caller passes it on to [`Session::fail`].
    pub fn execute(
        &mut self,
        portal: &str,
        max_rows: u64,
        query: &QueryContext,
        sink: &mut dyn Sink,
        mode: Mode,
    ) -> Result<Step> {
        let _ = (portal, max_rows, query, sink, mode);
        Err(SqlError::unsupported("Execute"))
    }
    /// Close of a statement; nothing where there is none.
    pub fn close_statement(&mut self, name: &str) {
        let _ = name;
    }
    /// Close of a portal; nothing where there is none.
    pub fn close_portal(&mut self, name: &str) {
        let _ = name;
    }
    /// Sync, and the end of a simple query: commits the implicit transaction (an explicit one stays). Durable when it answers [`Step::Complete`].
    ///
    /// # Errors
    /// 53100 where the commit does not fit the disk, 57P01 …: the transaction is rolled back.
    pub fn sync(&mut self, mode: Mode) -> Result<Step> {
        let _ = mode;
        Ok(Step::Complete(String::new()))
    }

    /// Simple query: splits the text into statements. All of them run in one implicit transaction (if none is open).
    ///
    /// # Errors
    /// 42601: nothing of the text is run.
    pub fn begin_simple(&mut self, sql: &str) -> Result<()> {
        let _ = sql;
        Err(SqlError::unsupported("Query"))
    }
    /// Plans the next statement of the simple query and binds it to the unnamed portal, with all results in text: send RowDescription
    /// where it has columns, then call [`Session::execute`] with portal `""`. None after the last: send EmptyQueryResponse where the first
    /// call answers none, then [`Session::sync`].
    ///
    /// # Errors
    /// Those of parsing and binding.
    pub fn simple_next(&mut self) -> Result<Option<Description>> {
        Ok(None)
    }
    /// Whether statements of the simple query are left: where none is, call [`Session::sync`] before CommandComplete is sent, so
    /// that a failed commit is the statement's error.
    pub fn simple_has_more(&self) -> bool {
        false
    }

    /// CopyData. May take long: call it on a worker thread where the data is large.
    ///
    /// # Errors
    /// 22P04 and the errors of input, checks and unique keys, with PostgreSQL's context in the detail.
    pub fn copy_data(&mut self, data: &[u8], query: &QueryContext) -> Result<()> {
        let _ = (data, query);
        Err(SqlError::unsupported("COPY"))
    }
    /// CopyDone: writes what is left and ends the statement.
    ///
    /// # Errors
    /// As [`Session::copy_data`].
    pub fn copy_done(&mut self, query: &QueryContext, mode: Mode) -> Result<Step> {
        let _ = (query, mode);
        Err(SqlError::unsupported("COPY"))
    }
    /// CopyFail: the error (57014) to send; pass it on to [`Session::fail`].
    pub fn copy_fail(&mut self, message: &str) -> SqlError {
        SqlError::new("57014", format!("COPY from stdin failed: {message}"))
    }

    /// A statement ended with an error (also one that the wire layer found): an explicit transaction is failed from now on, an implicit
    /// one is rolled back, what is left of a simple query is forgotten.
    pub fn fail(&mut self, error: &SqlError) {
        let _ = error;
    }
    /// For ReadyForQuery.
    pub fn transaction_status(&self) -> TransactionStatus {
        TransactionStatus::Idle
    }
    /// Id of the storage transaction, for logs; none outside one.
    pub fn transaction_id(&self) -> Option<u64> {
        None
    }
    /// When the open transaction began, µs since 2000-01-01 UTC; for `pg_stat_activity`.
    pub fn transaction_start(&self) -> Option<i64> {
        None
    }
    /// `application_name`, for logs and `pg_stat_activity`.
    pub fn application_name(&self) -> String {
        String::new()
    }
    /// The time limit of a statement: `statement_timeout` or the server's, whichever is shorter.
    pub fn statement_timeout(&self) -> Option<Duration> {
        None
    }
    /// `lock_timeout`.
    pub fn lock_timeout(&self) -> Option<Duration> {
        None
    }
    /// `idle_in_transaction_session_timeout`, where the client has set it.
    pub fn idle_in_transaction_timeout(&self) -> Option<Duration> {
        None
    }
    /// `idle_session_timeout`, where the client has set it.
    pub fn idle_session_timeout(&self) -> Option<Duration> {
        None
    }
    /// The connection ends: rolls back what is open and forgets everything.
    pub fn end(&mut self) {}
}
