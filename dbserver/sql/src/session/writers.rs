//! Transactions that hold locks on tables: whom an online index build waits for, and what `pg_locks` shows.

use crate::context::QueryContext;
use crate::error::Result;
use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;

/// How long a wait sleeps before it looks at its deadline again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A transaction that holds object locks.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    /// The process number of its session.
    pub pid: i32,
    /// Objects (OIDs of relations), and whether it holds them alone.
    pub objects: Vec<(u64, bool)>,
}

/// All of them, by the transaction's number.
#[derive(Default)]
pub(crate) struct Writers {
    writers: Mutex<HashMap<u64, Writer>>,
    ended: Condvar,
}

/// A transaction's entry; goes with it.
pub(crate) struct Mark {
    writers: Arc<Writers>,
    transaction: u64,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.writers.writers.lock().remove(&self.transaction);
        self.writers.ended.notify_all();
    }
}

impl Writers {
    /// A transaction got a lock. What was committed before this call is known to it if it looks at the catalog afterwards.
    pub(crate) fn lock(
        self: &Arc<Self>,
        mark: &mut Option<Mark>,
        transaction: u64,
        pid: i32,
        lock: (u64, bool),
    ) {
        let mut writers = self.writers.lock();
        let writer = writers.entry(transaction).or_insert_with(|| Writer { pid, objects: Vec::new() });
        match writer.objects.iter_mut().find(|(object, _)| *object == lock.0) {
            Some((_, exclusive)) => *exclusive |= lock.1,
            None => writer.objects.push(lock),
        }
        if mark.is_none() {
            *mark = Some(Mark { writers: Arc::clone(self), transaction });
        }
    }
    /// Waits until all transactions that hold an object now have ended.
    pub(crate) fn wait_for(&self, object: u64, query: &QueryContext) -> Result<()> {
        let mut writers = self.writers.lock();
        let holds = |w: &Writer| w.objects.iter().any(|(o, _)| *o == object);
        let before: Vec<u64> = writers.iter().filter(|(_, w)| holds(w)).map(|(id, _)| *id).collect();
        while before.iter().any(|id| writers.contains_key(id)) {
            query.check()?;
            self.ended.wait_for(&mut writers, LOOK_AGAIN);
        }
        Ok(())
    }
    /// The process of a transaction; 0 where it has ended.
    pub(crate) fn pid(&self, transaction: u64) -> i32 {
        self.writers.lock().get(&transaction).map_or(0, |w| w.pid)
    }
    /// Whether a transaction holds an object alone.
    pub(crate) fn holds_alone(&self, transaction: u64, object: u64) -> bool {
        self.writers.lock().get(&transaction).is_some_and(|w| w.objects.contains(&(object, true)))
    }
    /// All locks: transaction, process, object, and whether it is held alone.
    pub(crate) fn locks(&self) -> Vec<(u64, i32, u64, bool)> {
        let writers = self.writers.lock();
        let of = |(id, w): (&u64, &Writer)| {
            let (id, pid) = (*id, w.pid);
            w.objects.iter().map(move |(object, alone)| (id, pid, *object, *alone)).collect::<Vec<_>>()
        };
        let mut locks: Vec<_> = writers.iter().flat_map(of).collect();
        locks.sort_unstable();
        locks
    }
}
