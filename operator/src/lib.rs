//! Plimsoll's Kubernetes operator.
//!
//! - [`api`]: the `Database` resource, its validation rules, status and conditions.
//! - [`database`]: the controller that makes the cluster what a Database asks for.
//! - [`leader`]: of several operators only one acts.
//! - [`http`], [`metrics`]: how the operator itself is watched.

pub mod api;
pub mod database;
pub mod http;
pub mod leader;
pub mod metrics;
