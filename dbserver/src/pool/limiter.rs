//! A number of slots that can be changed while some are taken.
//!
//! Growing adds slots at once. Shrinking takes free slots away at once; those that are taken go when they come back (the
//! *debt*), so that nothing that runs is disturbed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, TryAcquireError};

/// A changeable number of slots, first come, first served.
#[derive(Clone)]
pub struct Limiter {
    slots: Arc<Slots>,
}

struct Slots {
    semaphore: Semaphore,
    size: Mutex<Size>,
}

struct Size {
    limit: usize,
    debt: usize,
    taken: usize,
}

/// A slot; given back when dropped.
pub struct Slot {
    slots: Arc<Slots>,
}

/// No slot came free in time.
#[derive(Debug, PartialEq, Eq)]
pub struct TimedOut;

impl Limiter {
    /// So many slots, all free.
    pub fn new(limit: usize) -> Self {
        let size = Mutex::new(Size { limit, debt: 0, taken: 0 });
        Self { slots: Arc::new(Slots { semaphore: Semaphore::new(limit), size }) }
    }

    /// Changes the number of slots.
    pub fn resize(&self, limit: usize) {
        let mut size = self.slots.size.lock();
        if limit >= size.limit {
            let grown = limit - size.limit;
            let forgiven = grown.min(size.debt);
            size.debt -= forgiven;
            self.slots.semaphore.add_permits(grown - forgiven);
        } else {
            let shrunk = size.limit - limit;
            size.debt += shrunk - self.slots.semaphore.forget_permits(shrunk);
        }
        size.limit = limit;
    }

    /// The number of slots in force.
    pub fn limit(&self) -> usize {
        self.slots.size.lock().limit
    }

    /// The number of slots taken.
    pub fn taken(&self) -> usize {
        self.slots.size.lock().taken
    }

    /// A slot if one is free and no one waits.
    pub fn try_acquire(&self) -> Option<Slot> {
        match self.slots.semaphore.try_acquire() {
            Ok(permit) => {
                permit.forget();
                Some(self.take())
            }
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => None,
        }
    }

    /// Waits for a slot.
    pub async fn acquire(&self) -> Slot {
        if let Some(slot) = self.try_acquire() {
            return slot;
        }
        match self.slots.semaphore.acquire().await {
            Ok(permit) => permit.forget(),
            // The semaphore is never closed.
            Err(_closed) => std::future::pending().await,
        }
        self.take()
    }

    /// Waits at most so long for a slot; says how long it waited, zero where one was free.
    pub async fn acquire_within(&self, patience: Duration) -> Result<(Slot, Duration), TimedOut> {
        if let Some(slot) = self.try_acquire() {
            return Ok((slot, Duration::ZERO));
        }
        let began = Instant::now();
        let slot = tokio::time::timeout(patience, self.acquire()).await.map_err(|_| TimedOut)?;
        Ok((slot, began.elapsed()))
    }

    fn take(&self) -> Slot {
        self.slots.size.lock().taken += 1;
        Slot { slots: self.slots.clone() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut size = self.slots.size.lock();
        size.taken -= 1;
        if size.debt > 0 {
            size.debt -= 1;
        } else {
            self.slots.semaphore.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back() {
        let limiter = Limiter::new(1);
        let slot = limiter.try_acquire().unwrap();
        assert!(limiter.try_acquire().is_none());
        assert_eq!(limiter.taken(), 1);
        drop(slot);
        assert!(limiter.try_acquire().is_some());
    }

    #[test]
    fn shrinking_waits_for_what_is_taken() {
        let limiter = Limiter::new(3);
        let taken: Vec<Slot> = (0..3).filter_map(|_| limiter.try_acquire()).collect();
        assert_eq!(taken.len(), 3);
        limiter.resize(1);
        drop(taken);
        let slot = limiter.try_acquire();
        assert!(slot.is_some() && limiter.try_acquire().is_none());
        limiter.resize(2);
        assert!(limiter.try_acquire().is_some());
    }

    #[test]
    fn growing_forgives_the_debt_first() {
        let limiter = Limiter::new(2);
        let taken: Vec<Slot> = (0..2).filter_map(|_| limiter.try_acquire()).collect();
        limiter.resize(1);
        limiter.resize(3);
        assert!(limiter.try_acquire().is_some());
        drop(taken);
        let again: Vec<Slot> = (0..4).filter_map(|_| limiter.try_acquire()).collect();
        assert_eq!(again.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let limiter = Limiter::new(1);
        let (slot, waited) = limiter.acquire_within(Duration::ZERO).await.ok().unwrap();
        assert_eq!(waited, Duration::ZERO);
        assert!(limiter.acquire_within(Duration::from_secs(5)).await.is_err());
        drop(slot);
        assert!(limiter.acquire_within(Duration::from_secs(5)).await.is_ok());
    }
}
