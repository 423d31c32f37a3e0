//! Every field of every object, held against files. `PLIMSOLL_UPDATE=1 cargo test -p plimsoll-operator` writes them anew;
//! read the difference before you commit it.

use std::path::Path;
use std::{env, fs};

use serde::Serialize;

use super::*;
use crate::api::{DatabaseSpec, WhenDeleted};
use crate::database::validate::validate;

fn golden(file: &str, objects: Vec<serde_json::Value>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/database/build/golden").join(file);
    let documents: Vec<String> =
        objects.iter().map(|object| serde_yaml::to_string(object).unwrap()).collect();
    let text = documents.join("---\n");
    if env::var_os("PLIMSOLL_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (expected, found) in expected.lines().zip(text.lines()) {
        assert_eq!(found, expected, "{file} differs");
    }
    assert_eq!(text.lines().count(), expected.lines().count(), "{file} differs in length");
}

fn value(object: impl Serialize) -> serde_json::Value {
    serde_json::to_value(object).unwrap()
}

fn documents(objects: Objects) -> Vec<serde_json::Value> {
    let Objects {
        secret,
        config_map,
        volume_claim,
        service,
        headless_service,
        network_policy,
        stateful_set,
        service_monitor,
    } = objects;
    let mut all = vec![
        value(secret),
        value(config_map),
        value(volume_claim),
        value(service),
        value(headless_service),
        value(network_policy),
        value(stateful_set),
    ];
    all.extend(service_monitor.map(value));
    all
}

fn build_from(spec: &DatabaseSpec, with_service_monitor: bool) -> Objects {
    let names = Names::of("shop", "orders");
    let owner = OwnerReference {
        api_version: "plimsoll.io/v1alpha1".to_owned(),
        kind: "Database".to_owned(),
        name: "orders".to_owned(),
        uid: "11111111-2222-3333-4444-555555555555".to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    build(&Inputs {
        names: &names,
        owner: &owner,
        spec,
        config: &validate(spec).unwrap(),
        image: spec.image.as_deref().unwrap_or("plimsoll/dbserver:0.1.0"),
        password: "correcthorsebatterystaple",
        volume_size: &spec.storage.size,
        storage_class_name: spec.storage.storage_class_name.as_deref(),
        with_service_monitor,
    })
}

#[test]
fn nothing_said() {
    golden("defaults.yaml", documents(build_from(&DatabaseSpec::default(), false)));
}

#[test]
fn everything_said() {
    let spec: DatabaseSpec = serde_yaml::from_str(
        "
        image: example/dbserver:2
        storage: {size: 20Gi, storageClassName: fast, whenDeleted: Delete}
        resources: {requests: {cpu: 2, memory: 4Gi}, limits: {cpu: 4, memory: 4Gi}}
        limits: {queryTimeout: 1m30s, maxRows: 5, maxQueryMemory: 0.5Gi, maxQuerySize: 1Mi, bulkTimeout: 1h}
        pool: {maxConnections: 7, acquireTimeout: 1500ms, idleTimeout: 10m, idleInTransactionTimeout: 5s, activeStatements: 3}
        logging: {level: debug, queries: all, slowQuery: 250ms, parameters: true}
        ",
    )
    .unwrap();
    golden("everything.yaml", documents(build_from(&spec, true)));
}

#[test]
fn limits_pool_and_logging_stay_out_of_the_pod() {
    let before = DatabaseSpec::default();
    let mut after = before.clone();
    after.limits.query_timeout = "7s".into();
    after.pool.max_connections = 1;
    after.logging.parameters = true;
    after.storage.when_deleted = WhenDeleted::Delete;
    after.storage.size = "11Gi".into();
    assert_eq!(value(build_from(&before, false).stateful_set), value(build_from(&after, false).stateful_set));
    assert_ne!(value(build_from(&before, false).config_map), value(build_from(&after, false).config_map));
}

#[test]
fn names_fit_their_limits() {
    let names = Names::of("shop", &"a".repeat(45));
    for name in [&names.service, &names.headless_service, &names.pod, &names.secret, &names.config_map] {
        assert!(name.len() <= 63, "{name}");
    }
    // A StatefulSet's pods carry its name, a hyphen and ten characters of hash in a label.
    assert!(names.stateful_set.len() + 11 <= 63);
}
