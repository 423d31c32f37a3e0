//! Names as text to objects and back: what `'orders'::regclass`, `to_regclass` and `has_table_privilege('t', …)` read.

use super::{describe, lookup};
use crate::catalog::{Catalog, OWNER_OID};
use crate::error::{Result, SqlError, sqlstate};
use crate::functions;
use crate::types::{BUILTIN_TYPES, Oid, Type};

/// Splits `schema.name`, folding case outside quotes; 42602 for what is no name.
pub fn parse_qualified(text: &str) -> Result<(Option<String>, String)> {
    let invalid = || SqlError::new(sqlstate::INVALID_NAME, format!("invalid name syntax: \"{text}\""));
    let mut parts = vec![String::new()];
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut().ok_or_else(invalid)?;
        match c {
            '"' => loop {
                match chars.next() {
                    Some('"') if chars.peek() == Some(&'"') => {
                        chars.next();
                        part.push('"');
                    }
                    Some('"') => break,
                    Some(other) => part.push(other),
                    None => return Err(invalid()),
                }
            },
            '.' => parts.push(String::new()),
            c if c.is_alphanumeric() || c == '_' || c == '$' => part.extend(c.to_lowercase()),
            _ => return Err(invalid()),
        }
    }
    // More than a schema: the database comes first.
    if parts.len() > 3 || parts.iter().any(String::is_empty) {
        return Err(invalid());
    }
    let name = parts.pop().ok_or_else(invalid)?;
    Ok((parts.pop(), name))
}

/// The OID of a relation, system relations included, by search path where no schema is given.
pub fn find_relation(
    catalog: &Catalog,
    search_path: &[String],
    schema: Option<&str>,
    name: &str,
) -> Option<Oid> {
    if let Some(schema) = schema {
        let system = lookup(schema, name).map(|r| r.oid);
        return system.or_else(|| catalog.find_relation(search_path, Some(schema), name).map(|r| r.oid));
    }
    // pg_catalog comes first unless the path places it elsewhere.
    let implicit = (!search_path.iter().any(|s| s == "pg_catalog")).then_some("pg_catalog");
    implicit.into_iter().chain(search_path.iter().map(String::as_str)).find_map(|schema| {
        let system = lookup(schema, name).map(|r| r.oid);
        system.or_else(|| catalog.find_relation(search_path, Some(schema), name).map(|r| r.oid))
    })
}

/// A relation by text, e.g. `public."Orders"`; none where there is none.
pub fn relation_by_text(catalog: &Catalog, search_path: &[String], text: &str) -> Result<Option<Oid>> {
    let (schema, name) = parse_qualified(text)?;
    Ok(find_relation(catalog, search_path, schema.as_deref(), &name))
}

/// Whether a relation is found by its bare name.
pub fn relation_is_visible(catalog: &Catalog, search_path: &[String], oid: Oid) -> Option<bool> {
    let name = match super::by_oid(oid) {
        Some(system) => system.name,
        None => catalog.relation(oid)?.name.as_str(),
    };
    Some(find_relation(catalog, search_path, None, name) == Some(oid))
}

/// A type by its name or SQL name, with `[]`, `pg_catalog.` and a modifier allowed: `int4`, `character varying(10)`, `text[]`.
pub fn type_by_text(text: &str) -> Option<Type> {
    let lower = text.trim().to_lowercase();
    let bare = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    if let Some(element) = bare.strip_suffix("[]") {
        return type_by_text(element)?.array();
    }
    let unquoted = bare.trim_matches('"');
    let without_modifier = match (bare.find('('), bare.rfind(')')) {
        (Some(open), Some(close)) => {
            let (head, tail) = (bare.get(..open)?, bare.get(close.checked_add(1)?..)?);
            format!("{}{tail}", head.trim_end())
        }
        _ => bare.to_owned(),
    };
    // `"char"` in quotes is not `char`, which is `character`.
    let alias = match without_modifier.as_str() {
        "\"char\"" => "char",
        "char" => "bpchar",
        "int" => "int4",
        "decimal" | "dec" => "numeric",
        "float" => "float8",
        "timestamp" => "timestamp",
        other => other,
    };
    let find =
        |name: &str| BUILTIN_TYPES.iter().find(|t| t.name == name || t.sql_name == name).map(|t| Type(t.oid));
    find(alias).or_else(|| if bare.starts_with('"') { find(unquoted) } else { None })
}

/// A type's name as `regtype` prints it.
pub fn type_text(oid: Oid) -> String {
    if oid == 0 || Type(oid).info().is_some() {
        describe::format_type(Type(oid), -1)
    } else {
        oid.to_string()
    }
}

/// A schema's OID by text.
pub fn schema_by_text(catalog: &Catalog, text: &str) -> Result<Option<Oid>> {
    let (_, name) = parse_qualified(text)?;
    Ok(catalog.schema_oid(&name))
}

/// The OID that a name of a reg* type stands for: `'orders'` as regclass. Numbers and `-` are taken as they are.
///
/// # Errors
/// PostgreSQL's for what there is not.
pub fn oid_by_text(
    text: &str,
    ty: Type,
    catalog: &Catalog,
    search_path: &[String],
    user: &str,
) -> Result<Oid> {
    let text = text.trim();
    if text == "-" {
        return Ok(0);
    }
    if let Ok(oid) = text.parse::<Oid>() {
        return Ok(oid);
    }
    let missing = |state, what: &str| SqlError::new(state, format!("{what} \"{text}\" does not exist"));
    match ty {
        Type::REGCLASS => relation_by_text(catalog, search_path, text)?
            .ok_or_else(|| missing(sqlstate::UNDEFINED_TABLE, "relation")),
        Type::REGTYPE => {
            type_by_text(text).map(|ty| ty.0).ok_or_else(|| missing(sqlstate::UNDEFINED_OBJECT, "type"))
        }
        Type::REGNAMESPACE => {
            schema_by_text(catalog, text)?.ok_or_else(|| missing(sqlstate::INVALID_SCHEMA_NAME, "schema"))
        }
        Type::REGROLE => (text.trim_matches('"') == user)
            .then_some(OWNER_OID)
            .ok_or_else(|| missing(sqlstate::UNDEFINED_OBJECT, "role")),
        Type::REGPROC | Type::REGPROCEDURE => {
            let (_, name) = parse_qualified(text.split('(').next().unwrap_or(text))?;
            let mut found = functions::all().iter().filter(|f| f.name == name);
            match (found.next(), found.next()) {
                (Some(one), None) => Ok(one.oid),
                (Some(_), Some(_)) => Err(SqlError::new(
                    sqlstate::AMBIGUOUS_FUNCTION,
                    format!("more than one function named \"{name}\""),
                )),
                _ => Err(missing(sqlstate::UNDEFINED_FUNCTION, "function")),
            }
        }
        Type::REGCOLLATION => match text.trim_matches('"') {
            "default" | "pg_catalog.default" => Ok(100),
            "C" | "pg_catalog.C" => Ok(950),
            _ => Err(missing(sqlstate::UNDEFINED_OBJECT, "collation")),
        },
        other => Err(SqlError::unsupported(format!("a name as {}", other.sql_name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_and_unquote() {
        assert_eq!(parse_qualified("Public.T1").unwrap(), (Some("public".into()), "t1".into()));
        assert_eq!(parse_qualified("\"A\"\"b\"").unwrap(), (None, "A\"b".into()));
        for bad in ["", ".", "a.", "a b", "\"x", "a.b.c.d"] {
            assert_eq!(parse_qualified(bad).unwrap_err().sqlstate(), "42602", "{bad}");
        }
    }

    #[test]
    fn types_are_found_by_either_name() {
        for (text, ty) in [
            ("int4", Type::INT4),
            ("INTEGER", Type::INT4),
            ("char", Type::BPCHAR),
            ("\"char\"", Type::CHAR),
            ("character varying(10)", Type::VARCHAR),
            ("timestamp(3) with time zone", Type::TIMESTAMPTZ),
            ("text[]", Type::TEXT_ARRAY),
            ("pg_catalog.oid", Type::OID),
            ("double precision", Type::FLOAT8),
        ] {
            assert_eq!(type_by_text(text), Some(ty), "{text}");
        }
        assert_eq!(type_by_text("no_such_type"), None);
    }
}
