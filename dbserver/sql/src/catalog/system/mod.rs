//! `pg_catalog` and `information_schema`: relations like any other to the planner, whose rows are made from the
//! [`Catalog`](super::Catalog) when they are scanned. Queries over them are planned and run by the same engine; no query text is recognised.
//!
//! `definitions` lists the relations and their columns; the other files make rows, one file a subject.

mod cluster;
mod constraints;
mod definitions;
pub mod describe;
mod information_schema;
pub mod names;
mod procedures;
mod relations;
mod statistics;
mod types;
mod views;

pub(crate) use relations::PAGE_BYTES;

use crate::plan::SystemRelation;
use crate::types::{Array, Datum, Oid, Type};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// OID of the one database, as clients see it.
pub const DATABASE_OID: Oid = 5;
/// OID of the access method of tables, `heap`.
const HEAP_AM: Oid = 2;
/// OID of the access method of indexes, `btree`.
const BTREE_AM: Oid = 403;
/// OID of the collation `default`.
const DEFAULT_COLLATION: Oid = 100;
/// OID of the collation `C`, which `name` has.
const C_COLLATION: Oid = 950;

type ByName = HashMap<(&'static str, &'static str), &'static SystemRelation>;
static BY_NAME: LazyLock<ByName> = LazyLock::new(|| all().map(|r| ((r.schema, r.name), r)).collect());
static BY_OID: LazyLock<HashMap<Oid, &'static SystemRelation>> =
    LazyLock::new(|| all().map(|r| (r.oid, r)).collect());

/// Every system relation.
pub fn all() -> impl Iterator<Item = &'static SystemRelation> {
    definitions::PG_CATALOG.iter().chain(definitions::INFORMATION_SCHEMA)
}

/// A system relation by schema and name.
pub fn lookup(schema: &str, name: &str) -> Option<&'static SystemRelation> {
    // The key borrows for 'static; a shorter-lived name is found by its equal.
    BY_NAME.get(&(schema, name) as &(&str, &str)).copied()
}

/// A system relation by OID.
pub fn by_oid(oid: Oid) -> Option<&'static SystemRelation> {
    BY_OID.get(&oid).copied()
}

// Short constructors, for rows of thirty columns that read as such.

fn oid(value: Oid) -> Datum {
    Datum::Oid(value)
}
fn text(value: impl Into<Box<str>>) -> Datum {
    Datum::Text(value.into())
}
fn ch(value: char) -> Datum {
    Datum::Text(value.to_string().into())
}
fn bool(value: bool) -> Datum {
    Datum::Bool(value)
}
fn int2(value: i16) -> Datum {
    Datum::Int2(value)
}
fn int4(value: i32) -> Datum {
    Datum::Int4(value)
}
fn int8(value: i64) -> Datum {
    Datum::Int8(value)
}
fn optional<T>(value: Option<T>, make: impl FnOnce(T) -> Datum) -> Datum {
    value.map_or(Datum::Null, make)
}
/// An array of one dimension; `lower` is 1, or 0 for int2vector and oidvector.
fn array(element: Type, lower: i32, values: Vec<Datum>) -> Datum {
    let length = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let dims = if values.is_empty() { Vec::new() } else { vec![(length, lower)] };
    Datum::Array(Arc::new(Array { element, dims, values }))
}
fn int2vector(values: impl IntoIterator<Item = i16>) -> Datum {
    array(Type::INT2, 0, values.into_iter().map(int2).collect())
}
fn oidvector(values: impl IntoIterator<Item = Oid>) -> Datum {
    array(Type::OID, 0, values.into_iter().map(oid).collect())
}
/// attnum of a position in a table's columns.
fn attnum(position: usize) -> i16 {
    i16::try_from(position.saturating_add(1)).unwrap_or(i16::MAX)
}

/// `typcollation`: the collation of a type, 0 where it has none.
fn collation(ty: Type) -> Oid {
    let base = ty.element().unwrap_or(ty);
    match base {
        Type::NAME => C_COLLATION,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => DEFAULT_COLLATION,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_postgresql_s() {
        assert_eq!(BY_OID.len(), all().count());
        assert_eq!(BY_NAME.len(), all().count());
        assert_eq!(lookup("pg_catalog", "pg_class").unwrap().oid, 1259);
        assert_eq!(by_oid(1249).unwrap().name, "pg_attribute");
        assert!(lookup("public", "pg_class").is_none());
    }
}
