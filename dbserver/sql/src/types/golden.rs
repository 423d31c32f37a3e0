//! Values that a real PostgreSQL 15 gave (time zone America/New_York), compared with ours. A line of each file under
//! `golden/` is what went in and, last, what came out: text, or `!SQLSTATE message`.

use super::{ColumnType, Datum, Numeric, Type, binary, cast, io, name};
use crate::error::Result;
use crate::session::{DateOrder, EvalSettings};

pub(crate) fn settings() -> EvalSettings {
    EvalSettings {
        time_zone: chrono_tz::America::New_York,
        extra_float_digits: 1,
        date_order: DateOrder::Mdy,
        bytea_escape: false,
        transaction_time: 0,
        statement_time: 0,
        search_path: Vec::new(),
    }
}

fn base(word: &str) -> Type {
    match word {
        "smallint" => Type::INT2,
        "real" => Type::FLOAT4,
        "char" => Type::BPCHAR,
        "\"char\"" => Type::CHAR,
        _ => {
            let found = super::BUILTIN_TYPES.iter().find(|t| t.name == word || t.sql_name == word);
            Type(found.unwrap_or_else(|| panic!("no type {word}")).oid)
        }
    }
}

fn column_type(text: &str) -> ColumnType {
    let (text, is_array) = text.strip_suffix("[]").map_or((text, false), |t| (t, true));
    let (word, args) = match text.split_once('(') {
        Some((word, args)) => {
            (word, args.trim_end_matches(')').split(',').map(|a| a.parse().unwrap()).collect())
        }
        None => (text, Vec::new()),
    };
    let fields = match word {
        "interval year to month" => Some(0x6),
        "interval hour" => Some(0x400),
        "interval day" => Some(0x8),
        "interval minute to second" => Some(0x1800),
        _ => None,
    };
    if let Some(fields) = fields {
        return ColumnType { ty: Type::INTERVAL, typmod: fields << 16 | 0xffff };
    }
    let ty = base(word);
    let typmod = name::typmod(ty, &args).unwrap();
    ColumnType { ty: if is_array { ty.array().unwrap() } else { ty }, typmod }
}

fn shown(result: Result<Datum>, of: ColumnType) -> String {
    match result {
        Ok(Datum::Null) => "<null>".to_owned(),
        Ok(value) => {
            // PostgreSQL's `::text` of a boolean is a word, and of a character type has no blanks at its end.
            let text = cast::cast(value, of.ty, Type::TEXT.into(), true, &settings()).unwrap();
            let Datum::Text(text) = text else { panic!("{text:?}") };
            text.replace('\n', "\\n")
        }
        Err(error) => format!("!{} {}", error.sqlstate(), error.fields().message.replace('\n', "\\n")),
    }
}

/// Compares all lines and reports every difference at once.
fn compare(file: &str, ours: impl Fn(&[&str]) -> String) {
    let mut wrong = Vec::new();
    for line in file.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let (expected, inputs) = columns.split_last().unwrap();
        let got = ours(inputs);
        if got != *expected {
            wrong.push(format!("{inputs:?}\n  postgresql {expected}\n  ours       {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn texts_are_read_and_written_as_postgresql_does() {
    compare(include_str!("golden/io.tsv"), |line| {
        // `date DMY`: read in that order.
        let (name, order) = match line[0] {
            "date DMY" => ("date", DateOrder::Dmy),
            "date YMD" => ("date", DateOrder::Ymd),
            name => (name, DateOrder::Mdy),
        };
        let of = column_type(name);
        let settings = || EvalSettings { date_order: order, ..settings() };
        shown(cast::cast(Datum::text(line[1]), Type::UNKNOWN, of, true, &settings()), of)
    });
}

#[test]
fn values_convert_as_in_postgresql() {
    compare(include_str!("golden/cast.tsv"), |line| {
        let (from, to) = (column_type(line[0]), column_type(line[2]));
        let value = io::input(from.ty, from.typmod, line[1], &settings()).unwrap();
        if cast::pathway(from.ty, to.ty).is_none() {
            let message = format!("cannot cast type {} to {}", from.ty.sql_name(), to.ty.sql_name());
            return format!("!42846 {message}");
        }
        shown(cast::cast(value, from.ty, to, true, &settings()), to)
    });
}

#[test]
fn binary_forms_are_postgresql_s() {
    compare(include_str!("golden/binary.tsv"), |line| {
        let of = column_type(line[0]);
        let value = io::input(of.ty, -1, line[1], &settings()).unwrap();
        let mut bytes = Vec::new();
        binary::send(&value, of.ty, -1, &mut bytes);
        let back = binary::receive(of.ty, -1, &bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{value:?}"), "{line:?}");
        let vector = crate::vector::Vector::from_datums(of.ty, [&value]);
        let mut from_vector = Vec::new();
        binary::send_vector(&vector, 0, -1, &mut from_vector);
        assert_eq!(from_vector, bytes);
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    });
}

#[test]
fn numerics_calculate_as_postgresql_does() {
    compare(include_str!("golden/numeric.tsv"), |line| {
        let n = |i: usize| line[i].parse::<Numeric>().unwrap();
        let digits = || line[2].parse::<i32>().unwrap();
        let result = match line[0] {
            "+" => n(1).add(&n(2)),
            "-" => n(1).sub(&n(2)),
            "*" => n(1).mul(&n(2)),
            "/" => n(1).div(&n(2)),
            "%" => n(1).rem(&n(2)),
            "div" => n(1).div_trunc(&n(2)),
            "sqrt" => n(1).sqrt(),
            "exp" => n(1).exp(),
            "ln" => n(1).ln(),
            "log" => n(2).log(&n(1)),
            "power" => n(1).power(&n(2)),
            "round" => Ok(n(1).round(digits())),
            "trunc" => Ok(n(1).trunc(digits())),
            "ceil" => Ok(n(1).ceil()),
            "floor" => Ok(n(1).floor()),
            "trim_scale" => Ok(n(1).trim_scale()),
            other => panic!("{other}"),
        };
        shown(result.map(Datum::Numeric), Type::NUMERIC.into())
    });
}

#[test]
fn dates_and_intervals_calculate_as_in_postgresql() {
    use super::datetime;
    compare(include_str!("golden/datetime.tsv"), |line| {
        let s = settings();
        let int8 = |ty: Type, i: usize| match io::input(ty, -1, line[i], &s).unwrap() {
            Datum::Int8(x) => x,
            other => panic!("{other:?}"),
        };
        let ts = |i| int8(Type::TIMESTAMP, i);
        let iv = |i: usize| super::interval::parse(line[i], -1).unwrap();
        let float = || line[2].parse::<f64>().unwrap();
        let interval = |r: Result<super::Interval>| shown(r.map(Datum::Interval), Type::INTERVAL.into());
        match line[0] {
            "ts+iv" => shown(datetime::timestamp_add(ts(1), &iv(2)).map(Datum::Int8), Type::TIMESTAMP.into()),
            "tz+iv" => {
                let sum = datetime::timestamptz_add(int8(Type::TIMESTAMPTZ, 1), &iv(2), s.time_zone);
                shown(sum.map(Datum::Int8), Type::TIMESTAMPTZ.into())
            }
            "ts-ts" => interval(datetime::timestamp_sub(ts(1), ts(2))),
            "age" => interval(datetime::age(ts(1), ts(2))),
            "iv*" => interval(iv(1).checked_mul(float())),
            "iv/" => interval(iv(1).checked_div(float())),
            "iv+" => interval(iv(1).checked_add(&iv(2))),
            "iv<" => (super::compare::interval_cmp(&iv(1), &iv(2)) as i32).to_string(),
            "justify_hours" => interval(Ok(iv(1).justify_hours())),
            "justify_days" => interval(Ok(iv(1).justify_days())),
            other => panic!("{other}"),
        }
    });
}

#[test]
fn conversions_are_those_of_pg_cast() {
    use cast::CastContext;
    let mut listed = std::collections::BTreeMap::new();
    for line in include_str!("golden/pg_cast.tsv").lines() {
        let [from, to, context] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let context = match context {
            "i" => CastContext::Implicit,
            "a" => CastContext::Assignment,
            _ => CastContext::Explicit,
        };
        let named = |name: &str| Type(super::BUILTIN_TYPES.iter().find(|t| t.name == name).unwrap().oid);
        listed.insert((named(from), named(to)), context);
    }
    for from in super::BUILTIN_TYPES.iter().map(|t| Type(t.oid)) {
        for to in super::BUILTIN_TYPES.iter().map(|t| Type(t.oid)).filter(|to| *to != from) {
            let of_arrays = from.element().is_some() && to.element().is_some();
            let ours = cast::listed(from, to);
            assert!(of_arrays || ours == listed.get(&(from, to)).copied(), "{from:?} to {to:?}: {ours:?}");
        }
    }
    let way = |from, to| cast::pathway(from, to);
    assert_eq!(way(Type::INT4, Type::TEXT), Some(CastContext::Assignment));
    assert_eq!(way(Type::TEXT, Type::INT4), Some(CastContext::Explicit));
    assert_eq!(way(Type::UNKNOWN, Type::DATE), Some(CastContext::Implicit));
    assert_eq!(way(Type::INT4_ARRAY, Type::INT8_ARRAY), Some(CastContext::Implicit));
    assert_eq!(way(Type::INT4_ARRAY, Type::ANYARRAY), Some(CastContext::Implicit));
    assert_eq!(way(Type::DATE, Type::INT4), None);
    assert_eq!(way(Type::INT4, Type::ANYARRAY), None);
}
