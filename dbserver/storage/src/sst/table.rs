//! An open sorted file: every block that is read is verified before its entries are believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{self, Block, Place};
use super::cache::BlockCache;
use super::footer::{Footer, read_ends};
use super::{FOOTER, FileMeta, filter};
use crate::error::{Error, Result};
use crate::io::{File, Io, OpenMode};
use crate::mvcc::{Status, TxnState};
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicBool, Ordering};

/// A file whose versions are those of one transaction.
#[derive(Clone)]
pub(crate) struct Staged {
    pub state: Arc<TxnState>,
    /// Statements rolled back to a savepoint, first and last; shared by all files of the transaction.
    pub discards: Arc<RwLock<Vec<(u64, u64)>>>,
}

/// What an entry's number says.
pub(crate) enum Entry<'a> {
    /// Committed at the timestamp.
    Committed(u64),
    /// Written by a statement of a transaction that has not ended.
    Pending(&'a Arc<TxnState>, u64),
    /// Nothing: rolled back.
    Void,
}

/// Index and filter of a file.
pub(crate) struct Guide {
    /// The last key of each block, with its offset and bytes.
    index: Block,
    filter: Vec<u8>,
}

/// See the module.
pub(crate) struct Table {
    pub meta: FileMeta,
    pub staged: Option<Staged>,
    path: PathBuf,
    io: Arc<dyn Io>,
    file: Arc<dyn File>,
    cache: Arc<BlockCache>,
    pub footer: Footer,
    /// Nothing names the file any more: it goes with the last who reads it.
    obsolete: AtomicBool,
    /// A part of it could not be read: compaction leaves it where it is.
    damaged: AtomicBool,
}

impl Guide {
    /// Of the last key of each block, with its offset and bytes, and the keys' filter.
    pub fn new(index: Block, filter: Vec<u8>) -> Guide {
        Guide { index, filter }
    }

    /// Of the stored index and filter blocks, each with its offset.
    pub fn decode(path: &Path, index: (u64, &[u8]), filter: (u64, &[u8]), blocks: u32) -> Result<Guide> {
        let raw = block::open(path, index.0, index.1)?;
        let decoded = Block::decode_index(path, index.0, &raw)?;
        if decoded.len() != blocks as usize {
            return Err(Error::corrupt(path, index.0, format!("{blocks} blocks"), decoded.len()));
        }
        Ok(Guide::new(decoded, block::open(path, filter.0, filter.1)?))
    }

    pub fn memory_bytes(&self) -> usize {
        self.index.memory_bytes() + self.filter.len()
    }

    /// Whether the file may hold the key of this hash.
    pub fn may_contain(&self, hash: u64) -> bool {
        filter::may_contain(&self.filter, hash)
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.index.len()
    }

    /// The first block that may hold the place, or blocks() where it is behind them all.
    pub fn block_of(&self, place: Place<'_>) -> usize {
        self.index.lower_bound(place)
    }

    /// The last key of a block.
    pub fn last_place(&self, block: usize) -> Option<Place<'_>> {
        self.index.place(block)
    }

    /// Offset and bytes of a block.
    pub fn extent(&self, block: usize) -> Option<(u64, u32)> {
        let place = self.index.value(block)??;
        let (offset, length) = place.split_first_chunk::<8>()?;
        Some((u64::from_le_bytes(*offset), u32::from_le_bytes(*length.first_chunk::<4>()?)))
    }
}

impl Table {
    /// Opens a file and verifies header and footer.
    pub fn open(
        io: &Arc<dyn Io>,
        path: &Path,
        cache: &Arc<BlockCache>,
        meta: FileMeta,
        staged: Option<Staged>,
    ) -> Result<Table> {
        let file = io.open(path, OpenMode::Read).map_err(|error| Error::io("open", path, error))?;
        let length = file.len().map_err(|error| Error::io("read", path, error))?;
        let bytes = meta.bytes;
        if length != bytes {
            return Err(Error::corrupt(path, length, format!("{bytes} bytes"), format!("{length} bytes")));
        }
        let (number, footer) = read_ends(path, &*file, length)?;
        if number != meta.number {
            return Err(Error::corrupt(path, 16, format!("file number {}", meta.number), number));
        }
        let counts = |entries, tombstones, newest| {
            format!("{entries} entries, {tombstones} of them deletions, the newest of {newest}")
        };
        let got = counts(footer.entries, footer.tombstones, footer.newest);
        let expected = counts(meta.entries, meta.tombstones, meta.newest);
        if got != expected {
            return Err(Error::corrupt(path, length - FOOTER as u64, expected, got));
        }
        Ok(Table {
            meta,
            staged,
            path: path.to_path_buf(),
            io: Arc::clone(io),
            file,
            cache: Arc::clone(cache),
            footer,
            obsolete: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
        })
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        if offset.saturating_add(length as u64) > self.meta.bytes {
            return Err(Error::corrupt(&self.path, offset, format!("{length} bytes"), "the end of the file"));
        }
        let mut bytes = vec![0; length];
        self.file.read_at(&mut bytes, offset).map_err(|error| Error::io("read", &self.path, error))?;
        Ok(bytes)
    }

    /// Index and filter.
    pub fn guide(&self) -> Result<Arc<Guide>> {
        let guide = self.cache.guide(self.meta.number, || {
            let Footer { index, filter, blocks, .. } = self.footer;
            let (stored, filter_stored) =
                (self.read(index.0, index.1 as usize)?, self.read(filter.0, filter.1 as usize)?);
            Guide::decode(&self.path, (index.0, &stored), (filter.0, &filter_stored), blocks)
        });
        guide.inspect_err(|error| self.note(error))
    }

    /// A block; `pass`: it is not worth keeping.
    pub fn block(&self, guide: &Guide, block: usize, pass: bool) -> Result<Arc<Block>> {
        let nonsense = || Error::corrupt(&self.path, self.footer.index.0, "an index entry", "nonsense");
        let extent = guide.extent(block).ok_or_else(nonsense);
        let (offset, length) = extent.inspect_err(|error| self.note(error))?;
        let block = self.cache.block(self.meta.number, offset, pass, || {
            let stored = self.read(offset, length as usize)?;
            Block::decode(&self.path, offset, &block::open(&self.path, offset, &stored)?)
        });
        block.inspect_err(|error| self.note(error))
    }

    fn cached_block(&self, guide: &Guide, block: usize) -> Option<Arc<Block>> {
        let (offset, _) = guide.extent(block)?;
        self.cache.cached_block(self.meta.number, offset)
    }

    /// Remembers and counts damage that a reader has met.
    fn note(&self, error: &Error) {
        if let Error::Corruption { .. } = error {
            self.damaged.store(true, Ordering::Relaxed);
            self.cache.corruptions.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "a data file is damaged");
        }
    }

    /// Whether a part of it could not be read.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Visits the versions of a key from this inverted timestamp on, newest first, until `each` answers false. False where that
    /// needs the disk, which may not be read.
    pub fn versions(
        &self,
        user: &[u8],
        hash: u64,
        inverted: u64,
        may_read: bool,
        each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool,
    ) -> Result<bool> {
        let guide = if may_read {
            self.guide()?
        } else {
            let Some(guide) = self.cache.cached_guide(self.meta.number) else { return Ok(false) };
            guide
        };
        if !guide.may_contain(hash) {
            return Ok(true);
        }
        let wanted = Place { user, inverted };
        let first = guide.block_of(wanted);
        for number in first..guide.blocks() {
            let block = if may_read {
                self.block(&guide, number, false)?
            } else {
                let Some(block) = self.cached_block(&guide, number) else { return Ok(false) };
                block
            };
            let start = if number == first { block.lower_bound(wanted) } else { 0 };
            for index in start..block.len() {
                let (Some(place), Some(value)) = (block.place(index), block.value(index)) else { break };
                if place.user != user || !each(!place.inverted, value) {
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }

    /// What the number of an entry says.
    pub fn entry(&self, number: u64) -> Entry<'_> {
        let Some(staged) = &self.staged else { return Entry::Committed(number) };
        if staged.discards.read().iter().any(|(from, to)| (*from..=*to).contains(&number)) {
            return Entry::Void;
        }
        match staged.state.status() {
            Status::Active => Entry::Pending(&staged.state, number),
            Status::Committed(timestamp) => Entry::Committed(timestamp),
            Status::Aborted => Entry::Void,
        }
    }

    /// When all its versions are committed, the newest commit in it.
    pub fn newest_commit(&self) -> Option<u64> {
        match &self.staged {
            None => Some(self.meta.newest),
            Some(staged) => staged.state.committed(),
        }
    }

    /// Whether it may have a version that was committed after the timestamp, or is not yet.
    pub fn has_news(&self, timestamp: u64) -> bool {
        self.newest_commit().is_none_or(|commit| commit > timestamp)
    }

    /// Its range tombstone, where it has one: up to when what was committed between its first and its last key is deleted, for those
    /// who see its [`FileMeta::newest`].
    pub fn range_tombstone(&self) -> Option<u64> {
        let timestamp = Some(self.footer.range_tombstone).filter(|timestamp| *timestamp > 0)?;
        // Its statement may have been rolled back to a savepoint.
        (!matches!(self.entry(self.meta.newest), Entry::Void)).then_some(timestamp)
    }

    /// How it is named to the log and the manifest.
    pub fn named(&self) -> FileMeta {
        let mut meta = self.meta.clone();
        if let Some(staged) = &self.staged {
            meta.committed = staged.state.committed();
            meta.discards = staged.discards.read().clone();
        }
        meta
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file as soon as nobody reads it.
    pub fn set_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if !self.obsolete.load(Ordering::Acquire) {
            return;
        }
        self.cache.forget(self.meta.number);
        if let Err(error) = self.io.remove(&self.path) {
            // It is named by nothing, so it is removed when the directory is opened next.
            tracing::warn!(%error, file = %self.path.display(), "could not remove a sorted file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, Cursor, RangeTombstone, SstWriter, user_key};
    use super::*;
    use crate::io::RealIo;
    use crate::key::TreeId;

    fn written(dir: &Path) -> (PathBuf, FileMeta) {
        written_and_kept(dir, None)
    }

    fn written_and_kept(dir: &Path, cache: Option<&Arc<BlockCache>>) -> (PathBuf, FileMeta) {
        let path = dir.join("f.sst");
        let mut writer = SstWriter::create(&RealIo, &path, 9, Codec::Lz4).unwrap();
        writer.keep_blocks(cache);
        for i in 0..5_000u64 {
            let user = user_key(TreeId(1 + i / 1000), &i.to_be_bytes());
            let value = vec![i as u8; (i % 50) as usize];
            writer.add(&user, i + 10, Some(&value)).unwrap();
            if i % 3 == 0 {
                writer.add(&user, i + 1, None).unwrap();
            }
        }
        (path, writer.finish().unwrap())
    }

    fn open(path: &Path, meta: &FileMeta) -> Result<Arc<Table>> {
        Table::open(&RealIo::shared(), path, &Arc::new(BlockCache::new(1 << 20)), meta.clone(), None)
            .map(Arc::new)
    }

    #[test]
    fn a_file_reads_back_in_both_directions_and_by_key() {
        let dir = tempfile::tempdir().unwrap();
        let (path, meta) = written(dir.path());
        let table = open(&path, &meta).unwrap();
        let forward = entries(&table);
        assert_eq!(forward.len() as u64, meta.entries);
        let mut cursor = Cursor::new(&table, false).unwrap();
        let mut backward = Vec::new();
        cursor.seek_before(Place::after(&meta.max)).unwrap();
        while let Some((user, number, value)) = cursor.entry() {
            backward.push((user.to_vec(), number, value.map(<[u8]>::to_vec)));
            cursor.prev().unwrap();
        }
        backward.reverse();
        assert_eq!(forward, backward);
        let user = user_key(TreeId(4), &3_000u64.to_be_bytes());
        let mut versions = Vec::new();
        let mut each = |number, value: Option<&[u8]>| {
            versions.push((number, value.is_some()));
            true
        };
        assert!(table.versions(&user, filter::hash(&user), 0, true, &mut each).unwrap());
        assert_eq!(versions, [(3_010, true), (3_001, false)]);
        // Without the disk: nothing at first, all of it when it is in the cache.
        let cold = open(&path, &meta).unwrap();
        let mut cached = 0;
        let mut count = |_, _: Option<&[u8]>| {
            cached += 1;
            true
        };
        assert!(!cold.versions(&user, filter::hash(&user), 0, false, &mut count).unwrap());
        assert!(cold.versions(&user, filter::hash(&user), 0, true, &mut |_, _| true).unwrap());
        assert!(cold.versions(&user, filter::hash(&user), 0, false, &mut count).unwrap());
        assert_eq!(cached, 2);
    }

    /// Everything in the file, in order.
    fn entries(table: &Arc<Table>) -> Vec<(Vec<u8>, u64, Option<Vec<u8>>)> {
        let mut cursor = Cursor::new(table, false).unwrap();
        cursor.seek(Place::before(&[])).unwrap();
        let mut entries = Vec::new();
        while let Some((user, number, value)) = cursor.entry() {
            entries.push((user.to_vec(), number, value.map(<[u8]>::to_vec)));
            cursor.next().unwrap();
        }
        entries
    }

    #[test]
    fn blocks_are_kept_while_there_is_room_and_go_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let open = |cache: &Arc<BlockCache>, path: &Path, meta: &FileMeta| {
            Arc::new(Table::open(&RealIo::shared(), path, cache, meta.clone(), None).unwrap())
        };
        let roomy = Arc::new(BlockCache::new(4 << 20));
        let (path, meta) = written_and_kept(dir.path(), Some(&roomy));
        let kept = open(&roomy, &path, &meta);
        let from_memory = entries(&kept);
        assert_eq!(roomy.misses.load(Ordering::Relaxed), 0);
        let cold = Arc::new(BlockCache::new(4 << 20));
        assert_eq!(from_memory, entries(&open(&cold, &path, &meta)));
        assert_eq!(roomy.bytes(), cold.bytes());
        kept.set_obsolete();
        drop(kept);
        assert_eq!(roomy.bytes(), 0);

        // Too little room for all: nothing that is there goes for what is written.
        let small = Arc::new(BlockCache::new(100_000));
        let (path, meta) = written_and_kept(dir.path(), Some(&small));
        let bytes = small.bytes();
        assert!(bytes > 50_000 && bytes < 100_000, "{bytes}");
        assert_eq!(entries(&open(&small, &path, &meta)), from_memory);

        // Given up in its middle.
        let mut writer = SstWriter::create(&RealIo, &path, 9, Codec::Lz4).unwrap();
        writer.keep_blocks(Some(&roomy));
        for key in 0..5_000u32 {
            writer.add(&user_key(TreeId(1), &key.to_be_bytes()), 1, Some(b"v")).unwrap();
        }
        assert!(roomy.bytes() > 0);
        roomy.forget_unfinished(&[9]);
        assert_eq!(roomy.bytes(), 0);
    }

    /// Who sees its newest version has to see what deleted them.
    #[test]
    fn a_range_tombstone_needs_deletions_alone_and_that_of_its_commit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.sst");
        let of = |versions: &[(u64, Option<&[u8]>)]| {
            let mut writer = SstWriter::create(&RealIo, &path, 9, Codec::Lz4).unwrap();
            writer.set_range_tombstone(RangeTombstone { upto: 15, by: 20 });
            for (key, (timestamp, value)) in versions.iter().enumerate() {
                writer.add(&user_key(TreeId(1), &[key as u8]), *timestamp, *value).unwrap();
            }
            open(&path, &writer.finish().unwrap()).unwrap().range_tombstone()
        };
        assert_eq!(of(&[(8, None), (20, None)]), Some(15));
        assert_eq!(of(&[(8, None), (9, None)]), None);
        assert_eq!(of(&[(8, None), (20, None), (21, Some(b"v"))]), None);
    }

    #[test]
    fn damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (path, meta) = written(dir.path());
        let read = || {
            let table = open(&path, &meta)?;
            let mut cursor = Cursor::new(&table, true)?;
            cursor.seek(Place::before(&[]))?;
            while cursor.entry().is_some() {
                cursor.next()?;
            }
            Ok::<(), Error>(())
        };
        read().unwrap();
        let good = std::fs::read(&path).unwrap();
        for at in (0..24).chain((24..good.len()).step_by(97)) {
            let mut damaged = good.clone();
            damaged[at] ^= 4;
            std::fs::write(&path, &damaged).unwrap();
            let error = read();
            assert!(
                matches!(error, Err(Error::Corruption { .. } | Error::UnknownFormat { .. })),
                "byte {at}"
            );
        }
    }
}
