//! The files that are generated from the Rust types are up to date.
//!
//! `PLIMSOLL_UPDATE=1 cargo test -p plimsoll-operator` writes them anew.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use std::path::Path;
use std::{env, fs};

use plimsoll_operator::api;

fn is_up_to_date(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if env::var_os("PLIMSOLL_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is not what operator/src/api says: PLIMSOLL_UPDATE=1 cargo test -p plimsoll-operator"
    );
}

#[test]
fn crds_folder() {
    is_up_to_date("crds/databases.plimsoll.io.yaml", &api::database_crd_yaml().unwrap());
}

#[test]
fn crd_in_the_operators_chart() {
    is_up_to_date(
        "charts/plimsoll-operator/files/databases.plimsoll.io.yaml",
        &api::database_crd_yaml().unwrap(),
    );
}

#[test]
fn values_schema_of_the_databases_chart() {
    is_up_to_date("charts/plimsoll-database/values.schema.json", &api::database_values_schema_json());
}
