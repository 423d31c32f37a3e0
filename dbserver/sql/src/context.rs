//! What a running statement may use: its deadline, cancellation, memory and rows.
//!
//! One [`QueryContext`] goes through every operator; `check` is called at each batch, inside long inner loops and in
//! every wait, so that a statement stops within 100 ms of its deadline wherever it is.

use crate::error::{Result, SqlError, sqlstate};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Set from outside to end a statement: by a cancel request, a shutdown or a client that went away.
#[derive(Debug, Default)]
pub struct Cancel {
    requested: AtomicBool,
    shutdown: AtomicBool,
}

impl Cancel {
    /// Ends the running statement with 57014.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Release);
    }
    /// Ends the running statement with 57P01.
    pub fn shut_down(&self) {
        self.shutdown.store(true, Ordering::Release);
        self.requested.store(true, Ordering::Release);
    }
    /// Forgets a request that came for a statement that has ended.
    pub fn clear(&self) {
        self.requested.store(self.shutdown.load(Ordering::Acquire), Ordering::Release);
    }
    /// Whether the statement is to end.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }
}

/// A node of the tree that accounts memory: server, session, query, operator. Bytes are reserved in a node and
/// all above it, and freed when the reservation is dropped.
#[derive(Debug)]
pub struct MemoryAccount {
    parent: Option<Arc<MemoryAccount>>,
    used: AtomicU64,
    peak: AtomicU64,
    limit: AtomicU64,
    name: &'static str,
}

impl MemoryAccount {
    /// A node under `parent`, limited to `limit` bytes.
    pub fn new(name: &'static str, limit: u64, parent: Option<Arc<MemoryAccount>>) -> Arc<Self> {
        Arc::new(Self {
            parent,
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            limit: AtomicU64::new(limit),
            name,
        })
    }
    /// Changes the limit; what is reserved stays.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }
    /// Bytes reserved now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
    /// Whether more than half of the limit is reserved, here or in a node above.
    fn is_scarce(&self) -> bool {
        self.used() > self.limit.load(Ordering::Relaxed) / 2
            || self.parent.as_ref().is_some_and(|parent| parent.is_scarce())
    }
    /// The most bytes ever reserved at once.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
    /// Reserves `bytes` here and in every node above; 53200 where one has too little left.
    fn grow(&self, bytes: u64) -> Result<()> {
        let now = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let limit = self.limit.load(Ordering::Relaxed);
        let above = if now > limit {
            Err(SqlError::new(
                sqlstate::OUT_OF_MEMORY,
                format!("{} memory limit of {limit} bytes exceeded", self.name),
            )
            .with_detail(format!(
                "The statement asked for {bytes} bytes more than the {} bytes in use.",
                now.saturating_sub(bytes)
            ))
            .with_hint("Make the query return or sort less at a time, or raise limits.maxQueryMemory."))
        } else {
            self.parent.as_ref().map_or(Ok(()), |p| p.grow(bytes))
        };
        if above.is_err() {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        } else {
            self.peak.fetch_max(now, Ordering::Relaxed);
        }
        above
    }
    fn shrink(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(parent) = &self.parent {
            parent.shrink(bytes);
        }
    }
}

/// Memory an operator holds; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<MemoryAccount>,
    bytes: u64,
}

impl Reservation {
    /// An empty one.
    pub fn new(account: &Arc<MemoryAccount>) -> Self {
        Self { account: Arc::clone(account), bytes: 0 }
    }
    /// Reserves `bytes` more; 53200 over the limit.
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        self.account.grow(bytes)?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
    /// Reserves more or gives back until `bytes` are held; 53200 over the limit.
    pub fn resize(&mut self, bytes: u64) -> Result<()> {
        match bytes.checked_sub(self.bytes) {
            Some(more) if more > 0 => self.grow(more),
            Some(_) => Ok(()),
            None => {
                self.account.shrink(self.bytes.saturating_sub(bytes));
                self.bytes = bytes;
                Ok(())
            }
        }
    }
    /// Whether so much is reserved by all that who can do with less should.
    pub fn is_scarce(&self) -> bool {
        self.account.is_scarce()
    }
    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
    /// Gives everything back.
    pub fn clear(&mut self) {
        self.account.shrink(self.bytes);
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The limits and state of one running statement.
#[derive(Debug)]
pub struct QueryContext {
    /// When it must stop; none for no limit.
    pub deadline: Option<Instant>,
    /// Set from outside to end it.
    pub cancel: Arc<Cancel>,
    /// Its memory.
    pub memory: Arc<MemoryAccount>,
    /// The most rows its result may have.
    pub rows_max: u64,
    /// Rows returned so far.
    pub rows: AtomicU64,
}

impl QueryContext {
    /// A context without limits, for internal work and tests.
    pub fn unlimited() -> Self {
        Self {
            deadline: None,
            cancel: Arc::new(Cancel::default()),
            memory: MemoryAccount::new("query", u64::MAX, None),
            rows_max: u64::MAX,
            rows: AtomicU64::new(0),
        }
    }
    /// 57014 (57P01 at shutdown) when the statement has to stop now.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_requested() {
            return Err(if self.cancel.shutdown.load(Ordering::Acquire) {
                SqlError::new(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
            } else {
                SqlError::new(sqlstate::QUERY_CANCELED, "canceling statement due to user request")
            });
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => {
                Err(SqlError::new(sqlstate::QUERY_CANCELED, "canceling statement due to statement timeout"))
            }
            _ => Ok(()),
        }
    }
    /// Counts rows of the result; 54000 over `rows_max`, before they are sent.
    pub fn count_rows(&self, rows: u64) -> Result<()> {
        let total = self.rows.fetch_add(rows, Ordering::Relaxed).saturating_add(rows);
        if total > self.rows_max {
            return Err(SqlError::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("result exceeds the limit of {} rows", self.rows_max),
            )
            .with_hint("Add a LIMIT, read it in parts by key, use COPY TO, or raise limits.maxRows."));
        }
        Ok(())
    }
}
