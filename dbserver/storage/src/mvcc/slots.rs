//! The transactions that have pending versions, by the slot number in their versions' stamps.
//!
//! A commit is one store to `status`: from then on every version that carries the slot counts as committed. The
//! committer then goes over its rows and writes the timestamp into them, and only then gives the slot back. Whoever
//! reads a pending stamp under a tree's latch therefore finds its owner here.

use std::sync::Arc;

use super::serializable::Standing;
use super::stamp::SLOTS_MAX;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, RwLock};

/// Status of a transaction that may still write.
const ACTIVE: u64 = 0;
/// Status of a transaction whose versions are gone.
const ABORTED: u64 = u64::MAX;
/// Slot of a transaction that has none yet.
const NO_SLOT: u32 = u32::MAX;

/// How far a transaction has come.
pub(crate) enum Status {
    /// It may still write.
    Active,
    /// Its versions count, as of the timestamp.
    Committed(u64),
    /// Its versions are gone.
    Aborted,
}

/// What others may know of a transaction.
pub(crate) struct TxnState {
    /// Its number.
    pub id: u64,
    slot: AtomicU32,
    /// [`ACTIVE`], [`ABORTED`], or the timestamp of its commit.
    status: AtomicU64,
    /// Whether the lock manager has to hear of its end. Set before looking at the status, read after changing it: one
    /// of both sides sees the other (sequentially consistent on purpose).
    pub in_lock_manager: AtomicBool,
    /// Whether what it reads and writes is tracked.
    pub standing: Standing,
}

impl TxnState {
    pub fn new(id: u64) -> TxnState {
        TxnState {
            id,
            slot: AtomicU32::new(NO_SLOT),
            status: AtomicU64::new(ACTIVE),
            in_lock_manager: AtomicBool::new(false),
            standing: Standing::default(),
        }
    }

    /// Its slot, once it has written.
    pub fn slot(&self) -> Option<u32> {
        Some(self.slot.load(Ordering::Acquire)).filter(|slot| *slot != NO_SLOT)
    }

    /// How far it is: one look, so that it cannot end between two.
    pub fn status(&self) -> Status {
        match self.status.load(Ordering::SeqCst) {
            ACTIVE => Status::Active,
            ABORTED => Status::Aborted,
            timestamp => Status::Committed(timestamp),
        }
    }

    pub fn is_active(&self) -> bool {
        matches!(self.status(), Status::Active)
    }

    /// The timestamp of its commit.
    pub fn committed(&self) -> Option<u64> {
        match self.status() {
            Status::Committed(timestamp) => Some(timestamp),
            Status::Active | Status::Aborted => None,
        }
    }

    /// From now on its versions count. Only inside the log's critical section, so that timestamps follow the log.
    pub fn commit(&self, timestamp: u64) {
        self.status.store(timestamp, Ordering::SeqCst);
    }

    /// Its versions are gone.
    pub fn abort(&self) {
        self.status.store(ABORTED, Ordering::SeqCst);
    }
}

/// All slots.
#[derive(Default)]
pub(crate) struct Slots {
    taken: RwLock<Vec<Option<Arc<TxnState>>>>,
    free: Mutex<Vec<u32>>,
}

impl Slots {
    /// Gives the transaction a slot, if it has none. `None` where there are too many writers.
    pub fn assign(&self, state: &Arc<TxnState>) -> Option<u32> {
        if let Some(slot) = state.slot() {
            return Some(slot);
        }
        let free = self.free.lock().pop();
        let mut taken = self.taken.write();
        let slot = match free {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(taken.len()).ok().filter(|slot| *slot < SLOTS_MAX)?;
                taken.push(None);
                slot
            }
        };
        *taken.get_mut(slot as usize)? = Some(Arc::clone(state));
        state.slot.store(slot, Ordering::Release);
        Some(slot)
    }

    /// Takes the slot back. No version may carry it any more.
    pub fn release(&self, state: &TxnState) {
        let Some(slot) = state.slot() else { return };
        if let Some(place) = self.taken.write().get_mut(slot as usize) {
            *place = None;
        }
        self.free.lock().push(slot);
    }

    /// The commit timestamp of a slot's transaction, where it has committed.
    pub fn committed(&self, slot: u32) -> Option<u64> {
        self.taken.read().get(slot as usize)?.as_ref()?.committed()
    }

    /// A slot's transaction.
    pub fn get(&self, slot: u32) -> Option<Arc<TxnState>> {
        self.taken.read().get(slot as usize)?.clone()
    }
}
