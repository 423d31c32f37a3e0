//! What the serializable transactions of one life have read and written, and whether a serial order of them explains it.
//!
//! Each commit that writes has a *place* in the order of commits, and a snapshot that of the last commit that it sees. A transaction
//! comes after all that its snapshot sees, which is all that it may overwrite (`Simulation::first_updater`); after who deleted the row
//! that it inserts; and before those who write what it has read, or has not found, where its snapshot does not see them. No circle
//! may come of it. A crash makes none: it takes the end of the order away, and no dependency leads from a life to an earlier one.
//!
//! The others take no part, as in PostgreSQL: that a serializable transaction depends on another through one of them does not count.

use std::collections::BTreeSet;

use crate::cycles::{self, Edge, Edges};
use crate::history::Op;
use crate::life::Open;

/// Keys of a tree from one on, up to another, with all that are not there.
#[derive(Debug)]
pub struct Read {
    tree: u64,
    from: Vec<u8>,
    /// The first key after it, if there is an end.
    to: Option<Vec<u8>>,
}

impl Read {
    pub fn span(tree: u64, from: Vec<u8>, to: Option<Vec<u8>>) -> Read {
        Read { tree, from, to }
    }

    pub fn key(tree: u64, key: &[u8]) -> Read {
        Read { tree, from: key.to_vec(), to: Some(after(key)) }
    }
}

/// The first key after this one.
pub fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// A serializable transaction that has committed.
#[derive(Debug)]
#[allow(dead_code, reason = "a number is there to be printed")]
pub struct Committed {
    id: u64,
    /// The last commit that its snapshot sees.
    snapshot: u64,
    reads: Vec<Read>,
    /// Places of those who deleted what it inserted.
    follows: Vec<u64>,
    writes: BTreeSet<(u64, Vec<u8>)>,
    drops: Vec<u64>,
    /// Its place; none where it has written nothing.
    place: Option<u64>,
}

impl Committed {
    pub fn new(open: &mut Open, place: Option<u64>) -> Committed {
        let (mut writes, mut drops) = (BTreeSet::new(), Vec::new());
        for op in &open.ops {
            match op {
                Op::Put(tree, key, _) | Op::Delete(tree, key) => {
                    writes.insert((*tree, key.clone()));
                }
                Op::Drop(tree) => drops.push(*tree),
            }
        }
        let reads = std::mem::take(&mut open.reads);
        let follows = std::mem::take(&mut open.follows);
        Committed { id: open.txn.id(), snapshot: open.snapshot, reads, follows, writes, drops, place }
    }

    /// Whether it has written some of what was read.
    fn has_written(&self, read: &Read) -> bool {
        let from = (read.tree, read.from.clone());
        let end = match &read.to {
            Some(to) => (read.tree, to.clone()),
            None => (read.tree + 1, Vec::new()),
        };
        self.drops.contains(&read.tree) || (from < end && self.writes.range(from..end).next().is_some())
    }
}

/// The dependencies between transactions, by their numbers in the list.
fn edges(committed: &[Committed]) -> Edges {
    let mut edges = Edges::new();
    let mut add = |from: usize, to: usize, edge: Edge| {
        edges.entry((from, to)).or_default().insert(edge);
    };
    for (me, txn) in committed.iter().enumerate() {
        for (writer, other) in committed.iter().enumerate().filter(|(other, _)| *other != me) {
            let Some(place) = other.place else { continue };
            if place <= txn.snapshot || txn.follows.contains(&place) {
                add(writer, me, Edge::Wr);
            }
            if place > txn.snapshot && txn.reads.iter().any(|read| other.has_written(read)) {
                add(me, writer, Edge::Rw);
            }
        }
    }
    edges
}

/// Panics where no serial order explains what was committed. Answers how many transactions have not seen what another wrote.
pub fn check(seed: u64, committed: &[Committed]) -> u64 {
    let edges = edges(committed);
    if let Some((cycle, members)) = cycles::find(committed.len(), &edges).pop_first() {
        let members: Vec<&Committed> = members.iter().map(|index| &committed[*index]).collect();
        panic!("seed {seed}: {cycle:?}, in no serial order: {members:#?}");
    }
    edges.values().filter(|kinds| kinds.contains(&Edge::Rw)).count() as u64
}
