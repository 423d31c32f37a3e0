//! Multi-version concurrency control: transactions, snapshots, locks.
//!
//! ```text
//! begin ── snapshot ── put: pending version on top of the row's chain (= its exclusive lock) ── ...
//!                          │
//!   commit: timestamp, log record, status flipped, in one critical section; locks are free from here
//!                          │
//!           rows get the timestamp ── flusher syncs ── `visible` reaches the timestamp ── ticket resolves
//! ```
//!
//! Between the flip and the sync the commit is known to other *writers*, whose own records come later in the log, but to
//! no *reader*: a snapshot sees what is durable. A transaction that only read such a row through a lock gets a ticket
//! that waits for it.
//!
//! An *asynchronous* commit ([`Durability::Asynchronous`]) moves `visible` itself, inside the critical section, and its ticket
//! has resolved. Timestamps follow the log, so that this shows all earlier commits, too, of which some may not be durable
//! yet. Nothing durable can come to depend on something lost: whoever has read such a commit and commits comes behind it in
//! the log, and a crash leaves a prefix of the log. A synchronous ticket waits for the disk, whatever is visible.

mod delete;
mod delete_in_file;
mod garbage;
mod load;
mod locks;
mod row_counts;
mod scan;
mod serializable;
mod slots;
mod snapshot;
mod snapshots;
mod stage;
mod staged_file;
mod stamp;
mod ticket;
mod transaction;
mod types;
mod work;
mod write;

pub use delete_in_file::BulkDelete;
pub(crate) use garbage::{Garbage, Item, forget, walk};
pub use load::Load;
pub(crate) use locks::LockManager;
pub use locks::LockWait;
pub use scan::Scan;
pub(crate) use serializable::Serializable;
pub(crate) use slots::{Slots, Status, TxnState};
pub(crate) use snapshot::Pin;
pub use snapshot::Snapshot;
pub(crate) use snapshots::{Horizon, Snapshots};
pub(crate) use stamp::Stamp;
pub use ticket::CommitTicket;
pub use transaction::{NewestView, Transaction};
pub use types::{
    BatchWrite, Durability, Insert, Isolation, LockMode, LockOutcome, ObjectLock, WaitPolicy, Write,
};
pub use work::Savepoint;
