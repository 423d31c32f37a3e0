//! What was committed, in order, and how much of it is promised.

use std::collections::{BTreeMap, HashMap};

use plimsoll_storage::{CommitTicket, Durability};

/// The rows of all trees.
pub type Rows = BTreeMap<(u64, Vec<u8>), Vec<u8>>;

/// What a transaction does, in order.
#[derive(Debug, Clone)]
pub enum Op {
    Put(u64, Vec<u8>, Vec<u8>),
    Delete(u64, Vec<u8>),
    Drop(u64),
}

/// The rows as a transaction sees them that has done this.
pub fn write(rows: &mut Rows, ops: &[Op]) {
    for op in ops {
        match op {
            Op::Put(tree, key, value) => {
                rows.insert((*tree, key.clone()), value.clone());
            }
            Op::Delete(tree, key) => {
                rows.remove(&(*tree, key.clone()));
            }
            Op::Drop(_) => {}
        }
    }
}

/// The rows as its commit leaves them: a drop takes effect there, whatever was written before or after it.
fn commit(rows: &mut Rows, ops: &[Op]) {
    write(rows, ops);
    for op in ops {
        if let Op::Drop(tree) = op {
            rows.retain(|(other, _), _| other != tree);
        }
    }
}

pub fn highest_tree(ops: &[Op]) -> u64 {
    let tree = |op: &Op| match op {
        Op::Put(tree, ..) | Op::Delete(tree, _) | Op::Drop(tree) => *tree,
    };
    ops.iter().map(tree).max().unwrap_or(0)
}

/// Trees and keys that differ.
pub fn difference(found: &Rows, expected: &Rows) -> Vec<(u64, Vec<u8>)> {
    let keys = found.keys().chain(expected.keys());
    keys.filter(|key| found.get(*key) != expected.get(*key)).cloned().collect()
}

/// A commit that a crash may undo.
struct Pending {
    ops: Vec<Op>,
    /// None where it is asynchronous, and once the ticket has resolved without saying that the commit is durable.
    ticket: Option<CommitTicket>,
}

/// The history: rows as of all commits that must survive, then the commits that may or may not.
pub struct History {
    seed: u64,
    durable: Rows,
    pending: Vec<Pending>,
    /// How many of the pending commits everyone sees: an asynchronous one shows those before it as well.
    visible: usize,
    /// How many there were before the pending ones. The place of a commit in the order is how many there are with it.
    settled: u64,
    /// Place of the newest commit in this life that changed a row.
    changed: HashMap<(u64, Vec<u8>), u64>,
    /// The highest tree ever handed out.
    pub highest_tree: u64,
    /// The highest tree that a durable commit has named: only lower ones must never be handed out again.
    pub committed_tree: u64,
}

impl History {
    pub fn new(seed: u64) -> History {
        let (durable, pending) = (Rows::new(), Vec::new());
        let (highest_tree, committed_tree) = (0, 0);
        let changed = HashMap::new();
        History { seed, durable, pending, visible: 0, settled: 0, changed, highest_tree, committed_tree }
    }

    pub fn add(&mut self, ops: Vec<Op>, ticket: CommitTicket, durability: Durability) {
        let place = self.newest_place() + 1;
        for op in &ops {
            if let Op::Put(tree, key, _) | Op::Delete(tree, key) = op {
                self.changed.insert((*tree, key.clone()), place);
            }
        }
        // What drops trees waits for the disk, however it is asked for.
        let drops = ops.iter().any(|op| matches!(op, Op::Drop(_)));
        if durability == Durability::Asynchronous && !drops {
            assert!(ticket.is_resolved(), "seed {}: an asynchronous commit waits", self.seed);
            self.pending.push(Pending { ops, ticket: None });
            self.seen();
        } else {
            self.pending.push(Pending { ops, ticket: Some(ticket) });
        }
    }

    /// An asynchronous commit has come: everyone sees all commits so far.
    pub fn seen(&mut self) {
        self.visible = self.pending.len();
    }

    /// Place of the newest commit.
    pub fn newest_place(&self) -> u64 {
        self.settled + self.pending.len() as u64
    }

    /// Place of the newest commit that a new snapshot sees.
    pub fn visible_place(&self) -> u64 {
        self.settled + self.visible as u64
    }

    /// Place of the newest commit in this life that changed a row; 0 where there is none.
    pub fn changed(&self, tree: u64, key: &[u8]) -> u64 {
        self.changed.get(&(tree, key.to_vec())).copied().unwrap_or(0)
    }

    /// The rows as of all commits that must survive.
    pub fn durable(&self) -> &Rows {
        &self.durable
    }

    /// What a new snapshot sees.
    pub fn visible(&self) -> Rows {
        let mut rows = self.durable.clone();
        self.pending.iter().take(self.visible).for_each(|pending| commit(&mut rows, &pending.ops));
        rows
    }

    /// What is committed, visible or not.
    pub fn newest_rows(&self) -> Rows {
        let mut rows = self.durable.clone();
        self.pending.iter().for_each(|pending| commit(&mut rows, &pending.ops));
        rows
    }

    /// The newest committed value of a row.
    pub fn newest(&self, tree: u64, key: &[u8]) -> Option<Vec<u8>> {
        let last =
            self.pending.iter().rev().flat_map(|pending| pending.ops.iter().rev()).find_map(|op| match op {
                Op::Put(t, k, value) if *t == tree && k == key => Some(Some(value.clone())),
                Op::Delete(t, k) if *t == tree && k == key => Some(None),
                _ => None,
            });
        last.unwrap_or_else(|| self.durable.get(&(tree, key.to_vec())).cloned())
    }

    /// What was promised by now must survive. A ticket may not resolve before those of earlier commits.
    pub fn acknowledge(&mut self) {
        let (mut promised, mut waits) = (0, false);
        for (index, pending) in self.pending.iter_mut().enumerate() {
            let ticket = pending.ticket.take_if(|ticket| ticket.is_resolved());
            waits |= pending.ticket.is_some();
            if ticket.is_some_and(|ticket| ticket.wait().is_ok()) {
                assert!(!waits, "seed {}: a ticket resolved before an earlier one", self.seed);
                // With it all before it.
                promised = index + 1;
            }
        }
        self.settle(promised);
    }

    /// Everything was said to be durable.
    pub fn flushed(&mut self) {
        self.acknowledge();
        let waits = self.pending.iter().any(|pending| pending.ticket.is_some());
        assert!(!waits, "seed {}: flushed, but a ticket has not resolved", self.seed);
        self.settle(self.pending.len());
    }

    fn settle(&mut self, count: usize) {
        for pending in self.pending.drain(..count) {
            commit(&mut self.durable, &pending.ops);
            self.committed_tree = self.committed_tree.max(highest_tree(&pending.ops));
        }
        self.visible = self.visible.saturating_sub(count);
        self.settled += count as u64;
    }

    /// What was found after a crash is what was promised and some of the commits after that, none of them without those before.
    pub fn recovered(&mut self, found: Rows) {
        let mut expected = self.durable.clone();
        let mut matched = (found == expected).then_some(0);
        let mut committed_tree = self.committed_tree;
        for (survived, pending) in (1..).zip(&self.pending) {
            commit(&mut expected, &pending.ops);
            // The fewest commits that explain it; those without effect may or may not have survived.
            matched = matched.or((found == expected).then_some(survived));
            if matched.is_none_or(|matched| matched >= survived) {
                committed_tree = committed_tree.max(highest_tree(&pending.ops));
            }
        }
        let Some(matched) = matched else {
            panic!(
                "seed {}: {} rows found, {} promised, {} commits pending: no prefix of the history, differs in {:?}",
                self.seed,
                found.len(),
                self.durable.len(),
                self.pending.len(),
                difference(&found, &self.durable),
            )
        };
        if matched > 0 {
            self.committed_tree = committed_tree;
        }
        self.durable = found;
        self.settled = self.newest_place();
        self.changed.clear();
        self.pending.clear();
        self.visible = 0;
    }
}
