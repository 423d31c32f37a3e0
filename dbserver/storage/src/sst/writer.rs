//! Writing a sorted file, streamed: one block, one index and the keys' hashes in memory, never the rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{self, BlockBuilder, Codec};
use super::cache::BlockCache;
use super::table::Guide;
use super::{END_MAGIC, FILE_HEADER, FileMeta, MAGIC, VERSION, filter};
use crate::error::{Error, Result};
use crate::io::{File, Io, OpenMode};

/// Bytes gathered before a write call.
const WRITE_BYTES: usize = 256 << 10;
/// Bytes written before a sync: a commit's sync of the log waits for what the disk has been given before it, some milliseconds, where
/// it would wait a tenth of a second for a whole file.
const SYNC_BYTES: u64 = 1 << 20;

/// Blocks after which the cache is asked again whether it has room.
const ASK_BLOCKS: u32 = 8;

/// A file being written. Not durable, and not a file to be read, before [`SstWriter::finish`].
pub(crate) struct SstWriter {
    file: Arc<dyn File>,
    path: PathBuf,
    codec: Codec,
    /// Not yet written; begins at `written`.
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    block: BlockBuilder,
    index: BlockBuilder,
    blocks: u32,
    hashes: Vec<u64>,
    key: Vec<u8>,
    range_tombstone: RangeTombstone,
    meta: FileMeta,
    /// Where blocks are kept, or have been.
    cache: Option<Arc<BlockCache>>,
    /// Whether the next ones are.
    keeps_next: bool,
    /// As long as there is room.
    is_room: bool,
    /// Whether any was.
    has_kept: bool,
}

/// A range in which whatever was committed up to one time is deleted by another. See [`super`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RangeTombstone {
    /// Commits up to this one; zero where there is no such range.
    pub upto: u64,
    /// The commit that deletes them, or in a staged file the statement.
    pub by: u64,
}

impl SstWriter {
    pub fn create(io: &dyn Io, path: &Path, number: u64, codec: Codec) -> Result<SstWriter> {
        let file = io.open(path, OpenMode::Create).map_err(|error| Error::io("create", path, error))?;
        let mut buffer = Vec::with_capacity(WRITE_BYTES + (64 << 10));
        buffer.extend_from_slice(MAGIC);
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(&number.to_le_bytes());
        debug_assert_eq!(buffer.len(), FILE_HEADER);
        Ok(SstWriter {
            file,
            path: path.to_path_buf(),
            codec,
            buffer,
            written: 0,
            synced: 0,
            block: BlockBuilder::default(),
            index: BlockBuilder::default(),
            blocks: 0,
            hashes: Vec::new(),
            key: Vec::new(),
            range_tombstone: RangeTombstone::default(),
            meta: FileMeta { number, ..FileMeta::default() },
            cache: None,
            keeps_next: false,
            is_room: false,
            has_kept: false,
        })
    }

    /// Adds a version; they come in the order of user key, newest first. `None`: a deletion.
    pub fn add(&mut self, user: &[u8], timestamp: u64, value: Option<&[u8]>) -> Result<()> {
        if self.meta.entries == 0 {
            self.meta.min = user.to_vec();
        }
        let repeated =
            self.meta.entries > 0 && self.key.split_last_chunk::<8>().is_some_and(|(key, _)| key == user);
        if !repeated {
            self.hashes.push(filter::hash(user));
        }
        if self.block.is_empty() && self.keeps_next {
            if self.blocks.is_multiple_of(ASK_BLOCKS) {
                self.is_room = self.cache.as_ref().is_some_and(|cache| cache.has_room());
            }
            if self.is_room {
                self.block.keep();
            }
        }
        self.key.clear();
        self.key.extend_from_slice(user);
        self.key.extend_from_slice(&(!timestamp).to_be_bytes());
        self.block.add(&self.key, value);
        self.meta.entries += 1;
        self.meta.tombstones += u64::from(value.is_none());
        self.meta.newest = self.meta.newest.max(timestamp);
        if self.block.is_full() {
            self.finish_block()?;
        }
        Ok(())
    }

    /// The file's number.
    pub fn number(&self) -> u64 {
        self.meta.number
    }

    /// Bytes of the file so far.
    pub fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Whether the last version added was one of this key.
    pub fn ends_with(&self, user: &[u8]) -> bool {
        self.meta.entries > 0 && self.key.split_last_chunk::<8>().is_some_and(|(key, _)| key == user)
    }

    fn finish_block(&mut self) -> Result<()> {
        let offset = self.bytes();
        let last_key = self.block.last_key().to_vec();
        let kept = self.block.finish(self.codec, &mut self.buffer);
        if let (Some(block), Some(cache)) = (kept, &self.cache) {
            if !self.has_kept {
                self.has_kept = true;
                cache.keep(self.meta.number);
            }
            cache.written(self.meta.number, offset, block);
        }
        let mut place = offset.to_le_bytes().to_vec();
        place.extend_from_slice(&((self.bytes() - offset) as u32).to_le_bytes());
        self.index.add(&last_key, Some(&place));
        self.blocks += 1;
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let written = self.file.write_at(&self.buffer, self.written);
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.written - self.synced >= SYNC_BYTES { self.sync() } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<()> {
        self.synced = self.written;
        self.file.sync().map_err(|error| Error::io("sync", &self.path, error))
    }

    /// The blocks that begin from now on are kept in the cache, as long as there is room, or not at all.
    pub fn keep_blocks(&mut self, cache: Option<&Arc<BlockCache>>) {
        self.keeps_next = cache.is_some();
        if let Some(cache) = cache {
            self.cache = Some(Arc::clone(cache));
        }
    }

    /// What is true of all that is added to this file.
    pub fn set_range_tombstone(&mut self, range_tombstone: RangeTombstone) {
        self.range_tombstone = range_tombstone;
    }

    /// Ends the file and syncs it; its name needs a sync of the directory.
    pub fn finish(mut self) -> Result<FileMeta> {
        if !self.block.is_empty() {
            self.finish_block()?;
        }
        self.meta.max = self.key.split_last_chunk::<8>().map(|(user, _)| user.to_vec()).unwrap_or_default();
        let index = self.bytes();
        let bits = filter::build(&self.hashes);
        if let Some(cache) = self.cache.as_ref().filter(|_| self.has_kept) {
            let index = self.index.decoded_index(&self.path, index)?;
            cache.written_guide(self.meta.number, Guide::new(index, bits.clone()));
        }
        self.index.finish(self.codec, &mut self.buffer);
        let filter = self.bytes();
        block::store(&bits, Codec::None, &mut self.buffer);
        let end = self.bytes();
        let footer = self.buffer.len();
        for (offset, bytes, count) in [(index, filter - index, self.blocks), (filter, end - filter, 0)] {
            self.buffer.extend_from_slice(&offset.to_le_bytes());
            self.buffer.extend_from_slice(&(bytes as u32).to_le_bytes());
            self.buffer.extend_from_slice(&count.to_le_bytes());
        }
        let RangeTombstone { upto, by } = self.range_tombstone;
        let counts = self.meta.tombstones == self.meta.entries && by <= self.meta.newest;
        let range_tombstone = if counts { upto } else { 0 };
        for field in [self.meta.entries, self.meta.tombstones, self.meta.newest, range_tombstone] {
            self.buffer.extend_from_slice(&field.to_le_bytes());
        }
        self.buffer.extend_from_slice(&VERSION.to_le_bytes());
        let crc = crc32c::crc32c(self.buffer.get(footer..).unwrap_or_default());
        self.buffer.extend_from_slice(&crc.to_le_bytes());
        self.buffer.extend_from_slice(END_MAGIC);
        self.write()?;
        self.sync()?;
        self.meta.bytes = self.written;
        Ok(self.meta)
    }
}
