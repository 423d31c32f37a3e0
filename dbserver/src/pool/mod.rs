//! Connections are many and cheap; statements that run on worker threads are few.
//!
//! ```text
//!   client ── authenticated ──► slot of pool.maxConnections ──► session
//!                                  │ none within acquireTimeout: 53300
//!   statement ── point plan ──► runs on the connection's task, no slot
//!             └─ all others ──► slot of pool.activeStatements ──► worker thread
//!                                  ▲ given back while it waits for a lock, a commit or a slow client
//! ```
//!
//! A statement never waits for anything while it holds a slot, so slots cannot take part in a deadlock: the holder of a
//! row lock whose next statement wants a slot gets one as soon as some statement's computing ends.

mod connection;
mod limiter;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use connection::{Account, CloseReason, Connection, ConnectionState, IdleLimits};
pub use limiter::{Limiter, Slot, TimedOut};

use crate::config::Pool as PoolConfig;

/// How often connections are looked at for timeouts.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(200);

/// The connections there are.
#[derive(Default)]
pub struct Registry {
    connections: Mutex<HashMap<i32, Arc<Connection>>>,
    last_id: AtomicI32,
}

impl Registry {
    /// An id no other connection has.
    pub fn next_id(&self) -> i32 {
        self.last_id
            .fetch_add(1, Ordering::Relaxed)
            .checked_rem(i32::MAX)
            .unwrap_or(0)
            .saturating_add(1)
            .max(1)
    }

    /// Makes a connection known.
    pub fn add(&self, connection: Arc<Connection>) {
        self.connections.lock().insert(connection.id, connection);
    }

    /// Forgets a connection.
    pub fn remove(&self, id: i32) {
        self.connections.lock().remove(&id);
    }

    /// Every connection, the oldest first.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        let mut all: Vec<_> = self.connections.lock().values().cloned().collect();
        all.sort_by_key(|connection| connection.started);
        all
    }

    /// The number of connections.
    pub fn len(&self) -> usize {
        self.connections.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A connection by its id.
    pub fn get(&self, id: i32) -> Option<Arc<Connection>> {
        self.connections.lock().get(&id).cloned()
    }

    /// Cancels the statement of the connection with this id and secret, if there is one.
    pub fn cancel(&self, id: i32, secret: i32) {
        if let Some(connection) = self.get(id)
            && connection.secret == secret
        {
            connection.cancel();
        }
    }

    /// Asks the connections that were idle for too long to end.
    pub fn sweep(&self, limits: &PoolConfig) {
        for connection in self.all() {
            let (state, since) = connection.state();
            let own = connection.idle_limits();
            let over = |limits: [Option<Duration>; 2]| {
                limits.into_iter().flatten().min().is_some_and(|limit| since >= limit)
            };
            match state {
                ConnectionState::Idle if over([own.session, limits.idle_timeout.0]) => {
                    connection.close(CloseReason::Idle);
                }
                ConnectionState::IdleInTransaction | ConnectionState::IdleInFailedTransaction
                    if over([own.transaction, limits.idle_in_transaction_timeout.0]) =>
                {
                    connection.close(CloseReason::IdleInTransaction);
                }
                _ => {}
            }
        }
    }

    /// Asks every connection to end after its statement.
    pub fn close_all(&self) {
        for connection in self.all() {
            connection.close(CloseReason::Shutdown);
        }
    }

    /// Ends every running statement with 57P01.
    pub fn cancel_all(&self) {
        for connection in self.all() {
            connection.cancel.shut_down();
            connection.close(CloseReason::Terminated);
            connection.cancel();
        }
    }
}

/// Waits until there is no connection, at most until a moment; says whether it came to that.
pub async fn drained(registry: &Registry, until: Instant) -> bool {
    while !registry.is_empty() {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TimeLimit;

    fn connection(registry: &Registry) -> Arc<Connection> {
        let peer = "127.0.0.1:1".parse().unwrap();
        let connection = Arc::new(Connection::new(registry.next_id(), 42, peer, "plimsoll".into()));
        registry.add(connection.clone());
        connection
    }

    #[test]
    fn cancel_needs_the_secret() {
        let registry = Registry::default();
        let connection = connection(&registry);
        connection.enter(ConnectionState::Active, Instant::now());
        registry.cancel(connection.id, 41);
        assert!(!connection.cancel.is_requested());
        registry.cancel(connection.id, 42);
        assert!(connection.cancel.is_requested());
    }

    #[test]
    fn the_sweep_ends_what_idles() {
        let registry = Registry::default();
        let limits = PoolConfig {
            idle_timeout: TimeLimit(Some(Duration::ZERO)),
            idle_in_transaction_timeout: TimeLimit(None),
            ..PoolConfig::default()
        };
        let (idle, active, open) = (connection(&registry), connection(&registry), connection(&registry));
        idle.enter(ConnectionState::Idle, Instant::now());
        active.enter(ConnectionState::Active, Instant::now());
        open.enter(ConnectionState::IdleInTransaction, Instant::now());
        registry.sweep(&limits);
        assert_eq!(idle.closing(), Some(CloseReason::Idle));
        assert_eq!((active.closing(), open.closing()), (None, None));
        open.set_idle_limits(IdleLimits { transaction: Some(Duration::ZERO), session: None });
        registry.sweep(&limits);
        assert_eq!(open.closing(), Some(CloseReason::IdleInTransaction));
    }

    #[test]
    fn a_shutdown_is_not_taken_back_with_an_idle_timeout() {
        let registry = Registry::default();
        let connection = connection(&registry);
        connection.close(CloseReason::Idle);
        connection.close(CloseReason::Shutdown);
        connection.close(CloseReason::Idle);
        connection.not_idle();
        assert_eq!(connection.closing(), Some(CloseReason::Shutdown));
    }

    #[test]
    fn ids_are_positive_and_new() {
        let registry = Registry::default();
        assert_eq!((registry.next_id(), registry.next_id()), (1, 2));
    }
}
