//! The second look at a spec: everything is parsed here once, and what is built later cannot fail.
//!
//! The CRD has refused nearly all nonsense before. What remains are Databases written under an older CRD; a bad spec
//! is a condition on its Database, never an error that stops the operator.

use std::fmt::Write;

use crate::api::{DatabaseSpec, Duration, Quantity};

use super::hash::short_hash;

/// The configuration of a server as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The file, `revision` included.
    pub yaml: String,
    /// A name for the content of the file; the server reports the one in force.
    pub revision: String,
}

/// Parses and checks a spec. The errors name the field.
pub fn validate(spec: &DatabaseSpec) -> Result<ServerConfig, Vec<String>> {
    let mut problems = Vec::new();
    check_resources(spec, &mut problems);
    let body = config_body(spec, &mut problems);
    if problems.is_empty() {
        let revision = short_hash(&body);
        Ok(ServerConfig { yaml: format!("revision: \"{revision}\"\n{body}"), revision })
    } else {
        Err(problems)
    }
}

fn check_resources(spec: &DatabaseSpec, problems: &mut Vec<String>) {
    let limits = &spec.resources.limits;
    let mut amount = |field: &str, quantity: Option<&Quantity>| {
        quantity?.milli().map_err(|error| problems.push(format!("{field}: {error}"))).ok()
    };
    amount("storage.size", Some(&spec.storage.size));
    amount("resources.limits.cpu", limits.cpu.as_ref());
    let memory = amount("resources.limits.memory", limits.memory.as_ref());
    if let Some(requests) = &spec.resources.requests {
        amount("resources.requests.cpu", requests.cpu.as_ref());
        amount("resources.requests.memory", requests.memory.as_ref());
    }
    let query_memory = amount("limits.maxQueryMemory", spec.limits.max_query_memory.as_ref());
    if limits.memory.is_none() {
        problems.push("resources.limits.memory: a database needs a memory limit, such as 1Gi".to_owned());
    }
    if query_memory.zip(memory).is_some_and(|(query, all)| query > all) {
        problems.push("limits.maxQueryMemory: must not exceed resources.limits.memory".to_owned());
    }
}

/// The file without its revision. Written line by line: the order is fixed, and so is the hash.
fn config_body(spec: &DatabaseSpec, problems: &mut Vec<String>) -> String {
    let DatabaseSpec { image: _, storage: _, resources: _, limits, pool, logging } = spec;
    let mut file = Sections { text: String::new(), problems, section: "" };
    file.section("auth");
    file.value("user", Some(super::build::USER));
    file.value("passwordFile", Some("/etc/plimsoll/secret/password"));
    file.section("limits");
    file.duration("queryTimeout", Some(&limits.query_timeout));
    file.value("maxRows", Some(limits.max_rows));
    file.size("maxQueryMemory", limits.max_query_memory.as_ref());
    file.size("maxQuerySize", Some(&limits.max_query_size));
    file.duration("bulkTimeout", limits.bulk_timeout.as_ref());
    file.section("pool");
    file.value("maxConnections", Some(pool.max_connections));
    file.duration("acquireTimeout", Some(&pool.acquire_timeout));
    file.duration("idleTimeout", Some(&pool.idle_timeout));
    file.duration("idleInTransactionTimeout", Some(&pool.idle_in_transaction_timeout));
    file.value("activeStatements", pool.active_statements);
    file.section("logging");
    file.value("level", Some(format!("{:?}", logging.level).to_lowercase()));
    file.value("format", Some("json"));
    file.value("queries", Some(format!("{:?}", logging.queries).to_lowercase()));
    file.duration("slowQuery", Some(&logging.slow_query));
    file.value("parameters", Some(logging.parameters));
    file.text
}

struct Sections<'a> {
    text: String,
    problems: &'a mut Vec<String>,
    section: &'static str,
}

impl Sections<'_> {
    fn section(&mut self, name: &'static str) {
        self.section = name;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{name}:");
    }

    /// Every value here is a number, a boolean, a word or a path: none needs quotes in YAML.
    fn value(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            let _ = writeln!(self.text, "  {key}: {value}");
        }
    }

    fn duration(&mut self, key: &str, duration: Option<&Duration>) {
        let normal = duration.map(Duration::normal).transpose();
        self.checked(key, normal.map_err(|error| error.to_string()));
    }

    fn size(&mut self, key: &str, size: Option<&Quantity>) {
        let size = size.map(Quantity::size).transpose();
        self.checked(key, size.map_err(|error| error.to_string()));
    }

    fn checked(&mut self, key: &str, value: Result<Option<String>, String>) {
        match value {
            Ok(value) => self.value(key, value),
            Err(error) => self.problems.push(format!("{}.{key}: {error}", self.section)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        let config = validate(&DatabaseSpec::default()).unwrap();
        assert!(config.yaml.starts_with(&format!("revision: \"{}\"\n", config.revision)));
    }

    #[test]
    fn the_revision_follows_the_content_not_the_spelling() {
        let with_timeout = |text: &str| {
            let mut spec = DatabaseSpec::default();
            spec.limits.query_timeout = text.into();
            validate(&spec).unwrap().revision
        };
        assert_eq!(with_timeout("60s"), with_timeout("1m"));
        assert_ne!(with_timeout("60s"), with_timeout("61s"));
        let mut larger = DatabaseSpec::default();
        larger.storage.size = "20Gi".into();
        assert_eq!(validate(&larger), validate(&DatabaseSpec::default()));
    }

    #[test]
    fn problems_name_their_fields() {
        let mut spec = DatabaseSpec::default();
        spec.limits.query_timeout = "soon".into();
        spec.limits.max_query_memory = Some("2Gi".into());
        spec.storage.size = "big".into();
        spec.resources.limits.memory = Some("1Gi".into());
        let problems = validate(&spec).unwrap_err();
        for field in ["limits.queryTimeout", "limits.maxQueryMemory", "storage.size"] {
            assert!(problems.iter().any(|problem| problem.starts_with(field)), "{problems:?}");
        }
    }
}
