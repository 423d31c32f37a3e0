//! What keeps a Database from being what its spec says, in words that a person can act on.

use kube::Error;

const NAME_TAKEN: &str = "NameTaken";
const PREDECESSOR_REMAINS: &str = "PredecessorRemains";

/// An error of the API in a line: kube's own text repeats the whole answer.
pub fn brief(error: &Error) -> String {
    match error {
        Error::Api(status) if !status.message.is_empty() => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

/// A problem; it becomes the reason and message of the condition `Degraded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The reason of the condition.
    pub reason: &'static str,
    /// What is the matter, and what to do.
    pub message: String,
    /// Whether to try again before something changes.
    pub retry: bool,
}

impl Problem {
    /// The spec contradicts itself.
    pub fn invalid_spec(problems: &[String]) -> Self {
        Self { reason: "InvalidSpec", message: problems.join("; "), retry: false }
    }

    /// An object of this name belongs to someone else.
    pub fn name_taken(kind: &str, name: &str, owner: &str) -> Self {
        let message = format!(
            "the {kind} \"{name}\" exists and belongs to {owner}: delete or rename it, or give the Database another name"
        );
        Self { reason: NAME_TAKEN, message, retry: true }
    }

    /// An object of this name belonged to a deleted Database.
    pub fn of_predecessor(kind: &str, name: &str) -> Self {
        let message =
            format!("the {kind} \"{name}\" of a deleted Database of the same name is still being collected");
        Self { reason: PREDECESSOR_REMAINS, message, retry: true }
    }

    /// Whether an object that should be ours is someone else's.
    pub fn is_of_ownership(&self) -> bool {
        matches!(self.reason, NAME_TAKEN | PREDECESSOR_REMAINS)
    }

    /// The API server did not take an object.
    pub fn refused(kind: &str, name: &str, error: &Error) -> Self {
        let Error::Api(status) = error else { return Self::not_applied(kind, name, &brief(error)) };
        let text = format!("{kind} \"{name}\": {}", status.message);
        if kind == "PersistentVolumeClaim" && (status.code == 422 || status.code == 403) {
            let message = format!(
                "{text}; where its class cannot grow volumes, set storage.size back to status.volumeSize"
            );
            return Self { reason: "VolumeRefused", message, retry: true };
        }
        Self {
            reason: if status.code == 403 { "Forbidden" } else { "NotApplied" },
            message: text,
            retry: true,
        }
    }

    /// An object could not be applied for another reason.
    pub fn not_applied(kind: &str, name: &str, error: &str) -> Self {
        Self { reason: "NotApplied", message: format!("{kind} \"{name}\": {error}"), retry: true }
    }
}
