//! What is said follows from what is seen: one case a test, in the order of a database's life.

use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::api::ConfigurationInForce;
use crate::database::problem::Problem;

/// A Database at a generation, and what is seen of it.
struct Case {
    database: Database,
    problems: Vec<Problem>,
    rollout: Rollout,
    pod: PodState,
    server: Option<Result<ServerStatus, String>>,
    volume_claim: Option<PersistentVolumeClaim>,
    second: i64,
}

impl Case {
    fn new() -> Self {
        let mut database = Database::new("orders", crate::api::DatabaseSpec::default());
        database.metadata.namespace = Some("shop".to_owned());
        database.metadata.generation = Some(1);
        Self {
            database,
            problems: Vec::new(),
            rollout: Rollout::Wait,
            pod: PodState::Missing,
            server: None,
            volume_claim: None,
            second: 0,
        }
    }

    /// A database that serves generation 1 with configuration "a".
    fn serving() -> Self {
        let mut case = Self::new();
        case.rollout = Rollout::Current;
        case.pod = PodState::Ready;
        case.server = answers("a");
        case.look("a");
        case
    }

    /// Computes the status, keeps it as the one before the next, and returns it.
    fn look(&mut self, revision: &str) -> DatabaseStatus {
        self.second += 1;
        let status = status(&Observed {
            database: &self.database,
            names: &Names::of("shop", "orders"),
            revision: (revision != "invalid").then_some(revision),
            problems: &self.problems,
            volume_claim: self.volume_claim.as_ref(),
            rollout: self.rollout,
            pod: &self.pod,
            server: self.server.as_ref(),
            now: &Time(Timestamp::from_second(self.second).unwrap()),
        });
        self.database.status = Some(status.clone());
        status
    }

    fn next_generation(&mut self) {
        self.database.metadata.generation =
            self.database.metadata.generation.map(|generation| generation + 1);
    }
}

fn answers(revision: &str) -> Option<Result<ServerStatus, String>> {
    Some(Ok(ServerStatus {
        version: Some("1.0.0".to_owned()),
        configuration: ConfigurationInForce {
            revision: revision.to_owned(),
            ..ConfigurationInForce::default()
        },
        configuration_error: None,
    }))
}

/// `Ready=True g1 Serving`
fn says(status: &DatabaseStatus, kind: ConditionType) -> String {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind.as_str()).unwrap();
    format!("{}={} g{} {}", found.type_, found.status, found.observed_generation.unwrap(), found.reason)
}

use ConditionType::{ConfigurationInForce as InForce, Degraded, Progressing, Ready};

#[test]
fn a_new_database_is_created() {
    let mut case = Case::new();
    let status = case.look("a");
    assert_eq!(status.phase, Some(Phase::Creating));
    assert_eq!(says(&status, Ready), "Ready=False g1 PodMissing");
    assert_eq!(says(&status, Progressing), "Progressing=True g1 PodMissing");
    assert_eq!(says(&status, Degraded), "Degraded=False g1 AsExpected");
    assert_eq!(status.endpoint.as_deref(), Some("orders.shop.svc:5432"));
    assert_eq!(status.binding.map(|binding| binding.name), status.secret_name);
}

#[test]
fn it_is_ready_when_its_configuration_is_confirmed() {
    let mut case = Case::new();
    case.rollout = Rollout::Current;
    case.pod = PodState::Ready;
    case.server = Some(Err("connection refused".to_owned()));
    assert_eq!(says(&case.look("a"), Ready), "Ready=False g1 ConfigurationPending");
    case.server = answers("a");
    let status = case.look("a");
    assert_eq!(says(&status, Ready), "Ready=True g1 Serving");
    assert_eq!(says(&status, InForce), "ConfigurationInForce=True g1 InForce");
    assert_eq!((status.phase, status.version.as_deref()), (Some(Phase::Ready), Some("1.0.0")));
}

#[test]
fn a_steady_state_says_the_same() {
    let mut case = Case::serving();
    let before = case.database.status.clone().unwrap();
    assert_eq!(case.look("a"), before);
}

#[test]
fn ready_waits_at_the_old_generation_for_a_new_configuration() {
    let mut case = Case::serving();
    case.next_generation();
    let pending = case.look("b");
    assert_eq!(says(&pending, Ready), "Ready=True g1 Serving");
    assert_eq!(says(&pending, InForce), "ConfigurationInForce=False g2 Pending");
    assert_eq!(says(&pending, Progressing), "Progressing=True g2 ConfigurationPending");
    assert_eq!((pending.phase, pending.observed_generation), (Some(Phase::Updating), Some(2)));
    case.server = answers("b");
    let done = case.look("b");
    assert_eq!(says(&done, Ready), "Ready=True g2 Serving");
    assert_eq!(done.phase, Some(Phase::Ready));
    // It was ready all the time.
    assert_eq!(done.conditions[0].last_transition_time, pending.conditions[0].last_transition_time);
}

#[test]
fn ready_never_passes_on_a_rollout_not_yet_seen() {
    let mut case = Case::serving();
    case.next_generation();
    // The StatefulSet was just applied; its controller has not looked yet and the old pod is still ready.
    case.rollout = Rollout::Wait;
    assert_eq!(says(&case.look("a"), Ready), "Ready=True g1 Serving");
    case.rollout = Rollout::Replace;
    let status = case.look("a");
    assert_eq!(says(&status, Ready), "Ready=False g2 RollingOut");
    assert_eq!(status.phase, Some(Phase::Updating));
    (case.rollout, case.pod, case.server) = (Rollout::Ending, PodState::Ending, None);
    assert_eq!(says(&case.look("a"), Ready), "Ready=False g2 RollingOut");
    (case.rollout, case.pod) = (Rollout::Wait, PodState::Missing);
    assert_eq!(says(&case.look("a"), Ready), "Ready=False g2 PodMissing");
    (case.rollout, case.pod, case.server) = (Rollout::Current, PodState::Ready, answers("a"));
    assert_eq!(says(&case.look("a"), Ready), "Ready=True g2 Serving");
}

#[test]
fn a_refused_configuration_needs_a_person() {
    let mut case = Case::serving();
    case.next_generation();
    let mut server = answers("a").unwrap().unwrap();
    server.configuration_error = Some("pool.maxConnections: must be at least 1".to_owned());
    case.server = Some(Ok(server));
    let status = case.look("b");
    assert_eq!(says(&status, Degraded), "Degraded=True g2 ConfigurationRefused");
    assert_eq!(says(&status, InForce), "ConfigurationInForce=False g2 Refused");
    assert_eq!(says(&status, Ready), "Ready=True g1 Serving");
}

#[test]
fn an_invalid_spec_leaves_the_server_as_it_is() {
    let mut case = Case::serving();
    case.next_generation();
    case.problems = vec![Problem::invalid_spec(&["limits.queryTimeout: no".to_owned()])];
    let status = case.look("invalid");
    assert_eq!(says(&status, Degraded), "Degraded=True g2 InvalidSpec");
    assert_eq!(says(&status, Ready), "Ready=True g1 Serving");
}

#[test]
fn a_crash_is_told_and_its_recovery_too() {
    let mut case = Case::serving();
    case.server = None;
    case.pod = PodState::Failing { reason: "CrashLoop", message: "it ended".to_owned() };
    let status = case.look("a");
    assert_eq!(says(&status, Ready), "Ready=False g1 CrashLoop");
    assert_eq!(says(&status, Degraded), "Degraded=True g1 CrashLoop");
    assert_eq!(says(&status, Progressing), "Progressing=False g1 CrashLoop");
    assert_eq!(status.phase, Some(Phase::Failed));
    case.pod = PodState::Starting { reason: "Recovering", message: String::new() };
    let status = case.look("a");
    assert_eq!(
        (says(&status, Degraded).as_str(), status.phase),
        ("Degraded=False g1 AsExpected", Some(Phase::Recovering))
    );
    // What was known of the server stays known.
    assert_eq!(status.version.as_deref(), Some("1.0.0"));
}

#[test]
fn a_growing_volume_is_told_with_its_drivers_words() {
    let mut case = Case::serving();
    let claim = |has: &str, conditions: serde_json::Value| {
        let claim = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}},
            "status": {"capacity": {"storage": has}, "conditions": conditions}});
        Some(serde_json::from_value(claim).unwrap())
    };
    for (conditions, words) in [
        (json!([]), "the volume has 1Gi and is to have 2Gi; its driver has not said a word yet"),
        (
            json!([{"type": "FileSystemResizePending", "status": "True", "message": "restart the pod"},
                   {"type": "Resizing", "status": "False"}]),
            "the volume has 1Gi and is to have 2Gi; FileSystemResizePending: restart the pod",
        ),
    ] {
        case.volume_claim = claim("1Gi", conditions);
        let status = case.look("a");
        let progressing = status.conditions.iter().find(|c| c.type_ == "Progressing").unwrap();
        assert_eq!((progressing.reason.as_str(), progressing.message.as_str()), ("VolumeGrowing", words));
        // It serves meanwhile.
        assert!(is_true(&status.conditions, ConditionType::Ready));
        assert_eq!(status.volume_size, Some("2Gi".into()));
    }
    case.volume_claim = claim("2048Mi", json!([]));
    assert!(!is_true(&case.look("a").conditions, ConditionType::Progressing));
}
