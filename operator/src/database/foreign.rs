//! What others put into our objects.
//!
//! A label or an annotation beside ours is its owner's business. A field beside ours in `spec` or `data` is not: one more
//! key in a Service's selector, and no client reaches the server. Server-side apply leaves such fields alone, but the API
//! server keeps account in `metadata.managedFields` of who set what, so they can be found and taken out:
//!
//! ```text
//!   plimsoll, Apply     f:spec: {f:selector: {}, f:type: {}}         what we set
//!   kubectl, Update     f:spec: {f:externalIPs: {}}                  ── we do not set it: out with it
//!   kubectl, Update     f:spec: {f:selector: {}}                     ── ours no longer, so changed since: ours again
//! ```
//!
//! What nobody set (defaults, an address that the API server chose) is in no account, and stays.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use crate::api::MANAGER;

/// A merge patch (RFC 7386) that leaves of the object with this metadata what `desired` says: `desired`, and a null for each
/// field that others put beside it. None where nobody did.
pub fn without_foreign(desired: &Value, live: &ObjectMeta) -> Option<Value> {
    let entries = live.managed_fields.as_deref().unwrap_or_default();
    // Subresources are the work of controllers: status, scale.
    let whole = entries.iter().filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    let ours = whole.clone().find(|entry| is_ours(entry)).and_then(fields);
    let theirs = whole.filter(|entry| !is_ours(entry)).filter_map(fields);
    theirs.fold(None, |found, theirs| without(theirs, ours, found.as_ref().unwrap_or(desired)).or(found))
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(MANAGER) && entry.operation.as_deref() == Some("Apply")
}

fn fields(entry: &ManagedFieldsEntry) -> Option<&Value> {
    entry.fields_v1.as_ref().map(|fields| &fields.0)
}

/// `desired` without what `theirs` holds beside it, if there is any. `theirs` and `ours` are accounts of managed fields: a
/// key is `f:NAME`, or in a list `k:{KEY FIELDS}` or `v:VALUE`; one with nothing below is a value, or a list or map that
/// has one owner as a whole.
fn without(theirs: &Value, ours: Option<&Value>, desired: &Value) -> Option<Value> {
    let theirs = theirs.as_object()?;
    if theirs.is_empty() {
        return ours.is_none().then(|| desired.clone());
    }
    let below = |key: &str| ours.and_then(|ours| ours.get(key));
    match desired {
        Value::Object(set) => {
            let mut patch = set.clone();
            let mut found = false;
            for (key, theirs) in theirs {
                let Some(name) = key.strip_prefix("f:").filter(|name| *name != "metadata") else { continue };
                let instead = match set.get(name) {
                    Some(desired) => without(theirs, below(key), desired),
                    None => Some(Value::Null),
                };
                if let Some(instead) = instead {
                    patch.insert(name.to_owned(), instead);
                    found = true;
                }
            }
            found.then_some(Value::Object(patch))
        }
        // A merge patch replaces a list as a whole.
        Value::Array(items) => {
            let mut keys = theirs.iter().filter(|(key, _)| *key != ".");
            let foreign = keys.any(|(key, theirs)| match item(items, key) {
                Some(item) => without(theirs, below(key), item).is_some(),
                None => true,
            });
            foreign.then(|| desired.clone())
        }
        _ => None,
    }
}

/// The item of a list that a key of an account names.
fn item<'a>(items: &'a [Value], key: &str) -> Option<&'a Value> {
    let (kind, name) = key.split_once(':')?;
    let named: Value = serde_json::from_str(name).ok()?;
    items.iter().find(|item| match (kind, &named) {
        // Kubernetes fills key fields in that were not said (a port's protocol).
        ("k", Value::Object(fields)) => {
            fields.iter().all(|(f, v)| item.get(f).is_none_or(|found| found == v))
        }
        ("v", value) => *item == value,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(accounts: &[(&str, &str, Value)]) -> ObjectMeta {
        let entries: Vec<Value> = accounts
            .iter()
            .map(|(manager, operation, fields)| {
                json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields})
            })
            .collect();
        serde_json::from_value(json!({"managedFields": entries})).unwrap()
    }

    fn service() -> Value {
        json!({"metadata": {"name": "orders"}, "spec": {
            "selector": {"app": "orders"}, "type": "ClusterIP", "ports": [{"name": "sql", "port": 5432}]}})
    }

    fn ours() -> (&'static str, &'static str, Value) {
        let port = json!({".": {}, "f:name": {}, "f:port": {}});
        let ports = json!({r#"k:{"port":5432,"protocol":"TCP"}"#: port});
        (MANAGER, "Apply", json!({"f:spec": {"f:selector": {}, "f:type": {}, "f:ports": ports}}))
    }

    #[test]
    fn what_is_ours_alone_stays() {
        assert_eq!(without_foreign(&service(), &ObjectMeta::default()), None);
        assert_eq!(without_foreign(&service(), &live(&[ours()])), None);
        // Set by another too, to the same value.
        let same = ("kubectl", "Update", json!({"f:spec": {"f:type": {}, "f:selector": {}}}));
        assert_eq!(without_foreign(&service(), &live(&[ours(), same])), None);
    }

    #[test]
    fn labels_and_annotations_are_their_owners() {
        let theirs = json!({"f:metadata": {"f:annotations": {".": {}, "f:note": {}}},
            "f:spec": {"f:template": {"f:metadata": {"f:annotations": {}}}}});
        let mut desired = service();
        desired["spec"]["template"] = json!({"metadata": {}});
        assert_eq!(without_foreign(&desired, &live(&[ours(), ("kubectl", "Update", theirs)])), None);
    }

    #[test]
    fn a_field_beside_ours_goes() {
        let theirs = [
            ("kubectl-edit", "Update", json!({"f:spec": {"f:externalIPs": {}}})),
            (
                "helm",
                "Apply",
                json!({"f:spec": {"f:sessionAffinityConfig": {"f:clientIP": {"f:timeoutSeconds": {}}}}}),
            ),
        ];
        let [one, two] = theirs;
        let mut expected = service();
        expected["spec"]["externalIPs"] = json!(null);
        expected["spec"]["sessionAffinityConfig"] = json!(null);
        assert_eq!(without_foreign(&service(), &live(&[ours(), one, two])), Some(expected));
    }

    #[test]
    fn a_whole_that_is_ours_no_longer_was_changed() {
        let (manager, operation, mut fields) = ours();
        fields["f:spec"].as_object_mut().unwrap().remove("f:selector");
        let theirs = ("kubectl", "Update", json!({"f:spec": {"f:selector": {}}}));
        assert_eq!(
            without_foreign(&service(), &live(&[(manager, operation, fields), theirs])),
            Some(service())
        );
    }

    #[test]
    fn a_list_with_foreign_items_or_fields_is_put_back() {
        for item in [
            json!({r#"k:{"port":9,"protocol":"TCP"}"#: {".": {}, "f:port": {}}}),
            json!({r#"k:{"port":5432,"protocol":"TCP"}"#: {"f:nodePort": {}}}),
        ] {
            let theirs = ("kubectl", "Update", json!({"f:spec": {"f:ports": item}}));
            assert_eq!(without_foreign(&service(), &live(&[ours(), theirs])), Some(service()));
        }
    }

    #[test]
    fn status_is_its_controllers() {
        let mut meta =
            live(&[ours(), ("kube-controller-manager", "Update", json!({"f:status": {"f:replicas": {}}}))]);
        meta.managed_fields.as_mut().unwrap()[1].subresource = Some("status".to_owned());
        assert_eq!(without_foreign(&service(), &meta), None);
    }
}
