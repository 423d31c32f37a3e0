//! A plan that is being run: owned, so that a portal can keep it between Executes.

use super::context::{ExecContext, ExecState};
use super::operators::{self, BoxOperator};
use crate::error::{Result, SqlError};
use crate::plan::{Plan, PlannedKind, PlannedStatement};
use crate::vector::Batch;
use std::sync::Arc;

/// Who keeps the plan alive.
enum Owner {
    Statement(Arc<PlannedStatement>),
    Plan(Arc<Plan>),
}

impl Owner {
    fn plan(&self) -> Result<&Plan> {
        match self {
            Owner::Statement(statement) => match &statement.kind {
                PlannedKind::Tree(plan) => Ok(plan),
                PlannedKind::Point(_) => Err(SqlError::internal("a point plan has no operators")),
            },
            Owner::Plan(plan) => Ok(plan),
        }
    }
}

self_cell::self_cell!(
    struct Cell {
        owner: Owner,
        #[not_covariant]
        dependent: BoxOperator,
    }
);

/// Operators with the plan they borrow from and the state of their run.
pub struct Execution {
    cell: Cell,
    state: ExecState,
    done: bool,
}

impl Execution {
    /// Opens a planned statement's tree. The context's snapshot becomes the execution's.
    ///
    /// # Errors
    /// XX000 for a point plan; whatever opening an operator fails with.
    pub fn open(statement: Arc<PlannedStatement>, ctx: &mut ExecContext<'_>) -> Result<Self> {
        Self::of(Owner::Statement(statement), ctx)
    }

    /// Opens a plan.
    ///
    /// # Errors
    /// Whatever opening an operator fails with.
    pub fn open_plan(plan: Arc<Plan>, ctx: &mut ExecContext<'_>) -> Result<Self> {
        Self::of(Owner::Plan(plan), ctx)
    }

    fn of(owner: Owner, ctx: &mut ExecContext<'_>) -> Result<Self> {
        let cell = Cell::try_new(owner, |owner| operators::open(owner.plan()?, ctx))?;
        let state = ExecState { snapshot: ctx.state.snapshot.clone(), ..ExecState::default() };
        Ok(Self { cell, state, done: false })
    }

    /// The next rows (never an empty batch); none at the end, and ever after.
    ///
    /// # Errors
    /// Whatever the statement fails with; it is over then.
    pub fn next(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        std::mem::swap(&mut ctx.state, &mut self.state);
        let result = self.next_shared(ctx);
        std::mem::swap(&mut ctx.state, &mut self.state);
        result
    }

    /// [`Execution::next`] in the state that the context has: a part of a statement.
    pub(crate) fn next_shared(&mut self, ctx: &mut ExecContext<'_>) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        let result = self.cell.with_dependent_mut(|_, operator| operator.next(ctx));
        self.done = !matches!(result, Ok(Some(_)));
        result
    }

    /// Rows inserted, updated or deleted by the statement itself (not by its CTEs).
    pub fn affected(&self) -> u64 {
        self.cell.with_dependent(|_, operator| operator.affected())
    }
}
