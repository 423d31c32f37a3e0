//! What Prometheus scrapes.
//!
//! Counters and histograms that statements touch are resolved once and kept, so that a statement pays for a few atomic
//! additions and no look-up. What other parts count already (connections by state, the engine's figures) is copied when
//! Prometheus asks.

use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, Result, TextEncoder,
};

use super::kind::{KINDS, StatementKind};
use crate::pool::ConnectionState;
use crate::status::Figures;

/// Upper ends of the latency buckets in seconds, 50 µs to 10 s.
const LATENCY_BUCKETS: [f64; 17] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0,
];

/// What waits in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A connection over `pool.maxConnections`.
    Connection,
    /// A statement over `pool.activeStatements`.
    Statement,
}

/// The process's metrics.
pub struct Metrics {
    registry: Registry,
    latency: Vec<Histogram>,
    statements: Vec<IntCounter>,
    rows: Vec<IntCounter>,
    errors: IntCounterVec,
    commits: IntCounter,
    rollbacks: IntCounter,
    bytes_received: IntCounter,
    bytes_sent: IntCounter,
    connections_opened: IntCounter,
    connections_refused: IntCounterVec,
    connections: IntGaugeVec,
    connection_wait: Histogram,
    statement_wait: Histogram,
    connection_limit: IntGauge,
    statement_limit: IntGauge,
    statements_active: IntGauge,
    config_failures: IntCounter,
    config_loaded: Gauge,
    log_writes: IntCounter,
    log_syncs: IntCounter,
    log_bytes: IntCounter,
    checkpoints: IntCounter,
    compactions: IntCounter,
    corruptions: IntCounter,
    snapshots_ended: IntCounter,
    files_written: IntCounterVec,
    blocks_read: IntCounterVec,
    storage_bytes: GaugeVec,
    memory_limit: Gauge,
    resident: Gauge,
    start_time: Gauge,
}

impl Metrics {
    /// Registers everything. Fails only where two metrics have one name, which a test rules out.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let make = Make { registry: &registry };
        let latency = make.histograms(
            "plimsoll_statement_duration_seconds",
            "Time from a statement's first message to its last row handed over, by kind of statement.",
            "kind",
        )?;
        let statements =
            make.counters("plimsoll_statements_total", "Statements executed, by kind.", &["kind"])?;
        let rows = make.counters(
            "plimsoll_rows_total",
            "Rows returned or changed by statements, by kind.",
            &["kind"],
        )?;
        let errors = make.counters(
            "plimsoll_statement_errors_total",
            "Statements that failed, by kind and by class of SQLSTATE (its first two characters).",
            &["kind", "class"],
        )?;
        let transactions =
            make.counters("plimsoll_transactions_total", "Transactions ended, by outcome.", &["outcome"])?;
        let waits = make.histograms(
            "plimsoll_pool_wait_seconds",
            "Time that connections and statements over a limit of the pool waited.",
            "resource",
        )?;
        let limits = make.gauges("plimsoll_pool_limit", "Limits of the pool in force.", &["resource"])?;
        let build =
            make.gauges("plimsoll_build_info", "Always 1; the version is in the label.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            latency: KINDS.iter().map(|kind| latency.with_label_values(&[kind.name()])).collect(),
            statements: KINDS.iter().map(|kind| statements.with_label_values(&[kind.name()])).collect(),
            rows: KINDS.iter().map(|kind| rows.with_label_values(&[kind.name()])).collect(),
            errors,
            commits: transactions.with_label_values(&["commit"]),
            rollbacks: transactions.with_label_values(&["rollback"]),
            bytes_received: make.counter("plimsoll_received_bytes_total", "Bytes received from clients.")?,
            bytes_sent: make.counter("plimsoll_sent_bytes_total", "Bytes sent to clients.")?,
            connections_opened: make
                .counter("plimsoll_connections_opened_total", "Connections that were admitted.")?,
            connections_refused: make.counters(
                "plimsoll_connections_refused_total",
                "Connections that were not admitted, by SQLSTATE.",
                &["sqlstate"],
            )?,
            connections: make.gauges("plimsoll_connections", "Connections, by state.", &["state"])?,
            connection_wait: waits.with_label_values(&["connection"]),
            statement_wait: waits.with_label_values(&["statement"]),
            connection_limit: limits.with_label_values(&["connection"]),
            statement_limit: limits.with_label_values(&["statement"]),
            statements_active: make
                .gauge_int("plimsoll_statements_active", "Statements that hold a slot of the pool.")?,
            config_failures: make.counter(
                "plimsoll_config_failures_total",
                "Configuration files that were read and could not be used.",
            )?,
            config_loaded: make.gauge(
                "plimsoll_config_loaded_timestamp_seconds",
                "When the configuration in force came into force, in seconds since 1970.",
            )?,
            log_writes: make.counter("plimsoll_log_writes_total", "Writes to the write-ahead log.")?,
            log_syncs: make.counter("plimsoll_log_syncs_total", "Syncs of the write-ahead log.")?,
            log_bytes: make
                .counter("plimsoll_log_written_bytes_total", "Bytes written to the write-ahead log.")?,
            checkpoints: make.counter("plimsoll_checkpoints_total", "Checkpoints of memory to files.")?,
            compactions: make.counter("plimsoll_compactions_total", "Compactions of data files.")?,
            corruptions: make
                .counter("plimsoll_corruptions_total", "Times that a data file was found damaged.")?,
            snapshots_ended: make.counter(
                "plimsoll_snapshots_ended_total",
                "Snapshots that were ended because what was kept for them took too much memory.",
            )?,
            files_written: make.counters(
                "plimsoll_files_written_bytes_total",
                "Bytes of data files written, by what wrote them.",
                &["by"],
            )?,
            blocks_read: make.counters(
                "plimsoll_blocks_read_total",
                "Blocks of data files read, by where they were found.",
                &["from"],
            )?,
            storage_bytes: make.gauge_vec(
                "plimsoll_storage_bytes",
                "Bytes of storage, by where.",
                &["where"],
            )?,
            memory_limit: make.gauge("plimsoll_memory_limit_bytes", "Memory this process may use.")?,
            resident: make.gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            start_time: make.gauge(
                "process_start_time_seconds",
                "Start time of the process since the Unix epoch in seconds.",
            )?,
            registry,
        })
    }

    /// Counts a statement, and its error by SQLSTATE.
    pub fn statement(&self, kind: StatementKind, elapsed: Duration, rows: u64, sqlstate: Option<&str>) {
        let number = kind as usize;
        if let (Some(latency), Some(count), Some(total)) =
            (self.latency.get(number), self.statements.get(number), self.rows.get(number))
        {
            latency.observe(elapsed.as_secs_f64());
            count.inc();
            total.inc_by(rows);
        }
        if let Some(sqlstate) = sqlstate {
            let class = sqlstate.get(..2).unwrap_or("XX");
            self.errors.with_label_values(&[kind.name(), class]).inc();
        }
    }

    /// Counts what a connection received and sent in one round.
    pub fn traffic(&self, received: u64, sent: u64) {
        self.bytes_received.inc_by(received);
        self.bytes_sent.inc_by(sent);
    }

    /// Counts an admitted connection.
    pub fn connection_opened(&self) {
        self.connections_opened.inc();
    }

    /// Counts a connection that was turned away.
    pub fn connection_refused(&self, sqlstate: &str) {
        self.connections_refused.with_label_values(&[sqlstate]).inc();
    }

    /// Counts a wait in the pool.
    pub fn pool_wait(&self, resource: Resource, waited: Duration) {
        match resource {
            Resource::Connection => self.connection_wait.observe(waited.as_secs_f64()),
            Resource::Statement => self.statement_wait.observe(waited.as_secs_f64()),
        }
    }

    /// Counts a configuration file that could not be used.
    pub fn config_failure(&self) {
        self.config_failures.inc();
    }

    /// Everything in Prometheus' text format; `figures` is what other parts count.
    pub fn render(&self, figures: &Figures) -> Result<String> {
        for state in ConnectionState::ALL {
            let count = figures.connections.iter().filter(|seen| **seen == state).count();
            self.connections.with_label_values(&[state.name()]).set(as_gauge(count as u64));
        }
        self.connection_limit.set(as_gauge(figures.connection_limit));
        self.statement_limit.set(as_gauge(figures.statement_limit));
        self.statements_active.set(as_gauge(figures.statements_active));
        self.config_loaded.set(figures.config_loaded_s);
        self.memory_limit.set(figures.memory_limit as f64);
        self.resident.set(figures.resident as f64);
        self.start_time.set(figures.start_time_s);
        if let Some(engine) = &figures.engine {
            raise(&self.commits, engine.commits);
            raise(&self.rollbacks, engine.rollbacks);
            raise(&self.log_writes, engine.log_writes);
            raise(&self.log_syncs, engine.log_syncs);
            raise(&self.log_bytes, engine.log_bytes);
            raise(&self.checkpoints, engine.checkpoints);
            raise(&self.compactions, engine.compactions);
            raise(&self.corruptions, engine.corruptions);
            raise(&self.snapshots_ended, engine.snapshots_ended);
            for (by, bytes) in &engine.written {
                raise(&self.files_written.with_label_values(&[*by]), *bytes);
            }
            for (from, blocks) in &engine.blocks {
                raise(&self.blocks_read.with_label_values(&[*from]), *blocks);
            }
            for (place, bytes) in &engine.bytes {
                self.storage_bytes.with_label_values(&[place]).set(*bytes as f64);
            }
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Brings a counter up to what another part counted.
fn raise(counter: &IntCounter, counted: u64) {
    counter.inc_by(counted.saturating_sub(counter.get()));
}

/// Makes a metric and registers it.
struct Make<'a> {
    registry: &'a Registry,
}

impl Make<'_> {
    fn register<C: prometheus::core::Collector + Clone + 'static>(&self, metric: Result<C>) -> Result<C> {
        let metric = metric?;
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histograms(&self, name: &str, help: &str, label: &str) -> Result<HistogramVec> {
        let opts = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
        self.register(HistogramVec::new(opts, &[label]))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.register(IntCounter::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec> {
        self.register(GaugeVec::new(Opts::new(name, help), labels))
    }

    fn gauge_int(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.register(IntGauge::new(name, help))
    }

    fn gauge(&self, name: &str, help: &str) -> Result<Gauge> {
        self.register(Gauge::new(name, help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_follows_the_rules() {
        let metrics = Metrics::new().unwrap();
        metrics.statement(StatementKind::Select, Duration::from_micros(80), 1, Some("42P01"));
        let text = metrics.render(&Figures::default()).unwrap();
        assert!(text.contains("plimsoll_statement_errors_total{class=\"42\",kind=\"select\"} 1"), "{text}");
        assert!(
            text.contains("plimsoll_statement_duration_seconds_bucket{kind=\"select\",le=\"0.0001\"} 1"),
            "{text}"
        );
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        }
    }
}
