//! Everything that must be true of one sorted file.

use std::cmp::Ordering;
use std::sync::Arc;

use super::report::Report;
use crate::sst::{FILE_HEADER, Place, Table, hash, tree_of};

/// Files never change, so that a copy from any time is as good as another.
pub(super) const REPLACE: &str =
    "put a copy of the file from any backup in its place, or restore the directory from a backup";

/// What a walk over the blocks has seen so far.
#[derive(Default)]
struct Seen {
    entries: u64,
    tombstones: u64,
    newest: u64,
    min: Vec<u8>,
    /// The last entry: user key and inverted timestamp.
    last: Option<(Vec<u8>, u64)>,
    /// Whether a block could not be read.
    damaged: bool,
}

/// Reads every block and compares what is there with what index, filter, footer and the file's description say.
pub(super) fn check(table: &Arc<Table>, report: &mut Report) {
    let path = table.path();
    let guide = match table.guide() {
        Ok(guide) => guide,
        Err(error) => return report.error(path, &error, format!("no row of it can be read: {REPLACE}")),
    };
    let (index_at, filter_at) = (table.footer.index.0, table.footer.filter.0);
    let mut seen = Seen::default();
    let mut next = FILE_HEADER as u64;
    for number in 0..guide.blocks() {
        let (Some((offset, bytes)), Some(last)) = (guide.extent(number), guide.last_place(number)) else {
            report.problem(path, index_at, format!("index entry {number} is nonsense"), REPLACE);
            return;
        };
        if offset != next {
            let what = format!("block {number} is said to be at byte {offset}, where {next} was expected");
            report.problem(path, index_at, what, REPLACE);
        }
        next = offset.saturating_add(u64::from(bytes));
        let block = match table.block(&guide, number, true) {
            Ok(block) => block,
            Err(error) => {
                let first = seen.last.as_ref().map_or(&*table.meta.min, |(user, _)| user);
                let lost =
                    format!("rows from {} to {} cannot be read: {REPLACE}", name(first), name(last.user));
                report.error(path, &error, lost);
                seen.damaged = true;
                seen.last = Some((last.user.to_vec(), last.inverted));
                continue;
            }
        };
        for index in 0..block.len() {
            let (Some(place), Some(value)) = (block.place(index), block.value(index)) else { continue };
            let before = seen.last.as_ref().map(|(user, inverted)| Place { user, inverted: *inverted });
            let repeated = before.is_some_and(|before| before.user == place.user);
            if before.is_some_and(|before| before.order(&place) != Ordering::Less) {
                let what = format!("entry {index} of the block, {}, is not in order", name(place.user));
                report.problem(path, offset, what, REPLACE);
            }
            if !repeated && !guide.may_contain(hash(place.user)) {
                let what =
                    format!("the filter does not know {} of the block at byte {offset}", name(place.user));
                report.problem(path, filter_at, what, format!("the row is not found: {REPLACE}"));
            }
            if seen.entries == 0 {
                seen.min = place.user.to_vec();
            }
            seen.entries += 1;
            seen.tombstones += u64::from(value.is_none());
            seen.newest = seen.newest.max(!place.inverted);
            seen.last = Some((place.user.to_vec(), place.inverted));
        }
        let ends = seen.last.as_ref().map(|(user, inverted)| Place { user, inverted: *inverted });
        if ends != Some(last) {
            let what =
                format!("the index says that the block at byte {offset} ends with {}", name(last.user));
            report.problem(path, index_at, what, REPLACE);
        }
    }
    if next != index_at {
        report.problem(path, next, format!("the blocks end here, the index begins at {index_at}"), REPLACE);
    }
    report.entries += seen.entries;
    if !seen.damaged {
        compare(table, &seen, report);
    }
}

fn compare(table: &Table, seen: &Seen, report: &mut Report) {
    let meta = &table.meta;
    let max = seen.last.as_ref().map_or(&[][..], |(user, _)| user);
    let counts = [
        ("entries", meta.entries, seen.entries),
        ("deletions", meta.tombstones, seen.tombstones),
        ("as the newest timestamp", meta.newest, seen.newest),
    ];
    for (what, described, there) in counts {
        if described != there {
            let what = format!("described with {described} {what}, there are {there}");
            report.problem(table.path(), None, what, REPLACE);
        }
    }
    if table.range_tombstone().is_some() && seen.tombstones != seen.entries {
        let what = "a file with a range tombstone holds more than deletions";
        report.problem(table.path(), None, what.to_owned(), REPLACE);
    }
    for (which, described, there) in [("first", &*meta.min, &*seen.min), ("last", &*meta.max, max)] {
        if described != there {
            let what =
                format!("described with {} as its {which} key, it is {}", name(described), name(there));
            report.problem(table.path(), None, what, REPLACE);
        }
    }
}

/// A user key for a person: the tree, and the key in it.
pub(super) fn name(user: &[u8]) -> String {
    let key = user.get(8..).unwrap_or_default();
    format!("tree {} key \"{}\"", tree_of(user).0, key.escape_ascii())
}
