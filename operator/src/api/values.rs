//! The schema of the values of the chart `plimsoll-database`, made from the CRD so that the two cannot disagree.

use serde_json::{Map, Value, json};

/// The chart's own keys beside the spec's.
fn chart_keys() -> Value {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({
        "nameOverride": {
            "description": "The name of the Database. Empty: the name of the release.",
            "type": "string",
            "maxLength": 45,
            "pattern": "^([a-z]([-a-z0-9]*[a-z0-9])?)?$"
        },
        "labels": texts,
        "annotations": texts,
        "global": {"type": "object"}
    })
}

pub(super) fn schema() -> Value {
    let crd = serde_json::to_value(super::database_crd()).unwrap_or_default();
    let spec = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
    let spec = spec.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut properties: Map<String, Value> =
        spec.into_iter().map(|(name, field)| (name, plain(field))).collect();
    if let Value::Object(own) = chart_keys() {
        properties.extend(own);
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of plimsoll-database",
        "description": "Generated from operator/src/api by `operator values-schema`; do not edit.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties
    })
}

/// An OpenAPI schema of Kubernetes as plain JSON schema: its extensions out and unknown keys refused. Null is allowed
/// everywhere: it is Helm's way to unset a default.
fn plain(schema: Value) -> Value {
    let Value::Object(map) = schema else { return schema };
    let int_or_string = map.contains_key("x-kubernetes-int-or-string");
    let closed = map.contains_key("properties");
    let mut out: Map<String, Value> = map
        .into_iter()
        .filter(|(key, _)| !key.starts_with("x-kubernetes-") && key != "format")
        .map(|(key, value)| match value {
            Value::Object(fields) if key == "properties" => {
                (key, fields.into_iter().map(|(name, field)| (name, plain(field))).collect())
            }
            value => (key, value),
        })
        .collect();
    if closed {
        out.insert("additionalProperties".into(), Value::Bool(false));
    }
    if let Some(Value::Array(choices)) = out.get_mut("enum") {
        choices.push(Value::Null);
    }
    let kind = out.get("type").cloned();
    match kind {
        Some(kind) => out.insert("type".into(), json!([kind, "null"])),
        None if int_or_string => out.insert("type".into(), json!(["integer", "string", "null"])),
        None => None,
    };
    Value::Object(out)
}
