//! The database process: PostgreSQL's protocol, probes, metrics, configuration.
//!
//! ```text
//!   cli, config ──► server ◄── http (/health /ready /status /metrics)
//!                     ▲  ▲
//!     wire ───────────┘  └──── pool, telemetry
//! ```
//!
//! Only [`wire`] knows pgwire, only [`http`] knows axum. The process is configured by a file, flags and signals and
//! knows nothing of Kubernetes.

mod analyze;
pub mod cli;
pub mod config;
mod descriptors;
mod hooks;
pub mod http;
pub mod offline;
pub mod pool;
pub mod process;
pub mod server;
pub mod status;
pub mod telemetry;
pub mod wire;
