//! Row locks: who holds what, who waits for whom, and that nobody waits in vain.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use plimsoll_storage::{Error, LockMode, LockOutcome, LockWait, TreeId, WaitPolicy, Write};
use rand::prelude::*;

use crate::history::Op;
use crate::life::{Open, Simulation};
use crate::serial::Read;

/// A row that a transaction asks for.
#[derive(Clone)]
pub struct Asked {
    row: (u64, Vec<u8>),
    want: Want,
}

#[derive(Clone)]
enum Want {
    Lock(LockMode),
    Put(Vec<u8>),
}

impl Asked {
    pub fn lock(row: (u64, Vec<u8>), mode: LockMode) -> Asked {
        Asked { row, want: Want::Lock(mode) }
    }

    pub fn put(row: (u64, Vec<u8>), value: Vec<u8>) -> Asked {
        Asked { row, want: Want::Put(value) }
    }

    fn shares(&self) -> bool {
        matches!(self.want, Want::Lock(LockMode::Share))
    }
}

/// A place in a queue.
pub struct Waiting {
    wait: LockWait,
    woken: Arc<Woken>,
    /// None: for a snapshot to become safe.
    asked: Option<Asked>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Open {
    /// What it waits for; nothing where it has been woken.
    fn waits(&self) -> Option<&Waiting> {
        self.waiting.as_ref().filter(|waiting| !waiting.woken.0.load(Ordering::Relaxed))
    }

    /// Whether it has been woken for a row, and will ask for it again.
    fn is_offered(&self, row: &(u64, Vec<u8>)) -> bool {
        let asked = self.waiting.as_ref().and_then(|waiting| waiting.asked.as_ref());
        self.waits().is_none() && asked.is_some_and(|asked| asked.row == *row)
    }

    fn waits_for_row(&self, row: &(u64, Vec<u8>)) -> Option<&Asked> {
        self.waits().and_then(|waiting| waiting.asked.as_ref()).filter(|asked| asked.row == *row)
    }

    /// Whether it keeps another from getting what that asks for.
    fn is_in_the_way(&self, asked: &Asked) -> bool {
        self.held.contains(&asked.row) || (!asked.shares() && self.shares.contains(&asked.row))
    }
}

impl Simulation {
    /// A transaction asks for a row, perhaps again.
    pub fn ask(&mut self, open: &mut Open, others: &[Open], asked: Asked, policy: WaitPolicy) {
        let (tree, key) = asked.row.clone();
        match asked.want.clone() {
            Want::Put(value) => {
                let result = open.txn.put(TreeId(tree), &key, &value);
                if matches!(result, Ok(Write::Done)) {
                    self.first_updater(open, tree, &key);
                }
                match result {
                    Ok(Write::Blocked(wait)) => self.blocked(open, others, wait, Some(asked)),
                    result => self.done(open, others, result, Op::Put(tree, key, value)),
                }
            }
            Want::Lock(mode) => {
                let result = open.txn.lock_row(TreeId(tree), &key, mode, policy);
                self.tell(|| {
                    format!("{} locks {tree} {:?} {}: {result:?}", open.txn.id(), key.first(), key.len())
                });
                match result {
                    Ok(LockOutcome::Locked { current, .. }) => {
                        self.first_updater(open, tree, &key);
                        open.read(Read::key(tree, &key));
                        let expected = self.newest(open, tree, &key);
                        if !open.failed {
                            assert_eq!(current.as_deref(), expected.as_deref(), "seed {}: locked", self.seed);
                        }
                        match mode {
                            LockMode::Update => self.hold(open, others, tree, key),
                            // There is nothing to share in a row that does not exist.
                            LockMode::Share if current.is_some() => self.share(open, others, tree, key),
                            LockMode::Share => open.shared.push((tree, key)),
                        }
                    }
                    Ok(LockOutcome::Blocked(wait)) => self.blocked(open, others, wait, Some(asked)),
                    Ok(LockOutcome::Skipped) => self.in_the_way(open, others, &asked.row),
                    Err(error) => {
                        // It may have been offered the row.
                        open.touched.push((tree, key));
                        match error {
                            Error::Deadlock { .. } if policy == WaitPolicy::Wait => {
                                self.counts.deadlocks += 1;
                            }
                            Error::WriteConflict => {}
                            error => self.refused_or_expected(open, &error),
                        }
                    }
                }
            }
        }
    }

    /// The transaction has got a row for itself: nobody else may have it.
    pub fn hold(&self, open: &mut Open, others: &[Open], tree: u64, key: Vec<u8>) {
        let row = (tree, key);
        let held = others.iter().any(|other| other.held.contains(&row) || other.shares.contains(&row));
        assert!(!held, "seed {}: one transaction holds {row:?} alone, and another", self.seed);
        open.touched.push(row.clone());
        open.held.push(row);
    }

    /// The transaction has got a row together with others: nobody may have it alone.
    fn share(&mut self, open: &mut Open, others: &[Open], tree: u64, key: Vec<u8>) {
        let row = (tree, key);
        let held = others.iter().any(|other| other.held.contains(&row));
        assert!(!held, "seed {}: one transaction shares {row:?}, another holds it alone", self.seed);
        self.counts.shared += 1;
        self.counts.shared_by_several += u64::from(others.iter().any(|other| other.shares.contains(&row)));
        open.shared.push(row.clone());
        open.shares.push(row);
    }

    /// What a transaction is about to commit was nobody else's to hold.
    pub fn nobody_shares(&self, ops: &[Op], others: &[Open]) {
        for row in others.iter().flat_map(|other| &other.shares) {
            let writes = |op: &Op| match op {
                Op::Put(tree, key, _) | Op::Delete(tree, key) => (*tree, key) == (row.0, &row.1),
                Op::Drop(tree) => *tree == row.0,
            };
            assert!(!ops.iter().any(writes), "seed {}: a write to {row:?}, which is shared", self.seed);
        }
    }

    /// A row that is refused is one that somebody else has asked for.
    pub fn in_the_way(&self, open: &Open, others: &[Open], row: &(u64, Vec<u8>)) {
        let any = others.iter().any(|other| other.touched.contains(row) || other.shared.contains(row));
        assert!(any, "seed {}: nobody has {row:?}, and {} cannot get it", self.seed, open.txn.id());
    }

    /// Somebody else has the row: the transaction waits for it, or does without.
    pub fn blocked(&mut self, open: &mut Open, others: &[Open], mut wait: LockWait, asked: Option<Asked>) {
        self.tell(|| format!("{} is blocked: {wait:?}", open.txn.id()));
        if let Some(asked) = &asked {
            self.in_the_way(open, others, &asked.row);
        }
        let alive = |holder: &u64| others.iter().any(|other| other.txn.id() == *holder);
        let holders = wait.holders();
        assert!(
            !holders.is_empty() && holders.iter().all(alive),
            "seed {}: waits for {holders:?}, of whom some are not there",
            self.seed
        );
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let polled = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "seed {}: blocked, but {polled:?}", self.seed);
        if self.rng.random_bool(0.7) {
            open.touched.extend(asked.as_ref().map(|asked| asked.row.clone()));
            open.waiting = Some(Waiting { wait, woken, asked });
        }
    }

    /// Goes on with a transaction that waits, if it can or loses patience. Answers whether there was one.
    pub fn wait(&mut self, open: &mut Open, others: &[Open]) -> bool {
        let Some(mut waiting) = open.waiting.take() else { return false };
        let row = waiting.asked.as_ref().map(|asked| asked.row.clone());
        if let Some(at) = row.and_then(|row| open.touched.iter().rposition(|touched| *touched == row)) {
            open.touched.swap_remove(at);
        }
        let patient = self.rng.random_bool(0.8);
        if !patient {
            self.tell(|| format!("{} waits no longer", open.txn.id()));
            return true;
        }
        match Pin::new(&mut waiting.wait).poll(&mut Context::from_waker(&Waker::from(waiting.woken.clone())))
        {
            Poll::Pending => {
                open.touched.extend(waiting.asked.as_ref().map(|asked| asked.row.clone()));
                open.waiting = Some(waiting);
            }
            Poll::Ready(Ok(())) => {
                drop(waiting.wait);
                self.counts.woken += 1;
                match waiting.asked {
                    Some(asked) => self.ask(open, others, asked, WaitPolicy::Wait),
                    None => self.ask_for_safety(open, others),
                }
            }
            Poll::Ready(Err(Error::Deadlock { cycle })) => {
                let me = open.txn.id();
                assert!(cycle.iter().any(|edge| edge.waiter == me), "seed {}: {cycle:?}", self.seed);
                // It may have been offered the row before.
                open.touched.extend(waiting.asked.map(|asked| asked.row));
                self.counts.deadlocks += 1;
                open.failed = true;
            }
            Poll::Ready(Err(error)) => panic!("seed {}: {error:?} while waiting", self.seed),
        }
        true
    }

    /// Who waits, waits for somebody, and not in a circle.
    pub fn nobody_waits_in_vain(&self, open: &[Open]) {
        let waiting: Vec<usize> = (0..open.len()).filter(|index| open[*index].waits().is_some()).collect();
        let mut stuck: Vec<(usize, &Asked)> = Vec::new();
        for index in waiting {
            let Some(asked) = open[index].waits().and_then(|waiting| waiting.asked.as_ref()) else {
                continue;
            };
            let others = || open.iter().enumerate().filter(|(other, _)| *other != index);
            // Sharers are in the way of a sharer only where one who waits ahead of it is in between.
            let any = others().any(|(_, other)| match other.waits_for_row(&asked.row) {
                Some(ahead) if asked.shares() => !ahead.shares(),
                Some(_) => other.shared.contains(&asked.row),
                None if asked.shares() => other.touched.contains(&asked.row),
                None => other.touched.contains(&asked.row) || other.shared.contains(&asked.row),
            });
            let me = open[index].txn.id();
            assert!(any, "seed {}: {me} waits for nobody, for {:?}", self.seed, asked.row);
            // A circle behind one who was woken comes to light when that one asks again.
            if !others().any(|(_, other)| other.is_offered(&asked.row)) {
                stuck.push((index, asked));
            }
        }
        // Whoever waits for none of the others that wait will go on some time.
        loop {
            let before = stuck.len();
            let left = stuck.clone();
            let waits = |me: usize, asked: &Asked| {
                left.iter().any(|(other, _)| *other != me && open[*other].is_in_the_way(asked))
            };
            stuck.retain(|(me, asked)| waits(*me, asked));
            if stuck.len() == before {
                break;
            }
        }
        let stuck: Vec<u64> = stuck.iter().map(|(index, _)| open[*index].txn.id()).collect();
        assert!(stuck.is_empty(), "seed {}: {stuck:?} wait for each other", self.seed);
    }
}
