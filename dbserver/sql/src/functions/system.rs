//! Functions over the catalog: what psql's `\d`, drivers and ORMs ask besides the catalogs themselves
//! (PostgreSQL manual, section 9.26).

use super::kernel::functions;
use super::{Function, Kernel};
use crate::catalog::system::{self, describe, names};
use crate::catalog::{RelationKind, Table};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::{Array, Datum, Oid, Type};
use std::sync::Arc;

functions! { CATALOG:
    1716 pg_get_expr(tree: PG_NODE_TREE, relation: OID) -> TEXT [stable] |_| { let _ = relation; tree }
    2509 pg_get_expr(tree: PG_NODE_TREE, relation: OID, pretty: BOOL) -> TEXT [stable] |_| { let _ = (relation, pretty); tree }
    1643 pg_get_indexdef(index: OID) -> TEXT [stable] |ctx| { describe::index_definition(ctx.catalog, index, None) }
    2507 pg_get_indexdef(index: OID, column: INT4, pretty: BOOL) -> TEXT [stable] |ctx| { index_part(ctx, index, column, pretty) }
    1387 pg_get_constraintdef(constraint: OID) -> TEXT [stable] |ctx| { describe::constraint_definition(ctx.catalog, &ctx.settings.search_path, constraint, false) }
    2508 pg_get_constraintdef(constraint: OID, pretty: BOOL) -> TEXT [stable] |ctx| { describe::constraint_definition(ctx.catalog, &ctx.settings.search_path, constraint, pretty) }
    1641 pg_get_viewdef(view: OID) -> TEXT [stable] |ctx| { view_definition(ctx, view) }
    2506 pg_get_viewdef(view: OID, pretty: BOOL) -> TEXT [stable] |ctx| { let _ = pretty; view_definition(ctx, view) }
    3159 pg_get_viewdef(view: OID, wrap: INT4) -> TEXT [stable] |ctx| { let _ = wrap; view_definition(ctx, view) }
    1640 pg_get_viewdef(view: TEXT) -> TEXT [stable] |ctx| { view_definition(ctx, relation(ctx, view)?) }
    2505 pg_get_viewdef(view: TEXT, pretty: BOOL) -> TEXT [stable] |ctx| { let _ = pretty; view_definition(ctx, relation(ctx, view)?) }
    1573 pg_get_ruledef(rule: OID) -> TEXT [stable] |_| { let _ = rule; Datum::Null }
    2504 pg_get_ruledef(rule: OID, pretty: BOOL) -> TEXT [stable] |_| { let _ = (rule, pretty); Datum::Null }
    1662 pg_get_triggerdef(trigger: OID) -> TEXT [stable] |_| { let _ = trigger; Datum::Null }
    2730 pg_get_triggerdef(trigger: OID, pretty: BOOL) -> TEXT [stable] |_| { let _ = (trigger, pretty); Datum::Null }
    3352 pg_get_partkeydef(table: OID) -> TEXT [stable] |_| { let _ = table; Datum::Null }
    3408 pg_get_partition_constraintdef(table: OID) -> TEXT [stable] |_| { let _ = table; Datum::Null }
    6174 pg_get_statisticsobjdef_columns(statistics: OID) -> TEXT [stable] |_| { let _ = statistics; Datum::Null }
    1642 pg_get_userbyid(role: OID) -> NAME [stable] |ctx| { role_name(ctx, role) }
    1665 pg_get_serial_sequence(table: TEXT, column: TEXT) -> TEXT [stable] |ctx| { serial_sequence(ctx, table, column)? }
    2162 pg_get_function_arguments(function: OID) -> TEXT [stable] |_| { function_arguments(function) }
    2232 pg_get_function_identity_arguments(function: OID) -> TEXT [stable] |_| { function_arguments(function) }
    2165 pg_get_function_result(function: OID) -> TEXT [stable] |_| { function_result(function) }
    6197 pg_get_function_sqlbody(function: OID) -> TEXT [stable] |_| { let _ = function; Datum::Null }
    2098 pg_get_functiondef(function: OID) -> TEXT [stable] |_| { let _ = function; Datum::Null }

    2079 pg_table_is_visible(table: OID) -> BOOL [stable] |ctx| { names::relation_is_visible(ctx.catalog, &ctx.settings.search_path, table) }
    2080 pg_type_is_visible(ty: OID) -> BOOL [stable] |_| { Type(ty).info().map(|_| true) }
    2081 pg_function_is_visible(function: OID) -> BOOL [stable] |_| { super::by_oid(function).map(|_| true) }
    2082 pg_operator_is_visible(operator: OID) -> BOOL [stable] |_| { let _ = operator; true }
    2083 pg_opclass_is_visible(class: OID) -> BOOL [stable] |_| { let _ = class; true }
    3829 pg_opfamily_is_visible(family: OID) -> BOOL [stable] |_| { let _ = family; true }
    3815 pg_collation_is_visible(collation: OID) -> BOOL [stable] |_| { let _ = collation; true }
    2093 pg_conversion_is_visible(conversion: OID) -> BOOL [stable] |_| { let _ = conversion; true }
    3403 pg_statistics_obj_is_visible(statistics: OID) -> BOOL [stable] |_| { let _ = statistics; true }
    3758 pg_ts_config_is_visible(config: OID) -> BOOL [stable] |_| { let _ = config; true }
    3756 pg_ts_parser_is_visible(parser: OID) -> BOOL [stable] |_| { let _ = parser; true }
    3768 pg_ts_template_is_visible(template: OID) -> BOOL [stable] |_| { let _ = template; true }
    3757 pg_ts_dict_is_visible(dictionary: OID) -> BOOL [stable] |_| { let _ = dictionary; true }

    1215 obj_description(object: OID, catalog: NAME) -> TEXT [stable] |ctx| { if catalog == "pg_class" { comment(ctx, object, 0) } else { None } }
    1348 obj_description(object: OID) -> TEXT [stable] |ctx| { comment(ctx, object, 0) }
    1216 col_description(table: OID, column: INT4) -> TEXT [stable] |ctx| { i16::try_from(column).ok().filter(|c| *c > 0).and_then(|c| comment(ctx, table, c)) }
    1993 shobj_description(object: OID, catalog: NAME) -> TEXT [stable] |_| { let _ = (object, catalog); Datum::Null }

    1597 pg_encoding_to_char(encoding: INT4) -> NAME [stable] |_| { if encoding == UTF8 { "UTF8" } else { "" } }
    1264 pg_char_to_encoding(encoding: NAME) -> INT4 [stable] |_| { if encoding.eq_ignore_ascii_case("utf8") { UTF8 } else { -1 } }
    3810 pg_is_in_recovery() -> BOOL [volatile] |_| { false }
    2855 pg_is_other_temp_schema(schema: OID) -> BOOL [stable] |_| { let _ = schema; false }
    2854 pg_my_temp_schema() -> OID [stable] |_| { 0_u32 }
    2034 pg_conf_load_time() -> TIMESTAMPTZ [stable] |ctx| { ctx.settings.transaction_time }
    2196 inet_client_addr() -> TEXT [stable, lax] |_| { Datum::Null }
    2197 inet_client_port() -> INT4 [stable, lax] |_| { Datum::Null }
    2198 inet_server_addr() -> TEXT [stable, lax] |_| { Datum::Null }
    2199 inet_server_port() -> INT4 [stable, lax] |_| { Datum::Null }
    3778 pg_tablespace_location(tablespace: OID) -> TEXT [stable] |_| { let _ = tablespace; "" }
    3034 pg_relation_filepath(table: REGCLASS) -> TEXT [stable] |_| { let _ = table; Datum::Null }
    2999 pg_relation_filenode(table: REGCLASS) -> OID [stable] |_| { table }
    6121 pg_relation_is_publishable(table: REGCLASS) -> BOOL [stable] |_| { let _ = table; false }
    3842 pg_relation_is_updatable(table: REGCLASS, triggers: BOOL) -> INT4 [stable] |ctx| { let _ = triggers; if ctx.catalog.table(table).is_some() { 28 } else { 0 } }
    3843 pg_column_is_updatable(table: REGCLASS, column: INT2, triggers: BOOL) -> BOOL [stable] |ctx| { let _ = (column, triggers); ctx.catalog.table(table).is_some() }
    6120 pg_get_replica_identity_index(table: REGCLASS) -> REGCLASS [stable] |ctx| { ctx.catalog.table(table).and_then(|t| t.primary_key_index.as_ref().map(|(oid, _)| *oid)) }
    3298 row_security_active(table: OID) -> BOOL [stable] |_| { let _ = table; false }
    3299 row_security_active(table: TEXT) -> BOOL [stable] |_| { let _ = table; false }
    636 pg_indexam_has_property(am: OID, property: TEXT) -> BOOL [stable] |_| { let _ = am; matches!(property, "can_order" | "can_unique" | "can_multi_col") }
    637 pg_index_has_property(index: REGCLASS, property: TEXT) -> BOOL [stable] |_| { let _ = index; matches!(property, "index_scan" | "backward_scan") }
    638 pg_index_column_has_property(index: REGCLASS, column: INT4, property: TEXT) -> BOOL [stable] |ctx| { column_property(ctx, index, column, property) }
    1928 pg_stat_get_numscans(table: OID) -> INT8 [stable] |_| { let _ = table; 0_i64 }
    2561 pg_blocking_pids(pid: INT4) -> INT4_ARRAY [volatile] |_| { let _ = pid; Array { element: Type::INT4, dims: Vec::new(), values: Vec::new() } }
    3943 acldefault(kind: CHAR, owner: OID) -> ACLITEM_ARRAY |_| { let _ = (kind, owner); Datum::Null }

    2325 pg_relation_size(table: REGCLASS) -> INT8 [volatile] |ctx| { relation_bytes(ctx, table) }
    2332 pg_relation_size(table: REGCLASS, fork: TEXT) -> INT8 [volatile] |ctx| { if fork == "main" { relation_bytes(ctx, table) } else { Some(0) } }
    2997 pg_table_size(table: REGCLASS) -> INT8 [volatile] |ctx| { relation_bytes(ctx, table) }
    2998 pg_indexes_size(table: REGCLASS) -> INT8 [volatile] |ctx| { ctx.catalog.table(table).map(|t| indexes_bytes(ctx, t)) }
    2286 pg_total_relation_size(table: REGCLASS) -> INT8 [volatile] |ctx| {
        relation_bytes(ctx, table).map(|b| b.saturating_add(ctx.catalog.table(table).map_or(0, |t| indexes_bytes(ctx, t))))
    }
    2168 pg_database_size(database: NAME) -> INT8 [volatile] |ctx| { let _ = database; database_bytes(ctx) }
    2324 pg_database_size(database: OID) -> INT8 [volatile] |ctx| { let _ = database; database_bytes(ctx) }
    2322 pg_tablespace_size(tablespace: OID) -> INT8 [volatile] |ctx| { let _ = tablespace; database_bytes(ctx) }
    2323 pg_tablespace_size(tablespace: NAME) -> INT8 [volatile] |ctx| { let _ = tablespace; database_bytes(ctx) }
    2288 pg_size_pretty(bytes: INT8) -> TEXT |_| { size_pretty(bytes) }

    3495 to_regclass(name: TEXT) -> REGCLASS [stable] |ctx| { names::relation_by_text(ctx.catalog, &ctx.settings.search_path, name)? }
    3493 to_regtype(name: TEXT) -> REGTYPE [stable] |_| { names::type_by_text(name).map(|t| t.0) }
    4086 to_regnamespace(name: TEXT) -> REGNAMESPACE [stable] |ctx| { names::schema_by_text(ctx.catalog, name)? }
    3494 to_regproc(name: TEXT) -> REGPROC [stable] |_| { match super::named(name) { [one] => Some(one.oid), _ => None } }
    4093 to_regrole(name: TEXT) -> REGROLE [stable] |ctx| { (name == ctx.session.user()).then_some(crate::catalog::OWNER_OID) }
    4032 pg_sequence_last_value(sequence: REGCLASS) -> INT8 [volatile] |ctx| { ctx.session.currval(sequence).ok() }

    1922 has_table_privilege(user: NAME, table: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (user, privilege); relation(ctx, table)?; true }
    1923 has_table_privilege(user: NAME, table: OID, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (user, privilege); exists(ctx, table) }
    1924 has_table_privilege(user: OID, table: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (user, privilege); relation(ctx, table)?; true }
    1925 has_table_privilege(user: OID, table: OID, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (user, privilege); exists(ctx, table) }
    1926 has_table_privilege(table: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; relation(ctx, table)?; true }
    1927 has_table_privilege(table: OID, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; exists(ctx, table) }
    3028 has_any_column_privilege(table: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; relation(ctx, table)?; true }
    3029 has_any_column_privilege(table: OID, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; exists(ctx, table) }
    3020 has_column_privilege(table: TEXT, column: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (column, privilege); relation(ctx, table)?; true }
    3022 has_column_privilege(table: OID, column: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (column, privilege); exists(ctx, table) }
    3023 has_column_privilege(table: OID, column: INT2, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (column, privilege); exists(ctx, table) }
    2185 has_sequence_privilege(sequence: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; relation(ctx, sequence)?; true }
    2186 has_sequence_privilege(sequence: OID, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; exists(ctx, sequence) }
    2268 has_schema_privilege(user: NAME, schema: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (user, privilege); schema_exists(ctx, schema)? }
    2269 has_schema_privilege(user: NAME, schema: OID, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = (user, privilege); ctx.catalog.schema_name(schema).map(|_| true) }
    2272 has_schema_privilege(schema: TEXT, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; schema_exists(ctx, schema)? }
    2273 has_schema_privilege(schema: OID, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; ctx.catalog.schema_name(schema).map(|_| true) }
    2250 has_database_privilege(user: NAME, database: TEXT, privilege: TEXT) -> BOOL [stable] |_| { let _ = (user, database, privilege); true }
    2254 has_database_privilege(database: TEXT, privilege: TEXT) -> BOOL [stable] |_| { let _ = (database, privilege); true }
    2255 has_database_privilege(database: OID, privilege: TEXT) -> BOOL [stable] |_| { let _ = (database, privilege); true }
    2261 has_function_privilege(function: OID, privilege: TEXT) -> BOOL [stable] |_| { let _ = privilege; super::by_oid(function).map(|_| true) }
    2705 pg_has_role(user: NAME, role: NAME, privilege: TEXT) -> BOOL [stable] |_| { let _ = privilege; user == role }
    2709 pg_has_role(role: NAME, privilege: TEXT) -> BOOL [stable] |ctx| { let _ = privilege; role == ctx.session.user() }
    2710 pg_has_role(role: OID, privilege: TEXT) -> BOOL [stable] |_| { let _ = privilege; role == crate::catalog::OWNER_OID }
}

/// `pg_encoding_to_char`'s number for UTF8.
const UTF8: i32 = 6;

/// The OID of a relation named by an argument; 42P01 where there is none.
fn relation(ctx: &EvalContext<'_>, name: &str) -> Result<Oid> {
    names::relation_by_text(ctx.catalog, &ctx.settings.search_path, name)?
        .ok_or_else(|| crate::catalog::Catalog::undefined_relation(None, name))
}

/// True, or null for a number no relation has: the one role may do everything.
fn exists(ctx: &EvalContext<'_>, relation: Oid) -> Option<bool> {
    (system::by_oid(relation).is_some() || ctx.catalog.relation(relation).is_some()).then_some(true)
}

fn schema_exists(ctx: &EvalContext<'_>, name: &str) -> Result<bool> {
    match ctx.catalog.schema_oid(name) {
        Some(_) => Ok(true),
        None => {
            Err(SqlError::new(sqlstate::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist")))
        }
    }
}

fn role_name(ctx: &EvalContext<'_>, role: Oid) -> String {
    if role == crate::catalog::OWNER_OID {
        ctx.session.user().to_owned()
    } else {
        format!("unknown (OID={role})")
    }
}

/// The whole definition for column 0, else the text of one key.
fn index_part(ctx: &EvalContext<'_>, index: Oid, column: i32, pretty: bool) -> Option<String> {
    let Some(position) = usize::try_from(column).ok()?.checked_sub(1) else {
        let search_path = pretty.then_some(ctx.settings.search_path.as_slice());
        return describe::index_definition(ctx.catalog, index, search_path);
    };
    let parts = describe::index_parts(ctx.catalog, index)?;
    let table = ctx.catalog.table(parts.table)?;
    Some(parts.keys.get(position).map_or_else(String::new, |key| describe::index_key(table, key)))
}

fn view_definition(ctx: &EvalContext<'_>, view: Oid) -> Option<String> {
    let relation = ctx.catalog.relation(view)?;
    relation.view().map(|v| format!(" {};", v.query.trim_end_matches(';')))
}

fn serial_sequence(ctx: &EvalContext<'_>, table: &str, column: &str) -> Result<Option<String>> {
    let oid = relation(ctx, table)?;
    let Some(found) = ctx.catalog.table(oid) else { return Ok(None) };
    let Some(column) = found.live_columns().find(|(_, c)| c.name == column).map(|(_, c)| c) else {
        let message = format!("column \"{column}\" of relation \"{}\" does not exist", found.name);
        return Err(SqlError::new(sqlstate::UNDEFINED_COLUMN, message));
    };
    Ok(column.sequence.and_then(|s| describe::qualified_name(ctx.catalog, s)))
}

fn function_arguments(function: Oid) -> Option<String> {
    let function = super::by_oid(function)?;
    let mut names: Vec<String> = function.args.iter().map(|t| t.sql_name().to_owned()).collect();
    if let (Some(_), Some(last)) = (function.variadic, names.last_mut()) {
        *last = format!("VARIADIC {last}");
    }
    Some(names.join(", "))
}

fn function_result(function: Oid) -> Option<String> {
    let function = super::by_oid(function)?;
    let set = if function.is_set() { "SETOF " } else { "" };
    Some(format!("{set}{}", function.result.sql_name()))
}

fn comment(ctx: &EvalContext<'_>, relation: Oid, column: i16) -> Option<String> {
    ctx.catalog.relation(relation)?.comments.get(&column).cloned()
}

fn column_property(ctx: &EvalContext<'_>, index: Oid, column: i32, property: &str) -> Option<bool> {
    let parts = describe::index_parts(ctx.catalog, index)?;
    let key = parts.keys.get(usize::try_from(column).ok()?.checked_sub(1)?)?;
    match property {
        "asc" => Some(!key.descending),
        "desc" => Some(key.descending),
        "nulls_first" => Some(key.nulls_first),
        "nulls_last" => Some(!key.nulls_first),
        "orderable" | "returnable" | "search_nulls" => Some(true),
        "distance_orderable" | "search_array" => Some(false),
        _ => None,
    }
}

fn tree_bytes(ctx: &EvalContext<'_>, tree: plimsoll_storage::TreeId) -> i64 {
    i64::try_from(ctx.session.tree_size(tree).1).unwrap_or(i64::MAX)
}

fn relation_bytes(ctx: &EvalContext<'_>, relation: Oid) -> Option<i64> {
    if system::by_oid(relation).is_some() {
        return Some(0);
    }
    Some(match &ctx.catalog.relation(relation)?.kind {
        RelationKind::Table(table) => tree_bytes(ctx, table.tree),
        // A primary key's rows are the table's own.
        RelationKind::Index(index)
            if ctx.catalog.table(index.table).is_some_and(|t| t.tree == index.tree) =>
        {
            0
        }
        RelationKind::Index(index) => tree_bytes(ctx, index.tree),
        RelationKind::Sequence(_) | RelationKind::View(_) => 0,
    })
}

fn indexes_bytes(ctx: &EvalContext<'_>, table: &Table) -> i64 {
    table.indexes.iter().map(|i| tree_bytes(ctx, i.tree)).fold(0, i64::saturating_add)
}

fn database_bytes(ctx: &EvalContext<'_>) -> i64 {
    let tables = ctx.catalog.relations.values().filter_map(|r| r.table());
    tables.map(|t| tree_bytes(ctx, t.tree).saturating_add(indexes_bytes(ctx, t))).fold(0, i64::saturating_add)
}

/// `pg_size_pretty`: the unit changes at 10 times the next, halves rounded up.
fn size_pretty(bytes: i64) -> String {
    let mut value = bytes;
    let mut units = ["bytes", "kB", "MB", "GB", "TB", "PB"].into_iter().peekable();
    let mut halved = false;
    while let Some(unit) = units.next() {
        let limit: i64 = if halved { 20 * 1024 - 1 } else { 10 * 1024 };
        if value.unsigned_abs() < limit.unsigned_abs() || units.peek().is_none() {
            let shown = if halved { (value + value.signum()) / 2 } else { value };
            return format!("{shown} {unit}");
        }
        // Kept at twice the unit, so that the last bit rounds.
        value /= if halved { 1024 } else { 512 };
        halved = true;
    }
    format!("{bytes} bytes")
}

/// A null modifier is none.
fn format_type(args: &[Datum], _: &EvalContext<'_>) -> Result<Datum> {
    let [Datum::Oid(ty), typmod] = args else { return Ok(Datum::Null) };
    let typmod = if let Datum::Int4(typmod) = typmod { *typmod } else { -1 };
    Ok(Datum::text(describe::format_type(Type(*ty), typmod)))
}

/// Set-returning ones, and what takes nulls.
pub(super) static SETS: &[Function] = &[
    Function::scalar(1081, "format_type", &[Type::OID, Type::INT4], Type::TEXT, format_type).lax().stable(),
    Function::of(
        13208,
        "_pg_expandarray",
        &[Type::ANYARRAY],
        Type::RECORD,
        Kernel::Set {
            columns: |types| {
                let element = types.first().and_then(|t| t.element()).unwrap_or(Type::TEXT);
                vec![("x", element), ("n", Type::INT4)]
            },
            rows: |args, _| {
                let Some(Datum::Array(array)) = args.first() else { return Ok(Vec::new()) };
                Ok(array.values.iter().zip(1_i32..).map(|(v, n)| vec![v.clone(), Datum::Int4(n)]).collect())
            },
        },
    ),
    Function::of(
        1686,
        "pg_get_keywords",
        &[],
        Type::RECORD,
        Kernel::Set {
            columns: |_| {
                vec![
                    ("word", Type::TEXT),
                    ("catcode", Type::CHAR),
                    ("barelabel", Type::BOOL),
                    ("catdesc", Type::TEXT),
                    ("baredesc", Type::TEXT),
                ]
            },
            rows: |_, _| {
                let row = |word: &&str| {
                    vec![
                        Datum::text(*word),
                        Datum::text("R"),
                        Datum::Bool(true),
                        Datum::text("reserved"),
                        Datum::text("can be bare label"),
                    ]
                };
                Ok(describe::RESERVED.iter().map(row).collect())
            },
        },
    )
    .stable(),
    Function::of(
        1689,
        "aclexplode",
        &[Type::ACLITEM_ARRAY],
        Type::RECORD,
        Kernel::Set {
            columns: |_| {
                vec![
                    ("grantor", Type::OID),
                    ("grantee", Type::OID),
                    ("privilege_type", Type::TEXT),
                    ("is_grantable", Type::BOOL),
                ]
            },
            rows: |_, _| Ok(Vec::new()),
        },
    )
    .stable(),
    Function::of(
        2289,
        "pg_options_to_table",
        &[Type::TEXT_ARRAY],
        Type::RECORD,
        Kernel::Set {
            columns: |_| vec![("option_name", Type::TEXT), ("option_value", Type::TEXT)],
            rows: options_to_table,
        },
    )
    .stable(),
    Function::of(
        3425,
        "pg_partition_ancestors",
        &[Type::REGCLASS],
        Type::REGCLASS,
        Kernel::Set { columns: |_| vec![("relid", Type::REGCLASS)], rows: |_, _| Ok(Vec::new()) },
    )
    .volatile(),
];

fn options_to_table(args: &[Datum], _: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let Some(Datum::Array(options)) = args.first() else { return Ok(Vec::new()) };
    let options: &Arc<Array> = options;
    let rows = options.values.iter().filter_map(|option| {
        let Datum::Text(option) = option else { return None };
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        Some(vec![Datum::text(name), Datum::text(value)])
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::size_pretty;

    /// Values from PostgreSQL 15's pg_size_pretty.
    #[test]
    fn sizes_read_as_postgresql_s() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (10239, "10239 bytes"),
            (10240, "10 kB"),
            (1_000_000, "977 kB"),
            (10_485_248, "10 MB"),
            (1_000_000_000, "954 MB"),
            (-1_000_000, "-977 kB"),
        ] {
            assert_eq!(size_pretty(bytes), text);
        }
    }
}
