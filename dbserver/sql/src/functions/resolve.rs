//! Which overload a call means: PostgreSQL's manual, chapter 10 "Type Conversion".
//!
//! An exact match wins. Else the candidates that the arguments convert to implicitly are narrowed: by most exact
//! matches, by preferred types, by the category that untyped literals are taken for, and at last by giving the
//! untyped ones the type of the others. Polymorphic types are then replaced by what the arguments are.

use super::operators::Operator;
use super::{Function, registry};
use crate::error::{Result, SqlError, sqlstate};
use crate::types::cast::{self, CastContext};
use crate::types::{BUILTIN_TYPES, Type};

/// The most arguments a call may have, as in PostgreSQL.
pub const ARGUMENTS_MAX: usize = 100;

/// A call resolved to an overload.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What to call.
    pub function: &'static Function,
    /// What each written argument is to be cast to (the element type for packed ones). `UNKNOWN` stays for a literal given to `"any"`.
    pub arg_types: Vec<Type>,
    /// The type of the result, after polymorphism.
    pub result: Type,
    /// Arguments from this one on are packed into one array (of `arg_types`' type there).
    pub variadic: Option<usize>,
}

/// An operator's resolution.
#[derive(Clone, Debug)]
pub struct ResolvedOperator {
    /// What it is, for its commutator and negator.
    pub operator: &'static Operator,
    /// The function to call.
    pub function: &'static Function,
    /// What the operands are to be cast to: one or two.
    pub arg_types: Vec<Type>,
    /// The type of the result.
    pub result: Type,
}

/// An overload that fits the number of arguments: its declared types, one per written argument.
#[derive(Clone)]
struct Candidate {
    function: &'static Function,
    operator: Option<&'static Operator>,
    declared: Vec<Type>,
    variadic: Option<usize>,
}

/// Whether a value of `from` becomes a `to` without being asked to.
pub fn converts_implicitly(from: Type, to: Type) -> bool {
    from == to
        || from == Type::UNKNOWN
        || is_polymorphic(to)
        || to == Type::ANY
        || matches!(cast::pathway(from, to), Some(CastContext::Implicit))
}

/// Whether a declared type stands for others.
pub fn is_polymorphic(ty: Type) -> bool {
    matches!(
        ty,
        Type::ANYELEMENT
            | Type::ANYARRAY
            | Type::ANYNONARRAY
            | Type::ANYCOMPATIBLE
            | Type::ANYCOMPATIBLEARRAY
    )
}

fn category(ty: Type) -> char {
    ty.info().map_or('U', |t| t.category)
}

fn is_preferred(category_wanted: char, ty: Type) -> bool {
    ty.info().is_some_and(|t| t.preferred && t.category == category_wanted)
}

/// The type that values of all of `types` can take in a UNION, CASE, VALUES or ARRAY (manual, section 10.5): `None`
/// when categories differ. All unknown gives text.
pub fn common_type(types: impl IntoIterator<Item = Type>) -> Option<Type> {
    let mut chosen: Option<Type> = None;
    for ty in types.into_iter().filter(|t| *t != Type::UNKNOWN) {
        match chosen {
            None => chosen = Some(ty),
            Some(current) if current == ty => {}
            Some(current) => {
                if category(current) != category(ty) {
                    return None;
                }
                let preferred = current.info().is_some_and(|t| t.preferred);
                if !preferred && converts_implicitly(current, ty) && !converts_implicitly(ty, current) {
                    chosen = Some(ty);
                }
            }
        }
    }
    Some(chosen.unwrap_or(Type::TEXT))
}

/// The types that polymorphic declarations stand for in one call.
#[derive(Clone, Copy, Default)]
struct Generic {
    element: Option<Type>,
    compatible: Option<Type>,
    untyped: bool,
}

/// Finds what the polymorphic types of `declared` stand for; `None` where the arguments do not agree.
fn unify(declared: &[Type], actual: &[Type]) -> Option<Generic> {
    let mut generic = Generic::default();
    let mut compatible = Vec::new();
    let (mut any, mut any_compatible) = (false, false);
    for (&declared, &actual) in declared.iter().zip(actual) {
        let element = match declared {
            Type::ANYARRAY | Type::ANYCOMPATIBLEARRAY if actual != Type::UNKNOWN => {
                if actual == Type::ANYARRAY { Type::ANYELEMENT } else { actual.element()? }
            }
            Type::ANYNONARRAY if actual.element().is_some() => return None,
            _ => actual,
        };
        match declared {
            Type::ANYELEMENT | Type::ANYARRAY | Type::ANYNONARRAY => {
                any = true;
                match generic.element {
                    _ if actual == Type::UNKNOWN => {}
                    None => generic.element = Some(element),
                    Some(known) if known == element => {}
                    Some(_) => return None,
                }
            }
            Type::ANYCOMPATIBLE | Type::ANYCOMPATIBLEARRAY => {
                any_compatible = true;
                compatible.push(element);
            }
            _ => {}
        }
    }
    if any_compatible {
        let common = common_type(compatible.iter().copied())?;
        // What is an array already stays as it is: an array must have just this element type or convert to it.
        if !compatible.iter().all(|&t| converts_implicitly(t, common)) {
            return None;
        }
        // An array of arrays is no type of its own.
        if declared.contains(&Type::ANYCOMPATIBLEARRAY) && common.array().is_none() {
            return None;
        }
        generic.compatible = Some(common);
    }
    generic.untyped = any && generic.element.is_none();
    Some(generic)
}

impl Generic {
    /// The type a declared one stands for; `actual` where an argument stands there.
    fn instantiate(&self, declared: Type, actual: Option<Type>) -> Type {
        match declared {
            Type::ANYELEMENT | Type::ANYNONARRAY => self.element.unwrap_or(Type::TEXT),
            Type::ANYARRAY => match actual {
                Some(actual) if actual != Type::UNKNOWN => actual,
                _ => self.element.and_then(array_over).unwrap_or(Type::TEXT_ARRAY),
            },
            Type::ANYCOMPATIBLE => self.compatible.unwrap_or(Type::TEXT),
            Type::ANYCOMPATIBLEARRAY => self.compatible.and_then(Type::array).unwrap_or(Type::TEXT_ARRAY),
            Type::ANY => actual.unwrap_or(Type::ANY),
            other => other,
        }
    }
}

fn array_over(element: Type) -> Option<Type> {
    if element == Type::ANYELEMENT { Some(Type::ANYARRAY) } else { element.array() }
}

/// Keeps the candidates with the highest score, where any scores at all.
fn keep_best(candidates: &mut Vec<Candidate>, score: impl Fn(&Candidate) -> usize) {
    let best = candidates.iter().map(&score).max().unwrap_or(0);
    candidates.retain(|c| score(c) >= best);
}

enum Choice {
    One(Candidate),
    None,
    Ambiguous,
}

/// Chooses among candidates of the right number of arguments.
fn choose(candidates: Vec<Candidate>, actual: &[Type]) -> Choice {
    if let Some(exact) = candidates.iter().find(|c| c.declared == actual) {
        return Choice::One(exact.clone());
    }
    let mut kept: Vec<Candidate> = candidates
        .into_iter()
        .filter(|c| {
            c.declared.iter().zip(actual).all(|(to, from)| converts_implicitly(*from, *to))
                && unify(&c.declared, actual).is_some()
        })
        .collect();
    // The same types with and without packing: without is meant.
    let plain: Vec<Vec<Type>> =
        kept.iter().filter(|c| c.variadic.is_none()).map(|c| c.declared.clone()).collect();
    kept.retain(|c| c.variadic.is_none() || !plain.contains(&c.declared));
    let settle = |kept: &mut Vec<Candidate>| match kept.len() {
        0 => Some(Choice::None),
        1 => kept.pop().map(Choice::One),
        _ => None,
    };
    if let Some(choice) = settle(&mut kept) {
        return choice;
    }
    let known = |c: &Candidate, test: fn(Type, Type) -> bool| {
        c.declared
            .iter()
            .zip(actual)
            .filter(|(to, from)| **from != Type::UNKNOWN && test(**to, **from))
            .count()
    };
    keep_best(&mut kept, |c| known(c, |to, from| to == from));
    if let Some(choice) = settle(&mut kept) {
        return choice;
    }
    keep_best(&mut kept, |c| known(c, |to, from| to == from || is_preferred(category(from), to)));
    if let Some(choice) = settle(&mut kept) {
        return choice;
    }
    let unknowns: Vec<usize> =
        actual.iter().enumerate().filter(|(_, t)| **t == Type::UNKNOWN).map(|(i, _)| i).collect();
    if unknowns.is_empty() {
        return Choice::Ambiguous;
    }
    narrow_by_category(&mut kept, &unknowns);
    if let Some(choice) = settle(&mut kept) {
        return choice;
    }
    // Give the untyped ones the type of the others, if these agree.
    let mut others = actual.iter().copied().filter(|t| *t != Type::UNKNOWN);
    if let Some(first) = others.next()
        && others.all(|t| t == first)
    {
        let mut fitting: Vec<Candidate> = kept
            .into_iter()
            .filter(|c| {
                let assumed = vec![first; actual.len()];
                c.declared.iter().all(|to| converts_implicitly(first, *to))
                    && unify(&c.declared, &assumed).is_some()
            })
            .collect();
        if let (Some(one), true) = (fitting.pop(), fitting.is_empty()) {
            return Choice::One(one);
        }
    }
    Choice::Ambiguous
}

/// Takes each untyped argument for the category its candidates agree on, or for a string when one accepts strings.
fn narrow_by_category(kept: &mut Vec<Candidate>, unknowns: &[usize]) {
    let mut wanted: Vec<(usize, char, bool)> = Vec::new();
    for &position in unknowns {
        let mut slot: Option<(char, bool)> = None;
        let mut conflict = false;
        for ty in kept.iter().filter_map(|c| c.declared.get(position)) {
            let (current, preferred) = ty.info().map_or(('U', false), |t| (t.category, t.preferred));
            match slot {
                None => slot = Some((current, preferred)),
                Some((category, has)) if category == current => slot = Some((category, has || preferred)),
                Some(_) if current == 'S' => slot = Some((current, preferred)),
                Some(_) => conflict = true,
            }
        }
        match slot {
            Some((category, has)) if !conflict || category == 'S' => wanted.push((position, category, has)),
            _ => return,
        }
    }
    let fits = |c: &Candidate| {
        wanted.iter().all(|&(position, category, has_preferred)| {
            c.declared
                .get(position)
                .and_then(|ty| ty.info())
                .is_some_and(|t| t.category == category && (!has_preferred || t.preferred))
        })
    };
    if kept.iter().any(fits) {
        kept.retain(fits);
    }
}

fn type_names(types: &[Type]) -> String {
    let names: Vec<&str> = types.iter().map(|t| t.sql_name()).collect();
    names.join(", ")
}

/// Finds the overload of `name` that a call with arguments of these types means. Untyped literals and parameters are
/// `UNKNOWN`. `spread` says that the last argument was written `VARIADIC array`.
///
/// Fails with 42883 where none fits, 42725 where several fit equally well.
pub fn resolve(name: &str, args: &[Type], spread: bool) -> Result<Resolved> {
    if args.len() > ARGUMENTS_MAX {
        return Err(SqlError::new(
            "54023",
            format!("cannot pass more than {ARGUMENTS_MAX} arguments to a function"),
        ));
    }
    let candidates = registry::named(name).iter().filter_map(|&f| candidate(f, args.len(), spread)).collect();
    match choose(candidates, args) {
        Choice::One(chosen) => {
            let (arg_types, result) = instantiate(&chosen, args, chosen.function.result)?;
            Ok(Resolved { function: chosen.function, arg_types, result, variadic: chosen.variadic })
        }
        Choice::None => Err(SqlError::new(
            sqlstate::UNDEFINED_FUNCTION,
            format!("function {name}({}) does not exist", type_names(args)),
        )
        .with_hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        )),
        Choice::Ambiguous => Err(SqlError::new(
            sqlstate::AMBIGUOUS_FUNCTION,
            format!("function {name}({}) is not unique", type_names(args)),
        )
        .with_hint("Could not choose a best candidate function. You might need to add explicit type casts.")),
    }
}

fn candidate(function: &'static Function, count: usize, spread: bool) -> Option<Candidate> {
    let plain = || Candidate { function, operator: None, declared: function.args.to_vec(), variadic: None };
    match function.variadic {
        None => (function.args.len() == count && !spread).then(plain),
        // Values of any type are not packed: the function takes them as they come.
        Some(Type::ANY) => {
            let fixed = function.args.len().saturating_sub(1);
            (count > fixed && !spread).then(|| {
                let mut declared = function.args.to_vec();
                declared.resize(count, Type::ANY);
                Candidate { function, operator: None, declared, variadic: None }
            })
        }
        Some(_) if spread => (function.args.len() == count).then(plain),
        Some(element) => {
            let fixed = function.args.len().saturating_sub(1);
            (count > fixed).then(|| {
                let mut declared: Vec<Type> = function.args.iter().copied().take(fixed).collect();
                declared.resize(count, element);
                Candidate { function, operator: None, declared, variadic: Some(fixed) }
            })
        }
    }
}

fn instantiate(chosen: &Candidate, actual: &[Type], result: Type) -> Result<(Vec<Type>, Type)> {
    let generic = unify(&chosen.declared, actual)
        .ok_or_else(|| SqlError::internal("chose a candidate that does not fit"))?;
    if generic.untyped {
        return Err(SqlError::new(
            sqlstate::DATATYPE_MISMATCH,
            "could not determine polymorphic type because input has type unknown",
        ));
    }
    let arg_types =
        chosen.declared.iter().zip(actual).map(|(d, a)| generic.instantiate(*d, Some(*a))).collect();
    // `anyarray` in the result over `anyelement` arguments (array_agg) needs the array type.
    let result = match result {
        Type::ANYARRAY => {
            let given = chosen.declared.iter().zip(actual).find(|(d, a)| {
                **d == Type::ANYARRAY
                    && **a != Type::UNKNOWN
                    && a.info().is_some_and(|t| t.name.starts_with('_'))
            });
            match given {
                Some((_, array)) => *array,
                None => match generic.element.and_then(array_over) {
                    Some(array) => array,
                    None => {
                        let name = generic.element.unwrap_or(Type::UNKNOWN).sql_name();
                        return Err(SqlError::new(
                            sqlstate::UNDEFINED_OBJECT,
                            format!("could not find array type for data type {name}"),
                        ));
                    }
                },
            }
        }
        other => generic.instantiate(other, None),
    };
    Ok((arg_types, result))
}

/// Finds the operator `left op right` (`op right` without a left operand). Untyped literals are `UNKNOWN`.
///
/// Fails with 42883 where none fits, 42725 where several fit equally well.
pub fn resolve_operator(op: &str, left: Option<Type>, right: Type) -> Result<ResolvedOperator> {
    let actual: Vec<Type> = left.into_iter().chain([right]).collect();
    let candidates: Vec<Candidate> = registry::operators_named(op)
        .filter(|o| o.left.is_some() == left.is_some())
        .map(|o| Candidate {
            function: o.function,
            operator: Some(o),
            declared: o.left.into_iter().chain([o.right]).collect(),
            variadic: None,
        })
        .collect();
    // An untyped literal beside a typed operand is first taken to have its type.
    let assumed: Vec<Type> = match (left, right) {
        (Some(Type::UNKNOWN), ty) | (Some(ty), Type::UNKNOWN) => vec![ty, ty],
        _ => actual.clone(),
    };
    let exact = candidates.iter().find(|c| c.declared == assumed).cloned();
    let choice = exact.map_or_else(|| choose(candidates, &actual), Choice::One);
    let written = || match left {
        Some(left) => format!("{} {op} {}", left.sql_name(), right.sql_name()),
        None => format!("{op} {}", right.sql_name()),
    };
    match choice {
        Choice::One(chosen) => {
            let operator = chosen.operator.ok_or_else(|| SqlError::internal("candidate without operator"))?;
            let (arg_types, result) = instantiate(&chosen, &actual, chosen.function.result)?;
            Ok(ResolvedOperator { operator, function: operator.function, arg_types, result })
        }
        Choice::None => {
            let hint = if left.is_some() {
                "No operator matches the given name and argument types. You might need to add explicit type casts."
            } else {
                "No operator matches the given name and argument type. You might need to add an explicit type cast."
            };
            let message = format!("operator does not exist: {}", written());
            Err(SqlError::new(sqlstate::UNDEFINED_FUNCTION, message).with_hint(hint))
        }
        Choice::Ambiguous => {
            let message = format!("operator is not unique: {}", written());
            Err(SqlError::new(sqlstate::AMBIGUOUS_FUNCTION, message).with_hint(
                "Could not choose a best candidate operator. You might need to add explicit type casts.",
            ))
        }
    }
}

/// The type that a call of one argument such as `int4('1')` casts to, where the name is a type's.
pub fn cast_by_name(name: &str) -> Option<Type> {
    BUILTIN_TYPES.iter().find(|t| t.name == name && t.category != 'P').map(|t| Type(t.oid))
}
