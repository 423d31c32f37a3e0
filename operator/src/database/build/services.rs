//! The Services: one with an address where clients connect, and the headless one a StatefulSet asks for.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{HTTP_PORT, Inputs, POSTGRESQL_PORT, owned, selector};
use crate::database::names::label;

/// What [`label::SERVICE`] says of the Service where clients connect; the ServiceMonitor selects it.
pub(super) const CLIENT: &str = "client";
const HEADLESS: &str = "headless";

pub(super) fn client(inputs: &Inputs) -> Service {
    let mut service = service(inputs, &inputs.names.service, CLIENT);
    if let Some(spec) = &mut service.spec {
        spec.type_ = Some("ClusterIP".to_owned());
    }
    service
}

pub(super) fn headless(inputs: &Inputs) -> Service {
    let mut service = service(inputs, &inputs.names.headless_service, HEADLESS);
    if let Some(spec) = &mut service.spec {
        spec.cluster_ip = Some("None".to_owned());
        // The pod's own name must resolve before it is ready: one may want to look at it just then.
        spec.publish_not_ready_addresses = Some(true);
    }
    service
}

fn service(inputs: &Inputs, name: &str, kind: &str) -> Service {
    let mut metadata = owned(inputs, name);
    metadata.labels.get_or_insert_default().insert(label::SERVICE.to_owned(), kind.to_owned());
    Service {
        metadata,
        spec: Some(ServiceSpec {
            selector: Some(selector(inputs.names)),
            ports: Some(vec![port("postgresql", POSTGRESQL_PORT), port("http", HTTP_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn port(name: &str, port: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(name.to_owned())),
        ..ServicePort::default()
    }
}
