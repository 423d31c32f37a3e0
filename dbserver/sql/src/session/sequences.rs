//! Sequences: numbers that no transaction gives back.
//!
//! `nextval` works outside of transactions. The value on disk runs ahead of the values handed out by up to 32, and is durable
//! before any of them is: a crash may leave a gap, but never hands out a number twice. A sequence whose CREATE has not
//! committed keeps its state in memory; the commit writes it.

use crate::catalog::Sequence;
use crate::catalog::store::{CATALOG_TREE, key};
use crate::error::{Result, SqlError, sqlstate};
use crate::types::Oid;
use hashbrown::HashMap;
use parking_lot::Mutex;
use plimsoll_storage::{Engine, Isolation, Transaction, Write};
use std::sync::Arc;

/// How many values one write covers (PostgreSQL's `SEQ_LOG_VALS`).
const AHEAD: i64 = 32;

/// SQLSTATE of an error that only says: again, on a thread that may block. Never sent.
pub(crate) const NEEDS_WORKER: &str = "PLWRK";

#[derive(Clone, Copy, Debug)]
struct State {
    /// The last value handed out, or the first one to be.
    value: i64,
    /// Whether `value` was handed out.
    called: bool,
    /// How many more values the disk covers.
    covered: i64,
}

/// The state of all sequences in use.
#[derive(Default)]
pub(crate) struct Sequences {
    states: Mutex<HashMap<Oid, Arc<Mutex<Option<State>>>>>,
}

fn limit(sequence: &Sequence, maximum: bool) -> SqlError {
    let (word, value) = if maximum { ("maximum", sequence.max) } else { ("minimum", sequence.min) };
    SqlError::new(
        "2200H",
        format!("nextval: reached {word} value of sequence \"{}\" ({value})", sequence.name),
    )
}

/// The value after `value`; none where the bound is in the way.
fn step(sequence: &Sequence, value: i64) -> Option<i64> {
    value.checked_add(sequence.increment).filter(|v| (sequence.min..=sequence.max).contains(v))
}

fn encode(value: i64, called: bool) -> [u8; 9] {
    let mut bytes = [0; 9];
    let (number, flag) = bytes.split_at_mut(8);
    number.copy_from_slice(&value.to_be_bytes());
    flag.fill(u8::from(called));
    bytes
}

impl Sequences {
    fn state(&self, oid: Oid) -> Arc<Mutex<Option<State>>> {
        Arc::clone(self.states.lock().entry(oid).or_default())
    }
    fn load(engine: &Engine, sequence: &Sequence) -> Result<State> {
        let transaction = engine.begin(Isolation::ReadCommitted);
        let row = transaction.snapshot().get(CATALOG_TREE, &key(b'q', sequence.oid))?;
        let found = row.as_deref().and_then(|bytes| {
            let (number, flag) = bytes.split_at_checked(8)?;
            Some((i64::from_be_bytes(number.try_into().ok()?), flag.first() == Some(&1)))
        });
        let (value, called) = found.unwrap_or((sequence.start, false));
        Ok(State { value, called, covered: 0 })
    }
    /// Makes a state durable.
    fn write(engine: &Engine, oid: Oid, value: i64, called: bool) -> Result<()> {
        loop {
            let transaction = engine.begin(Isolation::ReadCommitted);
            match transaction.put(CATALOG_TREE, &key(b'q', oid), &encode(value, called))? {
                Write::Done => return Ok(transaction.commit()?.wait()?),
                // Another step of the same sequence cannot be: its lock is held. A DDL transaction that dropped it can.
                Write::Blocked(wait) => wait.wait(None, &|| false)?,
            }
        }
    }
    /// The next value. `durable` is false for a sequence whose CREATE has not committed; without `may_block`, a value that has to be
    /// written first is [`NEEDS_WORKER`].
    pub(crate) fn next(
        &self,
        engine: &Engine,
        sequence: &Sequence,
        durable: bool,
        may_block: bool,
    ) -> Result<i64> {
        let cell = self.state(sequence.oid);
        let mut cell = cell.lock();
        let mut state = match *cell {
            Some(state) => state,
            None if durable => Self::load(engine, sequence)?,
            None => State { value: sequence.start, called: false, covered: 0 },
        };
        let next = if !state.called {
            state.value
        } else {
            match step(sequence, state.value) {
                Some(next) => next,
                None if !sequence.cycle => return Err(limit(sequence, sequence.increment > 0)),
                None if sequence.increment > 0 => sequence.min,
                None => sequence.max,
            }
        };
        if durable && state.covered == 0 {
            if !may_block {
                return Err(SqlError::new(NEEDS_WORKER, "a sequence has to be written"));
            }
            let (mut last, mut covered) = (next, 1);
            while covered < AHEAD
                && let Some(further) = step(sequence, last)
            {
                last = further;
                covered += 1;
            }
            Self::write(engine, sequence.oid, last, true)?;
            state.covered = covered;
        }
        state.covered = (state.covered - 1).max(0);
        state.value = next;
        state.called = true;
        *cell = Some(state);
        Ok(next)
    }
    /// Sets the value.
    pub(crate) fn set(
        &self,
        engine: &Engine,
        sequence: &Sequence,
        value: i64,
        called: bool,
        durable: bool,
    ) -> Result<()> {
        if !(sequence.min..=sequence.max).contains(&value) {
            return Err(SqlError::new(
                sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
                format!(
                    "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                    sequence.name, sequence.min, sequence.max
                ),
            ));
        }
        let cell = self.state(sequence.oid);
        let mut cell = cell.lock();
        if durable {
            Self::write(engine, sequence.oid, value, called)?;
        }
        *cell = Some(State { value, called, covered: 0 });
        Ok(())
    }
    /// Writes the state of a sequence that `transaction` creates, as part of it.
    pub(crate) fn write_created(&self, transaction: &Transaction, sequence: &Sequence) -> Result<()> {
        let cell = self.state(sequence.oid);
        let mut cell = cell.lock();
        let Some(state) = cell.as_mut() else { return Ok(()) };
        state.covered = 0;
        let bytes = encode(state.value, state.called);
        match transaction.put(CATALOG_TREE, &key(b'q', sequence.oid), &bytes)? {
            Write::Done => Ok(()),
            Write::Blocked(_) => Err(SqlError::internal("a new sequence is locked")),
        }
    }
    /// Forgets sequences that are no more, or whose CREATE was rolled back.
    pub(crate) fn forget(&self, gone: impl Fn(Oid) -> bool) {
        self.states.lock().retain(|oid, _| !gone(*oid));
    }
}
