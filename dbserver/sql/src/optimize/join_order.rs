//! The order in which a chain of inner joins is made.
//!
//! Each relation is added to what is joined before (a left-deep tree). Few relations are put in the best of all such orders, by the
//! best one of each subset of them (Selinger and others, "Access path selection in a relational database management system",
//! 1979); more of them one by one, always the one that costs least next.

use super::join::{Leaf, is_equality};
use super::pushdown::columns_all;
use super::selectivity::{self, Source, source};
use super::{estimate, keys};
use crate::expr::{Expr, ExprKind};
use crate::plan::{Access, Plan};

/// Up to this many relations all orders are looked at.
const ALL_ORDERS_MAX: usize = 8;
/// More relations than this are joined in the order they are written.
const REORDER_MAX: usize = 16;
/// How much worse a join without a condition is than what its rows say: it comes last.
const UNCONNECTED: f64 = 1e6;

/// A set of relations, a bit each.
type Set = u32;

struct Relation {
    rows: f64,
    /// Reading it.
    cost: f64,
    /// Sets of relations that an index look-up could take a value from, and the rows that a look-up gives.
    lookups: Vec<(Set, f64)>,
}

struct Condition {
    relations: Set,
    selectivity: f64,
    equality: bool,
}

struct Chain {
    relations: Vec<Relation>,
    conditions: Vec<Condition>,
}

/// What has been joined.
#[derive(Clone, Copy)]
struct Joined {
    rows: f64,
    cost: f64,
    last: usize,
}

/// The relations in the order in which to join them.
pub(super) fn order(leaves: &[Leaf], conditions: &[Expr]) -> Vec<usize> {
    if leaves.len() < 2 || leaves.len() > REORDER_MAX {
        return (0..leaves.len()).collect();
    }
    let chain = Chain::new(leaves, conditions);
    if leaves.len() <= ALL_ORDERS_MAX { chain.best() } else { chain.greedy() }
}

fn leaf_of(leaves: &[Leaf], column: usize) -> Option<(usize, &Leaf)> {
    leaves.iter().enumerate().find(|(_, l)| column >= l.first && column < l.first + l.width)
}

/// The set of relations that a condition reads.
fn relations_of(leaves: &[Leaf], condition: &Expr) -> Set {
    let mut set = 0;
    columns_all(condition, |column| {
        set |= leaf_of(leaves, column).map_or(0, |(at, _)| 1 << at);
        true
    });
    set
}

impl Chain {
    fn new(leaves: &[Leaf], conditions: &[Expr]) -> Self {
        let columns = |column: usize| -> Option<Source<'_>> {
            let (_, leaf) = leaf_of(leaves, column)?;
            source(&leaf.plan, column - leaf.first)
        };
        let found: Vec<Condition> = conditions
            .iter()
            .map(|c| Condition {
                relations: relations_of(leaves, c),
                selectivity: selectivity::selectivity(c, &columns),
                equality: is_equality(c),
            })
            .collect();
        let relations = leaves
            .iter()
            .enumerate()
            .map(|(at, leaf)| {
                let expected = estimate::of_leaf(&leaf.plan);
                let lookups = lookups(leaf, 1 << at, conditions, &found, expected.rows);
                Relation { rows: expected.rows.max(1.0), cost: expected.total, lookups }
            })
            .collect();
        Self { relations, conditions: found }
    }

    fn one(&self, at: usize) -> Joined {
        let (rows, cost) = self.relations.get(at).map_or((1.0, 0.0), |r| (r.rows, r.cost));
        Joined { rows, cost, last: at }
    }

    /// Adds a relation to a set that has been joined.
    fn add(&self, set: Set, joined: Joined, at: usize) -> Joined {
        let Some(relation) = self.relations.get(at) else { return joined };
        let with = set | (1 << at);
        let mut rows = joined.rows * relation.rows;
        let (mut connected, mut hashed) = (false, false);
        for condition in &self.conditions {
            let new = condition.relations & !with == 0 && condition.relations & (1 << at) != 0;
            if new && condition.relations & set != 0 {
                rows *= condition.selectivity;
                connected = true;
                hashed |= condition.equality;
            }
        }
        let rows = rows.max(1.0);
        let small = joined.rows.min(relation.rows);
        let large = joined.rows.max(relation.rows);
        let by_scan = relation.cost
            + if hashed {
                small * estimate::KEEP + large * estimate::ROW
            } else {
                joined.rows * relation.rows * (estimate::ROW + estimate::OPERATOR)
            };
        let by_lookup = relation
            .lookups
            .iter()
            .filter(|(from, _)| from & !set == 0)
            .map(|(_, found)| joined.rows * (estimate::RERUN + estimate::LOOKUP + found * estimate::LOOKUP))
            .fold(f64::INFINITY, f64::min);
        let step = by_scan.min(by_lookup) + rows * estimate::ROW;
        let step = if connected { step } else { step * UNCONNECTED };
        Joined { rows, cost: joined.cost + step, last: at }
    }

    /// The best order: for each set the best way to join it, by which relation comes last.
    fn best(&self) -> Vec<usize> {
        let count = self.relations.len();
        let all: Set = (1 << count) - 1;
        let mut best: Vec<Option<Joined>> = vec![None; all as usize + 1];
        for set in 1..=all {
            let members = (0..count).filter(|at| set & (1 << at) != 0);
            let found = members
                .filter_map(|at| match set & !(1 << at) {
                    0 => Some(self.one(at)),
                    before => best.get(before as usize).copied().flatten().map(|j| self.add(before, j, at)),
                })
                .min_by(|a, b| a.cost.total_cmp(&b.cost));
            if let Some(slot) = best.get_mut(set as usize) {
                *slot = found;
            }
        }
        let mut order = Vec::with_capacity(count);
        let mut set = all;
        while let Some(joined) = best.get(set as usize).copied().flatten() {
            order.push(joined.last);
            set &= !(1 << joined.last);
        }
        order.reverse();
        order
    }

    /// The smallest relation that anything connects, then always what costs least next.
    fn greedy(&self) -> Vec<usize> {
        let count = self.relations.len();
        let rank = |at: usize| {
            let connected = self.conditions.iter().any(|c| c.equality && c.relations & (1 << at) != 0);
            self.one(at).rows * if connected { 1.0 } else { UNCONNECTED }
        };
        let first = (0..count).min_by(|a, b| rank(*a).total_cmp(&rank(*b))).unwrap_or(0);
        let mut order = vec![first];
        let (mut set, mut joined): (Set, _) = (1 << first, self.one(first));
        while order.len() < count {
            let left = (0..count).filter(|at| set & (1 << at) == 0);
            let next = left.map(|at| self.add(set, joined, at)).min_by(|a, b| a.cost.total_cmp(&b.cost));
            let Some(next) = next else { break };
            order.push(next.last);
            set |= 1 << next.last;
            joined = next;
        }
        order
    }
}

/// The conditions by which rows of a table could be looked up for each row of others: those that bound an index by equality.
fn lookups(leaf: &Leaf, own: Set, conditions: &[Expr], found: &[Condition], rows: f64) -> Vec<(Set, f64)> {
    let Plan::Scan(scan) = &leaf.plan else { return Vec::new() };
    if !matches!(scan.access, Access::Full) {
        return Vec::new();
    }
    let mut out = Vec::new();
    for (condition, known) in conditions.iter().zip(found) {
        if !known.equality || known.relations & own == 0 || known.relations == own {
            continue;
        }
        let ExprKind::Call { args, .. } = &condition.kind else { continue };
        let indexed = args.iter().any(|arg| match arg.kind {
            ExprKind::Column(c) if c >= leaf.first && c < leaf.first + leaf.width => {
                keys::has_index_on(scan, &[c - leaf.first])
            }
            _ => false,
        });
        if indexed {
            out.push((known.relations & !own, (rows * known.selectivity).max(1.0)));
        }
    }
    out
}
