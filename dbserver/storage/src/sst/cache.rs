//! Blocks in memory: one cache for all files, weighed in bytes.
//!
//! A block gets in when it is read, and, while there is room, when it is written: the first to read what was just loaded or merged
//! need not fetch it back. The blocks of a file that is removed go with it.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::block::Block;
use super::table::Guide;
use crate::error::Result;
use crate::sync::atomic::{AtomicU64, Ordering};

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
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    /// Times that what was to be loaded was damaged.
    pub corruptions: AtomicU64,
}

impl BlockCache {
    /// With room for this many bytes.
    pub fn new(bytes: u64) -> BlockCache {
        let items = usize::try_from(bytes / (16 << 10)).unwrap_or(usize::MAX).max(16);
        BlockCache {
            cache: Cache::with_weighter(items, bytes, Weigh),
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

    /// Whether what is written may be kept without that others go for it. An eighth is left to what is read.
    pub fn has_room(&self) -> bool {
        self.cache.weight() < self.cache.capacity() / 8 * 7
    }

    /// Takes in a block that was written.
    pub fn written(&self, file: u64, offset: u64, block: Block) {
        self.cache.insert((file, offset), Cached::Block(Arc::new(block)));
    }

    /// Takes in the guide of a file that was written: by it its blocks are found when it is removed.
    pub fn written_guide(&self, file: u64, guide: Guide) {
        self.cache.insert((file, 0), Cached::Guide(Arc::new(guide)));
    }

    /// Forgets a file that nobody reads any more. Without its guide nothing says what there is of it: that goes for want of readers.
    pub fn forget(&self, file: u64) {
        if let Some(guide) = self.cached_guide(file) {
            for (offset, _) in (0..guide.blocks()).filter_map(|block| guide.extent(block)) {
                self.cache.remove(&(file, offset));
            }
            self.cache.remove(&(file, 0));
        }
    }

    /// Forgets files that were given up, maybe in their middle.
    pub fn forget_unfinished(&self, files: &[u64]) {
        self.cache.retain(|(file, _), _| !files.contains(file));
    }

    /// Bytes in use.
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}
