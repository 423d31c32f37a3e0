//! Prepared statements: Parse, Describe, Bind, and their SQL forms.

use crate::catalog::system::names;
use crate::error::{Result, SqlError, sqlstate};
use crate::plan::ResultColumn;
use crate::session::Description;
use crate::session::client::Session;
use crate::session::plan_cache::CachedPlan;
use crate::session::portal::Portal;
use crate::session::statement::{self, Body, Statement};
use crate::types::{Datum, Oid, Type};
use std::sync::Arc;

/// A prepared statement.
pub(crate) struct Prepared {
    /// None for an empty one.
    pub statement: Option<Arc<Statement>>,
    /// Types the client declared.
    pub declared: Arc<[Type]>,
    pub plan: Option<Arc<CachedPlan>>,
    pub columns: Arc<[ResultColumn]>,
    pub has_columns: bool,
}

impl Prepared {
    pub(crate) fn params(&self) -> &[Type] {
        self.plan.as_ref().map_or(&[], |p| &p.statement.params)
    }
}

fn no_statement(name: &str) -> SqlError {
    let message = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    SqlError::new(sqlstate::INVALID_SQL_STATEMENT_NAME, message)
}

impl Session {
    pub(crate) fn prepared(&self, name: &str) -> Result<&Prepared> {
        let found = if name.is_empty() { self.unnamed_statement.as_ref() } else { self.statements.get(name) };
        found.ok_or_else(|| no_statement(name))
    }
    fn prepared_mut(&mut self, name: &str) -> Result<&mut Prepared> {
        let found =
            if name.is_empty() { self.unnamed_statement.as_mut() } else { self.statements.get_mut(name) };
        found.ok_or_else(|| no_statement(name))
    }
    /// Plans a statement and describes its result.
    pub(crate) fn prepare(&mut self, statement: Statement, declared: Arc<[Type]>) -> Result<Prepared> {
        match &statement.body {
            Body::Query(kind) => {
                let plan = self.plan(&statement.text, &declared, *kind).map_err(|e| statement.place(e))?;
                let columns = plan.statement.columns.clone();
                Ok(Prepared {
                    statement: Some(Arc::new(statement)),
                    declared,
                    has_columns: columns.is_some(),
                    columns: columns.unwrap_or_default().into(),
                    plan: Some(plan),
                })
            }
            Body::Utility(utility) => {
                let columns = self.utility_columns(utility)?;
                Ok(Prepared {
                    statement: Some(Arc::new(statement)),
                    declared,
                    has_columns: columns.is_some(),
                    columns: columns.unwrap_or_default().into(),
                    plan: None,
                })
            }
        }
    }
    pub(crate) fn parse_statement(&mut self, name: &str, sql: &str, param_types: &[Oid]) -> Result<()> {
        if name.is_empty() {
            self.unnamed_statement = None;
        } else if self.statements.contains_key(name) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_PREPARED_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let declared: Arc<[Type]> =
            param_types.iter().map(|oid| if *oid == 0 { Type::UNKNOWN } else { Type(*oid) }).collect();
        if let Some(unknown) = declared.iter().find(|t| t.info().is_none()) {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("type with OID {} does not exist", unknown.0),
            ));
        }
        let mut statements = statement::split(sql)?;
        let prepared = match (statements.pop(), statements.is_empty()) {
            (None, _) => {
                Prepared { statement: None, declared, plan: None, columns: Arc::new([]), has_columns: false }
            }
            (Some(statement), true) => {
                let ends = matches!(&statement.body, Body::Utility(u) if u.ends_transaction());
                if !ends {
                    self.check_not_failed()?;
                }
                self.prepare(statement, declared)?
            }
            _ => {
                return Err(SqlError::syntax("cannot insert multiple commands into a prepared statement"));
            }
        };
        if name.is_empty() {
            self.unnamed_statement = Some(prepared);
        } else {
            self.statements.insert(name.to_owned(), prepared);
        }
        Ok(())
    }
    /// The OID that a parameter of a reg* type names.
    fn object_by_name(&self, text: &str, ty: Type) -> Result<Datum> {
        let path = &self.eval.search_path;
        names::oid_by_text(text, ty, &self.catalog(), path, &self.environment.options.user).map(Datum::Oid)
    }
    /// Plans a statement anew where DDL made its plan stale.
    fn refresh_prepared(&mut self, name: &str) -> Result<()> {
        let prepared = self.prepared(name)?;
        let (Some(plan), Some(statement)) = (prepared.plan.clone(), prepared.statement.clone()) else {
            return Ok(());
        };
        let declared = Arc::clone(&prepared.declared);
        let fresh =
            self.revalidate(Arc::clone(&plan), &statement.text, &declared).map_err(|e| statement.place(e))?;
        if !Arc::ptr_eq(&fresh, &plan) {
            self.prepared_mut(name)?.plan = Some(fresh);
        }
        Ok(())
    }
    pub(crate) fn describe_prepared(&mut self, name: &str) -> Result<Description> {
        if self.transaction.as_ref().is_none_or(|t| !t.failed) {
            self.refresh_prepared(name)?;
        }
        let prepared = self.prepared(name)?;
        if prepared.has_columns {
            self.check_not_failed()?;
        }
        Ok(Description {
            params: prepared.params().to_vec(),
            columns: prepared.has_columns.then(|| prepared.columns.to_vec()),
        })
    }
    pub(crate) fn bind_portal(
        &mut self,
        portal: &str,
        name: &str,
        params: &[Option<(i16, &[u8])>],
        result_formats: &[i16],
    ) -> Result<()> {
        let prepared = self.prepared(name)?;
        let ends = match prepared.statement.as_deref() {
            Some(Statement { body: Body::Utility(u), .. }) => u.ends_transaction(),
            None => true,
            _ => false,
        };
        if !ends {
            self.check_not_failed()?;
            self.refresh_prepared(name)?;
        }
        let prepared = self.prepared(name)?;
        let types = prepared.params();
        if params.len() != types.len() {
            return Err(SqlError::new(
                sqlstate::PROTOCOL_VIOLATION,
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{name}\" requires {}",
                    params.len(),
                    types.len()
                ),
            ));
        }
        let mut values = Vec::with_capacity(params.len());
        for (param, ty) in params.iter().zip(types) {
            values.push(match param {
                None => Datum::Null,
                Some((0, bytes)) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| {
                        SqlError::new(
                            sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
                            "invalid byte sequence for encoding \"UTF8\"",
                        )
                    })?;
                    if ty.is_reg() {
                        self.object_by_name(text, *ty)?
                    } else {
                        crate::types::io::input(*ty, -1, text, &self.eval)?
                    }
                }
                Some((1, bytes)) => crate::types::binary::receive(*ty, -1, bytes)?,
                Some((format, _)) => {
                    return Err(SqlError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("unsupported format code: {format}"),
                    ));
                }
            });
        }
        let columns = Arc::clone(&prepared.columns);
        let formats = match result_formats {
            [] => vec![0; columns.len()],
            [one] => vec![*one; columns.len()],
            many if many.len() == columns.len() => many.to_vec(),
            many => {
                return Err(SqlError::new(
                    sqlstate::PROTOCOL_VIOLATION,
                    format!(
                        "bind message has {} result formats but query has {} columns",
                        many.len(),
                        columns.len()
                    ),
                ));
            }
        };
        let statement = prepared.statement.clone();
        let (plan, declared) = (prepared.plan.clone(), Arc::clone(&prepared.declared));
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_CURSOR,
                format!("cursor \"{portal}\" already exists"),
            ));
        }
        let Some(statement) = statement else {
            self.close_portal(portal);
            self.empty_portals.insert(portal.to_owned());
            return Ok(());
        };
        if !self.empty_portals.is_empty() {
            self.empty_portals.remove(portal);
        }
        // A portal is part of a transaction from here on; the first one of a pipeline begins it.
        let savepoints = self.transaction.as_ref().map_or(0, |t| t.savepoints.len());
        let mut bound = Portal::new(statement, plan, declared, values, columns, savepoints);
        bound.formats = formats;
        self.put_portal(portal, bound);
        Ok(())
    }
}
