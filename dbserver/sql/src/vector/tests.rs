use super::*;

fn ints(values: &[Option<i32>]) -> Vector {
    let datums: Vec<Datum> = values.iter().map(|v| v.map_or(Datum::Null, Datum::Int4)).collect();
    Vector::from_datums(Type::INT4, &datums)
}

fn texts(values: &[&str]) -> Vector {
    let datums: Vec<Datum> = values.iter().map(|v| Datum::text(*v)).collect();
    Vector::from_datums(Type::TEXT, &datums)
}

#[test]
fn picking_rows() {
    let v = ints(&[Some(1), None, Some(3)]);
    assert_eq!(v.take(&[2, 1, 2]), ints(&[Some(3), None, Some(3)]));
    assert_eq!(v.take_optional(&[0, NO_ROW]), ints(&[Some(1), None]));
    assert_eq!(v.filter(&[true, false, true]).get(1), Datum::Int4(3));
    assert_eq!(v.slice(1, 9), ints(&[None, Some(3)]));
    let t = texts(&["a", "", "xyz"]);
    assert_eq!(t.take(&[2, 0]), texts(&["xyz", "a"]));
    assert_eq!(t.slice(1, 2), texts(&["", "xyz"]));
    assert_eq!(t.take_optional(&[2, 7]).get(1), Datum::Null);
    assert_eq!(
        Vector::gather(Type::TEXT, &[&t, &texts(&["q"])], &[(1, 0), (0, 2), (NO_ROW, 0)]).get(0),
        Datum::text("q")
    );
}

#[test]
fn appending_keeps_nulls() {
    let mut v = ints(&[Some(1)]);
    v.append(&ints(&[None, Some(2)]));
    v.append(&ints(&[Some(3)]));
    assert_eq!(v, ints(&[Some(1), None, Some(2), Some(3)]));
    let mut t = texts(&["a"]);
    t.append(&texts(&["bc", "d"]));
    assert_eq!(t, texts(&["a", "bc", "d"]));
    let c = Vector::constant(&Datum::text("k"), Type::TEXT, 3);
    assert_eq!(c, texts(&["k", "k", "k"]));
}

#[test]
fn batches() {
    let rows = vec![vec![Datum::Int4(1), Datum::text("a")], vec![Datum::Null, Datum::text("b")]];
    let batch = Batch::from_rows(&[Type::INT4, Type::TEXT], &rows);
    assert_eq!(batch.to_rows(), rows);
    let twice = Batch::concat(&[Type::INT4, Type::TEXT], &[batch.clone(), batch.clone()]);
    assert_eq!(twice.rows, 4);
    assert_eq!(twice.slice(2, 2).to_rows(), rows);
    assert_eq!(batch.filter(&[false, true]).to_rows(), rows[1..]);
}

#[test]
fn floats_order_as_postgresql_has_them() {
    let v = Vector::new(Type::FLOAT8, Values::Float8(vec![f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NAN]));
    assert!(v.compare_values(0, &v, 3).is_gt());
    assert!(v.compare_values(0, &v, 4).is_eq());
    assert!(v.compare_values(1, &v, 2).is_eq());
    let mut hashes = [0u64; 5];
    v.hash_rows(&mut hashes);
    assert_eq!((hashes[0], hashes[1]), (hashes[4], hashes[2]));
}
