//! A client's session: transaction, settings, prepared statements and portals. `dbserver`'s wire layer feeds it.
//!
//! Everything here is synchronous and never blocks in [`Mode::Inline`]: where a statement has to wait, `execute`
//! returns a [`Step`] that says for what, and is called again afterwards.

mod advisory;
mod analyze;
pub mod client;
mod copy_in;
mod copy_out;
mod copy_rows;
mod cursor;
pub mod database;
mod ddl;
mod deadlock;
mod environment;
pub(crate) mod foreign_keys;
mod parameters;
mod plan_cache;
mod planner;
mod portal;
mod prepared;
mod sequences;
mod settings;
mod simple;
mod statement;
mod transaction;
mod utilities;
mod writers;

pub(crate) use ddl::has_order;
pub(crate) use statement::cursor::is_reserved_word;
pub(crate) use transaction::{CATALOG_OBJECT, now_us};

pub use advisory::{AdvisoryKey, AdvisoryMode};
pub use client::{Notice, Session, StatementInfo, StatementKind};
pub use database::{Database, DatabaseOptions, DatabaseStats, NoHooks, ServerHooks, SessionOptions};

use crate::catalog::Catalog;
use crate::context::QueryContext;
use crate::error::Result;
use crate::types::{Datum, Type};
use crate::vector::Batch;
use std::sync::Arc;

/// Where `execute` is running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// On the connection's task: must return within microseconds, so a statement that is not a point plan gives [`Step::Offload`] and
    /// one that has to wait gives [`Step::Wait`].
    Inline,
    /// On a worker thread: runs to its end and may block in waits (which watch the [`QueryContext`]).
    Worker,
}

/// How far `execute` came.
#[derive(Debug)]
pub enum Step {
    /// Done; the command tag, e.g. `SELECT 3`. Empty for an empty query.
    Complete(String),
    /// The row limit of Execute is reached; the portal can be executed again.
    Suspended,
    /// Wait for this, then call again.
    Wait(Wait),
    /// Call again with [`Mode::Worker`] on a thread that may block.
    Offload,
    /// COPY FROM STDIN: send CopyInResponse with one format (0 text, 1 binary) per column, then feed `copy_data`.
    CopyIn(Vec<i16>),
}

/// What a statement waits for. A lock's holder to finish, or a commit to be on disk.
#[derive(Debug)]
pub enum Wait {
    /// A row or table lock.
    Lock(plimsoll_storage::LockWait),
    /// Durability of a commit. The client must not hear of the commit before.
    Commit(plimsoll_storage::CommitTicket),
}

/// Where result rows go. The wire layer encodes them; tests collect them. Row counts are checked before.
pub trait Sink {
    /// One row of a point plan.
    fn row(&mut self, row: &[Datum]) -> Result<()>;
    /// A batch of rows.
    fn batch(&mut self, batch: &Batch) -> Result<()>;
    /// COPY TO STDOUT begins: one format per column.
    fn copy_out(&mut self, formats: &[i16]) -> Result<()>;
    /// Bytes of COPY TO STDOUT: whole rows.
    fn copy_data(&mut self, data: &[u8]) -> Result<()>;
}

/// What expressions may depend on besides their row.
#[derive(Clone, Copy)]
pub struct EvalContext<'a> {
    /// Deadline, cancellation, memory.
    pub query: &'a QueryContext,
    /// The statement's catalog.
    pub catalog: &'a Arc<Catalog>,
    /// Session settings that change values and their text.
    pub settings: &'a EvalSettings,
    /// Values of `$1`, …
    pub params: &'a [Datum],
    /// What only the session can do.
    pub session: &'a dyn SessionFunctions,
}

/// Settings that functions and text forms depend on.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalSettings {
    /// `TimeZone`
    pub time_zone: chrono_tz::Tz,
    /// `extra_float_digits`
    pub extra_float_digits: i32,
    /// `DateStyle`'s order of day and month on input; output is always ISO.
    pub date_order: DateOrder,
    /// `bytea_output` is `escape` instead of `hex`.
    pub bytea_escape: bool,
    /// Start of the transaction, µs since 2000-01-01 UTC: `now()`.
    pub transaction_time: i64,
    /// Start of the statement.
    pub statement_time: i64,
    /// Schemas in search order, `pg_catalog` included where implicit.
    pub search_path: Vec<String>,
}

/// How `1/2/2000` reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateOrder {
    /// Month, day, year.
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

/// What functions ask the session and the database for.
pub trait SessionFunctions {
    /// `nextval` of a sequence by OID.
    fn nextval(&self, sequence: u32) -> Result<i64>;
    /// `currval`; 55000 before the first `nextval`.
    fn currval(&self, sequence: u32) -> Result<i64>;
    /// `lastval`.
    fn lastval(&self) -> Result<i64>;
    /// `setval`.
    fn setval(&self, sequence: u32, value: i64, called: bool) -> Result<i64>;
    /// `current_setting`; none where the name is unknown.
    fn setting(&self, name: &str) -> Option<String>;
    /// `set_config`.
    fn set_config(&self, name: &str, value: &str, local: bool) -> Result<String>;
    /// All settings: name, value, description; for `pg_settings` and SHOW ALL.
    fn settings(&self) -> Vec<(String, String, String)>;
    /// `session_user`
    fn user(&self) -> &str;
    /// `current_database()`
    fn database(&self) -> &str;
    /// `pg_backend_pid()`
    fn backend_pid(&self) -> i32;
    /// Rows for `pg_stat_activity`, as the server accounts them.
    fn activity(&self) -> Vec<Activity>;
    /// (rows, bytes) of a table or index tree, for `pg_relation_size` and `reltuples`.
    fn tree_size(&self, tree: plimsoll_storage::TreeId) -> (u64, u64);
    /// What happened to a table since the process began.
    fn table_activity(&self, _table: crate::types::Oid) -> crate::statistics::TableActivity {
        crate::statistics::TableActivity::default()
    }
    /// Takes an advisory lock, waiting for it where a query is given; false where another session is in the way.
    fn advisory_lock(
        &self,
        _key: AdvisoryKey,
        _mode: AdvisoryMode,
        _wait: Option<&QueryContext>,
    ) -> Result<bool> {
        Ok(true)
    }
    /// Gives an advisory lock back; false where the session does not have it.
    fn advisory_unlock(&self, _key: AdvisoryKey, _shared: bool) -> bool {
        false
    }
    /// Gives back all advisory locks of the session but those of its transaction.
    fn advisory_unlock_all(&self) {}
    /// Locks on relations: transaction, process, OID (0: the catalog), and whether it holds it alone. For `pg_locks`.
    fn locks(&self) -> Vec<(u64, i32, u64, bool)> {
        Vec::new()
    }
    /// Id of the transaction, `txid_current()`.
    fn transaction_id(&self) -> u64;
    /// The statement waits from now on, type and name of the event as in `pg_stat_activity`. An error that sends the
    /// statement to a worker thread, where it runs on one that must not wait.
    fn wait_begin(&self, _event_type: &'static str, _event: &'static str) -> Result<()> {
        Ok(())
    }
    /// The wait is over.
    fn wait_end(&self) {}
}

/// A connection, as `pg_stat_activity` shows it.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    /// Process number given to the client.
    pub pid: i32,
    /// User.
    pub user: String,
    /// Database.
    pub database: String,
    /// `application_name`
    pub application_name: String,
    /// Client address, empty for none.
    pub client_addr: String,
    /// Client port.
    pub client_port: i32,
    /// When it connected; µs since 2000-01-01 UTC.
    pub backend_start: i64,
    /// When its transaction began, 0 for none.
    pub xact_start: i64,
    /// When its statement began.
    pub query_start: i64,
    /// When `state` changed.
    pub state_change: i64,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`.
    pub state: String,
    /// `wait_event_type` and `wait_event`, empty for none.
    pub wait_event: (String, String),
    /// Its (last) statement.
    pub query: String,
    /// Statements run, rows returned, bytes sent, time spent (µs): Plimsoll's own columns.
    pub statements: u64,
    /// See `statements`.
    pub rows: u64,
    /// See `statements`.
    pub bytes: u64,
    /// See `statements`.
    pub time_us: u64,
}

/// What Describe answers for a statement.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Parameter types.
    pub params: Vec<Type>,
    /// Result columns; none for no rows.
    pub columns: Option<Vec<crate::plan::ResultColumn>>,
}

/// For ReadyForQuery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionStatus {
    /// `I`
    Idle,
    /// `T`
    InTransaction,
    /// `E`
    Failed,
}
