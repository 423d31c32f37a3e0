//! The NetworkPolicy: clients of the whole cluster reach the two ports, and the server reaches nobody. A database that
//! cannot open connections cannot be made to send its data away.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Inputs, owned, selector};

pub(super) fn build(inputs: &Inputs) -> NetworkPolicy {
    // An empty selector selects every namespace: pods of this cluster, not the world behind a load balancer.
    let any_namespace = LabelSelector { match_labels: Some(BTreeMap::new()), ..LabelSelector::default() };
    NetworkPolicy {
        metadata: owned(inputs, &inputs.names.network_policy),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(selector(inputs.names)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![NetworkPolicyPeer {
                    namespace_selector: Some(any_namespace),
                    ..NetworkPolicyPeer::default()
                }]),
                ports: Some(vec![port("postgresql"), port("http")]),
            }]),
            // No rule under `policyTypes: Egress`: nothing is allowed out.
            egress: None,
        }),
    }
}

fn port(name: &str) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    }
}
