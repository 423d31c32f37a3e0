//! All that makes one thread wait for another, or see what it did. The crate `interleavings` builds these sources with another `sync`,
//! whose scheduler decides who runs.

pub(crate) use std::sync::atomic;
pub(crate) use std::thread;

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
