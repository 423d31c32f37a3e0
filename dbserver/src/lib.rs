//! The database process: PostgreSQL protocol, probes, metrics, configuration.
