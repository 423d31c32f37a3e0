//! `pg_class`, `pg_attribute` and what hangs on a relation: defaults, comments, sequences, view rules.

use super::{BTREE_AM, HEAP_AM, all, attnum, bool, ch, collation, int2, int4, int8, oid, optional, text};
use crate::Result;
use crate::catalog::{Column, Index, OWNER_OID, PG_CATALOG_OID, Relation, RelationKind, Table};
use crate::session::EvalContext;
use crate::types::{ColumnType, Datum, Physical, Type};
use std::sync::Arc;

/// Bytes in a page, by which `relpages` counts.
pub(crate) const PAGE_BYTES: u64 = 8192;

/// The row type of a relation: the number after its own, which the catalog leaves free for it.
fn row_type(kind: char, relation: u32) -> u32 {
    if matches!(kind, 'i' | 'S') { 0 } else { relation.saturating_add(ROW_TYPE_OFFSET) }
}
/// Row types have numbers of their own, far from those of relations.
const ROW_TYPE_OFFSET: u32 = 1 << 30;

struct Class<'a> {
    oid: u32,
    name: &'a str,
    schema: u32,
    am: u32,
    file: u32,
    pages: i32,
    tuples: f32,
    has_index: bool,
    kind: char,
    columns: i16,
    checks: i16,
    has_rules: bool,
    has_triggers: bool,
}

impl Class<'_> {
    fn row(self) -> Vec<Datum> {
        vec![
            oid(self.oid),
            text(self.name),
            oid(self.schema),
            oid(row_type(self.kind, self.oid)),
            oid(0),
            oid(OWNER_OID),
            oid(self.am),
            oid(self.file),
            oid(0),
            int4(self.pages),
            Datum::Float4(self.tuples),
            int4(0),
            oid(0),
            bool(self.has_index),
            bool(false),
            ch('p'),
            ch(self.kind),
            int2(self.columns),
            int2(self.checks),
            bool(self.has_rules),
            bool(self.has_triggers),
            bool(false),
            bool(false),
            bool(false),
            bool(true),
            ch(if self.schema == PG_CATALOG_OID || self.kind != 'r' { 'n' } else { 'd' }),
            bool(false),
            oid(0),
            Datum::Oid(0),
            Datum::Oid(0),
            Datum::Null,
            Datum::Null,
            Datum::Null,
        ]
    }
}

/// Rows and pages of a table as ANALYZE found them; -1 and 0 before the first.
fn size(table: Option<&Arc<Table>>) -> (f32, i32) {
    match table.and_then(|t| t.statistics.as_ref()) {
        Some(found) => (found.rows as f32, i32::try_from(found.pages).unwrap_or(i32::MAX)),
        None => (-1.0, 0),
    }
}

fn width(columns: usize) -> i16 {
    i16::try_from(columns).unwrap_or(i16::MAX)
}

fn class_of(relation: &Relation, ctx: &EvalContext<'_>) -> Vec<Datum> {
    let base = Class {
        oid: relation.oid,
        name: &relation.name,
        schema: relation.schema,
        am: 0,
        file: 0,
        pages: 0,
        tuples: -1.0,
        has_index: false,
        kind: kind(relation),
        columns: 0,
        checks: 0,
        has_rules: false,
        has_triggers: false,
    };
    match &relation.kind {
        RelationKind::Table(table) => {
            let (tuples, pages) = size(Some(table));
            Class {
                am: HEAP_AM,
                file: relation.oid,
                pages,
                tuples,
                has_index: table.primary_key_index.is_some() || !table.indexes.is_empty(),
                columns: width(table.columns.len()),
                checks: width(table.checks.len()),
                has_triggers: table.has_key_relations(),
                ..base
            }
        }
        RelationKind::Index(index) => {
            // An entry for each row, about as wide as its key.
            let (tuples, pages) = size(ctx.catalog.table(index.table));
            let tuples = tuples.max(0.0);
            let columns = width(index.keys.len());
            Class { am: BTREE_AM, file: relation.oid, pages, tuples, columns, ..base }
        }
        RelationKind::Sequence(_) => Class { file: relation.oid, pages: 1, tuples: 1.0, columns: 3, ..base },
        RelationKind::View(view) => Class { columns: width(view.columns.len()), has_rules: true, ..base },
    }
    .row()
}

/// `relkind`
pub(super) fn kind(relation: &Relation) -> char {
    match relation.kind {
        RelationKind::Table(_) => 'r',
        RelationKind::Index(_) => 'i',
        RelationKind::Sequence(_) => 'S',
        RelationKind::View(_) => 'v',
    }
}

/// Rows of `pg_class`: the system relations, then the user's.
pub(super) fn pg_class(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let schema_oid = |name: &str| ctx.catalog.schema_oid(name).unwrap_or_default();
    let system = all().map(|r| {
        let am = if r.kind == 'r' { HEAP_AM } else { 0 };
        Class {
            oid: r.oid,
            name: r.name,
            schema: schema_oid(r.schema),
            am,
            file: 0,
            pages: 0,
            tuples: -1.0,
            has_index: false,
            kind: r.kind,
            columns: width(r.columns.len()),
            checks: 0,
            has_rules: r.kind == 'v',
            has_triggers: false,
        }
        .row()
    });
    Ok(system.chain(ctx.catalog.relations.values().map(|r| class_of(r, ctx))).collect())
}

struct Attribute<'a> {
    relation: u32,
    name: &'a str,
    ty: ColumnType,
    number: i16,
    not_null: bool,
    has_default: bool,
    identity: Option<char>,
    dropped: bool,
    missing: bool,
}

impl Attribute<'_> {
    fn row(self) -> Vec<Datum> {
        let info = self.ty.ty.info();
        let len = info.map_or(-1, |i| i.len);
        let by_value = is_by_value(self.ty.ty);
        vec![
            oid(self.relation),
            text(self.name),
            oid(if self.dropped { 0 } else { self.ty.ty.0 }),
            int4(-1),
            int2(len),
            int2(self.number),
            int4(i32::from(self.ty.ty.element().is_some() && len == -1)),
            int4(-1),
            int4(self.ty.typmod),
            bool(by_value),
            ch(alignment(self.ty.ty)),
            ch(super::types::storage(self.ty.ty)),
            text(""),
            bool(self.not_null),
            bool(self.has_default),
            bool(self.missing),
            optional(self.identity, ch).or_text(""),
            text(""),
            bool(self.dropped),
            bool(true),
            int4(0),
            oid(collation(self.ty.ty)),
            Datum::Null,
            Datum::Null,
            Datum::Null,
            Datum::Null,
        ]
    }
}

trait OrText {
    fn or_text(self, default: &str) -> Datum;
}
impl OrText for Datum {
    fn or_text(self, default: &str) -> Datum {
        if self.is_null() { text(default) } else { self }
    }
}

/// `typbyval`
pub(super) fn is_by_value(ty: Type) -> bool {
    !matches!(
        ty.physical(),
        Physical::Numeric
            | Physical::Text
            | Physical::Bytea
            | Physical::Interval
            | Physical::Uuid
            | Physical::Array
            | Physical::Record
    ) || ty == Type::CHAR
}

/// `typalign`
pub(super) fn alignment(ty: Type) -> char {
    match ty.physical() {
        Physical::Bool => 'c',
        Physical::Int2 => 's',
        Physical::Int8 | Physical::Float8 | Physical::Interval | Physical::Record => 'd',
        Physical::Uuid => 'c',
        Physical::Text if matches!(ty, Type::CHAR | Type::NAME | Type::UNKNOWN | Type::CSTRING) => 'c',
        _ => 'i',
    }
}

fn table_attribute(table: &Table, position: usize, column: &Column) -> Vec<Datum> {
    let dropped_name;
    let name = if column.dropped {
        dropped_name = format!("........pg.dropped.{}........", attnum(position));
        dropped_name.as_str()
    } else {
        column.name.as_str()
    };
    Attribute {
        relation: table.oid,
        name,
        ty: column.ty,
        number: attnum(position),
        not_null: column.not_null && !column.dropped,
        has_default: column.default.is_some() && column.identity.is_none() && !column.dropped,
        identity: column.identity,
        dropped: column.dropped,
        missing: !column.missing.is_null(),
    }
    .row()
}

/// Name and type of an index's column, as its relation has it.
fn index_attributes<'a>(
    index: &'a Index,
    table: Option<&'a Table>,
) -> impl Iterator<Item = (String, ColumnType)> + 'a {
    index.keys.iter().map(move |key| {
        let column = key.column.and_then(|c| table?.columns.get(c));
        let named =
            || key.expression.as_deref().and_then(super::describe::called).unwrap_or("expr").to_owned();
        column.map_or_else(|| (named(), Type::TEXT.into()), |c| (c.name.clone(), c.ty))
    })
}

fn plain(relation: u32, position: usize, name: &str, ty: ColumnType, not_null: bool) -> Vec<Datum> {
    let number = attnum(position);
    Attribute {
        relation,
        name,
        ty,
        number,
        not_null,
        has_default: false,
        identity: None,
        dropped: false,
        missing: false,
    }
    .row()
}

/// Rows of `pg_attribute`.
pub(super) fn pg_attribute(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut rows = Vec::new();
    for relation in all() {
        for (i, (name, ty)) in relation.columns.iter().enumerate() {
            rows.push(plain(relation.oid, i, name, (*ty).into(), relation.kind == 'r' && i == 0));
        }
    }
    for relation in ctx.catalog.relations.values() {
        match &relation.kind {
            RelationKind::Table(table) => {
                rows.extend(table.columns.iter().enumerate().map(|(i, c)| table_attribute(table, i, c)));
            }
            RelationKind::Index(index) => {
                let table = ctx.catalog.table(index.table).map(|t| &**t);
                for (i, (name, ty)) in index_attributes(index, table).enumerate() {
                    rows.push(plain(relation.oid, i, &name, ty, false));
                }
            }
            RelationKind::Sequence(_) => {
                let columns =
                    [("last_value", Type::INT8), ("log_cnt", Type::INT8), ("is_called", Type::BOOL)];
                for (i, (name, ty)) in columns.into_iter().enumerate() {
                    rows.push(plain(relation.oid, i, name, ty.into(), true));
                }
            }
            RelationKind::View(view) => {
                for (i, (name, ty)) in view.columns.iter().enumerate() {
                    rows.push(plain(relation.oid, i, name, *ty, false));
                }
            }
        }
    }
    Ok(rows)
}

/// Rows of `pg_attrdef`. A default's text stands where PostgreSQL keeps a tree; `pg_get_expr` gives it back.
pub(super) fn pg_attrdef(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let mut rows = Vec::new();
    for table in ctx.catalog.relations.values().filter_map(|r| r.table()) {
        for (position, column) in table.live_columns() {
            if column.identity.is_some() {
                continue;
            }
            if let Some(default) = ctx.catalog.default_text(&ctx.settings.search_path, column) {
                rows.push(vec![
                    oid(default_oid(table.oid, position)),
                    oid(table.oid),
                    int2(attnum(position)),
                    text(default.as_str()),
                ]);
            }
        }
    }
    Ok(rows)
}

/// Defaults have no number of their own in our catalog; this one is unique among them.
pub(super) fn default_oid(table: u32, position: usize) -> u32 {
    table.wrapping_mul(2048).wrapping_add(u32::try_from(position).unwrap_or(0)) | 1 << 31
}

/// Rows of `pg_description`: comments on relations and columns.
pub(super) fn pg_description(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let comments = ctx.catalog.relations.values().flat_map(|r| {
        r.comments.iter().map(|(number, comment)| {
            vec![oid(r.oid), oid(1259), int4(i32::from(*number)), text(comment.as_str())]
        })
    });
    Ok(comments.collect())
}

/// Rows of `pg_sequence`.
pub(super) fn pg_sequence(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let sequences = ctx.catalog.relations.values().filter_map(|r| r.sequence());
    Ok(sequences
        .map(|s| {
            vec![
                oid(s.oid),
                oid(s.ty.0),
                int8(s.start),
                int8(s.increment),
                int8(s.max),
                int8(s.min),
                int8(s.cache),
                bool(s.cycle),
            ]
        })
        .collect())
}

/// Rows of `pg_rewrite`: the `_RETURN` rule of each view.
pub(super) fn pg_rewrite(ctx: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let views = ctx.catalog.relations.values().filter_map(|r| r.view());
    Ok(views
        .map(|v| {
            vec![
                oid(v.oid),
                text("_RETURN"),
                oid(v.oid),
                ch('1'),
                ch('O'),
                bool(true),
                text("<>"),
                text(v.query.as_str()),
            ]
        })
        .collect())
}
