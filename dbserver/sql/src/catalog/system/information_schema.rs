//! `information_schema` (SQL standard part 11; PostgreSQL manual, chapter 37).

use super::constraints::{Constraint, of_table};
use super::{attnum, describe, int4, optional, text};
use crate::Result;
use crate::catalog::{Catalog, Column, RelationKind, Sequence, Table};
use crate::session::EvalContext;
use crate::types::{ColumnType, Datum, Oid, Type};

type Rows = Result<Vec<Vec<Datum>>>;

fn yes_no(value: bool) -> Datum {
    text(if value { "YES" } else { "NO" })
}
fn database(ctx: &EvalContext<'_>) -> Datum {
    text(ctx.session.database())
}
fn schema(ctx: &EvalContext<'_>, number: Oid) -> Datum {
    optional(ctx.catalog.schema_name(number), text)
}

/// `information_schema_catalog_name`
pub(super) fn information_schema_catalog_name(ctx: &EvalContext<'_>) -> Rows {
    Ok(vec![vec![database(ctx)]])
}

/// `enabled_roles`
pub(super) fn enabled_roles(ctx: &EvalContext<'_>) -> Rows {
    Ok(vec![vec![text(ctx.session.user())]])
}

/// `schemata`
pub(super) fn schemata(ctx: &EvalContext<'_>) -> Rows {
    let user = ctx.catalog.schemas.values().map(|s| s.name.as_str());
    let rows = ["pg_catalog", "information_schema"].into_iter().chain(user).map(|name| {
        vec![
            database(ctx),
            text(name),
            text(ctx.session.user()),
            Datum::Null,
            Datum::Null,
            Datum::Null,
            Datum::Null,
        ]
    });
    Ok(rows.collect())
}

/// `tables`
pub(super) fn tables(ctx: &EvalContext<'_>) -> Rows {
    let row = |schema: Datum, name: &str, view: bool| {
        let mut row = vec![database(ctx), schema, text(name), text(if view { "VIEW" } else { "BASE TABLE" })];
        row.extend(std::iter::repeat_n(Datum::Null, 5));
        row.extend([yes_no(!view), yes_no(false), Datum::Null]);
        row
    };
    let system = super::all().map(|r| row(text(r.schema), r.name, r.kind == 'v'));
    let user = ctx.catalog.relations.values().filter_map(|r| match r.kind {
        RelationKind::Table(_) => Some(row(schema(ctx, r.schema), &r.name, false)),
        RelationKind::View(_) => Some(row(schema(ctx, r.schema), &r.name, true)),
        RelationKind::Index(_) | RelationKind::Sequence(_) => None,
    });
    Ok(system.chain(user).collect())
}

/// `views`
pub(super) fn views(ctx: &EvalContext<'_>) -> Rows {
    let rows = ctx.catalog.relations.values().filter_map(|r| {
        let view = r.view()?;
        let mut row = vec![
            database(ctx),
            schema(ctx, r.schema),
            text(r.name.as_str()),
            text(view.query.as_str()),
            text("NONE"),
        ];
        row.extend(std::iter::repeat_with(|| yes_no(false)).take(5));
        Some(row)
    });
    Ok(rows.collect())
}

/// Where a column stands, for `columns`.
struct Place<'a> {
    schema: Datum,
    relation: &'a str,
    name: &'a str,
    number: i16,
    ty: ColumnType,
    /// The table's column, for what only tables have.
    column: Option<&'a Column>,
    updatable: bool,
}

/// Maximum length in characters, numeric precision, radix and scale, date/time precision.
fn dimensions(ty: ColumnType) -> [Option<i32>; 5] {
    let modifier = (ty.typmod >= 4).then(|| ty.typmod.saturating_sub(4));
    match ty.ty {
        Type::VARCHAR | Type::BPCHAR => [modifier, None, None, None, None],
        Type::INT2 => [None, Some(16), Some(2), Some(0), None],
        Type::INT4 => [None, Some(32), Some(2), Some(0), None],
        Type::INT8 => [None, Some(64), Some(2), Some(0), None],
        Type::FLOAT4 => [None, Some(24), Some(2), None, None],
        Type::FLOAT8 => [None, Some(53), Some(2), None, None],
        Type::NUMERIC => {
            [None, modifier.map(|m| (m >> 16) & 0xffff), Some(10), modifier.map(|m| m & 0x7ff), None]
        }
        Type::DATE => [None, None, None, None, Some(0)],
        Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::INTERVAL => {
            [None, None, None, None, Some(if ty.typmod < 0 { 6 } else { ty.typmod & 0xffff })]
        }
        _ => [None, None, None, None, None],
    }
}

fn column_row(ctx: &EvalContext<'_>, place: Place<'_>) -> Vec<Datum> {
    let Place { schema, relation, name, number, ty, column, updatable } = place;
    let [length, precision, radix, scale, time] = dimensions(ty);
    let is_text = matches!(ty.ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR);
    let octets = if is_text { Some(length.map_or(1_073_741_824, |l| l.saturating_mul(4))) } else { None };
    let identity = column.and_then(|c| c.identity);
    let default = column
        .filter(|_| identity.is_none())
        .and_then(|c| ctx.catalog.default_text(&ctx.settings.search_path, c));
    let data_type =
        if ty.ty.element().is_some() { "ARRAY".to_owned() } else { describe::format_type(ty.ty, -1) };
    let mut row = vec![
        database(ctx),
        schema,
        text(relation),
        text(name),
        int4(i32::from(number)),
        optional(default.as_deref(), text),
        yes_no(!column.is_some_and(|c| c.not_null)),
        text(data_type),
        optional(length, int4),
        optional(octets, int4),
        optional(precision, int4),
        optional(radix, int4),
        optional(scale, int4),
        optional(time, int4),
    ];
    // interval_type … domain_name
    row.extend(std::iter::repeat_n(Datum::Null, 11));
    row.extend([database(ctx), text("pg_catalog"), text(ty.ty.name())]);
    // scope_catalog … maximum_cardinality
    row.extend(std::iter::repeat_n(Datum::Null, 4));
    row.extend([text(number.to_string()), yes_no(false), yes_no(identity.is_some())]);
    let sequence =
        column.filter(|_| identity.is_some()).and_then(|c| c.sequence).and_then(|s| ctx.catalog.sequence(s));
    row.push(optional(identity, |i| text(if i == 'a' { "ALWAYS" } else { "BY DEFAULT" })));
    let number_of = |value: fn(&Sequence) -> i64| optional(sequence, |s| text(value(s).to_string()));
    row.extend([
        number_of(|s| s.start),
        number_of(|s| s.increment),
        number_of(|s| s.max),
        number_of(|s| s.min),
    ]);
    row.push(yes_no(sequence.is_some_and(|s| s.cycle)));
    row.extend([text("NEVER"), Datum::Null, yes_no(updatable)]);
    row
}

/// `columns`
pub(super) fn columns(ctx: &EvalContext<'_>) -> Rows {
    let mut rows = Vec::new();
    for r in super::all() {
        for (i, (name, ty)) in r.columns.iter().enumerate() {
            let place = Place {
                schema: text(r.schema),
                relation: r.name,
                name,
                number: attnum(i),
                ty: (*ty).into(),
                column: None,
                updatable: false,
            };
            rows.push(column_row(ctx, place));
        }
    }
    for r in ctx.catalog.relations.values() {
        let place = |name, number, ty, column: Option<_>| Place {
            schema: schema(ctx, r.schema),
            relation: &r.name,
            name,
            number,
            ty,
            updatable: column.is_some(),
            column,
        };
        match &r.kind {
            RelationKind::Table(table) => {
                let live = table.live_columns();
                rows.extend(live.map(|(i, c)| column_row(ctx, place(&c.name, attnum(i), c.ty, Some(c)))));
            }
            RelationKind::View(view) => {
                let all = view.columns.iter().enumerate();
                rows.extend(all.map(|(i, (name, ty))| column_row(ctx, place(name, attnum(i), *ty, None))));
            }
            RelationKind::Index(_) | RelationKind::Sequence(_) => {}
        }
    }
    Ok(rows)
}

/// `sequences`
pub(super) fn sequences(ctx: &EvalContext<'_>) -> Rows {
    let rows = ctx.catalog.relations.values().filter_map(|r| {
        let s = r.sequence()?;
        let [_, precision, radix, scale, _] = dimensions(s.ty.into());
        Some(vec![
            database(ctx),
            schema(ctx, r.schema),
            text(r.name.as_str()),
            text(s.ty.sql_name()),
            optional(precision, int4),
            optional(radix, int4),
            optional(scale, int4),
            text(s.start.to_string()),
            text(s.min.to_string()),
            text(s.max.to_string()),
            text(s.increment.to_string()),
            yes_no(s.cycle),
        ])
    });
    Ok(rows.collect())
}

fn user_constraints(catalog: &Catalog) -> impl Iterator<Item = (&Table, Constraint)> {
    catalog
        .relations
        .values()
        .filter_map(|r| r.table())
        .flat_map(|t| of_table(t).into_iter().map(move |c| (&**t, c)))
}

/// Name of a NOT NULL's check, as PostgreSQL makes it up for this view: schema, table and attnum, then `not_null`.
fn not_null_name(table: &Table, number: i16) -> String {
    format!("{}_{}_{number}_not_null", table.schema, table.oid)
}

/// `table_constraints`: NOT NULLs appear as checks, as in PostgreSQL.
pub(super) fn table_constraints(ctx: &EvalContext<'_>) -> Rows {
    let row = |table: &Table, name: String, kind: &str, deferrable: (bool, bool), unique: bool| {
        vec![
            database(ctx),
            schema(ctx, table.schema),
            text(name),
            database(ctx),
            schema(ctx, table.schema),
            text(table.name.as_str()),
            text(kind),
            yes_no(deferrable.0),
            yes_no(deferrable.1),
            yes_no(true),
            if unique { yes_no(true) } else { Datum::Null },
        ]
    };
    let mut rows: Vec<_> = user_constraints(ctx.catalog)
        .map(|(table, c)| {
            let kind = match c.kind {
                'p' => "PRIMARY KEY",
                'u' => "UNIQUE",
                'f' => "FOREIGN KEY",
                _ => "CHECK",
            };
            let deferrable = c.foreign.as_ref().map_or((false, false), |k| (k.deferrable, k.deferred));
            row(table, c.name, kind, deferrable, c.kind == 'u')
        })
        .collect();
    for table in ctx.catalog.relations.values().filter_map(|r| r.table()) {
        for (i, _) in table.live_columns().filter(|(_, c)| c.not_null) {
            rows.push(row(table, not_null_name(table, attnum(i)), "CHECK", (false, false), false));
        }
    }
    Ok(rows)
}

/// `check_constraints`
pub(super) fn check_constraints(ctx: &EvalContext<'_>) -> Rows {
    let row = |table: &Table, name: String, clause: String| {
        vec![database(ctx), schema(ctx, table.schema), text(name), text(clause)]
    };
    let mut rows: Vec<_> = user_constraints(ctx.catalog)
        .filter_map(|(table, c)| Some(row(table, c.name, format!("(({}))", c.check?))))
        .collect();
    for table in ctx.catalog.relations.values().filter_map(|r| r.table()) {
        for (i, column) in table.live_columns().filter(|(_, c)| c.not_null) {
            let clause = format!("{} IS NOT NULL", describe::quote_identifier(&column.name));
            rows.push(row(table, not_null_name(table, attnum(i)), clause));
        }
    }
    Ok(rows)
}

fn column_name(table: &Table, number: i16) -> Option<&str> {
    let position = usize::try_from(number).ok()?.checked_sub(1)?;
    table.columns.get(position).map(|c| c.name.as_str())
}

/// `key_column_usage`
pub(super) fn key_column_usage(ctx: &EvalContext<'_>) -> Rows {
    let mut rows = Vec::new();
    for (table, constraint) in user_constraints(ctx.catalog).filter(|(_, c)| c.kind != 'c') {
        for (i, number) in constraint.columns.iter().enumerate() {
            rows.push(vec![
                database(ctx),
                schema(ctx, table.schema),
                text(constraint.name.as_str()),
                database(ctx),
                schema(ctx, table.schema),
                text(table.name.as_str()),
                optional(column_name(table, *number), text),
                int4(i32::from(attnum(i))),
                optional(place_in_key(ctx.catalog, &constraint, i), |place| int4(i32::from(place))),
            ]);
        }
    }
    Ok(rows)
}

/// Where in the unique constraint the column is that the `i`th column of a foreign key refers to.
fn place_in_key(catalog: &Catalog, constraint: &Constraint, i: usize) -> Option<i16> {
    let key = constraint.foreign.as_ref()?;
    let number = attnum(*key.referenced.get(i)?);
    let unique = of_table(catalog.table(key.references)?).into_iter().find(|c| c.oid == key.index)?;
    unique.columns.iter().position(|c| *c == number).map(attnum)
}

/// `referential_constraints`
pub(super) fn referential_constraints(ctx: &EvalContext<'_>) -> Rows {
    let mut rows = Vec::new();
    for (table, constraint) in user_constraints(ctx.catalog) {
        let Some(key) = &constraint.foreign else { continue };
        let Some(referenced) = ctx.catalog.table(key.references) else { continue };
        let name = of_table(referenced).into_iter().find(|c| c.oid == key.index).map(|c| c.name);
        let unique = |value: Datum| if name.is_some() { value } else { Datum::Null };
        rows.push(vec![
            database(ctx),
            schema(ctx, table.schema),
            text(key.name.as_str()),
            unique(database(ctx)),
            unique(schema(ctx, referenced.schema)),
            optional(name.as_deref(), text),
            text(if key.match_full { "FULL" } else { "NONE" }),
            text(key.on_update.sql()),
            text(key.on_delete.sql()),
        ]);
    }
    Ok(rows)
}

/// The table and columns that a constraint is about: of a foreign key, those it refers to.
fn used<'a>(
    catalog: &'a Catalog,
    table: &'a Table,
    constraint: &Constraint,
) -> Option<(&'a Table, Vec<i16>)> {
    match &constraint.foreign {
        None => Some((table, constraint.columns.clone())),
        Some(key) => {
            let numbers = key.referenced.iter().map(|&c| attnum(c)).collect();
            catalog.table(key.references).map(|referenced| (&**referenced, numbers))
        }
    }
}

/// `constraint_column_usage`
pub(super) fn constraint_column_usage(ctx: &EvalContext<'_>) -> Rows {
    let mut rows = Vec::new();
    for (table, constraint) in user_constraints(ctx.catalog) {
        let Some((used, numbers)) = used(ctx.catalog, table, &constraint) else { continue };
        for number in numbers {
            rows.push(vec![
                database(ctx),
                schema(ctx, used.schema),
                text(used.name.as_str()),
                optional(column_name(used, number), text),
                database(ctx),
                schema(ctx, table.schema),
                text(constraint.name.as_str()),
            ]);
        }
    }
    Ok(rows)
}

/// `constraint_table_usage`
pub(super) fn constraint_table_usage(ctx: &EvalContext<'_>) -> Rows {
    let rows = user_constraints(ctx.catalog).filter(|(_, c)| c.kind != 'c').filter_map(|(table, c)| {
        let (used, _) = used(ctx.catalog, table, &c)?;
        let place = |of: &Table| [database(ctx), schema(ctx, of.schema)];
        let [table_database, table_schema] = place(used);
        let [database, schema] = place(table);
        Some(vec![table_database, table_schema, text(used.name.as_str()), database, schema, text(c.name)])
    });
    Ok(rows.collect())
}

/// `table_privileges` and `role_table_grants`: the one role holds every privilege on its relations.
pub(super) fn table_privileges(ctx: &EvalContext<'_>) -> Rows {
    let mut rows = Vec::new();
    for r in ctx.catalog.relations.values() {
        if !matches!(r.kind, RelationKind::Table(_) | RelationKind::View(_)) {
            continue;
        }
        for privilege in ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] {
            rows.push(vec![
                text(ctx.session.user()),
                text(ctx.session.user()),
                database(ctx),
                schema(ctx, r.schema),
                text(r.name.as_str()),
                text(privilege),
                yes_no(true),
                yes_no(privilege == "SELECT"),
            ]);
        }
    }
    Ok(rows)
}
