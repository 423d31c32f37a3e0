//! Bulk loads: rows that nobody else can write, in the order of their keys, go to staged files (see [`super::stage`]) without
//! passing through the memtable: no search, no version, no lock and no log record for any of them.
//!
//! What a load has taken is seen by nobody, not even its own transaction, before a file is full or the load is finished. Few rows
//! are given back instead: they are better off in the memtable than in a file of their own.

use std::sync::Arc;

use super::serializable::Span;
use super::stage;
use super::staged_file::StagedFile;
use super::transaction::{Transaction, check_size};
use super::work::Work;
use super::write::Want;
use crate::error::Result;
use crate::key::{Key, KeyRange, RowBuffer, TreeId};

/// Rows on their way into one tree, of one statement. Dropping it forgets those that are in no staged file yet.
pub struct Load {
    tree: TreeId,
    /// What came first, while it is too little for a file.
    waiting: RowBuffer,
    /// It has become enough.
    goes_to_files: bool,
    file: Option<StagedFile>,
    last_key: Option<Vec<u8>>,
}

impl Load {
    /// Of rows of this tree.
    #[must_use]
    pub fn new(tree: TreeId) -> Load {
        Load { tree, waiting: RowBuffer::new(), goes_to_files: false, file: None, last_key: None }
    }

    /// How many of the rows from `from` on ascend, from the last one taken on.
    fn ascending(&self, rows: &RowBuffer, from: usize) -> Result<usize> {
        let mut last = self.last_key.as_deref();
        let mut count = 0;
        while let Some((key, value)) = rows.get(from + count) {
            check_size(key, Want::Put(value))?;
            if last.is_some_and(|last| last >= key) {
                break;
            }
            last = Some(key);
            count += 1;
        }
        Ok(count)
    }
}

impl Transaction {
    /// Takes the buffer's rows from index `from` on for as long as their keys ascend, from call to call; answers how many. The caller
    /// sees to it that no row with any of these keys exists and that nobody else can write one (the keys are fresh, or the tree is
    /// new and the relation locked).
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`], [`crate::Error::ReadWriteConflict`], [`crate::Error::TransactionEnded`]; as writing a file.
    pub fn load(&self, load: &mut Load, rows: &RowBuffer, from: usize) -> Result<usize> {
        let mut work = self.work()?;
        let count = load.ascending(rows, from)?;
        let row = |index: usize| rows.get(from + index).unwrap_or_default();
        let Some(last) = count.checked_sub(1) else { return Ok(0) };
        // It has a slot, as every writer has.
        let writer = self.writer(&mut work, load.tree)?;
        let (shared, state) = (Arc::clone(writer.shared), Arc::clone(writer.state));
        shared.serializable.write(&state, load.tree, || {
            Span::range(&KeyRange {
                lower: std::ops::Bound::Included(Key::new(row(0).0)),
                upper: std::ops::Bound::Included(Key::new(row(last).0)),
            })
        })?;
        let mut bytes = 0;
        for index in 0..count {
            let (key, value) = row(index);
            bytes += key.len() + value.len();
            let few = load.waiting.bytes() < stage::file_bytes_min(&shared);
            if !load.goes_to_files && few && load.waiting.push(key, value) {
                continue;
            }
            let file = match &mut load.file {
                Some(file) => file,
                none => none.insert(StagedFile::create(&shared, load.tree, work.command)?),
            };
            if !load.goes_to_files {
                load.goes_to_files = true;
                let waiting = std::mem::take(&mut load.waiting);
                waiting.iter().try_for_each(|(key, value)| file.add(key, Some(value)))?;
            }
            file.add(key, Some(value))?;
            if file.is_full()
                && let Some(file) = load.file.take()
            {
                self.loaded(file, load.tree, &mut work)?;
            }
        }
        work.write_bytes += bytes as u64;
        load.last_key = Some(row(last).0.to_vec());
        Ok(count)
    }

    /// Ends a load: its rows become visible to the transaction's next statement. Few rows are given back, to be written one by one.
    ///
    /// # Errors
    /// As [`Transaction::load`].
    pub fn finish_load(&self, load: Load) -> Result<RowBuffer> {
        let mut work = self.work()?;
        if let Some(file) = load.file {
            self.loaded(file, load.tree, &mut work)?;
        }
        Ok(load.waiting)
    }

    /// A load's file comes into force.
    fn loaded(&self, file: StagedFile, tree: TreeId, work: &mut Work) -> Result<()> {
        let Some((table, _)) = file.finish(&self.state, work)? else { return Ok(()) };
        let rows = i64::try_from(table.meta.entries).unwrap_or(i64::MAX);
        work.staged.push(table);
        // A savepoint from before has to be told that there are files.
        work.stagings += 1;
        let tree = self.writer(work, tree)?.tree;
        let latch = tree.rows.write();
        tree.leaves_memory();
        drop(latch);
        work.rows.add(&tree, rows);
        Ok(())
    }
}
