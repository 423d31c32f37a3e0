//! A deadlock told as PostgreSQL does: the client hears of processes, the log of their statements.

use crate::catalog::system::DATABASE_OID;
use crate::error::{SqlError, sqlstate};
use crate::session::client::Session;
use plimsoll_storage::{LockName, WaitsFor};

impl Session {
    /// An error on its way to the client: names the processes of a deadlock, and logs what they were running.
    pub(super) fn explain_deadlock(&self, error: SqlError) -> SqlError {
        let cycle = &error.fields().deadlock;
        if error.sqlstate() != sqlstate::DEADLOCK_DETECTED || cycle.is_empty() {
            return error;
        }
        let waits: Vec<String> = cycle.iter().map(|edge| self.edge(edge)).collect();
        let detail = waits.join("\n");
        let activity = self.environment.options.hooks.activity();
        let statements: Vec<String> = cycle
            .iter()
            .map(|edge| {
                let pid = self.database().writers.pid(edge.waiter);
                let query = activity.iter().find(|a| a.pid == pid).map_or("", |a| a.query.as_str());
                format!("Process {pid}: {query}")
            })
            .collect();
        tracing::warn!(detail, statements = statements.join("\n"), "deadlock detected");
        error.with_detail(detail).with_hint("See server log for query details.")
    }

    fn edge(&self, edge: &WaitsFor) -> String {
        let writers = &self.database().writers;
        let (waiter, holder) = (writers.pid(edge.waiter), writers.pid(edge.holder));
        let lock = match edge.lock {
            LockName::Row(..) | LockName::Transaction(_) => {
                format!("ShareLock on transaction {}", edge.holder)
            }
            LockName::Object(object) => {
                let mode = if writers.holds_alone(edge.holder, object) {
                    "RowExclusiveLock"
                } else {
                    "AccessExclusiveLock"
                };
                format!("{mode} on relation {object} of database {DATABASE_OID}")
            }
        };
        format!("Process {waiter} waits for {lock}; blocked by process {holder}.")
    }
}
