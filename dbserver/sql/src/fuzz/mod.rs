//! The decoders of rows, of keys and of binary parameters, given bytes that nobody wrote: a seeded loop changes valid inputs and
//! those of the corpus. A decoder may refuse them; it may not panic, nor make more values than it was given bytes.
//!
//! `corpus.txt` has a line for each input worth keeping: the decoder's name and the bytes in hexadecimal.

#[path = "../../../storage/src/fuzz/mutate.rs"]
mod mutate;

use std::sync::Arc;

use mutate::{corpus, mutate};
use num_bigint::BigInt;
use rand::prelude::*;

use crate::types::key::{self, KeyPart};
use crate::types::row::{RowReader, encode_row};
use crate::types::{Array, Datum, Interval, Numeric, Record, Type, binary};
use crate::vector::Vector;

/// Changed inputs for each decoder.
const ROUNDS: usize = 4_000;

/// A value of each form that rows know.
fn values() -> Vec<(Type, Datum)> {
    let texts = vec![Datum::text("a"), Datum::Null, Datum::text("bc")];
    let array = Datum::Array(Arc::new(Array { element: Type::TEXT, dims: vec![(3, 1)], values: texts }));
    let fields = vec![("f1".to_owned(), Type::INT4), ("f2".to_owned(), Type::TEXT_ARRAY)];
    let record = Record { fields, values: vec![Datum::Int4(7), array.clone()] };
    let big = Numeric::from_big(BigInt::from(i128::MIN), 9);
    vec![
        (Type::BOOL, Datum::Bool(true)),
        (Type::INT2, Datum::Int2(-3)),
        (Type::INT4, Datum::Int4(i32::MIN)),
        (Type::INT8, Datum::Int8(i64::MAX)),
        (Type::TIMESTAMP, Datum::Int8(410_245_200_000_000)),
        (Type::FLOAT4, Datum::Float4(1.5)),
        (Type::FLOAT8, Datum::Float8(-0.0)),
        (Type::NUMERIC, Datum::Numeric(Numeric::new(12_345, 2))),
        (Type::NUMERIC, Datum::Numeric(big)),
        (Type::TEXT, Datum::text("caf\u{e9}")),
        (Type::BYTEA, Datum::Bytea(vec![0, 1, 0, 0xff].into())),
        (Type::UUID, Datum::Uuid([7; 16])),
        (Type::OID, Datum::Oid(u32::MAX)),
        (Type::INTERVAL, Datum::Interval(Interval { months: 1, days: -2, micros: 3 })),
        (Type::TEXT_ARRAY, array),
        (Type::RECORD, Datum::Record(Arc::new(record))),
        (Type::INT4, Datum::Null),
    ]
}

fn types() -> Vec<Type> {
    values().into_iter().map(|(ty, _)| ty).collect()
}

/// How many values there are in one.
fn count(value: &Datum) -> usize {
    match value {
        Datum::Array(array) => 1 + array.values.iter().map(count).sum::<usize>(),
        Datum::Record(record) => 1 + record.values.iter().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Both ways of reading a row say the same; so does reading a part of it.
fn decode_row(bytes: &[u8]) {
    let types = types();
    let all: Vec<usize> = (0..types.len()).collect();
    let row = RowReader::new(&types, &all, vec![Datum::Null; types.len()]).read(bytes);
    let mut vectors: Vec<Vector> = types.iter().map(|ty| Vector::empty(*ty)).collect();
    let in_vectors =
        RowReader::new(&types, &all, vec![Datum::Null; types.len()]).read_vectors(bytes, &all, &mut vectors);
    let Ok(row) = row else { return };
    // Not the other way round: that a text is UTF-8 is left to the block's checksum where rows are read into vectors.
    in_vectors.unwrap();
    assert!(row.iter().map(count).sum::<usize>() <= bytes.len() + 2 * types.len());
    let read: Vec<Datum> = vectors.iter().map(|vector| vector.get(0)).collect();
    assert_eq!(format!("{read:?}"), format!("{row:?}"));
    let some: Vec<usize> = all.into_iter().rev().step_by(3).collect();
    let part = RowReader::new(&types, &some, vec![Datum::Null; some.len()]).read(bytes);
    let expected: Vec<&Datum> = some.iter().map(|column| &row[*column]).collect();
    assert_eq!(format!("{:?}", part.unwrap()), format!("{expected:?}"));
}

fn parts(descending: bool) -> Vec<KeyPart> {
    types()
        .into_iter()
        .map(|ty| KeyPart { descending, nulls_first: descending, ..KeyPart::ascending(ty) })
        .collect()
}

fn decode_key(bytes: &[u8]) {
    for descending in [false, true] {
        let parts = parts(descending);
        let _ = key::decode(bytes, &parts);
        // Each form at the start as well, which damage before it cannot hide.
        for part in &parts {
            if let Ok(values) = key::decode(bytes, std::slice::from_ref(part)) {
                assert_eq!(values.len(), 1);
            }
        }
    }
}

fn decode_parameter(bytes: &[u8]) {
    let more = [Type::JSONB, Type::VARCHAR, Type::NAME, Type::CHAR, Type::TIME, Type::INT4_ARRAY];
    for ty in types().into_iter().chain(more) {
        if let Ok(value) = binary::receive(ty, -1, bytes) {
            assert!(count(&value) <= bytes.len() + 1);
        }
    }
}

fn row() -> Vec<u8> {
    let values: Vec<Datum> = values().into_iter().map(|(_, value)| value).collect();
    let mut out = Vec::new();
    encode_row(&types(), values.iter(), &mut out);
    out
}

fn key(descending: bool) -> Vec<u8> {
    let values: Vec<Datum> = values().into_iter().map(|(_, value)| value).collect();
    let mut out = Vec::new();
    key::encode(&values, &parts(descending), &mut out);
    out
}

fn parameters() -> Vec<Vec<u8>> {
    let send = |(ty, value): (Type, Datum)| {
        let mut out = Vec::new();
        binary::send(&value, ty, -1, &mut out);
        out
    };
    values().into_iter().filter(|(_, value)| !value.is_null()).map(send).collect()
}

#[test]
fn no_input_makes_a_decoder_panic_or_take_memory_at_will() {
    type Decoder = (&'static str, fn(&[u8]), Vec<Vec<u8>>);
    let decoders: [Decoder; 3] = [
        ("row", decode_row, vec![row(), vec![0]]),
        ("key", decode_key, vec![key(false), key(true)]),
        ("parameter", decode_parameter, parameters()),
    ];
    for (name, decode, mut inputs) in decoders {
        inputs.extend(corpus(include_str!("corpus.txt"), name));
        inputs.iter().for_each(|input| decode(input));
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..ROUNDS {
            let mut bytes = inputs.choose(&mut rng).unwrap().clone();
            mutate(&mut rng, &mut bytes, &inputs);
            decode(&bytes);
        }
    }
}
