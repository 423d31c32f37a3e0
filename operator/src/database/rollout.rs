//! Replaces the pod of an older template.
//!
//! The StatefulSet's strategy is `OnDelete`: it makes pods, and the operator decides when one has to go. A pod that
//! cannot start under a bad image is replaced as soon as the template is good again, whatever state it is in.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;

/// What is to be done so that the pod is that of the newest template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// The pod is that of the newest template.
    Current,
    /// The StatefulSet has to act: make the pod, or read its own new template.
    Wait,
    /// The pod is of an older template and is ending.
    Ending,
    /// The pod is of an older template.
    Replace,
}

/// The label by which a StatefulSet marks a pod with its template's revision.
const REVISION: &str = "controller-revision-hash";

/// Compares the pod with the newest template.
pub fn rollout(stateful_set: Option<&StatefulSet>, pod: Option<&Pod>) -> Rollout {
    let (Some(set), Some(pod)) = (stateful_set, pod) else { return Rollout::Wait };
    let status = set.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation);
    if observed.is_none() || observed < set.metadata.generation {
        return Rollout::Wait;
    }
    let newest = status.and_then(|status| status.update_revision.as_ref());
    let current = pod.metadata.labels.as_ref().and_then(|labels| labels.get(REVISION));
    match (newest, current) {
        (Some(newest), current) if Some(newest) != current => match pod.metadata.deletion_timestamp {
            Some(_) => Rollout::Ending,
            None => Rollout::Replace,
        },
        (None, _) => Rollout::Wait,
        _ => Rollout::Current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn decide(set_status: Value, pod: Option<Value>) -> Rollout {
        let set: StatefulSet =
            serde_json::from_value(json!({"metadata": {"generation": 3}, "status": set_status})).unwrap();
        let pod: Option<Pod> = pod.map(|pod| serde_json::from_value(pod).unwrap());
        rollout(Some(&set), pod.as_ref())
    }

    fn pod(revision: &str) -> Value {
        json!({"metadata": {"labels": {"controller-revision-hash": revision}}})
    }

    #[test]
    fn a_pod_of_an_older_template_goes_once() {
        let seen = json!({"replicas": 1, "observedGeneration": 3, "updateRevision": "b"});
        assert_eq!(decide(seen.clone(), Some(pod("b"))), Rollout::Current);
        assert_eq!(decide(seen.clone(), Some(pod("a"))), Rollout::Replace);
        let mut ending = pod("a");
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(decide(seen.clone(), Some(ending)), Rollout::Ending);
        assert_eq!(decide(seen, None), Rollout::Wait);
    }

    #[test]
    fn a_stale_revision_decides_nothing() {
        let stale = json!({"replicas": 1, "observedGeneration": 2, "updateRevision": "a"});
        assert_eq!(decide(stale, Some(pod("a"))), Rollout::Wait);
        assert_eq!(decide(json!({"replicas": 0}), Some(pod("a"))), Rollout::Wait);
    }
}
