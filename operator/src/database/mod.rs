//! The controller of `Database`: dereference → validate → build → apply → status.
//!
//! ```text
//!  Database ──┐
//!             ├─ dereference ── validate ── build ── apply ── roll out ── refresh ── ask the server ── status
//!  its objects┘   (read)        (pure)     (pure)   (write)   (delete    (annotate    (GET /status)    (write,
//!                                                             old pod)    the pod)                      events)
//! ```
//!
//! Every step starts from what is there, none from what an earlier run remembers: the operator may be killed between any
//! two of them. A step that is not due does nothing, so a steady state writes nothing.

pub mod apply;
pub mod build;
mod controller;
pub mod dereference;
mod events;
mod foreign;
mod hash;
pub mod names;
pub mod pod;
pub mod problem;
mod reconcile;
mod refresh;
pub mod rollout;
pub mod server;
pub mod status;
pub mod validate;

pub use controller::{Settings, run};
pub use reconcile::{Context, Error, reconcile};

#[cfg(test)]
mod tests;
