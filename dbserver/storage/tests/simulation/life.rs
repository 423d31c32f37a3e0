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
use crate::lock::Waiting;
use crate::serial::{self, Committed, Read};
use crate::support::{Faults, SimIo};

pub type Row = (Vec<u8>, Vec<u8>);

pub struct Open {
    /// What it waits for; it does nothing else meanwhile.
    pub waiting: Option<Waiting>,
    pub txn: Transaction,
    /// What its one snapshot sees; none where each statement has its own.
    pub base: Option<Rows>,
    pub ops: Vec<Op>,
    /// Place of the newest commit that its one snapshot sees.
    pub snapshot: u64,
    /// Rows that it holds alone, by a write or a lock.
    pub held: Vec<(u64, Vec<u8>)>,
    /// Rows that it holds with others.
    pub shares: Vec<(u64, Vec<u8>)>,
    /// The same with those that it may have given up when it went back to a savepoint, or that do not exist.
    pub shared: Vec<(u64, Vec<u8>)>,
    /// All rows that it may hold alone or have been offered: nobody waits for any others because of it.
    pub touched: Vec<(u64, Vec<u8>)>,
    pub savepoint: Option<(Savepoint, [usize; 3])>,
    /// A write failed half-way: it must be rolled back.
    pub failed: bool,
    pub serializable: bool,
    /// Serializable: what it has read.
    pub reads: Vec<Read>,
    /// Places of the commits that changed last what it has inserted.
    pub follows: Vec<u64>,
    /// It was refused because of what it has read: it cannot commit.
    pub refused: bool,
    /// It promised to write nothing.
    pub read_only: bool,
    /// And sees nothing that could make it be refused.
    pub safe: bool,
}

impl Open {
    fn new(txn: Transaction, snapshot: u64, base: Option<Rows>) -> Open {
        let serializable = txn.isolation() == Isolation::Serializable;
        Open {
            waiting: None,
            txn,
            base,
            ops: Vec::new(),
            snapshot,
            held: Vec::new(),
            shares: Vec::new(),
            shared: Vec::new(),
            touched: Vec::new(),
            savepoint: None,
            failed: false,
            serializable,
            reads: Vec::new(),
            follows: Vec::new(),
            refused: false,
            read_only: false,
            safe: false,
        }
    }

    /// What a serializable transaction has read.
    pub fn read(&mut self, read: Read) {
        if self.serializable {
            self.reads.push(read);
        }
    }

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
    /// How many of the transactions are serializable.
    serializable: f64,
    /// In this life: what serializable transactions have done.
    committed: Vec<Committed>,
    pub counts: Counts,
}

/// How often something came about that a test which never sees it could not judge.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Serializable transactions that committed, and that were refused because of what they had read.
    pub serializable: u64,
    pub refused: u64,
    /// Pairs of them of which one has not seen what the other wrote.
    pub unseen: u64,
    /// Snapshots that became safe, or were.
    pub safe: u64,
    /// Share locks taken, and those that another transaction had as well.
    pub shared: u64,
    pub shared_by_several: u64,
    /// Waits that ended with the lock, and in a deadlock.
    pub woken: u64,
    pub deadlocks: u64,
    /// Rows whose deletions went straight to a file.
    pub in_file: u64,
    /// Files of such deletions with a range tombstone.
    pub ranges: u64,
}

impl Counts {
    pub fn add(&mut self, other: Counts) {
        let Counts {
            serializable,
            refused,
            unseen,
            safe,
            shared,
            shared_by_several,
            woken,
            deadlocks,
            in_file,
            ranges,
        } = other;
        self.serializable += serializable;
        self.refused += refused;
        self.unseen += unseen;
        self.safe += safe;
        self.shared += shared;
        self.shared_by_several += shared_by_several;
        self.woken += woken;
        self.deadlocks += deadlocks;
        self.in_file += in_file;
        self.ranges += ranges;
    }
}

impl Simulation {
    fn options(&self) -> Options {
        let fatal = Arc::clone(&self.fatal);
        Options {
            wal_segment_size: 8192,
            // Everything happens at once: staging, eviction, and compaction through several levels.
            memtable_bytes: 600_000,
            // Too little for most blocks, or room for all that is written.
            cache_bytes: [20_000, 1_000_000][(self.seed / 9 % 2) as usize],
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

    /// Looks up one in eight of the rows that there may be, and finds what scans have found: all of them were half of the
    /// simulator's time.
    fn rows_one_by_one(&mut self, engine: &Engine, rows: &Rows) -> Result<(), Error> {
        let snapshot = engine.begin(Isolation::ReadCommitted).snapshot();
        for tree in 1..=self.history.highest_tree {
            let first = self.rng.random_range(0..8);
            for key in self.keys(first, 8) {
                let found = snapshot.get(TreeId(tree), &key)?;
                let row = (tree, key);
                let expected = rows.get(&row);
                assert_eq!(found.as_deref(), expected.map(Vec::as_slice), "seed {}: get {row:?}", self.seed);
            }
        }
        Ok(())
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
                    if self.rng.random_bool(0.2) {
                        self.rows_one_by_one(&engine, &found)
                            .unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
                    }
                    self.history.recovered(found);
                    self.trees.retain(|tree| *tree <= self.history.committed_tree);
                    self.rows_are_counted(&engine, 1..=self.history.highest_tree);
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

    /// Nobody is writing: the counts of these trees' rows are exact.
    fn rows_are_counted(&self, engine: &Engine, trees: impl IntoIterator<Item = u64>) {
        let newest = self.history.newest_rows();
        for tree in trees {
            let expected = newest.keys().filter(|(of, _)| *of == tree).count() as u64;
            let counted = engine.tree_len(TreeId(tree));
            assert_eq!(counted, expected, "seed {}: rows of tree {tree}", self.seed);
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
        self.committed.clear();
        for _ in 0..self.rng.random_range(10..120) {
            self.step(&engine, &mut open, &mut kept);
            self.history.acknowledge();
            if self.is_over() {
                break;
            }
            self.nobody_waits_in_vain(&open);
            self.look(&engine, &mut open, &mut kept);
            self.look_as_transaction(&engine, &mut open);
        }
        self.counts.unseen += serial::check(self.seed, &self.committed);
        if !self.is_over() && self.rng.random_bool(0.2) {
            (open, kept) = (Vec::new(), Vec::new());
            self.rows_are_counted(&engine, self.trees.iter().copied());
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
                let begun = self.begin(engine, open);
                open.push(begun);
            }
            10..60 if !open.is_empty() => {
                let index = self.rng.random_range(0..open.len());
                let mut mine = open.swap_remove(index);
                if !self.wait(&mut mine, open) {
                    self.write(&mut mine, open);
                }
                open.push(mine);
            }
            98 if !open.is_empty() && self.trees.len() > 1 => {
                // The caller sees to it that nobody else writes to a tree that is dropped.
                let tree = self.trees.swap_remove(self.rng.random_range(0..self.trees.len()));
                let index = self.rng.random_range(0..open.len());
                let uses = |open: &Open| {
                    open.ops.iter().any(|op| highest_tree(std::slice::from_ref(op)) == tree)
                        || open.touched.iter().chain(&open.shared).any(|(touched, _)| *touched == tree)
                };
                let used = open.iter().enumerate().any(|(other, open)| other != index && uses(open));
                if !used && !open[index].read_only {
                    self.tell(|| format!("{} drops {tree}", open[index].txn.id()));
                    open[index].txn.drop_tree(TreeId(tree));
                    open[index].ops.push(Op::Drop(tree));
                }
            }
            60..75 if !open.is_empty() => {
                let index = self.rng.random_range(0..open.len());
                let mine = open.swap_remove(index);
                self.commit(engine, mine, open);
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
                        if self.rng.random_bool(0.1)
                            && let Err(error) = self.rows_one_by_one(engine, &rows)
                        {
                            self.expected(&error);
                        }
                        if kept.len() < 3 && self.rng.random_bool(0.5) {
                            // A snapshot outlives its transaction.
                            let snapshot = engine.begin(Isolation::ReadCommitted).snapshot();
                            kept.push(Kept { snapshot, rows, scan: None });
                        }
                    }
                    Err(error) => self.expected(&error),
                }
                if open.is_empty() {
                    self.rows_are_counted(engine, self.trees.iter().copied());
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

    fn begin(&mut self, engine: &Engine, others: &[Open]) -> Open {
        let isolation = if self.rng.random_bool(self.serializable) {
            Isolation::Serializable
        } else {
            *[Isolation::ReadCommitted, Isolation::RepeatableRead].choose(&mut self.rng).unwrap()
        };
        let txn = engine.begin(isolation);
        self.tell(|| format!("{} begins: {isolation:?}", txn.id()));
        if isolation == Isolation::ReadCommitted {
            return Open::new(txn, 0, None);
        }
        let read_only = isolation == Isolation::Serializable && self.rng.random_bool(0.2);
        if read_only {
            txn.declare_read_only();
        }
        drop(txn.snapshot());
        let mut open = Open::new(txn, self.history.visible_place(), Some(self.history.visible()));
        open.read_only = read_only;
        if read_only && self.rng.random_bool(0.5) {
            self.ask_for_safety(&mut open, others);
        }
        open
    }

    /// A read-only transaction asks for a snapshot that nothing can make it be refused for.
    pub fn ask_for_safety(&mut self, open: &mut Open, others: &[Open]) {
        let before = open.txn.fixed_snapshot();
        let asked = open.txn.safe_snapshot();
        self.tell(|| format!("{} asks for a safe snapshot: {asked:?}", open.txn.id()));
        if asked.is_ok() && open.txn.fixed_snapshot() != before {
            // It has waited for commits, and for a snapshot that sees them.
            self.history.acknowledge();
            (open.snapshot, open.base) = (self.history.visible_place(), Some(self.history.visible()));
            assert!(open.reads.is_empty(), "seed {}: another snapshot after reading", self.seed);
        }
        match asked {
            Ok(None) => {
                open.safe = true;
                self.counts.safe += 1;
            }
            Ok(Some(wait)) => self.blocked(open, others, wait, None),
            Err(error) => {
                self.expected(&error);
                open.failed = true;
            }
        }
    }

    fn commit(&mut self, engine: &Engine, mut mine: Open, others: &[Open]) {
        // Whoever waits gives up first.
        mine.waiting = None;
        let id = mine.txn.id();
        if mine.failed {
            if mine.refused && self.rng.random_bool(0.5) {
                let committed = mine.txn.commit();
                self.tell(|| format!("{id} commits although it was refused: {committed:?}"));
                match committed {
                    Ok(_) => panic!("seed {}: {id} commits although it was refused", self.seed),
                    Err(Error::ReadWriteConflict { .. }) => {}
                    Err(error) => self.expected(&error),
                }
            }
            self.tell(|| format!("{id} rolls back"));
            return mine.txn.rollback();
        }
        self.nobody_shares(&mine.ops, others);
        let asynchronous = self.aside.random_bool(self.asynchronous);
        let durability = if asynchronous { Durability::Asynchronous } else { Durability::Synchronous };
        let seen = || engine.begin(Isolation::ReadCommitted).snapshot().timestamp();
        let written = !mine.ops.is_empty();
        let before = if written { 0 } else { seen() };
        let committed = mine.txn.commit_with(durability);
        self.tell(|| format!("{id} commits {} writes, {durability:?}: {committed:?}", mine.ops.len()));
        let ticket = match committed {
            Ok(ticket) => ticket,
            Err(error) => return self.refused_or_expected(&mut mine, &error),
        };
        if mine.serializable {
            let place = written.then(|| self.history.newest_place() + 1);
            self.committed.push(Committed::new(&mut mine, place));
            self.counts.serializable += 1;
        }
        if written {
            self.history.add(mine.ops, ticket, durability);
        } else if asynchronous && seen() != before {
            // One that went back over what it had staged is logged although it wrote nothing.
            self.history.seen();
        }
    }

    /// A serializable transaction that is refused has to be rolled back, whatever savepoints it has. One whose snapshot was ended
    /// does not get rows of which nobody knows whether they were deleted since.
    pub fn refused_or_expected(&mut self, open: &mut Open, error: &Error) {
        match error {
            Error::ReadWriteConflict { .. } => {}
            Error::SnapshotTooOld => {
                let id = open.txn.id();
                return assert!(open.base.is_some(), "seed {}: {id}, too old", self.seed);
            }
            _ => return self.expected(error),
        }
        let may_be = open.serializable && !open.safe;
        assert!(may_be, "seed {}: {} is refused: {error:?}", self.seed, open.txn.id());
        self.counts.refused += u64::from(!open.refused);
        (open.refused, open.failed) = (true, true);
        open.savepoint = None;
    }

    /// Who has one snapshot changes no row that was changed after it, unless it has the row by an insert already, or nothing
    /// came of the changes: memory may forget a deletion of what no file has.
    pub fn first_updater(&self, open: &Open, tree: u64, key: &[u8]) {
        let seen = open.base.is_none() || self.history.changed(tree, key) <= open.snapshot;
        let has = || open.held.iter().any(|(t, k)| *t == tree && k == key);
        let row = (tree, key.to_vec());
        let is_new = || !open.base.as_ref().is_some_and(|base| base.contains_key(&row));
        let nothing = || is_new() && self.history.newest(tree, key).is_none();
        let id = open.txn.id();
        assert!(
            seen || has() || nothing(),
            "seed {}: {id} changes {tree} {key:?}, which it has not seen",
            self.seed
        );
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
pub fn simulate(seed: u64, told: bool) -> (u32, u64, Counts) {
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
    let serializable = *[0.2, 0.8].choose(&mut aside).unwrap();
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
        serializable,
        committed: Vec::new(),
        counts: Counts::default(),
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
    (simulation.io.trace(), simulation.rng.random(), simulation.counts)
}
