use super::*;
use crate::types::key::tests::numeric;
use proptest::prelude::*;

fn value() -> impl Strategy<Value = (Type, Datum)> {
    let some = prop_oneof![
        any::<bool>().prop_map(|x| (Type::BOOL, Datum::Bool(x))),
        any::<i16>().prop_map(|x| (Type::INT2, Datum::Int2(x))),
        any::<i32>().prop_map(|x| (Type::INT4, Datum::Int4(x))),
        any::<i64>().prop_map(|x| (Type::INT8, Datum::Int8(x))),
        any::<i64>().prop_map(|x| (Type::TIMESTAMP, Datum::Int8(x))),
        any::<f32>().prop_map(|x| (Type::FLOAT4, Datum::Float4(x))),
        any::<f64>().prop_map(|x| (Type::FLOAT8, Datum::Float8(x))),
        numeric().prop_map(|x| (Type::NUMERIC, Datum::Numeric(x))),
        ".{0,9}".prop_map(|x| (Type::TEXT, Datum::text(x))),
        any::<Vec<u8>>().prop_map(|x| (Type::BYTEA, Datum::Bytea(x.into()))),
        any::<[u8; 16]>().prop_map(|x| (Type::UUID, Datum::Uuid(x))),
        any::<u32>().prop_map(|x| (Type::REGCLASS, Datum::Oid(x))),
        any::<(i32, i32, i64)>().prop_map(|(months, days, micros)| {
            (Type::INTERVAL, Datum::Interval(Interval { months, days, micros }))
        }),
        prop::collection::vec(prop::option::of(".{0,3}"), 1..4).prop_map(|v| {
            let values: Vec<Datum> = v.into_iter().map(|x| x.map_or(Datum::Null, Datum::text)).collect();
            let array = Array { element: Type::TEXT, dims: vec![(values.len() as i32, 1)], values };
            (Type::TEXT_ARRAY, Datum::Array(Arc::new(array)))
        }),
        any::<i32>().prop_map(|x| {
            let fields = vec![("f1".to_owned(), Type::INT4), ("f2".to_owned(), Type::TEXT)];
            (
                Type::RECORD,
                Datum::Record(Arc::new(Record { fields, values: vec![Datum::Int4(x), Datum::Null] })),
            )
        }),
    ];
    (some, prop::bool::weighted(0.2)).prop_map(|((ty, v), null)| (ty, if null { Datum::Null } else { v }))
}

proptest! {
    #[test]
    fn rows_read_back(row in prop::collection::vec(value(), 0..20), wanted in prop::collection::btree_set(0usize..25, 0..20)) {
        let types: Vec<Type> = row.iter().map(|r| r.0).collect();
        let mut bytes = Vec::new();
        encode_row(&types, row.iter().map(|r| &r.1), &mut bytes);
        // Columns beyond the row's were added later.
        let mut table = types.clone();
        table.resize(25, Type::INT4);
        let wanted: Vec<usize> = wanted.into_iter().rev().collect();
        let reader = RowReader::new(&table, &wanted, vec![Datum::Int4(42); wanted.len()]);
        let got = reader.read(&bytes).unwrap();
        let expected: Vec<Datum> = wanted.iter().map(|w| row.get(*w).map_or(Datum::Int4(42), |r| r.1.clone())).collect();
        // NaN is not equal to itself as `==` has it.
        prop_assert_eq!(format!("{got:?}"), format!("{expected:?}"));
        let mut vectors: Vec<Vector> = wanted.iter().map(|w| Vector::empty(table[*w])).collect();
        let targets: Vec<usize> = (0..wanted.len()).collect();
        for _ in 0..2 {
            reader.read_vectors(&bytes, &targets, &mut vectors).unwrap();
        }
        let second: Vec<Datum> = vectors.iter().map(|v| v.get(1)).collect();
        prop_assert_eq!(format!("{second:?}"), format!("{expected:?}"));
    }

    #[test]
    fn damaged_rows_are_errors_not_panics(bytes in any::<Vec<u8>>(), types in prop::collection::vec(value().prop_map(|v| v.0), 1..5)) {
        let wanted: Vec<usize> = (0..types.len()).collect();
        let reader = RowReader::new(&types, &wanted, vec![Datum::Null; types.len()]);
        let _ = reader.read(&bytes);
        let mut vectors: Vec<Vector> = types.iter().map(|t| Vector::empty(*t)).collect();
        let _ = reader.read_vectors(&bytes, &wanted, &mut vectors);
    }
}

#[test]
fn a_row_of_pgbench_accounts_takes_four_bytes() {
    let mut bytes = Vec::new();
    let row = [Datum::Int4(1), Datum::Int4(0), Datum::text("")];
    encode_row(&[Type::INT4, Type::INT4, Type::BPCHAR], row.iter(), &mut bytes);
    assert_eq!(bytes, [6, 2, 0, 0]);
}

/// How long a full scan of 336,776 rows of 19 columns takes to decode: run with `--release --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure_decoding() {
    let types = [
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::FLOAT8,
        Type::INT4,
        Type::INT4,
        Type::FLOAT8,
        Type::TEXT,
        Type::INT4,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::FLOAT8,
        Type::FLOAT8,
        Type::INT4,
        Type::INT4,
        Type::TIMESTAMP,
    ];
    let row: Vec<Datum> = types
        .iter()
        .map(|t| match *t {
            Type::INT4 => Datum::Int4(1517),
            Type::FLOAT8 => Datum::Float8(2.5),
            Type::TEXT => Datum::text("N14228"),
            _ => Datum::Int8(410_245_200_000_000),
        })
        .collect();
    let mut bytes = Vec::new();
    encode_row(&types, row.iter(), &mut bytes);
    for wanted in [(0..19).collect::<Vec<usize>>(), vec![0, 5, 17]] {
        let reader = RowReader::new(&types, &wanted, vec![Datum::Null; wanted.len()]);
        let targets: Vec<usize> = (0..wanted.len()).collect();
        let start = std::time::Instant::now();
        for _ in 0..336_776 / 1024 {
            let mut vectors: Vec<Vector> =
                wanted.iter().map(|w| Vector::with_capacity(types[*w], 1024)).collect();
            for _ in 0..1024 {
                reader.read_vectors(&bytes, &targets, &mut vectors).unwrap();
            }
        }
        println!("{} columns: {:?}", wanted.len(), start.elapsed());
    }
}
