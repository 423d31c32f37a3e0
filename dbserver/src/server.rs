//! What all parts of the process share: the configuration in force, the pool, telemetry and the phase of life.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use plimsoll_sql::context::MemoryAccount;
use plimsoll_sql::session::Database;

use crate::config::memory::{QUERY_SHARE_PERCENT, memory_limit};
use crate::config::watch::{Failure, Loaded, Source, State};
use crate::config::{Config, ConfigError};
use crate::pool::{Limiter, Registry};
use crate::status::EngineFigures;
use crate::telemetry::Telemetry;
use crate::telemetry::logging::LogControl;
use crate::wire::Credentials;

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Replaying the log; no one is admitted yet.
    Recovering,
    /// Recovered and admitting.
    Ready,
    /// Shutting down; no one is admitted any more.
    Draining,
}

impl Phase {
    /// Why the server is not ready, or that it is.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Recovering => "recovering: replaying the write-ahead log",
            Self::Ready => "ready",
            Self::Draining => "draining: shutting down",
        }
    }
}

/// The configuration in force, with what is derived from it.
pub struct Settings {
    /// Every value.
    pub config: Config,
    /// What clients must prove to know; none: whoever reaches the server may connect.
    pub credentials: Option<Credentials>,
}

impl Settings {
    fn new(loaded: Loaded) -> Self {
        Self { credentials: loaded.password.as_ref().map(Credentials::new), config: loaded.config }
    }
}

/// What all parts of the process share.
pub struct Server {
    /// The connections there are.
    pub registry: Registry,
    /// Slots for connections.
    pub connection_slots: Limiter,
    /// Slots for statements on worker threads.
    pub statement_slots: Limiter,
    /// Counters and latencies.
    pub telemetry: Telemetry,
    settings: ArcSwap<Settings>,
    /// The configuration the process started with: what needs a restart is compared with it.
    started_with: Config,
    config_file: Option<PathBuf>,
    config_state: Mutex<State>,
    log: LogControl,
    phase: AtomicU8,
    database: OnceLock<Arc<Database>>,
    /// The root of the tree that accounts statements' memory.
    memory: Arc<MemoryAccount>,
}

impl Server {
    /// A server that recovers. Fails only where two metrics have one name.
    pub fn new(
        loaded: Loaded,
        config_file: Option<PathBuf>,
        log: LogControl,
    ) -> prometheus::Result<Arc<Self>> {
        let config = &loaded.config;
        Ok(Arc::new(Self {
            registry: Registry::default(),
            connection_slots: Limiter::new(config.pool.max_connections as usize),
            statement_slots: Limiter::new(config.active_statements()),
            telemetry: Telemetry::new()?,
            started_with: config.clone(),
            config_file,
            config_state: Mutex::new(State {
                loaded_at: SystemTime::now(),
                pending_restart: Vec::new(),
                last_error: None,
            }),
            log,
            phase: AtomicU8::new(Phase::Recovering as u8),
            database: OnceLock::new(),
            memory: MemoryAccount::new("server", query_share(config), None),
            settings: ArcSwap::from_pointee(Settings::new(loaded)),
        }))
    }

    /// The configuration in force.
    pub fn settings(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// The file the configuration comes from.
    pub fn config_file(&self) -> Option<&PathBuf> {
        self.config_file.as_ref()
    }

    /// When the configuration came into force and what is wrong with a newer one.
    pub fn config_state(&self) -> State {
        self.config_state.lock().clone()
    }

    /// Where the process is in its life.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Recovering,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Enters a phase; no phase is left for an earlier one.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Puts a configuration in force, at once and without touching a connection.
    pub fn apply(&self, loaded: Loaded) {
        let pending_restart = loaded.config.needs_restart(&self.started_with);
        self.connection_slots.resize(loaded.config.pool.max_connections as usize);
        self.statement_slots.resize(loaded.config.active_statements());
        self.memory.set_limit(query_share(&loaded.config));
        self.log.apply(&loaded.config.logging);
        crate::descriptors::warn_if_few(&loaded.config.pool);
        tracing::info!(
            revision = loaded.config.revision,
            pending_restart = (!pending_restart.is_empty()).then(|| pending_restart.join(", ")),
            "configuration in force"
        );
        *self.config_state.lock() = State { loaded_at: SystemTime::now(), pending_restart, last_error: None };
        self.settings.store(Arc::new(Settings::new(loaded)));
    }

    /// Reports a configuration that cannot be used.
    pub fn refuse(&self, error: &ConfigError) {
        tracing::error!(%error, "configuration cannot be used, the one in force stays in force");
        self.telemetry.metrics.config_failure();
        let failure = Failure { message: error.to_string(), at: SystemTime::now() };
        self.config_state.lock().last_error = Some(failure);
    }

    /// Ends connections that idle for too long, for ever.
    pub async fn sweep(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(crate::pool::SWEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.registry.sweep(&self.settings().config.pool);
        }
    }

    /// Puts the configuration in force again whenever its files change, for ever.
    pub async fn watch(self: Arc<Self>, source: Source) {
        let mut seen = source.content(&self.settings().config);
        let mut ticks = tokio::time::interval(crate::config::watch::POLL_INTERVAL);
        loop {
            ticks.tick().await;
            let content = source.content(&self.settings().config);
            if content == seen {
                continue;
            }
            seen = content;
            match source.load() {
                Ok(loaded) => self.apply(loaded),
                Err(error) => self.refuse(&error),
            }
        }
    }

    /// The database, once it is open.
    pub fn database(&self) -> Option<&Arc<Database>> {
        self.database.get()
    }

    /// Hands the open database over; the first one stays.
    pub fn open(&self, database: Arc<Database>) {
        let _ = self.database.set(database);
    }

    /// The root of the tree that accounts statements' memory.
    pub fn memory(&self) -> &Arc<MemoryAccount> {
        &self.memory
    }

    /// The storage engine's figures, once it is open.
    pub fn engine_figures(&self) -> Option<EngineFigures> {
        self.database.get().map(|database| EngineFigures::of(database))
    }
}

/// What all statements together may use: the query share, or what a single one may, where that was set higher.
fn query_share(config: &Config) -> u64 {
    (memory_limit() / 100 * QUERY_SHARE_PERCENT).max(config.max_query_memory())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn server(yaml: &str) -> Arc<Server> {
        let loaded = Loaded { config: Config::parse(yaml).unwrap().resolve(8 << 30, 2), password: None };
        Server::new(loaded, None, LogControl::default()).unwrap()
    }

    #[test]
    fn a_new_configuration_resizes_the_pool_and_clears_the_error() {
        let server = server("pool: {maxConnections: 5}");
        server.refuse(&Config::parse("pool: 3").unwrap_err());
        assert!(server.config_state().last_error.is_some());
        let yaml =
            "revision: b\npool: {maxConnections: 7}\nlimits: {queryTimeout: 1s}\nauth: {user: other}\n";
        let config = Config::parse(yaml).unwrap().resolve(8 << 30, 2);
        server.apply(Loaded { config, password: None });
        assert_eq!(server.connection_slots.limit(), 7);
        assert_eq!(server.settings().config.limits.query_timeout.0, Some(Duration::from_secs(1)));
        let state = server.config_state();
        assert!(state.last_error.is_none());
        assert_eq!(state.pending_restart, ["auth.user"]);
    }

    #[test]
    fn life_goes_one_way() {
        let server = server("");
        assert_eq!(server.phase(), Phase::Recovering);
        server.enter(Phase::Draining);
        server.enter(Phase::Ready);
        assert_eq!(server.phase(), Phase::Draining);
    }
}
