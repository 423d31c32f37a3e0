//! What transactions write and lock.

use plimsoll_storage::{
    BatchWrite, BulkDelete, Error, Insert, Load, LockMode, RowBuffer, TreeId, WaitPolicy, Write,
};
use rand::prelude::*;

use crate::history::{Op, write};
use crate::life::{Open, Simulation};
use crate::lock::Asked;
use crate::serial::Read;

/// Keys that all transactions write, but for the long ones.
const KEYS: u8 = 40;

/// The key of a loaded row.
fn loaded_key(number: u32) -> Vec<u8> {
    [&[200], number.to_be_bytes().as_slice()].concat()
}

impl Simulation {
    /// The keys that there may be: each `step`th of them, from the `first`.
    pub fn keys(&self, first: u32, step: usize) -> impl Iterator<Item = Vec<u8>> + use<> {
        let written = 2 * u32::from(KEYS);
        (first..written + self.fresh).step_by(step).map(move |number| match u8::try_from(number / 2) {
            Ok(byte) if byte < KEYS => vec![byte; if number % 2 == 0 { 1 } else { 40 }],
            _ => loaded_key(number - written + 1),
        })
    }

    pub fn write(&mut self, open: &mut Open, others: &[Open]) {
        open.txn.new_statement();
        if open.read_only {
            return self.write_nothing(open);
        }
        match self.rng.random_range(0..27) {
            0 if !open.failed => {
                self.tell(|| format!("{} has a savepoint", open.txn.id()));
                let lengths = [open.ops.len(), open.held.len(), open.shares.len()];
                open.savepoint = Some((open.txn.savepoint(), lengths));
            }
            1 => {
                if let Some((savepoint, [ops, held, shares])) = &open.savepoint {
                    self.tell(|| format!("{} goes back to its savepoint", open.txn.id()));
                    open.txn.rollback_to(savepoint);
                    open.ops.truncate(*ops);
                    open.held.truncate(*held);
                    open.shares.truncate(*shares);
                    open.failed = false;
                }
            }
            2 => {
                // Enough to be staged.
                for _ in 0..14 {
                    let value = vec![self.rng.random(); 2_000];
                    self.put(open, others, value);
                    if open.waiting.is_some() {
                        break;
                    }
                }
            }
            3..7 => {
                let (tree, key) = self.key();
                // Who deletes has looked for it.
                if open.serializable && !self.get(open, tree, &key) {
                    return;
                }
                let exists = self.newest(open, tree, &key).is_some();
                let result = open.txn.delete(TreeId(tree), &key);
                // Deleting what does not exist locks nothing and leaves no trace.
                if exists || !matches!(result, Ok(Write::Done)) {
                    if matches!(result, Ok(Write::Done)) {
                        self.first_updater(open, tree, &key);
                    }
                    self.done(open, others, result, Op::Delete(tree, key));
                }
            }
            7 | 8 => {
                let row = self.key_beside(others, 0.6);
                let mode = if self.rng.random_bool(0.3) { LockMode::Share } else { LockMode::Update };
                let policy = if self.rng.random_bool(0.7) { WaitPolicy::Wait } else { WaitPolicy::Skip };
                self.ask(open, others, Asked::lock(row, mode), policy);
            }
            9 | 10 => {
                let (tree, key) = self.key();
                let value = vec![self.rng.random(); 30];
                let expected = self.newest(open, tree, &key);
                match open.txn.insert_unique(TreeId(tree), &key, &value) {
                    Ok(Insert::Exists(found)) => {
                        let same = Some(&*found) == expected.as_deref();
                        assert!(open.failed || same, "seed {}: exists", self.seed);
                        if open.serializable && self.history.changed(tree, &key) > open.snapshot {
                            // It has met a row that it cannot see: that is an error to whoever asked.
                            open.failed = true;
                        }
                        open.read(Read::key(tree, &key));
                    }
                    Ok(Insert::Inserted) => {
                        assert!(open.failed || expected.is_none(), "seed {}: inserted twice", self.seed);
                        // Also where its snapshot sees one that was deleted since.
                        open.follows.push(self.history.changed(tree, &key));
                        self.done(open, others, Ok(Write::Done), Op::Put(tree, key, value));
                    }
                    Ok(Insert::Blocked(wait)) => {
                        self.done(open, others, Ok(Write::Blocked(wait)), Op::Put(tree, key, value));
                    }
                    Err(error) => self.done(open, others, Err(error), Op::Put(tree, key, value)),
                }
            }
            11 | 12 => {
                let (tree, _) = self.key();
                let mut rows = RowBuffer::new();
                let one_in = self.rng.random_range(2..10);
                for key in (0..40u8).step_by(one_in) {
                    rows.push(&[key], &[self.rng.random(); 100]);
                }
                let written = match open.txn.put_batch(TreeId(tree), &rows, 0) {
                    Ok(BatchWrite::Done) => rows.len(),
                    Ok(BatchWrite::Blocked { index, wait }) => {
                        drop(wait);
                        if let Some((key, _)) = rows.get(index) {
                            self.in_the_way(open, others, &(tree, key.to_vec()));
                        }
                        index
                    }
                    Ok(BatchWrite::Exists { .. }) => panic!("seed {}: a put finds a row", self.seed),
                    Err(error) => {
                        // Some rows before are in.
                        if !matches!(error, Error::WriteConflict | Error::Deadlock { .. }) {
                            self.refused_or_expected(open, &error);
                        }
                        open.failed = true;
                        open.touched.extend(rows.iter().map(|(key, _)| (tree, key.to_vec())));
                        0
                    }
                };
                for (key, value) in rows.iter().take(written) {
                    self.first_updater(open, tree, key);
                    let op = Op::Put(tree, key.to_vec(), value.to_vec());
                    self.done(open, others, Ok(Write::Done), op);
                }
            }
            13 if !open.failed => self.load(open, others),
            14 if !open.failed => self.delete_seen(open, others),
            24..27 => {
                let row = self.key_to_share(others);
                let policy = if self.rng.random_bool(0.7) { WaitPolicy::Wait } else { WaitPolicy::Skip };
                self.ask(open, others, Asked::lock(row, LockMode::Share), policy);
            }
            _ => {
                let length = self.rng.random_range(0..60);
                let value = (0..length).map(|_| self.rng.random()).collect();
                self.put(open, others, value);
            }
        }
    }

    /// A transaction that promised to write nothing is kept to it.
    fn write_nothing(&mut self, open: &mut Open) {
        let (tree, key) = self.key();
        match open.txn.put(TreeId(tree), &key, b"promised") {
            Err(Error::ReadOnly) => {}
            Ok(_) => panic!("seed {}: a read-only transaction writes", self.seed),
            Err(error) => self.refused_or_expected(open, &error),
        }
    }

    /// Deletes many rows that its snapshot shows, as one statement.
    fn delete_seen(&mut self, open: &mut Open, others: &[Open]) {
        let (tree, _) = self.key();
        let snapshot = open.txn.snapshot();
        let place = if open.base.is_some() { open.snapshot } else { self.history.visible_place() };
        let mut seen = open.base.clone().unwrap_or_else(|| self.history.visible());
        write(&mut seen, &open.ops);
        let share = [0.1, 0.6, 1.0].choose(&mut self.rng).copied().unwrap_or(1.0);
        let seen: Vec<Vec<u8>> = seen.into_keys().filter(|(of, _)| *of == tree).map(|(_, key)| key).collect();
        let mut keys = seen.clone();
        if self.rng.random_bool(0.5) {
            // A part of them with no other row between, which is often not at either end.
            let from = self.rng.random_range(0..=keys.len());
            keys.drain(..from / 2);
            keys.truncate(keys.len() - from.min(keys.len()) / 4);
        }
        keys.retain(|_| self.rng.random_bool(share));
        if self.rng.random_bool(0.2) {
            keys.shuffle(&mut self.rng);
        }
        let mut rows = RowBuffer::new();
        keys.iter().for_each(|key| assert!(rows.push(key, &[])));
        if self.rng.random_bool(0.4) {
            // Now and then as the next part of another deletion of the statement, which deletes others.
            let mut bulk = BulkDelete::new(TreeId(tree));
            let (first, second) = keys.split_at(self.rng.random_range(0..=keys.len()));
            let parts = if self.rng.random_bool(0.3) { vec![first, second] } else { vec![keys.as_slice()] };
            let (mut done, mut ranges) = (0, 0);
            let savepoint = self.rng.random_bool(0.3).then(|| open.txn.savepoint());
            let deleted = parts.into_iter().try_fold(true, |all, part| {
                let mut rows = RowBuffer::new();
                part.iter().for_each(|key| assert!(rows.push(key, &[])));
                let between = |key: &&Vec<u8>| part.first() <= Some(*key) && Some(*key) <= part.last();
                let no_gaps = seen.iter().filter(between).count() == part.len();
                let deleted = all
                    && (part.is_empty() || open.txn.delete_in_file(&mut bulk, &rows, no_gaps, &snapshot)?);
                done += if deleted { part.len() } else { 0 };
                ranges += u64::from(deleted && no_gaps && part.len() > 1);
                Ok(deleted)
            });
            if done > 0 && deleted.is_ok() {
                // Who has deleted them does not do so again.
                let again =
                    open.txn.delete_in_file(&mut BulkDelete::new(TreeId(tree)), &rows, false, &snapshot);
                assert!(again.is_err() || matches!(again, Ok(false)), "seed {}: deleted twice", self.seed);
            }
            if let Some(savepoint) = savepoint.filter(|_| deleted.is_ok()) {
                // As a statement does that fails in the end.
                self.tell(|| format!("{} takes {done} deletions back", open.txn.id()));
                open.txn.rollback_to(&savepoint);
                open.touched.extend(keys.into_iter().map(|key| (tree, key)));
                return;
            }
            self.counts.in_file += done as u64;
            self.counts.ranges += ranges;
            for key in keys.drain(..if deleted.is_ok() { done } else { 0 }).collect::<Vec<_>>() {
                self.deleted(open, others, tree, key);
            }
            rows.clear();
            keys.iter().for_each(|key| assert!(rows.push(key, &[])));
            match deleted {
                Ok(true) => {
                    return;
                }
                Ok(false) => {}
                Err(error) => {
                    // The first part may be.
                    self.refused_or_expected(open, &error);
                    open.failed = true;
                    open.touched.extend(keys.into_iter().map(|key| (tree, key)));
                    return;
                }
            }
        }
        match open.txn.delete_batch(TreeId(tree), &rows, 0, &snapshot) {
            Ok(deleted) => {
                if let Some(key) = keys.get(deleted) {
                    // It is not as the snapshot shows it, or somebody else has it, or it has written it itself.
                    let row = (tree, key.clone());
                    let mine = open.touched.contains(&row);
                    if !mine && !open.serializable && self.history.changed(tree, key) <= place {
                        self.in_the_way(open, others, &row);
                    }
                }
                keys.drain(..deleted).for_each(|key| self.deleted(open, others, tree, key));
            }
            Err(error) => {
                self.refused_or_expected(open, &error);
                open.failed = true;
                open.touched.extend(keys.into_iter().map(|key| (tree, key)));
            }
        }
    }

    fn deleted(&mut self, open: &mut Open, others: &[Open], tree: u64, key: Vec<u8>) {
        self.first_updater(open, tree, &key);
        self.done(open, others, Ok(Write::Done), Op::Delete(tree, key));
    }

    /// Rows with keys of its own, some of them enough for files.
    fn load(&mut self, open: &mut Open, others: &[Open]) {
        let (tree, _) = self.key();
        let mut load = Load::new(TreeId(tree));
        let mut ops = Vec::new();
        let mut outcome = Ok(());
        for _ in 0..self.rng.random_range(1..6) {
            let mut rows = RowBuffer::new();
            for _ in 0..self.rng.random_range(1..8) {
                self.fresh += 1;
                let key = loaded_key(self.fresh);
                let value = vec![self.rng.random(); self.rng.random_range(0..1_500)];
                rows.push(&key, &value);
                ops.push(Op::Put(tree, key, value));
            }
            outcome = open.txn.load(&mut load, &rows, 0).map(|taken| assert_eq!(taken, rows.len()));
            // What does not ascend is not taken.
            assert!(outcome.is_err() || matches!(open.txn.load(&mut load, &rows, 0), Ok(0)));
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() && self.rng.random_bool(0.1) {
            // What is forgotten leaves nothing behind but full files, which go with the transaction.
            drop(load);
            open.failed = true;
            return;
        }
        let few = outcome.and_then(|()| open.txn.finish_load(load));
        let done = few.and_then(|few| open.txn.put_batch(TreeId(tree), &few, 0));
        match done {
            Ok(BatchWrite::Done) => {}
            Ok(_) => panic!("seed {}: a fresh key is somebody's", self.seed),
            Err(error) => {
                self.refused_or_expected(open, &error);
                open.failed = true;
            }
        }
        if !open.failed {
            ops.into_iter().for_each(|op| self.done(open, others, Ok(Write::Done), op));
        }
    }

    fn put(&mut self, open: &mut Open, others: &[Open], value: Vec<u8>) {
        let row = self.key_beside(others, 0.05);
        self.ask(open, others, Asked::put(row, value), WaitPolicy::Wait);
    }

    /// A row, perhaps one that another transaction has to do with.
    fn key_beside(&mut self, others: &[Open], share: f64) -> (u64, Vec<u8>) {
        let other = others.choose(&mut self.rng).filter(|_| self.rng.random_bool(share));
        let rows = other.map(|other| if other.shares.is_empty() { &other.touched } else { &other.shares });
        let row = rows.and_then(|rows| rows.choose(&mut self.rng));
        // Not of a tree that it drops.
        row.filter(|(tree, _)| self.trees.contains(tree)).cloned().unwrap_or_else(|| self.key())
    }

    /// A row that exists, or that others share.
    fn key_to_share(&mut self, others: &[Open]) -> (u64, Vec<u8>) {
        let shared = others.iter().flat_map(|other| &other.shares).choose(&mut self.rng);
        let row = match shared.filter(|_| self.rng.random_bool(0.7)) {
            Some(row) => Some(row),
            None => self.history.durable().keys().choose(&mut self.rng),
        };
        row.filter(|(tree, _)| self.trees.contains(tree)).cloned().unwrap_or_else(|| self.key())
    }

    pub fn key(&mut self) -> (u64, Vec<u8>) {
        let tree = self.trees.choose(&mut self.rng).copied().unwrap_or(1);
        let long = self.rng.random_bool(0.1);
        // A few rows are everybody's.
        let keys = if self.rng.random_bool(0.2) { 4 } else { KEYS };
        let number: u8 = self.rng.random_range(0..keys);
        (tree, if long { vec![number; 40] } else { vec![number] })
    }

    pub fn done(&mut self, open: &mut Open, others: &[Open], result: Result<Write, Error>, op: Op) {
        self.tell(|| {
            let (name, tree, key) = match &op {
                Op::Put(tree, key, _) => ("put", tree, key),
                Op::Delete(tree, key) => ("delete", tree, key),
                Op::Drop(tree) => ("drop", tree, &Vec::new()),
            };
            format!("{} {name} {tree} {:?} {}: {result:?}", open.txn.id(), key.first(), key.len())
        });
        if let Op::Put(tree, key, _) | Op::Delete(tree, key) = &op {
            let row = (*tree, key.clone());
            if matches!(result, Ok(Write::Blocked(_))) {
                self.in_the_way(open, others, &row);
            } else {
                open.touched.push(row);
            }
        }
        match result {
            Ok(Write::Done) => {
                if let Op::Put(tree, key, _) | Op::Delete(tree, key) = &op {
                    self.hold(open, others, *tree, key.clone());
                }
                open.ops.push(op);
            }
            // Somebody else has the row: this one does without.
            Ok(Write::Blocked(_)) | Err(Error::WriteConflict | Error::Deadlock { .. }) => {}
            Err(error) => {
                self.refused_or_expected(open, &error);
                open.failed = true;
            }
        }
    }
}
