//! Transactions as a session has them: explicit or implicit, failed or not, with savepoints, a catalog of their own
//! once they ran DDL, and the object locks they hold.

use crate::catalog::{Catalog, store};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::ExecContext;
use crate::execute::key_events::KeyEvents;
use crate::session::client::Session;
use crate::session::environment::Environment;
use crate::session::foreign_keys::ConstraintModes;
use crate::session::settings::SettingsMark;
use crate::session::statement::{IsolationLevel, Modes};
use crate::session::writers::Mark;
use crate::session::{EvalContext, EvalSettings, Mode, Step, TransactionStatus, Wait};
use crate::statistics::Changes;
use crate::types::{Datum, Oid};
use plimsoll_storage::{Isolation, LockWait, ObjectLock, Savepoint, Transaction};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The object lock that DDL transactions hold: one at a time. OIDs of relations are the other objects.
pub(crate) const CATALOG_OBJECT: u64 = 0;

/// An open transaction.
pub(crate) struct OpenTransaction {
    pub storage: Arc<Transaction>,
    /// Begun by BEGIN; otherwise it ends at Sync.
    pub explicit: bool,
    pub failed: bool,
    pub read_only: bool,
    pub isolation: IsolationLevel,
    /// Where it is serializable and read-only, it waits for a safe snapshot.
    pub deferrable: bool,
    /// µs since 2000-01-01 UTC.
    pub start: i64,
    /// What its statements see; its own after DDL.
    pub catalog: Arc<Catalog>,
    /// The committed catalog that its own one came from.
    pub ddl_base: Option<Arc<Catalog>>,
    pub savepoints: Vec<SessionSavepoint>,
    settings: SettingsMark,
    /// Objects locked, and whether exclusively.
    locked: Vec<(u64, bool)>,
    /// Its entry among those that hold locks.
    mark: Option<Mark>,
    /// Rows it has written, by table.
    pub changes: Changes,
    /// A statement has run: the isolation is settled.
    pub used: bool,
    /// What foreign keys are to look at.
    pub key_events: KeyEvents,
    /// SET CONSTRAINTS.
    pub constraint_modes: ConstraintModes,
    /// Foreign keys are being looked at: statements run for them leave their events to those who started it.
    pub checking_keys: bool,
}

impl OpenTransaction {
    /// What a plan runs in.
    pub(crate) fn context<'a>(
        &'a self,
        environment: &'a Environment,
        settings: &'a EvalSettings,
        params: &'a [Datum],
        query: &'a QueryContext,
        lock_timeout: Option<Duration>,
    ) -> ExecContext<'a> {
        let eval = EvalContext { query, catalog: &self.catalog, settings, params, session: environment };
        let mut ctx = ExecContext::new(eval, &self.storage, &environment.database.row_numbers);
        ctx.lock_timeout = lock_timeout;
        ctx.waits = Some(environment);
        ctx.changes = Some(&self.changes);
        ctx.key_events = Some(&self.key_events);
        ctx
    }
}

/// A savepoint.
pub(crate) struct SessionSavepoint {
    pub name: String,
    storage: Savepoint,
    catalog: Option<Arc<Catalog>>,
    settings: SettingsMark,
    read_only: bool,
    key_events: usize,
}

/// µs since 2000-01-01 00:00 UTC.
pub(crate) fn now_us() -> i64 {
    const EPOCH_US: i64 = 946_684_800_000_000;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX).saturating_sub(EPOCH_US)
}

fn engine_isolation(level: IsolationLevel) -> Isolation {
    match level {
        IsolationLevel::ReadUncommitted | IsolationLevel::ReadCommitted => Isolation::ReadCommitted,
        IsolationLevel::RepeatableRead => Isolation::RepeatableRead,
        IsolationLevel::Serializable => Isolation::Serializable,
    }
}

/// Blocks for a lock as long as the statement and `lock_timeout` allow.
pub(crate) fn wait_lock(session: &Session, wait: LockWait, query: &QueryContext) -> Result<()> {
    let patience = session.lock_timeout().and_then(|timeout| Instant::now().checked_add(timeout));
    let deadline = match (query.deadline, patience) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let options = &session.environment.options;
    options.hooks.wait_begin(options.backend_pid, "Lock", "relation");
    let outcome = wait.wait(deadline, &|| query.cancel.is_requested());
    options.hooks.wait_end(options.backend_pid);
    query.check()?;
    outcome.map_err(SqlError::from)
}

impl Session {
    /// The open transaction, begun as an implicit one where there is none.
    pub(crate) fn ensure_transaction(&mut self) -> Result<&mut OpenTransaction> {
        if self.transaction.is_none() {
            self.begin_transaction(Modes::default(), false)?;
        }
        self.transaction.as_mut().ok_or_else(|| SqlError::internal("no transaction"))
    }
    /// An implicit transaction of this isolation.
    pub(crate) fn begin_implicit(&mut self, isolation: IsolationLevel) -> Result<()> {
        self.begin_transaction(Modes { isolation: Some(isolation), ..Modes::default() }, false)
    }
    fn begin_transaction(&mut self, modes: Modes, explicit: bool) -> Result<()> {
        let (isolation, read_only, deferrable, settings) = {
            let mut settings = self.environment.settings.lock();
            let default = IsolationLevel::parse(settings.text("default_transaction_isolation"));
            let isolation = modes.isolation.or(default);
            let read_only =
                modes.read_only.unwrap_or_else(|| settings.is_on("default_transaction_read_only"));
            let deferrable =
                modes.deferrable.unwrap_or_else(|| settings.is_on("default_transaction_deferrable"));
            let mark = settings.mark();
            let isolation = isolation.unwrap_or(IsolationLevel::ReadCommitted);
            if isolation != IsolationLevel::ReadCommitted {
                settings.set_raw("transaction_isolation", isolation.name().to_owned(), true);
            }
            if read_only {
                settings.set_raw("transaction_read_only", "on".to_owned(), true);
            }
            if deferrable {
                settings.set_raw("transaction_deferrable", "on".to_owned(), true);
            }
            (isolation, read_only, deferrable, mark)
        };
        let storage = Arc::new(self.database().engine().begin(engine_isolation(isolation)));
        self.environment.transaction_id.store(storage.id(), Ordering::Relaxed);
        let start = now_us();
        self.transaction = Some(OpenTransaction {
            storage,
            explicit,
            failed: false,
            read_only,
            isolation,
            deferrable,
            start,
            catalog: self.database().catalog(),
            ddl_base: None,
            savepoints: Vec::new(),
            settings,
            locked: Vec::new(),
            mark: None,
            changes: Changes::default(),
            used: false,
            key_events: KeyEvents::default(),
            constraint_modes: ConstraintModes::default(),
            checking_keys: false,
        });
        Ok(())
    }
    /// BEGIN.
    pub(crate) fn begin(&mut self, modes: Modes) -> Result<()> {
        if self.transaction.as_ref().is_some_and(|t| t.explicit) {
            self.warn(sqlstate::ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress");
            return self.set_transaction_modes(modes);
        }
        if let Some(transaction) = self.transaction.as_mut() {
            // Inside of a multi-statement query: what ran so far becomes part of the block.
            transaction.explicit = true;
            return self.set_transaction_modes(modes);
        }
        self.begin_transaction(modes, true)
    }
    /// SET TRANSACTION, and the modes of a BEGIN inside of a transaction.
    pub(crate) fn set_transaction_modes(&mut self, modes: Modes) -> Result<()> {
        let engine = self.database().engine().clone();
        let Some(transaction) = self.transaction.as_mut() else { return Ok(()) };
        if let Some(level) = modes.isolation.filter(|l| *l != transaction.isolation) {
            if !transaction.savepoints.is_empty() {
                return Err(SqlError::new(
                    sqlstate::ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
                ));
            }
            if transaction.used {
                return Err(SqlError::new(
                    sqlstate::ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must be called before any query",
                ));
            }
            let fresh = engine.begin(engine_isolation(level));
            transaction.storage.rollback();
            transaction.storage = Arc::new(fresh);
            transaction.isolation = level;
            self.environment.settings.lock().set_raw("transaction_isolation", level.name().to_owned(), true);
        }
        let Some(transaction) = self.transaction.as_mut() else { return Ok(()) };
        if let Some(read_only) = modes.read_only {
            if !read_only && transaction.read_only && transaction.used {
                return Err(SqlError::new(
                    sqlstate::ACTIVE_SQL_TRANSACTION,
                    "transaction read-write mode must be set before any query",
                ));
            }
            transaction.read_only = read_only;
            let text = if read_only { "on" } else { "off" };
            self.environment.settings.lock().set_raw("transaction_read_only", text.to_owned(), true);
        }
        if let Some(deferrable) = modes.deferrable {
            let refused = if !transaction.savepoints.is_empty() {
                Some("SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction")
            } else if transaction.used {
                Some("SET TRANSACTION [NOT] DEFERRABLE must be called before any query")
            } else {
                None
            };
            if let Some(message) = refused {
                return Err(SqlError::new(sqlstate::ACTIVE_SQL_TRANSACTION, message));
            }
            transaction.deferrable = deferrable;
            let text = if deferrable { "on" } else { "off" };
            self.environment.settings.lock().set_raw("transaction_deferrable", text.to_owned(), true);
        }
        Ok(())
    }
    /// The wait that a read-only deferrable serializable transaction has before its first statement, if any: its snapshot is to be safe.
    pub(crate) fn wait_for_safe_snapshot(&mut self) -> Result<Option<LockWait>> {
        let transaction = self.ensure_transaction()?;
        let serializable = transaction.isolation == IsolationLevel::Serializable;
        if transaction.used || !(serializable && transaction.read_only && transaction.deferrable) {
            return Ok(None);
        }
        transaction.storage.declare_read_only();
        Ok(transaction.storage.safe_snapshot()?)
    }
    /// Begins a statement: a catalog and, in READ COMMITTED, a snapshot that fits it; the clock.
    pub(crate) fn begin_statement(&mut self) -> Result<()> {
        self.ensure_transaction()?;
        self.refresh_settings();
        let Some(transaction) = self.transaction.as_mut() else {
            return Err(SqlError::internal("no transaction"));
        };
        if !transaction.used && transaction.read_only {
            transaction.storage.declare_read_only();
        }
        transaction.used = true;
        if transaction.ddl_base.is_some() {
            transaction.storage.new_statement();
        } else {
            let (storage, catalog) = (&transaction.storage, &mut transaction.catalog);
            self.database.with_catalog(|published| {
                storage.new_statement();
                if !Arc::ptr_eq(catalog, published) {
                    *catalog = Arc::clone(published);
                }
            });
        }
        self.environment.set_catalog(&transaction.catalog);
        let start = transaction.start;
        let eval = Arc::make_mut(&mut self.eval);
        eval.transaction_time = start;
        eval.statement_time = now_us();
        Ok(())
    }
    /// Locks an object for the transaction; in [`Mode::Inline`] the wait is handed out. True where the lock is new.
    pub(crate) fn lock_object(
        &mut self,
        object: u64,
        exclusive: bool,
        query: &QueryContext,
        mode: Mode,
    ) -> Result<Result<bool, LockWait>> {
        loop {
            let Some(transaction) = self.transaction.as_mut() else {
                return Err(SqlError::internal("no transaction"));
            };
            if transaction.locked.iter().any(|(o, e)| *o == object && (*e || !exclusive)) {
                return Ok(Ok(false));
            }
            let strength = if exclusive { ObjectLock::Exclusive } else { ObjectLock::Shared };
            match transaction.storage.lock_object(object, strength)? {
                None => {
                    transaction.locked.push((object, exclusive));
                    let (id, pid) = (transaction.storage.id(), self.environment.options.backend_pid);
                    self.database.writers.lock(&mut transaction.mark, id, pid, (object, exclusive));
                    return Ok(Ok(true));
                }
                Some(wait) if mode == Mode::Inline => return Ok(Err(wait)),
                Some(wait) => wait_lock(self, wait, query)?,
            }
        }
    }
    /// Locks a relation and blocks until it is locked.
    pub(crate) fn lock_relation(&mut self, oid: Oid, exclusive: bool, query: &QueryContext) -> Result<()> {
        match self.lock_object(u64::from(oid), exclusive, query, Mode::Worker)? {
            Ok(_) => Ok(()),
            Err(_) => Err(SqlError::internal("a lock was not waited for")),
        }
    }
    /// Makes the catalog the transaction's own, to be changed by DDL. Blocks until no other transaction does DDL.
    pub(crate) fn begin_ddl(&mut self, query: &QueryContext) -> Result<()> {
        self.lock_object(CATALOG_OBJECT, true, query, Mode::Worker)?
            .map_err(|_| SqlError::internal("a lock was not waited for"))?;
        let version = self.database().next_version();
        let database = Arc::clone(self.database());
        let Some(transaction) = self.transaction.as_mut() else {
            return Err(SqlError::internal("no transaction"));
        };
        if transaction.ddl_base.is_none() {
            let base = database.catalog();
            transaction.catalog = Arc::clone(&base);
            transaction.ddl_base = Some(base);
        }
        Arc::make_mut(&mut transaction.catalog).version = version;
        Ok(())
    }
    /// The catalog that statements see now.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        match &self.transaction {
            Some(transaction) if transaction.ddl_base.is_some() => Arc::clone(&transaction.catalog),
            _ => self.database().catalog(),
        }
    }
    /// Changes the transaction's own catalog. Call [`Session::begin_ddl`] before.
    pub(crate) fn change_catalog<T>(&mut self, f: impl FnOnce(&mut Catalog) -> Result<T>) -> Result<T> {
        let version = self.database().next_version();
        let Some(transaction) = self.transaction.as_mut().filter(|t| t.ddl_base.is_some()) else {
            return Err(SqlError::internal("the catalog is not the transaction's own"));
        };
        let catalog = Arc::make_mut(&mut transaction.catalog);
        catalog.version = version;
        let result = f(catalog);
        self.environment.set_catalog(&transaction.catalog);
        result
    }
    pub(crate) fn savepoint(&mut self, name: &str) -> Result<()> {
        let settings = self.environment.settings.lock().mark();
        let transaction = self.explicit_transaction("SAVEPOINT")?;
        let catalog = transaction.ddl_base.is_some().then(|| Arc::clone(&transaction.catalog));
        transaction.savepoints.push(SessionSavepoint {
            name: name.to_owned(),
            storage: transaction.storage.savepoint(),
            catalog,
            settings,
            read_only: transaction.read_only,
            key_events: transaction.key_events.len(),
        });
        Ok(())
    }
    fn explicit_transaction(&mut self, what: &str) -> Result<&mut OpenTransaction> {
        self.transaction.as_mut().filter(|t| t.explicit).ok_or_else(|| {
            SqlError::new(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                format!("{what} can only be used in transaction blocks"),
            )
        })
    }
    pub(crate) fn release(&mut self, name: &str) -> Result<()> {
        let transaction = self.explicit_transaction("RELEASE SAVEPOINT")?;
        let at = find_savepoint(transaction, name)?;
        // The outer one first: it takes the inner ones with it.
        for savepoint in transaction.savepoints.drain(at..) {
            transaction.storage.release(savepoint.storage);
        }
        Ok(())
    }
    pub(crate) fn rollback_to(&mut self, name: &str) -> Result<()> {
        self.explicit_transaction("ROLLBACK TO SAVEPOINT")?;
        let Some(transaction) = self.transaction.as_mut() else { return Ok(()) };
        let at = find_savepoint(transaction, name)?;
        transaction.savepoints.truncate(at + 1);
        let Some(savepoint) = transaction.savepoints.last() else {
            return Err(SqlError::internal("no savepoint"));
        };
        transaction.storage.rollback_to(&savepoint.storage);
        match &savepoint.catalog {
            Some(catalog) => transaction.catalog = Arc::clone(catalog),
            // The catalog lock stays: what DDL comes later starts from the committed catalog again.
            None => {
                if let Some(base) = transaction.ddl_base.take() {
                    transaction.catalog = base;
                }
            }
        }
        transaction.read_only = savepoint.read_only;
        transaction.key_events.truncate(savepoint.key_events);
        transaction.failed = false;
        self.environment.settings.lock().rollback_to(&savepoint.settings);
        let catalog = Arc::clone(&transaction.catalog);
        self.environment.set_catalog(&catalog);
        self.drop_portals(|portal| portal.savepoints > at);
        Ok(())
    }
    /// COMMIT of whatever is open. Gives the step to answer with `tag`; in [`Mode::Inline`] maybe [`Step::Offload`] (nothing done) or
    /// [`Step::Wait`] (done, but not durable).
    pub(crate) fn commit_transaction(&mut self, tag: String, mode: Mode) -> Result<Step> {
        if self.has_cursors_to_hold() {
            if mode == Mode::Inline {
                return Ok(Step::Offload);
            }
            self.hold_cursors()?;
        }
        let Some(transaction) = &self.transaction else { return Ok(Step::Complete(tag)) };
        if transaction.ddl_base.is_some() {
            if mode == Mode::Inline {
                return Ok(Step::Offload);
            }
            self.commit_ddl()?;
            return Ok(Step::Complete(tag));
        }
        // SET LOCAL may have been the last statement.
        self.refresh_settings();
        let Some(transaction) = self.transaction.take() else { return Ok(Step::Complete(tag)) };
        let outcome = transaction.storage.commit_with(self.durability);
        self.after_commit(&transaction, outcome.is_ok());
        let ticket = outcome?;
        if ticket.is_resolved() {
            return Ok(Step::Complete(tag));
        }
        match mode {
            Mode::Inline => Ok(Step::Wait(Wait::Commit(ticket))),
            Mode::Worker => {
                ticket.wait()?;
                Ok(Step::Complete(tag))
            }
        }
    }
    fn commit_ddl(&mut self) -> Result<()> {
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        let database = Arc::clone(self.database());
        let outcome = transaction.ddl_base.as_ref().map_or(Ok(()), |base| {
            store::write(&transaction.storage, base, &transaction.catalog)?;
            for relation in transaction.catalog.relations.values() {
                if let Some(sequence) = relation.sequence()
                    && base.sequence(sequence.oid).is_none()
                {
                    database.sequences.write_created(&transaction.storage, sequence)?;
                }
            }
            database.publish(&transaction.storage, Arc::clone(&transaction.catalog))
        });
        if outcome.is_err() {
            transaction.storage.rollback();
        }
        self.forget_sequences(&transaction);
        self.after_commit(&transaction, outcome.is_ok());
        outcome
    }
    /// Sequences that are in neither the committed catalog nor in use.
    fn forget_sequences(&self, transaction: &OpenTransaction) {
        if transaction.ddl_base.is_some() {
            let published = self.database().catalog();
            self.database().sequences.forget(|oid| published.sequence(oid).is_none());
        }
    }
    fn after_commit(&mut self, transaction: &OpenTransaction, committed: bool) {
        if committed {
            self.database.activity.commit(&transaction.changes);
        }
        {
            let mut settings = self.environment.settings.lock();
            if committed {
                settings.commit();
            } else {
                settings.rollback_to(&transaction.settings);
            }
        }
        self.environment.transaction_id.store(0, Ordering::Relaxed);
        self.environment.unlock_advisory(false, true);
        self.drop_portals(|portal| !portal.survives_commit());
    }
    /// ROLLBACK of whatever is open.
    pub(crate) fn rollback_transaction(&mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        // Operators of suspended portals read through the transaction: they go first.
        self.drop_portals(|portal| !portal.is_held());
        transaction.storage.rollback();
        self.forget_sequences(&transaction);
        self.environment.settings.lock().rollback_to(&transaction.settings);
        self.environment.transaction_id.store(0, Ordering::Relaxed);
        self.environment.unlock_advisory(false, true);
    }
    /// AND CHAIN: a new transaction with the modes of the one that ended.
    pub(crate) fn chained_modes(&self) -> Option<Modes> {
        self.transaction.as_ref().filter(|t| t.explicit).map(|t| Modes {
            isolation: Some(t.isolation),
            read_only: Some(t.read_only),
            deferrable: Some(t.deferrable),
        })
    }
    pub(crate) fn fail_transaction(&mut self) {
        let Some(transaction) = self.transaction.as_mut() else { return };
        if !transaction.explicit {
            return self.rollback_transaction();
        }
        if transaction.failed {
            return;
        }
        transaction.failed = true;
        match transaction.savepoints.last() {
            // What others wait for is released at once.
            Some(savepoint) => transaction.storage.rollback_to(&savepoint.storage),
            None => transaction.storage.rollback(),
        }
        self.drop_portals(|portal| !portal.is_held());
    }
    /// 25P02 in a failed transaction.
    pub(crate) fn check_not_failed(&self) -> Result<()> {
        if self.transaction.as_ref().is_some_and(|t| t.failed) {
            return Err(SqlError::new(
                sqlstate::IN_FAILED_SQL_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }
    /// 25006 in a read-only transaction.
    pub(crate) fn check_writable(&self, what: &str) -> Result<()> {
        if self.transaction.as_ref().is_some_and(|t| t.read_only) {
            return Err(SqlError::new(
                sqlstate::READ_ONLY_SQL_TRANSACTION,
                format!("cannot execute {what} in a read-only transaction"),
            ));
        }
        Ok(())
    }
    pub(crate) fn status(&self) -> TransactionStatus {
        match &self.transaction {
            Some(t) if t.explicit && t.failed => TransactionStatus::Failed,
            Some(t) if t.explicit => TransactionStatus::InTransaction,
            _ => TransactionStatus::Idle,
        }
    }
}

fn find_savepoint(transaction: &OpenTransaction, name: &str) -> Result<usize> {
    transaction.savepoints.iter().rposition(|s| s.name == name).ok_or_else(|| {
        SqlError::new(sqlstate::INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist"))
    })
}
