//! What transactions write and lock.

use plimsoll_storage::{
    BatchWrite, Error, Insert, Load, LockMode, LockOutcome, RowBuffer, TreeId, WaitPolicy, Write,
};
use rand::prelude::*;

use crate::history::Op;
use crate::life::{Open, Simulation};

impl Simulation {
    pub fn write(&mut self, open: &mut Open, others: &[Open]) {
        open.txn.new_statement();
        match self.rng.random_range(0..24) {
            0 if !open.failed => {
                self.tell(|| format!("{} has a savepoint", open.txn.id()));
                open.savepoint = Some((open.txn.savepoint(), open.ops.len(), open.held.len()));
            }
            1 => {
                if let Some((savepoint, ops, held)) = &open.savepoint {
                    self.tell(|| format!("{} goes back to its savepoint", open.txn.id()));
                    open.txn.rollback_to(savepoint);
                    open.ops.truncate(*ops);
                    open.held.truncate(*held);
                    open.failed = false;
                }
            }
            2 => {
                // Enough to be staged.
                for _ in 0..14 {
                    let value = vec![self.rng.random(); 2_000];
                    self.put(open, others, value);
                }
            }
            3..8 => {
                let (tree, key) = self.key();
                let exists = self.newest(open, tree, &key).is_some();
                let result = open.txn.delete(TreeId(tree), &key);
                // Deleting what does not exist locks nothing and leaves no trace.
                if exists || !matches!(result, Ok(Write::Done)) {
                    self.done(open, others, result, Op::Delete(tree, key));
                }
            }
            8 => {
                let (tree, key) = self.key();
                match open.txn.lock_row(TreeId(tree), &key, LockMode::Update, WaitPolicy::Skip) {
                    Ok(LockOutcome::Locked { current, .. }) => {
                        let expected = self.newest(open, tree, &key);
                        if !open.failed {
                            assert_eq!(current.as_deref(), expected.as_deref(), "seed {}: locked", self.seed);
                        }
                        self.hold(open, others, tree, key);
                    }
                    Ok(_) | Err(Error::WriteConflict) => {}
                    Err(error) => self.expected(&error),
                }
            }
            9 | 10 => {
                let (tree, key) = self.key();
                let value = vec![self.rng.random(); 30];
                let expected = self.newest(open, tree, &key);
                match open.txn.insert_unique(TreeId(tree), &key, &value) {
                    Ok(Insert::Exists(found)) => {
                        let same = Some(&*found) == expected.as_deref();
                        assert!(open.failed || same, "seed {}: exists", self.seed);
                    }
                    Ok(Insert::Inserted) => {
                        assert!(open.failed || expected.is_none(), "seed {}: inserted twice", self.seed);
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
                    Ok(BatchWrite::Blocked { index, .. } | BatchWrite::Exists { index, .. }) => index,
                    // Some rows before are in.
                    Err(Error::WriteConflict | Error::Deadlock { .. }) => {
                        open.failed = true;
                        0
                    }
                    Err(error) => {
                        self.expected(&error);
                        open.failed = true;
                        0
                    }
                };
                for (key, value) in rows.iter().take(written) {
                    let op = Op::Put(tree, key.to_vec(), value.to_vec());
                    self.done(open, others, Ok(Write::Done), op);
                }
            }
            13 if !open.failed => self.load(open, others),
            _ => {
                let length = self.rng.random_range(0..60);
                let value = (0..length).map(|_| self.rng.random()).collect();
                self.put(open, others, value);
            }
        }
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
                let mut key = vec![200];
                key.extend_from_slice(&self.fresh.to_be_bytes());
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
                self.expected(&error);
                open.failed = true;
            }
        }
        if !open.failed {
            ops.into_iter().for_each(|op| self.done(open, others, Ok(Write::Done), op));
        }
    }

    fn put(&mut self, open: &mut Open, others: &[Open], value: Vec<u8>) {
        let (tree, key) = self.key();
        let result = open.txn.put(TreeId(tree), &key, &value);
        self.done(open, others, result, Op::Put(tree, key, value));
    }

    pub fn key(&mut self) -> (u64, Vec<u8>) {
        let tree = self.trees.choose(&mut self.rng).copied().unwrap_or(1);
        let long = self.rng.random_bool(0.1);
        let number: u8 = self.rng.random_range(0..40);
        (tree, if long { vec![number; 40] } else { vec![number] })
    }

    fn done(&mut self, open: &mut Open, others: &[Open], result: Result<Write, Error>, op: Op) {
        self.tell(|| {
            let (name, tree, key) = match &op {
                Op::Put(tree, key, _) => ("put", tree, key),
                Op::Delete(tree, key) => ("delete", tree, key),
                Op::Drop(tree) => ("drop", tree, &Vec::new()),
            };
            format!("{} {name} {tree} {:?} {}: {result:?}", open.txn.id(), key.first(), key.len())
        });
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
                self.expected(&error);
                open.failed = true;
            }
        }
    }

    /// The transaction has got a row for itself: nobody else may have it.
    fn hold(&self, open: &mut Open, others: &[Open], tree: u64, key: Vec<u8>) {
        let row = (tree, key);
        let shared = others.iter().any(|other| other.held.contains(&row));
        assert!(!shared, "seed {}: two transactions hold {row:?}", self.seed);
        open.held.push(row);
    }
}
