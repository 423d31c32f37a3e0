//! Blocks in memory: one cache for all files, weighed in bytes.
//!
//! A block gets in when it is read, and, while there is room, when it is written: the first to read what was just loaded or merged
//! need not fetch it back. The disk is believed to have what was written until then: damage shows when the block is read again.
//! The blocks of a file that is removed go with it.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::available_parallelism;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::block::Block;
use super::table::Guide;
use crate::error::Result;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a block, estimated.
const BLOCK_BYTES: u64 = 16 << 10;
/// Bytes that a shard has at least: what is larger is never let in, and the guide of a file of small rows has some MiB.
const SHARD_BYTES_MIN: u64 = 16 << 20;

/// File number and offset; a file's guide lies at its own offset 0, where no block is.
type CacheKey = (u64, u64);

#[derive(Clone)]
enum Cached {
    Block(Arc<Block>),
    Guide(Arc<Guide>),
}

#[derive(Clone)]
struct Weigh;

impl Weighter<CacheKey, Cached> for Weigh {
    fn weight(&self, _: &CacheKey, cached: &Cached) -> u64 {
        let bytes = match cached {
            Cached::Block(block) => block.memory_bytes(),
            Cached::Guide(guide) => guide.memory_bytes(),
        };
        bytes as u64 + 96
    }
}

/// See the module.
pub(crate) struct BlockCache {
    cache: Cache<CacheKey, Cached, Weigh>,
    /// Bytes up to which what is written is kept: an eighth is left to what is read.
    written_max: u64,
    /// Files of which blocks were kept when they were written.
    kept: Mutex<HashSet<u64>>,
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    /// Times that what was to be loaded was damaged.
    pub corruptions: AtomicU64,
}

impl BlockCache {
    /// With room for this many bytes.
    pub fn new(bytes: u64) -> BlockCache {
        let items = usize::try_from(bytes / BLOCK_BYTES).unwrap_or(usize::MAX).max(16);
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(items).weight_capacity(bytes);
        options.shards(shards(bytes, available_parallelism().map_or(1, usize::from)));
        let cache = match options.build() {
            Ok(options) => Cache::with_options(
                options,
                Weigh,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            Err(_) => Cache::with_weighter(items, bytes, Weigh),
        };
        BlockCache {
            cache,
            written_max: bytes / 8 * 7,
            kept: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            corruptions: AtomicU64::new(0),
        }
    }

    /// The block at an offset of a file, loaded where it is not there; kept unless `pass` (a long scan that nobody repeats).
    pub fn block(
        &self,
        file: u64,
        offset: u64,
        pass: bool,
        load: impl FnOnce() -> Result<Block>,
    ) -> Result<Arc<Block>> {
        if let Some(block) = self.cached_block(file, offset) {
            return Ok(block);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let block = Arc::new(load()?);
        if !pass {
            self.cache.insert((file, offset), Cached::Block(Arc::clone(&block)));
        }
        Ok(block)
    }

    /// The block at an offset of a file, if it is there.
    pub fn cached_block(&self, file: u64, offset: u64) -> Option<Arc<Block>> {
        match self.cache.get(&(file, offset))? {
            Cached::Block(block) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Some(block)
            }
            Cached::Guide(_) => None,
        }
    }

    /// A file's guide, if it is there.
    pub fn cached_guide(&self, file: u64) -> Option<Arc<Guide>> {
        match self.cache.get(&(file, 0))? {
            Cached::Guide(guide) => Some(guide),
            Cached::Block(_) => None,
        }
    }

    /// A file's guide, loaded where it is not there.
    pub fn guide(&self, file: u64, load: impl FnOnce() -> Result<Guide>) -> Result<Arc<Guide>> {
        if let Some(guide) = self.cached_guide(file) {
            return Ok(guide);
        }
        let guide = Arc::new(load()?);
        self.cache.insert((file, 0), Cached::Guide(Arc::clone(&guide)));
        Ok(guide)
    }

    /// Whether there is room for what is written, so that hardly anything goes for it.
    pub fn has_room(&self) -> bool {
        self.cache.weight() < self.written_max
    }

    /// Blocks of this file will be kept as they are written.
    pub fn keep(&self, file: u64) {
        self.kept.lock().insert(file);
    }

    /// Takes in a block that was written.
    pub fn written(&self, file: u64, offset: u64, block: Block) {
        self.cache.insert((file, offset), Cached::Block(Arc::new(block)));
    }

    /// Takes in the guide of a file that was written: by it its blocks are found when it is removed.
    pub fn written_guide(&self, file: u64, guide: Guide) {
        self.cache.insert((file, 0), Cached::Guide(Arc::new(guide)));
    }

    /// Forgets a file that nobody reads any more.
    pub fn forget(&self, file: u64) {
        let is_kept = self.kept.lock().remove(&file);
        if let Some(guide) = self.cached_guide(file) {
            for (offset, _) in (0..guide.blocks()).filter_map(|block| guide.extent(block)) {
                self.cache.remove(&(file, offset));
            }
            self.cache.remove(&(file, 0));
        } else if is_kept {
            // They may be many, and nobody would read them.
            self.cache.retain(|(of, _), _| *of != file);
        }
    }

    /// Forgets files that were given up, maybe in their middle.
    pub fn forget_unfinished(&self, files: &[u64]) {
        let is_kept = {
            let mut kept = self.kept.lock();
            files.iter().filter(|file| kept.remove(file)).count() > 0
        };
        if is_kept {
            self.cache.retain(|(file, _), _| !files.contains(file));
        }
    }

    /// Bytes in use.
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}

/// Into how many parts, each with a lock of its own, a cache is divided.
fn shards(bytes: u64, cores: usize) -> usize {
    let most = usize::try_from(bytes / SHARD_BYTES_MIN).unwrap_or(usize::MAX).max(1);
    // A power of two below it: the next one above is what is made of any other number.
    (4 * cores).min(1 << most.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_whose_guide_is_gone_is_forgotten_as_well() {
        let cache = BlockCache::new(1 << 20);
        for (file, kept) in [(1, true), (2, false)] {
            if kept {
                cache.keep(file);
            }
            cache.written(file, 24, Block::default());
        }
        cache.forget(1);
        assert!(cache.cached_block(1, 24).is_none());
        assert!(cache.cached_block(2, 24).is_some());
    }

    #[test]
    fn a_shard_has_room_for_the_guide_of_a_large_file() {
        for (mib, cores) in [(80, 64), (80, 2), (2_500, 3), (1, 1)] {
            let shards = shards(mib << 20, cores).next_power_of_two() as u64;
            assert!(
                shards == 1 || (mib << 20) / shards >= SHARD_BYTES_MIN,
                "{mib} MiB, {cores} cores: {shards}"
            );
        }
        assert_eq!(shards(4 << 30, 4), 16);
    }
}
