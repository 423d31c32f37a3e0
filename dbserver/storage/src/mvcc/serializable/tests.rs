//! Random schedules of a small database under snapshot isolation, judged by a checker that knows everything: what is
//! committed is always serializable, and what is refused is little more than it has to be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rand::prelude::*;

use super::*;
use crate::key::KeyRange;

const TREE: TreeId = TreeId(1);
const KEYS: u8 = 6;

/// A transaction of a schedule.
struct Txn {
    state: Arc<TxnState>,
    snapshot: u64,
    read_only: bool,
    /// Keys with the timestamp of the version seen, 0 where there was none.
    reads: BTreeMap<u8, u64>,
    writes: BTreeSet<u8>,
    end: Option<u64>,
}

struct Model {
    inner: Inner,
    rng: StdRng,
    now: u64,
    /// Newest commit that a new snapshot sees: it lags behind, as durability does.
    visible: u64,
    /// Timestamps of each key's versions.
    versions: BTreeMap<u8, Vec<u64>>,
    running: Vec<Txn>,
    committed: Vec<Txn>,
    refused: usize,
    next: u64,
    read_only_refused_when_safe: bool,
}

impl Model {
    fn new(seed: u64) -> Model {
        Model {
            inner: Inner::default(),
            rng: StdRng::seed_from_u64(seed),
            now: 0,
            visible: 0,
            versions: BTreeMap::new(),
            running: Vec::new(),
            committed: Vec::new(),
            refused: 0,
            next: 1,
            read_only_refused_when_safe: false,
        }
    }

    fn step(&mut self, concurrent: usize) {
        self.visible = self.visible.max(self.now.saturating_sub(self.rng.random_range(0..3)));
        if self.running.len() < concurrent && self.rng.random_bool(0.3) {
            let read_only = self.rng.random_bool(0.25);
            let state = Arc::new(TxnState::new(self.next));
            self.next += 1;
            self.inner.begin(&state, self.visible, read_only);
            let (reads, writes) = (BTreeMap::new(), BTreeSet::new());
            self.running.push(Txn { state, snapshot: self.visible, read_only, reads, writes, end: None });
        }
        if self.running.is_empty() {
            return;
        }
        let index = self.rng.random_range(0..self.running.len());
        let was_safe = self.running[index].state.standing.get() == SAFE;
        let length = self.rng.random_range(1..KEYS);
        let result = match self.rng.random_range(0..10) {
            0..3 => self.read(index, None),
            3..5 => self.read(index, Some(length)),
            5..8 => self.write(index),
            8 => return self.finish(index),
            _ => Ok(()),
        };
        if result.is_err() {
            self.read_only_refused_when_safe |= was_safe;
            let txn = self.running.swap_remove(index);
            self.inner.leave(txn.state.id, APART);
            self.refused += 1;
        }
    }

    /// Reads a key, or a range of this length.
    fn read(&mut self, index: usize, length: Option<u8>) -> Result<()> {
        let from = self.rng.random_range(0..KEYS);
        let to = (from + length.unwrap_or(1)).min(KEYS);
        let txn = &mut self.running[index];
        for key in from..to {
            let seen = self.versions.get(&key).into_iter().flatten().filter(|at| **at <= txn.snapshot).max();
            if !txn.writes.contains(&key) {
                txn.reads.insert(key, seen.copied().unwrap_or(0));
            }
        }
        let span = match length {
            None => Span::key(&[from]),
            Some(_) => Span::range(&KeyRange::half_open(&[from], &[to])),
        };
        self.inner.act(&txn.state, TREE, Act::Read, span)
    }

    /// Writes a key: the first updater wins.
    fn write(&mut self, index: usize) -> Result<()> {
        let key = self.rng.random_range(0..KEYS);
        if self.running[index].read_only {
            return Ok(());
        }
        let others =
            self.running.iter().enumerate().any(|(at, txn)| at != index && txn.writes.contains(&key));
        if others {
            return Ok(());
        }
        let txn = &mut self.running[index];
        if self.versions.get(&key).into_iter().flatten().any(|at| *at > txn.snapshot) {
            return Ok(());
        }
        self.inner.act(&txn.state, TREE, Act::Write, Span::key(&[key]))?;
        txn.writes.insert(key);
        Ok(())
    }

    fn finish(&mut self, index: usize) {
        let mut txn = self.running.swap_remove(index);
        if self.rng.random_bool(0.1) {
            return self.inner.leave(txn.state.id, APART);
        }
        let timestamp = (!txn.writes.is_empty()).then_some(self.now + 1);
        if self.inner.commit(&txn.state, timestamp).is_err() {
            self.refused += 1;
            return;
        }
        if let Some(timestamp) = timestamp {
            self.now = timestamp;
            for key in &txn.writes {
                self.versions.entry(*key).or_default().push(timestamp);
            }
        }
        txn.end = timestamp;
        self.committed.push(txn);
    }

    /// Whether the committed transactions depend on each other in no circle.
    fn is_serializable(&self) -> bool {
        let mut edges: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        let writer: HashMap<(u8, u64), usize> = self
            .committed
            .iter()
            .enumerate()
            .filter_map(|(index, txn)| Some((index, txn, txn.end?)))
            .flat_map(|(index, txn, end)| txn.writes.iter().map(move |key| ((*key, end), index)))
            .collect();
        for (index, txn) in self.committed.iter().enumerate() {
            for (key, seen) in &txn.reads {
                if let Some(from) = writer.get(&(*key, *seen)) {
                    edges.entry(*from).or_default().insert(index);
                }
                let next = self.versions.get(key).into_iter().flatten().filter(|at| *at > seen).min();
                if let Some(to) = next.and_then(|at| writer.get(&(*key, *at))) {
                    edges.entry(index).or_default().insert(*to);
                }
            }
        }
        for (key, versions) in &self.versions {
            for pair in versions.windows(2) {
                edges.entry(writer[&(*key, pair[0])]).or_default().insert(writer[&(*key, pair[1])]);
            }
        }
        // Transactions nobody else comes before are taken away until none is left.
        for (index, targets) in &mut edges {
            targets.remove(index);
        }
        let mut incoming = vec![0; self.committed.len()];
        edges.values().flatten().for_each(|to| incoming[*to] += 1);
        let mut free: Vec<usize> = (0..incoming.len()).filter(|index| incoming[*index] == 0).collect();
        let mut taken = 0;
        while let Some(index) = free.pop() {
            taken += 1;
            for to in edges.get(&index).into_iter().flatten() {
                incoming[*to] -= 1;
                if incoming[*to] == 0 {
                    free.push(*to);
                }
            }
        }
        taken == self.committed.len()
    }
}

fn run(
    seeds: std::ops::Range<u64>,
    prepare: impl Fn(&mut Model),
    each: impl Fn(&mut Model),
) -> (usize, usize) {
    let (mut committed, mut refused) = (0, 0);
    for seed in seeds {
        let mut model = Model::new(seed);
        prepare(&mut model);
        for _ in 0..120 {
            model.step(2 + seed as usize % 4);
            each(&mut model);
        }
        assert!(model.is_serializable(), "seed {seed}");
        assert!(!model.read_only_refused_when_safe, "seed {seed}");
        committed += model.committed.len();
        refused += model.refused;
        // Once the others are over, a new one is told of nobody.
        while let Some(txn) = model.running.pop() {
            model.inner.leave(txn.state.id, APART);
        }
        model.inner.begin(&Arc::new(TxnState::new(model.next)), model.now, false);
        assert_eq!((model.inner.graph.ended(), model.inner.marks.count()), (0, 0), "seed {seed}");
        model.inner.leave(model.next, APART);
        assert_eq!(model.inner.graph.ended() + model.inner.active.len(), 0, "seed {seed}");
    }
    (committed, refused)
}

#[test]
fn what_is_committed_is_serializable() {
    let (committed, refused) = run(0..1_000, |_| (), |_| ());
    assert!(committed > 7_000 && refused < committed, "{committed} committed, {refused} refused");
}

#[test]
fn coarse_marks_and_old_transactions_only_refuse_more() {
    let few = run(0..500, |model| model.inner.marks.limit(1), |_| ());
    let old = run(
        0..500,
        |_| (),
        |model| {
            if model.rng.random_bool(0.3)
                && let Some((txn, old)) = model.inner.graph.pop_old()
            {
                model.inner.marks.remove(txn, Some(old));
            }
        },
    );
    for (committed, refused) in [few, old] {
        assert!(committed > 2_000 && refused < 2 * committed, "{committed} committed, {refused} refused");
    }
}
