//! What to compact next: a pure function of the files.

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
    /// The files become files of the level. Newest first; those of one vector do not overlap and are in the order of their keys.
    Merge(Vec<Vec<Arc<Table>>>, u8),
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
    let l0_score = l0.len() as f64 / L0_FILES as f64;
    let mut best = (l0_score, 0);
    let mut target = l1_bytes;
    for level in 1..=u8::try_from(set.levels.len()).unwrap_or(u8::MAX) {
        let score = set.level_bytes(level) as f64 / target as f64;
        if score > best.0 {
            best = (score, level);
        }
        target = target.saturating_mul(10);
    }
    match best {
        (score, 0) if score >= 1.0 => Some(from_l0(set, &l0)),
        (score, level) if score > 1.0 => from_level(set, level, |_| true),
        // Nothing has to move; but where most of a file are deletions that everyone sees, they go on to what they delete.
        _ => (1..u8::try_from(set.levels.len()).unwrap_or(u8::MAX)).find_map(|level| {
            from_level(set, level, |table| {
                let seen = table.newest_commit().is_some_and(|commit| commit <= oldest);
                seen && table.meta.tombstones * 2 > table.meta.entries
            })
        }),
    }
}

fn overlapping<'a>(tables: &'a [Arc<Table>], with: &'a [Arc<Table>]) -> impl Iterator<Item = &'a Arc<Table>> {
    tables.iter().filter(|table| with.iter().any(|other| table.meta.overlaps(&other.meta)))
}

/// The oldest files of L0 go to L1.
fn from_l0(set: &FileSet, l0: &[Arc<Table>]) -> Job {
    let l1 = set.levels.first().map(Vec::as_slice).unwrap_or_default();
    if let Some(oldest) = l0.last()
        && overlapping(l1, std::slice::from_ref(oldest)).next().is_none()
        && alone_in_l0(l0, oldest)
    {
        return Job::Move(Arc::clone(oldest), 1);
    }
    let from = l0.len().saturating_sub(L0_MERGED_MAX);
    let oldest = l0.get(from..).unwrap_or_default();
    let below: Vec<_> = spanned(l1, oldest).cloned().collect();
    let mut sources: Vec<_> = oldest.iter().map(|table| vec![Arc::clone(table)]).collect();
    sources.push(below);
    Job::Merge(sources, 1)
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
    let table = tables.iter().filter(|table| wanted(table)).min_by_key(|table| cost(table))?;
    let under: Vec<_> = overlapping(below, std::slice::from_ref(table)).cloned().collect();
    if under.is_empty() && table.meta.tombstones == 0 {
        return Some(Job::Move(Arc::clone(table), level + 1));
    }
    Some(Job::Merge(vec![vec![Arc::clone(table)], under], level + 1))
}
