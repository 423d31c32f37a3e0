//! Portals: statements with their parameters, being executed.

use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::{Execution, PointStep, run_point, with_names};
use crate::plan::{PlannedKind, ResultColumn};
use crate::session::client::Session;
use crate::session::plan_cache::CachedPlan;
use crate::session::sequences::NEEDS_WORKER;
use crate::session::statement::{Body, Statement};
use crate::session::transaction::wait_lock;
use crate::session::{Mode, Sink, StatementKind, Step, Wait};
use crate::types::{Datum, Type};
use crate::vector::Batch;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A bound statement.
pub(crate) struct Portal {
    pub statement: Arc<Statement>,
    /// The plan of a query.
    pub plan: Option<Arc<CachedPlan>>,
    /// The text that `plan` was made from: the statement's, or that with parameters in place of literals.
    pub plan_text: Arc<str>,
    /// Declared parameter types the plan was asked for with.
    pub declared: Arc<[Type]>,
    pub params: Vec<Datum>,
    pub columns: Arc<[ResultColumn]>,
    /// One per column.
    pub formats: Vec<i16>,
    pub state: PortalState,
    /// What is left of the operators' last batch: rows from an offset.
    pub rest: Option<(Batch, usize)>,
    /// Savepoints there were when it was made: rolling back to an earlier one ends it.
    pub savepoints: usize,
    /// DECLAREd with these options.
    pub cursor: Option<Cursor>,
}

/// What DECLARE says.
#[derive(Default)]
pub(crate) struct Cursor {
    pub scroll: bool,
    pub no_scroll: bool,
    pub hold: bool,
    /// Its transaction has committed and `rows` hold everything.
    pub held: bool,
    /// Rows read so far, kept for SCROLL and WITH HOLD.
    pub rows: Vec<Vec<Datum>>,
    /// Rows before the current position: 0 is before the first row.
    pub position: usize,
    pub memory: Option<crate::context::Reservation>,
}

/// How far a portal is.
pub(crate) enum PortalState {
    New,
    Running(Box<Execution>),
    /// A utility statement that is waiting for its commit: the tag to answer then.
    Finishing(String),
    /// Ended; rows of a query cannot come again.
    Done,
}

impl Portal {
    /// A new portal over a statement, with results in text.
    pub(crate) fn new(
        statement: Arc<Statement>,
        plan: Option<Arc<CachedPlan>>,
        declared: Arc<[Type]>,
        params: Vec<Datum>,
        columns: Arc<[ResultColumn]>,
        savepoints: usize,
    ) -> Self {
        Self {
            plan_text: Arc::clone(&statement.text),
            statement,
            plan,
            declared,
            params,
            formats: vec![0; columns.len()],
            columns,
            state: PortalState::New,
            rest: None,
            savepoints,
            cursor: None,
        }
    }
    /// Whether it stays when its transaction commits.
    pub(crate) fn survives_commit(&self) -> bool {
        self.is_held() || matches!(self.state, PortalState::Finishing(_))
    }
    /// Whether it is a cursor whose transaction has ended.
    pub(crate) fn is_held(&self) -> bool {
        self.cursor.as_ref().is_some_and(|c| c.held)
    }
}

/// `SELECT 3`, `INSERT 0 1`: verb and count.
fn tag(verb: &str, rows: u64) -> String {
    let mut tag = String::with_capacity(verb.len() + 8);
    tag.push_str(verb);
    tag.push(' ');
    let mut number = Vec::with_capacity(20);
    crate::types::io::write_int(i64::try_from(rows).unwrap_or(i64::MAX), &mut number);
    tag.extend(number.iter().map(|b| char::from(*b)));
    tag
}

impl Session {
    pub(crate) fn portal(&self, name: &str) -> Option<&Portal> {
        if name.is_empty() { self.unnamed_portal.as_ref() } else { self.portals.get(name) }
    }
    fn take_portal(&mut self, name: &str) -> Result<Portal> {
        let portal = if name.is_empty() { self.unnamed_portal.take() } else { self.portals.remove(name) };
        portal.ok_or_else(|| {
            SqlError::new(sqlstate::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
        })
    }
    pub(crate) fn put_portal(&mut self, name: &str, portal: Portal) {
        if name.is_empty() {
            self.unnamed_portal = Some(portal);
        } else {
            self.portals.insert(name.to_owned(), portal);
        }
    }
    /// Ends the portals that `gone` names.
    pub(crate) fn drop_portals(&mut self, gone: impl Fn(&Portal) -> bool) {
        if self.unnamed_portal.as_ref().is_some_and(&gone) {
            self.unnamed_portal = None;
        }
        if !self.portals.is_empty() {
            self.portals.retain(|_, portal| !gone(portal));
        }
    }

    pub(crate) fn execute_portal(
        &mut self,
        name: &str,
        max_rows: u64,
        query: &QueryContext,
        sink: &mut dyn Sink,
        mode: Mode,
    ) -> Result<Step> {
        let mut portal = self.take_portal(name)?;
        self.environment.may_block.store(mode == Mode::Worker, Ordering::Relaxed);
        let result = self.run(&mut portal, max_rows, query, sink, mode);
        match result {
            Ok(step) => {
                // A portal lives as long as its transaction.
                let alive =
                    self.transaction.is_some() || portal.survives_commit() || matches!(step, Step::Offload);
                if alive {
                    self.put_portal(name, portal);
                }
                Ok(step)
            }
            Err(error) if error.sqlstate() == NEEDS_WORKER && mode == Mode::Inline => {
                portal.state = PortalState::New;
                self.put_portal(name, portal);
                Ok(Step::Offload)
            }
            Err(error) => Err(portal.statement.place(error)),
        }
    }

    fn run(
        &mut self,
        portal: &mut Portal,
        max_rows: u64,
        query: &QueryContext,
        sink: &mut dyn Sink,
        mode: Mode,
    ) -> Result<Step> {
        if let PortalState::Finishing(tag) = &mut portal.state {
            let tag = std::mem::take(tag);
            portal.state = PortalState::Done;
            return Ok(Step::Complete(tag));
        }
        match &portal.statement.body {
            Body::Query(_) => {
                self.check_not_failed()?;
                self.run_query(portal, max_rows, query, sink, mode)
            }
            Body::Utility(utility) => {
                if !utility.ends_transaction() {
                    self.check_not_failed()?;
                }
                if matches!(portal.state, PortalState::Done) {
                    return Err(SqlError::new(
                        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        "portal cannot be run",
                    ));
                }
                let utility = Arc::clone(utility);
                self.run_utility(portal, &utility, query, sink, mode)
            }
        }
    }

    /// Runs a query in a portal that is not in the session's map.
    pub(crate) fn run_bound_query(
        &mut self,
        portal: &mut Portal,
        query: &QueryContext,
        sink: &mut dyn Sink,
        mode: Mode,
    ) -> Result<Step> {
        self.run_query(portal, 0, query, sink, mode)
    }

    /// Takes what a query needs before it runs: a snapshot, a plan that fits, table locks. A step where it has to wait.
    pub(crate) fn prepare_run(
        &mut self,
        portal: &mut Portal,
        query: &QueryContext,
        mode: Mode,
    ) -> Result<Option<Step>> {
        query.check()?;
        while let Some(wait) = self.wait_for_safe_snapshot()? {
            match mode {
                Mode::Inline => return Ok(Some(Step::Wait(Wait::Lock(wait)))),
                Mode::Worker => wait_lock(self, wait, query)?,
            }
        }
        loop {
            self.begin_statement()?;
            let plan = portal.plan.take().ok_or_else(|| SqlError::internal("a query without a plan"))?;
            let plan = self.revalidate(plan, &portal.plan_text, &portal.declared)?;
            portal.plan = Some(Arc::clone(&plan));
            // `$1` in a query that comes without parameters.
            if plan.statement.params.len() > portal.params.len() {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_PARAMETER,
                    format!("there is no parameter ${}", portal.params.len() + 1),
                ));
            }
            if plan.writes.is_empty() {
                if plan.kind != StatementKind::Select {
                    self.check_writable(kind_name(plan.kind))?;
                }
                return Ok(None);
            }
            self.check_writable(match plan.kind {
                StatementKind::Select => "SELECT FOR UPDATE",
                kind => kind_name(kind),
            })?;
            let mut new = false;
            for oid in &plan.writes {
                match self.lock_object(u64::from(*oid), false, query, mode)? {
                    Ok(taken) => new |= taken,
                    Err(wait) => return Ok(Some(Step::Wait(Wait::Lock(wait)))),
                }
            }
            // DDL may have finished before a new lock was ours: then everything is looked up again.
            let version = match &self.transaction {
                Some(t) if t.ddl_base.is_some() => t.catalog.version,
                _ if new => self.database().with_catalog(|c| c.version),
                _ => plan.statement.catalog_version,
            };
            if version == plan.statement.catalog_version {
                return Ok(None);
            }
        }
    }

    fn run_query(
        &mut self,
        portal: &mut Portal,
        max_rows: u64,
        query: &QueryContext,
        sink: &mut dyn Sink,
        mode: Mode,
    ) -> Result<Step> {
        if matches!(portal.state, PortalState::Done) {
            let verb = portal.plan.as_ref().map_or("SELECT", |p| p.statement.tag);
            return Ok(Step::Complete(tag(verb, 0)));
        }
        if matches!(portal.state, PortalState::New) {
            let tree = portal.plan.as_ref().is_some_and(|p| matches!(p.statement.kind, PlannedKind::Tree(_)));
            if tree && mode == Mode::Inline {
                return Ok(Step::Offload);
            }
            if let Some(step) = self.prepare_run(portal, query, mode)? {
                return Ok(step);
            }
        } else if mode == Mode::Inline {
            return Ok(Step::Offload);
        }
        let plan = portal.plan.as_ref().ok_or_else(|| SqlError::internal("a query without a plan"))?;
        if let PlannedKind::Point(point) = &plan.statement.kind {
            let lock_timeout = self.lock_timeout();
            let transaction =
                self.transaction.as_ref().ok_or_else(|| SqlError::internal("no transaction"))?;
            let mut ctx =
                transaction.context(&self.environment, &self.eval, &portal.params, query, lock_timeout);
            loop {
                match run_point(point, &mut ctx, sink)? {
                    PointStep::Done { rows } => {
                        portal.state = PortalState::Done;
                        return Ok(Step::Complete(tag(plan.statement.tag, rows)));
                    }
                    PointStep::Wait(wait) if mode == Mode::Inline => return Ok(Step::Wait(Wait::Lock(wait))),
                    PointStep::Wait(wait) => ctx.wait(wait)?,
                }
            }
        }
        self.run_tree(portal, max_rows, query, sink)
    }

    /// Runs operators for at most `max_rows` rows (0: all).
    fn run_tree(
        &mut self,
        portal: &mut Portal,
        max_rows: u64,
        query: &QueryContext,
        sink: &mut dyn Sink,
    ) -> Result<Step> {
        let plan = portal.plan.clone().ok_or_else(|| SqlError::internal("a query without a plan"))?;
        let lock_timeout = self.lock_timeout();
        let transaction = self.transaction.as_ref().ok_or_else(|| SqlError::internal("no transaction"))?;
        let Portal { params, state, rest, formats, .. } = portal;
        let mut ctx = transaction.context(&self.environment, &self.eval, params, query, lock_timeout);
        if matches!(state, PortalState::New) {
            *state = PortalState::Running(Box::new(Execution::open(Arc::clone(&plan.statement), &mut ctx)?));
        }
        let PortalState::Running(execution) = state else {
            return Err(SqlError::internal("a portal that does not run"));
        };
        let has_rows = plan.statement.columns.is_some();
        let columns = plan.statement.columns.as_deref().unwrap_or_default();
        let mut wanted = if max_rows == 0 { u64::MAX } else { max_rows };
        let mut sent = 0_u64;
        loop {
            if wanted == 0 {
                return Ok(Step::Suspended);
            }
            let (batch, offset) = match rest.take() {
                Some(rest) => rest,
                None => match execution.next(&mut ctx)? {
                    Some(batch) => (with_names(batch, columns, formats, &ctx.eval)?, 0),
                    None => break,
                },
            };
            if !has_rows {
                continue;
            }
            let available = (batch.rows - offset) as u64;
            if offset == 0 && available <= wanted {
                query.count_rows(available)?;
                sink.batch(&batch)?;
                sent += available;
                wanted -= available;
                continue;
            }
            let take = available.min(wanted);
            query.count_rows(take)?;
            let end = offset + take as usize;
            for row in offset..end {
                sink.row(&batch.row(row))?;
            }
            sent += take;
            wanted -= take;
            if end < batch.rows {
                *rest = Some((batch, end));
            }
        }
        let count = if plan.kind == StatementKind::Select { sent } else { execution.affected() };
        *state = PortalState::Done;
        self.end_of_statement(query)?;
        Ok(Step::Complete(tag(plan.statement.tag, count)))
    }

    /// Takes a portal's snapshot and opens its operators, without reading: DECLARE does so.
    pub(crate) fn open_portal(&mut self, portal: &mut Portal, query: &QueryContext) -> Result<()> {
        if !matches!(portal.state, PortalState::New) {
            return Ok(());
        }
        self.prepare_run(portal, query, Mode::Worker)?;
        let plan = portal.plan.clone().ok_or_else(|| SqlError::internal("a query without a plan"))?;
        if matches!(plan.statement.kind, PlannedKind::Point(_)) {
            let types: Vec<Type> = portal.columns.iter().map(|c| c.ty.ty).collect();
            let mut rows = RowCollector::default();
            self.run_query(portal, 0, query, &mut rows, Mode::Worker)?;
            portal.rest = Some((Batch::from_rows(&types, &rows.rows), 0));
            return Ok(());
        }
        let lock_timeout = self.lock_timeout();
        let transaction = self.transaction.as_ref().ok_or_else(|| SqlError::internal("no transaction"))?;
        let mut ctx = transaction.context(&self.environment, &self.eval, &portal.params, query, lock_timeout);
        portal.state =
            PortalState::Running(Box::new(Execution::open(Arc::clone(&plan.statement), &mut ctx)?));
        Ok(())
    }

    /// The next rows of a portal, none at its end.
    pub(crate) fn next_batch(&mut self, portal: &mut Portal, query: &QueryContext) -> Result<Option<Batch>> {
        query.check()?;
        self.open_portal(portal, query)?;
        if let Some((batch, offset)) = portal.rest.take().filter(|(batch, offset)| *offset < batch.rows) {
            if offset == 0 {
                return Ok(Some(batch));
            }
            let types: Vec<Type> = batch.columns.iter().map(|c| c.ty).collect();
            let rows: Vec<Vec<Datum>> = (offset..batch.rows).map(|row| batch.row(row)).collect();
            return Ok(Some(Batch::from_rows(&types, &rows)));
        }
        let lock_timeout = self.lock_timeout();
        let PortalState::Running(execution) = &mut portal.state else { return Ok(None) };
        let transaction = self.transaction.as_ref().ok_or_else(|| SqlError::internal("no transaction"))?;
        let mut ctx = transaction.context(&self.environment, &self.eval, &portal.params, query, lock_timeout);
        let batch = execution.next(&mut ctx)?;
        if batch.is_none() {
            portal.state = PortalState::Done;
            self.end_of_statement(query)?;
        }
        Ok(batch)
    }

    /// The next row of a portal.
    pub(crate) fn next_row(
        &mut self,
        portal: &mut Portal,
        query: &QueryContext,
    ) -> Result<Option<Vec<Datum>>> {
        loop {
            if let Some((batch, offset)) = &mut portal.rest
                && *offset < batch.rows
            {
                let row = batch.row(*offset);
                *offset += 1;
                return Ok(Some(row));
            }
            match self.next_batch(portal, query)? {
                Some(batch) => portal.rest = Some((batch, 0)),
                None => return Ok(None),
            }
        }
    }

    /// A portal over a query's text, as DECLARE, EXECUTE and COPY make them.
    pub(crate) fn query_portal(&mut self, text: &str) -> Result<Portal> {
        let mut statements = super::statement::split(text)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(SqlError::syntax("a query is expected here"));
        };
        if !matches!(statement.body, Body::Query(_)) {
            return Err(SqlError::syntax("a query is expected here"));
        }
        let prepared = self.prepare(statement, Arc::new([]))?;
        let Some(statement) = prepared.statement else { return Err(SqlError::internal("no statement")) };
        let savepoints = self.transaction.as_ref().map_or(0, |t| t.savepoints.len());
        Ok(Portal::new(statement, prepared.plan, prepared.declared, Vec::new(), prepared.columns, savepoints))
    }

    /// Runs a query for ourselves and gives its rows.
    pub(crate) fn internal_query(&mut self, text: &str, query: &QueryContext) -> Result<Vec<Vec<Datum>>> {
        let mut portal = self.query_portal(text)?;
        let mut rows = Vec::new();
        while let Some(batch) = self.next_batch(&mut portal, query)? {
            rows.extend((0..batch.rows).map(|row| batch.row(row)));
        }
        Ok(rows)
    }
}

fn kind_name(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::Insert => "INSERT",
        StatementKind::Update => "UPDATE",
        StatementKind::Delete => "DELETE",
        _ => "SELECT",
    }
}

/// Keeps rows.
#[derive(Default)]
pub(crate) struct RowCollector {
    pub rows: Vec<Vec<Datum>>,
}

impl Sink for RowCollector {
    fn row(&mut self, row: &[Datum]) -> Result<()> {
        self.rows.push(row.to_vec());
        Ok(())
    }
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        self.rows.extend((0..batch.rows).map(|row| batch.row(row)));
        Ok(())
    }
    fn copy_out(&mut self, _: &[i16]) -> Result<()> {
        Err(SqlError::internal("COPY inside of a query"))
    }
    fn copy_data(&mut self, _: &[u8]) -> Result<()> {
        Err(SqlError::internal("COPY inside of a query"))
    }
}
