//! What to compact next: a pure function of the files.
//!
//! A damaged file stays where it is: it cannot be read as a whole, and what can be read of it must not be lost. In the levels
//! the files over and under it stay as well. In L0, where every flush arrives, the others go around it: what lies between its first
//! and its last key stays in L0, in files of its own, the rest goes on to L1.

use std::sync::Arc;

use super::set::FileSet;
use crate::key::TreeId;
use crate::sst::Table;

/// Files of L0 that make a compaction worthwhile.
pub(super) const L0_FILES: usize = 4;
/// Files of L0 merged in one go, at most.
const L0_MERGED_MAX: usize = 12;

/// A unit of work.
pub(super) enum Job {
    /// The files hold nothing but rows of dropped trees.
    Drop(Vec<Arc<Table>>),
    /// The file overlaps nothing: it belongs to the level as it is.
    Move(Arc<Table>, u8),
    /// The files become files of the level.
    Merge {
        /// Newest first; those of one vector do not overlap and are in the order of their keys.
        sources: Vec<Vec<Arc<Table>>>,
        level: u8,
        /// Files that are not passed: keys between the first and the last of one of them stay in L0.
        around: Vec<Arc<Table>>,
    },
}

/// What to do next. `flushed`: only commits up to this one may be moved, later ones are named by the log. `l1_bytes`: what L1 holds;
/// each further level holds ten times as much.
pub(super) fn pick(
    set: &FileSet,
    flushed: u64,
    oldest: u64,
    l1_bytes: u64,
    dropped: &dyn Fn(TreeId) -> bool,
) -> Option<Job> {
    let settled = |table: &&Arc<Table>| table.newest_commit().is_some_and(|commit| commit <= flushed);
    let gone = |table: &&Arc<Table>| settled(table) && table.meta.only_tree().is_some_and(dropped);
    let void: Vec<_> = set.all().map(|(_, table)| table).filter(gone).cloned().collect();
    if !void.is_empty() {
        return Some(Job::Drop(void));
    }
    // Files that are not settled share no key with newer ones, so that those can pass them.
    let l0: Vec<_> = set.l0.iter().filter(settled).cloned().collect();
    let groups = groups(set, &l0);
    // The oldest that is due, else the oldest.
    let group = groups.iter().rev().find(|group| group.backlog() >= L0_FILES).or(groups.last());
    let mut scores = vec![(group.map_or(0, Group::backlog) as f64 / L0_FILES as f64, 0)];
    let levels = u8::try_from(set.levels.len()).unwrap_or(u8::MAX);
    let mut target = l1_bytes;
    for level in 1..=levels {
        scores.push((set.level_bytes(level) as f64 / target as f64, level));
        target = target.saturating_mul(10);
    }
    // The neediest first; where damage is in its way, the next one.
    scores.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let needed = scores.into_iter().find_map(|(score, level)| match level {
        0 if score >= 1.0 => group.map(|group| from_l0(set, &l0, group)),
        level if score > 1.0 => from_level(set, level, |_| true),
        _ => None,
    });
    // Nothing has to move; but where most of a file are deletions that everyone sees, they go on to what they delete, and in the
    // last level they go away.
    let is_seen = |table: &Table| !table.has_news(oldest);
    let deletes = |table: &Table| is_seen(table) && is_of_deletions(table);
    needed
        .or_else(|| {
            let waits = |group: &&Group<'_>| group.waiting().iter().any(|table| deletes(table));
            groups.iter().rev().find(waits).map(|group| from_l0(set, &l0, group))
        })
        .or_else(|| (1..levels).find_map(|level| from_level(set, level, deletes)))
        .or_else(|| {
            let (level, tables) = last_level(set)?;
            let wastes = |table: &&Arc<Table>| !table.is_damaged() && is_seen(table) && is_wasteful(table);
            let table = tables.iter().find(wastes)?;
            Some(Job::Merge { sources: vec![vec![Arc::clone(table)]], level, around: Vec::new() })
        })
}

/// The level with nothing below it, and its files.
fn last_level(set: &FileSet) -> Option<(u8, &[Arc<Table>])> {
    let level = set.levels.iter().rposition(|tables| !tables.is_empty())?;
    Some((u8::try_from(level + 1).ok()?, set.levels.get(level)?))
}

/// Whether most of a file are deletions.
fn is_of_deletions(table: &Table) -> bool {
    table.meta.tombstones * 2 > table.meta.entries
}

/// Whether so much of a file are deletions and what they hide that it is worth writing without them, in the last level.
fn is_wasteful(table: &Table) -> bool {
    table.meta.tombstones * 8 > table.meta.entries
}

/// The first commit that a snapshot has to see for there to be more to do: deletions wait for it.
pub(super) fn waits_for(set: &FileSet, oldest: u64) -> Option<u64> {
    let last = last_level(set).map_or(0, |(level, _)| level);
    let held =
        set.all().filter(|(level, table)| is_of_deletions(table) || (*level == last && is_wasteful(table)));
    held.map(|(_, table)| table)
        .filter_map(|table| table.newest_commit())
        .filter(|commit| *commit > oldest)
        .min()
}

fn overlapping<'a>(tables: &'a [Arc<Table>], with: &'a [Arc<Table>]) -> impl Iterator<Item = &'a Arc<Table>> {
    tables.iter().filter(|table| with.iter().any(|other| table.meta.overlaps(&other.meta)))
}

/// Files of L0 that can be merged, newest first, with nothing damaged between them.
struct Group<'a> {
    files: &'a [Arc<Table>],
    /// What they may not pass.
    around: Vec<Arc<Table>>,
}

impl Group<'_> {
    /// How many of the oldest files are what a merge left here: each within a file that it cannot pass, none over another.
    fn resting(&self) -> usize {
        let mut rested: Vec<&Arc<Table>> = Vec::new();
        for file in self.files.iter().rev() {
            let within =
                |other: &Arc<Table>| other.meta.spans(&file.meta.min) && other.meta.spans(&file.meta.max);
            let alone = rested.iter().all(|other| !other.meta.overlaps(&file.meta));
            if !alone || !self.around.iter().any(within) {
                break;
            }
            rested.push(file);
        }
        rested.len()
    }

    /// Files that wait for a merge.
    fn waiting(&self) -> &[Arc<Table>] {
        self.files.get(..self.files.len() - self.resting()).unwrap_or_default()
    }

    /// How many those are.
    fn backlog(&self) -> usize {
        self.waiting().len()
    }
}

/// L0 as its damaged files divide it.
fn groups<'a>(set: &FileSet, l0: &'a [Arc<Table>]) -> Vec<Group<'a>> {
    let l1 = set.levels.first().map(Vec::as_slice).unwrap_or_default();
    let mut groups = Vec::new();
    let mut start = 0;
    for files in l0.split(|table| table.is_damaged()) {
        let older = l0.get(start + files.len()..).unwrap_or_default();
        let under = l1
            .iter()
            .filter(|table| table.is_damaged() || older.iter().any(|other| other.meta.overlaps(&table.meta)));
        let around = older.iter().chain(under).cloned().collect();
        groups.push(Group { files, around });
        start += files.len() + 1;
    }
    groups
}

/// How many files a read asks in L0 of those that wait for a merge; or, where that is more, how many files of full size they come to.
pub(super) fn l0_backlog(set: &FileSet, flushed: u64, file_bytes: u64) -> usize {
    let settled = |table: &&Arc<Table>| table.newest_commit().is_some_and(|commit| commit <= flushed);
    if set.all().all(|(_, table)| !table.is_damaged()) {
        let runs = set.runs().iter().filter(|run| run.iter().any(|table| settled(&table))).count();
        let bytes: u64 = set.l0.iter().filter(settled).map(|table| table.meta.bytes).sum();
        return runs.max(usize::try_from(bytes / file_bytes.max(1)).unwrap_or(usize::MAX));
    }
    let l0: Vec<_> = set.l0.iter().filter(settled).cloned().collect();
    groups(set, &l0).iter().map(Group::backlog).sum()
}

/// The oldest files of a part of L0 go to L1.
fn from_l0(set: &FileSet, l0: &[Arc<Table>], group: &Group<'_>) -> Job {
    let l1 = set.levels.first().map(Vec::as_slice).unwrap_or_default();
    let files = group.files;
    if let Some(oldest) = files.last()
        && overlapping(l1, std::slice::from_ref(oldest)).next().is_none()
        && alone_in_l0(l0, oldest)
    {
        return Job::Move(Arc::clone(oldest), 1);
    }
    let from = files.len().saturating_sub(group.resting() + L0_MERGED_MAX);
    let oldest = files.get(from..).unwrap_or_default();
    let free = |table: &&Arc<Table>| !group.around.iter().any(|other| Arc::ptr_eq(other, table));
    let below: Vec<_> = spanned(l1, oldest).filter(free).cloned().collect();
    let mut sources: Vec<_> = oldest.iter().map(|table| vec![Arc::clone(table)]).collect();
    sources.push(below);
    Job::Merge { sources, level: 1, around: group.around.clone() }
}

/// Moving a file past newer ones that overlap it is right, but they would soon have to follow it: merged at once they cost less.
fn alone_in_l0(l0: &[Arc<Table>], table: &Arc<Table>) -> bool {
    overlapping(l0, std::slice::from_ref(table)).all(|other| Arc::ptr_eq(other, table))
}

/// The files of a level that lie between the first and the last key of others.
fn spanned<'a>(tables: &'a [Arc<Table>], of: &[Arc<Table>]) -> impl Iterator<Item = &'a Arc<Table>> {
    let min = of.iter().map(|table| table.meta.min.clone()).min().unwrap_or_default();
    let max = of.iter().map(|table| table.meta.max.clone()).max().unwrap_or_default();
    tables.iter().filter(move |table| table.meta.min <= max && min <= table.meta.max)
}

/// The file of a level that has the least to be merged with below.
fn from_level(set: &FileSet, level: u8, wanted: impl Fn(&Table) -> bool) -> Option<Job> {
    let tables = set.levels.get(usize::from(level).checked_sub(1)?)?;
    let below = set.levels.get(usize::from(level)).map(Vec::as_slice).unwrap_or_default();
    let cost = |table: &Arc<Table>| {
        let bytes: u64 = overlapping(below, std::slice::from_ref(table)).map(|other| other.meta.bytes).sum();
        bytes * 1000 / table.meta.bytes.max(1)
    };
    // Nothing is merged with a damaged file.
    let whole = |table: &&Arc<Table>| {
        let mut both = overlapping(below, std::slice::from_ref(*table)).chain(std::iter::once(*table));
        both.all(|table| !table.is_damaged())
    };
    let candidates = tables.iter().filter(|table| wanted(table)).filter(whole);
    let table = candidates.min_by_key(|table| cost(table))?;
    let under: Vec<_> = overlapping(below, std::slice::from_ref(table)).cloned().collect();
    if under.is_empty() && table.meta.tombstones == 0 {
        return Some(Job::Move(Arc::clone(table), level + 1));
    }
    let sources = vec![vec![Arc::clone(table)], under];
    Some(Job::Merge { sources, level: level + 1, around: Vec::new() })
}
