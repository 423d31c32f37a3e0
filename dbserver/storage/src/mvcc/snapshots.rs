//! Which timestamp readers see, and which snapshots are alive and pin versions.
//!
//! `visible` is the newest commit that new snapshots see. It moves only forward: when the log is durable up to a commit, so
//! that no reader sees what a crash could undo, and by asynchronous commits, which ask for no more. The horizon is the oldest snapshot alive, or `visible`: whatever is
//! older than the newest version at the horizon is seen by nobody.
//!
//! Where the versions kept for it take too much memory, the oldest snapshot is *ended*: it counts as not alive from then on, and
//! what it would see goes. Whoever reads by it looks afterwards whether it had been ended, and if so has seen nothing.

use std::collections::BTreeMap;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// The register of snapshots.
pub(crate) struct Snapshots {
    visible: AtomicU64,
    /// Never above the true one; moved while `live` is locked.
    horizon: AtomicU64,
    /// The snapshots alive, by their timestamp.
    live: Mutex<BTreeMap<u64, Count>>,
    /// Snapshots of earlier timestamps have been ended.
    ended_before: AtomicU64,
    /// How many have been ended.
    ended: AtomicU64,
}

/// Snapshots of one timestamp.
#[derive(Default)]
struct Count {
    all: u32,
    /// Of them those that may not be ended.
    held: u32,
}

/// What pruning asks: see [`Snapshots::horizon`].
pub(crate) struct Horizon<'a>(&'a Snapshots);

/// The snapshots alive, held still.
pub(crate) struct Live<'a> {
    live: MutexGuard<'a, BTreeMap<u64, Count>>,
    visible: u64,
}

impl Snapshots {
    pub fn new(visible: u64) -> Snapshots {
        Snapshots {
            visible: AtomicU64::new(visible),
            horizon: AtomicU64::new(visible),
            live: Mutex::new(BTreeMap::new()),
            ended_before: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// The newest commit that a snapshot taken now sees.
    pub fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// Later snapshots see everything up to the timestamp.
    pub fn publish(&self, timestamp: u64) {
        let live = self.live.lock();
        self.visible.fetch_max(timestamp, Ordering::Release);
        self.move_horizon(&live);
    }

    /// Registers a snapshot of now and answers its timestamp; `held`: one that may not be ended.
    pub fn take(&self, held: bool) -> u64 {
        let mut live = self.live.lock();
        let timestamp = self.visible();
        let count = live.entry(timestamp).or_default();
        count.all += 1;
        count.held += u32::from(held);
        timestamp
    }

    /// Gives a snapshot back, which may have been ended.
    pub fn release(&self, timestamp: u64, held: bool) {
        let mut live = self.live.lock();
        if let Some(count) = live.get_mut(&timestamp) {
            count.all -= 1;
            count.held -= u32::from(held);
            if count.all == 0 {
                live.remove(&timestamp);
                self.move_horizon(&live);
            }
        }
    }

    /// Ends the snapshots of the oldest timestamp and answers it. `None` where there is none before the newest commit, or one that may
    /// not be ended.
    pub fn end_oldest(&self) -> Option<u64> {
        let mut live = self.live.lock();
        let (timestamp, count) = live.first_key_value()?;
        // Later snapshots all have a later timestamp: none is born ended.
        if count.held > 0 || *timestamp >= self.visible() {
            return None;
        }
        let timestamp = *timestamp;
        self.ended.fetch_add(u64::from(count.all), Ordering::Relaxed);
        // Before the horizon moves and versions go.
        self.ended_before.store(timestamp + 1, Ordering::Release);
        live.remove(&timestamp);
        self.move_horizon(&live);
        Some(timestamp)
    }

    /// Whether the snapshots of a timestamp have been ended. To be asked after reading: a version that is missing because of
    /// that was taken away later than this was said.
    pub fn is_ended(&self, timestamp: u64) -> bool {
        timestamp < self.ended_before.load(Ordering::Acquire)
    }

    /// Number of snapshots that have been ended.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    fn move_horizon(&self, live: &BTreeMap<u64, Count>) {
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
        self.live.lock().values().map(|count| u64::from(count.all)).sum()
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
