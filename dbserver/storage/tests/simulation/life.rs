//! One seed: the lives and deaths of an engine.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use plimsoll_storage::io::Io;
use plimsoll_storage::{
    Direction, Durability, Engine, Error, Isolation, KeyRange, Options, RowBuffer, Savepoint, Scan, Snapshot,
    Transaction, TreeId,
};
use rand::prelude::*;

use crate::history::{History, Op, Rows, difference, highest_tree};
use crate::support::{Faults, SimIo};

pub type Row = (Vec<u8>, Vec<u8>);

pub struct Open {
    pub txn: Transaction,
    /// What its one snapshot sees; none where each statement has its own.
    pub base: Option<Rows>,
    pub ops: Vec<Op>,
    /// Rows that it holds alone, by a write or a lock.
    pub held: Vec<(u64, Vec<u8>)>,
    pub savepoint: Option<(Savepoint, usize, usize)>,
    /// A write failed half-way: it must be rolled back.
    pub failed: bool,
}

impl Open {
    /// The value that it has given the row; `None` where it has not written it.
    pub fn own(&self, tree: u64, key: &[u8]) -> Option<Option<Vec<u8>>> {
        self.ops.iter().rev().find_map(|op| match op {
            Op::Put(t, k, value) if *t == tree && k == key => Some(Some(value.clone())),
            Op::Delete(t, k) if *t == tree && k == key => Some(None),
            _ => None,
        })
    }
}

/// A snapshot that is kept, with the rows it must go on to see.
pub struct Kept {
    pub snapshot: Snapshot,
    pub rows: Rows,
    /// A scan on its way, and what it has not come to yet.
    pub scan: Option<(Scan, VecDeque<Row>)>,
}

pub struct Simulation {
    pub seed: u64,
    pub rng: StdRng,
    pub io: SimIo,
    pub history: History,
    pub fatal: Arc<Mutex<Option<Error>>>,
    pub trees: Vec<u64>,
    /// Keys that nobody has used yet begin with this.
    pub fresh: u32,
    /// Whether what happens is printed.
    pub told: bool,
    pub aside: StdRng,
    /// How many of the commits are asynchronous.
    pub asynchronous: f64,
    /// In this life: snapshots from before this timestamp have been ended.
    pub ended_before: u64,
    /// How many they were.
    pub ended: u64,
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
    pub fn tell(&self, what: impl FnOnce() -> String) {
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

    fn allocated(&mut self, tree: TreeId) {
        let taken = tree.0 <= self.history.committed_tree || self.trees.contains(&tree.0);
        assert!(!taken, "seed {}: tree {} handed out twice", self.seed, tree.0);
        self.history.highest_tree = self.history.highest_tree.max(tree.0);
        self.trees.push(tree.0);
    }

    pub fn expected(&self, error: &Error) {
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
