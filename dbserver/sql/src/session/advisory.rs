//! Advisory locks: numbers that applications lock for purposes of their own. (PostgreSQL manual, "Advisory Locks".)
//!
//! A session holds a lock until it gives it back as often as it took it, or ends; one taken for a transaction goes with that. A rollback to
//! a savepoint keeps them. A deadlock among advisory locks is ended by a timeout, it is not searched for.

use crate::context::QueryContext;
use crate::error::Result;
use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// Most that a waiter waits between looks at its deadline and at cancellation.
const WAIT_STEP: Duration = Duration::from_millis(10);

/// What is locked: one number, or two, which are another space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdvisoryKey {
    /// `pg_advisory_lock(bigint)`
    One(i64),
    /// `pg_advisory_lock(int, int)`
    Two(i32, i32),
}

/// How a lock is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvisoryMode {
    /// Together with other sharers.
    pub shared: bool,
    /// Until the transaction ends, not the session.
    pub transaction: bool,
}

/// How many times a session has a lock.
#[derive(Default)]
struct Held {
    session: u64,
    /// For the session: alone, and shared.
    for_session: [u32; 2],
    /// For its transaction.
    for_transaction: [u32; 2],
}

impl Held {
    fn count(&mut self, mode: AdvisoryMode) -> &mut u32 {
        let [alone, shared] =
            if mode.transaction { &mut self.for_transaction } else { &mut self.for_session };
        if mode.shared { shared } else { alone }
    }
    fn is_alone(&self) -> bool {
        self.for_session.first() > Some(&0) || self.for_transaction.first() > Some(&0)
    }
    fn is_nothing(&self) -> bool {
        self.for_session == [0; 2] && self.for_transaction == [0; 2]
    }
}

/// The locks of all sessions.
#[derive(Default)]
pub(crate) struct AdvisoryLocks {
    held: Mutex<HashMap<AdvisoryKey, Vec<Held>>>,
    given_back: Condvar,
}

impl AdvisoryLocks {
    /// Takes a lock, if no other session is in the way.
    pub fn try_lock(&self, session: u64, key: AdvisoryKey, mode: AdvisoryMode) -> bool {
        grant(&mut self.held.lock(), session, key, mode)
    }

    /// Takes a lock, waiting for it.
    ///
    /// # Errors
    /// 57014 at the statement's deadline or when it is cancelled.
    pub fn lock(
        &self,
        session: u64,
        key: AdvisoryKey,
        mode: AdvisoryMode,
        query: &QueryContext,
    ) -> Result<()> {
        let mut held = self.held.lock();
        while !grant(&mut held, session, key, mode) {
            query.check()?;
            self.given_back.wait_for(&mut held, WAIT_STEP);
        }
        Ok(())
    }

    /// Gives a session's lock back once; false where it does not have it.
    pub fn unlock(&self, session: u64, key: AdvisoryKey, shared: bool) -> bool {
        let mut held = self.held.lock();
        let mine = held.get_mut(&key).and_then(|all| all.iter_mut().find(|held| held.session == session));
        let Some(count) = mine.map(|mine| mine.count(AdvisoryMode { shared, transaction: false })) else {
            return false;
        };
        let Some(less) = count.checked_sub(1) else { return false };
        *count = less;
        self.clear_up(&mut held);
        true
    }

    /// Gives back all that a session holds: for itself, for its transaction, or both.
    pub fn unlock_all(&self, session: u64, of_session: bool, of_transaction: bool) {
        let mut held = self.held.lock();
        for mine in held.values_mut().flatten().filter(|held| held.session == session) {
            if of_session {
                mine.for_session = [0; 2];
            }
            if of_transaction {
                mine.for_transaction = [0; 2];
            }
        }
        self.clear_up(&mut held);
    }

    fn clear_up(&self, held: &mut HashMap<AdvisoryKey, Vec<Held>>) {
        held.retain(|_, all| {
            all.retain(|held| !held.is_nothing());
            !all.is_empty()
        });
        self.given_back.notify_all();
    }
}

fn grant(
    held: &mut HashMap<AdvisoryKey, Vec<Held>>,
    session: u64,
    key: AdvisoryKey,
    mode: AdvisoryMode,
) -> bool {
    let all = held.entry(key).or_default();
    if all.iter().any(|held| held.session != session && (!mode.shared || held.is_alone())) {
        return false;
    }
    if !all.iter().any(|held| held.session == session) {
        all.push(Held { session, ..Held::default() });
    }
    if let Some(mine) = all.iter_mut().find(|held| held.session == session) {
        let count = mine.count(mode);
        *count = count.saturating_add(1);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: AdvisoryMode = AdvisoryMode { shared: false, transaction: false };
    const SHARED: AdvisoryMode = AdvisoryMode { shared: true, transaction: false };
    const FOR_TRANSACTION: AdvisoryMode = AdvisoryMode { shared: false, transaction: true };

    #[test]
    fn a_lock_is_given_back_as_often_as_it_was_taken() {
        let locks = AdvisoryLocks::default();
        let key = AdvisoryKey::One(7);
        assert!(locks.try_lock(1, key, ALONE) && locks.try_lock(1, key, ALONE));
        assert!(!locks.try_lock(2, key, ALONE) && !locks.try_lock(2, key, SHARED));
        assert!(locks.try_lock(2, AdvisoryKey::Two(0, 7), ALONE), "two numbers are another space");
        assert!(locks.unlock(1, key, false) && !locks.try_lock(2, key, SHARED));
        assert!(!locks.unlock(1, key, true), "not held in that mode");
        assert!(locks.unlock(1, key, false) && locks.try_lock(2, key, SHARED));
        assert!(!locks.unlock(1, key, false));
    }

    #[test]
    fn sharers_keep_out_whoever_wants_it_alone() {
        let locks = AdvisoryLocks::default();
        let key = AdvisoryKey::One(1);
        assert!(locks.try_lock(1, key, SHARED) && locks.try_lock(2, key, SHARED));
        assert!(!locks.try_lock(1, key, ALONE));
        locks.unlock_all(2, true, false);
        assert!(locks.try_lock(1, key, ALONE) && !locks.try_lock(2, key, SHARED));
    }

    #[test]
    fn a_transactions_lock_ends_with_it_and_a_sessions_does_not() {
        let locks = AdvisoryLocks::default();
        let key = AdvisoryKey::One(1);
        assert!(locks.try_lock(1, key, FOR_TRANSACTION));
        assert!(!locks.unlock(1, key, false), "it cannot be given back before");
        locks.unlock_all(1, true, false);
        assert!(!locks.try_lock(2, key, ALONE));
        locks.unlock_all(1, false, true);
        assert!(locks.try_lock(2, key, ALONE));
        locks.unlock_all(2, false, true);
        assert!(!locks.try_lock(1, key, ALONE));
    }
}
