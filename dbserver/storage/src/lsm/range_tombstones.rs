//! Range tombstones at work: what a reader or a compaction passes by.
//!
//! A file with one (see [`crate::sst`]) tells those who see its deletions that whatever was committed up to some timestamp between its
//! first and its last key is deleted. So a reader passes by the range in that file and in those behind it, unless one of them has
//! something newer there, as a row that others have inserted between those that were deleted: then all is merged key by key.
//!
//! A compaction passes by the rows behind, but no deletions: those of the file hide what lies in deeper files, and so do older ones
//! of keys that were gone already.

use std::sync::Arc;

use crate::key::Direction;
use crate::sst::{FileMeta, Table};

/// For whom files are merged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Reading,
    Compaction,
}

/// Those that count in a merge.
pub(super) struct RangeTombstones {
    /// The files, each with its source's number.
    files: Vec<(usize, Arc<Table>)>,
    purpose: Purpose,
}

/// Ranges that are met one after the other.
pub(super) struct Ranges {
    /// The first and the last key of a file are the range's; the next range is the last.
    files: Vec<Arc<Table>>,
}

impl RangeTombstones {
    /// Of sources, newest first, each in the order of its keys. `is_seen`: whether all for whom the merge is made see the file's deletions.
    pub fn of(
        sources: &[Vec<Arc<Table>>],
        purpose: Purpose,
        is_seen: impl Fn(&Table) -> bool,
    ) -> RangeTombstones {
        let mut files = Vec::new();
        for (number, tables) in sources.iter().enumerate() {
            for table in tables {
                let Some(timestamp) = table.range_tombstone().filter(|_| is_seen(table)) else { continue };
                let mut behind = sources.iter().skip(number + 1);
                let is_needed = |table: &Arc<Table>| {
                    let deletes = purpose == Purpose::Compaction && table.meta.tombstones > 0;
                    deletes || table.has_news(timestamp)
                };
                if !behind.any(|tables| overlapping(tables, &table.meta).iter().any(is_needed)) {
                    files.push((number, Arc::clone(table)));
                }
            }
        }
        RangeTombstones { files, purpose }
    }

    /// What the source of this number passes by.
    pub fn ranges(&self, number: usize, direction: Direction) -> Ranges {
        let counts = |of: usize| of < number || (of == number && self.purpose == Purpose::Reading);
        let files = self.files.iter().filter(|(of, _)| counts(*of));
        Ranges::of(files.map(|(_, table)| table), direction)
    }
}

impl Ranges {
    /// Those of these files, to be met in this direction.
    pub fn of<'a>(files: impl Iterator<Item = &'a Arc<Table>>, direction: Direction) -> Ranges {
        let mut files: Vec<_> = files.cloned().collect();
        match direction {
            Direction::Forward => files.sort_unstable_by(|a, b| b.meta.min.cmp(&a.meta.min)),
            Direction::Backward => files.sort_unstable_by(|a, b| a.meta.max.cmp(&b.meta.max)),
        }
        Ranges { files }
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A range that the key lies in. Those before it are forgotten.
    pub fn around(&mut self, user: &[u8], direction: Direction) -> Option<&Arc<Table>> {
        let is_over = |range: &Arc<Table>| match direction {
            Direction::Forward => *range.meta.max < *user,
            Direction::Backward => *range.meta.min > *user,
        };
        while self.files.last().is_some_and(is_over) {
            self.files.pop();
        }
        self.files.last().filter(|range| range.meta.spans(user))
    }
}

/// Those of a source's files that may have keys between the first and the last of another.
fn overlapping<'a>(tables: &'a [Arc<Table>], with: &FileMeta) -> &'a [Arc<Table>] {
    let from = tables.partition_point(|table| table.meta.max < with.min);
    let to = tables.partition_point(|table| table.meta.min <= with.max);
    tables.get(from..to).unwrap_or_default()
}
