//! The ServiceMonitor, for clusters where a Prometheus operator knows that kind.

use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::json;

use super::{Inputs, owned, selector, services};
use crate::database::names::label;

/// The kind ServiceMonitor. Its types are not in Kubernetes' own API.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor");
    ApiResource::from_gvk_with_plural(&kind, "servicemonitors")
}

pub(super) fn build(inputs: &Inputs) -> DynamicObject {
    let mut matched = selector(inputs.names);
    matched.insert(label::SERVICE.to_owned(), services::CLIENT.to_owned());
    let mut monitor = DynamicObject::new(&inputs.names.service_monitor, &resource());
    monitor.metadata = owned(inputs, &inputs.names.service_monitor);
    monitor.data = json!({
        "spec": {
            "selector": {"matchLabels": matched},
            "endpoints": [{"port": "http", "path": "/metrics", "interval": "15s"}]
        }
    });
    monitor
}
