//! The whole pipeline against an API server in memory.
//!
//! The stand-in knows objects by their paths, does what server-side apply does when nobody else owns a field, and keeps
//! a list of all that was written. [`Cluster::settle`] plays the StatefulSet's controller and the node.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use kube::runtime::events::Recorder;
use serde_json::{Value, json};

use super::hash::short_hash;
use super::reconcile::{Context, Error, reconcile};
use super::server::{ServerStatus, Servers};
use crate::api::{ConfigurationInForce, Database, DatabaseSpec, WhenDeleted};
use crate::metrics::Metrics;

const DATABASE: &str = "/apis/plimsoll.io/v1alpha1/namespaces/shop/databases/orders";
const SECRET: &str = "/api/v1/namespaces/shop/secrets/orders-credentials";
const CONFIG_MAP: &str = "/api/v1/namespaces/shop/configmaps/orders-config";
const VOLUME_CLAIM: &str = "/api/v1/namespaces/shop/persistentvolumeclaims/orders-data";
const SERVICE: &str = "/api/v1/namespaces/shop/services/orders";
const HEADLESS: &str = "/api/v1/namespaces/shop/services/orders-headless";
const NETWORK_POLICY: &str = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/orders";
const STATEFUL_SET: &str = "/apis/apps/v1/namespaces/shop/statefulsets/orders";
const POD: &str = "/api/v1/namespaces/shop/pods/orders-0";
const OWNED: [&str; 7] = [SECRET, CONFIG_MAP, VOLUME_CLAIM, SERVICE, HEADLESS, NETWORK_POLICY, STATEFUL_SET];

/// An API server in memory.
#[derive(Default)]
struct Cluster {
    objects: Mutex<BTreeMap<String, Value>>,
    /// `METHOD path` of every write, events left out.
    written: Mutex<Vec<String>>,
    /// The reasons of the events.
    events: Mutex<Vec<String>>,
    /// After so many writes every further one fails.
    writes_left: Mutex<Option<usize>>,
}

impl Cluster {
    fn answer(&self, method: &Method, path: &str, query: &str, body: &[u8]) -> (u16, Value) {
        if path.contains("/events") {
            let event: Value = serde_json::from_slice(body).unwrap();
            self.events.lock().unwrap().push(event["reason"].as_str().unwrap().to_owned());
            return (201, event);
        }
        let mut objects = self.objects.lock().unwrap();
        if method == Method::GET {
            return objects.get(path).map_or_else(not_found, |object| (200, object.clone()));
        }
        if let Some(left) = self.writes_left.lock().unwrap().as_mut() {
            if *left == 0 {
                return (
                    500,
                    json!({"kind": "Status", "status": "Failure", "code": 500, "message": "out of order"}),
                );
            }
            *left -= 1;
        }
        self.written.lock().unwrap().push(format!("{method} {path}"));
        if method == Method::DELETE {
            return objects.remove(path).map_or_else(not_found, |object| (200, object));
        }
        assert_eq!(method, Method::PATCH, "{path}");
        let body: Value = serde_json::from_slice(body).unwrap();
        if let Some(parent) = path.strip_suffix("/status") {
            let Some(object) = objects.get_mut(parent) else { return not_found() };
            object["status"] = body["status"].clone();
            return (200, object.clone());
        }
        if !query.contains("fieldManager") {
            let Some(object) = objects.get_mut(path) else { return not_found() };
            merge(object, &body);
            return (200, object.clone());
        }
        let mut object = body;
        let old = objects.get(path);
        let uid =
            old.map_or_else(|| json!(format!("uid-{}", objects.len())), |old| old["metadata"]["uid"].clone());
        let changed = old.is_some_and(|old| old["spec"] != object["spec"]);
        let generation = old.and_then(|old| old["metadata"]["generation"].as_i64()).unwrap_or(0);
        let grown = generation + i64::from(changed || old.is_none());
        object["metadata"]["uid"] = uid;
        object["metadata"]["generation"] = json!(grown);
        if let Some(status) = old.and_then(|old| old.get("status")) {
            object["status"] = status.clone();
        }
        objects.insert(path.to_owned(), object.clone());
        (200, object)
    }

    fn client(self: &Arc<Self>) -> Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let query = parts.uri.query().unwrap_or_default();
                let (code, answer) = cluster.answer(&parts.method, parts.uri.path(), query, &body);
                let body = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
            }
        });
        Client::new(service, "default")
    }

    fn get(&self, path: &str) -> Option<Value> {
        self.objects.lock().unwrap().get(path).cloned()
    }

    fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        edit(self.objects.lock().unwrap().get_mut(path).unwrap());
    }

    fn delete(&self, path: &str) {
        self.objects.lock().unwrap().remove(path).unwrap();
    }

    fn written(&self) -> Vec<String> {
        std::mem::take(&mut self.written.lock().unwrap())
    }

    fn change_spec(&self, change: impl FnOnce(&mut DatabaseSpec)) {
        self.edit(DATABASE, |database| {
            let mut spec: DatabaseSpec = serde_json::from_value(database["spec"].clone()).unwrap();
            change(&mut spec);
            database["spec"] = json!(spec);
            database["metadata"]["generation"] =
                json!(database["metadata"]["generation"].as_i64().unwrap() + 1);
        });
    }

    /// The StatefulSet's controller reads its template and, if there is no pod, makes one, which becomes ready.
    fn settle(&self) {
        let set = self.get(STATEFUL_SET).unwrap();
        let revision = short_hash(&set["spec"]["template"].to_string());
        self.edit(STATEFUL_SET, |set| {
            let generation = set["metadata"]["generation"].clone();
            set["status"] =
                json!({"replicas": 1, "observedGeneration": generation, "updateRevision": revision});
        });
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "orders-0", "namespace": "shop", "uid": format!("pod-{revision}"),
                "labels": {"controller-revision-hash": revision},
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "orders", "uid": "x", "controller": true}
                ]
            },
            "status": {"podIP": "10.0.0.7", "conditions": [{"type": "Ready", "status": "True"}]}
        });
        self.objects.lock().unwrap().entry(POD.to_owned()).or_insert(pod);
    }

    fn condition(&self, kind: &str) -> String {
        let database = self.get(DATABASE).unwrap();
        let conditions = database["status"]["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|condition| condition["type"] == kind).unwrap();
        let text = |key: &str| found[key].as_str().unwrap().to_owned();
        format!("{} g{} {}", text("status"), found["observedGeneration"], text("reason"))
    }
}

fn not_found() -> (u16, Value) {
    (
        404,
        json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found"}),
    )
}

/// RFC 7386, as far as it is used here.
fn merge(object: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => {
            for (key, value) in fields {
                merge(&mut object[key], value);
            }
        }
        other => *object = other.clone(),
    }
}

/// A server that has read the ConfigMap as it was at the last [`Server::reads`].
#[derive(Default)]
struct Server(Mutex<String>);

impl Server {
    fn reads(&self, cluster: &Cluster) {
        let config = cluster.get(CONFIG_MAP).unwrap()["data"]["dbserver.yaml"].as_str().unwrap().to_owned();
        let config: Value = serde_yaml::from_str(&config).unwrap();
        *self.0.lock().unwrap() = config["revision"].as_str().unwrap().to_owned();
    }
}

impl Servers for Server {
    fn status(&self, address: IpAddr) -> BoxFuture<'_, Result<ServerStatus, String>> {
        assert_eq!(address.to_string(), "10.0.0.7");
        let configuration = ConfigurationInForce {
            revision: self.0.lock().unwrap().clone(),
            ..ConfigurationInForce::default()
        };
        let status =
            ServerStatus { version: Some("1.0.0".to_owned()), configuration, configuration_error: None };
        async move { Ok(status) }.boxed()
    }
}

/// A cluster with one Database, and an operator that can be restarted.
struct World {
    cluster: Arc<Cluster>,
    server: Arc<Server>,
    context: Arc<Context>,
}

impl World {
    fn new() -> Self {
        let mut database = Database::new("orders", DatabaseSpec::default());
        database.metadata.namespace = Some("shop".to_owned());
        database.metadata.uid = Some("uid-of-orders".to_owned());
        database.metadata.generation = Some(1);
        let cluster = Arc::new(Cluster::default());
        cluster.objects.lock().unwrap().insert(DATABASE.to_owned(), json!(database));
        let server = Arc::new(Server::default());
        let context = Self::context(&cluster, &server);
        Self { cluster, server, context }
    }

    fn context(cluster: &Arc<Cluster>, server: &Arc<Server>) -> Arc<Context> {
        let client = cluster.client();
        let recorder = Recorder::new(client.clone(), "test".into());
        let metrics = Arc::new(Metrics::new().unwrap());
        Arc::new(Context::new(client, recorder, server.clone(), "plimsoll/dbserver:1".to_owned(), metrics))
    }

    async fn reconcile(&self) -> Result<(), Error> {
        let database = serde_json::from_value(self.cluster.get(DATABASE).unwrap()).unwrap();
        reconcile(Arc::new(database), self.context.clone()).await.map(|_| ())
    }

    /// A Database that is Ready, its writes forgotten.
    async fn ready() -> Self {
        let world = Self::new();
        world.reconcile().await.unwrap();
        world.cluster.settle();
        world.server.reads(&world.cluster);
        world.reconcile().await.unwrap();
        assert_eq!(world.cluster.condition("Ready"), "True g1 Serving");
        world.cluster.written();
        world
    }

    fn password(&self) -> String {
        self.cluster.get(SECRET).unwrap()["data"]["password"].as_str().unwrap().to_owned()
    }
}

fn patches(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| format!("PATCH {path}")).collect()
}

fn status_path() -> String {
    format!("{DATABASE}/status")
}

#[tokio::test]
async fn everything_is_created_from_nothing() {
    let world = World::new();
    world.reconcile().await.unwrap();
    let mut expected = patches(&OWNED);
    expected.push(format!("PATCH {}", status_path()));
    assert_eq!(world.cluster.written(), expected);
    assert_eq!(world.cluster.condition("Ready"), "False g1 PodMissing");

    world.cluster.settle();
    world.server.reads(&world.cluster);
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.written(), patches(&[&status_path()]));
    assert_eq!(world.cluster.condition("Ready"), "True g1 Serving");
    assert_eq!(*world.cluster.events.lock().unwrap(), ["Ready", "ConfigurationInForce"]);
}

#[tokio::test]
async fn a_steady_state_writes_nothing() {
    let world = World::ready().await;
    for _ in 0..3 {
        world.reconcile().await.unwrap();
    }
    assert_eq!(world.cluster.written(), Vec::<String>::new());
}

#[tokio::test]
async fn a_restarted_operator_writes_nothing() {
    let mut world = World::ready().await;
    world.context = World::context(&world.cluster, &world.server);
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.written(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_deleted_comes_back() {
    let world = World::ready().await;
    for path in OWNED {
        let before = world.cluster.get(path).unwrap();
        world.cluster.delete(path);
        world.reconcile().await.unwrap();
        assert!(world.cluster.written().contains(&format!("PATCH {path}")), "{path}");
        let after = world.cluster.get(path).unwrap();
        if path != SECRET {
            assert_eq!((&after["spec"], &after["data"]), (&before["spec"], &before["data"]), "{path}");
        }
        world.cluster.settle();
        world.reconcile().await.unwrap();
        world.cluster.written();
    }
}

#[tokio::test]
async fn what_is_edited_comes_back() {
    let world = World::ready().await;
    for (path, pointer) in [
        (SECRET, "/data/uri"),
        (CONFIG_MAP, "/data/dbserver.yaml"),
        (VOLUME_CLAIM, "/metadata/labels/app.kubernetes.io~1instance"),
        (SERVICE, "/spec/ports/0/port"),
        (HEADLESS, "/spec/clusterIP"),
        (NETWORK_POLICY, "/spec/policyTypes"),
        (STATEFUL_SET, "/spec/replicas"),
        (STATEFUL_SET, "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem"),
    ] {
        let before = world.cluster.get(path).unwrap();
        let was = before.pointer(pointer).unwrap().clone();
        let edited = if was.is_string() { json!("dGFtcGVyZWQ=") } else { json!(null) };
        // The claim is known by its labels alone: one without them is a stranger's. Its size is what can be edited.
        let (pointer, edited) = if path == VOLUME_CLAIM {
            ("/spec/resources/requests/storage", json!("1Gi"))
        } else {
            (pointer, edited)
        };
        let was = before.pointer(pointer).unwrap().clone();
        world.cluster.edit(path, |object| *object.pointer_mut(pointer).unwrap() = edited);
        world.reconcile().await.unwrap();
        assert_eq!(world.cluster.get(path).unwrap().pointer(pointer), Some(&was), "{path} {pointer}");
        world.cluster.settle();
    }
}

#[tokio::test]
async fn a_changed_configuration_leaves_the_pod_template_alone() {
    let world = World::ready().await;
    let stateful_set = world.cluster.get(STATEFUL_SET);
    world.cluster.change_spec(|spec| spec.limits.query_timeout = "5s".into());
    world.reconcile().await.unwrap();
    // The ConfigMap, the pod's annotation, the status: nothing else.
    assert_eq!(world.cluster.written(), patches(&[CONFIG_MAP, POD, &status_path()]));
    assert_eq!(world.cluster.get(STATEFUL_SET), stateful_set);
    assert_eq!(world.cluster.condition("Ready"), "True g1 Serving");
    assert_eq!(world.cluster.condition("ConfigurationInForce"), "False g2 Pending");

    world.server.reads(&world.cluster);
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.written(), patches(&[&status_path()]));
    assert_eq!(world.cluster.condition("Ready"), "True g2 Serving");
    assert_eq!(world.cluster.condition("ConfigurationInForce"), "True g2 InForce");
}

#[tokio::test]
async fn a_new_image_replaces_the_pod_and_ready_waits_for_it() {
    let world = World::ready().await;
    world.cluster.change_spec(|spec| spec.image = Some("plimsoll/dbserver:2".to_owned()));
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.written(), patches(&[STATEFUL_SET, &status_path()]));
    assert_eq!(world.cluster.condition("Ready"), "True g1 Serving");

    world.cluster.settle();
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.written(), [format!("DELETE {POD}"), format!("PATCH {}", status_path())]);
    assert_eq!(world.cluster.condition("Ready"), "False g2 RollingOut");

    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.condition("Ready"), "False g2 PodMissing");
    world.cluster.settle();
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.condition("Ready"), "True g2 Serving");
}

#[tokio::test]
async fn a_password_is_made_once() {
    let world = World::ready().await;
    let password = world.password();
    world.cluster.change_spec(|spec| spec.pool.max_connections = 5);
    world.reconcile().await.unwrap();
    assert_eq!(world.password(), password);
    // Written by hand: it is taken, and what is made of it follows.
    world.cluster.edit(SECRET, |secret| secret["data"]["password"] = json!("c2VjcmV0"));
    world.reconcile().await.unwrap();
    assert_eq!(world.password(), "c2VjcmV0");
    let secret: k8s_openapi::api::core::v1::Secret =
        serde_json::from_value(world.cluster.get(SECRET).unwrap()).unwrap();
    let uri = String::from_utf8(secret.data.unwrap()["uri"].0.clone()).unwrap();
    assert_eq!(uri, "postgresql://plimsoll:secret@orders.shop.svc:5432/plimsoll");
    // The server is told soon.
    assert!(world.cluster.written().contains(&format!("PATCH {POD}")));
}

#[tokio::test]
async fn a_strangers_object_is_left_alone() {
    let world = World::new();
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
        "metadata": {"name": "orders-config", "namespace": "shop", "uid": "x"}});
    world.cluster.objects.lock().unwrap().insert(CONFIG_MAP.to_owned(), theirs.clone());
    assert!(matches!(world.reconcile().await, Err(Error::Problem(_))));
    assert_eq!(world.cluster.get(CONFIG_MAP), Some(theirs));
    assert_eq!(world.cluster.condition("Degraded"), "True g1 NameTaken");
    // No pod that would mount it.
    assert_eq!(world.cluster.get(STATEFUL_SET), None);
    world.cluster.delete(CONFIG_MAP);
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.condition("Degraded"), "False g1 AsExpected");
}

#[tokio::test]
async fn a_kept_volume_is_taken_over_as_it_is() {
    let first = World::ready().await;
    let mut claim = first.cluster.get(VOLUME_CLAIM).unwrap();
    assert_eq!(claim["metadata"]["ownerReferences"], json!(null));
    claim["spec"]["storageClassName"] = json!("fast");
    claim["spec"]["resources"]["requests"]["storage"] = json!("40Gi");

    let second = World::new();
    second.cluster.objects.lock().unwrap().insert(VOLUME_CLAIM.to_owned(), claim);
    second.reconcile().await.unwrap();
    let spec = second.cluster.get(VOLUME_CLAIM).unwrap()["spec"].clone();
    assert_eq!(spec["storageClassName"], "fast");
    assert_eq!(spec["resources"]["requests"]["storage"], "40Gi");
}

#[tokio::test]
async fn a_class_given_by_the_cluster_is_no_change() {
    let world = World::ready().await;
    world.cluster.edit(VOLUME_CLAIM, |claim| claim["spec"]["storageClassName"] = json!("standard"));
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.written(), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_monitor_where_that_kind_exists() {
    const MONITOR: &str = "/apis/monitoring.coreos.com/v1/namespaces/shop/servicemonitors/orders";
    let world = World::new();
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.get(MONITOR), None);
    world.context.service_monitors.send_replace(true);
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.get(MONITOR).unwrap()["spec"]["endpoints"][0]["port"], "http");
    world.cluster.written();
    world.cluster.delete(MONITOR);
    world.reconcile().await.unwrap();
    assert_eq!(world.cluster.written(), patches(&[MONITOR]));
}

#[tokio::test]
async fn when_deleted_decides_who_owns_the_volume() {
    let world = World::ready().await;
    let owners = || world.cluster.get(VOLUME_CLAIM).unwrap()["metadata"]["ownerReferences"].clone();
    world.cluster.change_spec(|spec| spec.storage.when_deleted = WhenDeleted::Delete);
    world.reconcile().await.unwrap();
    assert_eq!(owners()[0]["uid"], "uid-of-orders");
    world.cluster.change_spec(|spec| spec.storage.when_deleted = WhenDeleted::Retain);
    world.reconcile().await.unwrap();
    assert_eq!(owners(), json!(null));
}

#[tokio::test]
async fn an_operator_killed_between_any_two_writes_ends_at_the_same() {
    let expected = World::ready().await;
    let all_writes = OWNED.len() + 1;
    for writes in 0..=all_writes {
        let mut world = World::new();
        *world.cluster.writes_left.lock().unwrap() = Some(writes);
        let _ = world.reconcile().await;
        *world.cluster.writes_left.lock().unwrap() = None;
        world.context = World::context(&world.cluster, &world.server);
        let password = world.cluster.get(SECRET).map(|_| world.password());
        world.reconcile().await.unwrap();
        world.cluster.settle();
        world.server.reads(&world.cluster);
        world.reconcile().await.unwrap();
        assert_eq!(world.cluster.condition("Ready"), "True g1 Serving", "after {writes} writes");
        assert_eq!(password.unwrap_or_else(|| world.password()), world.password());
        for path in OWNED.into_iter().filter(|path| *path != SECRET) {
            let (found, expected) = (world.cluster.get(path).unwrap(), expected.cluster.get(path).unwrap());
            assert_eq!((&found["spec"], &found["data"]), (&expected["spec"], &expected["data"]), "{path}");
        }
    }
}

#[tokio::test]
async fn a_deleted_database_is_left_to_the_collector() {
    let world = World::ready().await;
    world
        .cluster
        .edit(DATABASE, |database| database["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    world.cluster.delete(CONFIG_MAP);
    world.reconcile().await.unwrap();
    world.cluster.delete(DATABASE);
    assert_eq!(world.cluster.written(), Vec::<String>::new());
}

#[test]
fn backoff_grows_and_has_a_bound() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let world = World::new();
    let waits: Vec<f64> = (0..12)
        .map(|_| world.context.backoff("shop".to_owned(), "orders".to_owned()).as_secs_f64())
        .collect();
    for (attempt, wait) in waits.iter().enumerate() {
        let full = f64::from(1 << attempt.min(6));
        assert!((full * 0.75..=full).contains(wait), "{attempt}: {wait}");
    }
}
