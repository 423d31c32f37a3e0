//! dbserver beside PostgreSQL, through the wire, with PostgreSQL's own clients: pgbench and psql.

mod cgroup;
pub mod commits;
pub mod copy;
pub mod delete;
pub mod footprint;
pub mod larger;
pub mod pgbench;
mod process;
pub mod reopen;
pub mod server;
pub mod soak;

use anyhow::Result;
use server::{Kind, Server};
use std::path::Path;

/// A fresh server of each kind.
pub type Competitors = Vec<Server>;

/// Starts one of each kind, all with the same memory limit.
pub fn start(kinds: &[Kind], data: &Path, limit_bytes: Option<u64>) -> Result<Competitors> {
    kinds.iter().map(|kind| Server::start(kind, data, limit_bytes)).collect()
}
