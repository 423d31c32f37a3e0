//! What a running plan carries along: the statement's context, its transaction and snapshot, and what it computed
//! once and keeps (CTEs, uncorrelated subqueries, catalog relations).

use super::Execution;
use super::eval::subquery::Cached;
use super::key_events::KeyEvents;
use super::operators::Lookup;
use super::row_numbers::RowNumbers;
use crate::context::Reservation;
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::statistics::{Change, Changes};
use crate::types::{Datum, Oid};
use crate::vector::Batch;
use hashbrown::HashMap;
use plimsoll_storage::{LockWait, Snapshot, Transaction};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Told when a statement stops running to wait for a lock, so that others may use its place meanwhile.
pub trait WaitHook {
    /// A wait begins.
    fn before(&self);
    /// It is over; may itself block until there is a place again.
    fn after(&self);
}

/// The context of a running plan: one statement in one transaction.
pub struct ExecContext<'a> {
    /// What expressions depend on.
    pub eval: EvalContext<'a>,
    /// The transaction; none where only expressions are evaluated.
    pub transaction: Option<&'a Transaction>,
    /// Keys for rows of tables without a primary key; none where nothing is written.
    pub row_numbers: Option<&'a RowNumbers>,
    /// Told of waits for locks.
    pub waits: Option<&'a dyn WaitHook>,
    /// Told of rows that foreign keys have to look at; none where rows are only moved.
    pub key_events: Option<&'a KeyEvents>,
    /// The longest wait for one lock.
    pub lock_timeout: Option<Duration>,
    /// Where rows written are counted.
    pub(crate) changes: Option<&'a Changes>,
    /// What lives as long as the execution; an [`Execution`] brings its own.
    pub state: ExecState,
}

/// The part of an [`ExecContext`] that a suspended portal keeps.
#[derive(Default)]
pub struct ExecState {
    /// What the statement sees.
    pub snapshot: Option<Snapshot>,
    /// Values of `Outer(i)` where we are.
    pub outer: Vec<Datum>,
    /// Operators being opened, one inside the other.
    pub(crate) depth: usize,
    /// Common table expressions by id.
    pub(crate) ctes: HashMap<usize, Cte>,
    /// Rows of the round before, of recursions that are making a round.
    pub(crate) working: HashMap<usize, Arc<Vec<Batch>>>,
    /// Results of subqueries, by the address of their [`crate::expr::SubPlan`].
    pub(crate) subqueries: HashMap<usize, Cached>,
    /// Columns of catalog relations read so far, by OID.
    pub(crate) system: HashMap<Oid, Arc<SystemColumns>>,
    /// Hash tables over them, by OID and column.
    pub(crate) system_lookups: HashMap<(Oid, usize), Arc<Lookup>>,
}

/// A catalog relation as columns.
pub(crate) struct SystemColumns {
    /// All its rows.
    pub batch: Batch,
    /// Their memory.
    pub _memory: Reservation,
}

/// A common table expression: the rows it gave so far, and where more come from.
pub(crate) struct Cte {
    /// Rows so far.
    pub rows: Vec<Batch>,
    /// Gives more; none at the end, and while it is running.
    pub source: Option<Box<Execution>>,
    /// Values of `Outer(i)` for it.
    pub outer: Vec<Datum>,
    /// Memory of `rows`.
    pub memory: Reservation,
}

impl<'a> ExecContext<'a> {
    /// For a statement in a transaction; takes the transaction's snapshot. `row_numbers` are the database's.
    pub fn new(eval: EvalContext<'a>, transaction: &'a Transaction, row_numbers: &'a RowNumbers) -> Self {
        let state = ExecState { snapshot: Some(transaction.snapshot()), ..ExecState::default() };
        let (transaction, row_numbers) = (Some(transaction), Some(row_numbers));
        Self {
            eval,
            transaction,
            row_numbers,
            waits: None,
            key_events: None,
            lock_timeout: None,
            changes: None,
            state,
        }
    }

    /// For expressions alone: constants to fold, defaults. Reading a table is XX000.
    pub fn without_transaction(eval: EvalContext<'a>) -> Self {
        Self {
            eval,
            transaction: None,
            row_numbers: None,
            waits: None,
            key_events: None,
            lock_timeout: None,
            changes: None,
            state: ExecState::default(),
        }
    }

    /// The transaction.
    ///
    /// # Errors
    /// XX000 where there is none.
    pub fn transaction(&self) -> Result<&'a Transaction> {
        self.transaction.ok_or_else(|| SqlError::internal("no transaction to read or write in"))
    }

    /// What the statement sees.
    ///
    /// # Errors
    /// XX000 where there is no transaction.
    pub fn snapshot(&self) -> Result<&Snapshot> {
        self.state.snapshot.as_ref().ok_or_else(|| SqlError::internal("no snapshot to read from"))
    }

    /// Counts rows written to a table.
    pub(crate) fn count_change(&self, table: Oid, change: Change, rows: u64) {
        if let Some(changes) = self.changes {
            changes.add(table, change, rows);
        }
    }

    /// 57014 or 57P01 when the statement has to stop now.
    ///
    /// # Errors
    /// See [`crate::context::QueryContext::check`].
    pub fn check(&self) -> Result<()> {
        self.eval.query.check()
    }

    /// An empty reservation in the statement's memory.
    pub fn reservation(&self) -> Reservation {
        Reservation::new(&self.eval.query.memory)
    }

    /// Blocks until a lock may be free.
    ///
    /// # Errors
    /// 57014 at the deadline or when cancelled, 55P03 after the lock timeout, 40P01.
    pub fn wait(&self, lock: LockWait) -> Result<()> {
        let query = self.eval.query;
        let patience = self.lock_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let deadline = match (query.deadline, patience) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if let Some(hook) = self.waits {
            hook.before();
        }
        let outcome = lock.wait(deadline, &|| query.cancel.is_requested());
        if let Some(hook) = self.waits {
            hook.after();
        }
        match outcome {
            Ok(()) => query.check(),
            Err(plimsoll_storage::Error::Cancelled) => {
                query.check()?;
                Err(SqlError::new(sqlstate::QUERY_CANCELED, "canceling statement due to user request"))
            }
            Err(error @ plimsoll_storage::Error::LockTimeout) => {
                query.check()?;
                // The statement's own deadline and not the lock timeout, met a moment early.
                if patience.is_none() || query.deadline.is_some_and(|d| patience.is_some_and(|p| d <= p)) {
                    return Err(SqlError::new(
                        sqlstate::QUERY_CANCELED,
                        "canceling statement due to statement timeout",
                    ));
                }
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
