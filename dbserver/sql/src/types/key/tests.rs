use super::*;
use crate::types::compare::compare;
use proptest::prelude::*;
use std::cmp::Ordering;

pub(crate) fn numeric() -> impl Strategy<Value = Numeric> {
    prop_oneof![
        8 => (any::<i64>(), 0u16..25).prop_map(|(c, s)| Numeric::new(c, s)),
        4 => (-2000i64..2000, 0u16..4).prop_map(|(c, s)| Numeric::new(c, s)),
        2 => (any::<i128>(), 0u16..60).prop_map(|(c, s)| Numeric::from_i128(c, s)),
        1 => Just(Numeric::NAN),
        1 => Just(Numeric::INFINITY),
        1 => Just(Numeric::NEG_INFINITY),
    ]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(0.0), Just(-0.0), Just(f64::NAN), Just(f64::INFINITY), -3.0..3.0f64]
}

/// Two values of one type.
fn pair() -> impl Strategy<Value = (Type, Datum, Datum)> {
    fn two<T: std::fmt::Debug + 'static>(
        ty: Type,
        s: impl Strategy<Value = T> + Clone + 'static,
        f: fn(T) -> Datum,
    ) -> impl Strategy<Value = (Type, Datum, Datum)> {
        let one = prop_oneof![9 => s.prop_map(f), 1 => Just(Datum::Null)].boxed();
        (one.clone(), one).prop_map(move |(a, b)| (ty, a, b))
    }
    prop_oneof![
        two(Type::BOOL, any::<bool>(), Datum::Bool),
        two(Type::INT2, any::<i16>(), Datum::Int2),
        two(Type::INT4, prop_oneof![any::<i32>(), -3..3i32], Datum::Int4),
        two(Type::INT8, any::<i64>(), Datum::Int8),
        two(Type::OID, any::<u32>(), Datum::Oid),
        two(Type::FLOAT8, float().boxed(), Datum::Float8),
        two(Type::FLOAT4, float().boxed(), |x| Datum::Float4(x as f32)),
        two(Type::NUMERIC, numeric().boxed(), Datum::Numeric),
        two(Type::TEXT, "[ab\u{e9}\u{0}]{0,4}", Datum::text),
        two(
            Type::BYTEA,
            prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..5),
            |b| { Datum::Bytea(b.into()) }
        ),
        two(Type::UUID, any::<[u8; 16]>(), Datum::Uuid),
        two(Type::INTERVAL, (-50..50i32, -100..100i32, any::<i64>()), |(months, days, micros)| {
            Datum::Interval(Interval { months, days, micros })
        }),
        two(Type::INT4_ARRAY, prop::collection::vec(prop::option::of(-2..3i32), 0..4), |v| {
            let values: Vec<Datum> = v.into_iter().map(|x| x.map_or(Datum::Null, Datum::Int4)).collect();
            let dims = if values.is_empty() { vec![] } else { vec![(values.len() as i32, 1)] };
            Datum::Array(std::sync::Arc::new(crate::types::Array { element: Type::INT4, dims, values }))
        }),
    ]
}

fn order(a: &Datum, b: &Datum, part: KeyPart) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (false, false) if part.descending => compare(b, a),
        (false, false) => compare(a, b),
        (true, true) => Ordering::Equal,
        (a_null, _) => {
            if a_null == part.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
    #[test]
    fn keys_order_as_values_do((ty, a, b) in pair(), descending: bool, nulls_first: bool, x: i32, y: i32) {
        let part = KeyPart { ty, descending, nulls_first };
        let parts = [part, KeyPart::ascending(Type::INT4)];
        let (mut ka, mut kb) = (Vec::new(), Vec::new());
        encode(&[a.clone(), Datum::Int4(x)], &parts, &mut ka);
        encode(&[b.clone(), Datum::Int4(y)], &parts, &mut kb);
        let expected = order(&a, &b, part).then(x.cmp(&y));
        prop_assert_eq!(ka.cmp(&kb), expected);
        // Reads back, or at least past it.
        let back = decode(&ka, &parts).unwrap();
        prop_assert_eq!(&back[1], &Datum::Int4(x));
        if is_reversible(ty) {
            prop_assert_eq!(&back[0], &a);
        }
        // The vector form gives the same bytes, and equal values one hash.
        let va = crate::vector::Vector::from_datums(ty, [&a, &b]);
        let mut from_vector = Vec::new();
        encode_from(&va, 0, part, &mut from_vector);
        prop_assert!(ka.starts_with(&from_vector));
        prop_assert_eq!(va.compare_rows(0, &va, 1, descending, nulls_first), order(&a, &b, part));
        if compare(&a, &b).is_eq() {
            prop_assert_eq!(crate::types::compare::hash(&a), crate::types::compare::hash(&b));
            let mut hashes = [7u64; 2];
            va.hash_rows(&mut hashes);
            prop_assert_eq!(hashes[0], hashes[1]);
        }
    }

    #[test]
    fn damaged_keys_are_errors_not_panics(bytes in prop::collection::vec(any::<u8>(), 0..20), (ty, _, _) in pair(), descending: bool) {
        let _ = decode(&bytes, &[KeyPart { ty, descending, nulls_first: false }; 2]);
    }
}

#[test]
fn numerics_of_other_scales_have_one_key() {
    let key = |text: &str| {
        let mut out = Vec::new();
        encode_part(&Datum::Numeric(text.parse().unwrap()), KeyPart::ascending(Type::NUMERIC), &mut out);
        out
    };
    assert_eq!(key("1.50"), key("1.5"));
    assert_eq!(key("0.00"), key("-0"));
    assert_eq!(key("1e30"), key("1000000000000000000000000000000.000"));
    assert!(key("-1.51") < key("-1.5") && key("9.99") < key("10"));
}

#[test]
fn successors() {
    assert_eq!(successor(&[1, 2]), Some(vec![1, 3]));
    assert_eq!(successor(&[1, 0xff, 0xff]), Some(vec![2]));
    assert_eq!(successor(&[0xff]), None);
    assert_eq!(not_null_range(&[9]), (vec![9, 1], Some(vec![9, 2])));
}
