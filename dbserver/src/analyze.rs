//! Statistics kept up in the background: PostgreSQL's autovacuum, of which there is just the ANALYZE.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_sql::context::{Cancel, MemoryAccount, QueryContext};
use plimsoll_sql::{Result, SqlError};
use tokio::time::MissedTickBehavior;

use crate::server::{Phase, Server};

/// From one look for tables that changed to the next (`autovacuum_naptime`).
const INTERVAL: Duration = Duration::from_secs(60);

/// Analyzes tables that changed, on a worker thread at a time, for ever.
pub async fn run(server: Arc<Server>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let server = server.clone();
        // A panic has been logged by its hook; the next round tries again.
        let _ = tokio::task::spawn_blocking(move || round(&server)).await;
    }
}

fn round(server: &Server) {
    let Some(database) = server.database() else { return };
    let query = QueryContext {
        deadline: None,
        cancel: Arc::new(Cancel::default()),
        memory: MemoryAccount::new(
            "query",
            server.settings().config.max_query_memory(),
            Some(server.memory().clone()),
        ),
        rows_max: u64::MAX,
        rows: 0.into(),
    };
    let mut worked = Instant::now();
    // As long a rest as each piece of work took: never more than half of a core.
    let mut pause = || -> Result<()> {
        if server.phase() == Phase::Draining {
            return Err(SqlError::new("57P01", "the server is shutting down"));
        }
        std::thread::sleep(worked.elapsed());
        worked = Instant::now();
        Ok(())
    };
    match database.analyze_changed(&query, &mut pause) {
        Ok(0) => {}
        Ok(tables) => tracing::debug!(tables, "statistics are up to date"),
        Err(_) if server.phase() == Phase::Draining => {}
        Err(error) => tracing::warn!(%error, "statistics could not be kept up"),
    }
}
