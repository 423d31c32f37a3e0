//! Compaction: files are merged one level down, streamed, and what nobody sees any more is left out: versions between snapshots,
//! deletions with nothing below them, rows of dropped trees.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use super::merge::{Merge, Span};
use super::output::Output;
use super::pick::{Job, pick, waits_for};
use super::range_tombstones::{Purpose, RangeTombstones, Ranges};
use crate::engine::Shared;
use crate::error::Result;
use crate::key::{Direction, TreeId};
use crate::sst::{Codec, Entry, RangeTombstone, Table, tree_of};
use crate::sync::atomic::Ordering;

/// Keys between two looks at whether the engine is being closed.
const CHECK_KEYS: u64 = 1024;

impl Shared {
    /// One unit of compaction; false where nothing is to do before a snapshot ends.
    pub fn compact(&self) -> Result<bool> {
        let files = &self.files;
        let _one = files.compacting.lock();
        let set = files.set();
        let oldest = self.snapshots.oldest();
        // Durable drops alone: a crash may undo later ones.
        let dropped = self.trees.dropped(oldest.min(files.flushed()));
        let is_dropped = |tree: TreeId| dropped.binary_search(&tree).is_ok();
        let Some(job) = pick(&set, files.flushed(), oldest, self.options.level_bytes, &is_dropped) else {
            // The snapshots that held it back may have ended meanwhile.
            let held = waits_for(&set, oldest).unwrap_or(u64::MAX);
            // An exchange: the horizon is read after it, as a snapshot's end moves that before it looks here.
            files.compaction_waits_for.swap(held, Ordering::SeqCst);
            return Ok(held <= self.snapshots.oldest());
        };
        match job {
            Job::Drop(tables) => files.install(|set, _| set.remove(&tables))?,
            Job::Move(table, level) => files.install(|set, _| {
                set.remove(std::slice::from_ref(&table));
                set.add(level, table);
            })?,
            Job::Merge { sources, level, around } => self.merge(sources, level, &around, &is_dropped)?,
        }
        files.counters.compactions.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn merge(
        &self,
        sources: Vec<Vec<Arc<Table>>>,
        level: u8,
        around: &[Arc<Table>],
        is_dropped: &dyn Fn(TreeId) -> bool,
    ) -> Result<()> {
        let files = &self.files;
        let set = files.set();
        let inputs: Vec<_> = sources.iter().flatten().cloned().collect();
        let deeper = set.levels.get(usize::from(level)..).unwrap_or_default();
        let bottom = deeper.iter().all(Vec::is_empty);
        let min = inputs.iter().map(|table| &table.meta.min).min().cloned().unwrap_or_default();
        let max = inputs.iter().map(|table| &table.meta.max).max().cloned().unwrap_or_default();
        let span = Span { lower: (min, false), upper: (max, false), direction: Direction::Forward };
        let snapshots = self.snapshots.alive();
        let oldest = snapshots.first().copied().unwrap_or(u64::MAX);
        let tombstones = RangeTombstones::of(&sources, Purpose::Compaction, |table| !table.has_news(oldest));
        let with_range = inputs.iter().filter(|table| table.range_tombstone().is_some());
        let mut writing = Writing {
            shared: self,
            output: Output::new(files, if bottom { Codec::Zstd } else { Codec::Lz4 }),
            stays: Output::new(files, Codec::Lz4),
            around,
            passed: 0,
            deeper,
            snapshots,
            ranges: Ranges::of(with_range, Direction::Forward),
            range: None,
            tree: None,
        };
        writing.write(Merge::of(sources, span, true, &tombstones)?, is_dropped)?;
        let tables = writing.output.finish()?;
        let gone = |_: &_| tables.iter().for_each(|table| table.set_obsolete());
        let stay = writing.stays.finish().inspect_err(gone)?;
        let counters = &files.counters;
        let read: u64 = inputs.iter().map(|table| table.meta.bytes).sum();
        counters.compaction_bytes_read.fetch_add(read, Ordering::Relaxed);
        let bytes: u64 = tables.iter().chain(&stay).map(|table| table.meta.bytes).sum();
        counters.compaction_bytes_written.fetch_add(bytes, Ordering::Relaxed);
        files.install(|set, _| {
            let of_inputs = |table| inputs.iter().any(|input| Arc::ptr_eq(input, table));
            let place = set.l0.iter().position(of_inputs).unwrap_or(set.l0.len());
            set.remove(&inputs);
            set.l0.splice(place..place, stay);
            tables.into_iter().for_each(|table| set.add(level, table));
        })
    }
}

/// A merge on its way.
struct Writing<'a> {
    shared: &'a Shared,
    output: Output<'a>,
    /// What stays in L0: it may not pass the files `around`.
    stays: Output<'a>,
    around: &'a [Arc<Table>],
    /// Of them those that end before the last key.
    passed: usize,
    /// The levels below.
    deeper: &'a [Vec<Arc<Table>>],
    /// Timestamps of the snapshots alive, ascending. Later ones see the newest version of everything here.
    snapshots: Vec<u64>,
    /// Of range tombstones among the files.
    ranges: Ranges,
    /// The number of the file in whose range the last key lay.
    range: Option<u64>,
    /// Whose keys are at hand.
    tree: Option<TreeId>,
}

/// A version of the key at hand.
struct Version {
    timestamp: u64,
    /// The newer its file, the smaller.
    source: usize,
    number: u64,
    /// Where the value is; `None` for a deletion.
    value: Option<Range<usize>>,
}

/// The versions of one key.
#[derive(Default)]
struct Versions {
    list: Vec<Version>,
    bytes: Vec<u8>,
}

impl Versions {
    fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
    }

    fn add(&mut self, source: usize, timestamp: u64, number: u64, value: Option<&[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let value = value.map(|_| start..self.bytes.len());
        self.list.push(Version { timestamp, source, number, value });
    }

    /// Leaves the versions that somebody sees, newest first. `nothing_below`: no file further down has the key.
    fn keep(&mut self, snapshots: &[u64], nothing_below: impl FnOnce() -> bool) {
        // A transaction may have written a key several times: its last word comes from the newest file, its newest statement.
        self.list.sort_unstable_by_key(|version| {
            (Reverse(version.timestamp), version.source, Reverse(version.number))
        });
        self.list.dedup_by_key(|version| version.timestamp);
        let mut newer = None;
        self.list.retain(|version| {
            let seen = |newer: u64| {
                let first = snapshots.partition_point(|snapshot| *snapshot < version.timestamp);
                snapshots.get(first).is_some_and(|snapshot| *snapshot < newer)
            };
            let needed = newer.is_none_or(seen);
            if needed {
                newer = Some(version.timestamp);
            }
            needed
        });
        let ends_deleted = |list: &[Version]| list.last().is_some_and(|version| version.value.is_none());
        if ends_deleted(&self.list) && nothing_below() {
            while ends_deleted(&self.list) {
                self.list.pop();
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = (u64, Option<&[u8]>)> {
        self.list.iter().map(|version| {
            let value = version.value.clone();
            (version.timestamp, value.map(|range| self.bytes.get(range).unwrap_or_default()))
        })
    }
}

impl Writing<'_> {
    fn write(&mut self, mut merge: Merge, is_dropped: &dyn Fn(TreeId) -> bool) -> Result<()> {
        let mut versions = Versions::default();
        let mut keys = 0u64;
        loop {
            versions.clear();
            let more = merge.group(&mut |source, table, number, value| {
                if let Entry::Committed(timestamp) = table.entry(number) {
                    versions.add(source, timestamp, number, value);
                }
            })?;
            if !more {
                break;
            }
            keys += 1;
            if keys.is_multiple_of(CHECK_KEYS) {
                self.shared.check_open()?;
            }
            let user = merge.key();
            let tree = tree_of(user);
            if is_dropped(tree) {
                continue;
            }
            self.enter_tree(tree);
            let stays = self.go_around(user)?;
            self.enter_range(user)?;
            versions.keep(&self.snapshots, || {
                !stays
                    && self.deeper.iter().all(|tables| {
                        let at = tables.partition_point(|table| *table.meta.max < *user);
                        tables.get(at).is_none_or(|table| !table.meta.spans(user))
                    })
            });
            let output = if stays { &mut self.stays } else { &mut self.output };
            for (timestamp, value) in versions.iter() {
                output.add(user, timestamp, value)?;
            }
        }
        Ok(())
    }

    /// Blocks are worth keeping where memory does not have the rows themselves.
    fn enter_tree(&mut self, tree: TreeId) {
        if self.tree.replace(tree) != Some(tree) {
            let partial = self.shared.trees.get(tree).is_some_and(|tree| tree.is_partial());
            self.output.keep_blocks(partial);
            self.stays.keep_blocks(partial);
        }
    }

    /// A range tombstone goes on with those files that lie in its range.
    fn enter_range(&mut self, user: &[u8]) -> Result<()> {
        let around = self.ranges.around(user, Direction::Forward);
        let number = around.map(|table| table.meta.number);
        // Also from one range to the next: nothing is said of what lies between them.
        if number != self.range {
            self.range = number;
            let range = around.and_then(|table| {
                Some(RangeTombstone { upto: table.range_tombstone()?, by: table.newest_commit()? })
            });
            self.output.begin_range(range.unwrap_or_default())?;
            self.stays.begin_range(range.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Whether the key lies in one of the files `around`. No file of the output spans one of them.
    fn go_around(&mut self, user: &[u8]) -> Result<bool> {
        let passed = self.around.iter().filter(|table| *table.meta.max < *user).count();
        if passed != self.passed {
            self.passed = passed;
            self.output.end_file()?;
            self.stays.end_file()?;
        }
        Ok(self.around.iter().any(|table| table.meta.spans(user)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(versions: &[(u64, bool)], snapshots: &[u64], nothing_below: bool) -> Vec<u64> {
        let mut list = Versions::default();
        for (timestamp, live) in versions {
            list.add(0, *timestamp, *timestamp, live.then_some(b"v"));
        }
        list.keep(snapshots, || nothing_below);
        list.iter().map(|(timestamp, _)| timestamp).collect()
    }

    #[test]
    fn versions_stay_while_a_snapshot_sees_them() {
        let rows = [(10, true), (20, true), (30, true), (40, true)];
        assert_eq!(kept(&rows, &[], true), [40]);
        assert_eq!(kept(&rows, &[20, 25, 35], true), [40, 30, 20]);
        assert_eq!(kept(&rows, &[9, 41], true), [40]);
    }

    #[test]
    fn a_deletion_goes_only_when_there_is_nothing_that_it_hides() {
        assert_eq!(kept(&[(10, true), (20, false)], &[], true), [0; 0]);
        assert_eq!(kept(&[(10, true), (20, false)], &[], false), [20]);
        assert_eq!(kept(&[(10, true), (20, false)], &[15], true), [20, 10]);
        assert_eq!(kept(&[(10, false), (20, true)], &[15], true), [20]);
        assert_eq!(kept(&[(10, false), (20, true)], &[15], false), [20, 10]);
    }

    #[test]
    fn the_last_write_of_a_transaction_counts() {
        let mut list = Versions::default();
        // Two files of one transaction, the newer one first; in each two statements.
        for (source, number) in [(1, 3), (1, 4), (0, 5), (0, 7)] {
            list.add(source, 9, number, Some(&[number as u8]));
        }
        list.keep(&[], || true);
        assert_eq!(list.iter().collect::<Vec<_>>(), [(9, Some(&[7u8][..]))]);
    }
}
