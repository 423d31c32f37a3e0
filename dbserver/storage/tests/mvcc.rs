//! Golden schedules: what concurrent transactions see and when they wait, as text files in `tests/mvcc/`.
//!
//! A line is a command of one session, named before the colon: `a: begin`, `b: put x=1`. A command that must wait says
//! `blocked` and is asked again when its lock is offered, after the command that released it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use plimsoll_storage::io::RealIo;
use plimsoll_storage::{
    BatchWrite, BulkDelete, Direction, Engine, Error, Insert, Isolation, KeyRange, LockMode, LockOutcome,
    LockWait, ObjectLock, Options, RowBuffer, Savepoint, Snapshot, Transaction, TreeId, WaitPolicy, Write,
};

const TREE: TreeId = TreeId(1);

struct Runner {
    _dir: tempfile::TempDir,
    engine: Engine,
    sessions: BTreeMap<String, Session>,
}

#[derive(Default)]
struct Session {
    txn: Option<Transaction>,
    savepoints: BTreeMap<String, Savepoint>,
    cursors: BTreeMap<String, Snapshot>,
    /// A command that waits, and what for.
    blocked: Option<(goldenscript::Command, LockWait)>,
}

enum Done {
    Output(String),
    Blocked(LockWait),
}

impl Runner {
    fn new() -> Runner {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { wal_segment_size: 1 << 20, background: false, ..Options::default() };
        let engine = Engine::open(RealIo::shared(), dir.path(), options).unwrap();
        Runner { _dir: dir, engine, sessions: BTreeMap::new() }
    }

    fn execute(
        &mut self,
        name: &str,
        command: &goldenscript::Command,
        again: bool,
    ) -> Result<Done, Box<dyn StdError>> {
        let engine = self.engine.clone();
        let session = self.sessions.entry(name.to_owned()).or_default();
        let mut args = command.consume_args();
        if command.name == "begin" {
            let isolation = match args.next_pos() {
                Some("rr") => Isolation::RepeatableRead,
                Some("ser") => Isolation::Serializable,
                _ => Isolation::ReadCommitted,
            };
            if !again {
                session.txn = Some(engine.begin(isolation));
            }
            let txn = session.txn.as_ref().ok_or("no transaction")?;
            let mode = args.next_pos();
            if mode.is_some() {
                txn.declare_read_only();
            }
            if mode == Some("deferrable")
                && let Some(wait) = txn.safe_snapshot()?
            {
                return Ok(Done::Blocked(wait));
            }
            txn.new_statement();
            drop(txn.snapshot());
            return Ok(Done::Output(String::new()));
        }
        if command.name == "set" {
            // Outside of any session's transaction: sets rows and commits.
            let txn = engine.begin(Isolation::ReadCommitted);
            while let Some((key, value)) = args.next_key() {
                assert!(matches!(txn.put(TREE, key.as_bytes(), value.as_bytes())?, Write::Done));
            }
            txn.commit()?.wait()?;
            return Ok(Done::Output(String::new()));
        }
        if command.name == "compact" {
            while engine.compact()? {}
            return Ok(Done::Output(String::new()));
        }
        if command.name == "evict" {
            // What is committed is in files only.
            engine.flush()?;
            engine.shrink_memory(0)?;
            return Ok(Done::Output(format!("in memory: {}\n", engine.stats().memory_bytes)));
        }
        let txn = session.txn.as_ref().ok_or("no transaction")?;
        // Each command is a statement; `again` is one that goes on with the statement before.
        if !matches!(command.name.as_str(), "commit" | "rollback" | "fetch" | "latest")
            && session.blocked.is_none()
            && !again
        {
            txn.new_statement();
        }
        let snapshot = txn.snapshot();
        let mut output = String::new();
        match command.name.as_str() {
            "get" => {
                while let Some(key) = args.next_pos() {
                    let value = snapshot.get(TREE, key.as_bytes())?;
                    writeln!(output, "{key} = {}", show(value.as_deref()))?;
                }
            }
            "latest" => {
                let key = args.next_pos().ok_or("key")?;
                writeln!(output, "{key} = {}", show(txn.get_latest(TREE, key.as_bytes())?.as_deref()))?;
            }
            "scan" => {
                // "back", "from..to", and how many rows to read.
                let (mut direction, mut range, mut limit) = (Direction::Forward, KeyRange::all(), usize::MAX);
                while let Some(arg) = args.next_pos() {
                    match arg.split_once("..") {
                        _ if arg == "back" => direction = Direction::Backward,
                        Some((from, to)) => range = KeyRange::half_open(from.as_bytes(), to.as_bytes()),
                        None => limit = arg.parse()?,
                    }
                }
                let mut rows = RowBuffer::new();
                let mut scan = snapshot.scan(TREE, range, direction);
                while rows.len() < limit && scan.next_batch((limit - rows.len()).min(2), &mut rows)? {}
                for (key, value) in rows.iter() {
                    writeln!(output, "{} = {}", key.escape_ascii(), show(Some(value)))?;
                }
            }
            "declare" => {
                let name = args.next_pos().ok_or("cursor")?.to_owned();
                session.cursors.insert(name, snapshot.clone());
            }
            "fetch" => {
                let cursor = session.cursors.get(args.next_pos().ok_or("cursor")?).ok_or("no such cursor")?;
                while let Some(key) = args.next_pos() {
                    let value = cursor.get(TREE, key.as_bytes())?;
                    writeln!(output, "{key} = {}", show(value.as_deref()))?;
                }
            }
            "put" => {
                while let Some((key, value)) = args.next_key() {
                    if let Write::Blocked(wait) = txn.put(TREE, key.as_bytes(), value.as_bytes())? {
                        return Ok(Done::Blocked(wait));
                    }
                }
            }
            "batch" => {
                let mut rows = RowBuffer::new();
                while let Some((key, value)) = args.next_key() {
                    rows.push(key.as_bytes(), value.as_bytes());
                }
                match txn.insert_batch(TREE, &rows, 0)? {
                    BatchWrite::Done => {}
                    BatchWrite::Exists { index, value } => {
                        writeln!(output, "row {index} exists: {}", show(Some(&value)))?;
                    }
                    BatchWrite::Blocked { wait, .. } => return Ok(Done::Blocked(wait)),
                }
            }
            "delete" => {
                while let Some(key) = args.next_pos() {
                    if let Write::Blocked(wait) = txn.delete(TREE, key.as_bytes())? {
                        return Ok(Done::Blocked(wait));
                    }
                }
            }
            "delete_newest" => {
                while let Some(key) = args.next_pos() {
                    if let Write::Blocked(wait) = txn.delete_newest(TREE, key.as_bytes())? {
                        return Ok(Done::Blocked(wait));
                    }
                }
            }
            "delete_batch" => {
                // Of rows that the cursor shows.
                let cursor = session.cursors.get(args.next_pos().ok_or("cursor")?).ok_or("no such cursor")?;
                let mut rows = RowBuffer::new();
                while let Some(key) = args.next_pos() {
                    rows.push(key.as_bytes(), &[]);
                }
                let deleted = txn.delete_batch(TREE, &rows, 0, cursor)?;
                writeln!(output, "deleted {deleted} of {}", rows.len())?;
            }
            "delete_in_file" | "delete_range_in_file" => {
                // The same, all or none; as a range where the cursor shows no other row between them.
                let no_gaps = command.name == "delete_range_in_file";
                let cursor = session.cursors.get(args.next_pos().ok_or("cursor")?).ok_or("no such cursor")?;
                let mut rows = RowBuffer::new();
                while let Some(key) = args.next_pos() {
                    rows.push(key.as_bytes(), &[]);
                }
                let deleted = txn.delete_in_file(&mut BulkDelete::new(TREE), &rows, no_gaps, cursor)?;
                writeln!(output, "{}", if deleted { "all deleted" } else { "none deleted" })?;
            }
            "newest" => {
                let newest = txn.see_newest();
                while let Some(key) = args.next_pos() {
                    let value = txn.snapshot().get(TREE, key.as_bytes())?;
                    writeln!(output, "{key} = {}", show(value.as_deref()))?;
                }
                drop(newest);
            }
            "insert" => {
                while let Some((key, value)) = args.next_key() {
                    match txn.insert_unique(TREE, key.as_bytes(), value.as_bytes())? {
                        Insert::Inserted => {}
                        Insert::Exists(value) => writeln!(output, "exists: {}", show(Some(&value)))?,
                        Insert::Blocked(wait) => return Ok(Done::Blocked(wait)),
                    }
                }
            }
            "lock" | "share" => {
                let mode = if command.name == "lock" { LockMode::Update } else { LockMode::Share };
                let key = args.next_pos().ok_or("key")?.to_owned();
                let policy = match args.next_pos() {
                    Some("skip") => WaitPolicy::Skip,
                    _ => WaitPolicy::Wait,
                };
                match txn.lock_row(TREE, key.as_bytes(), mode, policy)? {
                    LockOutcome::Locked { current, changed, .. } => {
                        let news = if changed { ", changed" } else { "" };
                        writeln!(output, "locked: {}{news}", show(current.as_deref()))?;
                    }
                    LockOutcome::Blocked(wait) => return Ok(Done::Blocked(wait)),
                    LockOutcome::Skipped => writeln!(output, "skipped")?,
                }
            }
            "object" => {
                let object = args.next_pos().ok_or("object")?.parse()?;
                let mode = match args.next_pos().ok_or("mode")? {
                    "x" => ObjectLock::Exclusive,
                    _ => ObjectLock::Shared,
                };
                if let Some(wait) = txn.lock_object(object, mode)? {
                    return Ok(Done::Blocked(wait));
                }
            }
            "drop" => txn.drop_tree(TREE),
            "savepoint" => {
                let savepoint = txn.savepoint();
                session.savepoints.insert(args.next_pos().ok_or("name")?.to_owned(), savepoint);
            }
            "rollback_to" => {
                let name = args.next_pos().ok_or("name")?;
                txn.rollback_to(session.savepoints.get(name).ok_or("no such savepoint")?);
            }
            "commit" => {
                txn.commit()?.wait()?;
                session.txn = None;
            }
            "rollback" => {
                txn.rollback();
                session.txn = None;
            }
            name => return Err(format!("unknown command {name}").into()),
        }
        args.reject_next()?;
        Ok(Done::Output(output))
    }

    /// Runs a command, then whatever it has woken, until nobody can go on.
    fn run_all(&mut self, name: &str, command: &goldenscript::Command) -> Result<String, Box<dyn StdError>> {
        let mut output = String::new();
        self.run_one(name, command, false, &mut output);
        loop {
            let mut ready = None;
            for (name, session) in &mut self.sessions {
                let Some((command, mut wait)) = session.blocked.take() else { continue };
                match Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Pending => session.blocked = Some((command, wait)),
                    Poll::Ready(outcome) => {
                        ready = Some((name.clone(), command, outcome));
                        break;
                    }
                }
            }
            let Some((name, command, outcome)) = ready else { return Ok(output) };
            write!(output, "{name}> ")?;
            match outcome {
                Ok(()) => {
                    self.run_one(&name, &command, true, &mut output);
                }
                Err(error) => writeln!(output, "error: {}", explain(&error))?,
            }
        }
    }

    fn run_one(&mut self, name: &str, command: &goldenscript::Command, again: bool, output: &mut String) {
        match self.execute(name, command, again) {
            Ok(Done::Output(text)) if text.is_empty() => output.push_str("ok\n"),
            Ok(Done::Output(text)) => output.push_str(&text),
            Ok(Done::Blocked(wait)) => {
                writeln!(output, "blocked by {:?}", wait.holders()).unwrap();
                self.sessions.get_mut(name).unwrap().blocked = Some((command.clone(), wait));
            }
            Err(error) => {
                let text = match error.downcast_ref::<Error>() {
                    Some(error) => explain(error),
                    None => error.to_string(),
                };
                writeln!(output, "error: {text}").unwrap();
            }
        }
    }
}

fn explain(error: &Error) -> String {
    let mut text = format!("{} {error}", error.sqlstate());
    if let Error::ReadWriteConflict { reason } = error {
        write!(text, ": {reason}").unwrap();
    }
    if let Error::Deadlock { cycle } = error {
        for edge in cycle {
            write!(text, "; {} waits for {}", edge.waiter, edge.holder).unwrap();
        }
    }
    text
}

fn show(value: Option<&[u8]>) -> String {
    value.map_or("none".into(), |value| value.escape_ascii().to_string())
}

impl goldenscript::Runner for Runner {
    type Command = goldenscript::Command;

    fn run(
        &mut self,
        command: &goldenscript::Command,
        context: &goldenscript::Context,
    ) -> Result<String, Box<dyn StdError>> {
        let name = context.prefix.clone().unwrap_or_default();
        if command.name == "stats" {
            self.engine.flush()?;
            let stats = self.engine.stats();
            return Ok(format!(
                "rows={} live={} snapshots={} waits={} deadlocks={} marks={}",
                stats.rows,
                stats.transactions_live,
                stats.snapshots_live,
                stats.lock_waits,
                stats.deadlocks,
                stats.predicate_marks
            ));
        }
        self.run_all(&name, command)
    }
}

#[test]
fn schedules() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mvcc")).unwrap() {
        let path = entry.unwrap().path();
        goldenscript::run(&mut Runner::new(), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
