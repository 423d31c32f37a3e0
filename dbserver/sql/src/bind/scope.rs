//! Which names a place in a query can see, and what they stand for.
//!
//! A [`Frame`] is a plan with arguments of its own: the statement, or a subquery in an expression, or a LATERAL item. Names of an
//! outer frame become arguments, handed down frame by frame; a derived table shares its frame but hides the items beside it.

use super::Binder;
use crate::catalog::Table;
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::plan::visit;
use crate::types::Type;
use std::sync::Arc;

/// A column that can be named.
#[derive(Clone, Debug)]
pub(super) struct ScopeColumn {
    pub name: String,
    /// Over the row at hand.
    pub expr: Expr,
    /// OID and attnum in the table it comes from, or 0.
    pub origin: (u32, i16),
}

/// A FROM item.
#[derive(Clone, Debug)]
pub(super) struct ScopeRelation {
    /// Alias, or the relation's name.
    pub alias: String,
    /// The relation's schema, where it was named without alias.
    pub schema: Option<String>,
    pub columns: Vec<ScopeColumn>,
    /// The table, for functional dependence, locking and system columns.
    pub table: Option<Arc<Table>>,
    /// OID of the relation for `tableoid`, or 0.
    pub oid: u32,
    /// Column of the row at hand that holds the row's key, where it was asked for.
    pub key: Option<usize>,
    /// Only seen by qualified names of something else (the join's own alias hides it).
    pub hidden: bool,
}

/// The names of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub relations: Vec<ScopeRelation>,
    /// What `*` gives and what bare names find: merged columns of USING once.
    pub columns: Vec<(Option<usize>, ScopeColumn)>,
    /// Width of the row.
    pub width: usize,
}

impl Scope {
    /// The scope of one relation whose columns are the row's first ones.
    pub fn of(relation: ScopeRelation, width: usize) -> Self {
        let columns = relation.columns.iter().map(|c| (Some(0), c.clone())).collect();
        Self { relations: vec![relation], columns, width }
    }
    /// Puts `right`'s names behind this one's.
    pub fn append(&mut self, mut right: Scope) {
        let (by, first) = (self.width, self.relations.len());
        right.shift(by);
        self.relations.append(&mut right.relations);
        self.columns.extend(right.columns.into_iter().map(|(r, c)| (r.map(|r| r + first), c)));
        self.width += right.width.saturating_sub(by);
    }
    /// Moves all columns of the row up.
    pub fn shift(&mut self, by: usize) {
        for relation in &mut self.relations {
            relation.columns.iter_mut().for_each(|c| visit::shift(&mut c.expr, by));
            relation.key = relation.key.map(|k| k + by);
        }
        self.columns.iter_mut().for_each(|(_, c)| visit::shift(&mut c.expr, by));
        self.width += by;
    }
    /// Columns that a bare name finds; 42702 when there are several.
    pub fn find(&self, name: &str) -> Result<Option<&ScopeColumn>> {
        let mut found = self.columns.iter().filter(|(_, c)| c.name == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(SqlError::new(
                sqlstate::AMBIGUOUS_COLUMN,
                format!("column reference \"{name}\" is ambiguous"),
            )),
            (first, _) => Ok(first.map(|(_, c)| c)),
        }
    }
    /// The relation of an alias.
    pub fn relation(&self, schema: Option<&str>, alias: &str) -> Result<Option<&ScopeRelation>> {
        let mut found = self.relations.iter().filter(|r| {
            !r.hidden && r.alias == alias && schema.is_none_or(|s| r.schema.as_deref() == Some(s))
        });
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(SqlError::new(
                sqlstate::AMBIGUOUS_ALIAS,
                format!("table reference \"{alias}\" is ambiguous"),
            )),
            (first, _) => Ok(first),
        }
    }
    /// 42712 when another relation goes by this one's name; tables of different schemas may share theirs.
    pub fn check_alias(&self, new: &ScopeRelation) -> Result<()> {
        let apart = |r: &ScopeRelation| r.schema.is_some() && new.schema.is_some() && r.schema != new.schema;
        if !new.hidden && self.relations.iter().any(|r| !r.hidden && r.alias == new.alias && !apart(r)) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_ALIAS,
                format!("table name \"{}\" specified more than once", new.alias),
            ));
        }
        Ok(())
    }
}

/// A plan with arguments.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Names of the row at hand.
    pub scope: Scope,
    /// What it takes from the frame outside: expressions over that frame's row.
    pub args: Vec<Expr>,
    /// Aggregates of the query being bound.
    pub collect: super::aggregate::Collect,
}

impl ScopeRelation {
    fn whole_row(&self) -> Expr {
        Expr {
            kind: ExprKind::Row {
                names: self.columns.iter().map(|c| c.name.clone()).collect(),
                args: self.columns.iter().map(|c| c.expr.clone()).collect(),
            },
            ty: Type::RECORD,
            typmod: -1,
        }
    }
}

impl Binder<'_> {
    /// The expression of a value found `levels` frames up, seen from the innermost one.
    fn hand_down(&mut self, mut expr: Expr, levels: usize) -> Expr {
        let depth = self.frames.len();
        for frame in self.frames.iter_mut().skip(depth - levels) {
            let (ty, typmod) = (expr.ty, expr.typmod);
            let index = frame.args.iter().position(|a| visit::same(a, &expr)).unwrap_or_else(|| {
                frame.args.push(expr.clone());
                frame.args.len() - 1
            });
            expr = Expr { kind: ExprKind::Outer(index), ty, typmod };
        }
        expr
    }
    /// A column by bare name: innermost frame first. Also a relation's whole row.
    pub(super) fn resolve_bare(&mut self, name: &str) -> Result<Option<Expr>> {
        let mut found = None;
        for (levels, frame) in self.frames.iter().rev().enumerate() {
            if let Some(column) = frame.scope.find(name)? {
                found = Some((column.expr.clone(), levels));
                break;
            }
        }
        if found.is_none() {
            for (levels, frame) in self.frames.iter().rev().enumerate() {
                if let Some(relation) = frame.scope.relation(None, name)? {
                    // A function's one column goes by the alias too, so that this is a value, not a row.
                    found = Some((relation.whole_row(), levels));
                    break;
                }
            }
        }
        if found.is_none() && name == "tableoid" {
            let oids: Vec<u32> =
                self.frame()?.scope.relations.iter().map(|r| r.oid).filter(|oid| *oid != 0).collect();
            if let [oid] = oids.as_slice() {
                return Ok(Some(Expr::constant(crate::types::Datum::Oid(*oid), Type::OID)));
            }
        }
        Ok(found.map(|(expr, levels)| self.hand_down(expr, levels)))
    }
    /// `alias.column`, `schema.alias.column`.
    pub(super) fn resolve_qualified(
        &mut self,
        schema: Option<&str>,
        alias: &str,
        name: &str,
    ) -> Result<Option<Expr>> {
        let mut found = None;
        for (levels, frame) in self.frames.iter().rev().enumerate() {
            if let Some(relation) = frame.scope.relation(schema, alias)? {
                let mut columns = relation.columns.iter().filter(|c| c.name == name);
                let Some(column) = columns.next() else {
                    if name == "tableoid" && relation.oid != 0 {
                        let oid = crate::types::Datum::Oid(relation.oid);
                        return Ok(Some(Expr::constant(oid, Type::OID)));
                    }
                    return Err(SqlError::new(
                        sqlstate::UNDEFINED_COLUMN,
                        format!("column {alias}.{name} does not exist"),
                    ));
                };
                if columns.next().is_some() {
                    return Err(SqlError::new(
                        sqlstate::AMBIGUOUS_COLUMN,
                        format!("column reference \"{name}\" is ambiguous"),
                    ));
                }
                found = Some((column.expr.clone(), levels));
                break;
            }
        }
        Ok(found.map(|(expr, levels)| self.hand_down(expr, levels)))
    }
    /// Whether a relation of this alias is to be seen, and its columns.
    pub(super) fn relation_columns(
        &mut self,
        schema: Option<&str>,
        alias: &str,
    ) -> Result<Option<Vec<ScopeColumn>>> {
        let mut found = None;
        for (levels, frame) in self.frames.iter().rev().enumerate() {
            if let Some(relation) = frame.scope.relation(schema, alias)? {
                found = Some((relation.columns.clone(), levels));
                break;
            }
        }
        Ok(found.map(|(columns, levels)| {
            columns.into_iter().map(|c| ScopeColumn { expr: self.hand_down(c.expr, levels), ..c }).collect()
        }))
    }
}

/// 42P01 for a qualifier that is no FROM item.
pub(super) fn missing_from(alias: &str) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{alias}\""))
}

impl Binder<'_> {
    /// [`missing_from`]; where a table of this name goes by an alias, PostgreSQL says so.
    pub(super) fn missing_alias(&self, alias: &str) -> SqlError {
        let relations = self.frames.iter().rev().flat_map(|f| &f.scope.relations);
        let renamed = relations
            .filter(|r| r.alias != alias)
            .find(|r| r.table.as_ref().is_some_and(|t| t.name == alias));
        match renamed {
            Some(relation) => SqlError::new(
                sqlstate::UNDEFINED_TABLE,
                format!("invalid reference to FROM-clause entry for table \"{alias}\""),
            )
            .with_hint(format!("Perhaps you meant to reference the table alias \"{}\".", relation.alias)),
            None => missing_from(alias),
        }
    }
}

/// 42703 for a bare name.
pub(super) fn undefined_column(name: &str) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
}
