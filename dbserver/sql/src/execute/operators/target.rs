//! Rows to update, delete or lock: the input's rows are locked, and those that another transaction changed meanwhile are
//! read anew and put to the query's condition again (in READ COMMITTED; REPEATABLE READ refuses them).

use crate::error::{Result, SqlError, sqlstate};
use crate::execute::access::Access;
use crate::execute::columns::{self, var};
use crate::execute::context::ExecContext;
use crate::execute::eval::eval_row;
use crate::expr::Expr;
use crate::plan::{LockTarget, LockWaitPolicy, Plan};
use crate::types::Datum;
use crate::vector::{Batch, Values};
use hashbrown::HashSet;
use plimsoll_storage::{LockMode, LockOutcome, WaitPolicy};
use std::sync::Arc;

/// How rows are locked.
#[derive(Clone, Copy)]
pub struct Locking {
    pub mode: LockMode,
    pub wait: LockWaitPolicy,
}

impl Locking {
    /// As UPDATE and DELETE do.
    pub const WRITE: Locking = Locking { mode: LockMode::Update, wait: LockWaitPolicy::Block };
}

/// What became of one row's lock.
enum Locked {
    /// As the snapshot has it.
    Same,
    /// Another version.
    Changed(Vec<Datum>),
    /// Gone, changed by the statement already, or skipped.
    Gone,
}

/// The key in a column of keys; none for null (the empty side of an outer join).
pub fn row_key(batch: &Batch, column: usize, row: usize) -> Option<&[u8]> {
    let vector = batch.columns.get(column)?;
    match &vector.values {
        Values::Bytea(keys) if !columns::is_null(vector, row) => Some(var(keys, row)),
        _ => None,
    }
}

fn lock(access: &Access, key: &[u8], locking: Locking, ctx: &mut ExecContext<'_>) -> Result<Locked> {
    let policy = if locking.wait == LockWaitPolicy::Block { WaitPolicy::Wait } else { WaitPolicy::Skip };
    loop {
        match ctx.transaction()?.lock_row(access.table.tree, key, locking.mode, policy)? {
            // What a statement has changed it does not change again, nor lock.
            LockOutcome::Locked { current: None, .. } | LockOutcome::Locked { by_statement: true, .. } => {
                return Ok(Locked::Gone);
            }
            LockOutcome::Locked { changed: false, .. } => return Ok(Locked::Same),
            LockOutcome::Locked { current: Some(value), .. } => {
                return access.read(key, &value).map(Locked::Changed);
            }
            LockOutcome::Blocked(wait) => ctx.wait(wait)?,
            LockOutcome::Skipped if locking.wait == LockWaitPolicy::NoWait => {
                return Err(SqlError::new(
                    sqlstate::LOCK_NOT_AVAILABLE,
                    format!("could not obtain lock on row in relation \"{}\"", access.table.name),
                ));
            }
            LockOutcome::Skipped => return Ok(Locked::Gone),
        }
    }
}

/// Locks the rows of a batch for each target. What comes out are the rows that are still there and still wanted, in their newest
/// versions; none where no row is left. Rows whose key is in `done` are left out.
pub fn lock_batch(
    batch: Batch,
    targets: &[(&LockTarget, Arc<Access>)],
    recheck: Option<&Expr>,
    locking: Locking,
    mut done: Option<&mut HashSet<Box<[u8]>>>,
    ctx: &mut ExecContext<'_>,
) -> Result<Option<Batch>> {
    let mut kept: Vec<u32> = Vec::with_capacity(batch.rows);
    // Rows with a new version, by their place in `kept`.
    let mut changed: Vec<(usize, Vec<Datum>)> = Vec::new();
    'rows: for row in 0..batch.rows {
        let mut newest: Option<Vec<Datum>> = None;
        for (target, access) in targets {
            let Some(key) = row_key(&batch, target.key, row) else { continue };
            if let Some(done) = &mut done
                && !done.insert(key.into())
            {
                continue 'rows;
            }
            match lock(access, key, locking, ctx)? {
                Locked::Same => {}
                Locked::Gone => continue 'rows,
                Locked::Changed(values) => {
                    let row = newest.get_or_insert_with(|| columns::row(&batch, row));
                    for (place, value) in row.iter_mut().skip(target.first).zip(values) {
                        *place = value;
                    }
                }
            }
        }
        if let Some(values) = newest {
            if let Some(recheck) = recheck
                && eval_row(recheck, &values, ctx)? != Datum::Bool(true)
            {
                continue;
            }
            changed.push((kept.len(), values));
        }
        kept.push(u32::try_from(row).unwrap_or(columns::NONE));
    }
    if kept.is_empty() {
        return Ok(None);
    }
    if changed.is_empty() {
        if kept.len() == batch.rows {
            return Ok(Some(batch));
        }
        return columns::take_batch(&batch, &kept).map(Some);
    }
    let mut changed = changed.into_iter().peekable();
    let rows: Vec<Vec<Datum>> = kept
        .iter()
        .enumerate()
        .map(|(place, row)| match changed.next_if(|(at, _)| *at == place) {
            Some((_, values)) => values,
            None => columns::row(&batch, *row as usize),
        })
        .collect();
    let types: Vec<_> = batch.columns.iter().map(|c| c.ty).collect();
    columns::from_rows(&types, rows.iter().map(Vec::as_slice)).map(Some)
}

/// Whether a plan may give the same row of its target more than once: only a scan of it surely does not.
pub fn may_repeat(plan: &Plan) -> bool {
    match plan {
        Plan::Scan(_) => false,
        Plan::Filter { input, .. } | Plan::Project { input, .. } | Plan::Sort { input, .. } => {
            may_repeat(input)
        }
        _ => true,
    }
}
