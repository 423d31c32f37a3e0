//! One client connection as the rest of the server sees it: its state, its account, and the means to cancel or close it.
//!
//! The connection's own task writes here with plain atomic stores, a few per statement; others (the sweep for timeouts,
//! `/status`, `pg_stat_activity`, cancel requests) read. No one waits for anyone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use plimsoll_sql::context::Cancel;
use tokio::sync::Notify;

use super::limiter::{Limiter, Slot};

/// The text of a statement is kept for `pg_stat_activity` up to this many bytes, as PostgreSQL does.
const QUERY_BYTES_MAX: usize = 1024;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionState {
    /// Authenticated, waiting for a slot of the pool.
    Waiting,
    /// Waiting for the client, outside a transaction.
    Idle,
    /// Executing a statement.
    Active,
    /// Waiting for the client, inside a transaction.
    IdleInTransaction,
    /// Waiting for the client, inside a transaction that failed.
    IdleInFailedTransaction,
}

impl ConnectionState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Idle, Self::Active, Self::IdleInTransaction, Self::IdleInFailedTransaction];

    /// The name in `pg_stat_activity`, `/status` and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::IdleInTransaction => "idle in transaction",
            Self::IdleInFailedTransaction => "idle in transaction (aborted)",
        }
    }

    fn of_number(number: u8) -> Self {
        Self::ALL.into_iter().find(|state| *state as u8 == number).unwrap_or(Self::Active)
    }
}

/// Why the server closes a connection that its client did not close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// Idle for longer than `pool.idleTimeout`.
    Idle = 1,
    /// Idle inside a transaction for longer than its limit.
    IdleInTransaction = 2,
    /// The server shuts down.
    Shutdown = 3,
    /// Someone asked by `pg_terminate_backend`.
    Terminated = 4,
}

impl CloseReason {
    /// SQLSTATE and message of the last error the client gets.
    pub fn error(self) -> (&'static str, &'static str) {
        match self {
            Self::Idle => ("57P05", "terminating connection due to idle-session timeout"),
            Self::IdleInTransaction => ("25P03", "terminating connection due to idle-in-transaction timeout"),
            Self::Shutdown | Self::Terminated => {
                ("57P01", "terminating connection due to administrator command")
            }
        }
    }
}

/// A connection: who it is, what it does, what it used.
pub struct Connection {
    /// The process id the client sees; never 0.
    pub id: i32,
    /// The secret a cancel request must know.
    pub secret: i32,
    /// The client's address.
    pub peer: SocketAddr,
    /// The user it authenticated as.
    pub user: String,
    /// When it began.
    pub started: SystemTime,
    /// The name the client gives itself.
    pub application_name: Mutex<String>,
    /// What it used.
    pub account: Account,
    /// Ends the running statement, which looks at it.
    pub cancel: Arc<Cancel>,
    /// What the running statement waits for: type and name of the event, empty for nothing.
    pub wait_event: Mutex<(&'static str, &'static str)>,
    /// When the open transaction began, µs since 2000-01-01 UTC; 0 for none.
    pub transaction_start: AtomicI64,
    query_start_us: AtomicU64,
    slot: Mutex<Option<Slot>>,
    slot_lent: AtomicBool,
    state: AtomicU8,
    born: Instant,
    since_us: AtomicU64,
    query: Mutex<String>,
    idle_limits: Mutex<IdleLimits>,
    close: AtomicU8,
    signal: Notify,
}

/// A session's own limits on idling; they count where they are below the configured ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdleLimits {
    /// `idle_session_timeout`.
    pub session: Option<Duration>,
    /// `idle_in_transaction_session_timeout`.
    pub transaction: Option<Duration>,
}

/// What a connection used since it began.
#[derive(Debug, Default)]
pub struct Account {
    /// Statements executed.
    pub statements: AtomicU64,
    /// Rows sent.
    pub rows: AtomicU64,
    /// Bytes received.
    pub bytes_received: AtomicU64,
    /// Bytes sent.
    pub bytes_sent: AtomicU64,
    /// Time spent executing, in microseconds.
    pub busy_us: AtomicU64,
}

impl Connection {
    /// A connection that begins now.
    pub fn new(id: i32, secret: i32, peer: SocketAddr, user: String) -> Self {
        Self {
            id,
            secret,
            peer,
            user,
            started: SystemTime::now(),
            application_name: Mutex::default(),
            account: Account::default(),
            cancel: Arc::default(),
            wait_event: Mutex::default(),
            transaction_start: AtomicI64::new(0),
            query_start_us: AtomicU64::new(0),
            slot: Mutex::default(),
            slot_lent: AtomicBool::new(false),
            state: AtomicU8::new(ConnectionState::Waiting as u8),
            born: Instant::now(),
            since_us: AtomicU64::new(0),
            query: Mutex::default(),
            idle_limits: Mutex::default(),
            close: AtomicU8::new(0),
            signal: Notify::new(),
        }
    }

    /// Enters a state at a moment.
    pub fn enter(&self, state: ConnectionState, at: Instant) {
        let since = at.saturating_duration_since(self.born);
        self.since_us.store(u64::try_from(since.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.state.store(state as u8, Ordering::Release);
    }

    /// What it does, and for how long already.
    pub fn state(&self) -> (ConnectionState, Duration) {
        let state = ConnectionState::of_number(self.state.load(Ordering::Acquire));
        let since = Duration::from_micros(self.since_us.load(Ordering::Relaxed));
        (state, self.born.elapsed().saturating_sub(since))
    }

    /// Keeps the text of the statement that begins at a moment.
    pub fn set_query(&self, sql: &str, at: Instant) {
        let start = at.saturating_duration_since(self.born);
        self.query_start_us.store(u64::try_from(start.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let cut = sql.floor_char_boundary(QUERY_BYTES_MAX);
        let mut query = self.query.lock();
        query.clear();
        query.push_str(sql.split_at_checked(cut).map_or("", |(text, _)| text));
    }

    /// The text of the running statement, or of the last one.
    pub fn query(&self) -> String {
        self.query.lock().clone()
    }

    /// Sets the session's own limits on idling.
    pub fn set_idle_limits(&self, limits: IdleLimits) {
        *self.idle_limits.lock() = limits;
    }

    /// The session's own limits on idling.
    pub fn idle_limits(&self) -> IdleLimits {
        *self.idle_limits.lock()
    }

    /// Keeps the slot that the running statement was admitted to.
    pub fn hold(&self, slot: Slot) {
        *self.slot.lock() = Some(slot);
    }

    /// Gives the slot back: the statement is over.
    pub fn release(&self) {
        self.slot.lock().take();
        self.slot_lent.store(false, Ordering::Relaxed);
    }

    /// Lends the slot to others while the statement waits for something, type and name as in `pg_stat_activity`.
    pub fn wait_begin(&self, event: (&'static str, &'static str)) {
        *self.wait_event.lock() = event;
        if self.slot.lock().take().is_some() {
            self.slot_lent.store(true, Ordering::Relaxed);
        }
    }

    /// The wait is over: takes a slot again where one was lent. For worker threads only, which may block. Where none comes free within a
    /// second the statement goes on without: its own deadline must hold even where all slots are taken by bulk work.
    pub fn wait_end(&self, slots: &Limiter) {
        *self.wait_event.lock() = ("", "");
        if !self.slot_lent.swap(false, Ordering::Relaxed) {
            return;
        }
        const PATIENCE: Duration = Duration::from_secs(1);
        let slot = slots.try_acquire().or_else(|| {
            let runtime = tokio::runtime::Handle::try_current().ok()?;
            runtime.block_on(slots.acquire_within(PATIENCE)).ok().map(|(slot, _)| slot)
        });
        *self.slot.lock() = slot;
    }

    /// The wall clock's time when the running statement began, or the last one.
    pub fn query_start(&self) -> SystemTime {
        self.started + Duration::from_micros(self.query_start_us.load(Ordering::Relaxed))
    }

    /// The wall clock's time when it entered its state.
    pub fn state_change(&self) -> SystemTime {
        self.started + Duration::from_micros(self.since_us.load(Ordering::Relaxed))
    }

    /// Cancels the running statement, where there is one.
    pub fn cancel(&self) {
        if self.state().0 == ConnectionState::Active {
            self.cancel.request();
            self.signal.notify_one();
        }
    }

    /// Asks the connection's task to end: at once where it waits for the client, else after its statement. The first reason stays,
    /// but for an idle timeout, which may be taken back.
    pub fn close(&self, reason: CloseReason) {
        let (new, last_idle) = (reason as u8, CloseReason::IdleInTransaction as u8);
        let _ = self.close.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |old| {
            (old == 0 || (old <= last_idle && new > last_idle)).then_some(new)
        });
        self.signal.notify_one();
    }

    /// Whether the connection is asked to end.
    pub fn closing(&self) -> Option<CloseReason> {
        match self.close.load(Ordering::Acquire) {
            0 => None,
            1 => Some(CloseReason::Idle),
            2 => Some(CloseReason::IdleInTransaction),
            3 => Some(CloseReason::Shutdown),
            _ => Some(CloseReason::Terminated),
        }
    }

    /// Takes an idle timeout back: a statement came in before the connection's task saw it.
    pub fn not_idle(&self) {
        for idle in [CloseReason::Idle, CloseReason::IdleInTransaction] {
            let _ = self.close.compare_exchange(idle as u8, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Resolves when the connection is cancelled or asked to end. One signal is kept while no one waits.
    pub async fn signalled(&self) {
        self.signal.notified().await;
    }
}
