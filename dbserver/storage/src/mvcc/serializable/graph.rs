//! Who read what another overwrites: the rw-antidependencies between serializable transactions, and the structures of
//! two of them that every anomaly contains.
//!
//! ```text
//! first --rw--> pivot --rw--> last      dangerous where `last` commits before both of the others
//! ```
//!
//! An edge `reader --rw--> writer` says that the reader has not seen what the writer wrote, so that the reader comes
//! first in any serial order, while both ran at the same time. Fekete et al. (2005) have shown that every cycle of
//! dependencies under snapshot isolation contains two such edges in a row whose last transaction is the first of the
//! whole cycle to commit. So a transaction is refused only when such a structure has come about (Cahill, Röhm, Fekete,
//! "Serializable isolation for snapshot databases", 2008; Ports and Grittner, "Serializable snapshot isolation in
//! PostgreSQL", 2012).
//!
//! All times are commit timestamps. A transaction has an *end*: the timestamp of its commit; never, while it runs; and
//! where it has written nothing (or promises not to) its snapshot, because it may as well have committed right then. One
//! rule then covers the optimisation for read-only transactions too: dangerous is `end(last) <= end(first)` and
//! `end(last) <= end(pivot)`. And of transactions that have ended, the newest end of those with an edge into a transaction, and
//! the oldest of those with an edge out of it, are all that has to be remembered.

use std::collections::{BTreeSet, HashMap};

use crate::error::ConflictReason;

/// End of a transaction that runs: later than that of any that has ended.
const RUNS: u64 = u64::MAX - 1;
/// Oldest end of no transaction at all: later than any other.
const NONE: u64 = u64::MAX;

/// What an edge leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Harmless,
    /// The transaction that acts must be rolled back.
    Refuse(ConflictReason),
    /// This other one must.
    Doom(u64),
}

/// A transaction.
struct Node {
    snapshot: u64,
    end: u64,
    active: bool,
    read_only: bool,
    /// Active transactions with an edge to this one, and from it.
    ins: BTreeSet<u64>,
    outs: BTreeSet<u64>,
    /// Newest end of those that have ended with an edge to this one; 0 where there is none.
    in_end: u64,
    /// Oldest end of those that have ended with an edge from this one.
    out_end: u64,
    /// Read-only: the active writers that decide whether its snapshot is safe.
    watches: BTreeSet<u64>,
    /// Read-only: its snapshot is not safe, one from this timestamp on may be.
    unsafe_until: Option<u64>,
}

/// Transactions that have ended and are no longer told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Old {
    /// Oldest and newest of their ends.
    pub end_min: u64,
    pub end_max: u64,
    /// Oldest end of those they have edges to.
    pub out_end: u64,
}

impl Old {
    /// None at all.
    pub const NONE: Old = Old { end_min: NONE, end_max: 0, out_end: NONE };

    pub fn add(&mut self, other: Old) {
        self.end_min = self.end_min.min(other.end_min);
        self.end_max = self.end_max.max(other.end_max);
        self.out_end = self.out_end.min(other.out_end);
    }
}

/// Whether a snapshot is free of anomalies whatever happens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Safety {
    Safe,
    /// It is not; a snapshot from this timestamp on may be.
    Unsafe(u64),
    /// It depends on what this transaction does.
    Awaits(u64),
}

/// The transactions that run, and those that ended while one of them ran.
#[derive(Default)]
pub(super) struct Graph {
    nodes: HashMap<u64, Node>,
    /// The active ones by snapshot.
    snapshots: BTreeSet<(u64, u64)>,
    /// The ended ones by end.
    ended: BTreeSet<(u64, u64)>,
    /// The active ones that promise to write nothing.
    readers: BTreeSet<u64>,
    /// Those of `readers` whose snapshot has turned out to be safe.
    safe: Vec<u64>,
    old: Option<Old>,
}

impl Graph {
    /// A transaction takes its snapshot. False: it promised to write nothing and its snapshot is safe; nothing has to be
    /// known about it.
    pub fn begin(&mut self, id: u64, snapshot: u64, read_only: bool) -> bool {
        let mut node = Node {
            snapshot,
            end: if read_only { snapshot } else { RUNS },
            active: true,
            read_only,
            ins: BTreeSet::new(),
            outs: BTreeSet::new(),
            in_end: 0,
            out_end: NONE,
            watches: BTreeSet::new(),
            unsafe_until: None,
        };
        if read_only {
            // A writer is the pivot of a structure that begins here only if it has not seen a commit that this
            // snapshot sees.
            let ended = self.ended.range((snapshot + 1, 0)..).filter_map(|(_, id)| self.nodes.get(id));
            let pivots = ended.map(|node| (node.end, node.out_end));
            let pivots = pivots.chain(self.old.map(|old| (old.end_max, old.out_end)));
            node.unsafe_until = pivots
                .filter(|(end, out_end)| *end > snapshot && *out_end <= snapshot)
                .map(|(end, _)| end)
                .max();
            if node.unsafe_until.is_none() {
                let older = self.snapshots.range(..(snapshot, 0)).map(|(_, id)| *id);
                node.watches = older.filter(|id| !self.readers.contains(id)).collect();
            }
            if node.watches.is_empty() && node.unsafe_until.is_none() {
                return false;
            }
            self.readers.insert(id);
        }
        self.snapshots.insert((snapshot, id));
        self.nodes.insert(id, node);
        true
    }

    /// Whether the transaction runs and has promised to write nothing.
    pub fn is_read_only(&self, id: u64) -> bool {
        self.readers.contains(&id)
    }

    /// `me`, one of both, has found that the reader does not see what the writer writes.
    pub fn edge(&mut self, reader: u64, writer: u64, me: u64) -> Verdict {
        let (Some(from), Some(to)) = (self.nodes.get(&reader), self.nodes.get(&writer)) else {
            return Verdict::Harmless;
        };
        if from.end <= to.snapshot || to.end <= from.snapshot || from.outs.contains(&writer) {
            // One has seen that the other is over; or it is known.
            return Verdict::Harmless;
        }
        let (from_end, to_end, to_out_end) = (from.end, to.end, to.out_end);
        match (from.active, to.active) {
            (true, false) => {
                let old = Old { end_min: to_end, end_max: to_end, out_end: to_out_end };
                self.edge_to_ended(reader, old, ConflictReason::ConflictOutToPivot(writer))
            }
            (false, _) => self.edge_from_ended(from_end, writer),
            (true, true) => {
                if to_out_end <= from_end {
                    return match writer == me {
                        true => Verdict::Refuse(ConflictReason::PivotDuringWrite),
                        false => Verdict::Doom(writer),
                    };
                }
                if let Some(from) = self.nodes.get_mut(&reader) {
                    from.outs.insert(writer);
                }
                if let Some(to) = self.nodes.get_mut(&writer) {
                    to.ins.insert(reader);
                }
                Verdict::Harmless
            }
        }
    }

    /// The reader, which acts, does not see what transactions wrote that have ended.
    pub fn edge_to_ended(&mut self, reader: u64, writers: Old, reason: ConflictReason) -> Verdict {
        let Some(from) = self.nodes.get(&reader) else { return Verdict::Harmless };
        if writers.end_max <= from.snapshot {
            return Verdict::Harmless;
        }
        // Where several are taken together: the oldest that can be meant.
        let last = writers.end_min.max(from.snapshot + 1);
        let mut firsts = from.ins.iter().filter_map(|id| self.nodes.get(id));
        let is_pivot = from.in_end >= last || firsts.any(|first| first.end >= last);
        // A writer is the pivot; or the reader is.
        if writers.out_end <= from.end || is_pivot {
            return Verdict::Refuse(reason);
        }
        if let Some(from) = self.nodes.get_mut(&reader) {
            from.out_end = from.out_end.min(last);
        }
        Verdict::Harmless
    }

    /// The writer, which acts, overwrites what transactions read that have ended, the newest of them at `end`.
    pub fn edge_from_ended(&mut self, end: u64, writer: u64) -> Verdict {
        let Some(to) = self.nodes.get_mut(&writer) else { return Verdict::Harmless };
        if end <= to.snapshot {
            return Verdict::Harmless;
        }
        to.in_end = to.in_end.max(end);
        if to.out_end <= end { Verdict::Refuse(ConflictReason::PivotDuringWrite) } else { Verdict::Harmless }
    }

    /// The transaction commits: with its timestamp, if it has written something. Answers the pivots that must be rolled back
    /// now that it is the first of a structure to commit.
    pub fn commit(&mut self, id: u64, timestamp: Option<u64>) -> Vec<u64> {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.active) else { return Vec::new() };
        node.active = false;
        node.end = timestamp.unwrap_or(node.snapshot);
        if timestamp.is_none() {
            // Who has written nothing is nobody's pivot.
            node.out_end = NONE;
        }
        let (end, snapshot, out_end) = (node.end, node.snapshot, node.out_end);
        let (ins, outs) = (std::mem::take(&mut node.ins), std::mem::take(&mut node.outs));
        self.snapshots.remove(&(snapshot, id));
        self.ended.insert((end, id));
        let mut doomed = Vec::new();
        for pivot in ins {
            let Some(node) = self.nodes.get(&pivot) else { continue };
            let mut firsts = node.ins.iter().filter_map(|first| self.nodes.get(first));
            if timestamp.is_some() && firsts.any(|first| first.end >= end) {
                doomed.push(pivot);
            }
            let Some(node) = self.nodes.get_mut(&pivot) else { continue };
            node.outs.remove(&id);
            // Who has written nothing has overwritten nothing.
            if timestamp.is_some() {
                node.out_end = node.out_end.min(end);
            }
        }
        for next in outs {
            if let Some(node) = self.nodes.get_mut(&next) {
                node.ins.remove(&id);
                node.in_end = node.in_end.max(end);
            }
        }
        self.decided(id, timestamp.map(|end| (end, out_end)));
        doomed
    }

    /// The transaction is rolled back, or will be, or need not be known any more.
    pub fn forget(&mut self, id: u64) {
        let Some(node) = self.nodes.remove(&id) else { return };
        self.snapshots.remove(&(node.snapshot, id));
        self.ended.remove(&(node.end, id));
        self.readers.remove(&id);
        for from in &node.ins {
            if let Some(from) = self.nodes.get_mut(from) {
                from.outs.remove(&id);
            }
        }
        for to in &node.outs {
            if let Some(to) = self.nodes.get_mut(to) {
                to.ins.remove(&id);
            }
        }
        if node.active {
            self.decided(id, None);
        }
    }

    /// What a writer did is now known to the readers that watch it: its end and the oldest end of those it has edges to, if it
    /// has committed something.
    fn decided(&mut self, id: u64, committed: Option<(u64, u64)>) {
        self.readers.remove(&id);
        for reader in &self.readers {
            let Some(node) = self.nodes.get_mut(reader) else { continue };
            if !node.watches.remove(&id) {
                continue;
            }
            if let Some((end, _)) = committed.filter(|(_, out_end)| *out_end <= node.snapshot) {
                node.unsafe_until = Some(end);
                node.watches.clear();
            } else if node.watches.is_empty() {
                self.safe.push(*reader);
            }
        }
    }

    /// The active read-only transactions whose snapshots have become safe since the last call.
    pub fn take_safe(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.safe)
    }

    /// Whether the snapshot of a read-only transaction is safe.
    pub fn safety(&self, id: u64) -> Safety {
        let Some(node) = self.nodes.get(&id).filter(|node| node.read_only) else { return Safety::Safe };
        match (node.unsafe_until, node.watches.first()) {
            (Some(until), _) => Safety::Unsafe(until),
            (None, Some(writer)) => Safety::Awaits(*writer),
            (None, None) => Safety::Safe,
        }
    }

    /// The oldest snapshot alive, or to come where `visible` is what a new one would see.
    pub fn horizon(&self, visible: u64) -> u64 {
        self.snapshots.first().map_or(visible, |(snapshot, _)| visible.min(*snapshot))
    }

    /// Forgets one transaction that ended before every snapshot from the horizon on, and answers it.
    pub fn pop_outlived(&mut self, horizon: u64) -> Option<u64> {
        self.old = self.old.filter(|old| old.end_max > horizon);
        let (_, id) = *self.ended.first().filter(|(end, _)| *end <= horizon)?;
        self.forget(id);
        Some(id)
    }

    /// Forgets who the transaction that ended first was; what has to be known of it is answered.
    pub fn pop_old(&mut self) -> Option<(u64, Old)> {
        let (end, id) = *self.ended.first()?;
        let out_end = self.nodes.get(&id)?.out_end;
        self.forget(id);
        let old = Old { end_min: end, end_max: end, out_end };
        self.old.get_or_insert(Old::NONE).add(old);
        Some((id, old))
    }

    /// How many have ended and are still told apart.
    pub fn ended(&self) -> usize {
        self.ended.len()
    }
}
