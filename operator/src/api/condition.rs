//! Conditions: statements about a Database that a program can wait for and a person can act on.
//!
//! A condition's `observedGeneration` is the generation of the spec that it speaks of. `kubectl wait` does not pass on a
//! condition whose generation is older than the object's, so `Ready` may stay `True` for an older generation while a
//! change is on its way: the server serves, but not yet as the newest spec asks.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// The server accepts connections and runs what the spec of this generation asks for.
    Ready,
    /// A change is on its way.
    Progressing,
    /// Something needs a person.
    Degraded,
    /// The running server has taken over limits, pool and logging of this generation.
    ConfigurationInForce,
}

impl ConditionType {
    /// The name in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::ConfigurationInForce => "ConfigurationInForce",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A condition of `generation`. Its time of transition is set by [`set_condition`].
pub fn condition(
    kind: ConditionType,
    holds: bool,
    generation: i64,
    reason: &str,
    message: impl Into<String>,
) -> Condition {
    // The API server refuses longer texts; what a container says in its last breath can be long.
    const MESSAGE_CHARS_MAX: usize = 1024;
    Condition {
        type_: kind.as_str().to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        observed_generation: Some(generation),
        reason: reason.to_owned(),
        message: message.into().chars().take(MESSAGE_CHARS_MAX).collect(),
        last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
    }
}

/// Puts `new` in the place of the condition of its type; the time of transition changes only with the status.
pub fn set_condition(conditions: &mut Vec<Condition>, mut new: Condition, now: &Time) {
    match conditions.iter_mut().find(|old| old.type_ == new.type_) {
        Some(old) => {
            let same = old.status == new.status;
            new.last_transition_time = if same { old.last_transition_time.clone() } else { now.clone() };
            *old = new;
        }
        None => {
            new.last_transition_time = now.clone();
            conditions.push(new);
        }
    }
}

/// Whether the condition holds, for whichever generation.
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    conditions.iter().any(|c| c.type_ == kind.as_str() && c.status == "True")
}

/// A condition whose status or reason changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The condition as it is now.
    pub condition: Condition,
    /// Its status and reason before, if it was there.
    pub before: Option<(String, String)>,
}

/// What changed from `old` to `new`, in the order of `new`.
pub fn transitions(old: &[Condition], new: &[Condition]) -> Vec<Transition> {
    new.iter()
        .filter_map(|condition| {
            let before = old
                .iter()
                .find(|old| old.type_ == condition.type_)
                .map(|old| (old.status.clone(), old.reason.clone()));
            let unchanged =
                before.as_ref().is_some_and(|(s, r)| *s == condition.status && *r == condition.reason);
            (!unchanged).then(|| Transition { condition: condition.clone(), before })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn the_time_of_transition_follows_the_status_only() {
        let mut conditions = Vec::new();
        set_condition(&mut conditions, condition(ConditionType::Ready, false, 1, "Starting", ""), &at(1));
        set_condition(
            &mut conditions,
            condition(ConditionType::Ready, false, 2, "Waiting", "for it"),
            &at(2),
        );
        assert_eq!(conditions[0].last_transition_time, at(1));
        assert_eq!((conditions[0].reason.as_str(), conditions[0].observed_generation), ("Waiting", Some(2)));
        set_condition(&mut conditions, condition(ConditionType::Ready, true, 2, "Serving", ""), &at(3));
        assert_eq!(conditions[0].last_transition_time, at(3));
        assert!(is_true(&conditions, ConditionType::Ready));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_new_message_alone_is_no_transition() {
        let old = [condition(ConditionType::Ready, false, 1, "Starting", "a")];
        let new = [condition(ConditionType::Ready, false, 2, "Starting", "b")];
        assert_eq!(transitions(&old, &new), []);
        assert_eq!(transitions(&[], &new).len(), 1);
    }
}
