//! From what was observed to what is said about it. Pure, but for the time it is given.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::build::POSTGRESQL_PORT;
use super::names::Names;
use super::pod::PodState;
use super::problem::Problem;
use super::rollout::Rollout;
use super::server::ServerStatus;
use crate::api::{
    Binding, ConditionType, Database, DatabaseStatus, Phase, Quantity, condition, is_true, set_condition,
};

/// What one reconciliation saw.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The Database, with its last status.
    pub database: &'a Database,
    /// The names of its objects.
    pub names: &'a Names,
    /// The revision its configuration is to have; none where the spec is invalid.
    pub revision: Option<&'a str>,
    /// What could not be applied.
    pub problems: &'a [Problem],
    /// The claim of its volume.
    pub volume_claim: Option<&'a PersistentVolumeClaim>,
    /// Whether its pod is that of the newest template.
    pub rollout: Rollout,
    /// How its pod is doing.
    pub pod: &'a PodState,
    /// What its server says of itself, or why it does not answer; none where it was not asked.
    pub server: Option<&'a Result<ServerStatus, String>>,
    /// The time of the observation.
    pub now: &'a Time,
}

/// A condition to be: whether it holds, why, and what that means.
struct Verdict {
    holds: bool,
    reason: &'static str,
    message: String,
}

fn verdict(holds: bool, reason: &'static str, message: impl Into<String>) -> Verdict {
    Verdict { holds, reason, message: message.into() }
}

/// The status that follows from what was observed and the status before.
pub fn status(observed: &Observed) -> DatabaseStatus {
    let before = observed.database.status.clone().unwrap_or_default();
    let generation = observed.database.metadata.generation.unwrap_or_default();
    let was_ready = before.version.is_some();

    let in_force = configuration_in_force(observed);
    let serving = *observed.pod == PodState::Ready;
    let current = observed.rollout == Rollout::Current;
    let ready = ready(observed, &before, in_force.holds);
    let degraded = degraded(observed);
    let progressing = progressing(observed, &ready, &in_force);
    let phase = if observed.database.metadata.deletion_timestamp.is_some() {
        Phase::Deleting
    } else if degraded.holds && !serving {
        Phase::Failed
    } else if serving && current && in_force.holds {
        Phase::Ready
    } else if !was_ready {
        Phase::Creating
    } else if current && !serving {
        Phase::Recovering
    } else {
        Phase::Updating
    };

    // Ready speaks of the newest generation only once all of that is in force. Until then a server that still serves stays
    // Ready for the generation it was Ready for, and nobody who waits for the newest is let through.
    let ready_generation = if ready.holds && !(current && in_force.holds && observed.problems.is_empty()) {
        generation_of(&before, ConditionType::Ready).unwrap_or(generation).min(generation)
    } else {
        generation
    };

    let mut conditions = before.conditions.clone();
    for (kind, verdict, generation) in [
        (ConditionType::Ready, ready, ready_generation),
        (ConditionType::Progressing, progressing, generation),
        (ConditionType::Degraded, degraded, generation),
        (ConditionType::ConfigurationInForce, in_force, generation),
    ] {
        let new = condition(kind, verdict.holds, generation, verdict.reason, verdict.message);
        set_condition(&mut conditions, new, observed.now);
    }
    let answer = observed.server.and_then(|answer| answer.as_ref().ok());
    DatabaseStatus {
        phase: Some(phase),
        conditions,
        observed_generation: Some(generation),
        endpoint: Some(format!("{}:{POSTGRESQL_PORT}", observed.names.host())),
        secret_name: Some(observed.names.secret.clone()),
        binding: Some(Binding { name: observed.names.secret.clone() }),
        volume_size: observed.volume_claim.and_then(asked_size).map(|size| Quantity::new(size.as_str())),
        version: answer.and_then(|server| server.version.clone()).or(before.version),
        configuration: answer.map(|server| server.configuration.clone()).or(before.configuration),
    }
}

fn generation_of(status: &DatabaseStatus, kind: ConditionType) -> Option<i64> {
    status.conditions.iter().find(|condition| condition.type_ == kind.as_str())?.observed_generation
}

fn configuration_in_force(observed: &Observed) -> Verdict {
    let Some(wanted) = observed.revision else {
        return verdict(
            false,
            "InvalidSpec",
            "the spec is invalid; the configuration before it stays in force",
        );
    };
    match observed.server {
        Some(Ok(server)) if server.configuration.revision == wanted => verdict(
            true,
            "InForce",
            format!("the server runs with limits, pool and logging of revision {wanted}"),
        ),
        Some(Ok(ServerStatus { configuration_error: Some(error), .. })) => {
            verdict(false, "Refused", format!("the server refuses revision {wanted}: {error}"))
        }
        Some(Ok(server)) => verdict(
            false,
            "Pending",
            format!(
                "the server still runs with revision {}, revision {wanted} is on its way",
                server.configuration.revision
            ),
        ),
        Some(Err(error)) => {
            verdict(false, "ServerUnreachable", format!("the operator cannot ask the server: {error}"))
        }
        None => verdict(false, "ServerNotRunning", "no server runs that could be asked"),
    }
}

fn ready(observed: &Observed, before: &DatabaseStatus, in_force: bool) -> Verdict {
    match observed.pod {
        PodState::Ready if observed.rollout == Rollout::Replace => {
            verdict(false, "RollingOut", "the server is being replaced by one of the new image or resources")
        }
        // Never yet seen with its configuration: what it enforces is not known.
        PodState::Ready if !in_force && !is_true(&before.conditions, ConditionType::Ready) => verdict(
            false,
            "ConfigurationPending",
            "the server accepts connections; its configuration is not confirmed yet",
        ),
        PodState::Ready => verdict(true, "Serving", "the server accepts connections"),
        PodState::Missing => verdict(false, "PodMissing", "the pod is being created"),
        PodState::Ending if observed.rollout == Rollout::Ending => {
            verdict(false, "RollingOut", "the server is ending, one of the new image or resources follows")
        }
        PodState::Ending => verdict(false, "PodEnding", "the pod is ending, another one follows"),
        PodState::Starting { reason, message } | PodState::Failing { reason, message } => {
            verdict(false, reason, message.clone())
        }
    }
}

fn degraded(observed: &Observed) -> Verdict {
    if let Some(first) = observed.problems.first() {
        let all: Vec<&str> = observed.problems.iter().map(|problem| problem.message.as_str()).collect();
        return verdict(true, first.reason, all.join("; "));
    }
    if let PodState::Failing { reason, message } = observed.pod {
        return verdict(true, reason, message.clone());
    }
    if let Some(Ok(ServerStatus { configuration_error: Some(error), configuration, .. })) = observed.server
        && observed.revision.is_some_and(|wanted| wanted != configuration.revision)
    {
        return verdict(
            true,
            "ConfigurationRefused",
            format!("the server refuses its configuration: {error}"),
        );
    }
    if observed.volume_claim.is_some_and(|claim| claim.metadata.deletion_timestamp.is_some()) {
        let message = format!(
            "the volume claim \"{}\" was deleted: the volume and its data go when the pod ends; copy the data away now",
            observed.names.volume_claim
        );
        return verdict(true, "VolumeDeleted", message);
    }
    verdict(false, "AsExpected", "nothing needs a person")
}

fn progressing(observed: &Observed, ready: &Verdict, in_force: &Verdict) -> Verdict {
    if matches!(observed.rollout, Rollout::Replace | Rollout::Ending) {
        return verdict(true, "RollingOut", "the pod is being replaced by one of the new template");
    }
    if let PodState::Failing { reason, message } = observed.pod {
        return verdict(false, reason, message.clone());
    }
    if !ready.holds {
        return verdict(true, ready.reason, ready.message.clone());
    }
    if observed.rollout == Rollout::Wait {
        return verdict(true, "RollingOut", "the StatefulSet has not yet taken over its new template");
    }
    if !in_force.holds && in_force.reason != "InvalidSpec" {
        return verdict(true, "ConfigurationPending", in_force.message.clone());
    }
    match observed.volume_claim.and_then(growing) {
        Some(growing) => verdict(true, "VolumeGrowing", growing),
        None if !observed.problems.is_empty() => {
            verdict(false, "NeedsAPerson", "what is left of the spec needs a person: see Degraded")
        }
        None => verdict(false, "Done", "all of the spec is carried out"),
    }
}

fn asked_size(claim: &PersistentVolumeClaim) -> Option<&String> {
    Some(&claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?.0)
}

/// What a bound claim has and what it asks for, where that is more, with what its driver says of it.
fn growing(claim: &PersistentVolumeClaim) -> Option<String> {
    let wants = asked_size(claim)?;
    let status = claim.status.as_ref()?;
    let has = &status.capacity.as_ref()?.get("storage")?.0;
    let less = Quantity::new(has).milli().ok()? < Quantity::new(wants).milli().ok()?;
    let said = status.conditions.iter().flatten().filter(|condition| condition.status == "True");
    let said: Vec<String> = said
        .map(|condition| match condition.message.as_deref().unwrap_or_default() {
            "" => condition.type_.clone(),
            message => format!("{}: {message}", condition.type_),
        })
        .collect();
    let said =
        if said.is_empty() { "its driver has not said a word yet".to_owned() } else { said.join("; ") };
    less.then(|| format!("the volume has {has} and is to have {wants}; {said}"))
}

#[cfg(test)]
mod tests;
