//! Which timestamp readers see, and which snapshots are alive and pin versions.
//!
//! `visible` is the newest durable commit. It moves only forward, and only after everything before it is durable, so
//! that no reader sees what a crash could undo. The horizon is the oldest snapshot alive, or `visible`: whatever is
//! older than the newest version at the horizon is seen by nobody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

/// The register of snapshots.
pub(crate) struct Snapshots {
    visible: AtomicU64,
    /// Never above the true one; moved while `live` is locked.
    horizon: AtomicU64,
    /// Timestamps of the snapshots alive, and how many there are of each.
    live: Mutex<BTreeMap<u64, u32>>,
}

/// What pruning asks: see [`Snapshots::horizon`].
pub(crate) struct Horizon<'a>(&'a Snapshots);

/// The snapshots alive, held still.
pub(crate) struct Live<'a> {
    live: MutexGuard<'a, BTreeMap<u64, u32>>,
    visible: u64,
}

impl Snapshots {
    pub fn new(visible: u64) -> Snapshots {
        Snapshots {
            visible: AtomicU64::new(visible),
            horizon: AtomicU64::new(visible),
            live: Mutex::new(BTreeMap::new()),
        }
    }

    /// The newest durable commit.
    pub fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// Everything up to the timestamp is durable: later snapshots see it.
    pub fn publish(&self, timestamp: u64) {
        let live = self.live.lock();
        self.visible.fetch_max(timestamp, Ordering::Release);
        self.move_horizon(&live);
    }

    /// Registers a snapshot of now and answers its timestamp.
    pub fn take(&self) -> u64 {
        let mut live = self.live.lock();
        let timestamp = self.visible();
        *live.entry(timestamp).or_insert(0) += 1;
        timestamp
    }

    /// Ends a snapshot.
    pub fn release(&self, timestamp: u64) {
        let mut live = self.live.lock();
        if let Some(count) = live.get_mut(&timestamp) {
            *count -= 1;
            if *count == 0 {
                live.remove(&timestamp);
                self.move_horizon(&live);
            }
        }
    }

    fn move_horizon(&self, live: &BTreeMap<u64, u32>) {
        let oldest = live.keys().next().copied().unwrap_or_else(|| self.visible());
        self.horizon.store(oldest, Ordering::Release);
    }

    /// The oldest timestamp that any snapshot has or will have.
    pub fn oldest(&self) -> u64 {
        self.horizon.load(Ordering::Acquire)
    }

    /// Timestamps of the snapshots alive, ascending.
    pub fn alive(&self) -> Vec<u64> {
        self.live.lock().keys().copied().collect()
    }

    /// Number of snapshots alive.
    pub fn count(&self) -> u64 {
        self.live.lock().values().map(|count| u64::from(*count)).sum()
    }

    /// For pruning.
    pub fn horizon(&self) -> Horizon<'_> {
        Horizon(self)
    }
}

impl Horizon<'_> {
    /// No snapshot alive or to come is older.
    pub fn oldest(&self) -> u64 {
        self.0.oldest()
    }

    /// The exact picture.
    pub fn snapshots(&self) -> Live<'_> {
        let live = self.0.live.lock();
        let visible = self.0.visible();
        Live { live, visible }
    }
}

impl Live<'_> {
    /// Whether a snapshot, alive or to come, sees a version of timestamp `from` that was replaced at `to`.
    pub fn any_between(&self, from: u64, to: u64) -> bool {
        to > self.visible || self.live.range(from..to).next().is_some()
    }
}
