//! The `Database` resource: what a person asks for.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatabaseStatus, Duration, Quantity};

/// A database server with its volume, reachable in the cluster under the resource's name.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[kube(
    group = "plimsoll.io",
    version = "v1alpha1",
    kind = "Database",
    plural = "databases",
    shortname = "db",
    category = "all",
    namespaced,
    status = "DatabaseStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A PostgreSQL-compatible database that knows how much it can carry, run by Plimsoll.",
    label("app.kubernetes.io/name", "plimsoll"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 45")
        .message("metadata.name: write at most 45 lower-case letters, digits and hyphens, beginning with a letter (it becomes a DNS name)"),
    validation = Rule::new("quantity(string(self.spec.storage.size)).compareTo(quantity(string(oldSelf.spec.storage.size))) >= 0 || (has(self.status) && has(self.status.volumeSize) && quantity(string(self.spec.storage.size)).compareTo(quantity(string(self.status.volumeSize))) >= 0)")
        .message("spec.storage.size: a volume can grow but not shrink"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.limits.maxQueryMemory) || quantity(string(self.limits.maxQueryMemory)).compareTo(quantity(string(self.resources.limits.memory))) <= 0")
    .message("limits.maxQueryMemory: must not exceed resources.limits.memory, the memory of the whole server"))]
pub struct DatabaseSpec {
    /// The container image of dbserver. Unset: the image the operator was installed with. A change restarts the
    /// server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,

    /// The volume that holds the data.
    #[serde(default)]
    pub storage: StorageSpec,

    /// The processor time and memory of the server. A change restarts it.
    #[serde(default)]
    pub resources: ResourcesSpec,

    /// What one statement may use. Going over is an error for the statement, never for the server. A change is in
    /// force within seconds, without a restart.
    #[serde(default)]
    pub limits: LimitsSpec,

    /// Connections and admission. A change is in force within seconds, without a restart.
    #[serde(default)]
    pub pool: PoolSpec,

    /// The server's logs. A change is in force within seconds, without a restart.
    #[serde(default)]
    pub logging: LoggingSpec,
}

/// The volume that holds the data.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
    .message("storage.storageClassName: cannot change once the volume exists"))]
pub struct StorageSpec {
    /// The size of the volume. It can grow where the storage class allows it; it never shrinks. A size that the class
    /// refused can be taken back, to `status.volumeSize` or more.
    #[serde(default = "default_size")]
    #[x_kube(validation = Rule::new("quantity(string(self)).compareTo(quantity('64Mi')) >= 0").message("must be at least 64Mi"))]
    pub size: Quantity,

    /// The storage class of the volume. Unset: the cluster's default. Fixed once the database exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,

    /// What becomes of the volume when the Database is deleted. `Retain` keeps it, and a Database of the same name takes
    /// it over; `Delete` deletes it with all data.
    #[serde(default)]
    pub when_deleted: WhenDeleted,
}

/// What becomes of the volume when the Database is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub enum WhenDeleted {
    /// The volume stays; a Database of the same name takes it over.
    #[default]
    Retain,
    /// The volume is deleted with all data.
    Delete,
}

/// The processor time and memory of the server.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.requests) || !has(self.requests.memory) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0")
    .message("resources.requests.memory: must not exceed resources.limits.memory"))]
#[x_kube(validation = Rule::new("!has(self.requests) || !has(self.requests.cpu) || !has(self.limits.cpu) || quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0")
    .message("resources.requests.cpu: must not exceed resources.limits.cpu"))]
pub struct ResourcesSpec {
    /// What the server is sure to get. Memory unset: as much as its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<ResourceAmounts>,

    /// What the server may use at most. The memory limit is what the server divides among its caches and queries.
    #[serde(default = "default_limits")]
    #[x_kube(validation = Rule::new("has(self.memory)").message("memory: a database needs a memory limit, such as 1Gi"))]
    #[x_kube(validation = Rule::new("!has(self.memory) || quantity(string(self.memory)).compareTo(quantity('128Mi')) >= 0").message("memory: must be at least 128Mi"))]
    pub limits: ResourceAmounts,
}

/// Amounts of processor time and memory.
#[derive(JsonSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceAmounts {
    /// Cores, such as `2` or `500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,

    /// Bytes, such as `1Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

/// What one statement may use.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// A statement that runs longer is cancelled (SQLSTATE 57014). `SET statement_timeout` works below this limit, not
    /// above it.
    #[serde(default = "default_query_timeout")]
    pub query_timeout: Duration,

    /// A result with more rows is refused (SQLSTATE 54000). `COPY ... TO` is not counted.
    #[serde(default = "default_max_rows")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub max_rows: i64,

    /// A statement that needs more memory is ended (SQLSTATE 53200). Unset: 1Gi, or 20 % of the server's memory where
    /// that is less. At most the memory limit of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("quantity(string(self)).compareTo(quantity('1Mi')) >= 0").message("must be at least 1Mi"))]
    pub max_query_memory: Option<Quantity>,

    /// A longer query text is refused (SQLSTATE 54000). From 1Ki to 1Gi.
    #[serde(default = "default_max_query_size")]
    #[x_kube(validation = Rule::new("quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('1Gi')) <= 0").message("must be between 1Ki and 1Gi"))]
    pub max_query_size: Quantity,

    /// The time limit of COPY, CREATE INDEX and other bulk work. Unset: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk_timeout: Option<Duration>,
}

/// Connections and admission.
#[derive(JsonSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PoolSpec {
    /// Client connections at one time.
    #[serde(default = "default_max_connections")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_connections: i32,

    /// How long a connection over the limit waits for one to end before it is refused (SQLSTATE 53300).
    #[serde(default = "default_acquire_timeout")]
    pub acquire_timeout: Duration,

    /// A connection idle for this long outside a transaction is closed.
    #[serde(default = "default_idle_timeout")]
    pub idle_timeout: Duration,

    /// A transaction idle for this long is rolled back and its connection ended (SQLSTATE 25P03).
    #[serde(default = "default_idle_timeout")]
    pub idle_in_transaction_timeout: Duration,

    /// Statements that run at one time. Unset: twice the processors, at least 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub active_statements: Option<i32>,
}

/// The server's logs, one JSON object a line on standard output.
#[derive(JsonSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LoggingSpec {
    /// The least severe messages that are written.
    #[serde(default)]
    pub level: LogLevel,

    /// Which statements are logged: none, those slower than `slowQuery`, or all.
    #[serde(default)]
    pub queries: QueryLog,

    /// A statement that takes at least this long is slow.
    #[serde(default = "default_slow_query")]
    pub slow_query: Duration,

    /// Whether logged statements show the values of their parameters.
    #[serde(default)]
    pub parameters: bool,
}

/// The least severe messages that are written.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it, and the CRD shows them as one list")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Which statements are logged.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it, and the CRD shows them as one list")]
pub enum QueryLog {
    None,
    #[default]
    Slow,
    All,
}

fn default_size() -> Quantity {
    "10Gi".into()
}

fn default_limits() -> ResourceAmounts {
    ResourceAmounts { cpu: None, memory: Some("1Gi".into()) }
}

fn default_query_timeout() -> Duration {
    "30s".into()
}

fn default_max_rows() -> i64 {
    1_000_000
}

fn default_max_query_size() -> Quantity {
    "10Mi".into()
}

fn default_max_connections() -> i32 {
    100
}

fn default_acquire_timeout() -> Duration {
    "30s".into()
}

fn default_idle_timeout() -> Duration {
    "300s".into()
}

fn default_slow_query() -> Duration {
    "1s".into()
}

impl Default for StorageSpec {
    fn default() -> Self {
        Self { size: default_size(), storage_class_name: None, when_deleted: WhenDeleted::default() }
    }
}

impl Default for ResourcesSpec {
    /// What a whole absent `resources` means; a `resources` without `requests` has none.
    fn default() -> Self {
        let requests = ResourceAmounts { cpu: Some("500m".into()), memory: Some("1Gi".into()) };
        Self { requests: Some(requests), limits: default_limits() }
    }
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self {
            query_timeout: default_query_timeout(),
            max_rows: default_max_rows(),
            max_query_memory: None,
            max_query_size: default_max_query_size(),
            bulk_timeout: None,
        }
    }
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self {
            max_connections: default_max_connections(),
            acquire_timeout: default_acquire_timeout(),
            idle_timeout: default_idle_timeout(),
            idle_in_transaction_timeout: default_idle_timeout(),
            active_statements: None,
        }
    }
}

impl Default for LoggingSpec {
    fn default() -> Self {
        Self {
            level: LogLevel::default(),
            queries: QueryLog::default(),
            slow_query: default_slow_query(),
            parameters: false,
        }
    }
}
