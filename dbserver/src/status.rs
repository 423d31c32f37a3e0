//! What `/status` and `/metrics` show of the whole process at one moment.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use plimsoll_sql::session::Database;
use serde_json::{Value, json};

use crate::config::memory;
use crate::pool::{Connection, ConnectionState};
use crate::server::Server;

/// Of more connections than this only the oldest are listed.
const CONNECTIONS_SHOWN_MAX: usize = 1_000;

/// What other parts than the metrics count.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// The state of each connection.
    pub connections: Vec<ConnectionState>,
    /// `pool.maxConnections` in force.
    pub connection_limit: u64,
    /// `pool.activeStatements` in force.
    pub statement_limit: u64,
    /// Statements that hold a slot.
    pub statements_active: u64,
    /// When the configuration came into force, in seconds since 1970.
    pub config_loaded_s: f64,
    /// Memory this process may use, in bytes.
    pub memory_limit: u64,
    /// Memory this process uses, in bytes.
    pub resident: u64,
    /// When the process started, in seconds since 1970.
    pub start_time_s: f64,
    /// The storage engine's, once it is open.
    pub engine: Option<EngineFigures>,
}

/// What the storage engine counts.
#[derive(Debug, Clone, Default)]
pub struct EngineFigures {
    /// Transactions that have begun and not ended.
    pub transactions_open: u64,
    /// Transactions committed since the start.
    pub commits: u64,
    /// Transactions rolled back since the start.
    pub rollbacks: u64,
    /// Writes to the log since the start.
    pub log_writes: u64,
    /// Syncs of the log since the start.
    pub log_syncs: u64,
    /// Bytes written to the log since the start.
    pub log_bytes: u64,
    /// Checkpoints since the start.
    pub checkpoints: u64,
    /// Compactions since the start.
    pub compactions: u64,
    /// Times that a data file was found damaged since the start.
    pub corruptions: u64,
    /// Snapshots ended for the memory that they took since the start.
    pub snapshots_ended: u64,
    /// Bytes of data files written since the start, by what wrote them.
    pub written: Vec<(&'static str, u64)>,
    /// Blocks of data files read since the start, by where they were found.
    pub blocks: Vec<(&'static str, u64)>,
    /// Bytes by where they are.
    pub bytes: Vec<(&'static str, u64)>,
    /// Further figures for `/status`.
    pub details: Value,
}

impl EngineFigures {
    /// The figures of an open database.
    pub fn of(database: &Database) -> Self {
        let (engine, sql) = (database.engine().stats(), database.stats());
        Self {
            transactions_open: engine.transactions_live,
            commits: engine.commits,
            rollbacks: engine.rollbacks,
            log_writes: engine.wal_writes,
            log_syncs: engine.wal_syncs,
            log_bytes: engine.wal_bytes,
            checkpoints: engine.checkpoints,
            compactions: engine.compactions,
            corruptions: engine.corruptions,
            snapshots_ended: engine.snapshots_ended,
            written: vec![
                ("flush", engine.flush_bytes),
                ("staging", engine.staged_bytes),
                ("compaction", engine.compaction_bytes_written),
            ],
            blocks: vec![("cache", engine.cache_hits), ("file", engine.cache_misses)],
            bytes: vec![
                ("memory", engine.memory_bytes),
                ("memory_limit", engine.memory_limit_bytes),
                ("cache", engine.cache_bytes),
                ("cache_limit", engine.cache_limit_bytes),
                ("files", engine.file_bytes.iter().sum()),
                ("log_since_checkpoint", engine.wal_bytes_since_checkpoint),
                ("last_checkpoint", engine.checkpoint_bytes),
            ],
            details: json!({
                "rows": engine.rows,
                "relations": sql.relations,
                "catalogVersion": sql.catalog_version,
                "plans": {"cached": sql.plans, "hits": sql.plan_hits, "misses": sql.plan_misses},
                "logSyncMs": ms(engine.wal_sync_time),
                "lastLsn": engine.last_lsn,
                "durableLsn": engine.durable_lsn,
                "levels": engine.files.iter().zip(&engine.file_bytes).map(|(files, bytes)| {
                    json!({"files": files, "bytes": bytes})
                }).collect::<Vec<_>>(),
                "compactionsFailed": engine.compactions_failed,
                "compactionError": engine.compaction_error,
                "checkpointError": engine.flush_error,
                "compactionReadBytes": engine.compaction_bytes_read,
                "commitsPausedMs": ms(engine.pause_time),
                "corruptions": engine.corruptions,
                "damagedFiles": engine.damaged_files,
                "checkpointsFailed": engine.checkpoints_failed,
                "lastCheckpointMs": ms(engine.checkpoint_time),
                "snapshots": engine.snapshots_live,
                "snapshotsEnded": engine.snapshots_ended,
                "lockWaits": engine.lock_waits,
                "deadlocks": engine.deadlocks,
                "recovery": {"ms": ms(engine.recovery_time), "records": engine.recovery_records},
            }),
        }
    }
}

/// Gathers the figures.
pub fn figures(server: &Server) -> Figures {
    Figures {
        connections: server.registry.all().iter().map(|connection| connection.state().0).collect(),
        connection_limit: server.connection_slots.limit() as u64,
        statement_limit: server.statement_slots.limit() as u64,
        statements_active: server.statement_slots.taken() as u64,
        config_loaded_s: unix_seconds(server.config_state().loaded_at),
        memory_limit: memory::memory_limit(),
        resident: memory::resident_bytes(),
        start_time_s: unix_seconds(server.telemetry.started_at()),
        engine: server.engine_figures(),
    }
}

/// The document of `/status`.
pub fn status(server: &Server) -> Value {
    let figures = figures(server);
    let settings = server.settings();
    let state = server.config_state();
    let connections = server.registry.all();
    let by_state: serde_json::Map<String, Value> = ConnectionState::ALL
        .iter()
        .map(|state| {
            let count = figures.connections.iter().filter(|seen| *seen == state).count();
            (state.name().to_owned(), json!(count))
        })
        .collect();
    let statements: serde_json::Map<String, Value> = server
        .telemetry
        .latencies()
        .map(|(kind, seen)| {
            let value = json!({
                "count": seen.count,
                "perSecond": (seen.rate * 100.0).round() / 100.0,
                "p50Ms": ms(seen.p50), "p95Ms": ms(seen.p95), "p99Ms": ms(seen.p99),
            });
            (kind.name().to_owned(), value)
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "phase": server.phase().describe(),
        "startedAt": time(server.telemetry.started_at()),
        "uptimeSeconds": server.telemetry.uptime().as_secs(),
        "configuration": {
            "file": server.config_file(),
            "revision": settings.config.revision,
            "loadedAt": time(state.loaded_at),
            "pendingRestart": state.pending_restart,
            "lastError": state.last_error.map(|failure| json!({
                "message": failure.message, "at": time(failure.at),
            })),
            "inForce": settings.config,
        },
        "connections": {
            "limit": figures.connection_limit,
            "total": connections.len(),
            "byState": by_state,
            "list": connections.iter().take(CONNECTIONS_SHOWN_MAX).map(|connection| one(connection)).collect::<Vec<_>>(),
        },
        "statements": {
            "limit": figures.statement_limit,
            "active": figures.statements_active,
            "lastMinute": statements,
        },
        "transactions": figures.engine.as_ref().map(|engine| json!({
            "open": engine.transactions_open,
            "committed": engine.commits,
            "rolledBack": engine.rollbacks,
        })),
        "storage": figures.engine.map(|engine| json!({
            "logWrites": engine.log_writes,
            "logSyncs": engine.log_syncs,
            "logBytesWritten": engine.log_bytes,
            "checkpoints": engine.checkpoints,
            "bytes": engine.bytes.iter().map(|(place, bytes)| ((*place).to_owned(), json!(bytes)))
                .collect::<serde_json::Map<_, _>>(),
            "details": engine.details,
        })),
        "memory": {"limitBytes": figures.memory_limit, "residentBytes": figures.resident},
    })
}

/// A connection's account. The text of its statement is not here: it may hold data; `pg_stat_activity` has it.
fn one(connection: &Connection) -> Value {
    let (state, since) = connection.state();
    let account = &connection.account;
    json!({
        "id": connection.id,
        "user": connection.user,
        "applicationName": *connection.application_name.lock(),
        "peer": connection.peer.to_string(),
        "startedAt": time(connection.started),
        "state": state.name(),
        "inStateMs": ms(since),
        "statements": account.statements.load(Ordering::Relaxed),
        "rows": account.rows.load(Ordering::Relaxed),
        "bytesReceived": account.bytes_received.load(Ordering::Relaxed),
        "bytesSent": account.bytes_sent.load(Ordering::Relaxed),
        "busyMs": ms(Duration::from_micros(account.busy_us.load(Ordering::Relaxed))),
    })
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn time(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
