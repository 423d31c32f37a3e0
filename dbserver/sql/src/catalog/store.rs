//! The catalog at rest: one row per schema and relation in a tree of its own, as JSON in a fixed format.
//!
//! A commit writes only the rows of what its DDL changed, in the same transaction as the data: a crash leaves both or neither.
//!
//! ```text
//! tree 0   "f"            format version
//!          "o"            next OID
//!          "s" oid        schema
//!          "r" oid        relation
//!          "q" oid        sequence state (session::sequences)
//!          "t" oid …      statistics (statistics::row)
//! ```

use super::{
    Catalog, Check, Column, FIRST_USER_OID, ForeignKey, Index, IndexKey, PUBLIC_OID, Relation, RelationKind,
    Schema, Sequence, Table, View,
};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::{DateOrder, EvalSettings};
use crate::statistics::{TableStatistics, row};
use crate::types::{ColumnType, Datum, Oid, Type};
use plimsoll_storage::{
    Direction, Engine, Isolation, KeyRange, RowBuffer, Snapshot, Transaction, TreeId, Write,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tree that holds the catalog. Trees of relations have greater numbers.
pub(crate) const CATALOG_TREE: TreeId = TreeId(0);
/// Grows when the rows' format changes in a way that an older server could not read.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct SchemaRow {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct RelationRow {
    schema: Oid,
    name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    comments: BTreeMap<i16, String>,
    kind: KindRow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindRow {
    Table {
        tree: u64,
        columns: Vec<ColumnRow>,
        #[serde(default)]
        primary_key: Vec<usize>,
        #[serde(default)]
        primary_key_index: Option<(Oid, String)>,
        /// OIDs of the secondary indexes, in order.
        #[serde(default)]
        indexes: Vec<Oid>,
        #[serde(default)]
        checks: Vec<CheckRow>,
        #[serde(default)]
        foreign_keys: Vec<ForeignKey>,
        #[serde(default)]
        referenced_by: Vec<Oid>,
    },
    Index {
        table: Oid,
        tree: u64,
        keys: Vec<KeyRow>,
        unique: bool,
        constraint: bool,
        #[serde(default)]
        predicate: Option<String>,
        /// Not valid.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        invalid: bool,
    },
    Sequence {
        ty: Oid,
        start: i64,
        increment: i64,
        min: i64,
        max: i64,
        cache: i64,
        cycle: bool,
        owned_by: Option<(Oid, i16)>,
    },
    View {
        query: String,
        columns: Vec<(String, Oid, i32)>,
    },
}

#[derive(Serialize, Deserialize)]
struct ColumnRow {
    name: String,
    ty: Oid,
    typmod: i32,
    not_null: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<char>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<Oid>,
    /// In the type's text form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dropped: bool,
}

#[derive(Serialize, Deserialize)]
struct CheckRow {
    oid: Oid,
    name: String,
    expression: String,
}

#[derive(Serialize, Deserialize)]
struct KeyRow {
    column: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expression: Option<String>,
    descending: bool,
    nulls_first: bool,
}

pub(crate) fn corrupt(what: impl std::fmt::Display) -> SqlError {
    SqlError::new(sqlstate::DATA_CORRUPTED, format!("the stored catalog cannot be read: {what}"))
}

/// Settings under which values are stored as text and read again.
pub(crate) fn neutral() -> EvalSettings {
    EvalSettings {
        time_zone: chrono_tz::UTC,
        extra_float_digits: 1,
        date_order: DateOrder::Ymd,
        bytea_escape: false,
        transaction_time: 0,
        statement_time: 0,
        search_path: Vec::new(),
    }
}

/// The key of an object's row.
pub(crate) fn key(kind: u8, oid: Oid) -> [u8; 5] {
    let [a, b, c, d] = oid.to_be_bytes();
    [kind, a, b, c, d]
}

fn column_row(column: &Column) -> Result<ColumnRow> {
    let missing = match &column.missing {
        Datum::Null => None,
        value => {
            let mut text = Vec::new();
            crate::types::io::output(value, column.ty.ty, column.ty.typmod, &neutral(), &mut text);
            Some(String::from_utf8(text).map_err(|_| SqlError::internal("a default that is not UTF-8"))?)
        }
    };
    Ok(ColumnRow {
        name: column.name.clone(),
        ty: column.ty.ty.0,
        typmod: column.ty.typmod,
        not_null: column.not_null,
        default: column.default.clone(),
        identity: column.identity,
        sequence: column.sequence,
        missing,
        dropped: column.dropped,
    })
}

fn column(row: ColumnRow) -> Result<Column> {
    let ty = ColumnType { ty: Type(row.ty), typmod: row.typmod };
    let missing = match row.missing {
        None => Datum::Null,
        Some(text) => crate::types::io::input(ty.ty, ty.typmod, &text, &neutral())?,
    };
    Ok(Column {
        name: row.name,
        ty,
        not_null: row.not_null,
        default: row.default,
        identity: row.identity,
        sequence: row.sequence,
        missing,
        dropped: row.dropped,
    })
}

fn relation_row(relation: &Relation) -> Result<RelationRow> {
    let kind = match &relation.kind {
        RelationKind::Table(t) => KindRow::Table {
            tree: t.tree.0,
            columns: t.columns.iter().map(column_row).collect::<Result<_>>()?,
            primary_key: t.primary_key.clone(),
            primary_key_index: t.primary_key_index.clone(),
            indexes: t.indexes.iter().map(|i| i.oid).collect(),
            checks: t
                .checks
                .iter()
                .map(|c| CheckRow { oid: c.oid, name: c.name.clone(), expression: c.expression.clone() })
                .collect(),
            foreign_keys: t.foreign_keys.clone(),
            referenced_by: t.referenced_by.clone(),
        },
        RelationKind::Index(i) => KindRow::Index {
            table: i.table,
            tree: i.tree.0,
            keys: i
                .keys
                .iter()
                .map(|k| KeyRow {
                    column: k.column,
                    expression: k.expression.clone(),
                    descending: k.descending,
                    nulls_first: k.nulls_first,
                })
                .collect(),
            unique: i.unique,
            constraint: i.constraint,
            predicate: i.predicate.clone(),
            invalid: !i.valid,
        },
        RelationKind::Sequence(s) => KindRow::Sequence {
            ty: s.ty.0,
            start: s.start,
            increment: s.increment,
            min: s.min,
            max: s.max,
            cache: s.cache,
            cycle: s.cycle,
            owned_by: s.owned_by,
        },
        RelationKind::View(v) => KindRow::View {
            query: v.query.clone(),
            columns: v.columns.iter().map(|(name, ty)| (name.clone(), ty.ty.0, ty.typmod)).collect(),
        },
    };
    Ok(RelationRow {
        schema: relation.schema,
        name: relation.name.clone(),
        comments: relation.comments.clone(),
        kind,
    })
}

/// A relation from its row. Tables get their indexes afterwards: those have rows of their own.
fn relation(oid: Oid, row: RelationRow) -> Result<(Relation, Vec<Oid>)> {
    let mut index_oids = Vec::new();
    let kind = match row.kind {
        KindRow::Table {
            tree,
            columns,
            primary_key,
            primary_key_index,
            indexes,
            checks,
            foreign_keys,
            referenced_by,
        } => {
            index_oids = indexes;
            RelationKind::Table(Arc::new(Table {
                oid,
                schema: row.schema,
                name: row.name.clone(),
                tree: TreeId(tree),
                columns: columns.into_iter().map(column).collect::<Result<_>>()?,
                primary_key,
                primary_key_index,
                indexes: Vec::new(),
                checks: checks
                    .into_iter()
                    .map(|c| Check { oid: c.oid, name: c.name, expression: c.expression })
                    .collect(),
                statistics: None,
                foreign_keys,
                referenced_by,
            }))
        }
        KindRow::Index { table, tree, keys, unique, constraint, predicate, invalid } => {
            RelationKind::Index(Arc::new(Index {
                oid,
                name: row.name.clone(),
                table,
                tree: TreeId(tree),
                keys: keys
                    .into_iter()
                    .map(|k| IndexKey {
                        column: k.column,
                        expression: k.expression,
                        descending: k.descending,
                        nulls_first: k.nulls_first,
                    })
                    .collect(),
                unique,
                constraint,
                predicate,
                valid: !invalid,
                readable_from: 0,
            }))
        }
        KindRow::Sequence { ty, start, increment, min, max, cache, cycle, owned_by } => {
            RelationKind::Sequence(Arc::new(Sequence {
                oid,
                name: row.name.clone(),
                ty: Type(ty),
                start,
                increment,
                min,
                max,
                cache,
                cycle,
                owned_by,
            }))
        }
        KindRow::View { query, columns } => RelationKind::View(Arc::new(View {
            oid,
            name: row.name.clone(),
            query,
            columns: columns
                .into_iter()
                .map(|(name, ty, typmod)| (name, ColumnType { ty: Type(ty), typmod }))
                .collect(),
        })),
    };
    Ok((Relation { oid, schema: row.schema, name: row.name, kind, comments: row.comments }, index_oids))
}

pub(crate) fn put(transaction: &Transaction, key: &[u8], value: &[u8]) -> Result<()> {
    match transaction.put(CATALOG_TREE, key, value)? {
        Write::Done => Ok(()),
        Write::Blocked(_) => Err(SqlError::internal("two transactions write the catalog")),
    }
}

pub(crate) fn remove(transaction: &Transaction, key: &[u8]) -> Result<()> {
    match transaction.delete(CATALOG_TREE, key)? {
        Write::Done => Ok(()),
        Write::Blocked(_) => Err(SqlError::internal("two transactions write the catalog")),
    }
}

pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| SqlError::internal(format!("a catalog row cannot be written: {e}")))
}

fn statistics(catalog: &Catalog, oid: Oid) -> Option<&Arc<TableStatistics>> {
    catalog.table(oid)?.statistics.as_ref()
}

/// Writes what differs between two versions of the catalog.
pub(crate) fn write(transaction: &Transaction, before: &Catalog, after: &Catalog) -> Result<()> {
    if before.next_oid != after.next_oid {
        put(transaction, b"o", &after.next_oid.to_be_bytes())?;
    }
    for schema in before.schemas.values().filter(|s| after.schema(s.oid).is_none()) {
        remove(transaction, &key(b's', schema.oid))?;
    }
    for schema in after.schemas.values() {
        if before.schema(schema.oid).is_none_or(|b| b.name != schema.name) {
            put(transaction, &key(b's', schema.oid), &json(&SchemaRow { name: schema.name.clone() })?)?;
        }
    }
    for oid in before.relations.keys().filter(|oid| !after.relations.contains_key(oid)) {
        remove(transaction, &key(b'r', *oid))?;
        remove(transaction, &key(b'q', *oid))?;
        row::write(transaction, *oid, statistics(before, *oid), None)?;
    }
    for (oid, relation) in &after.relations {
        if before.relations.get(oid).is_none_or(|b| !Arc::ptr_eq(b, relation)) {
            put(transaction, &key(b'r', *oid), &json(&relation_row(relation)?)?)?;
            row::write(transaction, *oid, statistics(before, *oid), statistics(after, *oid))?;
        }
    }
    Ok(())
}

/// Reads the catalog; a new database gets its first rows.
pub(crate) fn load(engine: &Engine) -> Result<Catalog> {
    let transaction = engine.begin(Isolation::ReadCommitted);
    let snapshot = transaction.snapshot();
    match snapshot.get(CATALOG_TREE, b"f")? {
        None => {
            let mut catalog = Catalog { version: 1, next_oid: FIRST_USER_OID, ..Catalog::default() };
            catalog
                .schemas
                .insert("public".to_owned(), Schema { oid: PUBLIC_OID, name: "public".to_owned() });
            put(&transaction, b"f", &FORMAT.to_be_bytes())?;
            write(&transaction, &Catalog::default(), &catalog)?;
            transaction.commit()?.wait()?;
            Ok(catalog)
        }
        Some(format) if *format == FORMAT.to_be_bytes() => read(&snapshot),
        Some(_) => Err(corrupt("it was written by a newer version of this server")),
    }
}

fn oid_of(key: &[u8]) -> Result<Oid> {
    let bytes = key.get(1..5).and_then(|k| <[u8; 4]>::try_from(k).ok()).ok_or_else(|| corrupt("a key"))?;
    Ok(Oid::from_be_bytes(bytes))
}

fn read(snapshot: &Snapshot) -> Result<Catalog> {
    let mut catalog = Catalog { version: 1, next_oid: FIRST_USER_OID, ..Catalog::default() };
    let mut pending: Vec<(Relation, Vec<Oid>)> = Vec::new();
    let mut statistics: BTreeMap<Oid, TableStatistics> = BTreeMap::new();
    let mut scan = snapshot.scan(CATALOG_TREE, KeyRange::all(), Direction::Forward);
    let mut rows = RowBuffer::new();
    loop {
        rows.clear();
        let more = scan.next_batch(1024, &mut rows)?;
        for (key, value) in rows.iter() {
            match key.first() {
                Some(b'o') => {
                    catalog.next_oid =
                        value.try_into().map(Oid::from_be_bytes).map_err(|_| corrupt("the next OID"))?;
                }
                Some(b's') => {
                    let row: SchemaRow = serde_json::from_slice(value).map_err(corrupt)?;
                    let oid = oid_of(key)?;
                    catalog.schemas.insert(row.name.clone(), Schema { oid, name: row.name });
                }
                Some(b'r') => {
                    let row: RelationRow = serde_json::from_slice(value).map_err(corrupt)?;
                    pending.push(relation(oid_of(key)?, row)?);
                }
                Some(&row::KIND) => row::read(statistics.entry(oid_of(key)?).or_default(), key, value)?,
                _ => {}
            }
        }
        if !more {
            break;
        }
    }
    let indexes: BTreeMap<Oid, Arc<Index>> =
        pending.iter().filter_map(|(r, _)| r.index().map(|i| (r.oid, Arc::clone(i)))).collect();
    for (mut relation, index_oids) in pending {
        if let RelationKind::Table(table) = &mut relation.kind {
            let found = index_oids
                .iter()
                .map(|oid| indexes.get(oid).cloned().ok_or_else(|| corrupt("an index is missing")));
            let table = Arc::make_mut(table);
            table.indexes = found.collect::<Result<_>>()?;
            table.statistics = statistics.remove(&table.oid).map(Arc::new);
        }
        catalog.names.insert((relation.schema, relation.name.clone()), relation.oid);
        catalog.relations.insert(relation.oid, Arc::new(relation));
    }
    Ok(catalog)
}

/// Every tree that a catalog names.
pub(crate) fn trees(catalog: &Catalog) -> std::collections::HashSet<TreeId> {
    let mut trees = std::collections::HashSet::from([CATALOG_TREE]);
    for relation in catalog.relations.values() {
        match &relation.kind {
            RelationKind::Table(t) => trees.extend([t.tree]),
            RelationKind::Index(i) => trees.extend([i.tree]),
            RelationKind::Sequence(_) | RelationKind::View(_) => {}
        }
    }
    trees
}
