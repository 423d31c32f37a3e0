//! Running statements that are not queries.

use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::plan::ResultColumn;
use crate::session::client::Session;
use crate::session::portal::{Portal, PortalState};
use crate::session::statement::{self, Body, Discard, Modes, Name, Utility};
use crate::session::{Mode, Sink, Step};
use crate::types::{Datum, Oid, Type};
use std::sync::Arc;

/// A result column of a type, from no table.
pub(crate) fn result_column(name: &str, ty: Type) -> ResultColumn {
    ResultColumn { name: name.to_owned(), ty: ty.into(), table: 0, attnum: 0 }
}

fn done(tag: &str) -> Result<Step> {
    Ok(Step::Complete(tag.to_owned()))
}

impl Session {
    /// The result columns of a utility statement; none where it gives no rows.
    pub(crate) fn utility_columns(&mut self, utility: &Utility) -> Result<Option<Vec<ResultColumn>>> {
        Ok(match utility {
            Utility::Show(None) => Some(vec![
                result_column("name", Type::TEXT),
                result_column("setting", Type::TEXT),
                result_column("description", Type::TEXT),
            ]),
            Utility::Show(Some(name)) => {
                let (name, _) = self.environment.settings.lock().show(name)?;
                Some(vec![result_column(&name, Type::TEXT)])
            }
            Utility::Explain { options, .. } => {
                let ty = if options.json { Type::JSON } else { Type::TEXT };
                Some(vec![result_column("QUERY PLAN", ty)])
            }
            Utility::Fetch { name, moving: false, .. } => {
                self.check_not_failed()?;
                let portal = self.portal(name).ok_or_else(|| no_cursor(name))?;
                Some(portal.columns.to_vec())
            }
            Utility::Execute { name, .. } => {
                let prepared = self.prepared(name)?;
                prepared.has_columns.then(|| prepared.columns.to_vec())
            }
            _ => None,
        })
    }

    pub(crate) fn run_utility(
        &mut self,
        portal: &mut Portal,
        utility: &Utility,
        query: &QueryContext,
        sink: &mut dyn Sink,
        mode: Mode,
    ) -> Result<Step> {
        let offload = mode == Mode::Inline
            && matches!(
                utility,
                Utility::Ddl(_)
                    | Utility::Copy(_)
                    | Utility::Execute { .. }
                    | Utility::Declare { .. }
                    | Utility::Fetch { .. }
                    | Utility::Explain { .. }
                    | Utility::Checkpoint
                    | Utility::Vacuum { .. }
                    | Utility::Lock { .. }
            );
        if offload {
            return Ok(Step::Offload);
        }
        let step = match utility {
            Utility::Begin(modes, tag) => {
                self.begin(*modes)?;
                done(tag)
            }
            Utility::Commit { chain } => self.commit_statement(portal, *chain, query, mode),
            Utility::Rollback { chain } => self.rollback_statement(*chain),
            Utility::Savepoint(name) => {
                self.savepoint(name)?;
                done("SAVEPOINT")
            }
            Utility::Release(name) => {
                self.release(name)?;
                done("RELEASE")
            }
            Utility::RollbackTo(name) => {
                self.rollback_to(name)?;
                done("ROLLBACK")
            }
            Utility::SetTransaction { modes, session } => self.set_transaction(*modes, *session),
            Utility::Set { name, value, local } => self.set_parameter(name, value.as_deref(), *local),
            Utility::Reset(Some(name)) => {
                self.set_parameter(name, None, false)?;
                done("RESET")
            }
            Utility::Reset(None) => {
                self.environment.settings.lock().reset_all();
                done("RESET")
            }
            Utility::Show(name) => self.show(name.as_deref(), query, sink),
            Utility::Prepare { name, types, query: text } => {
                if self.statements.contains_key(name) {
                    return Err(SqlError::new(
                        sqlstate::DUPLICATE_PREPARED_STATEMENT,
                        format!("prepared statement \"{name}\" already exists"),
                    ));
                }
                let mut statements = statement::split(text)?;
                let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
                    return Err(SqlError::syntax("a query is expected here"));
                };
                if !matches!(statement.body, Body::Query(_)) {
                    return Err(SqlError::syntax("a query is expected here"));
                }
                let types: Arc<[Type]> = types.iter().map(|t| t.ty).collect();
                let prepared = self.prepare(statement, types)?;
                self.statements.insert(name.clone(), prepared);
                done("PREPARE")
            }
            Utility::Execute { name, args } => self.execute_prepared(portal, name, args, query, sink, mode),
            Utility::Deallocate(Some(name)) => {
                self.prepared(name)?;
                self.statements.remove(name);
                done("DEALLOCATE")
            }
            Utility::Deallocate(None) => {
                self.statements.clear();
                done("DEALLOCATE ALL")
            }
            Utility::Declare { name, scroll, hold, query: text } => {
                self.declare(name, *scroll, *hold, text, query)?;
                done("DECLARE CURSOR")
            }
            Utility::Fetch { name, direction, moving } => {
                let count = self.fetch(name, *direction, *moving, query, sink)?;
                Ok(Step::Complete(format!("{} {count}", if *moving { "MOVE" } else { "FETCH" })))
            }
            Utility::Close(Some(name)) => {
                if self.portals.remove(name).is_none() {
                    return Err(no_cursor(name));
                }
                done("CLOSE CURSOR")
            }
            Utility::Close(None) => {
                self.portals.clear();
                done("CLOSE CURSOR ALL")
            }
            Utility::Discard(what) => self.discard(*what),
            Utility::Explain { options, query: text } => {
                self.explain(*options, text, query, sink)?;
                done("EXPLAIN")
            }
            Utility::Vacuum { tables, analyze, verb } => {
                if *verb == "VACUUM" && self.transaction.as_ref().is_some_and(|t| t.explicit) {
                    return Err(SqlError::new(
                        sqlstate::ACTIVE_SQL_TRANSACTION,
                        "VACUUM cannot run inside a transaction block",
                    ));
                }
                self.begin_statement()?;
                self.analyze(tables, *analyze, verb, query)?;
                done(verb)
            }
            Utility::Checkpoint => {
                self.database.engine().checkpoint()?;
                done("CHECKPOINT")
            }
            Utility::Lock { tables, exclusive, nowait } => {
                self.lock_tables(tables, *exclusive, *nowait, query)
            }
            Utility::SetConstraints { names, deferred } => {
                if mode == Mode::Inline && self.has_key_events() {
                    return Ok(Step::Offload);
                }
                self.set_constraints(names.as_deref(), *deferred, query)?;
                done("SET CONSTRAINTS")
            }
            Utility::Nothing(tag) => done(tag),
            Utility::Copy(copy) => {
                self.begin_statement()?;
                self.copy(copy, query, sink)
            }
            Utility::Ddl(ddl) if ddl.concurrent_index().is_some() => {
                if let Some(create) = ddl.concurrent_index() {
                    self.create_index_concurrently(create, query)?;
                }
                done(&ddl.tag())
            }
            Utility::Ddl(ddl) => {
                self.begin_statement()?;
                self.check_writable(&ddl.tag())?;
                let tag = self.run_ddl(ddl, query)?;
                Ok(Step::Complete(tag))
            }
        };
        self.refresh_settings();
        step
    }

    fn commit_statement(
        &mut self,
        portal: &mut Portal,
        chain: bool,
        query: &QueryContext,
        mode: Mode,
    ) -> Result<Step> {
        let explicit = self.transaction.as_ref().is_some_and(|t| t.explicit);
        if !explicit {
            if chain {
                return Err(SqlError::new(
                    sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                    "COMMIT AND CHAIN can only be used in transaction blocks",
                ));
            }
            self.warn(sqlstate::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
        }
        let modes = self.chained_modes().filter(|_| chain);
        let step = if self.transaction.as_ref().is_some_and(|t| t.failed) {
            self.rollback_transaction();
            Step::Complete("ROLLBACK".to_owned())
        } else if mode == Mode::Inline && self.has_key_events() {
            return Ok(Step::Offload);
        } else {
            self.check_deferred_keys(query)?;
            self.commit_transaction("COMMIT".to_owned(), mode)?
        };
        if matches!(step, Step::Offload) {
            return Ok(step);
        }
        if let Some(modes) = modes {
            self.begin(modes)?;
        }
        if matches!(step, Step::Wait(_)) {
            portal.state = PortalState::Finishing("COMMIT".to_owned());
        }
        Ok(step)
    }

    fn rollback_statement(&mut self, chain: bool) -> Result<Step> {
        let explicit = self.transaction.as_ref().is_some_and(|t| t.explicit);
        if !explicit {
            if chain {
                return Err(SqlError::new(
                    sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                    "ROLLBACK AND CHAIN can only be used in transaction blocks",
                ));
            }
            self.warn(sqlstate::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
        }
        let modes = self.chained_modes().filter(|_| chain);
        self.rollback_transaction();
        if let Some(modes) = modes {
            self.begin(modes)?;
        }
        done("ROLLBACK")
    }

    fn set_transaction(&mut self, modes: Modes, session: bool) -> Result<Step> {
        if session {
            let mut settings = self.environment.settings.lock();
            if let Some(level) = modes.isolation {
                settings.set("default_transaction_isolation", Some(&[level.name().to_owned()]), false)?;
            }
            if let Some(read_only) = modes.read_only {
                let text = if read_only { "on" } else { "off" };
                settings.set("default_transaction_read_only", Some(&[text.to_owned()]), false)?;
            }
            if let Some(deferrable) = modes.deferrable {
                let text = if deferrable { "on" } else { "off" };
                settings.set("default_transaction_deferrable", Some(&[text.to_owned()]), false)?;
            }
            return done("SET");
        }
        if !self.transaction.as_ref().is_some_and(|t| t.explicit) {
            self.warn(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION can only be used in transaction blocks",
            );
        }
        self.set_transaction_modes(modes)?;
        done("SET")
    }

    fn set_parameter(&mut self, name: &str, values: Option<&[String]>, local: bool) -> Result<Step> {
        let lower = name.to_ascii_lowercase();
        if local && !self.transaction.as_ref().is_some_and(|t| t.explicit) {
            self.warn(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "SET LOCAL can only be used in transaction blocks",
            );
            // Only its effect is missing: a wrong name or value is an error all the same.
            let mark = self.environment.settings.lock().mark();
            let mut settings = self.environment.settings.lock();
            let result = settings.set(name, values, true);
            settings.rollback_to(&mark);
            return result.and_then(|()| done("SET"));
        }
        match (lower.as_str(), values) {
            ("transaction_isolation", Some([level])) => {
                let isolation = statement::IsolationLevel::parse(level);
                let isolation = isolation.ok_or_else(|| {
                    SqlError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("invalid value for parameter \"transaction_isolation\": \"{level}\""),
                    )
                })?;
                self.set_transaction_modes(Modes { isolation: Some(isolation), ..Modes::default() })?;
            }
            ("transaction_read_only", Some([value])) => {
                let read_only = super::settings::parse_bool(value);
                self.set_transaction_modes(Modes { read_only, ..Modes::default() })?;
            }
            ("transaction_deferrable", Some([value])) => {
                let deferrable = super::settings::parse_bool(value);
                self.set_transaction_modes(Modes { deferrable, ..Modes::default() })?;
            }
            ("role" | "session_authorization", Some([role]))
                if *role != self.environment.options.user && role != "none" =>
            {
                return Err(SqlError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("role \"{role}\" does not exist"),
                ));
            }
            _ => self.environment.settings.lock().set(name, values, local)?,
        }
        done("SET")
    }

    fn show(&mut self, name: Option<&str>, query: &QueryContext, sink: &mut dyn Sink) -> Result<Step> {
        match name {
            Some(name) => {
                let (_, value) = self.environment.settings.lock().show(name)?;
                query.count_rows(1)?;
                sink.row(&[Datum::text(value)])?;
            }
            None => {
                let all = self.environment.settings.lock().all();
                query.count_rows(all.len() as u64)?;
                for (name, value, description) in all {
                    sink.row(&[Datum::text(name), Datum::text(value), Datum::text(description)])?;
                }
            }
        }
        done("SHOW")
    }

    /// EXECUTE: evaluates the arguments and runs the prepared statement in a portal of its own.
    fn execute_prepared(
        &mut self,
        portal: &mut Portal,
        name: &str,
        args: &[String],
        query: &QueryContext,
        sink: &mut dyn Sink,
        mode: Mode,
    ) -> Result<Step> {
        let prepared = self.prepared(name)?;
        let types = prepared.params().to_vec();
        if types.len() != args.len() {
            return Err(SqlError::syntax(format!(
                "wrong number of parameters for prepared statement \"{name}\""
            ))
            .with_detail(format!("Expected {} parameters but got {}.", types.len(), args.len())));
        }
        let params = if args.is_empty() {
            Vec::new()
        } else {
            let columns: Vec<String> =
                args.iter().zip(&types).map(|(arg, ty)| format!("({arg})::{}", ty.sql_name())).collect();
            let mut rows = self.internal_query(&format!("SELECT {}", columns.join(", ")), query)?;
            rows.pop().ok_or_else(|| SqlError::internal("no row of arguments"))?
        };
        let prepared = self.prepared(name)?;
        let Some(statement) = prepared.statement.clone() else {
            return Err(SqlError::internal("no statement"));
        };
        let savepoints = portal.savepoints;
        let mut inner = Portal::new(
            statement,
            prepared.plan.clone(),
            Arc::clone(&prepared.declared),
            params,
            Arc::clone(&prepared.columns),
            savepoints,
        );
        self.run_bound_query(&mut inner, query, sink, mode)
    }

    fn discard(&mut self, what: Discard) -> Result<Step> {
        match what {
            Discard::All => {
                if self.transaction.as_ref().is_some_and(|t| t.explicit) {
                    return Err(SqlError::new(
                        sqlstate::ACTIVE_SQL_TRANSACTION,
                        "DISCARD ALL cannot run inside a transaction block",
                    ));
                }
                self.portals.clear();
                self.statements.clear();
                self.environment.settings.lock().reset_all();
                self.environment.discard_sequences();
                self.environment.unlock_advisory(true, false);
                done("DISCARD ALL")
            }
            Discard::Plans => done("DISCARD PLANS"),
            Discard::Sequences => {
                self.environment.discard_sequences();
                done("DISCARD SEQUENCES")
            }
            Discard::Temp => done("DISCARD TEMP"),
        }
    }

    fn lock_tables(
        &mut self,
        tables: &[Name],
        exclusive: bool,
        nowait: bool,
        query: &QueryContext,
    ) -> Result<Step> {
        if !self.transaction.as_ref().is_some_and(|t| t.explicit) {
            return Err(SqlError::new(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "LOCK TABLE can only be used in transaction blocks",
            ));
        }
        self.begin_statement()?;
        let catalog = self.catalog();
        let mut oids: Vec<(Oid, String)> = Vec::new();
        for table in tables {
            let relation =
                catalog.require_relation(&self.eval.search_path, table.schema.as_deref(), &table.name)?;
            oids.push((relation.oid, relation.name.clone()));
        }
        for (oid, name) in oids {
            let mode = if nowait { Mode::Inline } else { Mode::Worker };
            if self.lock_object(u64::from(oid), exclusive, query, mode)?.is_err() {
                return Err(SqlError::new(
                    sqlstate::LOCK_NOT_AVAILABLE,
                    format!("could not obtain lock on relation \"{name}\""),
                ));
            }
        }
        done("LOCK TABLE")
    }

    fn explain(
        &mut self,
        options: statement::ExplainOptions,
        text: &str,
        query: &QueryContext,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut portal = self.query_portal(text)?;
        let plan = portal.plan.clone().ok_or_else(|| SqlError::internal("a query without a plan"))?;
        let mut lines = if options.json {
            vec![crate::plan::explain::json(&plan.statement, options.costs)]
        } else {
            crate::plan::explain::text(&plan.statement, options.costs)
        };
        if options.analyze {
            let begin = std::time::Instant::now();
            let mut rows = 0_u64;
            while let Some(batch) = self.next_batch(&mut portal, query)? {
                rows += batch.rows as u64;
            }
            if options.summary {
                lines.push(format!("Execution Time: {:.3} ms", begin.elapsed().as_secs_f64() * 1000.0));
            }
            if options.timing {
                lines.push(format!("Rows returned: {rows}"));
            }
        }
        if options.json {
            lines.truncate(1);
        }
        query.count_rows(lines.len() as u64)?;
        lines.into_iter().try_for_each(|line| sink.row(&[Datum::text(line)]))
    }
}

/// 34000.
pub(crate) fn no_cursor(name: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}
