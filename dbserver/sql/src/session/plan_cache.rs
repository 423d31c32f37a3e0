//! Plans by text, parameter types, search path, catalog version and snapshot (where that matters), shared by all sessions.
//!
//! The lookup hashes the text once, takes one of several short locks and compares. A version of the catalog that is
//! gone leaves its plans behind; they make room first when a shard is full.

use crate::plan::PlannedStatement;
use crate::session::StatementKind;
use crate::types::{Oid, Type};
use hashbrown::HashTable;
use parking_lot::Mutex;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const SHARDS: usize = 16;

/// A planned query with what the session needs to know of it.
#[derive(Debug)]
pub(crate) struct CachedPlan {
    pub statement: Arc<PlannedStatement>,
    /// Tables to lock in shared mode before it runs.
    pub writes: Box<[Oid]>,
    pub kind: StatementKind,
    /// [`PlanKey::settings`] it was made under.
    pub settings: u64,
    /// [`PlanKey::snapshot`] it was made for.
    pub snapshot: u64,
}

/// What a plan depends on.
#[derive(Clone, Copy)]
pub(crate) struct PlanKey<'a> {
    pub text: &'a str,
    pub params: &'a [Type],
    pub search_path: &'a [String],
    pub version: u64,
    /// A number for the settings that constants were folded under: time zone, order of dates and the like.
    pub settings: u64,
    /// The timestamp of a snapshot that may not read by all indexes; `u64::MAX` for all others.
    pub snapshot: u64,
}

struct Entry {
    hash: u64,
    text: Box<str>,
    params: Box<[Type]>,
    search_path: Box<[String]>,
    version: u64,
    settings: u64,
    snapshot: u64,
    /// When it was last used, by the shard's clock.
    used: u64,
    plan: Arc<CachedPlan>,
}

#[derive(Default)]
struct Shard {
    entries: HashTable<Entry>,
    clock: u64,
}

/// See the module.
pub(crate) struct PlanCache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: foldhash::fast::RandomState,
    entries_max: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl PlanCache {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: foldhash::fast::RandomState::default(),
            entries_max: (entries_max / SHARDS).max(1),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }
    fn hash(&self, key: PlanKey<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        key.text.hash(&mut hasher);
        key.params.hash(&mut hasher);
        key.search_path.hash(&mut hasher);
        key.version.hash(&mut hasher);
        key.settings.hash(&mut hasher);
        key.snapshot.hash(&mut hasher);
        hasher.finish()
    }
    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        // The table inside uses the low and the top bits.
        self.shards.get((hash >> 24) as usize % SHARDS)
    }
    /// The plan for a key.
    pub(crate) fn get(&self, key: PlanKey<'_>) -> Option<Arc<CachedPlan>> {
        let hash = self.hash(key);
        let mut shard = self.shard(hash)?.lock();
        shard.clock += 1;
        let clock = shard.clock;
        let found = shard.entries.find_mut(hash, |e| e.matches(hash, key)).map(|e| {
            e.used = clock;
            Arc::clone(&e.plan)
        });
        drop(shard);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }
    /// Keeps a plan.
    pub(crate) fn put(&self, key: PlanKey<'_>, plan: Arc<CachedPlan>) {
        let hash = self.hash(key);
        let Some(shard) = self.shard(hash) else { return };
        let mut shard = shard.lock();
        shard.clock += 1;
        let clock = shard.clock;
        if let Some(entry) = shard.entries.find_mut(hash, |e| e.matches(hash, key)) {
            entry.plan = plan;
            return;
        }
        if shard.entries.len() >= self.entries_max {
            // Plans of other versions first, then the older half.
            shard.entries.retain(|e| e.version == key.version);
            if shard.entries.len() >= self.entries_max {
                let mut used: Vec<u64> = shard.entries.iter().map(|e| e.used).collect();
                let middle = used.len() / 2;
                let (_, median, _) = used.select_nth_unstable(middle);
                let median = *median;
                shard.entries.retain(|e| e.used > median);
            }
        }
        let entry = Entry {
            hash,
            text: key.text.into(),
            params: key.params.into(),
            search_path: key.search_path.into(),
            version: key.version,
            settings: key.settings,
            snapshot: key.snapshot,
            used: clock,
            plan,
        };
        shard.entries.insert_unique(hash, entry, |e| e.hash);
    }
    /// Plans kept, hits, misses.
    pub(crate) fn stats(&self) -> (u64, u64, u64) {
        let plans = self.shards.iter().map(|s| s.lock().entries.len() as u64).sum();
        (plans, self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}

impl Entry {
    fn matches(&self, hash: u64, key: PlanKey<'_>) -> bool {
        self.hash == hash
            && self.version == key.version
            && self.settings == key.settings
            && self.snapshot == key.snapshot
            && *self.text == *key.text
            && *self.params == *key.params
            && *self.search_path == *key.search_path
    }
}
