//! A staged file (see [`super::stage`]) of one tree's rows that did not pass through the memtable.

use std::sync::Arc;

use super::slots::TxnState;
use super::work::Work;
use crate::engine::Shared;
use crate::error::Result;
use crate::key::TreeId;
use crate::sst::{Codec, RangeTombstone, SstWriter, Staged, Table};

/// One that is being written. Dropping it forgets what is in it.
pub(super) struct StagedFile {
    shared: Arc<Shared>,
    writer: Option<SstWriter>,
    /// The statement that writes it.
    command: u64,
    /// The tree's number, and after it the key at hand.
    user: Vec<u8>,
}

impl StagedFile {
    pub fn create(shared: &Arc<Shared>, tree: TreeId, command: u64) -> Result<StagedFile> {
        let mut writer = shared.files.create(Codec::Lz4)?;
        writer.keep_blocks(Some(&shared.files.cache));
        let writer = Some(writer);
        Ok(StagedFile { shared: Arc::clone(shared), writer, command, user: tree.0.to_be_bytes().to_vec() })
    }

    /// Adds a row; they come in the order of their keys. `None`: its deletion.
    pub fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.user.truncate(size_of::<TreeId>());
        self.user.extend_from_slice(key);
        match &mut self.writer {
            Some(writer) => writer.add(&self.user, self.command, value),
            None => Ok(()),
        }
    }

    /// See [`SstWriter::set_range_tombstone`].
    pub fn set_range_tombstone(&mut self, upto: u64) {
        if let Some(writer) = &mut self.writer {
            writer.set_range_tombstone(RangeTombstone { upto, by: self.command });
        }
    }

    pub fn is_full(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.bytes() >= self.shared.options.file_bytes)
    }

    /// It comes into force, for its transaction alone. The caller adds it to the transaction's work. With what files held then.
    pub fn finish(mut self, state: &Arc<TxnState>, work: &Work) -> Result<Option<(Arc<Table>, u64)>> {
        let Some(writer) = self.writer.take() else { return Ok(None) };
        let (shared, number) = (&self.shared, writer.number());
        let table = writer.finish().and_then(|meta| {
            let staged = Staged { state: Arc::clone(state), discards: Arc::clone(&work.discards) };
            shared.files.open(meta, Some(staged))
        });
        let table = table.inspect_err(|_| shared.files.discard(&[number]))?;
        let flushed = shared.files.stage(Arc::clone(&table));
        Ok(Some((table, flushed)))
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.shared.files.discard(&[writer.number()]);
        }
    }
}
