//! Going over a sorted file, in either direction, a block at a time.

use std::sync::Arc;

use super::block::{Block, Place};
use super::table::{Guide, Table};
use crate::error::Result;

/// User key, number (a timestamp, or in a staged file a statement) and value of an entry; `None`: a deletion.
pub(crate) type CursorEntry<'a> = (&'a [u8], u64, Option<&'a [u8]>);

/// A position in a file: at an entry, or at none.
pub(crate) struct Cursor {
    table: Arc<Table>,
    guide: Arc<Guide>,
    /// Blocks that it reads are not kept in the cache.
    pass: bool,
    number: usize,
    block: Option<Arc<Block>>,
    index: usize,
}

impl Cursor {
    /// At no entry. `pass`: what it reads is not worth keeping in the cache.
    pub fn new(table: &Arc<Table>, pass: bool) -> Result<Cursor> {
        let guide = table.guide()?;
        Ok(Cursor { table: Arc::clone(table), guide, pass, number: 0, block: None, index: 0 })
    }

    /// The file.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The entry it is at.
    pub fn entry(&self) -> Option<CursorEntry<'_>> {
        let block = self.block.as_ref()?;
        let place = block.place(self.index)?;
        Some((place.user, !place.inverted, block.value(self.index)?))
    }

    fn load(&mut self, number: usize) -> Result<()> {
        if self.block.is_none() || self.number != number {
            self.block = Some(self.table.block(&self.guide, number, self.pass)?);
            self.number = number;
        }
        Ok(())
    }

    /// Goes to the first entry at or after the place.
    pub fn seek(&mut self, place: Place<'_>) -> Result<()> {
        let number = self.guide.block_of(place);
        if number >= self.guide.blocks() {
            self.block = None;
            return Ok(());
        }
        self.load(number)?;
        self.index = self.block.as_ref().map_or(0, |block| block.lower_bound(place));
        Ok(())
    }

    /// Goes to the last entry before the place.
    pub fn seek_before(&mut self, place: Place<'_>) -> Result<()> {
        let blocks = self.guide.blocks();
        if blocks == 0 {
            self.block = None;
            return Ok(());
        }
        self.load(self.guide.block_of(place).min(blocks - 1))?;
        self.index = self.block.as_ref().map_or(0, |block| block.lower_bound(place));
        self.prev()
    }

    /// Goes to the next entry.
    pub fn next(&mut self) -> Result<()> {
        let Some(block) = &self.block else { return Ok(()) };
        self.index += 1;
        if self.index < block.len() {
            return Ok(());
        }
        if self.number + 1 >= self.guide.blocks() {
            self.block = None;
            return Ok(());
        }
        self.load(self.number + 1)?;
        self.index = 0;
        Ok(())
    }

    /// Goes to the entry before.
    pub fn prev(&mut self) -> Result<()> {
        if self.block.is_none() {
            return Ok(());
        }
        if self.index > 0 {
            self.index -= 1;
            return Ok(());
        }
        let Some(number) = self.number.checked_sub(1) else {
            self.block = None;
            return Ok(());
        };
        self.load(number)?;
        self.index = self.block.as_ref().map_or(0, |block| block.len().saturating_sub(1));
        Ok(())
    }
}
