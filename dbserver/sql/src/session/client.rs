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
use crate::error::{Result, SqlError, sqlstate};
use crate::plan::ResultColumn;
use crate::session::copy_in::CopyIn;
use crate::session::database::{Database, SessionOptions};
use crate::session::environment::Environment;
use crate::session::portal::Portal;
use crate::session::prepared::Prepared;
use crate::session::simple::Pending;
use crate::session::transaction::OpenTransaction;
use crate::session::{DateOrder, Description, EvalSettings, Mode, Sink, Step, TransactionStatus};
use crate::types::Oid;
use hashbrown::{HashMap, HashSet};
use plimsoll_storage::Durability;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A client's session. `Send`: it moves to a worker thread and back.
pub struct Session {
    pub(crate) database: Arc<Database>,
    pub(crate) environment: Environment,
    pub(crate) eval: Arc<EvalSettings>,
    /// What of the settings `eval` was made from.
    eval_generation: u64,
    /// See [`crate::session::plan_cache::PlanKey::settings`].
    pub(crate) settings_print: u64,
    pub(crate) transaction: Option<OpenTransaction>,
    pub(crate) statements: HashMap<String, Prepared>,
    pub(crate) unnamed_statement: Option<Prepared>,
    pub(crate) portals: HashMap<String, Portal>,
    pub(crate) unnamed_portal: Option<Portal>,
    /// Portals of empty statements.
    pub(crate) empty_portals: HashSet<String>,
    /// Statements of the simple query that are yet to run.
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) copy: Option<CopyIn>,
    notices: Vec<Notice>,
    timeouts: Timeouts,
    /// `synchronous_commit`.
    pub(crate) durability: Durability,
}

/// Settings that are asked for at each statement.
#[derive(Clone, Copy, Default)]
struct Timeouts {
    statement: Option<Duration>,
    lock: Option<Duration>,
    idle_in_transaction: Option<Duration>,
    idle_session: Option<Duration>,
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
        let environment = Environment::new(Arc::clone(&database), options);
        let eval = Arc::new(environment.settings.lock().eval_settings(&environment.options.user));
        Self {
            database,
            environment,
            eval,
            eval_generation: 0,
            settings_print: 0,
            transaction: None,
            statements: HashMap::new(),
            unnamed_statement: None,
            portals: HashMap::new(),
            unnamed_portal: None,
            empty_portals: HashSet::new(),
            pending: VecDeque::new(),
            copy: None,
            notices: Vec::new(),
            timeouts: Timeouts::default(),
            durability: Durability::Synchronous,
        }
    }
    /// Takes over settings that changed.
    pub(crate) fn refresh_settings(&mut self) {
        let settings = self.environment.settings.lock();
        if settings.generation == self.eval_generation {
            return;
        }
        self.eval_generation = settings.generation;
        let mut eval = settings.eval_settings(&self.environment.options.user);
        eval.transaction_time = self.eval.transaction_time;
        eval.statement_time = self.eval.statement_time;
        self.timeouts = Timeouts {
            statement: settings.duration("statement_timeout"),
            lock: settings.duration("lock_timeout"),
            idle_in_transaction: settings.duration("idle_in_transaction_session_timeout"),
            idle_session: settings.duration("idle_session_timeout"),
        };
        // All other values ask for the disk here, and more of replicas, which there are none of.
        self.durability = match settings.text("synchronous_commit") {
            "off" => Durability::Asynchronous,
            _ => Durability::Synchronous,
        };
        drop(settings);
        self.settings_print = print(&eval);
        self.eval = Arc::new(eval);
    }
    /// Tells the client something.
    pub(crate) fn notify(&mut self, severity: &'static str, error: SqlError) {
        self.notices.push(Notice { severity, error });
    }
    /// A NOTICE.
    pub(crate) fn notice(&mut self, sqlstate: &'static str, message: impl Into<String>) {
        self.notify("NOTICE", SqlError::new(sqlstate, message));
    }
    /// A WARNING.
    pub(crate) fn warn(&mut self, sqlstate: &'static str, message: impl Into<String>) {
        self.notify("WARNING", SqlError::new(sqlstate, message));
    }
    /// The database.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }
    /// `session_user`.
    pub fn user(&self) -> &str {
        &self.environment.options.user
    }

    /// A startup parameter (other than user, database, replication), or one of `options=-c name=value` (which [`Session::set_startup_options`] splits).
    ///
    /// # Errors
    /// 42704 for an unknown parameter, 22023 for an invalid value: fatal to the connection.
    pub fn set_startup(&mut self, name: &str, value: &str) -> Result<()> {
        self.environment.settings.lock().set_startup(name, value)?;
        self.refresh_settings();
        Ok(())
    }
    /// The startup parameter `options`: `-c name=value`, `--name=value`, backslash-escaped blanks.
    ///
    /// # Errors
    /// As [`Session::set_startup`]; 42601 for other switches.
    pub fn set_startup_options(&mut self, options: &str) -> Result<()> {
        startup_options(options)?.into_iter().try_for_each(|(name, value)| self.set_startup(&name, &value))
    }
    /// The parameters that ParameterStatus reports, with their values now; for the startup. Later changes come from
    /// [`Session::take_parameter_changes`].
    pub fn reported_parameters(&self) -> Vec<(String, String)> {
        self.environment.settings.lock().reported()
    }
    /// Reported parameters that changed since the last call: send ParameterStatus for each before ReadyForQuery.
    pub fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        let mut settings = self.environment.settings.lock();
        if settings.has_changed() { settings.take_changed() } else { Vec::new() }
    }
    /// Notices since the last call: send them before the answer of the statement that gave them.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        let notices = std::mem::take(&mut self.notices);
        if notices.is_empty() {
            return notices;
        }
        let least = severity_rank(self.environment.settings.lock().text("client_min_messages"));
        notices.into_iter().filter(|n| severity_rank(n.severity) >= least).collect()
    }

    /// Parse. Replaces the unnamed statement; a type of 0 is to be inferred. Plans the statement.
    ///
    /// # Errors
    /// 42P05 for a name in use, 42601 for several statements in one, and all errors of parsing and binding.
    pub fn parse(&mut self, name: &str, sql: &str, param_types: &[Oid]) -> Result<()> {
        self.parse_statement(name, sql, param_types)
    }
    /// Describe of a statement.
    ///
    /// # Errors
    /// 26000 where there is no such statement; errors of planning it anew after DDL.
    pub fn describe_statement(&mut self, name: &str) -> Result<Description> {
        self.describe_prepared(name)
    }
    /// Describe of a portal, with the format of each result column (0 text, 1 binary).
    ///
    /// # Errors
    /// 34000 where there is no such portal.
    pub fn describe_portal(&mut self, name: &str) -> Result<(Description, Vec<i16>)> {
        if self.empty_portals.contains(name) {
            return Ok((Description::default(), Vec::new()));
        }
        let portal = self.portal(name).ok_or_else(|| no_portal(name))?;
        let has_columns =
            portal.plan.as_ref().map_or(!portal.columns.is_empty(), |p| p.statement.columns.is_some());
        let columns = has_columns.then(|| portal.columns.to_vec());
        Ok((Description { params: Vec::new(), columns }, portal.formats.clone()))
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
        self.bind_portal(portal, statement, params, result_formats)
    }
    /// The result formats of a portal, one per column; empty where it has no rows.
    pub fn result_formats(&self, portal: &str) -> &[i16] {
        self.portal(portal).map_or(&[], |p| &p.formats)
    }
    /// The result columns of a portal; empty where it has no rows. The wire layer encodes each row by them.
    pub fn portal_columns(&self, portal: &str) -> &[ResultColumn] {
        self.portal(portal).map_or(&[], |p| &p.columns)
    }
    /// The settings that values' text depends on now. The wire layer holds them while a portal executes.
    pub fn eval_settings(&self) -> Arc<EvalSettings> {
        Arc::clone(&self.eval)
    }
    /// What the portal's statement is; none for an unknown portal.
    pub fn portal_info(&self, portal: &str) -> Option<StatementInfo> {
        self.portal(portal).map(|p| p.statement.info())
    }
    /// The text of the portal's statement, for logs and `pg_stat_activity`.
    pub fn portal_text(&self, portal: &str) -> Option<Arc<str>> {
        self.portal(portal).map(|p| Arc::clone(&p.statement.text))
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
        if !self.empty_portals.is_empty() && self.empty_portals.contains(portal) {
            return Ok(Step::Complete(String::new()));
        }
        self.execute_portal(portal, max_rows, query, sink, mode).map_err(|e| self.explain_deadlock(e))
    }
    /// Close of a statement; nothing where there is none.
    pub fn close_statement(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed_statement = None;
        } else {
            self.statements.remove(name);
        }
    }
    /// Close of a portal; nothing where there is none.
    pub fn close_portal(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed_portal = None;
        } else {
            self.portals.remove(name);
        }
        self.empty_portals.remove(name);
    }
    /// Sync, and the end of a simple query: commits the implicit transaction (an explicit one stays). Durable when it answers [`Step::Complete`].
    ///
    /// # Errors
    /// 53100 where the commit does not fit the disk, 57P01 …: the transaction is rolled back.
    pub fn sync(&mut self, mode: Mode) -> Result<Step> {
        self.environment.may_block.store(mode == Mode::Worker, Ordering::Relaxed);
        self.copy = None;
        match &self.transaction {
            Some(transaction) if !transaction.explicit => self.commit_transaction(String::new(), mode),
            Some(_) => Ok(Step::Complete(String::new())),
            None => {
                self.drop_portals(|portal| !portal.is_held());
                Ok(Step::Complete(String::new()))
            }
        }
    }

    /// Simple query: splits the text into statements. All of them run in one implicit transaction (if none is open).
    ///
    /// # Errors
    /// 42601: nothing of the text is run.
    pub fn begin_simple(&mut self, sql: &str) -> Result<()> {
        self.start_simple(sql)
    }
    /// Plans the next statement of the simple query and binds it to the unnamed portal, with all results in text: send RowDescription
    /// where it has columns, then call [`Session::execute`] with portal `""`. None after the last: send EmptyQueryResponse where the first
    /// call answers none, then [`Session::sync`].
    ///
    /// # Errors
    /// Those of parsing and binding.
    pub fn simple_next(&mut self) -> Result<Option<Description>> {
        self.next_simple()
    }
    /// Whether statements of the simple query are left: where none is, call [`Session::sync`] before CommandComplete is sent, so
    /// that a failed commit is the statement's error.
    pub fn simple_has_more(&self) -> bool {
        !self.pending.is_empty()
    }

    /// CopyData. May take long: call it on a worker thread where the data is large.
    ///
    /// # Errors
    /// 22P04 and the errors of input, checks and unique keys, with PostgreSQL's context in the detail.
    pub fn copy_data(&mut self, data: &[u8], query: &QueryContext) -> Result<()> {
        self.copy_in_data(data, query)
    }
    /// CopyDone: writes what is left and ends the statement.
    ///
    /// # Errors
    /// As [`Session::copy_data`].
    pub fn copy_done(&mut self, query: &QueryContext, mode: Mode) -> Result<Step> {
        self.copy_in_done(query, mode)
    }
    /// CopyFail: the error (57014) to send; pass it on to [`Session::fail`].
    pub fn copy_fail(&mut self, message: &str) -> SqlError {
        self.copy = None;
        SqlError::new(sqlstate::QUERY_CANCELED, format!("COPY from stdin failed: {message}"))
    }

    /// A statement ended with an error (also one that the wire layer found): an explicit transaction is failed from now on, an implicit
    /// one is rolled back, what is left of a simple query is forgotten.
    pub fn fail(&mut self, error: &SqlError) {
        let _ = error;
        self.pending.clear();
        self.copy = None;
        self.unnamed_portal = None;
        self.fail_transaction();
    }
    /// For ReadyForQuery.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.status()
    }
    /// Id of the storage transaction, for logs; none outside one.
    pub fn transaction_id(&self) -> Option<u64> {
        self.transaction.as_ref().map(|t| t.storage.id())
    }
    /// When the open transaction began, µs since 2000-01-01 UTC; for `pg_stat_activity`.
    pub fn transaction_start(&self) -> Option<i64> {
        self.transaction.as_ref().map(|t| t.start)
    }
    /// `application_name`, for logs and `pg_stat_activity`.
    pub fn application_name(&self) -> String {
        self.environment.settings.lock().text("application_name").to_owned()
    }
    /// The time limit of a statement: `statement_timeout` or the server's, whichever is shorter.
    pub fn statement_timeout(&self) -> Option<Duration> {
        match (self.timeouts.statement, self.environment.options.hooks.query_timeout()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
    /// `lock_timeout`.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.timeouts.lock
    }
    /// `idle_in_transaction_session_timeout`, where the client has set it.
    pub fn idle_in_transaction_timeout(&self) -> Option<Duration> {
        self.timeouts.idle_in_transaction
    }
    /// `idle_session_timeout`, where the client has set it.
    pub fn idle_session_timeout(&self) -> Option<Duration> {
        self.timeouts.idle_session
    }
    /// The connection ends: rolls back what is open and forgets everything.
    pub fn end(&mut self) {
        self.copy = None;
        self.pending.clear();
        self.rollback_transaction();
        self.environment.unlock_advisory(true, true);
        self.unnamed_portal = None;
        self.portals.clear();
        self.empty_portals.clear();
        self.unnamed_statement = None;
        self.statements.clear();
    }
}

fn no_portal(name: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

fn severity_rank(severity: &str) -> usize {
    let order =
        ["debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error"];
    let lower = severity.to_ascii_lowercase();
    // INFO always goes to the client.
    order.iter().position(|s| *s == lower).unwrap_or(order.len())
}

/// `-c name=value`, `--name=value`, with backslashes before blanks that belong to a value.
fn startup_options(options: &str) -> Result<Vec<(String, String)>> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_ascii_whitespace() => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)))
            }
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next()
        } else {
            word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).map(str::to_owned)
        };
        let (name, value) = setting.as_deref().and_then(|s| s.split_once('=')).ok_or_else(|| {
            SqlError::syntax(format!("invalid command-line argument for server process: {word}"))
        })?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// A number for the settings that a plan depends on.
fn print(eval: &EvalSettings) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    let order = match eval.date_order {
        DateOrder::Mdy => 0_u8,
        DateOrder::Dmy => 1,
        DateOrder::Ymd => 2,
    };
    let values =
        (eval.time_zone.name(), order, eval.extra_float_digits, eval.bytea_escape, &eval.search_path);
    values.hash(&mut hasher);
    hasher.finish()
}
