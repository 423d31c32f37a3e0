//! What transactions and kept snapshots see, beside what the model says.

use std::collections::VecDeque;

use plimsoll_storage::{Direction, Engine, Error, KeyRange, RowBuffer, Snapshot, TreeId};
use rand::prelude::*;

use crate::history::{Rows, difference, write};
use crate::life::{Kept, Open, Row, Simulation};
use crate::serial::{Read, after};

impl Simulation {
    /// Whether a snapshot has been ended; unknown where the engine, too, has ended some: it could get memory in no other way.
    pub fn ended(&self, engine: &Engine, snapshot: &Snapshot) -> Option<bool> {
        let ended = snapshot.timestamp() < self.ended_before;
        (ended || engine.stats().snapshots_ended == self.ended).then_some(ended)
    }

    /// Somebody reads something.
    pub fn look(&mut self, engine: &Engine, open: &mut [Open], kept: &mut [Kept]) {
        if let Some(mine) = open.choose_mut(&mut self.rng)
            && !mine.failed
            && mine.waiting.is_none()
        {
            let (tree, key) = self.key();
            let expected = self.newest(mine, tree, &key);
            match mine.txn.get_latest(TreeId(tree), &key) {
                Ok(newest) => {
                    assert_eq!(newest.as_deref(), expected.as_deref(), "seed {}: newest", self.seed);
                    // Who looks beyond its snapshot has to know what it does.
                    if self.history.changed(tree, &key) <= mine.snapshot {
                        mine.read(Read::key(tree, &key));
                    }
                }
                Err(error) => self.refused_or_expected(mine, &error),
            }
        }
        let Some(kept) = kept.choose_mut(&mut self.rng) else { return };
        // Also of trees that were dropped since.
        let (tree, (_, key)) = (self.rng.random_range(1..=self.history.highest_tree), self.key());
        let ended = self.ended(engine, &kept.snapshot);
        match kept.snapshot.get(TreeId(tree), &key) {
            Err(Error::SnapshotTooOld) => assert!(ended != Some(false), "seed {}: get, too old", self.seed),
            Ok(value) => {
                assert!(ended != Some(true), "seed {}: get by a snapshot that was ended", self.seed);
                let expected = kept.rows.get(&(tree, key));
                assert_eq!(value.as_deref(), expected.map(Vec::as_slice), "seed {}: get", self.seed);
            }
            Err(error) => self.expected(&error),
        }
        let (scan, rest) = kept.scan.get_or_insert_with(|| {
            let forward = self.rng.random_bool(0.5);
            let direction = if forward { Direction::Forward } else { Direction::Backward };
            let (lower, upper) = (vec![self.rng.random_range(0..20)], vec![self.rng.random_range(20..42)]);
            let whole = self.rng.random_bool(0.5);
            let range = if whole { KeyRange::all() } else { KeyRange::half_open(&lower, &upper) };
            let inside = kept
                .rows
                .iter()
                .filter(|((of, key), _)| *of == tree && (whole || (*key >= lower && *key < upper)));
            let mut rows: VecDeque<Row> =
                inside.map(|((_, key), value)| (key.clone(), value.clone())).collect();
            if !forward {
                rows.make_contiguous().reverse();
            }
            (kept.snapshot.scan(TreeId(tree), range, direction), rows)
        });
        let mut rows = RowBuffer::new();
        let more = scan.next_batch(self.rng.random_range(1..12), &mut rows);
        match more {
            Err(Error::SnapshotTooOld) => {
                assert!(ended != Some(false), "seed {}: scan, too old", self.seed);
                kept.scan = None;
            }
            Ok(more) => {
                assert!(ended != Some(true), "seed {}: scan by a snapshot that was ended", self.seed);
                for (key, value) in rows.iter() {
                    let expected = rest.pop_front();
                    let found = Some((key.to_vec(), value.to_vec()));
                    assert_eq!(found, expected, "seed {}: scan", self.seed);
                }
                if !more {
                    assert!(rest.is_empty(), "seed {}: a scan missed {rest:?}", self.seed);
                    kept.scan = None;
                }
            }
            Err(error) => {
                self.expected(&error);
                kept.scan = None;
            }
        }
    }

    /// A transaction's next statement sees its snapshot and what it has written itself, in memory and in staged files.
    pub fn look_as_transaction(&mut self, engine: &Engine, open: &mut [Open]) {
        let Some(mine) = open.choose_mut(&mut self.rng) else { return };
        if mine.failed || mine.waiting.is_some() || self.rng.random_bool(0.7) {
            return;
        }
        mine.txn.new_statement();
        if mine.base.is_some() && self.rng.random_bool(0.6) {
            let (tree, key) = self.key();
            self.get(mine, tree, &key);
        } else {
            self.scan(engine, mine);
        }
    }

    /// Reads a row by the one snapshot. Answers whether that could be read.
    pub fn get(&mut self, mine: &mut Open, tree: u64, key: &[u8]) -> bool {
        match mine.txn.snapshot().get(TreeId(tree), key) {
            Ok(value) => {
                let row = (tree, key.to_vec());
                let below = || mine.base.as_ref().and_then(|base| base.get(&row)).cloned();
                let expected = mine.own(tree, key).unwrap_or_else(below);
                if !mine.failed {
                    assert_eq!(value.as_deref(), expected.as_deref(), "seed {}: get, own", self.seed);
                }
                mine.read(Read::key(tree, key));
                return true;
            }
            Err(Error::SnapshotTooOld) => {}
            Err(error) => self.refused_or_expected(mine, &error),
        }
        false
    }

    fn scan(&mut self, engine: &Engine, mine: &mut Open) {
        let snapshot = mine.txn.snapshot();
        let mut expected = mine.base.clone().unwrap_or_else(|| self.history.visible());
        write(&mut expected, &mine.ops);
        let tree = self.rng.random_range(1..=self.history.highest_tree);
        expected.retain(|(of, _), _| *of == tree);
        // Some see only a part: a range, or the beginning of it.
        let part = mine.serializable && self.rng.random_bool(0.7);
        let (mut lower, mut upper) = (Vec::new(), None);
        if part {
            let from = self.rng.random_range(0..40);
            (lower, upper) = (vec![from], Some(vec![from + self.rng.random_range(1..10)]));
        }
        let forward = !part || self.rng.random_bool(0.5);
        let direction = if forward { Direction::Forward } else { Direction::Backward };
        let range = match &upper {
            Some(upper) => KeyRange::half_open(&lower, upper),
            None => KeyRange::all(),
        };
        let mut rows = RowBuffer::new();
        let mut scan = snapshot.scan(TreeId(tree), range, direction);
        let batch = self.rng.random_range(1..60);
        loop {
            match scan.next_batch(batch, &mut rows) {
                Ok(true) if part && self.rng.random_bool(0.3) => {
                    // It has passed what it has found, and all before that.
                    let Some((last, _)) = rows.iter().last() else { return };
                    match forward {
                        true => upper = Some(after(last)),
                        false => lower = last.to_vec(),
                    }
                    break;
                }
                Ok(true) => {}
                Ok(false) => break,
                Err(Error::SnapshotTooOld) => {
                    let ended = self.ended(engine, &snapshot);
                    return assert!(ended != Some(false), "seed {}: too old", self.seed);
                }
                Err(error) => return self.refused_or_expected(mine, &error),
            }
        }
        let ended = self.ended(engine, &snapshot);
        assert!(ended != Some(true), "seed {}: scan by a snapshot that was ended", self.seed);
        let found: Rows = rows.iter().map(|(key, value)| ((tree, key.to_vec()), value.to_vec())).collect();
        expected.retain(|(_, key), _| *key >= lower && upper.as_ref().is_none_or(|upper| key < upper));
        let difference = difference(&found, &expected);
        assert!(difference.is_empty(), "seed {}: a transaction sees {difference:?}", self.seed);
        mine.read(Read::span(tree, lower, upper));
    }

    /// The newest row, committed or the transaction's own.
    pub fn newest(&self, mine: &Open, tree: u64, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(own) = mine.own(tree, key) {
            return own;
        }
        self.history.newest(tree, key)
    }
}
