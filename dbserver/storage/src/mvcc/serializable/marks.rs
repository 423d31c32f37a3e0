//! What serializable transactions have read and written, by tree: kept for as long as a transaction lives that ran at the
//! same time, and bounded.
//!
//! A transaction marks keys one by one, and ranges. When it has many marks on a tree, all of them become one range from the
//! first to the last. When all transactions together have many, those that ended first are no longer told apart: of
//! what they did in a tree, only the times stay.

use std::collections::{BTreeMap, HashMap};

use super::graph::Old;
use super::span::{Span, Spans};
use crate::key::{Key, TreeId};

/// Marks of one kind of one transaction on one tree, at most.
const EACH_MAX: usize = 1024;
/// Marks of all, at most, while there is something left to give up.
pub(super) const ALL_MAX: usize = 1 << 16;

/// Whether a mark says "has read" or "has written".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Read,
    Write,
}

/// All marks.
pub(super) struct Marks {
    trees: HashMap<TreeId, TreeMarks>,
    /// The trees that a transaction has marks on.
    marked: HashMap<u64, Vec<TreeId>>,
    count: usize,
    /// Newest end of those that are no longer told apart; 0 where there are none.
    old_until: u64,
    each_max: usize,
}

impl Default for Marks {
    fn default() -> Marks {
        Marks { trees: HashMap::new(), marked: HashMap::new(), count: 0, old_until: 0, each_max: EACH_MAX }
    }
}

#[derive(Default)]
struct TreeMarks {
    reads: Side,
    writes: Side,
    /// What those did that are no longer told apart.
    old_reads: Option<Old>,
    old_writes: Option<Old>,
}

/// Marks of one kind on one tree.
#[derive(Default)]
struct Side {
    keys: BTreeMap<Key, Vec<u64>>,
    owners: HashMap<u64, Vec<Key>>,
    spans: BTreeMap<u64, Spans>,
}

/// Who is met by a mark.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    /// Transactions, with repetitions.
    pub txns: Vec<u64>,
    /// And those that are no longer told apart: `end_min`, `end_max`, `out_end`.
    pub old: Option<Old>,
}

impl Marks {
    /// Marks a span and answers who has done the opposite to some of it; nobody where all of it was marked before.
    pub fn mark(&mut self, txn: u64, tree: TreeId, act: Act, span: Span) -> Met {
        let marks = self.trees.entry(tree).or_default();
        let (own, other, old) = match act {
            Act::Read => (&mut marks.reads, &marks.writes, marks.old_writes),
            Act::Write => (&mut marks.writes, &marks.reads, marks.old_reads),
        };
        if own.covers(txn, &span) {
            return Met::default();
        }
        let each_max = if self.count < ALL_MAX { self.each_max } else { 1 };
        let before = own.count(txn);
        own.add(txn, span.clone());
        let marked = if own.count(txn) > each_max { own.join(txn) } else { span };
        let met = Met { txns: other.met_by(txn, &marked), old };
        self.count = self.count - before + own.count(txn);
        let marked = self.marked.entry(txn).or_default();
        if !marked.contains(&tree) {
            marked.push(tree);
        }
        met
    }

    /// Removes all marks of a transaction; with `old`, these times of it stay.
    pub fn remove(&mut self, txn: u64, old: Option<Old>) {
        for tree in self.marked.remove(&txn).unwrap_or_default() {
            let Some(marks) = self.trees.get_mut(&tree) else { continue };
            for (side, kept) in
                [(&mut marks.reads, &mut marks.old_reads), (&mut marks.writes, &mut marks.old_writes)]
            {
                let removed = side.remove(txn);
                self.count -= removed;
                if let Some(old) = old.filter(|_| removed > 0) {
                    kept.get_or_insert(Old::NONE).add(old);
                    self.old_until = self.old_until.max(old.end_max);
                }
            }
            if marks.is_empty() {
                self.trees.remove(&tree);
            }
        }
    }

    /// Forgets the old ones once all of them ended before the horizon.
    pub fn forget_old(&mut self, horizon: u64) {
        if self.old_until == 0 || self.old_until > horizon {
            return;
        }
        self.old_until = 0;
        self.trees.retain(|_, marks| {
            (marks.old_reads, marks.old_writes) = (None, None);
            !marks.is_empty()
        });
    }

    /// Number of all marks.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Another limit than [`EACH_MAX`], for tests.
    #[cfg(test)]
    pub fn limit(&mut self, each_max: usize) {
        self.each_max = each_max;
    }
}

impl TreeMarks {
    fn is_empty(&self) -> bool {
        self.reads.is_empty()
            && self.writes.is_empty()
            && self.old_reads.is_none()
            && self.old_writes.is_none()
    }
}

impl Side {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.spans.is_empty()
    }

    fn count(&self, txn: u64) -> usize {
        self.owners.get(&txn).map_or(0, Vec::len) + self.spans.get(&txn).map_or(0, Spans::len)
    }

    fn covers(&self, txn: u64, span: &Span) -> bool {
        let has_key = |key: &Key| self.keys.get(key).is_some_and(|owners| owners.contains(&txn));
        span.as_key().is_some_and(has_key) || self.spans.get(&txn).is_some_and(|spans| spans.cover(span))
    }

    fn met_by(&self, txn: u64, span: &Span) -> Vec<u64> {
        let mut met = Vec::new();
        if let Some(key) = span.as_key() {
            met.extend(self.keys.get(key).into_iter().flatten());
        } else {
            met.extend(self.keys.range::<Key, _>(span.bounds()).flat_map(|(_, owners)| owners));
        }
        met.extend(self.spans.iter().filter(|(_, spans)| spans.meet(span)).map(|(owner, _)| *owner));
        met.retain(|owner| *owner != txn);
        met
    }

    fn add(&mut self, txn: u64, span: Span) {
        match span.as_key().cloned() {
            Some(key) => {
                self.owners.entry(txn).or_default().push(key.clone());
                self.keys.entry(key).or_default().push(txn);
            }
            None => self.spans.entry(txn).or_default().add(span),
        }
    }

    /// Makes one span of all marks of a transaction. What lies between them counts as marked from now on, and has to be looked at.
    fn join(&mut self, txn: u64) -> Span {
        let keys = self.remove_keys(txn);
        let spans = self.spans.entry(txn).or_default();
        keys.iter().for_each(|key| spans.add(Span::key(key)));
        spans.join()
    }

    /// Removes a transaction's marks and answers how many they were.
    fn remove(&mut self, txn: u64) -> usize {
        self.remove_keys(txn).len() + self.spans.remove(&txn).map_or(0, |spans| spans.len())
    }

    fn remove_keys(&mut self, txn: u64) -> Vec<Key> {
        let keys = self.owners.remove(&txn).unwrap_or_default();
        for key in &keys {
            if let Some(owners) = self.keys.get_mut(key) {
                owners.retain(|owner| *owner != txn);
                if owners.is_empty() {
                    self.keys.remove(key);
                }
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyRange;

    const TREE: TreeId = TreeId(1);

    fn met(marks: &mut Marks, txn: u64, act: Act, span: Span) -> Vec<u64> {
        marks.mark(txn, TREE, act, span).txns
    }

    #[test]
    fn a_write_meets_who_has_read_the_key_or_around_it() {
        let mut marks = Marks::default();
        assert!(met(&mut marks, 1, Act::Read, Span::key(b"k")).is_empty());
        assert!(met(&mut marks, 2, Act::Read, Span::range(&KeyRange::half_open(b"a", b"m"))).is_empty());
        assert!(met(&mut marks, 3, Act::Read, Span::range(&KeyRange::half_open(b"m", b"z"))).is_empty());
        assert_eq!(met(&mut marks, 4, Act::Write, Span::key(b"k")), [1, 2]);
        assert_eq!(met(&mut marks, 5, Act::Read, Span::range(&KeyRange::all())), [4]);
        assert_eq!(met(&mut marks, 5, Act::Read, Span::key(b"k")), [], "known");
        assert_eq!(marks.mark(6, TreeId(2), Act::Write, Span::key(b"k")), Met::default());
        for txn in 1..=6 {
            marks.remove(txn, None);
        }
        assert_eq!(marks.count(), 0);
        assert!(marks.trees.is_empty() && marks.marked.is_empty());
    }

    #[test]
    fn many_marks_become_one_range() {
        let mut marks = Marks::default();
        marks.limit(3);
        for key in [b"b", b"d", b"f", b"h"] {
            marks.mark(1, TREE, Act::Read, Span::key(key));
        }
        assert_eq!(marks.count(), 1);
        assert_eq!(met(&mut marks, 2, Act::Write, Span::key(b"c")), [1], "between what was read");
        assert_eq!(met(&mut marks, 2, Act::Write, Span::key(b"i")), []);
        assert_eq!(met(&mut marks, 2, Act::Write, Span::key(b"h")), [1]);
        // What was written between before counts too: nothing is asked again about what lies in the range.
        marks.mark(3, TREE, Act::Write, Span::key(b"x"));
        assert_eq!(met(&mut marks, 1, Act::Read, Span::key(b"w")), []);
        assert_eq!(met(&mut marks, 1, Act::Read, Span::key(b"y")), []);
        assert!(met(&mut marks, 1, Act::Read, Span::key(b"z")).contains(&3));
        assert_eq!(met(&mut marks, 1, Act::Read, Span::key(b"x")), [], "known");
        marks.remove(3, None);
        marks.remove(1, None);
        marks.remove(2, None);
        assert_eq!(marks.count(), 0);
    }

    #[test]
    fn of_the_old_only_times_stay() {
        let mut marks = Marks::default();
        marks.mark(1, TREE, Act::Read, Span::key(b"a"));
        marks.remove(1, Some(Old { end_min: 10, end_max: 10, out_end: 5 }));
        assert_eq!(marks.count(), 0);
        let met = marks.mark(2, TREE, Act::Write, Span::key(b"z"));
        assert_eq!(met.old.map(|old| old.end_max), Some(10));
        assert!(marks.mark(3, TREE, Act::Read, Span::key(b"z")).old.is_none(), "it has written nothing");
        marks.remove(2, None);
        marks.remove(3, None);
        marks.forget_old(9);
        assert_eq!(marks.trees.len(), 1);
        marks.forget_old(10);
        assert!(marks.trees.is_empty());
    }
}
