//! Plimsoll's Kubernetes operator.
//!
//! - [`api`]: the `Database` resource, its validation rules, status and conditions.
pub mod api;
