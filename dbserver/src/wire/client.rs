//! One client's connection, from its session's begin to its end: the message loop.
//!
//! ```text
//!   rest ──bytes──► message, message, … ──no more──► rest: send answers that are due, wait
//!     └─ idle for too long, shutdown, terminated: last error, end
//! ```
//!
//! A panic in a statement ends its connection with XX000 and nothing else: it is caught here, around the whole loop, where it
//! costs nothing per message, and around what runs on worker threads.

use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use plimsoll_sql::SqlError;
use plimsoll_sql::context::MemoryAccount;
use plimsoll_sql::error::{Result, sqlstate};
use plimsoll_sql::session::{Session, SessionOptions, TransactionStatus};

use super::channel::{Channel, Incoming, MessageLimits};
use super::encode::{self, Severity};
use super::rows::Shape;
use super::startup::Admitted;
use crate::config::DEFAULT_NAME;
use crate::hooks::Hooks;
use crate::pool::{CloseReason, Connection, ConnectionState, IdleLimits};
use crate::server::Server;
use crate::telemetry::kind::StatementKind;
use crate::telemetry::query_log::{self, Executed};

/// Why a connection ends.
pub(super) enum Stop {
    /// The client said goodbye, or its socket is closed.
    Gone,
    /// The server ends it, with this as its last word.
    Fatal(SqlError),
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Stop {
    pub(super) fn closed(reason: CloseReason) -> Self {
        let (sqlstate, message) = reason.error();
        Self::Fatal(SqlError::new(sqlstate, message))
    }
}

/// What goes on, or the end of the connection.
pub(super) type Flow<T = ()> = Result<T, Stop>;

/// A statement that has begun: for its account, metrics and the query log.
pub(super) struct Running {
    pub kind: StatementKind,
    /// Its text; none where the statement does not exist.
    pub sql: Option<Arc<str>>,
    pub began: Instant,
    /// When it ended, as far as it has.
    pub ended: Option<Instant>,
    pub rows: u64,
    /// COPY TO STDOUT has begun.
    pub copying: bool,
}

/// A client's connection.
pub(super) struct Client {
    pub server: Arc<Server>,
    pub channel: Channel,
    pub connection: Arc<Connection>,
    /// Locked by the connection's task, or for a statement's time by the worker thread that runs it.
    pub session: Arc<Mutex<Session>>,
    /// The session's node of the memory tree.
    pub memory: Arc<MemoryAccount>,
    pub limits: MessageLimits,
    pub shape: Shape,
    /// An extended query failed: everything up to Sync is left out.
    pub skip_to_sync: bool,
    /// The client waits for what is gathered.
    pub answer_due: bool,
    /// When the next statement's time begins.
    pub mark: Instant,
    /// A statement of the extended protocol whose commit is still to come, at Sync.
    pub pending: Option<Running>,
    /// The parameters of the last Bind, where the query log asks for them.
    pub parameters: String,
    counted: (u64, u64),
}

/// Serves an admitted client to its end.
pub(super) async fn run(server: &Arc<Server>, admitted: Admitted) {
    let Admitted { mut channel, connection, parameters, slot } = admitted;
    let session = match begin(server, &connection, parameters) {
        Ok(session) => session,
        Err(error) => return super::farewell(&mut channel, &error).await,
    };
    let (session, memory) = session;
    let mut client = Client {
        limits: MessageLimits::of(&server.settings().config),
        server: server.clone(),
        channel,
        connection,
        session: Arc::new(Mutex::new(session)),
        memory,
        shape: Shape::default(),
        skip_to_sync: false,
        answer_due: true,
        mark: Instant::now(),
        pending: None,
        parameters: String::new(),
        counted: (0, 0),
    };
    let last = match AssertUnwindSafe(client.serve()).catch_unwind().await {
        Ok(Stop::Gone) => None,
        Ok(Stop::Fatal(error)) => Some(error),
        Err(_panic) => {
            // The panic hook has logged what and where. What is gathered may end in half a message.
            client.channel.out.clear();
            Some(SqlError::internal("the server failed while it executed the statement"))
        }
    };
    // Locks are given back before the client hears that it is over.
    let _ = std::panic::catch_unwind(AssertUnwindSafe(|| client.session.lock().end()));
    if let Some(error) = last {
        tracing::info!(connection = client.connection.id, %error, "connection ended");
        super::farewell(&mut client.channel, &error).await;
    }
    client.count_traffic();
    drop(slot);
}

/// Begins the session and applies the startup parameters.
fn begin(
    server: &Arc<Server>,
    connection: &Arc<Connection>,
    parameters: BTreeMap<String, String>,
) -> Result<(Session, Arc<MemoryAccount>)> {
    let starting = || SqlError::new(sqlstate::CANNOT_CONNECT_NOW, "the database system is starting up");
    let database = server.database().ok_or_else(starting)?;
    let memory = MemoryAccount::new("session", u64::MAX, Some(server.memory().clone()));
    let mut session = database.session(SessionOptions {
        user: connection.user.clone(),
        database: DEFAULT_NAME.to_owned(),
        backend_pid: connection.id,
        hooks: Arc::new(Hooks(server.clone())),
        memory: memory.clone(),
    });
    if let Some(options) = parameters.get("options") {
        session.set_startup_options(options)?;
    }
    for (name, value) in parameters.iter().filter(|(name, _)| *name != "options") {
        session.set_startup(name, value)?;
    }
    *connection.application_name.lock() = session.application_name();
    Ok((session, memory))
}

impl Client {
    async fn serve(&mut self) -> Stop {
        self.greet();
        loop {
            if let Err(stop) = self.rest().await {
                return stop;
            }
            if let Err(stop) = self.arrived().await {
                return stop;
            }
        }
    }

    /// What ends the startup: parameters, the key for cancel requests, ReadyForQuery.
    fn greet(&mut self) {
        let session = self.session.lock();
        let out = &mut self.channel.out;
        for (name, value) in session.reported_parameters() {
            encode::parameter_status(out, &name, &value);
        }
        encode::backend_key(out, self.connection.id, self.connection.secret);
        encode::ready(out, session.transaction_status());
    }

    /// Sends what is due and waits for the client.
    async fn rest(&mut self) -> Flow {
        let state = {
            let session = self.session.lock();
            let start = session.transaction_start().unwrap_or(0);
            self.connection.transaction_start.store(start, Ordering::Relaxed);
            self.connection.set_idle_limits(IdleLimits {
                session: session.idle_session_timeout(),
                transaction: session.idle_in_transaction_timeout(),
            });
            match session.transaction_status() {
                TransactionStatus::Idle => ConnectionState::Idle,
                TransactionStatus::InTransaction => ConnectionState::IdleInTransaction,
                TransactionStatus::Failed => ConnectionState::IdleInFailedTransaction,
            }
        };
        // Who has the answer and asks what this connection does hears that it does nothing.
        self.connection.enter(state, Instant::now());
        if std::mem::take(&mut self.answer_due) {
            self.channel.flush().await?;
        }
        self.count_traffic();
        // While the answer was on its way to a slow client, it was not idle.
        self.connection.enter(state, Instant::now());
        self.connection.not_idle();
        loop {
            if let Some(reason) = self.connection.closing() {
                return Err(Stop::closed(reason));
            }
            tokio::select! {
                biased;
                read = self.channel.fill() => {
                    if read? == 0 {
                        return Err(Stop::Gone);
                    }
                    break;
                }
                () = self.connection.signalled() => {}
            }
        }
        self.mark = Instant::now();
        self.connection.enter(ConnectionState::Active, self.mark);
        self.connection.cancel.clear();
        self.limits = MessageLimits::of(&self.server.settings().config);
        Ok(())
    }

    /// Handles every message that has arrived.
    async fn arrived(&mut self) -> Flow {
        loop {
            let incoming = self.channel.next(self.limits).map_err(Stop::Fatal)?;
            match incoming {
                Incoming::Nothing => return Ok(()),
                Incoming::Message(tag, body) => self.message(tag, &body).await?,
                Incoming::TooLong(tag, bytes) => self.too_long(tag, bytes)?,
            }
            if self.channel.out.len() >= super::channel::SEND_BYTES {
                self.channel.flush().await?;
            }
            if self.connection.closing() == Some(CloseReason::Terminated) {
                return Err(Stop::closed(CloseReason::Terminated));
            }
        }
    }

    async fn message(&mut self, tag: u8, body: &Bytes) -> Flow {
        match tag {
            b'S' => return self.sync().await,
            b'X' => return Err(Stop::Gone),
            // What a client still sends of a COPY that has failed.
            b'd' | b'c' | b'f' => return Ok(()),
            _ if self.skip_to_sync => return Ok(()),
            b'Q' => return self.simple_query(body).await,
            b'H' => {
                self.answer_due = true;
                return Ok(());
            }
            b'F' => {
                let error = SqlError::unsupported("the function call protocol");
                self.fail(&error)?;
                self.ready();
                return Ok(());
            }
            b'p' => {
                let error = SqlError::new(sqlstate::PROTOCOL_VIOLATION, "invalid frontend message type 112");
                return Err(Stop::Fatal(error));
            }
            _ => {}
        }
        if let Err(error) = self.extended(tag, body).await? {
            self.fail(&error)?;
            self.skip_to_sync = true;
            self.answer_due = true;
        }
        Ok(())
    }

    /// A message that was not kept because of its length.
    fn too_long(&mut self, tag: u8, bytes: usize) -> Flow {
        if tag == b'd' || self.skip_to_sync {
            return Ok(());
        }
        let error = match tag {
            b'Q' | b'P' => self.text_too_long(bytes - 1),
            _ => SqlError::new(
                sqlstate::OUT_OF_MEMORY,
                format!("a message of {bytes} bytes exceeds the limit of {} bytes", self.limits.data),
            )
            .with_hint("Send less at a time, or raise limits.maxQueryMemory."),
        };
        self.note_failure(StatementKind::Other, &error);
        self.fail(&error)?;
        if matches!(tag, b'Q' | b'F') {
            self.ready();
        } else {
            self.skip_to_sync = true;
            self.answer_due = true;
        }
        Ok(())
    }

    pub(super) fn text_too_long(&self, bytes: usize) -> SqlError {
        let limit = self.limits.query;
        SqlError::new(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            format!("query text of {bytes} bytes exceeds the limit of {limit} bytes"),
        )
        .with_hint("Send values as parameters or by COPY, or raise limits.maxQuerySize.")
    }

    /// A statement failed: the session learns of it and the client gets the error.
    pub(super) fn fail(&mut self, error: &SqlError) -> Flow {
        self.session.lock().fail(error);
        self.notices();
        if matches!(error.sqlstate(), sqlstate::INTERNAL_ERROR | sqlstate::DATA_CORRUPTED) {
            tracing::error!(connection = self.connection.id, %error, "internal error");
        }
        if error.sqlstate() == sqlstate::ADMIN_SHUTDOWN {
            return Err(Stop::Fatal(error.clone()));
        }
        encode::error(&mut self.channel.out, error, Severity::Error);
        Ok(())
    }

    /// Notices of the statement, before its answer.
    pub(super) fn notices(&mut self) {
        for notice in self.session.lock().take_notices() {
            encode::notice(&mut self.channel.out, &notice.error, notice.severity);
        }
    }

    /// Parameters that changed, then ReadyForQuery; the client waits for it.
    pub(super) fn ready(&mut self) {
        let mut session = self.session.lock();
        for (name, value) in session.take_parameter_changes() {
            encode::parameter_status(&mut self.channel.out, &name, &value);
            if name == "application_name" {
                *self.connection.application_name.lock() = value;
            }
        }
        encode::ready(&mut self.channel.out, session.transaction_status());
        self.answer_due = true;
    }

    /// Accounts a statement that has ended.
    pub(super) fn note(&mut self, running: &Running, error: Option<&SqlError>) {
        let ended = running.ended.unwrap_or_else(Instant::now);
        let elapsed = ended.saturating_duration_since(running.began);
        self.mark = ended;
        let state = error.map(SqlError::sqlstate);
        self.server.telemetry.statement(running.kind, elapsed, ended, running.rows, state);
        let account = &self.connection.account;
        account.statements.fetch_add(1, Ordering::Relaxed);
        account.rows.fetch_add(running.rows, Ordering::Relaxed);
        account.busy_us.fetch_add(micros(elapsed), Ordering::Relaxed);
        let settings = self.server.settings();
        let logging = &settings.config.logging;
        if query_log::wanted(logging, elapsed) {
            let executed = Executed {
                sql: running.sql.as_deref().unwrap_or(""),
                kind: running.kind,
                elapsed,
                rows: running.rows,
                sqlstate: state,
                connection: self.connection.id,
                transaction: self.session.lock().transaction_id(),
            };
            query_log::write(&executed, logging, || self.parameters.clone());
        }
    }

    /// Accounts a statement that failed before it ran.
    pub(super) fn note_failure(&mut self, kind: StatementKind, error: &SqlError) {
        let running = Running { kind, sql: None, began: self.mark, ended: None, rows: 0, copying: false };
        self.note(&running, Some(error));
    }

    fn count_traffic(&mut self) {
        let (received, sent) = (self.channel.received, self.channel.sent);
        let (received_before, sent_before) = std::mem::replace(&mut self.counted, (received, sent));
        self.connection.account.bytes_received.store(received, Ordering::Relaxed);
        self.connection.account.bytes_sent.store(sent, Ordering::Relaxed);
        self.server.telemetry.metrics.traffic(received - received_before, sent - sent_before);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
