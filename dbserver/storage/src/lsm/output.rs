//! A sequence of versions written as one file after the other.

use std::sync::Arc;

use super::Files;
use crate::error::Result;
use crate::sst::{Codec, FileMeta, RangeTombstone, SstWriter, Table};

/// See the module. Files that are not taken by [`Output::finish`] are removed.
pub(super) struct Output<'a> {
    files: &'a Files,
    codec: Codec,
    range_tombstone: RangeTombstone,
    keeps_blocks: bool,
    current: Option<SstWriter>,
    done: Vec<FileMeta>,
    numbers: Vec<u64>,
}

impl Output<'_> {
    pub fn new(files: &Files, codec: Codec) -> Output<'_> {
        Output {
            files,
            codec,
            range_tombstone: RangeTombstone::default(),
            keeps_blocks: false,
            current: None,
            done: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Adds a version; they come in the order of user key, newest first. All versions of a key lie in one file.
    pub fn add(&mut self, user: &[u8], timestamp: u64, value: Option<&[u8]>) -> Result<()> {
        if self
            .current
            .as_ref()
            .is_some_and(|writer| writer.bytes() >= self.files.file_bytes && !writer.ends_with(user))
        {
            self.end_file()?;
        }
        let writer = match &mut self.current {
            Some(writer) => writer,
            none => {
                let mut writer = self.files.create(self.codec)?;
                writer.set_range_tombstone(self.range_tombstone);
                writer.keep_blocks(self.keeps_blocks.then_some(&self.files.cache));
                self.numbers.push(writer.number());
                none.insert(writer)
            }
        };
        writer.add(user, timestamp, value)
    }

    /// The next version begins another file.
    pub fn end_file(&mut self) -> Result<()> {
        if let Some(writer) = self.current.take() {
            self.done.push(writer.finish()?);
        }
        Ok(())
    }

    /// The next version begins another file; what follows lies in this range, where there is one.
    pub fn begin_range(&mut self, range_tombstone: RangeTombstone) -> Result<()> {
        self.range_tombstone = range_tombstone;
        self.end_file()
    }

    /// Whether what follows is worth keeping in the block cache.
    pub fn keep_blocks(&mut self, keeps: bool) {
        self.keeps_blocks = keeps;
        if let Some(writer) = &mut self.current {
            writer.keep_blocks(keeps.then_some(&self.files.cache));
        }
    }

    /// The files, durable, in the order of their keys.
    pub fn finish(mut self) -> Result<Vec<Arc<Table>>> {
        self.end_file()?;
        self.files.sync_dir()?;
        let tables =
            self.done.iter().map(|meta| self.files.open(meta.clone(), None)).collect::<Result<Vec<_>>>()?;
        self.numbers.clear();
        Ok(tables)
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        self.files.discard(&self.numbers);
    }
}
