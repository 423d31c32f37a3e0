//! `pg_type` and the small fixed catalogs around it: access methods, operator classes, collations, languages.

use super::relations::{alignment, is_by_value};
use super::{BTREE_AM, bool, ch, collation, int2, int4, oid, text};
use crate::Result;
use crate::catalog::{OWNER_OID, PG_CATALOG_OID};
use crate::session::EvalContext;
use crate::types::{BUILTIN_TYPES, Datum, Oid, Type, TypeInfo};

/// `typstorage` and `attstorage`: plain, main or extended.
pub(super) fn storage(ty: Type) -> char {
    match ty.info().map(|i| i.len) {
        _ if ty == Type::NUMERIC => 'm',
        // These are never long.
        _ if matches!(ty, Type::INT2VECTOR | Type::OIDVECTOR) => 'p',
        Some(-1) | None => 'x',
        Some(_) => 'p',
    }
}

/// Rows of `pg_type`.
pub(super) fn pg_type(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    Ok(BUILTIN_TYPES.iter().map(type_row).collect())
}

fn type_row(info: &TypeInfo) -> Vec<Datum> {
    let ty = Type(info.oid);
    let pseudo = info.category == 'P';
    vec![
        oid(info.oid),
        text(info.name),
        oid(PG_CATALOG_OID),
        oid(OWNER_OID),
        int2(info.len),
        bool(is_by_value(ty)),
        ch(if pseudo { 'p' } else { 'b' }),
        ch(info.category),
        bool(info.preferred),
        bool(true),
        ch(','),
        oid(0),
        oid(0),
        oid(info.element),
        oid(info.array),
        oid(0),
        oid(0),
        oid(0),
        oid(0),
        oid(0),
        oid(0),
        oid(0),
        ch(alignment(ty)),
        ch(storage(Type(info.oid))),
        bool(false),
        oid(0),
        int4(-1),
        int4(0),
        oid(collation(ty)),
        Datum::Null,
        Datum::Null,
        Datum::Null,
    ]
}

/// Rows of `pg_am`.
pub(super) fn pg_am(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    Ok(vec![
        vec![oid(super::HEAP_AM), text("heap"), oid(0), ch('t')],
        vec![oid(BTREE_AM), text("btree"), oid(0), ch('i')],
    ])
}

/// Operator classes of btree: OID, name, family, input type, default.
pub(super) static BTREE_CLASSES: &[(Oid, &str, Oid, Oid, bool)] = &[
    (10000, "array_ops", 397, 2277, true),
    (10003, "bool_ops", 424, 16, true),
    (10004, "bpchar_ops", 426, 1042, true),
    (10006, "bytea_ops", 428, 17, true),
    (10007, "char_ops", 429, 18, true),
    (3122, "date_ops", 434, 1082, true),
    (10012, "float4_ops", 1970, 700, true),
    (3123, "float8_ops", 1970, 701, true),
    (1979, "int2_ops", 1976, 21, true),
    (1978, "int4_ops", 1976, 23, true),
    (3124, "int8_ops", 1976, 20, true),
    (10022, "interval_ops", 1982, 1186, true),
    (10028, "name_ops", 1994, 19, true),
    (3125, "numeric_ops", 1988, 1700, true),
    (1981, "oid_ops", 1989, 26, true),
    (10034, "record_ops", 2994, 2249, true),
    (3126, "text_ops", 1994, 25, true),
    (10038, "time_ops", 1996, 1083, true),
    (3127, "timestamptz_ops", 434, 1184, true),
    (10044, "varchar_ops", 1994, 25, false),
    (3128, "timestamp_ops", 434, 1114, true),
    (4217, "text_pattern_ops", 2095, 25, false),
    (4218, "varchar_pattern_ops", 2095, 25, false),
    (4219, "bpchar_pattern_ops", 2097, 1042, false),
    (10065, "uuid_ops", 2968, 2950, true),
];

/// Operator families of btree.
static BTREE_FAMILIES: &[(Oid, &str)] = &[
    (397, "array_ops"),
    (424, "bool_ops"),
    (426, "bpchar_ops"),
    (428, "bytea_ops"),
    (429, "char_ops"),
    (434, "datetime_ops"),
    (1970, "float_ops"),
    (1976, "integer_ops"),
    (1982, "interval_ops"),
    (1988, "numeric_ops"),
    (1989, "oid_ops"),
    (1994, "text_ops"),
    (1996, "time_ops"),
    (2095, "text_pattern_ops"),
    (2097, "bpchar_pattern_ops"),
    (2968, "uuid_ops"),
    (2994, "record_ops"),
];

/// Rows of `pg_opclass`.
pub(super) fn pg_opclass(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let rows = BTREE_CLASSES.iter().map(|(number, name, family, input, default)| {
        vec![
            oid(*number),
            oid(BTREE_AM),
            text(*name),
            oid(PG_CATALOG_OID),
            oid(OWNER_OID),
            oid(*family),
            oid(*input),
            bool(*default),
            oid(0),
        ]
    });
    Ok(rows.collect())
}

/// Rows of `pg_opfamily`.
pub(super) fn pg_opfamily(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let rows = BTREE_FAMILIES.iter();
    Ok(rows
        .map(|(n, name)| vec![oid(*n), oid(BTREE_AM), text(*name), oid(PG_CATALOG_OID), oid(OWNER_OID)])
        .collect())
}

/// Rows of `pg_collation`.
pub(super) fn pg_collation(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let all = [
        (super::DEFAULT_COLLATION, "default", 'd', None),
        (super::C_COLLATION, "C", 'c', Some("C")),
        (951, "POSIX", 'c', Some("POSIX")),
    ];
    let rows = all.into_iter().map(|(number, name, provider, locale)| {
        let locale = || locale.map_or(Datum::Null, text);
        vec![
            oid(number),
            text(name),
            oid(PG_CATALOG_OID),
            oid(OWNER_OID),
            ch(provider),
            bool(true),
            int4(-1),
            locale(),
            locale(),
            Datum::Null,
            Datum::Null,
        ]
    });
    Ok(rows.collect())
}

/// Rows of `pg_language`.
pub(super) fn pg_language(_: &EvalContext<'_>) -> Result<Vec<Vec<Datum>>> {
    let all = [(12, "internal", false), (14, "sql", true)];
    let rows = all.into_iter().map(|(number, name, trusted)| {
        vec![
            oid(number),
            text(name),
            oid(OWNER_OID),
            bool(false),
            bool(trusted),
            oid(0),
            oid(0),
            oid(0),
            Datum::Null,
        ]
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_as_many_columns_as_their_relation() {
        let relation = super::super::lookup("pg_catalog", "pg_type").unwrap();
        assert_eq!(type_row(Type::INT4.info().unwrap()).len(), relation.columns.len());
    }
}
