//! Appending to the log and making it durable: group commit with two buffers and one flusher, no timers.
//!
//! Appending happens under one mutex, which is also the commit's critical section: the timestamp is taken, the record
//! appended and the transaction's status flipped in one go, so that the order of timestamps is the order of the log.
//! Whoever flushes takes the whole buffer, writes and syncs it while the next one fills, then publishes the newest timestamp
//! in it and wakes those who wait. It never runs out of room: nobody may append more than fits the prepared segments.
//!
//! The flusher is asked by those who wait for a commit, not by the commit: a thread that waits while nobody flushes does it itself
//! ([`Log::lead`]), which saves a lone writer two changes of threads for each commit.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::record::{self, Kind};
use super::redo::{Commit, Redo};
use super::segment::Segments;
use crate::error::{Error, Result};
use crate::io::Io;
use crate::key::TreeId;
use crate::mvcc::{Durability, Snapshots, TxnState};
use crate::options::{FatalHook, Options};
use crate::sst::FileMeta;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Bytes waiting for the flusher at which appending waits for it.
const BUFFER_MAX: usize = 32 << 20;
/// Buffers beyond this are given back to the system after a batch.
const BUFFER_KEPT: usize = 4 << 20;
/// Tree numbers set aside by one record.
const TREES_STEP: u64 = 64;
/// Pause between attempts to write while the disk is full.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// See the module.
pub(crate) struct Log {
    io: Arc<dyn Io>,
    pub segments: Segments,
    snapshots: Arc<Snapshots>,
    background: bool,
    epoch: u32,
    fill: Mutex<Fill>,
    /// The flusher's: there is something to write.
    filled: Condvar,
    /// The preparer's: segments are running short.
    short: Condvar,
    /// The appenders': there is room, or there will be none.
    room: Condvar,
    /// Held by whoever writes a batch.
    flushing: Mutex<Vec<u8>>,
    waiters: Mutex<Vec<Waiter>>,
    /// The newest commit that is durable by the log.
    durable_timestamp: AtomicU64,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    fatal: FatalHook,
    pub counters: Counters,
}

/// For [`crate::Stats`].
#[derive(Default)]
pub(crate) struct Counters {
    pub bytes: AtomicU64,
    pub writes: AtomicU64,
    pub syncs: AtomicU64,
    pub sync_nanos: AtomicU64,
    pub durable: AtomicU64,
}

/// How far a commit has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Every new snapshot sees it.
    Visible,
    /// No crash can undo it.
    Durable,
}

/// Someone who waits for a commit.
struct Waiter {
    timestamp: u64,
    until: Until,
    waker: Waker,
}

/// What the mutex guards.
struct Fill {
    /// Records not yet taken by the flusher; the first lies at `base`.
    buffer: Vec<u8>,
    base: u64,
    /// Timestamp of the next commit.
    next_timestamp: u64,
    /// Records may be appended while they end before this: the segments up to here are prepared.
    capacity: u64,
    /// Somebody waits for what is in the buffer.
    asked: bool,
    /// Someone needs the log to reach this far.
    wanted: u64,
    /// Counts attempts to prepare a segment, with the outcome of the last one.
    attempts: u64,
    prepare_error: Option<Error>,
    next_tree: u64,
    trees_logged: u64,
    closing: bool,
}

/// Where a log continues.
pub(crate) struct LogStart {
    pub lsn: u64,
    pub timestamp: u64,
    pub next_tree: u64,
    pub epoch: u32,
    /// The first position behind the prepared segments.
    pub capacity: u64,
}

impl Log {
    pub fn new(
        io: Arc<dyn Io>,
        segments: Segments,
        snapshots: Arc<Snapshots>,
        start: &LogStart,
        options: &Options,
    ) -> Log {
        let fill = Fill {
            buffer: Vec::new(),
            base: start.lsn,
            next_timestamp: start.timestamp + 1,
            capacity: start.capacity,
            asked: false,
            wanted: start.lsn,
            attempts: 0,
            prepare_error: None,
            next_tree: start.next_tree,
            trees_logged: start.next_tree,
            closing: false,
        };
        let counters = Counters::default();
        counters.durable.store(start.lsn, Ordering::Relaxed);
        Log {
            io,
            segments,
            snapshots,
            background: options.background,
            epoch: start.epoch,
            fill: Mutex::new(fill),
            filled: Condvar::new(),
            short: Condvar::new(),
            room: Condvar::new(),
            flushing: Mutex::default(),
            waiters: Mutex::default(),
            durable_timestamp: AtomicU64::new(start.timestamp),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            fatal: Arc::clone(&options.fatal),
            counters,
        }
    }

    /// Appends a commit, flips the transaction's status, and answers its timestamp. `validate` runs in the critical
    /// section first, with the timestamp to be; where it fails, nothing has happened. An asynchronous commit is visible
    /// at once, and with it those before it that are not durable yet.
    pub fn commit(
        &self,
        state: &TxnState,
        redo: &Redo,
        drops: Vec<TreeId>,
        staged: Vec<FileMeta>,
        durability: Durability,
        validate: impl FnOnce(u64) -> Result<()>,
    ) -> Result<u64> {
        let mut commit = Commit { timestamp: 0, txn: state.id, drops, staged };
        let mut fill = self.reserve(redo.bytes.len() + commit.encoded_max())?;
        let timestamp = fill.next_timestamp;
        validate(timestamp)?;
        fill.next_timestamp += 1;
        commit.timestamp = timestamp;
        self.append(&mut fill, Kind::Commit, |log| {
            commit.encode(log);
            log.extend_from_slice(&redo.bytes);
        });
        state.commit(timestamp);
        if durability == Durability::Synchronous {
            return Ok(timestamp);
        }
        // Inside the critical section: every commit up to this one has been flipped.
        self.snapshots.publish(timestamp);
        // Nobody waits for it: the flusher has to be told.
        self.ask(&mut fill);
        drop(fill);
        self.wake_waiters();
        Ok(timestamp)
    }

    /// Has what is in the buffer flushed soon.
    pub fn ask_to_flush(&self) {
        self.ask(&mut self.fill.lock());
    }

    fn ask(&self, fill: &mut Fill) {
        if !fill.asked && !fill.buffer.is_empty() {
            fill.asked = true;
            self.filled.notify_one();
        }
    }

    /// A new tree number. The log says that it is taken before it can say anything that uses it.
    pub fn allocate_tree(&self) -> Result<TreeId> {
        let mut fill = self.reserve(8)?;
        let tree = fill.next_tree;
        fill.next_tree += 1;
        if fill.next_tree > fill.trees_logged {
            fill.trees_logged = tree + TREES_STEP;
            let below = fill.trees_logged;
            self.append(&mut fill, Kind::Trees, |log| log.extend_from_slice(&below.to_le_bytes()));
            self.ask(&mut fill);
        }
        Ok(TreeId(tree))
    }

    fn append(&self, fill: &mut Fill, kind: Kind, payload: impl FnOnce(&mut Vec<u8>)) {
        let position = (fill.end(), fill.base);
        let before = fill.buffer.len();
        record::append(&mut fill.buffer, kind, position, self.io.wall_clock_us(), self.epoch, payload);
        self.counters.bytes.fetch_add((fill.buffer.len() - before) as u64, Ordering::Relaxed);
        if fill.capacity - fill.end() < self.segments.size.payload() {
            self.short.notify_one();
        }
    }

    /// The critical section, with room in the log for a record of this payload.
    fn reserve(&self, payload: usize) -> Result<MutexGuard<'_, Fill>> {
        let needed = record::record_bytes(payload) as u64;
        let mut fill = self.fill.lock();
        loop {
            self.check()?;
            if fill.closing {
                return Err(Error::Closed);
            }
            if fill.buffer.len() >= BUFFER_MAX && self.background {
                self.ask(&mut fill);
                self.room.wait(&mut fill);
                continue;
            }
            if fill.end() + needed < fill.capacity {
                return Ok(fill);
            }
            fill.wanted = fill.wanted.max(fill.end() + needed);
            if !self.background {
                let segment = self.segments.size.segment_of(fill.capacity);
                self.segments.prepare(segment)?;
                fill.capacity += self.segments.size.payload();
                continue;
            }
            let attempts = fill.attempts;
            self.short.notify_one();
            while fill.attempts == attempts && !fill.closing && !self.has_failed() {
                self.room.wait(&mut fill);
            }
            if let Some(error) = fill.prepare_error.clone() {
                return Err(error);
            }
        }
    }

    /// Writes and syncs what has been appended. Answers whether there was anything.
    pub fn flush(&self) -> Result<bool> {
        self.flush_into(self.flushing.lock())
    }

    /// [`Log::flush`], if nobody else is at it: then the flusher is asked. Answers whether there was anything.
    pub fn lead(&self) -> Result<bool> {
        match self.flushing.try_lock() {
            Some(batch) => self.flush_into(batch),
            None => {
                self.ask_to_flush();
                Ok(false)
            }
        }
    }

    fn flush_into(&self, mut batch: MutexGuard<'_, Vec<u8>>) -> Result<bool> {
        let mut fill = self.fill.lock();
        self.check()?;
        fill.asked = false;
        if fill.buffer.is_empty() {
            return Ok(false);
        }
        batch.clear();
        std::mem::swap(&mut fill.buffer, &mut *batch);
        let from = fill.base;
        let to = from + batch.len() as u64;
        fill.base = to;
        let newest = fill.next_timestamp - 1;
        drop(fill);
        self.room.notify_all();
        if let Err(error) = self.write_batch(from, to, &batch) {
            self.fail(error.clone());
            return Err(error);
        }
        self.counters.durable.store(to, Ordering::Release);
        if batch.capacity() > BUFFER_KEPT {
            *batch = Vec::new();
        }
        // Before the next one may flush: a flush that finds nothing to do promises that all is visible.
        self.snapshots.publish(newest);
        // What is durable is visible, too.
        self.durable_timestamp.store(newest, Ordering::Release);
        drop(batch);
        self.wake_waiters();
        Ok(true)
    }

    fn write_batch(&self, from: u64, to: u64, batch: &[u8]) -> Result<()> {
        let writes = loop {
            match self.segments.write(from, batch) {
                // The segments were allocated beforehand, but not every file system keeps that promise. A write,
                // unlike a sync, may be tried again.
                Err(Error::DiskFull) if self.background => self.io.sleep(FULL_PAUSE),
                result => break result?,
            }
        };
        self.counters.writes.fetch_add(writes, Ordering::Relaxed);
        let start = self.io.now();
        let syncs = self.segments.sync(from, to)?;
        let nanos = self.io.now().saturating_duration_since(start).as_nanos();
        self.counters.syncs.fetch_add(syncs, Ordering::Relaxed);
        self.counters.sync_nanos.fetch_add(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(())
    }

    /// The flusher's life; `flushed` is called after each batch.
    pub fn run_flusher(&self, flushed: impl Fn()) {
        loop {
            let mut fill = self.fill.lock();
            while !fill.asked && !fill.closing {
                self.filled.wait(&mut fill);
            }
            let done = fill.closing && fill.buffer.is_empty();
            drop(fill);
            if done || self.flush().is_err() {
                return;
            }
            flushed();
        }
    }

    /// The preparer's life: it keeps at least a segment's worth of log prepared ahead.
    pub fn run_preparer(&self) {
        let payload = self.segments.size.payload();
        let mut fill = self.fill.lock();
        loop {
            if fill.closing || self.has_failed() {
                return;
            }
            let ahead = fill.capacity.saturating_sub(fill.end().max(fill.wanted));
            if ahead >= payload {
                self.short.wait(&mut fill);
                continue;
            }
            let segment = self.segments.size.segment_of(fill.capacity);
            drop(fill);
            let result = self.segments.prepare(segment);
            fill = self.fill.lock();
            fill.attempts += 1;
            let failed_before = fill.prepare_error.is_some();
            fill.prepare_error = result.as_ref().err().cloned();
            fill.wanted = fill.end();
            self.room.notify_all();
            match result {
                Ok(()) => fill.capacity += payload,
                Err(error) => {
                    if !failed_before {
                        tracing::warn!(%error, "could not prepare a segment of the write-ahead log");
                    }
                    // The next one who needs it asks again; who closed meanwhile does not.
                    if !fill.closing {
                        self.short.wait(&mut fill);
                    }
                }
            }
        }
    }

    /// No more appending; the threads end when everything is written.
    pub fn close(&self) {
        self.fill.lock().closing = true;
        self.filled.notify_all();
        self.short.notify_all();
        self.room.notify_all();
    }

    /// Where the log ends: every commit so far is before that. With what is read in the critical section, where no commit is half
    /// done.
    pub fn position<T>(&self, of: impl FnOnce() -> T) -> (Position, T) {
        let fill = self.fill.lock();
        (Position { end: fill.end(), next_tree: fill.trees_logged }, of())
    }

    /// The timestamp of the newest commit, durable or not.
    pub fn newest_timestamp(&self) -> u64 {
        self.fill.lock().next_timestamp - 1
    }

    /// Whether a commit has come so far.
    pub fn has_reached(&self, timestamp: u64, until: Until) -> bool {
        let reached = match until {
            Until::Visible => self.snapshots.visible(),
            Until::Durable => self.durable_timestamp.load(Ordering::Acquire),
        };
        reached >= timestamp
    }

    /// Resolves when the commit of this timestamp has come so far, or fails.
    pub fn poll_reached(&self, timestamp: u64, until: Until, waker: &Waker) -> std::task::Poll<Result<()>> {
        let resolved = || {
            if self.has_reached(timestamp, until) {
                return Some(Ok(()));
            }
            self.check().err().map(Err)
        };
        if let Some(outcome) = resolved() {
            return std::task::Poll::Ready(outcome);
        }
        let mut waiters = self.waiters.lock();
        // Again, under the mutex: the flusher publishes before it looks for waiters.
        if let Some(outcome) = resolved() {
            return std::task::Poll::Ready(outcome);
        }
        waiters.retain(|waiter| !waiter.waker.will_wake(waker));
        waiters.push(Waiter { timestamp, until, waker: waker.clone() });
        std::task::Poll::Pending
    }

    fn wake_waiters(&self) {
        let failed = self.has_failed();
        let mut waiters = self.waiters.lock();
        let is_ready = |waiter: &mut Waiter| failed || self.has_reached(waiter.timestamp, waiter.until);
        let ready: Vec<_> = waiters.extract_if(.., is_ready).collect();
        drop(waiters);
        ready.into_iter().for_each(|waiter| waiter.waker.wake());
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// [`Error::Fatal`] after the log has failed.
    pub fn check(&self) -> Result<()> {
        if !self.has_failed() {
            return Ok(());
        }
        match self.failure.lock().clone() {
            Some(error) => Err(error),
            None => Err(Error::Closed),
        }
    }

    /// What is on disk is unknown: everything is refused from now on, and the hook decides about the process.
    fn fail(&self, error: Error) {
        let fatal = match &error {
            Error::DiskFull => {
                Error::Fatal("could not write the write-ahead log: no space left on device".into())
            }
            error => Error::Fatal(error.to_string().into()),
        };
        *self.failure.lock() = Some(fatal);
        self.failed.store(true, Ordering::Release);
        (self.fatal)(&error);
        drop(self.fill.lock());
        self.filled.notify_all();
        self.short.notify_all();
        self.room.notify_all();
        self.wake_waiters();
    }

    /// Whether everything is refused.
    pub fn is_fatal(&self) -> bool {
        self.has_failed()
    }
}

/// See [`Log::position`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub end: u64,
    pub next_tree: u64,
}

impl Fill {
    fn end(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }
}
