//! Conversions. Those of types that name catalog objects (`regclass` and its kin) need the catalog and are done here, all others by
//! [`crate::types::cast`].

use crate::catalog::OWNER_OID;
use crate::catalog::system::{describe, names};
use crate::error::Result;
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::expr::Expr;
use crate::functions;
use crate::plan::ResultColumn;
use crate::session::EvalContext;
use crate::types::{self, Array, ColumnType, Datum, Oid, Type};
use crate::vector::{Batch, Vector};
use std::sync::Arc;

/// Whether values of the type are OIDs that are written as names, or arrays of such.
fn has_names(ty: Type) -> bool {
    ty.is_reg() || ty.element().is_some_and(Type::is_reg)
}

fn is_text(ty: Type) -> bool {
    matches!(ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::CSTRING)
}

/// Converts a value to the type and modifier of `to`. Null stays null.
pub fn cast_datum(
    value: Datum,
    from: Type,
    to: &Expr,
    explicit: bool,
    ctx: &mut ExecContext<'_>,
) -> Result<Datum> {
    if value.is_null() {
        return Ok(value);
    }
    let target = ColumnType { ty: to.ty, typmod: to.typmod };
    convert(value, from, target, explicit, &ctx.eval)
}

fn convert(
    value: Datum,
    from: Type,
    to: ColumnType,
    explicit: bool,
    eval: &EvalContext<'_>,
) -> Result<Datum> {
    if !has_names(from) && !has_names(to.ty) {
        return types::cast::cast(value, from, to, explicit, eval.settings);
    }
    match (&value, from.element(), to.ty.element()) {
        (Datum::Text(text), ..) if to.ty.is_reg() => {
            names::oid_by_text(text, to.ty, eval.catalog, &eval.settings.search_path, eval.session.user())
                .map(Datum::Oid)
        }
        (Datum::Oid(oid), ..) if from.is_reg() && is_text(to.ty) => {
            let text = Datum::text(name_of(*oid, from, eval));
            types::cast::cast(text, Type::TEXT, to, explicit, eval.settings)
        }
        (Datum::Array(array), Some(inner), Some(outer)) => {
            let element = ColumnType { ty: outer, typmod: to.typmod };
            let each = array.values.iter().cloned();
            let values: Result<Vec<Datum>> = each
                .map(|v| if v.is_null() { Ok(v) } else { convert(v, inner, element, explicit, eval) })
                .collect();
            Ok(Datum::Array(Arc::new(Array { element: outer, dims: array.dims.clone(), values: values? })))
        }
        (Datum::Array(array), Some(inner), None) if is_text(to.ty) => {
            // The text of the array of their names.
            let array = Datum::Array(Arc::clone(array));
            let names = ColumnType::from(Type::TEXT_ARRAY);
            let named = if inner.is_reg() { convert(array, from, names, explicit, eval)? } else { array };
            types::cast::cast(named, Type::TEXT_ARRAY, to, explicit, eval.settings)
        }
        _ => types::cast::cast(value, from, to, explicit, eval.settings),
    }
}

/// The text of an OID of a reg* type: the object's name, qualified where it has to be; the number where there is no such object.
pub fn name_of(oid: Oid, ty: Type, eval: &EvalContext<'_>) -> String {
    let path = &eval.settings.search_path;
    let name = match ty {
        _ if oid == 0 => Some("-".to_owned()),
        Type::REGCLASS => describe::relation_name(eval.catalog, path, oid),
        Type::REGTYPE => Type(oid).info().map(|_| names::type_text(oid)),
        Type::REGNAMESPACE => eval.catalog.schema_name(oid).map(describe::quote_identifier),
        Type::REGROLE => (oid == OWNER_OID).then(|| describe::quote_identifier(eval.session.user())),
        Type::REGPROC => {
            functions::all().iter().find(|f| f.oid == oid).map(|f| describe::quote_identifier(f.name))
        }
        Type::REGPROCEDURE => functions::all().iter().find(|f| f.oid == oid).map(|f| {
            let args: Vec<&str> = f.args.iter().map(|a| a.sql_name()).collect();
            format!("{}({})", describe::quote_identifier(f.name), args.join(","))
        }),
        Type::REGCOLLATION => match oid {
            100 => Some("\"default\"".to_owned()),
            950 => Some("\"C\"".to_owned()),
            _ => None,
        },
        _ => None,
    };
    name.unwrap_or_else(|| oid.to_string())
}

/// A batch of results with the names of objects in place of OIDs of reg* types, in the columns that are sent as text (format 0, also
/// where `formats` is too short). Only here is the catalog at hand for that.
///
/// # Errors
/// 54000 where a column would exceed 4 GiB.
pub fn with_names(
    mut batch: Batch,
    declared: &[ResultColumn],
    formats: &[i16],
    eval: &EvalContext<'_>,
) -> Result<Batch> {
    for (i, (column, declared)) in batch.columns.iter_mut().zip(declared).enumerate() {
        let text = formats.get(i).is_none_or(|f| *f == 0);
        // `oid::regclass` is a vector of OIDs still: what the statement says counts.
        let ty = declared.ty.ty;
        if !text || !has_names(ty) {
            continue;
        }
        let to = if ty.is_reg() { Type::TEXT } else { Type::TEXT_ARRAY };
        let mut named = columns::empty(to);
        for row in 0..columns::len(column) {
            let value = columns::get(column, row);
            let value = if value.is_null() { value } else { convert(value, ty, to.into(), true, eval)? };
            columns::push(&mut named, &value)?;
        }
        *column = Arc::new(named);
    }
    Ok(batch)
}

/// Converts a vector.
pub fn cast_vector(
    input: &Arc<Vector>,
    from: Type,
    to: &Expr,
    explicit: bool,
    ctx: &mut ExecContext<'_>,
) -> Result<Arc<Vector>> {
    if from == to.ty && to.typmod == -1 {
        return Ok(Arc::clone(input));
    }
    let target = ColumnType { ty: to.ty, typmod: to.typmod };
    if !has_names(from) && !has_names(to.ty) {
        return types::cast::cast_vector(input, target, explicit, ctx.eval.settings).map(Arc::new);
    }
    let mut out = columns::empty(to.ty);
    for row in 0..columns::len(input) {
        let value = cast_datum(columns::get(input, row), from, to, explicit, ctx)?;
        columns::push(&mut out, &value)?;
    }
    Ok(Arc::new(out))
}
