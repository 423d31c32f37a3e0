//! SERIALIZABLE: snapshot isolation whose transactions are refused before what they read and wrote could come from no
//! serial order.
//!
//! Each transaction *marks* what it reads, keys and ranges, and what it writes (`marks`). Whoever marks what another has
//! marked the opposite way finds an edge between both, whichever came first, and whether or not the other has committed
//! since: what a snapshot sees does not depend on when it looks, so that the order of mark and access does not matter.
//! Edges are judged by `graph`. A transaction that must go finds its [`Standing`] changed at its next call, or when it commits.
//!
//! Only serializable transactions take part, as in PostgreSQL: the others neither mark nor look. All is in memory behind
//! one mutex, and about transactions that are over at a restart. The mutex may be taken inside the log's critical section, where
//! commits get their order; under it, only the register of snapshots is.

mod graph;
mod marks;
mod span;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use self::graph::{Graph, Safety, Verdict};
use self::marks::{ALL_MAX, Act, Marks};
pub(crate) use self::span::Span;
use super::slots::TxnState;
use super::snapshot::Pin;
use crate::engine::Shared;
use crate::error::{ConflictReason, Error, Result};
use crate::key::TreeId;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Transactions that have ended and are still told apart.
const ENDED_MAX: usize = 1024;

/// What a transaction has to do with all this.
#[derive(Debug, Default)]
pub(crate) struct Standing(AtomicU8);

/// It is not serializable, or over.
const APART: u8 = 0;
/// It marks what it reads and writes.
const TRACKED: u8 = 1;
/// It must be rolled back.
const DOOMED: u8 = 2;
/// It writes nothing and its snapshot is safe: nothing can go wrong.
const SAFE: u8 = 3;

impl Standing {
    /// Whether reads and writes have to be marked.
    pub fn is_tracked(&self) -> bool {
        matches!(self.get(), TRACKED | DOOMED)
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, standing: u8) {
        self.0.store(standing, Ordering::Release);
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Serializable {
    inner: Mutex<Inner>,
    /// Transactions refused so far.
    pub refused: AtomicU64,
}

#[derive(Default)]
struct Inner {
    graph: Graph,
    marks: Marks,
    /// Those that run and are tracked.
    active: HashMap<u64, Arc<TxnState>>,
}

/// What a deferrable transaction has to wait for.
pub(crate) enum Wait {
    /// Nothing: its snapshot is safe.
    Nothing,
    /// The end of this transaction.
    End(Arc<TxnState>),
    /// This commit to become visible, then for a new snapshot: the old one is given up.
    Commit(u64),
}

impl Serializable {
    /// Takes a transaction's snapshot, from which on it is tracked. `read_only`: it promises to write nothing.
    pub fn begin(&self, shared: &Arc<Shared>, state: &Arc<TxnState>, read_only: bool) -> Arc<Pin> {
        let mut inner = self.inner.lock();
        // Under the mutex: what the snapshot does not see is still known.
        let pin = Pin::new(shared);
        inner.begin(state, pin.timestamp, read_only);
        pin
    }

    /// The transaction has read what lies in a span, or is about to.
    #[inline]
    pub fn read(&self, state: &TxnState, tree: TreeId, span: impl FnOnce() -> Span) -> Result<()> {
        match state.standing.get() {
            APART | SAFE => Ok(()),
            _ => self.act(state, tree, Act::Read, span()),
        }
    }

    /// The transaction is about to write what lies in a span.
    #[inline]
    pub fn write(&self, state: &TxnState, tree: TreeId, span: impl FnOnce() -> Span) -> Result<()> {
        match state.standing.get() {
            APART => Ok(()),
            _ => self.act(state, tree, Act::Write, span()),
        }
    }

    fn act(&self, state: &TxnState, tree: TreeId, act: Act, span: Span) -> Result<()> {
        self.counted(self.inner.lock().act(state, tree, act, span))
    }

    /// The transaction commits: inside the log's critical section with the timestamp it is about to get, or with none, having written
    /// nothing.
    ///
    /// # Errors
    /// [`Error::ReadWriteConflict`]: it must be rolled back instead.
    pub fn commit(&self, state: &TxnState, timestamp: Option<u64>) -> Result<()> {
        if state.standing.get() == APART {
            return Ok(());
        }
        self.counted(self.inner.lock().commit(state, timestamp))
    }

    /// The transaction is rolled back, if it has not committed.
    pub fn abort(&self, state: &TxnState) {
        if state.standing.get() != APART {
            self.inner.lock().leave(state.id, APART);
            state.standing.set(APART);
        }
    }

    /// What a read-only transaction with a snapshot has to wait for before that is safe.
    pub fn wait_for_safety(&self, state: &TxnState) -> Wait {
        let inner = self.inner.lock();
        match inner.graph.safety(state.id) {
            Safety::Safe => Wait::Nothing,
            Safety::Unsafe(until) => Wait::Commit(until),
            Safety::Awaits(writer) => inner.active.get(&writer).cloned().map_or(Wait::Nothing, Wait::End),
        }
    }

    /// Number of marks.
    pub fn marks(&self) -> u64 {
        self.inner.lock().marks.count() as u64
    }

    fn counted<T>(&self, result: Result<T>) -> Result<T> {
        if matches!(result, Err(Error::ReadWriteConflict { .. })) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl Inner {
    fn begin(&mut self, state: &Arc<TxnState>, snapshot: u64, read_only: bool) {
        self.forget_outlived(snapshot);
        if self.graph.begin(state.id, snapshot, read_only) {
            self.active.insert(state.id, Arc::clone(state));
            state.standing.set(TRACKED);
        } else {
            state.standing.set(SAFE);
        }
    }

    fn act(&mut self, state: &TxnState, tree: TreeId, act: Act, span: Span) -> Result<()> {
        match (state.standing.get(), act) {
            (DOOMED, Act::Read) => return refuse(ConflictReason::PivotDuringRead),
            (DOOMED, Act::Write) => return refuse(ConflictReason::PivotDuringWriteCheck),
            (SAFE, Act::Write) => return Err(Error::ReadOnly),
            (TRACKED, Act::Write) if self.graph.is_read_only(state.id) => return Err(Error::ReadOnly),
            (TRACKED, _) => {}
            _ => return Ok(()),
        }
        if span.is_empty() {
            return Ok(());
        }
        let me = state.id;
        let met = self.marks.mark(me, tree, act, span);
        if let Some(old) = met.old {
            let verdict = match act {
                Act::Read => self.graph.edge_to_ended(me, old, ConflictReason::ConflictOutToOldPivot),
                Act::Write => self.graph.edge_from_ended(old.end_max, me),
            };
            self.execute(me, verdict)?;
        }
        for other in met.txns {
            let verdict = match act {
                Act::Read => self.graph.edge(me, other, me),
                Act::Write => self.graph.edge(other, me, me),
            };
            self.execute(me, verdict)?;
        }
        self.give_up_old();
        Ok(())
    }

    fn execute(&mut self, me: u64, verdict: Verdict) -> Result<()> {
        match verdict {
            Verdict::Harmless => Ok(()),
            Verdict::Doom(other) => {
                self.leave(other, DOOMED);
                Ok(())
            }
            Verdict::Refuse(reason) => {
                self.leave(me, DOOMED);
                refuse(reason)
            }
        }
    }

    fn commit(&mut self, state: &TxnState, timestamp: Option<u64>) -> Result<()> {
        match state.standing.get() {
            DOOMED => return refuse(ConflictReason::PivotDuringCommit),
            TRACKED => {
                for pivot in self.graph.commit(state.id, timestamp) {
                    self.leave(pivot, DOOMED);
                }
                self.active.remove(&state.id);
                self.release_safe();
            }
            _ => {}
        }
        state.standing.set(APART);
        self.give_up_old();
        Ok(())
    }

    /// An active transaction is no longer of interest to the others.
    fn leave(&mut self, txn: u64, standing: u8) {
        if let Some(state) = self.active.remove(&txn) {
            state.standing.set(standing);
            self.graph.forget(txn);
            self.marks.remove(txn, None);
            self.release_safe();
        }
    }

    /// Read-only transactions whose snapshots have turned out to be safe go on untracked.
    fn release_safe(&mut self) {
        // Who leaves here is no writer, so that nobody becomes safe by it.
        for txn in self.graph.take_safe() {
            if let Some(state) = self.active.remove(&txn) {
                state.standing.set(SAFE);
                self.graph.forget(txn);
                self.marks.remove(txn, None);
            }
        }
    }

    /// Forgets what ended before every snapshot, alive or to come.
    fn forget_outlived(&mut self, visible: u64) {
        let horizon = self.graph.horizon(visible);
        while let Some(txn) = self.graph.pop_outlived(horizon) {
            self.marks.remove(txn, None);
        }
        self.marks.forget_old(horizon);
    }

    /// Keeps the memory bounded.
    fn give_up_old(&mut self) {
        while self.graph.ended() > ENDED_MAX || self.marks.count() > ALL_MAX {
            let Some((txn, old)) = self.graph.pop_old() else { return };
            self.marks.remove(txn, Some(old));
        }
    }
}

fn refuse<T>(reason: ConflictReason) -> Result<T> {
    Err(Error::ReadWriteConflict { reason })
}
