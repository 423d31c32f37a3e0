//! The StatefulSet of one replica that runs the server.
//!
//! Kubernetes restarts the pod without the operator; the operator orders rollouts (`OnDelete`), so that a pod that
//! never became ready under a bad template does not hold up the good one. Nothing of `limits`, `pool` and `logging`
//! is in the pod template: they reach the running server through the mounted ConfigMap.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, HTTPGetAction, KeyToPath,
    PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{
    CONFIG_DIR, CONFIG_KEY, CONTAINER, DATA_DIR, HTTP_PORT, Inputs, PASSWORD_KEY, POSTGRESQL_PORT,
    SECRET_DIR, labels, owned, selector,
};
use crate::api::ResourceAmounts;

/// The user and group of the server, as in its image.
const USER_ID: i64 = 65532;
/// How long the server may finish statements and flush before it is killed.
const TERMINATION_GRACE_SECONDS: i64 = 60;

pub(super) fn build(inputs: &Inputs) -> StatefulSet {
    StatefulSet {
        metadata: owned(inputs, &inputs.names.stateful_set),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(inputs.names.headless_service.clone()),
            selector: LabelSelector {
                match_labels: Some(selector(inputs.names)),
                ..LabelSelector::default()
            },
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            revision_history_limit: Some(3),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels(inputs.names)), ..ObjectMeta::default() }),
                spec: Some(pod(inputs)),
            },
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn pod(inputs: &Inputs) -> PodSpec {
    PodSpec {
        containers: vec![container(inputs)],
        // The server speaks to no API.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER_ID),
            run_as_group: Some(USER_ID),
            fs_group: Some(USER_ID),
            // A volume full of files is not walked at every start.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(TERMINATION_GRACE_SECONDS),
        volumes: Some(vec![
            Volume {
                name: "config".to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: inputs.names.config_map.clone(),
                    ..ConfigMapVolumeSource::default()
                }),
                ..Volume::default()
            },
            Volume {
                name: "secret".to_owned(),
                secret: Some(SecretVolumeSource {
                    secret_name: Some(inputs.names.secret.clone()),
                    // Only what the server reads, and only for its own group.
                    items: Some(vec![KeyToPath {
                        key: PASSWORD_KEY.to_owned(),
                        path: PASSWORD_KEY.to_owned(),
                        mode: None,
                    }]),
                    default_mode: Some(0o440),
                    ..SecretVolumeSource::default()
                }),
                ..Volume::default()
            },
            Volume {
                name: "data".to_owned(),
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: inputs.names.volume_claim.clone(),
                    ..PersistentVolumeClaimVolumeSource::default()
                }),
                ..Volume::default()
            },
        ]),
        ..PodSpec::default()
    }
}

fn container(inputs: &Inputs) -> Container {
    let args = [
        "--config".to_owned(),
        format!("{CONFIG_DIR}/{CONFIG_KEY}"),
        "--data-dir".to_owned(),
        DATA_DIR.to_owned(),
        "--listen".to_owned(),
        format!("0.0.0.0:{POSTGRESQL_PORT}"),
        "--http".to_owned(),
        format!("0.0.0.0:{HTTP_PORT}"),
    ];
    Container {
        name: CONTAINER.to_owned(),
        image: Some(inputs.image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(args.to_vec()),
        ports: Some(vec![port("postgresql", POSTGRESQL_PORT), port("http", HTTP_PORT)]),
        resources: Some(ResourceRequirements {
            requests: inputs.spec.resources.requests.as_ref().and_then(amounts),
            limits: amounts(&inputs.spec.resources.limits),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Capabilities::default()
            }),
            ..SecurityContext::default()
        }),
        // Once a second for up to ten minutes: ready soon after a quick start, patient with a long recovery.
        startup_probe: Some(probe("/health", 1, 1, 600)),
        liveness_probe: Some(probe("/health", 10, 5, 3)),
        readiness_probe: Some(probe("/ready", 2, 2, 2)),
        // The last lines of a server that ended badly, for the condition.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            mount("config", CONFIG_DIR, true),
            mount("secret", SECRET_DIR, true),
            mount("data", DATA_DIR, false),
        ]),
        ..Container::default()
    }
}

fn amounts(amounts: &ResourceAmounts) -> Option<BTreeMap<String, Quantity>> {
    let ResourceAmounts { cpu, memory } = amounts;
    let named: BTreeMap<_, _> = [("cpu", cpu), ("memory", memory)]
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), Quantity(amount.as_ref()?.as_str().to_owned()))))
        .collect();
    (!named.is_empty()).then_some(named)
}

fn port(name: &str, port: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period_seconds: i32, timeout_seconds: i32, failures_max: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(timeout_seconds),
        failure_threshold: Some(failures_max),
        ..Probe::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}
