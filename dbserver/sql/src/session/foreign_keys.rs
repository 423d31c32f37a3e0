//! Foreign keys: what is checked and done after a statement, or when the transaction commits.
//!
//! Writers note what they did ([`crate::execute::key_events`]). A referencing row is checked by one look-up of the newest version of
//! the key it refers to; what happens to referencing rows is an UPDATE or DELETE of its own, planned and run as any other, whose
//! events join the queue: a cascade takes no stack.
//!
//! ```text
//! T1: insert a row that refers to K      T2: delete K
//!     share K's lock                          (the row is gone, uncommitted)
//!     K's newest committed version is there   take K's lock: waits for T1
//!     commit ─────────────────────────────>   a fresh snapshot sees T1's row: 23503, or it is deleted too
//! ```
//!
//! K's lock is an object lock by the hash of the key and no row lock: updates of other columns of K's row need not wait, as with
//! PostgreSQL's FOR KEY SHARE. Where T2 has a snapshot from before (REPEATABLE READ), it looks for rows that it does not see as well:
//! 23503, or 40001 where it would have to change them.

use crate::catalog::edit::quote_identifier;
use crate::catalog::system::describe;
use crate::catalog::{Catalog, ForeignKey, KeyAction, Table};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::access::{Access, index_entry, index_parts_of};
use crate::execute::key_events::{KeyEvent, pick};
use crate::session::client::Session;
use crate::session::portal::{Portal, RowCollector};
use crate::session::statement::{self, Name};
use crate::session::transaction::wait_lock;
use crate::session::{EvalSettings, Mode};
use crate::types::{ColumnType, Datum, Oid, Type, cast, compare, io};
use hashbrown::{HashMap, HashSet};
use plimsoll_storage::{Isolation, ObjectLock, Transaction, TreeId};
use std::sync::Arc;

/// Object locks of keys have this bit; those of relations are their OIDs.
const KEY_LOCK: u64 = 1 << 63;

/// What SET CONSTRAINTS said in this transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConstraintModes {
    /// For all; none where it was not said.
    all: Option<bool>,
    /// For constraints by OID, said later.
    named: HashMap<Oid, bool>,
}

impl ConstraintModes {
    fn deferred(&self, key: &ForeignKey) -> bool {
        key.deferrable && self.named.get(&key.oid).copied().or(self.all).unwrap_or(key.deferred)
    }
}

/// A referenced key: where it would be.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    tree: TreeId,
    key: Vec<u8>,
}

impl Place {
    fn lock(&self) -> u64 {
        KEY_LOCK | (compare::hash_bytes(&self.key) ^ compare::hash_int(self.tree.0))
    }
    fn is_taken(&self, transaction: &Transaction) -> Result<bool> {
        Ok(transaction.get_latest(self.tree, &self.key)?.is_some())
    }
}

fn types(table: &Table, positions: &[usize]) -> Vec<ColumnType> {
    positions.iter().filter_map(|p| table.columns.get(*p)).map(|c| c.ty).collect()
}

/// Values as they are in columns of other types; none where one does not fit, and so is not there.
fn as_types(
    values: &[Datum],
    from: &[ColumnType],
    to: &[ColumnType],
    settings: &EvalSettings,
) -> Option<Vec<Datum>> {
    let convert = |((value, from), to): ((&Datum, &ColumnType), &ColumnType)| {
        if from.ty == to.ty {
            return Some(value.clone());
        }
        let converted = cast::cast(value.clone(), from.ty, to.ty.into(), false, settings).ok()?;
        // 1.5 is no integer.
        let back = cast::cast(converted.clone(), to.ty, from.ty.into(), false, settings).ok()?;
        compare::equal(&back, value).then_some(converted)
    };
    values.iter().zip(from).zip(to).map(convert).collect()
}

/// Where values of the referenced columns are in the unique index that the key stands on.
fn place(referenced: &Arc<Table>, key: &ForeignKey, values: &[Datum]) -> Result<Place> {
    let value = |position: usize| {
        let at = key.referenced.iter().position(|p| *p == position);
        at.and_then(|at| values.get(at)).cloned().unwrap_or_default()
    };
    let mut out = Vec::new();
    if referenced.primary_key_index.as_ref().is_some_and(|(oid, _)| *oid == key.index) {
        let access = Access::of(referenced);
        let row: Vec<Datum> = access.live.iter().map(|p| value(*p)).collect();
        access.layout.encode_key(&row, &mut out);
        return Ok(Place { tree: referenced.tree, key: out });
    }
    let index = referenced.indexes.iter().find(|i| i.oid == key.index);
    let index = index.ok_or_else(|| SqlError::internal("a foreign key without its index"))?;
    let in_order: Vec<Datum> = index.keys.iter().filter_map(|k| k.column).map(value).collect();
    index_entry(index, &index_parts_of(referenced, index, &[]), &in_order, &[], &mut out);
    Ok(Place { tree: index.tree, key: out })
}

/// `(a, b)=(1, x)`
fn shown(table: &Table, positions: &[usize], values: &[Datum], settings: &EvalSettings) -> String {
    let columns = positions.iter().filter_map(|p| table.columns.get(*p));
    let names: Vec<&str> = columns.clone().map(|c| c.name.as_str()).collect();
    let texts: Vec<String> =
        columns.zip(values).map(|(c, v)| io::to_text(v, c.ty.ty, c.ty.typmod, settings)).collect();
    format!("({})=({})", names.join(", "), texts.join(", "))
}

fn violation(
    catalog: &Catalog,
    table: &Table,
    key: &ForeignKey,
    message: String,
    detail: String,
) -> SqlError {
    SqlError::new(sqlstate::FOREIGN_KEY_VIOLATION, message)
        .with_detail(detail)
        .with_schema(catalog.schema_name(table.schema).unwrap_or_default())
        .with_table(&table.name)
        .with_constraint(&key.name)
}

/// 23503 of a row that refers to what is not there.
pub(super) fn not_present(
    catalog: &Catalog,
    table: &Table,
    key: &ForeignKey,
    values: &[Datum],
    settings: &EvalSettings,
) -> SqlError {
    let referenced = catalog.table(key.references).map_or("", |t| t.name.as_str());
    let message = format!(
        "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
        table.name, key.name
    );
    let detail = if values.iter().any(Datum::is_null) {
        "MATCH FULL does not allow mixing of null and nonnull key values.".to_owned()
    } else {
        let shown = shown(table, &key.columns, values, settings);
        format!("Key {shown} is not present in table \"{referenced}\".")
    };
    violation(catalog, table, key, message, detail)
}

/// 23503 of a key that rows still refer to.
fn still_referenced(
    catalog: &Catalog,
    table: &Table,
    key: &ForeignKey,
    values: &[Datum],
    settings: &EvalSettings,
) -> SqlError {
    let Some(referenced) = catalog.table(key.references) else {
        return SqlError::internal("a foreign key to no table");
    };
    let message = format!(
        "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
        referenced.name, key.name, table.name
    );
    let shown = shown(referenced, &key.referenced, values, settings);
    let detail = format!("Key {shown} is still referenced from table \"{}\".", table.name);
    violation(catalog, table, key, message, detail)
}

/// `a = $1 AND b = $2`
fn condition(table: &Table, positions: &[usize]) -> String {
    let names = positions.iter().filter_map(|p| table.columns.get(*p));
    let parts: Vec<String> =
        names.enumerate().map(|(i, c)| format!("{} = ${}", quote_identifier(&c.name), i + 1)).collect();
    parts.join(" AND ")
}

impl Session {
    pub(crate) fn has_key_events(&self) -> bool {
        self.transaction.as_ref().is_some_and(|t| !t.key_events.is_empty())
    }

    /// After a statement: what is not deferred. An implicit transaction defers nothing beyond its statements.
    pub(crate) fn end_of_statement(&mut self, query: &QueryContext) -> Result<()> {
        let Some(transaction) = &self.transaction else { return Ok(()) };
        if transaction.checking_keys || transaction.key_events.is_empty() {
            return Ok(());
        }
        let all = !transaction.explicit;
        self.check_keys(all, query)
    }

    /// Before COMMIT: all that is left. The transaction is over where it fails.
    pub(crate) fn check_deferred_keys(&mut self, query: &QueryContext) -> Result<()> {
        let checked = self.check_keys(true, query);
        if checked.is_err() {
            self.rollback_transaction();
        }
        checked
    }

    fn check_keys(&mut self, all: bool, query: &QueryContext) -> Result<()> {
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.checking_keys = true;
        }
        let outcome = self.check_due_keys(all, query);
        if let Some(transaction) = self.transaction.as_mut() {
            transaction.checking_keys = false;
        }
        outcome
    }

    fn check_due_keys(&mut self, all: bool, query: &QueryContext) -> Result<()> {
        loop {
            let catalog = self.catalog();
            let Some(transaction) = &self.transaction else { return Ok(()) };
            let due = transaction.key_events.take(|event| {
                let (table, constraint) = event.constraint();
                let key =
                    catalog.table(table).and_then(|t| t.foreign_keys.iter().find(|k| k.oid == constraint));
                let Some(key) = key else { return true };
                // Only checks wait; actions are carried out at once.
                let action = match event {
                    KeyEvent::Referencing { .. } => KeyAction::NoAction,
                    KeyEvent::Referenced { new: None, .. } => key.on_delete,
                    KeyEvent::Referenced { new: Some(_), .. } => key.on_update,
                };
                all || action != KeyAction::NoAction || !transaction.constraint_modes.deferred(key)
            });
            if due.is_empty() {
                return Ok(());
            }
            // Keys found since rows were last changed.
            let mut found = HashSet::new();
            for event in due {
                query.check()?;
                let (table, constraint) = event.constraint();
                let Some(table) = catalog.table(table).cloned() else { continue };
                let Some(key) = table.foreign_keys.iter().find(|k| k.oid == constraint) else { continue };
                match &event {
                    KeyEvent::Referencing { row_key, values, .. } => {
                        self.check_referencing(&catalog, &table, key, row_key, values, &mut found, query)?;
                    }
                    KeyEvent::Referenced { old, new, .. } => {
                        found.clear();
                        self.follow(&catalog, &table, key, old, new.as_deref(), query)?;
                    }
                }
            }
        }
    }

    fn key_storage(&self) -> Result<Arc<Transaction>> {
        let transaction = self.transaction.as_ref().ok_or_else(|| SqlError::internal("no transaction"))?;
        Ok(Arc::clone(&transaction.storage))
    }

    fn lock_key(&mut self, place: &Place, mode: ObjectLock, query: &QueryContext) -> Result<()> {
        let storage = self.key_storage()?;
        while let Some(wait) = storage.lock_object(place.lock(), mode)? {
            wait_lock(self, wait, query)?;
        }
        Ok(())
    }

    /// A row that refers to a key, if it still does: the key must be there and stay.
    #[allow(clippy::too_many_arguments, reason = "an event's parts")]
    fn check_referencing(
        &mut self,
        catalog: &Catalog,
        table: &Arc<Table>,
        key: &ForeignKey,
        row_key: &[u8],
        values: &[Datum],
        found: &mut HashSet<Place>,
        query: &QueryContext,
    ) -> Result<()> {
        let storage = self.key_storage()?;
        let access = Access::of(table);
        let Some(row) = storage.get_latest(table.tree, row_key)? else { return Ok(()) };
        if *pick(&access, &key.columns, &access.read(row_key, &row)?) != *values {
            return Ok(());
        }
        let settings = Arc::clone(&self.eval);
        let error = || not_present(catalog, table, key, values, &settings);
        if values.iter().any(Datum::is_null) {
            return Err(error());
        }
        let referenced =
            catalog.table(key.references).ok_or_else(|| SqlError::internal("a foreign key to no table"))?;
        let (from, to) = (types(table, &key.columns), types(referenced, &key.referenced));
        let wanted = as_types(values, &from, &to, &settings).ok_or_else(error)?;
        let place = place(referenced, key, &wanted)?;
        if found.contains(&place) {
            return Ok(());
        }
        self.lock_key(&place, ObjectLock::Shared, query)?;
        if !place.is_taken(&storage)? {
            return Err(error());
        }
        found.insert(place);
        Ok(())
    }

    /// A key is gone or changed: what its constraint does about the rows that refer to it.
    fn follow(
        &mut self,
        catalog: &Catalog,
        table: &Arc<Table>,
        key: &ForeignKey,
        old: &[Datum],
        new: Option<&[Datum]>,
        query: &QueryContext,
    ) -> Result<()> {
        let settings = Arc::clone(&self.eval);
        let referenced =
            catalog.table(key.references).ok_or_else(|| SqlError::internal("a foreign key to no table"))?;
        let place = place(referenced, key, old)?;
        self.lock_key(&place, ObjectLock::Exclusive, query)?;
        // Who held the lock gave it up before its commit became visible.
        self.key_storage()?.committed_so_far().wait()?;
        let (from, to) = (types(referenced, &key.referenced), types(table, &key.columns));
        // What does not fit the referencing columns is not in them.
        let Some(values) = as_types(old, &from, &to, &settings) else { return Ok(()) };
        let name = describe::qualified_name(catalog, table.oid).unwrap_or_default();
        let referring = condition(table, &key.columns);
        let assign = |value: &dyn Fn(usize) -> String| {
            let columns = key.columns.iter().filter_map(|p| table.columns.get(*p));
            let parts: Vec<String> = columns
                .enumerate()
                .map(|(i, c)| format!("{} = {}", quote_identifier(&c.name), value(i)))
                .collect();
            format!("UPDATE {name} SET {} WHERE {referring}", parts.join(", "))
        };
        let declared: Vec<Type> = to.iter().map(|t| t.ty).collect();
        let action = if new.is_some() { key.on_update } else { key.on_delete };
        match (action, new) {
            (KeyAction::NoAction | KeyAction::Restrict, _) => {
                // Another row may have the key by now.
                if action == KeyAction::NoAction && place.is_taken(&*self.key_storage()?)? {
                    return Ok(());
                }
                if self.is_referred_to(&name, &referring, &declared, values, query)? {
                    return Err(still_referenced(catalog, table, key, old, &settings));
                }
                return Ok(());
            }
            (KeyAction::Cascade, None) => {
                let text = format!("DELETE FROM {name} WHERE {referring}");
                self.run_for_keys(&text, &declared, values.clone(), query)?;
            }
            (KeyAction::Cascade, Some(new)) => {
                let mut params = values.clone();
                params.extend(new.iter().cloned());
                let types: Vec<Type> = declared.iter().copied().chain(from.iter().map(|t| t.ty)).collect();
                let text = assign(&|i| format!("${}", values.len() + i + 1));
                self.run_for_keys(&text, &types, params, query)?;
            }
            (KeyAction::SetNull, _) => {
                self.run_for_keys(&assign(&|_| "NULL".to_owned()), &declared, values.clone(), query)?;
            }
            (KeyAction::SetDefault, _) => {
                self.run_for_keys(&assign(&|_| "DEFAULT".to_owned()), &declared, values.clone(), query)?;
                // A default that is the old value changed nothing, and so left no event.
                if !place.is_taken(&*self.key_storage()?)?
                    && self.is_referred_to(&name, &referring, &declared, values, query)?
                {
                    return Err(still_referenced(catalog, table, key, old, &settings));
                }
                return Ok(());
            }
        }
        // What came after the transaction's snapshot has not been met.
        if self.key_storage()?.isolation() != Isolation::ReadCommitted
            && self.is_referred_to(&name, &referring, &declared, values, query)?
        {
            return Err(plimsoll_storage::Error::WriteConflict.into());
        }
        Ok(())
    }

    /// Whether a row that is there now refers to a key, seen by the transaction's snapshot or not.
    fn is_referred_to(
        &mut self,
        table: &str,
        referring: &str,
        declared: &[Type],
        values: Vec<Datum>,
        query: &QueryContext,
    ) -> Result<bool> {
        let text = format!("SELECT 1 FROM {table} WHERE {referring} LIMIT 1");
        let storage = self.key_storage()?;
        let _newest = storage.see_newest();
        Ok(!self.run_for_keys(&text, declared, values, query)?.is_empty())
    }

    /// Runs a statement for a foreign key. Its own events stay in the queue.
    pub(super) fn run_for_keys(
        &mut self,
        text: &str,
        declared: &[Type],
        params: Vec<Datum>,
        query: &QueryContext,
    ) -> Result<Vec<Vec<Datum>>> {
        let mut statements = statement::split(text)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(SqlError::internal("a foreign key's statement"));
        };
        let prepared = self.prepare(statement, declared.into())?;
        let Some(statement) = prepared.statement else { return Err(SqlError::internal("no statement")) };
        let savepoints = self.transaction.as_ref().map_or(0, |t| t.savepoints.len());
        let (plan, columns) = (prepared.plan, prepared.columns);
        let mut portal = Portal::new(statement, plan, prepared.declared, params, columns, savepoints);
        let mut rows = RowCollector::default();
        self.run_bound_query(&mut portal, query, &mut rows, Mode::Worker)?;
        Ok(rows.rows)
    }

    /// SET CONSTRAINTS; `names` is none for ALL.
    pub(crate) fn set_constraints(
        &mut self,
        names: Option<&[Name]>,
        deferred: bool,
        query: &QueryContext,
    ) -> Result<()> {
        if self.transaction.as_ref().is_none_or(|t| !t.explicit) {
            self.warn(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "SET CONSTRAINTS can only be used in transaction blocks",
            );
        }
        let mut named = Vec::new();
        for name in names.unwrap_or_default() {
            named.push(self.deferrable_constraint(name)?);
        }
        let Some(transaction) = self.transaction.as_mut().filter(|t| t.explicit) else { return Ok(()) };
        let modes = &mut transaction.constraint_modes;
        if names.is_none() {
            *modes = ConstraintModes { all: Some(deferred), named: HashMap::new() };
        }
        modes.named.extend(named.into_iter().map(|oid| (oid, deferred)));
        if deferred { Ok(()) } else { self.check_keys(false, query) }
    }

    fn deferrable_constraint(&self, name: &Name) -> Result<Oid> {
        let catalog = self.catalog();
        let path = &self.eval.search_path;
        let schemas: Vec<Oid> = match &name.schema {
            Some(schema) => catalog.schema_oid(schema).into_iter().collect(),
            None => path.iter().filter_map(|s| catalog.schema_oid(s)).collect(),
        };
        let tables = catalog.relations.values().filter_map(|r| r.table());
        let key = tables
            .filter(|t| schemas.contains(&t.schema))
            .flat_map(|t| &t.foreign_keys)
            .find(|k| k.name == name.name)
            .ok_or_else(|| {
                SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("constraint \"{name}\" does not exist"))
            })?;
        if !key.deferrable {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("constraint \"{name}\" is not deferrable"),
            ));
        }
        Ok(key.oid)
    }
}
