//! What writes leave behind for foreign keys: the session looks at it when the statement or the transaction ends.

use super::access::Access;
use super::context::ExecContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::types::{Datum, Oid};
use parking_lot::Mutex;

/// Bytes of events that may wait in one transaction.
const EVENT_BYTES_MAX: usize = 256 << 20;
/// About the bytes of an event with one small value.
const EVENT_BYTES: usize = 112;

/// Something that a foreign key has to hear of.
#[derive(Clone, Debug)]
pub enum KeyEvent {
    /// A row was written whose values have to be in the referenced table.
    Referencing {
        /// The row's table.
        table: Oid,
        /// The foreign key, of that table.
        constraint: Oid,
        /// The row's key in its tree.
        row_key: Box<[u8]>,
        /// Values of the referencing columns.
        values: Box<[Datum]>,
    },
    /// Values that rows may refer to are gone.
    Referenced {
        /// The table that refers to them.
        table: Oid,
        /// The foreign key, of that table.
        constraint: Oid,
        /// The referenced values.
        old: Box<[Datum]>,
        /// What they became; none for a row that was deleted.
        new: Option<Box<[Datum]>>,
    },
}

impl KeyEvent {
    /// Table and OID of the foreign key.
    pub fn constraint(&self) -> (Oid, Oid) {
        match self {
            KeyEvent::Referencing { table, constraint, .. }
            | KeyEvent::Referenced { table, constraint, .. } => (*table, *constraint),
        }
    }
}

/// The events of a transaction, in order.
#[derive(Default, Debug)]
pub struct KeyEvents(Mutex<Vec<KeyEvent>>);

impl KeyEvents {
    fn push(&self, event: KeyEvent) -> Result<()> {
        let mut events = self.0.lock();
        if events.len() >= EVENT_BYTES_MAX / EVENT_BYTES {
            return Err(SqlError::new(
                sqlstate::OUT_OF_MEMORY,
                "too many changed rows wait for their foreign keys to be checked",
            )
            .with_hint("Change fewer rows in one statement."));
        }
        events.push(event);
        Ok(())
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
    /// Takes those that are due and leaves the others.
    pub fn take(&self, mut due: impl FnMut(&KeyEvent) -> bool) -> Vec<KeyEvent> {
        let mut events = self.0.lock();
        let (taken, left) = std::mem::take(&mut *events).into_iter().partition(|event| due(event));
        *events = left;
        taken
    }
    /// Whether a row of the table waits.
    pub fn any_of(&self, oid: Oid) -> bool {
        let of = |event: &KeyEvent| matches!(event, KeyEvent::Referencing { table, .. } if *table == oid);
        self.0.lock().iter().any(of)
    }
    /// Forgets those after the first `len`.
    pub fn truncate(&self, len: usize) {
        self.0.lock().truncate(len);
    }
}

/// The values at positions of a table in a row of its live columns.
pub fn pick(access: &Access, positions: &[usize], row: &[Datum]) -> Box<[Datum]> {
    let value = |p: &usize| access.live_number(*p).and_then(|n| row.get(n)).cloned().unwrap_or_default();
    positions.iter().map(value).collect()
}

/// Notes that a row was inserted (no `old`), updated or deleted (no `new`, which comes with the row's key).
///
/// # Errors
/// 53200 where too much waits already.
pub fn record(
    access: &Access,
    old: Option<&[Datum]>,
    new: Option<(&[u8], &[Datum])>,
    ctx: &ExecContext<'_>,
) -> Result<()> {
    let table = &access.table;
    let Some(events) = ctx.key_events.filter(|_| table.has_key_relations()) else { return Ok(()) };
    if let Some((row_key, new)) = new {
        for key in &table.foreign_keys {
            let values = pick(access, &key.columns, new);
            let nulls = values.iter().filter(|v| v.is_null()).count();
            // A row with a null refers to nothing, unless MATCH FULL has something to say about it.
            let refers = nulls == 0 || (key.match_full && nulls < values.len());
            let changed = old.is_none_or(|old| pick(access, &key.columns, old) != values);
            if refers && changed {
                let (table, constraint) = (table.oid, key.oid);
                events.push(KeyEvent::Referencing { table, constraint, row_key: row_key.into(), values })?;
            }
        }
    }
    let Some(old) = old else { return Ok(()) };
    for child in table.referenced_by.iter().filter_map(|oid| ctx.eval.catalog.table(*oid)) {
        for key in child.foreign_keys.iter().filter(|k| k.references == table.oid) {
            let before = pick(access, &key.referenced, old);
            let after = new.map(|(_, new)| pick(access, &key.referenced, new));
            if before.iter().any(Datum::is_null) || after.as_ref() == Some(&before) {
                continue;
            }
            let (table, constraint) = (child.oid, key.oid);
            events.push(KeyEvent::Referenced { table, constraint, old: before, new: after })?;
        }
    }
    Ok(())
}
