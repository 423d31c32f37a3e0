//! PostgreSQL's convenience views: `pg_tables`, `pg_views`, `pg_indexes`, `pg_sequences`.

use super::{bool, describe, int8, oid, optional, text};
use crate::Result;
use crate::session::EvalContext;
use crate::types::Datum;

type Rows = Result<Vec<Vec<Datum>>>;

fn schema(ctx: &EvalContext<'_>, number: u32) -> Datum {
    optional(ctx.catalog.schema_name(number), text)
}

/// Rows of `pg_tables`.
pub(super) fn pg_tables(ctx: &EvalContext<'_>) -> Rows {
    let owner = || text(ctx.session.user());
    let row = |schema: Datum, name: &str, indexes: std::primitive::bool| {
        vec![schema, text(name), owner(), Datum::Null, bool(indexes), bool(false), bool(false), bool(false)]
    };
    let system = super::all().filter(|r| r.kind == 'r').map(|r| row(text(r.schema), r.name, true));
    let user =
        ctx.catalog.relations.values().filter_map(|r| r.table()).map(|t| {
            row(schema(ctx, t.schema), &t.name, t.primary_key_index.is_some() || !t.indexes.is_empty())
        });
    Ok(system.chain(user).collect())
}

/// Rows of `pg_views`.
pub(super) fn pg_views(ctx: &EvalContext<'_>) -> Rows {
    let owner = || text(ctx.session.user());
    let system =
        super::all().filter(|r| r.kind == 'v').map(|r| vec![text(r.schema), text(r.name), owner(), text("")]);
    let user = ctx.catalog.relations.values().filter_map(|r| {
        let view = r.view()?;
        Some(vec![schema(ctx, r.schema), text(r.name.as_str()), owner(), text(view.query.as_str())])
    });
    Ok(system.chain(user).collect())
}

/// Rows of `pg_indexes`.
pub(super) fn pg_indexes(ctx: &EvalContext<'_>) -> Rows {
    let rows = ctx.catalog.relations.values().filter_map(|r| {
        let index = r.index()?;
        let table = ctx.catalog.table(index.table)?;
        Some(vec![
            schema(ctx, table.schema),
            text(table.name.as_str()),
            text(r.name.as_str()),
            Datum::Null,
            optional(describe::index_definition(ctx.catalog, r.oid, None), text),
        ])
    });
    Ok(rows.collect())
}

/// Rows of `pg_sequences`. `last_value` is null: reading it does not advance the sequence, so it is asked for by `pg_sequence_last_value`.
pub(super) fn pg_sequences(ctx: &EvalContext<'_>) -> Rows {
    let rows = ctx.catalog.relations.values().filter_map(|r| {
        let s = r.sequence()?;
        Some(vec![
            schema(ctx, r.schema),
            text(r.name.as_str()),
            text(ctx.session.user()),
            oid(s.ty.0),
            int8(s.start),
            int8(s.min),
            int8(s.max),
            int8(s.increment),
            bool(s.cycle),
            int8(s.cache),
            Datum::Null,
        ])
    });
    Ok(rows.collect())
}
