//! Names of types as SQL writes them, with their modifiers: `character varying(10)`, `numeric(8,2)[]`.

use super::numeric::typmod_parts;
use super::{ColumnType, Type};
use crate::error::{Result, SqlError, sqlstate};

/// SQL's name of a type with its modifier: `format_type`.
pub fn format_type(of: ColumnType) -> String {
    let ColumnType { ty, typmod } = of;
    let is_vector = matches!(ty, Type::INT2VECTOR | Type::OIDVECTOR);
    if let Some(element) = ty.element().filter(|_| !is_vector) {
        return format!("{}[]", format_type(ColumnType { ty: element, typmod }));
    }
    match ty {
        // Without a modifier `character` would read as `character(1)`.
        Type::BPCHAR if typmod == -1 => "bpchar".to_owned(),
        _ => {
            let (base, tail) = ty.sql_name().split_once(' ').unwrap_or((ty.sql_name(), ""));
            match (ty, typmod_text(of)) {
                (_, None) => ty.sql_name().to_owned(),
                // The precision stands before `with time zone`.
                (Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ, Some(modifier)) => {
                    format!("{base}{modifier} {tail}")
                }
                (_, Some(modifier)) => format!("{}{modifier}", ty.sql_name()),
            }
        }
    }
}

/// The modifier alone, e.g. `(10)`: what `typmodout` functions give. None for none.
pub fn typmod_text(of: ColumnType) -> Option<String> {
    let ColumnType { ty, typmod } = of;
    if typmod < 0 {
        return None;
    }
    match ty {
        Type::VARCHAR | Type::BPCHAR => typmod.checked_sub(4).map(|n| format!("({n})")),
        Type::NUMERIC => typmod_parts(typmod).map(|(p, s)| format!("({p},{s})")),
        Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => Some(format!("({typmod})")),
        Type::INTERVAL => {
            let fields = match (typmod >> 16) & 0x7fff {
                0x4 => " year",
                0x2 => " month",
                0x8 => " day",
                0x400 => " hour",
                0x800 => " minute",
                0x1000 => " second",
                0x6 => " year to month",
                0x408 => " day to hour",
                0xc08 => " day to minute",
                0x1c08 => " day to second",
                0xc00 => " hour to minute",
                0x1c00 => " hour to second",
                0x1800 => " minute to second",
                _ => "",
            };
            let precision = typmod & 0xffff;
            let precision = if precision == 0xffff { String::new() } else { format!("({precision})") };
            Some(format!("{fields}{precision}"))
        }
        _ => None,
    }
}

/// The modifier that `type(args…)` means: `typmodin`. 22023 where the numbers are out of range, 42601 for types without one.
pub fn typmod(ty: Type, args: &[i32]) -> Result<i32> {
    let bad = |message: String| Err(SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
    if let Some(element) = ty.element() {
        return typmod(element, args);
    }
    match (ty, args) {
        (_, []) => Ok(-1),
        (Type::VARCHAR | Type::BPCHAR, [length]) => {
            let name = if ty == Type::VARCHAR { "varchar" } else { "char" };
            match length {
                ..=0 => bad(format!("length for type {name} must be at least 1")),
                10_485_761.. => bad(format!("length for type {name} cannot exceed 10485760")),
                _ => Ok(length.saturating_add(4)),
            }
        }
        (Type::NUMERIC, [precision, rest @ ..]) if rest.len() <= 1 => {
            let scale = rest.first().copied().unwrap_or(0);
            if !(1..=1000).contains(precision) {
                bad(format!("NUMERIC precision {precision} must be between 1 and 1000"))
            } else if !(-1000..=1000).contains(&scale) {
                bad(format!("NUMERIC scale {scale} must be between -1000 and 1000"))
            } else {
                Ok(((precision << 16) | (scale & 0x7ff)) + 4)
            }
        }
        (Type::NUMERIC, _) => bad("invalid NUMERIC type modifier".to_owned()),
        (Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ, [precision]) => {
            if *precision < 0 {
                let zone = if ty == Type::TIMESTAMPTZ { " WITH TIME ZONE" } else { "" };
                let name = if ty == Type::TIME { "TIME" } else { "TIMESTAMP" };
                return bad(format!("{name}({precision}){zone} precision must not be negative"));
            }
            // More than six digits are cut to six, with a warning in PostgreSQL.
            Ok((*precision).min(6))
        }
        (Type::INTERVAL, [precision]) => match precision {
            ..=-1 => bad(format!("INTERVAL({precision}) precision must not be negative")),
            _ => Ok((0x7fff << 16) | (*precision).min(6)),
        },
        (
            Type::VARCHAR | Type::BPCHAR | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::INTERVAL,
            _,
        ) => bad("invalid type modifier".to_owned()),
        _ => Err(SqlError::syntax(format!("type modifier is not allowed for type \"{}\"", ty.name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_modifiers() {
        for (ty, args, name) in [
            (Type::VARCHAR, &[10][..], "character varying(10)"),
            (Type::BPCHAR, &[84], "character(84)"),
            (Type::BPCHAR, &[], "bpchar"),
            (Type::NUMERIC, &[8, 2], "numeric(8,2)"),
            (Type::NUMERIC, &[3, -2], "numeric(3,-2)"),
            (Type::TIMESTAMP, &[3], "timestamp(3) without time zone"),
            (Type::TIMESTAMPTZ, &[], "timestamp with time zone"),
            (Type::INTERVAL, &[2], "interval(2)"),
            (Type::NUMERIC_ARRAY, &[5], "numeric(5,0)[]"),
            (Type::INT2VECTOR, &[], "int2vector"),
            (Type::INT4_ARRAY, &[], "integer[]"),
        ] {
            assert_eq!(format_type(ColumnType { ty, typmod: typmod(ty, args).unwrap() }), name);
        }
        assert_eq!(typmod(Type::INT4, &[1]).unwrap_err().sqlstate(), "42601");
        assert_eq!(typmod(Type::VARCHAR, &[0]).unwrap_err().sqlstate(), "22023");
    }
}
