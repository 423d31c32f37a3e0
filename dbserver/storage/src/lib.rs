//! Plimsoll's storage engine: one log-structured keyspace under multi-version concurrency control.
