//! Where functions and operators are found: one table made at first use from the lists of the modules.

use super::operators::Operator;
use super::{Function, operator_table};
use crate::types::{Oid, Type};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Every list of functions there is. A module that adds functions adds its list here.
static LISTS: &[&[&[Function]]] = &[
    &[super::compare::COMPARISONS],
    &[super::arithmetic::INTEGERS, super::arithmetic::FLOATS, super::arithmetic::MIXED],
    &[super::arithmetic::SIGNS, super::arithmetic::BITS],
    &[super::math::MATH, super::math::NUMERICS, super::math::SEED],
    &[super::string::STRINGS, super::compose::TEXT_OF_ANY],
    &[super::like::LIKES, super::like::ESCAPES],
    &[super::regex::REGEX_OPERATORS, super::regex::REGEX],
    &[super::datetime::DATETIMES, super::datetime::OVERLAPS, super::datetime::REFUSED],
    &[super::format::FORMATS],
    &[super::datetime::INTERVALS, super::datetime::EXTRACTS, super::datetime::TRUNCATES],
    &[super::array::ARRAYS, super::array::ARRAYS_WITH_NULLS],
    &[super::json::JSONS, super::json::JSON_OF_ANY],
    &[super::session::SESSION, super::session::SESSION_OF_ANY, super::advisory::ADVISORY],
    super::set::SETS,
    &[super::system::CATALOG, super::system::SETS],
    super::aggregate::SUMS,
    &[super::aggregate::EXTREMES, super::aggregate::COLLECT],
    super::aggregate::STATISTICS,
];

struct Registry {
    functions: Vec<&'static Function>,
    by_name: HashMap<&'static str, Vec<&'static Function>, foldhash::fast::FixedState>,
    by_oid: HashMap<Oid, &'static Function, foldhash::fast::FixedState>,
    operators: Vec<Operator>,
    operators_by_name: HashMap<&'static str, Vec<usize>, foldhash::fast::FixedState>,
    operators_by_oid: HashMap<Oid, usize, foldhash::fast::FixedState>,
    comparisons: HashMap<Oid, &'static str, foldhash::fast::FixedState>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let lists = LISTS.iter().copied().flatten().copied().flatten();
    let mut by_name: HashMap<&'static str, Vec<&'static Function>, _> = HashMap::default();
    let mut by_oid = HashMap::default();
    let mut functions: Vec<&'static Function> = Vec::new();
    for function in lists {
        by_name.entry(function.name).or_default().push(function);
        // The forms with defaulted arguments share a number with the whole one; what has none is syntax in PostgreSQL.
        if function.oid != 0 && !by_oid.contains_key(&function.oid) {
            by_oid.insert(function.oid, function);
            functions.push(function);
        }
    }
    let operators: Vec<Operator> = operator_table::TABLE
        .iter()
        .filter_map(|row| by_oid.get(&row.4).map(|&function| Operator::from_row(row, function)))
        .collect();
    let mut operators_by_name: HashMap<&'static str, Vec<usize>, _> = HashMap::default();
    let mut operators_by_oid = HashMap::default();
    for (index, operator) in operators.iter().enumerate() {
        operators_by_name.entry(operator.name).or_default().push(index);
        operators_by_oid.insert(operator.oid, index);
    }
    let comparisons = operators
        .iter()
        .filter(|o| matches!(o.name, "=" | "<>" | "<" | "<=" | ">" | ">="))
        .map(|o| (o.function.oid, o.name))
        .collect();
    Registry { functions, by_name, by_oid, operators, operators_by_name, operators_by_oid, comparisons }
});

/// Every function that `pg_proc` lists.
pub fn all() -> &'static [&'static Function] {
    &REGISTRY.functions
}

/// The overloads of a name; none where the name is unknown.
pub fn named(name: &str) -> &'static [&'static Function] {
    REGISTRY.by_name.get(name).map_or(&[], Vec::as_slice)
}

/// A function by its OID.
pub fn by_oid(oid: Oid) -> Option<&'static Function> {
    REGISTRY.by_oid.get(&oid).copied()
}

/// Every operator, for catalogs.
pub fn operators() -> &'static [Operator] {
    &REGISTRY.operators
}

/// The operators of a name.
pub fn operators_named(name: &str) -> impl Iterator<Item = &'static Operator> {
    let registry = &*REGISTRY;
    let indexes = registry.operators_by_name.get(name).map_or(&[][..], Vec::as_slice);
    indexes.iter().filter_map(move |&i| registry.operators.get(i))
}

/// An operator by its OID.
pub fn operator_by_oid(oid: Oid) -> Option<&'static Operator> {
    let registry = &*REGISTRY;
    registry.operators.get(*registry.operators_by_oid.get(&oid)?)
}

/// The operator a function computes, where there is exactly one: turns `int4eq` into `=`.
pub fn operator_of(function: &Function) -> Option<&'static Operator> {
    REGISTRY.operators.iter().find(|o| o.function.oid == function.oid)
}

/// Which of `=`, `<>`, `<`, `<=`, `>`, `>=` a function computes. Names do not tell: `textregexeq` is `~`.
pub fn comparison_of(function: &Function) -> Option<&'static str> {
    REGISTRY.comparisons.get(&function.oid).copied()
}

fn comparison(name: &str, ty: Type) -> Option<&'static Function> {
    let same = |ty: Type| {
        operators_named(name).find(|o| o.left == Some(ty) && o.right == ty).map(|operator| operator.function)
    };
    same(ty).or_else(|| match ty {
        Type::VARCHAR | Type::UNKNOWN | Type::CSTRING => same(Type::TEXT),
        Type::REGPROC
        | Type::REGPROCEDURE
        | Type::REGOPER
        | Type::REGOPERATOR
        | Type::REGCLASS
        | Type::REGTYPE
        | Type::REGNAMESPACE
        | Type::REGROLE
        | Type::REGCOLLATION => same(Type::OID),
        Type::RECORD_ARRAY => same(Type::ANYARRAY),
        // An array compares by its elements, so these must compare.
        _ => match ty.element() {
            Some(element) if comparison(name, element).is_some() => same(Type::ANYARRAY),
            _ => None,
        },
    })
}

/// The `=` of a type with itself; none where it has none (`json`).
pub fn equality(ty: Type) -> Option<&'static Function> {
    comparison("=", ty)
}

/// The `<` of a type with itself; none where it cannot be sorted.
pub fn less(ty: Type) -> Option<&'static Function> {
    comparison("<", ty)
}

/// The `>` of a type with itself.
pub fn greater(ty: Type) -> Option<&'static Function> {
    comparison(">", ty)
}
