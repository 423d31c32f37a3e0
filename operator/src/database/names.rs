//! What the objects of a Database are called.

/// The keys of labels and annotations.
pub mod label {
    /// The application.
    pub const NAME: &str = "app.kubernetes.io/name";
    /// The Database.
    pub const INSTANCE: &str = "app.kubernetes.io/instance";
    /// The part of the application.
    pub const COMPONENT: &str = "app.kubernetes.io/component";
    /// Who looks after the object; watches are filtered by it.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// Which of the two Services this is.
    pub const SERVICE: &str = "plimsoll.io/service";
    /// Annotation: the hash of the object as it was last applied.
    pub const APPLIED: &str = "plimsoll.io/applied";
    /// Annotation of the pod: the last time its node was asked to renew the mounted files.
    pub const REFRESH: &str = "plimsoll.io/refresh";
}

/// The names of the objects of one Database. All but the volume claim's derive from it alone, and so does that one: a
/// Database that is created again finds its volume.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the name of the object it is called after")]
pub struct Names {
    pub namespace: String,
    pub database: String,
    pub secret: String,
    pub config_map: String,
    pub volume_claim: String,
    pub service: String,
    pub headless_service: String,
    pub network_policy: String,
    pub stateful_set: String,
    pub service_monitor: String,
    pub pod: String,
}

impl Names {
    /// The names of the objects of the Database `database` in `namespace`.
    pub fn of(namespace: &str, database: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            database: database.to_owned(),
            secret: format!("{database}-credentials"),
            config_map: format!("{database}-config"),
            volume_claim: format!("{database}-data"),
            service: database.to_owned(),
            headless_service: format!("{database}-headless"),
            network_policy: database.to_owned(),
            stateful_set: database.to_owned(),
            service_monitor: database.to_owned(),
            pod: format!("{database}-0"),
        }
    }

    /// The host name where clients connect, good in the whole cluster whatever its domain is called.
    pub fn host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }
}
