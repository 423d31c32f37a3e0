use super::*;
use crate::catalog::Column;
use crate::types::ColumnType;

fn table(columns: &[(&str, Type, bool)], primary_key: &[usize]) -> Table {
    let columns = columns.iter().map(|(name, ty, dropped)| Column {
        name: (*name).to_owned(),
        ty: ColumnType::from(*ty),
        not_null: false,
        default: None,
        identity: None,
        sequence: None,
        missing: Datum::Null,
        dropped: *dropped,
    });
    Table {
        oid: 1,
        schema: 1,
        name: "t".to_owned(),
        tree: plimsoll_storage::TreeId(1),
        columns: columns.collect(),
        primary_key: primary_key.to_vec(),
        primary_key_index: None,
        indexes: Vec::new(),
        checks: Vec::new(),
        statistics: None,
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
    }
}

#[test]
fn key_columns_come_from_the_key_where_they_can() {
    let table = table(
        &[
            ("a", Type::TEXT, false),
            ("x", Type::INT4, true),
            ("n", Type::NUMERIC, false),
            ("b", Type::INT8, false),
        ],
        &[3, 2],
    );
    let layout = RowLayout::new(&table);
    let row = [Datum::text("hi"), Datum::Numeric("1.50".parse().unwrap()), Datum::Int8(7)];
    let (mut key, mut value) = (Vec::new(), Vec::new());
    layout.encode_key(&row, &mut key);
    layout.encode_value(&row, &mut value);
    let mut by_values = Vec::new();
    layout.encode_key_values(&[Datum::Int8(7), Datum::Numeric("1.5".parse().unwrap())], &mut by_values);
    assert_eq!(key, by_values);
    let types = [Type::TEXT, Type::NUMERIC, Type::INT8];
    let columns: Vec<_> =
        types.iter().zip(&row).map(|(ty, v)| std::sync::Arc::new(Vector::from_datums(*ty, [v]))).collect();
    let (mut key_from, mut value_from) = (Vec::new(), Vec::new());
    layout.encode_key_from(&columns, 0, &mut key_from);
    layout.encode_value_from(&columns, 0, &mut value_from);
    assert_eq!((&key_from, &value_from), (&key, &value));
    let got = layout.decode(&key, &value, &[3, 2, 0, 3, 0]).unwrap();
    assert_eq!(got, [&row[2], &row[1], &row[0], &row[2], &row[0]].map(Clone::clone));
    let reader = layout.reader(&[2, 3, 2]);
    let mut vectors = reader.vectors(4);
    reader.read_into(&key, &value, &mut vectors).unwrap();
    assert_eq!(
        [vectors[0].get(0), vectors[1].get(0), vectors[2].get(0)],
        [&row[1], &row[2], &row[1]].map(Clone::clone)
    );
}

#[test]
fn rows_from_before_a_column_was_added_have_its_missing_value() {
    let before = table(&[("a", Type::INT4, false)], &[]);
    let mut after = table(&[("a", Type::INT4, false), ("b", Type::TEXT, false)], &[]);
    after.columns[1].missing = Datum::text("new");
    let mut value = Vec::new();
    RowLayout::new(&before).encode_value(&[Datum::Int4(5)], &mut value);
    let got = RowLayout::new(&after).decode(&row_number_key(1), &value, &[0, 1]).unwrap();
    assert_eq!(got, [Datum::Int4(5), Datum::text("new")]);
}
