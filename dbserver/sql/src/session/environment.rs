//! What expressions ask a session for: settings, sequences, who and where.

use crate::catalog::{Catalog, Sequence};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::WaitHook;
use crate::session::advisory::{AdvisoryKey, AdvisoryMode};
use crate::session::database::{Database, SessionOptions};
use crate::session::settings::Settings;
use crate::session::{Activity, SessionFunctions};
use hashbrown::HashMap;
use parking_lot::Mutex;
use plimsoll_storage::TreeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The part of a session that running expressions may reach and change.
pub(crate) struct Environment {
    pub database: Arc<Database>,
    pub options: SessionOptions,
    pub settings: Mutex<Settings>,
    /// The statement's catalog.
    pub catalog: Mutex<Arc<Catalog>>,
    /// Values of `currval`.
    current: Mutex<HashMap<u32, i64>>,
    /// The sequence of `lastval`.
    last: Mutex<Option<u32>>,
    /// Whether this thread may wait for the disk.
    pub may_block: AtomicBool,
    pub transaction_id: AtomicU64,
    /// The session's number among those of its database, which owns its advisory locks.
    number: u64,
    /// Whether it may have any: for itself, for its transaction.
    has_advisory: [AtomicBool; 2],
}

impl Environment {
    pub(crate) fn new(database: Arc<Database>, options: SessionOptions) -> Self {
        let catalog = database.catalog();
        Self {
            number: database.next_session(),
            has_advisory: Default::default(),
            settings: Mutex::new(Settings::new(&options.user)),
            database,
            options,
            catalog: Mutex::new(catalog),
            current: Mutex::default(),
            last: Mutex::new(None),
            may_block: AtomicBool::new(false),
            transaction_id: AtomicU64::new(0),
        }
    }
    /// The statement's catalog from now on.
    pub(crate) fn set_catalog(&self, catalog: &Arc<Catalog>) {
        let mut current = self.catalog.lock();
        if !Arc::ptr_eq(&current, catalog) {
            *current = Arc::clone(catalog);
        }
    }
    /// DISCARD SEQUENCES.
    pub(crate) fn discard_sequences(&self) {
        self.current.lock().clear();
        *self.last.lock() = None;
    }
    /// Gives back advisory locks: the session's, its transaction's, or both.
    pub(crate) fn unlock_advisory(&self, of_session: bool, of_transaction: bool) {
        let [session, transaction] = &self.has_advisory;
        let any = (of_session && session.swap(false, Ordering::Relaxed))
            | (of_transaction && transaction.swap(false, Ordering::Relaxed));
        if any {
            self.database.advisory.unlock_all(self.number, of_session, of_transaction);
        }
    }
    /// A sequence and whether its CREATE has committed.
    fn sequence(&self, oid: u32) -> Result<(Arc<Sequence>, bool)> {
        let found = self.catalog.lock().sequence(oid).cloned();
        let sequence = found.ok_or_else(|| {
            SqlError::new(sqlstate::UNDEFINED_TABLE, format!("could not open relation with OID {oid}"))
        })?;
        let durable = self.database.with_catalog(|published| published.sequence(oid).is_some());
        Ok((sequence, durable))
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.unlock_advisory(true, true);
    }
}

impl WaitHook for Environment {
    fn before(&self) {
        self.options.hooks.wait_begin(self.options.backend_pid, "Lock", "transactionid");
    }
    fn after(&self) {
        self.options.hooks.wait_end(self.options.backend_pid);
    }
}

impl SessionFunctions for Environment {
    fn nextval(&self, oid: u32) -> Result<i64> {
        let (sequence, durable) = self.sequence(oid)?;
        let may_block = self.may_block.load(Ordering::Relaxed);
        let value = self.database.sequences.next(self.database.engine(), &sequence, durable, may_block)?;
        self.current.lock().insert(oid, value);
        *self.last.lock() = Some(oid);
        Ok(value)
    }
    fn currval(&self, oid: u32) -> Result<i64> {
        let (sequence, _) = self.sequence(oid)?;
        self.current.lock().get(&oid).copied().ok_or_else(|| {
            SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("currval of sequence \"{}\" is not yet defined in this session", sequence.name),
            )
        })
    }
    fn lastval(&self) -> Result<i64> {
        let last = *self.last.lock();
        last.and_then(|oid| self.current.lock().get(&oid).copied()).ok_or_else(|| {
            SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "lastval is not yet defined in this session",
            )
        })
    }
    fn setval(&self, oid: u32, value: i64, called: bool) -> Result<i64> {
        let (sequence, durable) = self.sequence(oid)?;
        if durable && !self.may_block.load(Ordering::Relaxed) {
            return Err(SqlError::new(super::sequences::NEEDS_WORKER, "a sequence has to be written"));
        }
        self.database.sequences.set(self.database.engine(), &sequence, value, called, durable)?;
        if called {
            self.current.lock().insert(oid, value);
        }
        Ok(value)
    }
    fn setting(&self, name: &str) -> Option<String> {
        self.settings.lock().get(name)
    }
    fn set_config(&self, name: &str, value: &str, local: bool) -> Result<String> {
        let mut settings = self.settings.lock();
        if name.eq_ignore_ascii_case("search_path") {
            // As it is, a list of schemas; an empty one finds nothing but pg_catalog.
            settings.set_raw("search_path", value.to_owned(), local);
        } else {
            settings.set(name, Some(&[value.to_owned()]), local)?;
        }
        settings.get(name).ok_or_else(|| SqlError::internal("a parameter is gone"))
    }
    fn settings(&self) -> Vec<(String, String, String)> {
        self.settings.lock().all()
    }
    fn user(&self) -> &str {
        &self.options.user
    }
    fn database(&self) -> &str {
        &self.options.database
    }
    fn backend_pid(&self) -> i32 {
        self.options.backend_pid
    }
    fn activity(&self) -> Vec<Activity> {
        self.options.hooks.activity()
    }
    fn tree_size(&self, tree: TreeId) -> (u64, u64) {
        let engine = self.database.engine();
        (engine.tree_len(tree), engine.tree_bytes(tree))
    }
    fn table_activity(&self, table: crate::types::Oid) -> crate::statistics::TableActivity {
        self.database.table_activity(table)
    }
    fn advisory_lock(
        &self,
        key: AdvisoryKey,
        mode: AdvisoryMode,
        wait: Option<&QueryContext>,
    ) -> Result<bool> {
        let [session, transaction] = &self.has_advisory;
        let has = if mode.transaction { transaction } else { session };
        has.store(true, Ordering::Relaxed);
        let locks = &self.database.advisory;
        if locks.try_lock(self.number, key, mode) {
            return Ok(true);
        }
        let Some(query) = wait else { return Ok(false) };
        self.wait_begin("Lock", "advisory")?;
        let locked = locks.lock(self.number, key, mode, query);
        self.wait_end();
        locked.map(|()| true)
    }
    fn advisory_unlock(&self, key: AdvisoryKey, shared: bool) -> bool {
        self.database.advisory.unlock(self.number, key, shared)
    }
    fn advisory_unlock_all(&self) {
        self.unlock_advisory(true, false);
    }
    fn locks(&self) -> Vec<(u64, i32, u64, bool)> {
        self.database.writers.locks()
    }
    fn transaction_id(&self) -> u64 {
        self.transaction_id.load(Ordering::Relaxed)
    }
    fn wait_begin(&self, event_type: &'static str, event: &'static str) -> Result<()> {
        if !self.may_block.load(Ordering::Relaxed) {
            return Err(SqlError::new(super::sequences::NEEDS_WORKER, "the statement has to wait"));
        }
        self.options.hooks.wait_begin(self.options.backend_pid, event_type, event);
        Ok(())
    }
    fn wait_end(&self) {
        self.options.hooks.wait_end(self.options.backend_pid);
    }
}
