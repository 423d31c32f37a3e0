//! What sessions ask of the server around them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use plimsoll_sql::session::{Activity, ServerHooks};

use crate::config::DEFAULT_NAME;
use crate::pool::{CloseReason, Connection};
use crate::server::Server;

/// From 1970 to 2000, where PostgreSQL's time begins.
const EPOCH: Duration = Duration::from_secs(946_684_800);

/// The server, as sessions see it.
pub struct Hooks(pub Arc<Server>);

impl ServerHooks for Hooks {
    fn activity(&self) -> Vec<Activity> {
        self.0.registry.all().iter().map(|connection| activity(connection)).collect()
    }

    fn wait_begin(&self, backend_pid: i32, event_type: &'static str, event: &'static str) {
        if let Some(connection) = self.0.registry.get(backend_pid) {
            connection.wait_begin((event_type, event));
        }
    }

    fn wait_end(&self, backend_pid: i32) {
        if let Some(connection) = self.0.registry.get(backend_pid) {
            connection.wait_end(&self.0.statement_slots);
        }
    }

    fn query_timeout(&self) -> Option<Duration> {
        self.0.settings().config.limits.query_timeout.0
    }

    fn signal_backend(&self, backend_pid: i32, terminate: bool) -> bool {
        let Some(connection) = self.0.registry.get(backend_pid) else { return false };
        if terminate {
            connection.close(CloseReason::Terminated);
        }
        connection.cancel();
        true
    }

    fn start_time(&self) -> i64 {
        micros(self.0.telemetry.started_at())
    }
}

fn activity(connection: &Connection) -> Activity {
    let account = &connection.account;
    let (event_type, event) = *connection.wait_event.lock();
    Activity {
        pid: connection.id,
        user: connection.user.clone(),
        database: DEFAULT_NAME.to_owned(),
        application_name: connection.application_name.lock().clone(),
        client_addr: connection.peer.ip().to_string(),
        client_port: i32::from(connection.peer.port()),
        backend_start: micros(connection.started),
        xact_start: connection.transaction_start.load(Ordering::Relaxed),
        query_start: micros(connection.query_start()),
        state_change: micros(connection.state_change()),
        state: connection.state().0.name().to_owned(),
        wait_event: (event_type.to_owned(), event.to_owned()),
        query: connection.query(),
        statements: account.statements.load(Ordering::Relaxed),
        rows: account.rows.load(Ordering::Relaxed),
        bytes: account.bytes_sent.load(Ordering::Relaxed),
        time_us: account.busy_us.load(Ordering::Relaxed),
    }
}

/// Microseconds since 2000-01-01 UTC.
fn micros(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.saturating_sub(EPOCH).as_micros()).unwrap_or(i64::MAX)
}
