//! Writing a sorted file, streamed: one block and one index in memory, never the rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::BlockBuilder;
use super::{END_MAGIC, FILE_HEADER, MAGIC, VERSION};
use crate::error::{Error, Result};
use crate::io::{File, Io, OpenMode};
use crate::key::TreeId;

/// Bytes gathered before a write call.
const WRITE_BYTES: usize = 1 << 20;

/// A file being written. Not durable, and not a file to be read, before [`SstWriter::finish`].
pub(crate) struct SstWriter {
    file: Arc<dyn File>,
    path: PathBuf,
    /// Not yet written; begins at `written`.
    buffer: Vec<u8>,
    written: u64,
    block: BlockBuilder,
    index: BlockBuilder,
    blocks: u32,
    rows: u64,
    newest: u64,
    key: Vec<u8>,
}

impl SstWriter {
    pub fn create(io: &dyn Io, path: &Path, number: u64) -> Result<SstWriter> {
        let file = io.open(path, OpenMode::Create).map_err(|error| Error::io("create", path, error))?;
        let mut buffer = Vec::with_capacity(WRITE_BYTES);
        buffer.extend_from_slice(MAGIC);
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(&number.to_le_bytes());
        debug_assert_eq!(buffer.len(), FILE_HEADER);
        Ok(SstWriter {
            file,
            path: path.to_path_buf(),
            buffer,
            written: 0,
            block: BlockBuilder::default(),
            index: BlockBuilder::default(),
            blocks: 0,
            rows: 0,
            newest: 0,
            key: Vec::new(),
        })
    }

    /// Adds a row; rows come in the order of tree, key, newest first.
    pub fn add(&mut self, tree: TreeId, key: &[u8], timestamp: u64, value: &[u8]) -> Result<()> {
        self.key.clear();
        self.key.extend_from_slice(&tree.0.to_be_bytes());
        self.key.extend_from_slice(key);
        self.key.extend_from_slice(&(!timestamp).to_be_bytes());
        self.block.add(&self.key, value);
        self.rows += 1;
        self.newest = self.newest.max(timestamp);
        if self.block.is_full() {
            self.finish_block()?;
        }
        Ok(())
    }

    /// Bytes of the file so far.
    pub fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn finish_block(&mut self) -> Result<()> {
        let offset = self.bytes();
        let last_key = self.block.last_key().to_vec();
        self.block.finish(&mut self.buffer);
        let mut place = offset.to_le_bytes().to_vec();
        place.extend_from_slice(&((self.bytes() - offset) as u32).to_le_bytes());
        self.index.add(&last_key, &place);
        self.blocks += 1;
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let written = self.file.write_at(&self.buffer, self.written);
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the file and syncs it; its name needs a sync of the directory. Answers its bytes and rows.
    pub fn finish(mut self) -> Result<(u64, u64)> {
        if !self.block.is_empty() {
            self.finish_block()?;
        }
        let index = self.bytes();
        self.index.finish(&mut self.buffer);
        let index_bytes = (self.bytes() - index) as u32;
        let footer = self.buffer.len();
        self.buffer.extend_from_slice(&index.to_le_bytes());
        self.buffer.extend_from_slice(&index_bytes.to_le_bytes());
        self.buffer.extend_from_slice(&self.blocks.to_le_bytes());
        self.buffer.extend_from_slice(&self.rows.to_le_bytes());
        self.buffer.extend_from_slice(&self.newest.to_le_bytes());
        self.buffer.extend_from_slice(&VERSION.to_le_bytes());
        let crc = crc32c::crc32c(self.buffer.get(footer..).unwrap_or_default());
        self.buffer.extend_from_slice(&crc.to_le_bytes());
        self.buffer.extend_from_slice(END_MAGIC);
        self.write()?;
        self.file.sync().map_err(|error| Error::io("sync", &self.path, error))?;
        Ok((self.written, self.rows))
    }
}
