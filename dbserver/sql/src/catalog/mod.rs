//! The catalog: what relations there are. An immutable snapshot shared by Arc; DDL makes a new one, which the
//! transaction sees alone until it commits.

pub(crate) mod edit;
mod foreign_key;
mod lookup;
pub(crate) mod store;
pub mod system;

pub use foreign_key::{ForeignKey, KeyAction};

use crate::statistics::TableStatistics;
use crate::types::{ColumnType, Datum, Oid};
use plimsoll_storage::TreeId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The first OID of user objects, as in PostgreSQL.
pub const FIRST_USER_OID: Oid = 16384;
/// OID of schema `pg_catalog`.
pub const PG_CATALOG_OID: Oid = 11;
/// OID of schema `public`.
pub const PUBLIC_OID: Oid = 2200;
/// OID of schema `information_schema`.
pub const INFORMATION_SCHEMA_OID: Oid = 13000;
/// OID of the one role, the bootstrap superuser.
pub const OWNER_OID: Oid = 10;

/// One version of the catalog.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Grows with every committed change: plans made under another version are stale.
    pub version: u64,
    /// The next OID to give out.
    pub next_oid: Oid,
    /// User schemas (`public` among them) by name.
    pub schemas: BTreeMap<String, Schema>,
    /// All user relations by OID.
    pub relations: BTreeMap<Oid, Arc<Relation>>,
    /// (schema OID, relation name) to relation OID. Tables, views, indexes and sequences share one namespace.
    pub names: BTreeMap<(Oid, String), Oid>,
    /// Snapshots as new as this commit may read by all indexes: the largest [`Index::readable_from`] there has been. Not stored.
    pub newest_index: u64,
}

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Its OID.
    pub oid: Oid,
    /// Its name.
    pub name: String,
}

/// What `pg_class` has a row for.
#[derive(Clone, Debug)]
pub struct Relation {
    /// `oid`
    pub oid: Oid,
    /// `relnamespace`
    pub schema: Oid,
    /// `relname`
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// COMMENT ON the relation (0) or its columns (attnum).
    pub comments: BTreeMap<i16, String>,
}

/// `relkind` and what goes with it.
#[derive(Clone, Debug)]
pub enum RelationKind {
    /// `r`
    Table(Arc<Table>),
    /// `i`
    Index(Arc<Index>),
    /// `S`
    Sequence(Arc<Sequence>),
    /// `v`
    View(Arc<View>),
}

/// A table. Rows live in `tree`, ordered by primary key, or by a hidden row number (8 bytes, big-endian) when there is none.
#[derive(Clone, Debug)]
pub struct Table {
    /// OID of its relation.
    pub oid: Oid,
    /// OID of its schema.
    pub schema: Oid,
    /// Name, for messages.
    pub name: String,
    /// Where the rows are (`relfilenode`): TRUNCATE and rewrites move to a new one.
    pub tree: TreeId,
    /// Columns in order of attnum; dropped ones stay so that numbers stay.
    pub columns: Vec<Column>,
    /// Column positions (into `columns`) of the primary key, in key order; empty for none.
    pub primary_key: Vec<usize>,
    /// OID and name of the primary key's index relation and constraint. The relation is an [`Index`] whose `tree` is the table's.
    pub primary_key_index: Option<(Oid, String)>,
    /// Secondary indexes, also unique ones; the primary key's is not among them.
    pub indexes: Vec<Arc<Index>>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// What ANALYZE found; none before the first.
    pub statistics: Option<Arc<TableStatistics>>,
    /// FOREIGN KEY constraints.
    pub foreign_keys: Vec<ForeignKey>,
    /// OIDs of the tables whose foreign keys refer to this one, itself perhaps.
    pub referenced_by: Vec<Oid>,
}

/// A table's column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// `attname`
    pub name: String,
    /// Type and modifier.
    pub ty: ColumnType,
    /// NOT NULL (also of primary keys).
    pub not_null: bool,
    /// DEFAULT as SQL text, e.g. `nextval('t_id_seq'::regclass)`.
    pub default: Option<String>,
    /// GENERATED … AS IDENTITY: `a` always, `d` by default.
    pub identity: Option<char>,
    /// OID of the sequence of a serial or identity column: dropped with it.
    pub sequence: Option<Oid>,
    /// Value of rows written before the column was added (`attmissingval`).
    pub missing: Datum,
    /// Dropped: hidden, its number taken.
    pub dropped: bool,
}

/// A secondary index. Entries live in `tree`: key columns, then (unless unique and without nulls) the row's key; the
/// value holds the row's key.
#[derive(Clone, Debug)]
pub struct Index {
    /// OID of its relation.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// OID of the table.
    pub table: Oid,
    /// Where the entries are.
    pub tree: TreeId,
    /// Key columns.
    pub keys: Vec<IndexKey>,
    /// UNIQUE.
    pub unique: bool,
    /// It backs a UNIQUE constraint (not just CREATE UNIQUE INDEX).
    pub constraint: bool,
    /// WHERE of a partial index, as SQL text.
    pub predicate: Option<String>,
    /// It has an entry for each row, and may be read (`indisvalid`). Writers keep it up in any case.
    pub valid: bool,
    /// Snapshots older than this commit do not see all entries of the rows that they see, and may not read by it. Not stored: 0 where
    /// none is older, in the transaction that makes the index and after a restart.
    pub readable_from: u64,
}

impl Index {
    /// Whether a snapshot finds all of its rows by the index.
    pub fn is_readable(&self, snapshot: u64) -> bool {
        self.valid && snapshot >= self.readable_from
    }
}

/// A key column of an index.
#[derive(Clone, Debug)]
pub struct IndexKey {
    /// Position in the table's `columns`; none for an expression.
    pub column: Option<usize>,
    /// SQL text of an expression key.
    pub expression: Option<String>,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
}

/// A CHECK constraint.
#[derive(Clone, Debug)]
pub struct Check {
    /// OID of the constraint.
    pub oid: Oid,
    /// Name, e.g. `t_col_check`.
    pub name: String,
    /// The condition as SQL text.
    pub expression: String,
}

/// A sequence's parameters. Its state is a row in storage, written ahead in steps and outside transactions.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// OID of its relation.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// `int2`, `int4` or `int8`.
    pub ty: crate::types::Type,
    /// START.
    pub start: i64,
    /// INCREMENT.
    pub increment: i64,
    /// MINVALUE.
    pub min: i64,
    /// MAXVALUE.
    pub max: i64,
    /// CACHE.
    pub cache: i64,
    /// CYCLE.
    pub cycle: bool,
    /// (table OID, attnum) it belongs to.
    pub owned_by: Option<(Oid, i16)>,
}

/// A view.
#[derive(Clone, Debug)]
pub struct View {
    /// OID of its relation.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Its query as SQL text, with names qualified.
    pub query: String,
    /// Output columns.
    pub columns: Vec<(String, ColumnType)>,
}
