//! Hash join: the right side is read and hashed by its keys, the left side looks its keys up. Null keys match nothing.

use super::pairs::{LeftRows, Pairs};
use super::{BoxOperator, Operator, pull};
use crate::context::Reservation;
use crate::error::Result;
use crate::execute::columns::{self, Accumulated, NONE, batch_memory};
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_all;
use crate::execute::groups::Groups;
use crate::execute::shape::plan_types;
use crate::expr::Expr;
use crate::plan::{JoinKind, Plan};
use crate::vector::{BATCH_ROWS_MAX, Batch};

/// A hash join.
pub struct HashJoin<'p> {
    left: BoxOperator<'p>,
    right: Option<BoxOperator<'p>>,
    plans: (&'p Plan, &'p Plan),
    keys: (&'p [Expr], &'p [Expr]),
    pairs: Pairs<'p>,
    groups: Groups,
    /// First and last right row of each group.
    ends: Vec<(u32, u32)>,
    /// The right row after this one in its group.
    following: Vec<u32>,
    current: Option<Current>,
    left_done: bool,
    memory: Reservation,
}

/// The left rows at hand.
struct Current {
    rows: LeftRows,
    /// Each one's group.
    groups: Vec<u32>,
    /// Which left row is next, and which right row, where we are inside a group.
    position: usize,
    chain: Option<u32>,
}

impl<'p> HashJoin<'p> {
    pub fn new(
        kind: JoinKind,
        (left, right): (BoxOperator<'p>, BoxOperator<'p>),
        plans: (&'p Plan, &'p Plan),
        keys: (&'p [Expr], &'p [Expr]),
        residual: Option<&'p Expr>,
        ctx: &mut ExecContext<'_>,
    ) -> Self {
        let types = keys.1.iter().map(|k| k.ty).collect();
        Self {
            left,
            right: Some(right),
            plans,
            keys,
            pairs: Pairs::new(kind, residual),
            groups: Groups::new(types, true, ctx.reservation()),
            ends: Vec::new(),
            following: Vec::new(),
            current: None,
            left_done: false,
            memory: ctx.reservation(),
        }
    }

    fn build(&mut self, ctx: &mut ExecContext<'_>) -> Result<()> {
        let Some(mut right) = self.right.take() else { return Ok(()) };
        let mut rows = Accumulated::new(&plan_types(self.plans.1));
        let keep_all = matches!(self.pairs.kind, JoinKind::Right | JoinKind::Full);
        // Without a condition beyond the keys, semi and anti joins only ask whether the group is there.
        let keys_only = self.pairs.left_only() && !self.pairs.has_condition();
        let mut assigned = Vec::new();
        while let Some(mut batch) = pull(&mut right, ctx)? {
            let keys = eval_all(self.keys.1, &batch, ctx)?;
            self.groups.assign(&keys, batch.rows, &mut assigned)?;
            if keys_only {
                continue;
            }
            if !keep_all && assigned.contains(&NONE) {
                let with_key = (0u32..).zip(&assigned).filter(|(_, g)| **g != NONE);
                let kept: Vec<u32> = with_key.map(|(i, _)| i).collect();
                batch = columns::take_batch(&batch, &kept)?;
                assigned.retain(|g| *g != NONE);
            }
            self.memory.grow(batch_memory(&batch).saturating_add((batch.rows as u64).saturating_mul(12)))?;
            self.ends.resize(self.groups.len(), (NONE, NONE));
            let base = u32::try_from(rows.rows).unwrap_or(NONE);
            rows.add(&batch)?;
            for (i, group) in (0u32..).zip(&assigned) {
                let row = base.saturating_add(i);
                self.following.push(NONE);
                if let Some((first, last)) = self.ends.get_mut(*group as usize) {
                    match self.following.get_mut(*last as usize) {
                        Some(following) => *following = row,
                        None => *first = row,
                    }
                    *last = row;
                }
            }
        }
        let Batch { rows, columns } = rows.into_batch();
        self.pairs.set_right(columns, rows);
        Ok(())
    }
}

impl Operator for HashJoin<'_> {
    fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        self.build(ctx)?;
        let kind = self.pairs.kind;
        if self.groups.len() == 0 && matches!(kind, JoinKind::Inner | JoinKind::Semi) {
            return Ok(None);
        }
        let keys_only = self.pairs.left_only() && !self.pairs.has_condition();
        // Without a further condition, a left row without a partner is known at once.
        let extend = matches!(kind, JoinKind::Left | JoinKind::Full) && !self.pairs.has_condition();
        loop {
            ctx.check()?;
            let Some(current) = &mut self.current else {
                if self.left_done {
                    let types = plan_types(self.plans.0);
                    let empty = columns::batch(0, types.into_iter().map(columns::empty).collect());
                    return self.pairs.right_rest(&empty);
                }
                match pull(&mut self.left, ctx)? {
                    Some(batch) => {
                        let keys = eval_all(self.keys.0, &batch, ctx)?;
                        let mut groups = Vec::new();
                        self.groups.find(&keys, batch.rows, &mut groups);
                        let rows = LeftRows::new(batch);
                        self.current = Some(Current { rows, groups, position: 0, chain: None });
                    }
                    None => self.left_done = true,
                }
                continue;
            };
            if keys_only {
                for (matched, group) in current.rows.matched.iter_mut().zip(&current.groups) {
                    *matched = *group != NONE;
                }
                current.position = current.rows.batch.rows;
            }
            let (mut l, mut r) = (Vec::new(), Vec::new());
            while l.len() < BATCH_ROWS_MAX {
                let Some(group) = current.groups.get(current.position).filter(|_| !keys_only) else { break };
                let row = current.position as u32;
                let partner = match current.chain {
                    Some(next) => next,
                    None => self.ends.get(*group as usize).map_or(NONE, |(first, _)| *first),
                };
                if partner == NONE {
                    if extend && current.chain.is_none() {
                        l.push(row);
                        r.push(NONE);
                    }
                    current.chain = None;
                    current.position = current.position.saturating_add(1);
                    continue;
                }
                l.push(row);
                r.push(partner);
                current.chain = Some(self.following.get(partner as usize).copied().unwrap_or(NONE));
            }
            if l.is_empty() {
                let rest = self.pairs.left_rest(&current.rows)?;
                self.current = None;
                if rest.is_some() {
                    return Ok(rest);
                }
            } else if let Some(batch) = self.pairs.join(&mut current.rows, l, r, ctx)? {
                return Ok(Some(batch));
            }
        }
    }
}
