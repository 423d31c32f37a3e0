//! Events: each transition of a condition, for `kubectl describe` and whoever watches.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};

use super::problem::brief;
use crate::api::{ConditionType, Transition};

/// Events hold at most 1 kB of text.
const NOTE_BYTES_MAX: usize = 1000;

/// Publishes an event for each transition that tells something. An event that cannot be published is only logged: what it
/// tells is also in the status.
pub async fn publish(recorder: &Recorder, database: &ObjectReference, transitions: &[Transition]) {
    for event in transitions.iter().filter_map(event) {
        if let Err(error) = recorder.publish(&event, database).await {
            tracing::warn!(reason = event.reason, error = brief(&error), "an event could not be published");
        }
    }
}

fn event(transition: &Transition) -> Option<Event> {
    let condition = &transition.condition;
    let holds = condition.status == "True";
    let kind = [
        ConditionType::Ready,
        ConditionType::Progressing,
        ConditionType::Degraded,
        ConditionType::ConfigurationInForce,
    ]
    .into_iter()
    .find(|kind| kind.as_str() == condition.type_)?;
    let (reason, type_) = match (kind, holds) {
        // A new Database begins with nothing ready and nothing wrong: no news.
        (_, false) if transition.before.is_none() => return None,
        (ConditionType::Degraded, true) => (condition.reason.clone(), EventType::Warning),
        (ConditionType::Degraded, false) => ("Repaired".to_owned(), EventType::Normal),
        (ConditionType::Ready, true) => ("Ready".to_owned(), EventType::Normal),
        // Its reason is Degraded's, which tells it with a warning.
        (ConditionType::Ready, false) => (condition.reason.clone(), EventType::Normal),
        (ConditionType::ConfigurationInForce, true) => ("ConfigurationInForce".to_owned(), EventType::Normal),
        (ConditionType::ConfigurationInForce, false) if condition.reason == "Pending" => {
            ("ConfigurationPending".to_owned(), EventType::Normal)
        }
        // Said by Ready or Degraded.
        (ConditionType::ConfigurationInForce, false) | (ConditionType::Progressing, false) => return None,
        (ConditionType::Progressing, true)
            if matches!(condition.reason.as_str(), "RollingOut" | "VolumeGrowing") =>
        {
            (condition.reason.clone(), EventType::Normal)
        }
        (ConditionType::Progressing, true) => return None,
    };
    let mut note = condition.message.clone();
    while note.len() > NOTE_BYTES_MAX {
        note.pop();
    }
    Some(Event { type_, reason, note: Some(note), action: "Reconcile".to_owned(), secondary: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{condition, transitions};

    fn events(before: &[(ConditionType, bool, &str)], now: &[(ConditionType, bool, &str)]) -> Vec<String> {
        let conditions = |list: &[(ConditionType, bool, &str)]| -> Vec<_> {
            list.iter().map(|(kind, holds, reason)| condition(*kind, *holds, 1, reason, "why")).collect()
        };
        transitions(&conditions(before), &conditions(now))
            .iter()
            .filter_map(event)
            .map(|event| event.reason)
            .collect()
    }

    #[test]
    fn a_new_database_says_nothing_until_it_is_ready() {
        use ConditionType::{Degraded, Progressing, Ready};
        let first = [
            (Ready, false, "PodMissing"),
            (Progressing, true, "PodMissing"),
            (Degraded, false, "AsExpected"),
        ];
        assert_eq!(events(&[], &first), Vec::<String>::new());
        assert_eq!(events(&first, &[(Ready, true, "Serving"), (Progressing, false, "Done")]), ["Ready"]);
    }

    #[test]
    fn trouble_and_its_end_are_told() {
        use ConditionType::Degraded;
        let (bad, good) = ([(Degraded, true, "CrashLoop")], [(Degraded, false, "AsExpected")]);
        assert_eq!(events(&good, &bad), ["CrashLoop"]);
        assert_eq!(events(&bad, &good), ["Repaired"]);
    }
}
