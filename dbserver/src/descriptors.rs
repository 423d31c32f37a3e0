//! File descriptors: every connection takes one, every file of the engine too.
//!
//! A process begins with the soft limit, for the sake of programs that use `select(2)`: often 1,024 where the hard limit is
//! a million. We use no `select`, so the soft limit goes up to the hard one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Pool;

/// What is not a client's: the engine's files, HTTP, and what waits to be admitted.
const RESERVED: u64 = 1_000;

/// Raises the limit as far as it goes. Where that cannot be done, what there was stays.
pub fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Says so where there may be more connections than file descriptors.
pub fn warn_if_few(pool: &Pool) {
    let Some(open_files) = getrlimit(Resource::Nofile).current else { return };
    if too_few(open_files, pool.max_connections) {
        tracing::warn!(
            open_files,
            max_connections = pool.max_connections,
            "pool.maxConnections is more than the limit of open files allows: raise that limit (ulimit -n)"
        );
    }
}

fn too_few(open_files: u64, max_connections: u32) -> bool {
    open_files < u64::from(max_connections).saturating_add(RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        raise_limit();
    }

    #[test]
    fn few_is_less_than_connections_and_what_is_reserved() {
        assert!(!too_few(1_100, 100));
        assert!(too_few(1_099, 100));
    }
}
