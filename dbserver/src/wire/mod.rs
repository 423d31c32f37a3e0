//! PostgreSQL's protocol.

mod auth;

pub use auth::Credentials;
