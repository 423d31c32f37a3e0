//! One seed: the lives and deaths of an engine.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use plimsoll_storage::io::Io;
use plimsoll_storage::{
    BatchWrite, Direction, Durability, Engine, Error, Insert, Isolation, KeyRange, Load, LockMode,
    LockOutcome, Options, RowBuffer, Savepoint, Scan, Snapshot, Transaction, TreeId, WaitPolicy, Write,
};
use rand::prelude::*;

use crate::history::{History, Op, Rows, difference, highest_tree, write};
use crate::support::{Faults, SimIo};

type Row = (Vec<u8>, Vec<u8>);

struct Open {
    txn: Transaction,
    /// What its one snapshot sees; none where each statement has its own.
    base: Option<Rows>,
    ops: Vec<Op>,
    /// Rows that it holds alone, by a write or a lock.
    held: Vec<(u64, Vec<u8>)>,
    savepoint: Option<(Savepoint, usize, usize)>,
    /// A write failed half-way: it must be rolled back.
    failed: bool,
}

impl Open {
    /// The value that it has given the row; `None` where it has not written it.
    fn own(&self, tree: u64, key: &[u8]) -> Option<Option<Vec<u8>>> {
        self.ops.iter().rev().find_map(|op| match op {
            Op::Put(t, k, value) if *t == tree && k == key => Some(Some(value.clone())),
            Op::Delete(t, k) if *t == tree && k == key => Some(None),
            _ => None,
        })
    }
}

/// A snapshot that is kept, with the rows it must go on to see.
struct Kept {
    snapshot: Snapshot,
    rows: Rows,
    /// A scan on its way, and what it has not come to yet.
    scan: Option<(Scan, VecDeque<Row>)>,
}

struct Simulation {
    seed: u64,
    rng: StdRng,
    io: SimIo,
    history: History,
    fatal: Arc<Mutex<Option<Error>>>,
    trees: Vec<u64>,
    /// Keys that nobody has used yet begin with this.
    fresh: u32,
    /// Whether what happens is printed.
    told: bool,
    aside: StdRng,
    /// How many of the commits are asynchronous.
    asynchronous: f64,
    /// In this life: snapshots from before this timestamp have been ended.
    ended_before: u64,
    /// How many they were.
    ended: u64,
}

impl Simulation {
    fn options(&self) -> Options {
        let fatal = Arc::clone(&self.fatal);
        Options {
            wal_segment_size: 8192,
            // Everything happens at once: staging, eviction, and compaction through several levels.
            memtable_bytes: 600_000,
            cache_bytes: 20_000,
            stage_bytes_min: 6_000,
            file_bytes: [400, 1_000, 4_000][(self.seed % 3) as usize],
            // Few enough that rows get to the third level.
            level_bytes: [600, 2_000, 10_000][(self.seed / 3 % 3) as usize],
            background: false,
            fatal: Arc::new(move |error| *fatal.lock() = Some(error.clone())),
            ..Options::default()
        }
    }

    fn open(&self) -> Result<Engine, Error> {
        let io: Arc<dyn Io> = Arc::new(self.io.process());
        Engine::open(io, Path::new("/data"), self.options())
    }

    fn rows(&self, engine: &Engine) -> Result<Rows, Error> {
        let txn = engine.begin(Isolation::ReadCommitted);
        let snapshot = txn.snapshot();
        let mut rows = Rows::new();
        for tree in 1..=self.history.highest_tree {
            let mut buffer = RowBuffer::new();
            let mut scan = snapshot.scan(TreeId(tree), KeyRange::all(), Direction::Forward);
            while scan.next_batch(100, &mut buffer)? {}
            rows.extend(buffer.iter().map(|(key, value)| ((tree, key.to_vec()), value.to_vec())));
        }
        Ok(rows)
    }

    /// Opens until it works: opening may be cut as well, and fail. Checks what is there against the history.
    fn recover(&mut self) -> Engine {
        loop {
            *self.fatal.lock() = None;
            let faults = if self.rng.random_bool(0.4) { self.faults(60) } else { Faults::default() };
            self.io.set_faults(faults);
            let opened = self.open();
            self.tell(|| format!("opened: {opened:?}"));
            match opened {
                Ok(engine) if !self.io.is_off() => {
                    let passed_over =
                        faults.sync_fails_after.is_some() && self.io.faults().sync_fails_after.is_none();
                    assert!(!passed_over, "seed {}: opened although a sync failed", self.seed);
                    self.io.set_faults(Faults::default());
                    let found =
                        self.rows(&engine).unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
                    self.history.recovered(found);
                    self.trees.retain(|tree| *tree <= self.history.committed_tree);
                    return engine;
                }
                Ok(engine) => self.crash(engine),
                Err(error) => {
                    let failed = matches!(error, Error::Io { .. } | Error::DiskFull);
                    let fine = self.io.is_off() || (failed && self.io.faults() != faults);
                    let full = faults.capacity.is_some() && matches!(error, Error::DiskFull);
                    assert!(fine || full, "seed {}: could not open: {error}", self.seed);
                    self.crash(());
                }
            }
        }
    }

    /// Faults to come, most of them within this many operations.
    fn faults(&mut self, operations: u64) -> Faults {
        let (rng, used) = (&mut self.rng, self.io.used());
        Faults {
            power_cut_after: rng.random_bool(0.6).then(|| rng.random_range(0..operations)),
            sync_fails_after: rng.random_bool(0.1).then(|| rng.random_range(0..operations / 10)),
            read_fails_after: rng.random_bool(0.3).then(|| rng.random_range(0..operations / 3)),
            capacity: rng.random_bool(0.2).then(|| used + rng.random_range(0..100_000)),
        }
    }

    /// The process is killed, or the power is cut. What it leaves behind in memory reaches no disk any more.
    fn crash<T>(&mut self, process: T) {
        let killed = self.rng.random_bool(0.3);
        self.tell(|| if killed { "killed".into() } else { "power cut".into() });
        if killed {
            self.io.kill();
        } else {
            self.io.power_cut();
        }
        drop(process);
    }

    /// One life of the process.
    fn live(&mut self, engine: Engine) {
        let mut open: Vec<Open> = Vec::new();
        let mut kept: Vec<Kept> = Vec::new();
        (self.ended_before, self.ended) = (0, 0);
        for _ in 0..self.rng.random_range(10..120) {
            self.step(&engine, &mut open, &mut kept);
            self.history.acknowledge();
            if self.is_over() {
                break;
            }
            self.look(&engine, &open, &mut kept);
            self.look_as_transaction(&engine, &open);
        }
        if !self.is_over() && self.rng.random_bool(0.2) {
            (open, kept) = (Vec::new(), Vec::new());
            if engine.close().is_ok() {
                self.history.flushed();
            }
        }
        self.crash((open, kept, engine));
    }

    /// What happens, told where one seed runs alone.
    fn tell(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{}", what());
        }
    }

    fn is_over(&self) -> bool {
        self.fatal.lock().is_some() || self.io.is_off()
    }

    fn step(&mut self, engine: &Engine, open: &mut Vec<Open>, kept: &mut Vec<Kept>) {
        match self.rng.random_range(0..100) {
            0..10 if open.len() < 4 => {
                let levels = [Isolation::ReadCommitted, Isolation::RepeatableRead];
                let isolation = *levels.choose(&mut self.rng).unwrap();
                let txn = engine.begin(isolation);
                let base = (isolation == Isolation::RepeatableRead).then(|| {
                    drop(txn.snapshot());
                    self.history.visible()
                });
                open.push(Open {
                    txn,
                    base,
                    ops: Vec::new(),
                    held: Vec::new(),
                    savepoint: None,
                    failed: false,
                });
            }
            10..60 if !open.is_empty() => {
                let index = self.rng.random_range(0..open.len());
                let mut mine = open.swap_remove(index);
                self.write(&mut mine, open);
                open.push(mine);
            }
            98 if !open.is_empty() && self.trees.len() > 1 => {
                // The caller sees to it that nobody else writes to a tree that is dropped.
                let tree = self.trees.swap_remove(self.rng.random_range(0..self.trees.len()));
                let index = self.rng.random_range(0..open.len());
                let uses = |open: &Open| {
                    open.ops.iter().any(|op| highest_tree(std::slice::from_ref(op)) == tree)
                        || open.held.iter().any(|(held, _)| *held == tree)
                };
                if !open.iter().enumerate().any(|(other, open)| other != index && uses(open)) {
                    self.tell(|| format!("{} drops {tree}", open[index].txn.id()));
                    open[index].txn.drop_tree(TreeId(tree));
                    open[index].ops.push(Op::Drop(tree));
                }
            }
            60..75 if !open.is_empty() => {
                let index = self.rng.random_range(0..open.len());
                let Open { txn, ops, failed, .. } = open.swap_remove(index);
                if failed {
                    self.tell(|| format!("{} rolls back", txn.id()));
                    return txn.rollback();
                }
                let id = txn.id();
                let asynchronous = self.aside.random_bool(self.asynchronous);
                let durability =
                    if asynchronous { Durability::Asynchronous } else { Durability::Synchronous };
                let seen = || engine.begin(Isolation::ReadCommitted).snapshot().timestamp();
                let before = if ops.is_empty() { seen() } else { 0 };
                let committed = txn.commit_with(durability);
                self.tell(|| format!("{id} commits {} writes, {durability:?}: {committed:?}", ops.len()));
                match committed {
                    // One that went back over what it had staged is logged although it wrote nothing.
                    Ok(_) if ops.is_empty() && asynchronous && seen() != before => self.history.seen(),
                    Ok(ticket) if ops.is_empty() => drop(ticket),
                    Ok(ticket) => self.history.add(ops, ticket, durability),
                    Err(error) => self.expected(&error),
                }
            }
            75..80 if !open.is_empty() => {
                let index = self.rng.random_range(0..open.len());
                let gone = open.swap_remove(index);
                self.tell(|| format!("{} is dropped", gone.txn.id()));
            }
            80..86 => {
                self.history.acknowledge();
                match self.rows(engine) {
                    Ok(rows) => {
                        let difference = difference(&rows, &self.history.visible());
                        assert!(difference.is_empty(), "seed {}: visible {difference:?}", self.seed);
                        if kept.len() < 3 && self.rng.random_bool(0.5) {
                            // A snapshot outlives its transaction.
                            let snapshot = engine.begin(Isolation::ReadCommitted).snapshot();
                            kept.push(Kept { snapshot, rows, scan: None });
                        }
                    }
                    Err(error) => self.expected(&error),
                }
            }
            86..89 => {
                let flushed = engine.flush();
                self.tell(|| format!("the log is flushed: {flushed:?}"));
                match flushed {
                    Ok(()) => self.history.flushed(),
                    Err(error) => self.expected(&error),
                }
            }
            89..96 => {
                let kind = self.rng.random_range(0..4);
                let result = match kind {
                    0 => engine.checkpoint(),
                    1 => engine.shrink_memory(self.rng.random_range(0..20_000)),
                    _ => engine.checkpoint().and_then(|()| {
                        while self.rng.random_bool(0.95) && engine.compact()? {}
                        Ok(())
                    }),
                };
                self.tell(|| format!("{}: {result:?}", ["checkpoint", "shrink", "compact", "compact"][kind]));
                match result {
                    Ok(()) => self.history.flushed(),
                    Err(error) => self.expected(&error),
                }
            }
            96..98 => match engine.allocate_tree() {
                Ok(tree) => {
                    self.allocated(tree);
                }
                Err(error) => self.expected(&error),
            },
            _ if self.aside.random_bool(0.3) => {
                let before = engine.stats().snapshots_ended;
                let ended = engine.end_oldest_snapshot();
                self.tell(|| format!("the oldest snapshot is ended: {ended:?}"));
                if let Some(timestamp) = ended {
                    self.ended_before = timestamp + 1;
                    self.ended += engine.stats().snapshots_ended - before;
                }
            }
            _ => {
                kept.pop();
            }
        }
    }

    /// Whether a snapshot has been ended; unknown where the engine, too, has ended some: it could get memory in no other way.
    fn ended(&self, engine: &Engine, snapshot: &Snapshot) -> Option<bool> {
        let ended = snapshot.timestamp() < self.ended_before;
        (ended || engine.stats().snapshots_ended == self.ended).then_some(ended)
    }

    /// Somebody reads something.
    fn look(&mut self, engine: &Engine, open: &[Open], kept: &mut [Kept]) {
        if let Some(mine) = open.choose(&mut self.rng)
            && !mine.failed
        {
            let (tree, key) = self.key();
            let expected = self.newest(mine, tree, &key);
            match mine.txn.get_latest(TreeId(tree), &key) {
                Ok(newest) => {
                    assert_eq!(newest.as_deref(), expected.as_deref(), "seed {}: newest", self.seed)
                }
                Err(error) => self.expected(&error),
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
    fn look_as_transaction(&mut self, engine: &Engine, open: &[Open]) {
        let Some(mine) = open.choose(&mut self.rng) else { return };
        if mine.failed || self.rng.random_bool(0.7) {
            return;
        }
        mine.txn.new_statement();
        let snapshot = mine.txn.snapshot();
        let mut expected = mine.base.clone().unwrap_or_else(|| self.history.visible());
        write(&mut expected, &mine.ops);
        let tree = self.rng.random_range(1..=self.history.highest_tree);
        let mut rows = RowBuffer::new();
        let mut scan = snapshot.scan(TreeId(tree), KeyRange::all(), Direction::Forward);
        let batch = self.rng.random_range(1..60);
        loop {
            match scan.next_batch(batch, &mut rows) {
                Ok(true) => {}
                Ok(false) => break,
                Err(Error::SnapshotTooOld) => {
                    let ended = self.ended(engine, &snapshot);
                    return assert!(ended != Some(false), "seed {}: too old", self.seed);
                }
                Err(error) => return self.expected(&error),
            }
        }
        let ended = self.ended(engine, &snapshot);
        assert!(ended != Some(true), "seed {}: scan by a snapshot that was ended", self.seed);
        let found: Rows = rows.iter().map(|(key, value)| ((tree, key.to_vec()), value.to_vec())).collect();
        expected.retain(|(of, _), _| *of == tree);
        let difference = difference(&found, &expected);
        assert!(difference.is_empty(), "seed {}: a transaction sees {difference:?}", self.seed);
    }

    /// The newest row, committed or the transaction's own.
    fn newest(&self, mine: &Open, tree: u64, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(own) = mine.own(tree, key) {
            return own;
        }
        self.history.newest(tree, key)
    }

    fn allocated(&mut self, tree: TreeId) {
        let taken = tree.0 <= self.history.committed_tree || self.trees.contains(&tree.0);
        assert!(!taken, "seed {}: tree {} handed out twice", self.seed, tree.0);
        self.history.highest_tree = self.history.highest_tree.max(tree.0);
        self.trees.push(tree.0);
    }

    fn write(&mut self, open: &mut Open, others: &[Open]) {
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

    fn key(&mut self) -> (u64, Vec<u8>) {
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

    fn expected(&self, error: &Error) {
        let fine = match error {
            Error::DiskFull => true,
            Error::Fatal(_) | Error::Io { .. } | Error::Closed => {
                self.io.is_off() || self.fatal.lock().is_some() || {
                    // A checkpoint whose file could not be synced; the log goes on.
                    matches!(error, Error::Io { action: "sync" | "write" | "read", .. })
                }
            }
            _ => false,
        };
        assert!(fine, "seed {}: unexpected {error:?}", self.seed);
    }
}

/// Runs a seed and answers what tells its course from any other.
pub fn simulate(seed: u64, told: bool) -> (u32, u64) {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
    let synchronous = rng.random_bool(0.85);
    // Of its own, so that what it decides does not turn each seed into another course.
    let mut aside = StdRng::seed_from_u64(seed ^ 0xa51de);
    let asynchronous = if !synchronous {
        1.0
    } else if aside.random_bool(0.4) {
        0.3
    } else {
        0.0
    };
    let mut simulation = Simulation {
        seed,
        rng,
        io: SimIo::new(seed),
        history: History::new(seed),
        fatal: Arc::default(),
        trees: vec![],
        fresh: 0,
        told,
        aside,
        asynchronous,
        ended_before: 0,
        ended: 0,
    };
    for _ in 0..5 {
        let engine = simulation.recover();
        if simulation.trees.is_empty() {
            let tree = engine.allocate_tree().unwrap();
            simulation.allocated(tree);
        }
        let faults = simulation.faults(300);
        simulation.tell(|| format!("{faults:?}"));
        simulation.io.set_faults(faults);
        simulation.live(engine);
    }
    drop(simulation.recover());
    (simulation.io.trace(), simulation.rng.random())
}
