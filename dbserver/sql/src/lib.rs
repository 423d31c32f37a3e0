//! Plimsoll's SQL layer: PostgreSQL 15's dialect over the storage engine's transactions.
//!
//! ```text
//! text ──parse──> AST ──bind──> Plan (logical) ──optimize──> Plan (physical) ──execute──> batches
//!                          │ names, types, casts                   │ point plans: inline, row at a time
//!                       catalog                                    └ everything else: vectors of rows
//! ```
//!
//! This crate knows no sockets and no files: `session::Session` is what a connection talks to, and
//! `plimsoll_storage::Transaction` is what a statement reads and writes through.

pub mod bind;
pub mod catalog;
pub mod context;
pub mod error;
pub mod execute;
pub mod expr;
pub mod functions;
#[cfg(test)]
mod fuzz;
pub mod optimize;
pub mod parse;
pub mod plan;
pub mod session;
pub mod statistics;
pub mod types;
pub mod vector;

pub use error::{Result, SqlError};
