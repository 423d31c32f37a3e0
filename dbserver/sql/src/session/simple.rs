//! The simple query protocol: a text of statements, one after the other, in one implicit transaction.

use crate::error::Result;
use crate::parse;
use crate::session::Description;
use crate::session::StatementKind;
use crate::session::client::Session;
use crate::session::plan_cache::{CachedPlan, PlanKey};
use crate::session::portal::Portal;
use crate::session::statement::{self, Body, Statement};
use crate::types::{Datum, Type};
use std::sync::Arc;

/// A statement of a simple query that is yet to run.
pub(crate) enum Pending {
    Statement(Statement),
    /// Found in the plan cache with its literals as parameters.
    Planned {
        statement: Statement,
        plan: Arc<CachedPlan>,
        text: Arc<str>,
        declared: Arc<[Type]>,
        params: Vec<Datum>,
    },
}

fn kind_of(sql: &str) -> StatementKind {
    let verb = sql.trim_start().get(..6).unwrap_or_default();
    [("insert", StatementKind::Insert), ("update", StatementKind::Update), ("delete", StatementKind::Delete)]
        .into_iter()
        .find(|(word, _)| verb.eq_ignore_ascii_case(word))
        .map_or(StatementKind::Select, |(_, kind)| kind)
}

impl Session {
    pub(crate) fn start_simple(&mut self, sql: &str) -> Result<()> {
        self.pending.clear();
        self.unnamed_statement = None;
        self.unnamed_portal = None;
        if let Some(planned) = self.parameterized(sql) {
            self.pending.push_back(planned);
            return Ok(());
        }
        self.pending.extend(statement::split(sql)?.into_iter().map(Pending::Statement));
        Ok(())
    }
    /// A single query with its literals taken out, planned. None where that is not possible, or where anything is wrong: the
    /// text as it is then gives the error.
    fn parameterized(&mut self, sql: &str) -> Option<Pending> {
        if self.transaction.as_ref().is_some_and(|t| t.failed) {
            return None;
        }
        let parameterized = parse::parameterize(sql)?;
        self.refresh_settings();
        let declared: Vec<Type> = parameterized.literals.iter().map(|l| l.ty).collect();
        let text = parameterized.text.as_str();
        let (version, snapshot) = self.with_planning_catalog(|c| (c.version, self.planning_snapshot(c)));
        let key = PlanKey {
            text,
            params: &declared,
            search_path: &self.eval.search_path,
            version,
            settings: self.settings_print,
            snapshot,
        };
        let kind = kind_of(sql);
        let plan = match self.database().plans.get(key) {
            Some(plan) => plan,
            None => {
                // INTO would be taken for a query's: those go the long way, and so does what is not one statement.
                let statements = statement::split(sql).ok()?;
                let [Statement { body: Body::Query(_), .. }] = statements.as_slice() else { return None };
                self.plan(text, &declared, kind).ok()?
            }
        };
        if plan.statement.wants_values {
            // With its values it gets a plan of its own.
            return None;
        }
        let params = parameterized
            .literals
            .iter()
            .zip(&plan.statement.params)
            .map(|(literal, ty)| crate::types::io::input(*ty, -1, &literal.text, &self.eval))
            .collect::<Result<Vec<_>>>()
            .ok()?;
        if params.len() != parameterized.literals.len() {
            return None;
        }
        let statement = Statement { text: sql.into(), offset: 0, terminated: false, body: Body::Query(kind) };
        let text = parameterized.text.as_str().into();
        Some(Pending::Planned { statement, plan, text, declared: declared.into(), params })
    }
    pub(crate) fn next_simple(&mut self) -> Result<Option<Description>> {
        let Some(pending) = self.pending.pop_front() else { return Ok(None) };
        let savepoints = self.transaction.as_ref().map_or(0, |t| t.savepoints.len());
        let portal = match pending {
            Pending::Planned { statement, plan, text, declared, params } => {
                self.check_not_failed()?;
                let columns: Arc<[_]> = plan.statement.columns.clone().unwrap_or_default().into();
                let mut portal =
                    Portal::new(Arc::new(statement), Some(plan), declared, params, columns, savepoints);
                portal.plan_text = text;
                portal
            }
            Pending::Statement(statement) => {
                let ends = matches!(&statement.body, Body::Utility(u) if u.ends_transaction());
                if !ends {
                    self.check_not_failed()?;
                }
                let prepared = self.prepare(statement, Arc::new([]))?;
                let Some(statement) = prepared.statement else { return Ok(None) };
                Portal::new(
                    statement,
                    prepared.plan,
                    prepared.declared,
                    Vec::new(),
                    prepared.columns,
                    savepoints,
                )
            }
        };
        let has_columns = match &portal.plan {
            Some(plan) => plan.statement.columns.is_some(),
            None => !portal.columns.is_empty(),
        };
        let description =
            Description { params: Vec::new(), columns: has_columns.then(|| portal.columns.to_vec()) };
        self.unnamed_portal = Some(portal);
        Ok(Some(description))
    }
}
