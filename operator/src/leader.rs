//! Leader election by a Lease (coordination.k8s.io/v1), as Kubernetes' own components do it.
//!
//! The holder renews its Lease; whoever sees that it was not renewed for its whole duration takes it. Times are compared on
//! the observer's own clock only: what counts is how long *we* have seen the same renewal, so clocks may differ. Every
//! write carries the resource version that was read, so of two that try at once only one gets through.
//!
//! ```text
//!  holder      renew ── renew ── renew ──✗ (cannot renew for RENEW_WITHIN: stops reconciling)
//!  candidate   look  ── look  ── look  ── … ── seen unchanged for DURATION: takes it
//! ```
//!
//! RENEW_WITHIN is shorter than DURATION: the old holder has stopped before the new one starts.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};

/// A Lease not renewed for so long may be taken.
const DURATION: Duration = Duration::from_secs(15);
const _: () = assert!(RENEW_WITHIN.as_secs() + END_WITHIN.as_secs() < DURATION.as_secs());
/// A holder that could not renew for so long gives up.
pub const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// A holder that gave up ends what still runs within this time, before another can take the Lease.
pub const END_WITHIN: Duration = Duration::from_secs(4);
/// How often to renew, or to look.
pub const PERIOD: Duration = Duration::from_secs(2);

/// A candidate for a Lease.
pub struct Election {
    leases: Api<Lease>,
    name: String,
    identity: String,
    /// The renewal last seen of another holder, and since when.
    seen: Option<(String, Option<MicroTime>, Instant)>,
}

impl Election {
    /// A candidate called `identity`, unique among the candidates, for the Lease `name` in `namespace`.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            seen: None,
        }
    }

    /// Takes or renews the Lease if that can be done; returns whether we hold it now. Fails when the API server does not
    /// answer or refuses; the caller tries again after [`PERIOD`].
    pub async fn try_hold(&mut self) -> kube::Result<bool> {
        let Some(lease) = self.leases.get_opt(&self.name).await? else {
            return self.written(self.leases.create(&PostParams::default(), &self.lease(None)).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if holder != self.identity && !holder.is_empty() && !self.has_lapsed(&holder, &spec) {
            return Ok(false);
        }
        let mine = self.lease(Some(&lease));
        self.written(self.leases.replace(&self.name, &PostParams::default(), &mine).await)
    }

    /// Gives the Lease up, so that another need not wait until it lapses.
    pub async fn release(&self) -> kube::Result<()> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else { return Ok(()) };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(());
        }
        spec.holder_identity = None;
        self.leases.replace(&self.name, &PostParams::default(), &lease).await?;
        Ok(())
    }

    /// Whether the holder has not renewed for the duration it promised, as seen from here.
    fn has_lapsed(&mut self, holder: &str, spec: &LeaseSpec) -> bool {
        let promised = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let promised = promised.map_or(DURATION, Duration::from_secs);
        match &self.seen {
            Some((seen, renewed, since)) if seen == holder && *renewed == spec.renew_time => {
                since.elapsed() >= promised
            }
            _ => {
                self.seen = Some((holder.to_owned(), spec.renew_time.clone(), Instant::now()));
                false
            }
        }
    }

    /// The Lease as we want it; over an existing one with its resource version.
    fn lease(&self, existing: Option<&Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = existing.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let renewal = before.holder_identity.as_deref() == Some(&self.identity);
        let changes = before.lease_transitions.unwrap_or_default();
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                resource_version: existing.and_then(ResourceExt::resource_version),
                labels: existing.and_then(|lease| lease.metadata.labels.clone()),
                annotations: existing.and_then(|lease| lease.metadata.annotations.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: if renewal { before.acquire_time } else { Some(now.clone()) },
                renew_time: Some(now),
                lease_transitions: Some(if renewal { changes } else { changes.saturating_add(1) }),
                ..LeaseSpec::default()
            }),
        }
    }

    /// A conflict means that another candidate was faster.
    fn written(&self, result: kube::Result<Lease>) -> kube::Result<bool> {
        match result {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response};
    use http_body_util::BodyExt;
    use kube::client::Body;
    use serde_json::{Value, json};

    /// An API server with one Lease, or none.
    #[derive(Clone, Default)]
    struct OneLease(Arc<Mutex<Option<Value>>>);

    impl OneLease {
        fn answer(&self, method: &Method, body: &[u8]) -> (u16, Value) {
            let status = |code: u16, reason: &str| {
                (
                    code,
                    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}),
                )
            };
            let mut lease = self.0.lock().unwrap();
            match (method.as_str(), lease.as_ref()) {
                ("GET", None) => status(404, "NotFound"),
                ("GET", Some(lease)) => (200, lease.clone()),
                ("POST", Some(_)) => status(409, "AlreadyExists"),
                (_, held) => {
                    let mut new: Value = serde_json::from_slice(body).unwrap();
                    let version = held.map_or(&Value::Null, |held| &held["metadata"]["resourceVersion"]);
                    if new["metadata"]["resourceVersion"] != *version {
                        return status(409, "Conflict");
                    }
                    let next = version.as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0) + 1;
                    new["metadata"]["resourceVersion"] = json!(next.to_string());
                    *lease = Some(new.clone());
                    (200, new)
                }
            }
        }

        fn candidate(&self, name: &str) -> Election {
            let api = self.clone();
            let service = tower::service_fn(move |request: Request<Body>| {
                let api = api.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let (code, answer) = api.answer(&parts.method, &body);
                    let body = Body::from(serde_json::to_vec(&answer).unwrap());
                    Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
                }
            });
            Election::new(Client::new(service, "default"), "default", "a-lease", name)
        }

        fn field(&self, name: &str) -> Value {
            self.0.lock().unwrap().as_ref().unwrap()["spec"][name].clone()
        }
    }

    #[tokio::test]
    async fn the_first_holds_until_it_lets_go() {
        let api = OneLease::default();
        let (mut one, mut two) = (api.candidate("one"), api.candidate("two"));
        assert!(one.try_hold().await.unwrap());
        for _ in 0..3 {
            assert!(!two.try_hold().await.unwrap());
            assert!(one.try_hold().await.unwrap());
        }
        assert_eq!(api.field("leaseTransitions"), 1);
        // Only the holder can let go.
        two.release().await.unwrap();
        assert_eq!(api.field("holderIdentity"), "one");
        one.release().await.unwrap();
        assert!(two.try_hold().await.unwrap());
        assert!(!one.try_hold().await.unwrap());
        assert_eq!((api.field("holderIdentity"), api.field("leaseTransitions")), (json!("two"), json!(2)));
    }

    #[tokio::test]
    async fn a_lease_that_lapsed_is_taken_but_not_at_first_sight() {
        let api = OneLease::default();
        let (mut one, mut two) = (api.candidate("one"), api.candidate("two"));
        assert!(one.try_hold().await.unwrap());
        // A holder that promised nothing, and whose clock is years behind.
        api.0.lock().unwrap().as_mut().unwrap()["spec"]["leaseDurationSeconds"] = json!(0);
        api.0.lock().unwrap().as_mut().unwrap()["spec"]["renewTime"] = json!("2001-01-01T00:00:00.000000Z");
        assert!(!two.try_hold().await.unwrap());
        assert!(two.try_hold().await.unwrap());
        assert!(!one.try_hold().await.unwrap());
    }

    #[tokio::test]
    async fn of_two_writes_one_gets_through() {
        let api = OneLease::default();
        let one = api.candidate("one");
        let stale = one.lease(None);
        assert!(one.written(one.leases.create(&PostParams::default(), &stale).await).unwrap());
        assert!(!one.written(one.leases.create(&PostParams::default(), &stale).await).unwrap());
        assert!(!one.written(one.leases.replace("a-lease", &PostParams::default(), &stale).await).unwrap());
    }
}
