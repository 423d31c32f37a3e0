//! The database: what all sessions share.

use crate::catalog::{Catalog, store};
use crate::context::MemoryAccount;
use crate::error::Result;
use crate::execute::RowNumbers;
use crate::session::advisory::AdvisoryLocks;
use crate::session::plan_cache::PlanCache;
use crate::session::sequences::Sequences;
use crate::session::writers::Writers;
use crate::session::{Activity, Session};
use parking_lot::RwLock;
use plimsoll_storage::{Engine, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Choices of [`Database::open`].
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// The most plans the plan cache keeps.
    pub plan_cache_entries: usize,
    /// What `server_version` says besides PostgreSQL's, for `version()`: e.g. `Plimsoll 0.1.0`.
    pub product: String,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self { plan_cache_entries: 4096, product: concat!("Plimsoll ", env!("CARGO_PKG_VERSION")).to_owned() }
    }
}

/// What only the server around the sessions knows. All methods are called from sessions, also on worker threads, and must be quick.
pub trait ServerHooks: Send + Sync {
    /// Rows of `pg_stat_activity`.
    fn activity(&self) -> Vec<Activity>;
    /// A session begins to wait on a worker thread, e.g. (`Lock`, `transactionid`).
    fn wait_begin(&self, backend_pid: i32, event_type: &'static str, event: &'static str);
    /// The wait is over.
    fn wait_end(&self, backend_pid: i32);
    /// The server's limit on a statement's time; `statement_timeout` works below it.
    fn query_timeout(&self) -> Option<Duration>;
    /// `pg_cancel_backend` (or, with `terminate`, `pg_terminate_backend`); whether there is such a backend.
    fn signal_backend(&self, backend_pid: i32, terminate: bool) -> bool;
    /// When the server started, µs since 2000-01-01 UTC.
    fn start_time(&self) -> i64;
}

/// Hooks of a program without a server: tests, tools.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoHooks;

impl ServerHooks for NoHooks {
    fn activity(&self) -> Vec<Activity> {
        Vec::new()
    }
    fn wait_begin(&self, _: i32, _: &'static str, _: &'static str) {}
    fn wait_end(&self, _: i32) {}
    fn query_timeout(&self) -> Option<Duration> {
        None
    }
    fn signal_backend(&self, _: i32, _: bool) -> bool {
        false
    }
    fn start_time(&self) -> i64 {
        0
    }
}

/// Who connects, for [`Database::session`].
pub struct SessionOptions {
    /// `session_user`.
    pub user: String,
    /// `current_database()`.
    pub database: String,
    /// Process number given to the client in BackendKeyData.
    pub backend_pid: i32,
    /// The server.
    pub hooks: Arc<dyn ServerHooks>,
    /// The session's node of the memory tree. Cursors and COPY hold memory between statements there.
    pub memory: Arc<MemoryAccount>,
}

/// An open database: storage engine, current catalog, plan cache, sequences.
///
/// The catalog that new statements see is replaced while no statement is taking its snapshot, and only after the commit that
/// made it is visible: so a statement's catalog and its snapshot always fit, although neither waits for the other later.
pub struct Database {
    engine: Engine,
    options: DatabaseOptions,
    published: RwLock<Arc<Catalog>>,
    /// The version last given to a catalog, committed or not.
    versions: AtomicU64,
    pub(crate) plans: PlanCache,
    pub(crate) sequences: Sequences,
    pub(crate) row_numbers: RowNumbers,
    pub(crate) activity: crate::statistics::Activity,
    pub(crate) advisory: AdvisoryLocks,
    /// Sessions so far.
    sessions: AtomicU64,
    pub(crate) writers: Arc<Writers>,
}

impl Database {
    /// A number for a session that begins.
    pub(crate) fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }

    /// Loads the catalog of an open engine (a new one gets schema `public`) and drops trees that no relation names.
    ///
    /// # Errors
    /// XX001 where the stored catalog cannot be read; errors of the engine.
    pub fn open(engine: Engine, options: DatabaseOptions) -> Result<Arc<Database>> {
        let catalog = store::load(&engine)?;
        let trees = store::trees(&catalog);
        let orphans = engine.orphan_trees(&|tree| trees.contains(&tree))?;
        if orphans > 0 {
            tracing::info!(orphans, "dropped trees that unfinished DDL left behind");
        }
        Ok(Arc::new(Self {
            engine,
            plans: PlanCache::new(options.plan_cache_entries),
            options,
            versions: AtomicU64::new(catalog.version),
            published: RwLock::new(Arc::new(catalog)),
            sequences: Sequences::default(),
            advisory: AdvisoryLocks::default(),
            sessions: AtomicU64::new(0),
            row_numbers: RowNumbers::default(),
            activity: crate::statistics::Activity::default(),
            writers: Arc::default(),
        }))
    }
    /// The storage engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
    /// The options it was opened with.
    pub fn options(&self) -> &DatabaseOptions {
        &self.options
    }
    /// A new session. 3D000 and 28000 are the server's to check before.
    pub fn session(self: &Arc<Self>, options: SessionOptions) -> Session {
        Session::new(Arc::clone(self), options)
    }
    /// The catalog as committed.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.published.read())
    }
    /// Runs `f` while the catalog stays as it is: to take a snapshot that fits it.
    pub(crate) fn with_catalog<T>(&self, f: impl FnOnce(&Arc<Catalog>) -> T) -> T {
        f(&self.published.read())
    }
    /// A version that no catalog has had.
    pub(crate) fn next_version(&self) -> u64 {
        self.versions.fetch_add(1, Ordering::Relaxed) + 1
    }
    /// Commits a transaction with DDL and shows its catalog to others. Blocks until the commit is durable.
    pub(crate) fn publish(&self, transaction: &Transaction, mut catalog: Arc<Catalog>) -> Result<()> {
        let mut published = self.published.write();
        transaction.commit()?.wait()?;
        Catalog::note_new_indexes(&mut catalog, &published, self.engine.visible_timestamp())?;
        *published = catalog;
        Ok(())
    }
    /// Numbers for `/status` and metrics.
    pub fn stats(&self) -> DatabaseStats {
        let catalog = self.catalog();
        let (plans, plan_hits, plan_misses) = self.plans.stats();
        DatabaseStats {
            relations: catalog.relations.len() as u64,
            catalog_version: catalog.version,
            plans,
            plan_hits,
            plan_misses,
        }
    }
}

/// Counters and gauges of a [`Database`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DatabaseStats {
    /// Relations in the catalog.
    pub relations: u64,
    /// Version of the catalog: grows with every committed DDL.
    pub catalog_version: u64,
    /// Plans in the cache.
    pub plans: u64,
    /// Statements that found their plan in the cache.
    pub plan_hits: u64,
    /// Statements that had to be planned.
    pub plan_misses: u64,
}
