//! What the server tells about itself: logs, metrics and latencies.

pub mod kind;
pub mod latency;
pub mod logging;
pub mod metrics;
pub mod query_log;

use std::time::{Duration, Instant, SystemTime};

use kind::{KINDS, StatementKind};
use latency::{Latencies, LatencyWindow};
use metrics::Metrics;

/// The process's counters and latencies.
pub struct Telemetry {
    /// What Prometheus scrapes.
    pub metrics: Metrics,
    windows: Vec<LatencyWindow>,
    started: Instant,
    started_at: SystemTime,
}

impl Telemetry {
    /// Starts the clock. Fails only where two metrics have one name.
    pub fn new() -> prometheus::Result<Self> {
        Ok(Self {
            metrics: Metrics::new()?,
            windows: KINDS.iter().map(|_| LatencyWindow::default()).collect(),
            started: Instant::now(),
            started_at: SystemTime::now(),
        })
    }

    /// Counts a statement that ended at `ended` after `elapsed`, with its error's SQLSTATE.
    pub fn statement(
        &self,
        kind: StatementKind,
        elapsed: Duration,
        ended: Instant,
        rows: u64,
        sqlstate: Option<&str>,
    ) {
        self.metrics.statement(kind, elapsed, rows, sqlstate);
        if let Some(window) = self.windows.get(kind as usize) {
            window.record(elapsed, ended.saturating_duration_since(self.started));
        }
    }

    /// The last minute's latencies of each kind.
    pub fn latencies(&self) -> impl Iterator<Item = (StatementKind, Latencies)> + '_ {
        let now = self.started.elapsed();
        KINDS.iter().zip(&self.windows).map(move |(kind, window)| (*kind, window.read(now)))
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The wall clock's time of the start.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }
}
