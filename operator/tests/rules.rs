//! The CRD's own rules refuse what is impossible: the CEL rules, evaluated here as the API server evaluates them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

use kube_cel::Validator;
use plimsoll_operator::api::database_crd;
use serde_json::{Value, json};

/// The messages of the CEL rules that `spec` breaks, after `old` if it was there before.
fn broken(name: &str, spec: Value, old: Option<Value>) -> Vec<String> {
    let crd = serde_json::to_value(database_crd()).unwrap();
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
    let object = |spec: Value| json!({"metadata": {"name": name}, "spec": spec});
    let old = old.map(object);
    match Validator::new().validate(schema, &object(spec), old.as_ref()) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.as_slice().iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn accepted(spec: Value) {
    assert_eq!(broken("orders", spec.clone(), None), Vec::<String>::new(), "{spec}");
}

#[track_caller]
fn refused(spec: Value, because: &str) {
    let broken = broken("orders", spec.clone(), None);
    assert!(broken.iter().any(|message| message.contains(because)), "{spec}: {broken:?}");
}

#[test]
fn nothing_said_is_fine() {
    accepted(json!({}));
}

#[test]
fn the_example_of_the_manual_is_fine() {
    accepted(json!({
        "storage": {"size": "10Gi", "storageClassName": "standard", "whenDeleted": "Retain"},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "limits": {"queryTimeout": "30s", "maxRows": 1000000, "maxQueryMemory": "256Mi", "maxQuerySize": "10Mi"},
        "pool": {"maxConnections": 100, "acquireTimeout": "30s", "idleTimeout": "300s"},
        "logging": {"level": "info", "queries": "slow", "slowQuery": "1s"}
    }));
}

#[test]
fn query_memory_stays_within_the_servers() {
    accepted(json!({"limits": {"maxQueryMemory": "1Gi"}}));
    refused(json!({"limits": {"maxQueryMemory": "1025Mi"}}), "must not exceed resources.limits.memory");
    refused(json!({"limits": {"maxQueryMemory": "1k"}}), "at least 1Mi");
    accepted(json!({"limits": {"maxQueryMemory": "2Gi"}, "resources": {"limits": {"memory": "2Gi"}}}));
}

#[test]
fn requests_stay_within_limits() {
    refused(json!({"resources": {"requests": {"memory": "2Gi"}}}), "resources.requests.memory");
    refused(
        json!({"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1, "memory": "1Gi"}}}),
        "requests.cpu",
    );
    accepted(json!({"resources": {"requests": {"cpu": 1}}}));
    refused(json!({"resources": {"limits": {"cpu": 1}}}), "needs a memory limit");
    refused(json!({"resources": {"limits": {"memory": "127Mi"}}}), "at least 128Mi");
}

#[test]
fn a_volume_grows_but_does_not_shrink() {
    let update = |old: &str, new: &str| {
        broken("orders", json!({"storage": {"size": new}}), Some(json!({"storage": {"size": old}})))
    };
    assert_eq!(update("1Gi", "2Gi"), Vec::<String>::new());
    assert_eq!(update("1Gi", "1024Mi"), Vec::<String>::new());
    assert!(update("1Gi", "1023Mi")[0].contains("not shrink"));
    refused(json!({"storage": {"size": "1Mi"}}), "at least 64Mi");
}

#[test]
fn a_size_that_was_refused_can_be_taken_back() {
    let crd = serde_json::to_value(database_crd()).unwrap();
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
    let with_volume = |size: &str, volume: &str| json!({"metadata": {"name": "orders"}, "spec": {"storage": {"size": size}}, "status": {"volumeSize": volume}});
    let update = |old: Value, new: Value| Validator::new().validate(schema, &new, Some(&old)).is_ok();
    assert!(update(with_volume("2Gi", "1Gi"), with_volume("1Gi", "1Gi")));
    assert!(!update(with_volume("2Gi", "1Gi"), with_volume("1023Mi", "1Gi")));
    assert!(!update(with_volume("2Gi", "2Gi"), with_volume("1Gi", "2Gi")));
}

#[test]
fn the_storage_class_is_fixed() {
    let update =
        |old: Value, new: Value| broken("orders", json!({"storage": new}), Some(json!({"storage": old})));
    let class = |name: &str| json!({"storageClassName": name});
    assert_eq!(update(class("a"), class("a")), Vec::<String>::new());
    for (old, new) in [(class("a"), class("b")), (class("a"), json!({})), (json!({}), class("a"))] {
        assert!(update(old, new)[0].contains("cannot change"));
    }
}

#[test]
fn durations_are_longer_than_nothing_and_at_most_a_year() {
    refused(json!({"limits": {"queryTimeout": "0s"}}), "longer than no time");
    refused(json!({"pool": {"idleTimeout": "0h0ms"}}), "longer than no time");
    accepted(json!({"limits": {"queryTimeout": "1h30m", "bulkTimeout": "250ms"}}));
    accepted(json!({"limits": {"queryTimeout": "8760h"}}));
    refused(json!({"limits": {"queryTimeout": "8760h1ms"}}), "at most a year");
}

#[test]
fn the_name_becomes_a_dns_name() {
    for name in ["a", "orders-2", &"a".repeat(45)] {
        assert_eq!(broken(name, json!({}), None), Vec::<String>::new(), "{name}");
    }
    for name in ["2orders", "orders.prod", "orders-", &"a".repeat(46)] {
        assert!(broken(name, json!({}), None)[0].contains("metadata.name"), "{name}");
    }
}

#[test]
fn every_field_is_described() {
    fn walk(path: &str, schema: &Value) {
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(!description.is_empty(), "{path} has no description");
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), property);
        }
    }
    let crd = serde_json::to_value(database_crd()).unwrap();
    walk("spec", crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap());
    walk("status", crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status").unwrap());
}
