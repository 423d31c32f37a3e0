//! `pg_index`, `pg_constraint` and `pg_depend`.

use super::{array, attnum, bool, ch, collation, describe, int2, int2vector, int4, oid, oidvector, text};
use crate::Result;
use crate::catalog::{ForeignKey, Index, IndexKey, RelationKind, Table};
use crate::session::EvalContext;
use crate::types::{Datum, Oid, Type};

/// Rows of `pg_index`, primary keys first.
pub(super) fn pg_index(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut rows = Vec::new();
    for table in ctx.catalog.relations.values().filter_map(|r| r.table()) {
        if let Some((index, _)) = &table.primary_key_index {
            let keys: Vec<IndexKey> = table.primary_key.iter().map(|&c| plain_key(c)).collect();
            rows.push(index_row(*index, table, &keys, true, true, None, true));
        }
        for index in &table.indexes {
            rows.push(index_row(
                index.oid,
                table,
                &index.keys,
                index.unique,
                false,
                index.predicate.as_deref(),
                index.valid,
            ));
        }
    }
    Ok(rows)
}

/// An ascending key on a column.
pub(super) fn plain_key(column: usize) -> IndexKey {
    IndexKey { column: Some(column), expression: None, descending: false, nulls_first: false }
}

fn key_type(table: &Table, key: &IndexKey) -> Type {
    key.column.and_then(|c| table.columns.get(c)).map_or(Type::TEXT, |c| c.ty.ty)
}

/// The default btree operator class of a type.
fn operator_class(ty: Type) -> Oid {
    super::types::BTREE_CLASSES
        .iter()
        .find(|(_, _, _, input, default)| *default && *input == ty.0)
        .map_or_else(|| if ty.element().is_some() { 10000 } else { 3126 }, |(class, ..)| *class)
}

fn index_row(
    index: Oid,
    table: &Table,
    keys: &[IndexKey],
    unique: bool,
    primary: bool,
    predicate: Option<&str>,
    valid: std::primitive::bool,
) -> Vec<Datum> {
    let count = i16::try_from(keys.len()).unwrap_or(i16::MAX);
    let expressions: Vec<&str> = keys.iter().filter_map(|k| k.expression.as_deref()).collect();
    // indoption: bit 0 descending, bit 1 nulls first.
    let option = |k: &IndexKey| i16::from(k.descending) | (i16::from(k.nulls_first) << 1);
    vec![
        oid(index),
        oid(table.oid),
        int2(count),
        int2(count),
        bool(unique),
        bool(false),
        bool(primary),
        bool(false),
        bool(true),
        bool(false),
        bool(valid),
        bool(false),
        bool(true),
        bool(true),
        bool(false),
        int2vector(keys.iter().map(|k| k.column.map_or(0, attnum))),
        oidvector(keys.iter().map(|k| collation(key_type(table, k)))),
        oidvector(keys.iter().map(|k| operator_class(key_type(table, k)))),
        int2vector(keys.iter().map(option)),
        if expressions.is_empty() { Datum::Null } else { text(expressions.join(", ")) },
        predicate.map_or(Datum::Null, text),
    ]
}

/// A constraint, as `pg_constraint` and `information_schema` show it.
pub(super) struct Constraint {
    pub oid: Oid,
    pub name: String,
    /// `p`, `u`, `c` or `f`.
    pub kind: char,
    pub index: Oid,
    /// attnums, in key order.
    pub columns: Vec<i16>,
    /// The condition of a check.
    pub check: Option<String>,
    /// What a foreign key refers to, and how.
    pub foreign: Option<ForeignKey>,
}

/// The constraints of a table: primary key, unique, checks, foreign keys.
pub(super) fn of_table(table: &Table) -> Vec<Constraint> {
    let mut all = Vec::new();
    if let Some((index, name)) = &table.primary_key_index {
        let columns = table.primary_key.iter().map(|&c| attnum(c)).collect();
        all.push(Constraint {
            oid: *index,
            name: name.clone(),
            kind: 'p',
            index: *index,
            columns,
            check: None,
            foreign: None,
        });
    }
    for index in table.indexes.iter().filter(|i| i.constraint) {
        all.push(Constraint {
            oid: index.oid,
            name: index.name.clone(),
            kind: 'u',
            index: index.oid,
            columns: index_columns(index),
            check: None,
            foreign: None,
        });
    }
    for check in &table.checks {
        all.push(Constraint {
            oid: check.oid,
            name: check.name.clone(),
            kind: 'c',
            index: 0,
            columns: describe::columns_named_in(table, &check.expression),
            check: Some(check.expression.clone()),
            foreign: None,
        });
    }
    for key in &table.foreign_keys {
        all.push(Constraint {
            oid: key.oid,
            name: key.name.clone(),
            kind: 'f',
            index: key.index,
            columns: key.columns.iter().map(|&c| attnum(c)).collect(),
            check: None,
            foreign: Some(key.clone()),
        });
    }
    all
}

fn index_columns(index: &Index) -> Vec<i16> {
    index.keys.iter().filter_map(|k| k.column.map(attnum)).collect()
}

/// Rows of `pg_constraint`.
pub(super) fn pg_constraint(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut rows = Vec::new();
    for table in ctx.catalog.relations.values().filter_map(|r| r.table()) {
        for constraint in of_table(table) {
            let foreign = constraint.foreign.as_ref();
            let code = |of: fn(&ForeignKey) -> char| ch(foreign.map_or(' ', of));
            let referenced = |key: &ForeignKey| {
                array(Type::INT2, 1, key.referenced.iter().map(|&c| int2(attnum(c))).collect())
            };
            rows.push(vec![
                oid(constraint.oid),
                text(constraint.name),
                oid(table.schema),
                ch(constraint.kind),
                bool(foreign.is_some_and(|k| k.deferrable)),
                bool(foreign.is_some_and(|k| k.deferred)),
                bool(foreign.is_none_or(|k| k.validated)),
                oid(table.oid),
                oid(0),
                oid(constraint.index),
                oid(0),
                oid(foreign.map_or(0, |k| k.references)),
                code(|k| k.on_update.code()),
                code(|k| k.on_delete.code()),
                code(|k| if k.match_full { 'f' } else { 's' }),
                bool(true),
                int4(0),
                bool(constraint.kind != 'c'),
                array(Type::INT2, 1, constraint.columns.iter().copied().map(int2).collect()),
                foreign.map_or(Datum::Null, referenced),
                Datum::Null,
                Datum::Null,
                Datum::Null,
                Datum::Null,
                Datum::Null,
                constraint.check.map_or(Datum::Null, text),
            ]);
        }
    }
    Ok(rows)
}

/// OID of `pg_class`, which most dependencies are on.
const PG_CLASS: Oid = 1259;
/// OID of `pg_constraint`.
const PG_CONSTRAINT: Oid = 2606;

/// Rows of `pg_depend`: which sequences belong to columns (`a`: serial, `i`: identity), which indexes to tables and constraints.
pub(super) fn pg_depend(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut rows = Vec::new();
    for key in ctx.catalog.relations.values().filter_map(|r| r.table()).flat_map(|t| &t.foreign_keys) {
        let (object, on) = (oid(key.oid), oid(key.index));
        rows.push(vec![oid(PG_CONSTRAINT), object, int4(0), oid(PG_CLASS), on, int4(0), ch('n')]);
    }
    let mut depend = |object: Oid, class: Oid, on: Oid, number: i16, kind: char| {
        rows.push(vec![
            oid(PG_CLASS),
            oid(object),
            int4(0),
            oid(class),
            oid(on),
            int4(i32::from(number)),
            ch(kind),
        ]);
    };
    for relation in ctx.catalog.relations.values() {
        match &relation.kind {
            RelationKind::Sequence(sequence) => {
                if let Some((table, number)) = sequence.owned_by {
                    let position = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
                    let column = ctx.catalog.table(table).and_then(|t| t.columns.get(position).cloned());
                    let identity = column.is_some_and(|c| c.identity.is_some());
                    depend(sequence.oid, PG_CLASS, table, number, if identity { 'i' } else { 'a' });
                }
            }
            RelationKind::Index(index) => {
                let primary = ctx.catalog.table(index.table).and_then(|t| t.primary_key_index.clone());
                if index.constraint || primary.is_some_and(|(oid, _)| oid == index.oid) {
                    depend(index.oid, PG_CONSTRAINT, index.oid, 0, 'i');
                } else {
                    for number in index_columns(index) {
                        depend(index.oid, PG_CLASS, index.table, number, 'a');
                    }
                }
            }
            RelationKind::Table(_) | RelationKind::View(_) => {}
        }
    }
    Ok(rows)
}
