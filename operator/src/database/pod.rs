//! What a pod's status means, in words that a person can act on.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::build::CONTAINER;

/// How a pod is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodState {
    /// There is none.
    Missing,
    /// It is being ended.
    Ending,
    /// It is ready: the server is recovered and admits connections.
    Ready,
    /// It is on its way.
    Starting {
        /// A word for the condition.
        reason: &'static str,
        /// What is awaited.
        message: String,
    },
    /// It does not get further by itself.
    Failing {
        /// A word for the condition.
        reason: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl PodState {
    /// Reads the status of the pod.
    pub fn of(pod: Option<&Pod>) -> Self {
        let Some(pod) = pod else { return Self::Missing };
        if pod.metadata.deletion_timestamp.is_some() {
            return Self::Ending;
        }
        if condition(pod, "Ready").is_some_and(|(status, _, _)| status == "True") {
            return Self::Ready;
        }
        if let Some(("False", "Unschedulable", message)) = condition(pod, "PodScheduled") {
            return Self::Failing {
                reason: "Unschedulable",
                message: format!("no node takes the pod: {message}"),
            };
        }
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref());
        match statuses.unwrap_or_default().iter().find(|container| container.name == CONTAINER) {
            Some(container) => of_container(container),
            None => {
                Self::Starting { reason: "Scheduled", message: "the node is preparing the pod".to_owned() }
            }
        }
    }
}

fn of_container(container: &ContainerStatus) -> PodState {
    let state = container.state.as_ref();
    let ended = last_words(container);
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let said = waiting.message.clone().unwrap_or_default();
        return match waiting.reason.as_deref().unwrap_or_default() {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
                PodState::Failing {
                    reason: "ImageUnavailable",
                    message: format!("the image \"{}\" cannot be had: {said}", container.image),
                }
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                PodState::Failing {
                    reason: "ContainerRefused",
                    message: format!("the node cannot start the server: {said}"),
                }
            }
            "CrashLoopBackOff" => PodState::Failing {
                reason: if ended.out_of_memory { "OutOfMemory" } else { "CrashLoop" },
                message: format!("the server ended {} times; {}", container.restart_count, ended.message),
            },
            _ => PodState::Starting {
                reason: "ContainerCreating",
                message: "the node is preparing the pod".to_owned(),
            },
        };
    }
    if state.is_some_and(|state| state.terminated.is_some()) {
        let reason = if ended.out_of_memory { "OutOfMemory" } else { "Ended" };
        return PodState::Failing { reason, message: ended.message };
    }
    let mut message = "the server is starting: it is ready when its log is replayed".to_owned();
    if container.restart_count > 0 {
        message = format!("{message}; {}", ended.message);
    }
    PodState::Starting { reason: "Recovering", message }
}

struct LastWords {
    out_of_memory: bool,
    message: String,
}

/// How the container ended the last time, with the end of what it said.
fn last_words(container: &ContainerStatus) -> LastWords {
    const SAID_CHARS_MAX: usize = 400;
    let now = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    let before = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let Some(ended) = now.or(before) else {
        return LastWords { out_of_memory: false, message: "it has not said why".to_owned() };
    };
    let out_of_memory = ended.reason.as_deref() == Some("OOMKilled");
    let mut message = match ended.signal.filter(|signal| *signal != 0) {
        Some(signal) => format!("last by signal {signal}"),
        None => format!("last with exit code {}", ended.exit_code),
    };
    if out_of_memory {
        // What it said before has nothing to do with it.
        message.push_str(", killed for going over resources.limits.memory");
        return LastWords { out_of_memory, message };
    }
    let said = ended.message.as_deref().unwrap_or_default().trim();
    if !said.is_empty() {
        // The end says why; the beginning is how it started.
        let skipped = said.chars().count().saturating_sub(SAID_CHARS_MAX);
        let end: String = said.chars().skip(skipped).collect();
        message = format!("{message}: {end}");
    }
    LastWords { out_of_memory, message }
}

/// The status, reason and message of a condition of the pod.
fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == kind)?;
    let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
    Some((&condition.status, text(&condition.reason), text(&condition.message)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn state(status: Value) -> PodState {
        let pod: Pod = serde_json::from_value(json!({"status": status})).unwrap();
        PodState::of(Some(&pod))
    }

    fn container(fields: Value) -> Value {
        let mut container =
            json!({"name": CONTAINER, "image": "an/image", "imageID": "", "ready": false, "restartCount": 0});
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"containerStatuses": [container]})
    }

    #[track_caller]
    fn failing(state: PodState, expected: &str, says: &str) {
        let PodState::Failing { reason, message } = state else { panic!("{state:?}") };
        assert_eq!(reason, expected);
        assert!(message.contains(says), "{message}");
    }

    #[test]
    fn no_node_takes_it() {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient memory."});
        failing(state(json!({"conditions": [condition]})), "Unschedulable", "Insufficient memory");
    }

    #[test]
    fn its_image_cannot_be_had() {
        let waiting = json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}});
        failing(state(container(waiting)), "ImageUnavailable", "\"an/image\" cannot be had: not found");
    }

    #[test]
    fn it_crashes_with_last_words() {
        let ended = json!({"exitCode": 1, "message": "a\nerror: the log is torn at 17\n"});
        let crash = json!({"restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": ended}});
        failing(
            state(container(crash)),
            "CrashLoop",
            "ended 4 times; last with exit code 1: a\nerror: the log is torn",
        );
    }

    #[test]
    fn it_needs_more_memory() {
        let crash = json!({"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}});
        failing(state(container(crash)), "OutOfMemory", "resources.limits.memory");
        let ended = json!({"exitCode": 137, "reason": "OOMKilled", "message": "what it was at"});
        let PodState::Failing { reason, message } = state(container(json!({"state": {"terminated": ended}})))
        else {
            panic!("it has failed")
        };
        assert_eq!(reason, "OutOfMemory");
        assert!(message.ends_with("resources.limits.memory"), "{message}");
    }

    #[test]
    fn it_recovers_and_is_ready() {
        let running = json!({"state": {"running": {}}});
        assert!(matches!(state(container(running)), PodState::Starting { reason: "Recovering", .. }));
        assert_eq!(state(json!({"conditions": [{"type": "Ready", "status": "True"}]})), PodState::Ready);
        assert_eq!(PodState::of(None), PodState::Missing);
    }
}
