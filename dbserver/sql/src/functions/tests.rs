//! Expressions against values taken from PostgreSQL, and properties of the kernels.
//!
//! `testdata/expressions.txt` has lines `expression => result`, where the result is what psql showed (`\n` for a line
//! break, an error as its SQLSTATE and message). A small evaluator over the parser's tree stands in for binder
//! and executor: it resolves, casts and calls, and nothing else.

use super::{Kernel, resolve, resolve_operator};
use crate::catalog::Catalog;
use crate::context::QueryContext;
use crate::error::{Result, SqlError};
use crate::session::{Activity, DateOrder, EvalContext, EvalSettings, SessionFunctions};
use crate::types::{Array, BUILTIN_TYPES, ColumnType, Datum, Type, cast, io};
use crate::vector::{Values, Vector};
use sqlparser::ast::{self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::sync::Arc;

struct NoSession;
impl SessionFunctions for NoSession {
    fn nextval(&self, _: u32) -> Result<i64> {
        Ok(1)
    }
    fn currval(&self, _: u32) -> Result<i64> {
        Ok(1)
    }
    fn lastval(&self) -> Result<i64> {
        Ok(1)
    }
    fn setval(&self, _: u32, value: i64, _: bool) -> Result<i64> {
        Ok(value)
    }
    fn setting(&self, name: &str) -> Option<String> {
        (name == "server_version").then(|| "15.0".to_owned())
    }
    fn set_config(&self, _: &str, value: &str, _: bool) -> Result<String> {
        Ok(value.to_owned())
    }
    fn settings(&self) -> Vec<(String, String, String)> {
        Vec::new()
    }
    fn user(&self) -> &str {
        "postgres"
    }
    fn database(&self) -> &str {
        "postgres"
    }
    fn backend_pid(&self) -> i32 {
        1
    }
    fn activity(&self) -> Vec<Activity> {
        Vec::new()
    }
    fn tree_size(&self, _: plimsoll_storage::TreeId) -> (u64, u64) {
        (0, 0)
    }
    fn transaction_id(&self) -> u64 {
        1
    }
}

fn settings() -> EvalSettings {
    EvalSettings {
        time_zone: chrono_tz::Europe::Berlin,
        extra_float_digits: 1,
        date_order: DateOrder::Mdy,
        bytea_escape: false,
        transaction_time: 700_000_000_000_000,
        statement_time: 700_000_000_000_000,
        search_path: vec!["pg_catalog".to_owned(), "public".to_owned()],
    }
}

fn with_context<T>(run: impl FnOnce(&EvalContext<'_>) -> T) -> T {
    let (query, catalog, settings) = (QueryContext::unlimited(), Arc::new(Catalog::default()), settings());
    let session = NoSession;
    run(&EvalContext {
        query: &query,
        catalog: &catalog,
        settings: &settings,
        params: &[],
        session: &session,
    })
}

type Typed = (Datum, Type);

fn named_type(name: &str) -> Type {
    let name = name.to_lowercase();
    let bare = name.split('(').next().unwrap().trim();
    let bare = match bare {
        "int" => "int4",
        "decimal" => "numeric",
        "float" => "float8",
        other => other,
    };
    if let Some(element) = bare.strip_suffix("[]") {
        return named_type(element).array().unwrap();
    }
    let found = BUILTIN_TYPES.iter().find(|t| t.name == bare || t.sql_name == bare);
    Type(found.unwrap_or_else(|| panic!("type {bare}")).oid)
}

fn coerce((value, from): Typed, to: Type, explicit: bool, ctx: &EvalContext<'_>) -> Result<Datum> {
    match &value {
        _ if from == to || to == Type::UNKNOWN || super::is_polymorphic(to) => Ok(value),
        Datum::Text(text) if from == Type::UNKNOWN => io::input(to, -1, text, ctx.settings),
        Datum::Null => Ok(Datum::Null),
        _ => cast::cast(value, from, ColumnType::from(to), explicit, ctx.settings),
    }
}

fn call(name: &str, args: Vec<Typed>, ctx: &EvalContext<'_>) -> Result<Typed> {
    let types: Vec<Type> = args.iter().map(|a| a.1).collect();
    let resolved = resolve(name, &types, false)?;
    let mut values = Vec::new();
    for (arg, ty) in args.into_iter().zip(&resolved.arg_types) {
        values.push(coerce(arg, *ty, false, ctx)?);
    }
    let mut types = resolved.arg_types.clone();
    if let Some(first) = resolved.variadic {
        let packed = super::kernel::array_of(types[first], values.split_off(first));
        let array = types[first].array().unwrap();
        types.truncate(first);
        types.push(array);
        values.push(Datum::Array(Arc::new(packed)));
    }
    if let Kernel::Set { rows, .. } = &resolved.function.kernel {
        if resolved.function.strict && values.iter().any(Datum::is_null) {
            return Ok((Datum::text(""), Type::TEXT));
        }
        let mut out = String::new();
        for row in rows(&values, ctx)? {
            for value in &row {
                out.push_str(&show(
                    (value.clone(), if row.len() == 1 { resolved.result } else { Type::TEXT }),
                    ctx,
                ));
                out.push(';');
            }
        }
        return Ok((Datum::text(out), Type::TEXT));
    }
    Ok((resolved.function.call(&values, &types, ctx)?, resolved.result))
}

fn operator(op: &str, left: Option<Typed>, right: Typed, ctx: &EvalContext<'_>) -> Result<Typed> {
    let resolved = resolve_operator(op, left.as_ref().map(|l| l.1), right.1)?;
    let mut values = Vec::new();
    for (arg, ty) in left.into_iter().chain([right]).zip(&resolved.arg_types) {
        values.push(coerce(arg, *ty, false, ctx)?);
    }
    Ok((resolved.function.call(&values, &resolved.arg_types, ctx)?, resolved.result))
}

fn eval(expr: &Expr, ctx: &EvalContext<'_>) -> Result<Typed> {
    let text = |s: &str| (Datum::text(s), Type::UNKNOWN);
    match expr {
        Expr::Value(value) => Ok(match &value.value {
            Value::Number(digits, _) => match (digits.parse::<i32>(), digits.parse::<i64>()) {
                (Ok(v), _) => (Datum::Int4(v), Type::INT4),
                (_, Ok(v)) => (Datum::Int8(v), Type::INT8),
                _ => (io::input(Type::NUMERIC, -1, digits, ctx.settings)?, Type::NUMERIC),
            },
            Value::SingleQuotedString(s) | Value::EscapedStringLiteral(s) => text(s),
            Value::Boolean(b) => (Datum::Bool(*b), Type::BOOL),
            Value::Null => (Datum::Null, Type::UNKNOWN),
            other => panic!("value {other}"),
        }),
        Expr::Identifier(name) => call(&name.value.to_lowercase(), Vec::new(), ctx),
        Expr::Nested(inner) => eval(inner, ctx),
        Expr::Cast { expr, data_type, .. } => {
            let to = named_type(&data_type.to_string());
            Ok((coerce(eval(expr, ctx)?, to, true, ctx)?, to))
        }
        Expr::TypedString(literal) => {
            let to = named_type(&literal.data_type.to_string());
            let value = literal.value.clone().into_string().unwrap();
            Ok((io::input(to, -1, &value, ctx.settings)?, to))
        }
        Expr::Interval(interval) => {
            let (value, _) = eval(&interval.value, ctx)?;
            let Datum::Text(value) = value else { panic!("interval {expr}") };
            Ok((io::input(Type::INTERVAL, -1, &value, ctx.settings)?, Type::INTERVAL))
        }
        Expr::BinaryOp { left, op, right } => {
            operator(&op.to_string(), Some(eval(left, ctx)?), eval(right, ctx)?, ctx)
        }
        Expr::UnaryOp { op, expr } => operator(&op.to_string(), None, eval(expr, ctx)?, ctx),
        Expr::Like { expr, pattern, .. } => operator("~~", Some(eval(expr, ctx)?), eval(pattern, ctx)?, ctx),
        Expr::ILike { expr, pattern, .. } => {
            operator("~~*", Some(eval(expr, ctx)?), eval(pattern, ctx)?, ctx)
        }
        Expr::Array(array) => {
            let items: Vec<Typed> = array.elem.iter().map(|e| eval(e, ctx)).collect::<Result<_>>()?;
            let element = super::common_type(items.iter().map(|i| i.1)).unwrap();
            let values: Vec<Datum> =
                items.into_iter().map(|i| coerce(i, element, false, ctx)).collect::<Result<_>>()?;
            Ok((Datum::Array(Arc::new(super::kernel::array_of(element, values))), element.array().unwrap()))
        }
        Expr::AtTimeZone { timestamp, time_zone } => {
            call("timezone", vec![eval(time_zone, ctx)?, eval(timestamp, ctx)?], ctx)
        }
        Expr::Extract { field, expr, .. } => call(
            "extract",
            vec![text(&field.to_string().to_lowercase().replace('\'', "")), eval(expr, ctx)?],
            ctx,
        ),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let mut args = vec![eval(expr, ctx)?];
            args.push(match substring_from {
                Some(from) => eval(from, ctx)?,
                None => (Datum::Int4(1), Type::INT4),
            });
            if let Some(length) = substring_for {
                args.push(eval(length, ctx)?);
            }
            call("substring", args, ctx)
        }
        Expr::Position { expr, r#in } => call("position", vec![eval(r#in, ctx)?, eval(expr, ctx)?], ctx),
        Expr::Ceil { expr, .. } => call("ceil", vec![eval(expr, ctx)?], ctx),
        Expr::Floor { expr, .. } => call("floor", vec![eval(expr, ctx)?], ctx),
        Expr::Trim { expr, trim_where, trim_what, .. } => {
            let name = match trim_where {
                Some(ast::TrimWhereField::Leading) => "ltrim",
                Some(ast::TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            };
            let mut args = vec![eval(expr, ctx)?];
            if let Some(what) = trim_what {
                args.push(eval(what, ctx)?);
            }
            call(name, args, ctx)
        }
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            let mut args = vec![eval(expr, ctx)?, eval(overlay_what, ctx)?, eval(overlay_from, ctx)?];
            if let Some(arg) = overlay_for {
                args.push(eval(arg, ctx)?);
            }
            call("overlay", args, ctx)
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let mut args = Vec::new();
            if let FunctionArguments::List(list) = &function.args {
                for arg in &list.args {
                    match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => args.push(eval(arg, ctx)?),
                        other => panic!("argument {other}"),
                    }
                }
            }
            let aggregate = super::named(&name).iter().any(|f| f.is_aggregate());
            if aggregate { accumulate(&name, args, ctx) } else { call(&name, args, ctx) }
        }
        other => panic!("expression {other}"),
    }
}

/// An aggregate over the elements of arrays given as its arguments: `sum('{1,2}'::int4[])` is
/// `SELECT sum(x) FROM unnest('{1,2}'::int4[]) x`.
fn accumulate(name: &str, args: Vec<Typed>, ctx: &EvalContext<'_>) -> Result<Typed> {
    let types: Vec<Type> = args.iter().map(|a| a.1.element().unwrap()).collect();
    let resolved = resolve(name, &types, false)?;
    let mut columns = Vec::new();
    for ((value, ty), to) in args.into_iter().zip(&resolved.arg_types) {
        let Datum::Array(array) = value else { panic!("aggregate over {value:?}") };
        let mut values = Vec::new();
        for value in &array.values {
            values.push(coerce((value.clone(), ty.element().unwrap()), *to, false, ctx)?);
        }
        let to = if *to == Type::ANY { ty.element().unwrap() } else { *to };
        columns.push(Vector::from_datums(to, &values));
    }
    let Kernel::Aggregate { new } = &resolved.function.kernel else { panic!("{name}") };
    let rows = columns[0].len();
    let refs: Vec<&Vector> = columns.iter().collect();
    let types: Vec<Type> = columns.iter().map(|c| c.ty).collect();
    // One group for all rows, then rows among two groups of which the second is skipped: the same result.
    let mut one = new(&types);
    one.resize(1);
    one.update(&vec![0; rows], &[], &refs, ctx)?;
    let result = one.finish(ctx)?;
    let mut many = new(&types);
    many.resize(3);
    let doubled: Vec<Vector> = columns
        .iter()
        .map(|c| {
            Vector::from_datums(c.ty, (0..rows).flat_map(|i| [c.get(i), c.get(i)]).collect::<Vec<_>>().iter())
        })
        .collect();
    let groups: Vec<u32> = (0..rows as u32 * 2).map(|i| if i % 2 == 0 { 1 } else { 2 }).collect();
    let skip: Vec<bool> = (0..rows * 2).map(|i| i % 2 == 1).collect();
    many.update(&groups, &skip, &doubled.iter().collect::<Vec<_>>(), ctx)?;
    assert!(many.memory() > 0);
    let others = many.finish(ctx)?;
    assert_eq!(others.len(), 3);
    assert_eq!(show((others.get(1), others.ty), ctx), show((result.get(0), result.ty), ctx));
    assert_eq!(others.get(0), others.get(2), "groups without rows");
    assert_eq!(result.ty, resolved.result, "declared type of {name}");
    Ok((result.get(0), result.ty))
}

fn show((value, ty): Typed, ctx: &EvalContext<'_>) -> String {
    match &value {
        Datum::Null => "NULL".to_owned(),
        Datum::Oid(oid) if ty == Type::REGTYPE => Type(*oid).sql_name().to_owned(),
        value => io::to_text(value, ty, -1, ctx.settings).replace('\n', "\\n"),
    }
}

fn evaluate(sql: &str, ctx: &EvalContext<'_>) -> String {
    let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).and_then(|mut p| p.parse_expr());
    let expr = parsed.unwrap_or_else(|e| panic!("{sql}: {e}"));
    match eval(&expr, ctx) {
        Ok(typed) => show(typed, ctx),
        Err(error) => shown_error(&error),
    }
}

fn shown_error(error: &SqlError) -> String {
    format!("ERROR {}: {}", error.sqlstate(), error.fields().message)
}

#[test]
fn expressions_as_in_postgresql() {
    with_context(|ctx| {
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in include_str!("testdata/expressions.txt").lines() {
            let Some((sql, expected)) = line.split_once(" => ") else { continue };
            count += 1;
            let found = evaluate(sql, ctx);
            if found != expected {
                wrong.push(format!("{sql}\n    expected {expected}\n    found    {found}"));
            }
        }
        assert!(count > 500, "only {count} expressions");
        assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn every_operator_of_the_table_has_its_function() {
    let found: Vec<u32> = super::operators().iter().map(|o| o.oid).collect();
    let missing: Vec<&str> =
        super::operator_table::TABLE.iter().filter(|row| !found.contains(&row.0)).map(|row| row.1).collect();
    // Operators over `jsonb` paths and `pg_lsn` arithmetic are still to come.
    let allowed = ["#-", "-", "+"];
    assert!(missing.iter().all(|name| allowed.contains(name)), "{missing:?}");
    for operator in super::operators() {
        let declared: Vec<Type> = operator.left.into_iter().chain([operator.right]).collect();
        assert_eq!(declared, operator.function.args, "{operator:?}");
    }
}

#[test]
fn numbers_are_given_once() {
    let mut oids: Vec<u32> = super::all().iter().map(|f| f.oid).collect();
    let count = oids.len();
    oids.sort_unstable();
    oids.dedup();
    assert_eq!(oids.len(), count);
    assert!(count > 800, "{count}");
}

/// Values at the edges, for each fixed form.
fn samples(ty: Type) -> Vec<Datum> {
    let texts: &[&str] = match ty {
        Type::BOOL => &["t", "f"],
        Type::INT2 => &["0", "1", "-1", "32767", "-32768", "7"],
        Type::INT4 => &["0", "1", "-1", "2147483647", "-2147483648", "7", "46341"],
        Type::INT8 => &["0", "1", "-1", "9223372036854775807", "-9223372036854775808", "3037000500"],
        Type::FLOAT4 => &["0", "-0", "1.5", "NaN", "Infinity", "-Infinity", "3e38", "1e-40"],
        Type::FLOAT8 => &["0", "-0", "1.5", "NaN", "Infinity", "-Infinity", "1e308", "5e-324"],
        Type::DATE => &["2000-01-01", "infinity", "-infinity", "5874897-12-31", "0001-01-01"],
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            &["2000-01-01", "infinity", "-infinity", "1999-12-31 23:59:59.5"]
        }
        Type::TIME => &["00:00", "23:59:59.999999"],
        Type::UUID => &["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
        Type::BYTEA => &["", "\\x00", "\\x0001", "\\xff"],
        Type::NUMERIC => &["0", "1.10", "1.1", "-5", "NaN", "Infinity", "123456789012345678901234567890"],
        Type::TEXT | Type::NAME | Type::BPCHAR => &["", "a", "ab", "B", "ä", "%", "a_"],
        Type::INTERVAL => &["0", "1 month", "30 days", "720 hours", "-1 day"],
        Type::OID | Type::XID => &["0", "1", "4294967295"],
        _ => &[],
    };
    let settings = settings();
    texts.iter().map(|t| io::input(ty, -1, t, &settings).unwrap()).chain([Datum::Null]).collect()
}

/// The vector form of every function gives what its row form gives, for all pairs of samples, nulls included.
#[test]
fn vector_forms_agree_with_row_forms() {
    with_context(|ctx| {
        let mut tested = 0;
        for function in super::all() {
            let Kernel::Scalar { vector: Some(vector), .. } = function.kernel else { continue };
            let [a, b] = function.args else { continue };
            let (left, right) = (samples(*a), samples(*b));
            if left.len() < 2 || right.len() < 2 {
                continue;
            }
            tested += 1;
            let pairs: Vec<(Datum, Datum)> =
                left.iter().flat_map(|l| right.iter().map(move |r| (l.clone(), r.clone()))).collect();
            let rows: Vec<Result<Datum>> =
                pairs.iter().map(|(l, r)| function.call(&[l.clone(), r.clone()], &[*a, *b], ctx)).collect();
            // All rows that work at once, and each that fails alone.
            let good: Vec<usize> = (0..pairs.len()).filter(|i| rows[*i].is_ok()).collect();
            let column = |pick: fn(&(Datum, Datum)) -> &Datum, ty: Type, of: &[usize]| {
                Vector::from_datums(ty, of.iter().map(|i| pick(&pairs[*i])))
            };
            let run = |of: &[usize]| {
                let (l, r) = (column(|p| &p.0, *a, of), column(|p| &p.1, *b, of));
                vector(&[&l, &r], of.len(), ctx)
            };
            let together = run(&good).unwrap();
            assert_eq!(together.ty, function.result);
            for (at, i) in good.iter().enumerate() {
                let (found, wanted) = (together.get(at), rows[*i].clone().unwrap());
                assert_eq!(format!("{found:?}"), format!("{wanted:?}"), "{function:?} {:?}", pairs[*i]);
            }
            for i in (0..pairs.len()).filter(|i| rows[*i].is_err()) {
                assert_eq!(
                    run(&[i]).unwrap_err(),
                    rows[i].clone().unwrap_err(),
                    "{function:?} {:?}",
                    pairs[i]
                );
            }
        }
        assert!(tested > 150, "{tested}");
    });
}

/// A null row may hold anything: it must not make a vector fail.
#[test]
fn null_rows_do_not_fail() {
    with_context(|ctx| {
        let a = Vector::with_nulls(Type::INT4, Values::Int4(vec![i32::MAX, 1, 6]), vec![true, false, false]);
        let b = Vector::with_nulls(Type::INT4, Values::Int4(vec![i32::MAX, 0, 2]), vec![false, true, false]);
        for name in ["int4pl", "int4mul", "int4div", "int4mod"] {
            let function = super::named(name)[0];
            let Kernel::Scalar { vector: Some(vector), .. } = function.kernel else { panic!("{name}") };
            let result = vector(&[&a, &b], 3, ctx).unwrap();
            assert_eq!(result.nulls, [true, true, false], "{name}");
        }
    });
}

#[test]
fn sleep_ends_when_cancelled() {
    with_context(|ctx| {
        ctx.query.cancel.request();
        let function = super::named("pg_sleep")[0];
        let error = function.call(&[Datum::Float8(1e9)], &[Type::FLOAT8], ctx).unwrap_err();
        assert_eq!(error.sqlstate(), "57014");
    });
}

#[test]
fn a_long_series_stops_at_the_memory_limit() {
    with_context(|ctx| {
        ctx.query.memory.set_limit(1 << 20);
        let function = super::named("generate_series").iter().find(|f| f.oid == 1067).unwrap();
        let Kernel::Set { rows, .. } = &function.kernel else { panic!() };
        let error = rows(&[Datum::Int4(1), Datum::Int4(i32::MAX)], ctx).unwrap_err();
        assert_eq!(error.sqlstate(), "53200");
        assert_eq!(ctx.query.memory.used(), 0);
    });
}

#[test]
fn arrays_compare_by_operator_of_their_elements() {
    assert_eq!(super::equality(Type::INT4_ARRAY).map(|f| f.name), Some("array_eq"));
    assert_eq!(super::equality(Type::VARCHAR).map(|f| f.name), Some("texteq"));
    assert_eq!(super::equality(Type::REGCLASS).map(|f| f.name), Some("oideq"));
    assert!(super::equality(Type::JSON).is_none());
    assert!(super::equality(Type::JSON_ARRAY).is_none());
    let _ = Array { element: Type::INT4, dims: Vec::new(), values: Vec::new() };
}
