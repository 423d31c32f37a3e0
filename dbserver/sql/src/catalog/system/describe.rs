//! Definitions as SQL text: what `pg_get_indexdef`, `pg_get_constraintdef`, `format_type` and the like answer.

use super::constraints::{Constraint, of_table, plain_key};
use super::{attnum, by_oid};
use crate::catalog::{Catalog, ForeignKey, Index, IndexKey, KeyAction, Table};
use crate::types::{Oid, Type};

/// Quotes an identifier where SQL needs it.
pub fn quote_identifier(name: &str) -> String {
    let plain = name
        .chars()
        .enumerate()
        .all(|(i, c)| c == '_' || c.is_ascii_lowercase() || (i > 0 && (c.is_ascii_digit() || c == '$')));
    if plain && !name.is_empty() && !is_reserved(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The words that must be quoted as names (PostgreSQL manual, Appendix C: reserved, or reserved but for functions and types).
fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// PostgreSQL's keywords that an identifier must be quoted to be.
#[rustfmt::skip]
pub static RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint", "binary", "bit",
    "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation", "column", "concurrently",
    "constraint", "create", "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except",
    "exists", "extract", "false", "fetch", "float", "for", "foreign", "freeze", "from", "full", "grant", "greatest", "group", "grouping",
    "having", "ilike", "in", "initially", "inner", "inout", "int", "integer", "intersect", "interval", "into", "is", "isnull", "join",
    "lateral", "leading", "least", "left", "like", "limit", "localtime", "localtimestamp", "national", "natural", "nchar", "none",
    "normalize", "not", "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps",
    "overlay", "placing", "position", "precision", "primary", "real", "references", "returning", "right", "row", "select",
    "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", "table", "tablesample", "then", "time",
    "timestamp", "to", "trailing", "treat", "trim", "true", "union", "unique", "user", "using", "values", "varchar", "variadic",
    "verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest",
    "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

/// `format_type`: a type's SQL name with its modifier; `-` for 0 and `???` for an unknown number.
pub fn format_type(ty: Type, typmod: i32) -> String {
    if ty.0 == 0 {
        return "-".to_owned();
    }
    if let (Some(element), true) = (ty.element(), ty != Type::INT2VECTOR && ty != Type::OIDVECTOR) {
        return format!("{}[]", format_type(element, typmod));
    }
    let length = typmod.saturating_sub(4);
    match ty {
        Type::VARCHAR if typmod >= 4 => format!("character varying({length})"),
        Type::BPCHAR if typmod >= 4 => format!("character({length})"),
        Type::NUMERIC if typmod >= 4 => {
            // The scale is an 11-bit signed number.
            let scale = ((length & 0x7ff) ^ 1024).saturating_sub(1024);
            format!("numeric({},{scale})", (length >> 16) & 0xffff)
        }
        Type::TIME if typmod >= 0 => format!("time({typmod}) without time zone"),
        Type::TIMESTAMP if typmod >= 0 => format!("timestamp({typmod}) without time zone"),
        Type::TIMESTAMPTZ if typmod >= 0 => format!("timestamp({typmod}) with time zone"),
        Type::INTERVAL if typmod >= 0 && typmod & 0xffff != 0xffff => {
            format!("interval({})", typmod & 0xffff)
        }
        _ => ty.info().map_or("???", |i| i.sql_name).to_owned(),
    }
}

/// A relation's name, with its schema where the search path does not find it.
pub fn relation_name(catalog: &Catalog, search_path: &[String], oid: Oid) -> Option<String> {
    if let Some(system) = by_oid(oid) {
        let bare = system.schema == "pg_catalog";
        let name = quote_identifier(system.name);
        return Some(if bare { name } else { format!("{}.{name}", system.schema) });
    }
    let relation = catalog.relation(oid)?;
    if catalog.is_visible(search_path, oid) {
        Some(quote_identifier(&relation.name))
    } else {
        qualified_name(catalog, oid)
    }
}

/// A user relation's name with its schema.
pub fn qualified_name(catalog: &Catalog, oid: Oid) -> Option<String> {
    let relation = catalog.relation(oid)?;
    let schema = catalog.schema_name(relation.schema).unwrap_or("public");
    Some(format!("{}.{}", quote_identifier(schema), quote_identifier(&relation.name)))
}

/// An index as `pg_get_indexdef` shows it: its table and keys, whether it is a primary key's or another.
pub struct IndexParts {
    /// Name of the index.
    pub name: String,
    /// OID of the table.
    pub table: Oid,
    /// UNIQUE.
    pub unique: bool,
    /// The key columns.
    pub keys: Vec<IndexKey>,
    /// WHERE.
    pub predicate: Option<String>,
}

/// The parts of an index by OID, primary keys included.
pub fn index_parts(catalog: &Catalog, oid: Oid) -> Option<IndexParts> {
    let index: &Index = catalog.relation(oid)?.index()?;
    let table = catalog.table(index.table)?;
    let primary = table.primary_key_index.as_ref().is_some_and(|(o, _)| *o == oid);
    Some(if primary {
        let keys = table.primary_key.iter().map(|&c| plain_key(c)).collect();
        IndexParts { name: index.name.clone(), table: index.table, unique: true, keys, predicate: None }
    } else {
        IndexParts {
            name: index.name.clone(),
            table: index.table,
            unique: index.unique,
            keys: index.keys.clone(),
            predicate: index.predicate.clone(),
        }
    })
}

/// A key column's text, without its order.
pub fn index_key(table: &Table, key: &IndexKey) -> String {
    match (&key.expression, key.column.and_then(|c| table.columns.get(c))) {
        // A bare function call needs no parentheses of its own.
        (Some(expression), _) if is_call(expression) => expression.clone(),
        (Some(expression), _) => format!("({expression})"),
        (None, Some(column)) => quote_identifier(&column.name),
        (None, None) => "???".to_owned(),
    }
}

fn is_call(expression: &str) -> bool {
    let name_end =
        expression.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(0);
    if name_end == 0
        || expression.chars().nth(name_end).is_none_or(|c| c != '(')
        || !expression.ends_with(')')
    {
        return false;
    }
    // The first parenthesis must close at the very end.
    let mut depth = 0_i32;
    for (i, c) in expression.char_indices() {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth == 0 && c == ')' {
            return i.saturating_add(1) == expression.len();
        }
    }
    false
}

fn key_with_order(table: &Table, key: &IndexKey) -> String {
    let order = match (key.descending, key.nulls_first) {
        (false, false) => "",
        (false, true) => " NULLS FIRST",
        (true, true) => " DESC",
        (true, false) => " DESC NULLS LAST",
    };
    format!("{}{order}", index_key(table, key))
}

/// The function an expression calls, where it is a call: PostgreSQL names an index's column by it.
pub fn called(expression: &str) -> Option<&str> {
    let (name, _) = expression.split_once('(').filter(|_| is_call(expression))?;
    Some(name.rsplit('.').next().unwrap_or(name))
}

/// `pg_get_indexdef`: the CREATE INDEX statement; `pretty` for people, with the table's name as the search path has it.
pub fn index_definition(catalog: &Catalog, oid: Oid, pretty: Option<&[String]>) -> Option<String> {
    let parts = index_parts(catalog, oid)?;
    let table = catalog.table(parts.table)?;
    let keys: Vec<String> = parts.keys.iter().map(|k| key_with_order(table, k)).collect();
    let predicate = match (parts.predicate, pretty) {
        (None, _) => String::new(),
        (Some(p), None) => format!(" WHERE ({p})"),
        (Some(p), Some(_)) => format!(" WHERE {p}"),
    };
    Some(format!(
        "CREATE {}INDEX {} ON {} USING btree ({}){predicate}",
        if parts.unique { "UNIQUE " } else { "" },
        quote_identifier(&parts.name),
        match pretty {
            Some(search_path) => relation_name(catalog, search_path, parts.table)?,
            None => qualified_name(catalog, parts.table)?,
        },
        keys.join(", ")
    ))
}

/// `pg_get_constraintdef`: the text of a table constraint; `pretty` for people, with fewer parentheses.
pub fn constraint_definition(
    catalog: &Catalog,
    search_path: &[String],
    oid: Oid,
    pretty: bool,
) -> Option<String> {
    let tables = catalog.relations.values().filter_map(|r| r.table());
    tables
        .filter_map(|t| {
            of_table(t)
                .into_iter()
                .find(|c| c.oid == oid)
                .map(|c| constraint_text(catalog, search_path, t, &c, pretty))
        })
        .next()
}

fn constraint_text(
    catalog: &Catalog,
    search_path: &[String],
    table: &Table,
    constraint: &Constraint,
    pretty: bool,
) -> String {
    let listed = |table: &Table, positions: &[usize]| {
        let columns = positions.iter().filter_map(|p| table.columns.get(*p));
        columns.map(|c| quote_identifier(&c.name)).collect::<Vec<_>>().join(", ")
    };
    let position = |number: &i16| usize::try_from(*number).ok()?.checked_sub(1);
    let positions: Vec<usize> = constraint.columns.iter().filter_map(position).collect();
    let names = listed(table, &positions);
    match (constraint.kind, &constraint.check, &constraint.foreign) {
        ('p', ..) => format!("PRIMARY KEY ({names})"),
        ('u', ..) => format!("UNIQUE ({names})"),
        (_, Some(check), _) if pretty => format!("CHECK ({check})"),
        (_, Some(check), _) => format!("CHECK (({check}))"),
        (_, None, Some(key)) => {
            let Some(referenced) = catalog.table(key.references) else { return String::new() };
            let columns = listed(referenced, &key.referenced);
            foreign_key_text(
                &names,
                &relation_name(catalog, search_path, key.references).unwrap_or_default(),
                &columns,
                key,
            )
        }
        (_, None, None) => String::new(),
    }
}

fn foreign_key_text(names: &str, table: &str, columns: &str, key: &ForeignKey) -> String {
    let mut out = format!("FOREIGN KEY ({names}) REFERENCES {table}({columns})");
    if key.match_full {
        out.push_str(" MATCH FULL");
    }
    for (event, action) in [("UPDATE", key.on_update), ("DELETE", key.on_delete)] {
        if action != KeyAction::NoAction {
            out.push_str(&format!(" ON {event} {}", action.sql()));
        }
    }
    if key.deferrable {
        out.push_str(" DEFERRABLE");
    }
    if key.deferred {
        out.push_str(" INITIALLY DEFERRED");
    }
    if !key.validated {
        out.push_str(" NOT VALID");
    }
    out
}

/// attnums of the columns that an expression's text names, in order of attnum.
pub(super) fn columns_named_in(table: &Table, expression: &str) -> Vec<i16> {
    let words: Vec<&str> = expression.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    table.live_columns().filter(|(_, c)| words.contains(&c.name.as_str())).map(|(i, _)| attnum(i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_postgresql_formats_them() {
        assert_eq!(format_type(Type::INT4, -1), "integer");
        assert_eq!(format_type(Type::VARCHAR, 14), "character varying(10)");
        assert_eq!(format_type(Type::NUMERIC, ((8 << 16) | 2) + 4), "numeric(8,2)");
        assert_eq!(format_type(Type::TIMESTAMPTZ, 3), "timestamp(3) with time zone");
        assert_eq!(format_type(Type::TEXT_ARRAY, -1), "text[]");
        assert_eq!(format_type(Type(0), -1), "-");
        assert_eq!(format_type(Type(999_999), -1), "???");
    }

    #[test]
    fn names_are_quoted_where_needed() {
        assert!(RESERVED.is_sorted());
        for (name, quoted) in [
            ("a_1", "a_1"),
            ("A", "\"A\""),
            ("user", "\"user\""),
            ("1a", "\"1a\""),
            ("a\"b", "\"a\"\"b\""),
            ("", "\"\""),
        ] {
            assert_eq!(quote_identifier(name), quoted);
        }
    }

    #[test]
    fn calls_are_told_from_other_expressions() {
        assert!(is_call("lower(name)"));
        assert!(is_call("f(g(1), 2)"));
        assert_eq!(called("pg_catalog.lower(name)"), Some("lower"));
        assert_eq!(called("a + f(1)"), None);
        assert!(!is_call("lower(a) || lower(b)"));
        assert!(!is_call("a + 1"));
        assert!(!is_call("(a)"));
    }
}
