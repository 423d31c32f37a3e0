//! The lock manager: who waits for whom.
//!
//! An exclusive row lock is the pending head of the row's chain and needs nothing here. The manager knows only what a
//! chain cannot say: queues of waiters, share locks, object locks. Everything is behind one mutex that is taken when a
//! transaction blocks, shares or locks an object, and when such a transaction ends.
//!
//! Waiters are woken one at a time, first come first served: whoever is woken is *offered* the lock and asks for it
//! again. A third transaction may be quicker; then the woken one goes back to the front of the queue. A deadlock is
//! looked for whenever a transaction blocks, along the edges waiter -> owner, sharers, and waiters ahead of it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::slots::TxnState;
use super::types::{ObjectLock, WaitPolicy};
use crate::error::{Error, LockName, Result, WaitsFor};
use crate::io::Io;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// How often a blocking wait asks whether it was cancelled.
const CANCEL_POLL: Duration = Duration::from_millis(10);

/// See the module.
#[derive(Default)]
pub(crate) struct LockManager {
    inner: Mutex<Inner>,
    /// Waits so far.
    pub waits: AtomicU64,
    /// Waits refused so far.
    pub deadlocks: AtomicU64,
}

#[derive(Default)]
struct Inner {
    queues: HashMap<LockName, Queue>,
    /// Transactions that hold a row in share mode.
    shares: HashMap<LockName, Vec<u64>>,
    objects: HashMap<u64, Vec<(u64, ObjectLock)>>,
    held: HashMap<u64, Held>,
    /// What each blocked transaction waits for.
    waiting: HashMap<u64, Arc<Waiter>>,
}

struct Queue {
    /// The transaction that holds the row, or was offered it last.
    owner: u64,
    waiters: VecDeque<Arc<Waiter>>,
}

/// What has to be looked at when a transaction ends.
#[derive(Default)]
struct Held {
    /// Rows that others wait for.
    rows: Vec<LockName>,
    shares: Vec<LockName>,
    objects: Vec<u64>,
}

/// A transaction in a queue.
struct Waiter {
    txn: Arc<TxnState>,
    name: LockName,
    mode: ObjectLock,
    state: Mutex<WaiterState>,
}

#[derive(Default)]
struct WaiterState {
    outcome: Option<Result<()>>,
    waker: Option<Waker>,
    /// Whether the outcome has reached the caller.
    taken: bool,
}

/// Wakers to call once no mutex is held.
type Wakers = Vec<Waker>;

impl LockManager {
    /// Queues the transaction behind the holder of a row, or of itself. `None`: the holder has just ended, try again.
    pub fn block_on_row(
        self: &Arc<Self>,
        io: &Arc<dyn Io>,
        txn: &Arc<TxnState>,
        holder: &TxnState,
        name: LockName,
        mode: ObjectLock,
    ) -> Result<Option<LockWait>> {
        let mut inner = self.inner.lock();
        holder.in_lock_manager.store(true, Ordering::SeqCst);
        if !holder.is_active() {
            return Ok(None);
        }
        inner.held.entry(holder.id).or_default().rows.push(name.clone());
        self.enqueue(&mut inner, io, txn, name, mode, Some(holder.id)).map(Some)
    }

    /// Whether a row is shared by transactions other than this one.
    pub fn shared_by_others(&self, txn: u64, name: &LockName) -> bool {
        self.inner.lock().shares.get(name).is_some_and(|holders| holders.iter().any(|holder| *holder != txn))
    }

    /// Queues the transaction behind those who share the row. `None`: nobody does any more.
    pub fn block_on_shares(
        self: &Arc<Self>,
        io: &Arc<dyn Io>,
        txn: &Arc<TxnState>,
        name: LockName,
    ) -> Result<Option<LockWait>> {
        let mut inner = self.inner.lock();
        let others = |holders: &Vec<u64>| holders.iter().any(|holder| *holder != txn.id);
        if !inner.shares.get(&name).is_some_and(others) {
            return Ok(None);
        }
        self.enqueue(&mut inner, io, txn, name, ObjectLock::Exclusive, None).map(Some)
    }

    /// Takes a row in share mode (nobody holds it alone: the caller looked, under the tree's latch), or queues behind
    /// a writer that waits for it, so that sharers cannot starve it. Answers `true` where it is a new holder, and no wait where
    /// it would have to but is not to queue.
    pub fn share(
        self: &Arc<Self>,
        io: &Arc<dyn Io>,
        txn: &Arc<TxnState>,
        name: LockName,
        policy: WaitPolicy,
    ) -> Result<Result<bool, Option<LockWait>>> {
        let mut inner = self.inner.lock();
        if inner.shares.get(&name).is_some_and(|holders| holders.contains(&txn.id)) {
            return Ok(Ok(false));
        }
        let contended = inner.queues.get(&name).is_some_and(|queue| {
            queue.owner != txn.id && queue.waiters.iter().any(|waiter| waiter.mode == ObjectLock::Exclusive)
        });
        if contended && inner.shares.contains_key(&name) {
            return match policy {
                WaitPolicy::Wait => self
                    .enqueue(&mut inner, io, txn, name, ObjectLock::Shared, None)
                    .map(|wait| Err(Some(wait))),
                WaitPolicy::Skip => Ok(Err(None)),
            };
        }
        txn.in_lock_manager.store(true, Ordering::SeqCst);
        inner.held.entry(txn.id).or_default().shares.push(name.clone());
        inner.shares.entry(name).or_default().push(txn.id);
        Ok(Ok(true))
    }

    /// Takes an object lock (`None`), or queues for it.
    pub fn lock_object(
        self: &Arc<Self>,
        io: &Arc<dyn Io>,
        txn: &Arc<TxnState>,
        object: u64,
        mode: ObjectLock,
    ) -> Result<Option<LockWait>> {
        let mut inner = self.inner.lock();
        let holders = inner.objects.entry(object).or_default();
        let mine = holders.iter().find(|(holder, _)| *holder == txn.id).map(|(_, held)| *held);
        if mine.is_some_and(|held| held == mode || held == ObjectLock::Exclusive) {
            return Ok(None);
        }
        let free = compatible(holders, txn.id, mode);
        let name = LockName::Object(object);
        // One who holds it already does not queue behind those who wait for it.
        let queued = mine.is_none() && inner.queues.get(&name).is_some_and(|queue| !queue.waiters.is_empty());
        if free && !queued {
            inner.grant(txn, object, mode);
            return Ok(None);
        }
        self.enqueue(&mut inner, io, txn, name, mode, None).map(Some)
    }

    fn enqueue(
        self: &Arc<Self>,
        inner: &mut Inner,
        io: &Arc<dyn Io>,
        txn: &Arc<TxnState>,
        name: LockName,
        mode: ObjectLock,
        owner: Option<u64>,
    ) -> Result<LockWait> {
        let waiter = Arc::new(Waiter { txn: Arc::clone(txn), name, mode, state: Mutex::default() });
        let queue = inner
            .queues
            .entry(waiter.name.clone())
            .or_insert_with(|| Queue { owner: owner.unwrap_or(0), waiters: VecDeque::new() });
        let was_offered = queue.owner == txn.id;
        if let Some(owner) = owner {
            queue.owner = owner;
        } else if was_offered {
            queue.owner = 0;
        }
        if was_offered {
            queue.waiters.push_front(Arc::clone(&waiter));
        } else {
            queue.waiters.push_back(Arc::clone(&waiter));
        }
        inner.waiting.insert(txn.id, Arc::clone(&waiter));
        let holders = inner.waits_for(txn.id);
        self.waits.fetch_add(1, Ordering::Relaxed);
        let mut wakers = Wakers::new();
        let refused = self.break_cycles(inner, &waiter, &holders, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        if let Some(error) = refused {
            return Err(error);
        }
        Ok(LockWait { manager: Arc::clone(self), io: Arc::clone(io), waiter, holders })
    }

    /// Ends every circle that a new waiter closes, or shows: it says who has the row, when others have queued behind somebody
    /// who had been offered it. Answers the error where it has to go itself.
    fn break_cycles(
        &self,
        inner: &mut Inner,
        waiter: &Arc<Waiter>,
        holders: &[u64],
        wakers: &mut Wakers,
    ) -> Option<Error> {
        let txn = waiter.txn.id;
        let mut refused = None;
        loop {
            // Once it has left, what was found from it is looked for from those it waited for.
            let starts = std::iter::once(txn).chain(holders.iter().copied());
            let Some(cycle) = inner.find_cycle(starts) else { return refused };
            self.deadlocks.fetch_add(1, Ordering::Relaxed);
            let error = Error::Deadlock { cycle: cycle.clone() };
            if cycle.iter().any(|edge| edge.waiter == txn) {
                inner.leave(waiter, wakers);
                refused = Some(error);
                continue;
            }
            // A circle this transaction only waits for: one of those in it has to go.
            let victim = cycle.first().and_then(|edge| inner.waiting.get(&edge.waiter)).cloned();
            let Some(victim) = victim else { return refused };
            inner.leave(&victim, wakers);
            victim.resolve(Err(error), wakers);
        }
    }

    /// The transaction has ended: its status is set and its versions are settled or gone.
    pub fn finish(&self, txn: &TxnState) {
        if !txn.in_lock_manager.load(Ordering::SeqCst) {
            return;
        }
        let mut wakers = Wakers::new();
        let mut inner = self.inner.lock();
        let held = inner.held.remove(&txn.id).unwrap_or_default();
        inner.waiting.remove(&txn.id);
        for object in held.objects {
            if let Some(holders) = inner.objects.get_mut(&object) {
                holders.retain(|(holder, _)| *holder != txn.id);
            }
            inner.grant_waiters(object, &mut wakers);
        }
        for name in held.shares {
            if let Some(holders) = inner.shares.get_mut(&name) {
                holders.retain(|holder| *holder != txn.id);
                if holders.is_empty() {
                    inner.shares.remove(&name);
                }
            }
            inner.offer(&name, &mut wakers);
        }
        for name in held.rows {
            if inner.queues.get(&name).is_some_and(|queue| queue.owner == txn.id) {
                inner.offer(&name, &mut wakers);
            }
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Share locks that the transaction holds, to be uncounted at its trees when it ends.
    pub fn shares_of(&self, txn: &TxnState) -> Vec<LockName> {
        if !txn.in_lock_manager.load(Ordering::SeqCst) {
            return Vec::new();
        }
        self.inner.lock().held.get(&txn.id).map(|held| held.shares.clone()).unwrap_or_default()
    }

    /// The transaction has rolled back to a savepoint and may have given up rows.
    pub fn some_rows_released(&self, txn: &TxnState) {
        if !txn.in_lock_manager.load(Ordering::SeqCst) {
            return;
        }
        let mut wakers = Wakers::new();
        let mut inner = self.inner.lock();
        let rows = inner.held.get_mut(&txn.id).map(|held| std::mem::take(&mut held.rows)).unwrap_or_default();
        for name in rows {
            // Whoever still cannot have its row comes back to the front of the queue.
            if inner.queues.get(&name).is_some_and(|queue| queue.owner == txn.id) {
                inner.offer(&name, &mut wakers);
            }
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn compatible(holders: &[(u64, ObjectLock)], txn: u64, mode: ObjectLock) -> bool {
    holders
        .iter()
        .filter(|(holder, _)| *holder != txn)
        .all(|(_, held)| *held == ObjectLock::Shared && mode == ObjectLock::Shared)
}

impl Inner {
    /// Wakes the first waiter of a row; with a sharer all the sharers behind it.
    fn offer(&mut self, name: &LockName, wakers: &mut Wakers) {
        while let Some(queue) = self.queues.get_mut(name) {
            let Some(waiter) = queue.waiters.pop_front() else {
                self.queues.remove(name);
                return;
            };
            queue.owner = waiter.txn.id;
            let next_shares = queue.waiters.front().is_some_and(|next| next.mode == ObjectLock::Shared);
            waiter.txn.in_lock_manager.store(true, Ordering::SeqCst);
            self.held.entry(waiter.txn.id).or_default().rows.push(name.clone());
            waiter.resolve(Ok(()), wakers);
            self.stop_waiting(&waiter);
            if waiter.mode == ObjectLock::Exclusive || !next_shares {
                return;
            }
        }
    }

    fn grant(&mut self, txn: &TxnState, object: u64, mode: ObjectLock) {
        let holders = self.objects.entry(object).or_default();
        match holders.iter_mut().find(|(holder, _)| *holder == txn.id) {
            Some((_, held)) => *held = mode,
            None => {
                holders.push((txn.id, mode));
                txn.in_lock_manager.store(true, Ordering::SeqCst);
                self.held.entry(txn.id).or_default().objects.push(object);
            }
        }
    }

    /// Gives the object to the waiters in front, as far as they go together.
    fn grant_waiters(&mut self, object: u64, wakers: &mut Wakers) {
        let name = LockName::Object(object);
        loop {
            let holders = self.objects.get(&object).map(Vec::as_slice).unwrap_or_default();
            let Some(queue) = self.queues.get_mut(&name) else {
                if holders.is_empty() {
                    self.objects.remove(&object);
                }
                return;
            };
            let Some(waiter) = queue.waiters.front().cloned() else {
                self.queues.remove(&name);
                continue;
            };
            if !compatible(holders, waiter.txn.id, waiter.mode) {
                return;
            }
            queue.waiters.pop_front();
            self.grant(&waiter.txn, object, waiter.mode);
            waiter.resolve(Ok(()), wakers);
            self.stop_waiting(&waiter);
        }
    }

    fn stop_waiting(&mut self, waiter: &Arc<Waiter>) {
        if self.waiting.get(&waiter.txn.id).is_some_and(|current| Arc::ptr_eq(current, waiter)) {
            self.waiting.remove(&waiter.txn.id);
        }
    }

    /// Takes a waiter that was not woken out of its queue. Those behind it may have waited for nothing else.
    fn leave(&mut self, waiter: &Arc<Waiter>, wakers: &mut Wakers) {
        self.stop_waiting(waiter);
        let Some(queue) = self.queues.get_mut(&waiter.name) else { return };
        queue.waiters.retain(|other| !Arc::ptr_eq(other, waiter));
        let next_shares = queue.waiters.front().is_some_and(|next| next.mode == ObjectLock::Shared);
        if queue.waiters.is_empty() {
            self.queues.remove(&waiter.name);
        }
        match waiter.name {
            LockName::Object(object) => self.grant_waiters(object, wakers),
            // With those who share it already.
            LockName::Row(..) if next_shares && self.shares.contains_key(&waiter.name) => {
                self.offer(&waiter.name, wakers);
            }
            LockName::Row(..) | LockName::Transaction(_) => {}
        }
    }

    /// The transactions that a blocked transaction waits for.
    fn waits_for(&self, txn: u64) -> Vec<u64> {
        let Some(waiter) = self.waiting.get(&txn) else { return Vec::new() };
        let mut holders = Vec::new();
        match &waiter.name {
            LockName::Row(..) | LockName::Transaction(_) => {
                if let Some(queue) = self.queues.get(&waiter.name) {
                    holders.push(queue.owner);
                }
                holders.extend(self.shares.get(&waiter.name).into_iter().flatten());
            }
            LockName::Object(object) => {
                let conflicting = |(holder, held): &(u64, ObjectLock)| {
                    let shared = *held == ObjectLock::Shared && waiter.mode == ObjectLock::Shared;
                    (!shared).then_some(*holder)
                };
                holders.extend(self.objects.get(object).into_iter().flatten().filter_map(conflicting));
            }
        }
        if let Some(queue) = self.queues.get(&waiter.name) {
            let ahead = queue.waiters.iter().take_while(|other| !Arc::ptr_eq(other, waiter));
            holders.extend(ahead.map(|other| other.txn.id));
        }
        holders.retain(|holder| *holder != txn && *holder != 0);
        holders.dedup();
        holders
    }

    /// A circle in the waits-for graph that can be reached from one of the transactions. Holders are followed before those who are ahead in
    /// the queue: whoever only queues in front of a circle is spared.
    fn find_cycle(&self, starts: impl Iterator<Item = u64>) -> Option<Vec<WaitsFor>> {
        // Shared by all starts: what was gone through once has no circle.
        let mut visited = HashSet::new();
        for start in starts {
            if !visited.insert(start) {
                continue;
            }
            // Depth first, without recursion: each transaction on the path with those it has still to follow.
            let mut path = vec![(start, self.waits_for(start).into_iter())];
            while let Some((_, next)) = path.last_mut() {
                let Some(holder) = next.next() else {
                    path.pop();
                    continue;
                };
                if visited.insert(holder) {
                    path.push((holder, self.waits_for(holder).into_iter()));
                } else if let Some(from) = path.iter().position(|(txn, _)| *txn == holder) {
                    let circle: Vec<u64> = path.iter().skip(from).map(|(txn, _)| *txn).collect();
                    let next = circle.iter().cycle().skip(1);
                    let edges = circle.iter().zip(next).filter_map(|(waiter, holder)| {
                        let lock = self.waiting.get(waiter)?.name.clone();
                        Some(WaitsFor { waiter: *waiter, holder: *holder, lock })
                    });
                    return Some(edges.collect());
                }
            }
        }
        None
    }
}

impl Waiter {
    fn resolve(&self, outcome: Result<()>, wakers: &mut Wakers) {
        let mut state = self.state.lock();
        if state.outcome.is_none() {
            state.outcome = Some(outcome);
            wakers.extend(state.waker.take());
        }
    }

    /// The outcome, or the waker is kept.
    fn poll(&self, waker: &Waker) -> Poll<Result<()>> {
        let mut state = self.state.lock();
        match state.outcome.clone() {
            Some(outcome) => {
                state.taken = true;
                Poll::Ready(outcome)
            }
            None => {
                state.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

/// A place in the queue of a lock that another transaction holds. A future that resolves when it is worth asking for
/// the lock again, or fails with [`Error::Deadlock`]. Dropping it leaves the queue.
#[must_use = "dropping it leaves the queue"]
pub struct LockWait {
    manager: Arc<LockManager>,
    io: Arc<dyn Io>,
    waiter: Arc<Waiter>,
    holders: Vec<u64>,
}

impl LockWait {
    /// Blocks the thread until the wait is over. `cancelled` is asked about every 10 ms.
    ///
    /// # Errors
    /// [`Error::Deadlock`]; [`Error::LockTimeout`] when the deadline (of [`crate::io::Io::now`]) passes;
    /// [`Error::Cancelled`].
    pub fn wait(self, deadline: Option<Instant>, cancelled: &dyn Fn() -> bool) -> Result<()> {
        let waker = thread_waker();
        loop {
            if let Poll::Ready(outcome) = self.waiter.poll(&waker) {
                return outcome;
            }
            if cancelled() {
                return Err(Error::Cancelled);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(self.io.now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::LockTimeout);
            }
            self.io.park(Some(left.map_or(CANCEL_POLL, |left| left.min(CANCEL_POLL))));
        }
    }

    /// The transactions waited for, at the time of blocking.
    #[must_use]
    pub fn holders(&self) -> &[u64] {
        &self.holders
    }
}

impl Future for LockWait {
    type Output = Result<()>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.waiter.poll(context.waker())
    }
}

impl Drop for LockWait {
    fn drop(&mut self) {
        let mut wakers = Wakers::new();
        let mut inner = self.manager.inner.lock();
        let (resolved, taken) = {
            let state = self.waiter.state.lock();
            (state.outcome.clone(), state.taken)
        };
        match resolved {
            None => inner.leave(&self.waiter, &mut wakers),
            // Offered, but nobody will ask for it: the next one may.
            Some(Ok(())) if !taken => {
                let name = &self.waiter.name;
                if inner.queues.get(name).is_some_and(|queue| queue.owner == self.waiter.txn.id) {
                    inner.offer(name, &mut wakers);
                }
            }
            Some(_) => {}
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl std::fmt::Debug for LockWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockWait").field("lock", &self.waiter.name).field("holders", &self.holders).finish()
    }
}

/// A waker that unparks the current thread.
pub(crate) fn thread_waker() -> Waker {
    struct Unpark(crate::sync::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    Waker::from(Arc::new(Unpark(crate::sync::thread::current())))
}
