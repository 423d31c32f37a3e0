//! The cluster under test: applying, waiting, reading, and printing what there is when a test fails.

use crate::images;
use crate::tunnel::Tunnel;
use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Event, Namespace as NamespaceObject, Pod, Secret};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, LogParams, Patch,
    PatchParams, PostParams,
};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

/// The operator's namespace.
pub const OPERATOR_NAMESPACE: &str = "plimsoll-system";

/// What the environment says about machines and effort.
#[derive(Clone)]
pub struct Commands {
    /// Shell command that cuts the power of $NODE.
    pub node_stop: String,
    /// Shell command that boots $NODE.
    pub node_start: String,
    /// Seconds of each pgbench run.
    pub pgbench_seconds: u32,
}

/// A connection to the cluster.
#[derive(Clone)]
pub struct Cluster {
    /// kube's client.
    pub client: Client,
    /// What the environment says.
    pub commands: Commands,
}

impl Cluster {
    /// Connects to the cluster that KUBECONFIG names.
    pub async fn connect(commands: Commands) -> Result<Self> {
        let client = Client::try_default().await.context("no cluster: set KUBECONFIG")?;
        Ok(Self { client, commands })
    }

    /// `helm install` of the operator's chart with the images under test, and waits for it.
    pub async fn install_operator(&self) -> Result<()> {
        let chart = images::root().join("charts/plimsoll-operator");
        let (operator, dbserver) = (images::name("operator"), images::name("dbserver"));
        let (repository, tag) = operator.rsplit_once(':').context("an image has a tag")?;
        images::run(
            Command::new("helm")
                .args(["upgrade", "--install", "plimsoll"])
                .arg(chart)
                .args([
                    "--namespace",
                    OPERATOR_NAMESPACE,
                    "--create-namespace",
                    "--wait",
                    "--timeout",
                    "120s",
                ])
                .args(["--set", &format!("image.repository={repository},image.tag={tag}")])
                .args(["--set", &format!("dbserver.image={dbserver}")])
                // Other images under the same name may run already: a changed pod template rolls them.
                .args(["--set-string", &format!("podAnnotations.e2e={}", std::process::id())]),
        )
    }

    /// A fresh namespace for a test, under the restricted pod security standard.
    pub async fn namespace(&self, test: &str) -> Result<Namespace> {
        let name = format!("e2e-{}-{:04x}", test.replace('_', "-"), rand::random::<u16>());
        let object: NamespaceObject = serde_json::from_value(json!({"metadata": {"name": name, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted", "plimsoll.io/e2e": "true"}}}))?;
        Api::<NamespaceObject>::all(self.client.clone()).create(&PostParams::default(), &object).await?;
        Ok(Namespace { cluster: self.clone(), name })
    }
}

/// A test's namespace.
#[derive(Clone)]
pub struct Namespace {
    /// The cluster.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
}

/// A condition of a Database, null where there is none.
fn find_condition(database: &DynamicObject, kind: &str) -> Value {
    let conditions = database.data.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.cloned().unwrap_or(Value::Null)
}

/// The resource that `apiVersion` and `kind` name.
fn resource(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

impl Namespace {
    /// The objects of a kind.
    pub fn objects(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.cluster.client.clone(), &self.name, &resource(api_version, kind))
    }

    /// The Databases.
    pub fn databases(&self) -> Api<DynamicObject> {
        self.objects("plimsoll.io/v1alpha1", "Database")
    }

    /// The pods.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client.clone(), &self.name)
    }

    /// Applies a Database of this name and spec, as `kubectl apply` does.
    pub async fn apply_database(&self, name: &str, spec: Value) -> Result<DynamicObject> {
        let object = json!({"apiVersion": "plimsoll.io/v1alpha1", "kind": "Database", "metadata": {"name": name}, "spec": spec});
        let parameters = PatchParams::apply("e2e").force();
        Ok(self.databases().patch(name, &parameters, &Patch::Apply(&object)).await?)
    }

    /// A merge patch of a Database's spec, as `kubectl patch --type merge` sends it.
    pub async fn patch_database(&self, name: &str, spec: Value) -> Result<DynamicObject> {
        Ok(self
            .databases()
            .patch(name, &PatchParams::default(), &Patch::Merge(json!({"spec": spec})))
            .await?)
    }

    /// Waits until the Database's condition is True for its present generation; gives the time it took.
    pub async fn wait_condition(&self, name: &str, condition: &str, limit: Duration) -> Result<Duration> {
        let begun = Instant::now();
        self.wait(&format!("{name}: condition {condition}"), limit, async || {
            let object = self.databases().get(name).await?;
            let found = find_condition(&object, condition);
            Ok(found["status"] == "True"
                && found["observedGeneration"].as_i64() == object.metadata.generation)
        })
        .await?;
        Ok(begun.elapsed())
    }

    /// Waits until the Database's condition has this reason for its present generation.
    pub async fn wait_reason(
        &self,
        name: &str,
        condition: &str,
        reason: &str,
        limit: Duration,
    ) -> Result<()> {
        self.wait(&format!("{name}: condition {condition} has reason {reason}"), limit, async || {
            let object = self.databases().get(name).await?;
            let found = find_condition(&object, condition);
            Ok(found["reason"] == reason
                && found["observedGeneration"].as_i64() == object.metadata.generation)
        })
        .await
    }

    /// Waits until `check` gives true.
    pub async fn wait(
        &self,
        what: &str,
        limit: Duration,
        check: impl AsyncFn() -> Result<bool>,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let last = check().await;
            if matches!(last, Ok(true)) {
                return Ok(());
            }
            if begun.elapsed() > limit {
                bail!("{what}: not within {limit:?} (last answer: {last:?})");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The keys of the Secret that the Database's status names.
    pub async fn credentials(&self, database: &str) -> Result<std::collections::BTreeMap<String, String>> {
        let object = self.databases().get(database).await?;
        let name = object
            .data
            .pointer("/status/secretName")
            .and_then(Value::as_str)
            .context("status.secretName")?
            .to_owned();
        let secret = Api::<Secret>::namespaced(self.cluster.client.clone(), &self.name).get(&name).await?;
        secret.data.unwrap_or_default().into_iter().map(|(k, v)| Ok((k, String::from_utf8(v.0)?))).collect()
    }

    /// The Database's one pod.
    pub async fn pod(&self, database: &str) -> Result<Pod> {
        Ok(self.pods().get(&format!("{database}-0")).await?)
    }

    /// A local port that leads to a port of the Database's pod.
    pub async fn tunnel(&self, database: &str, port: u16) -> Result<Tunnel> {
        Tunnel::open(self.pods(), format!("{database}-0"), port).await
    }

    /// Connects through a tunnel with the Secret's credentials.
    pub async fn connect(&self, database: &str, tunnel: &Tunnel) -> Result<tokio_postgres::Client> {
        let credentials = self.credentials(database).await?;
        connect(tunnel, &credentials).await
    }

    /// What `/status` of the Database says.
    pub async fn status(&self, database: &str) -> Result<Value> {
        let tunnel = self.tunnel(database, 8080).await?;
        Ok(serde_json::from_str(&http_get(&tunnel, "/status").await?)?)
    }

    /// Prints objects, events and logs, for the reader of a failure.
    pub async fn print_state(&self) {
        println!("--- namespace {}", self.name);
        let kinds = [
            ("plimsoll.io/v1alpha1", "Database"),
            ("apps/v1", "StatefulSet"),
            ("v1", "Pod"),
            ("v1", "PersistentVolumeClaim"),
            ("v1", "ConfigMap"),
            ("v1", "Service"),
        ];
        for (version, kind) in kinds {
            for mut object in self
                .objects(version, kind)
                .list(&ListParams::default())
                .await
                .map(|l| l.items)
                .unwrap_or_default()
            {
                object.metadata.managed_fields = None;
                println!(
                    "--- {kind} {}\n{}",
                    object.name_any(),
                    serde_yaml::to_string(&object).unwrap_or_default()
                );
            }
        }
        let events = Api::<Event>::namespaced(self.cluster.client.clone(), &self.name);
        for event in events.list(&ListParams::default()).await.map(|l| l.items).unwrap_or_default() {
            println!(
                "event {} {}: {} {}",
                event.involved_object.kind.unwrap_or_default(),
                event.involved_object.name.unwrap_or_default(),
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default()
            );
        }
        print_logs(&self.pods()).await;
        print_logs(&Api::namespaced(self.cluster.client.clone(), OPERATOR_NAMESPACE)).await;
    }

    /// Deletes the namespace (without waiting).
    pub async fn delete(&self) -> Result<()> {
        Api::<NamespaceObject>::all(self.cluster.client.clone())
            .delete(&self.name, &DeleteParams::default())
            .await?;
        Ok(())
    }
}

async fn print_logs(pods: &Api<Pod>) {
    for pod in pods.list(&ListParams::default()).await.map(|l| l.items).unwrap_or_default() {
        for previous in [true, false] {
            let parameters = LogParams { tail_lines: Some(80), previous, ..LogParams::default() };
            if let Ok(log) = pods.logs(&pod.name_any(), &parameters).await {
                println!("--- log of pod {} (previous: {previous})\n{log}", pod.name_any());
            }
        }
    }
}

/// Connects as the Secret's user.
pub async fn connect(
    tunnel: &Tunnel,
    credentials: &std::collections::BTreeMap<String, String>,
) -> Result<tokio_postgres::Client> {
    let key = |name: &str| credentials.get(name).with_context(|| format!("the Secret has no key {name}"));
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(tunnel.address.port()).connect_timeout(Duration::from_secs(10));
    config.user(key("username")?).password(key("password")?).dbname(key("dbname")?);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// GET through a tunnel; an error unless the answer is 200.
pub async fn http_get(tunnel: &Tunnel, path: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(tunnel.address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    if head.split(' ').nth(1).is_none_or(|code| code != "200") {
        bail!("GET {path}: {head}\n{body}");
    }
    Ok(body.to_owned())
}
