//! DROP, with what depends on what is dropped.

use super::foreign_key::constraint_shown;
use super::{no_schema, wrong_kind};
use crate::catalog::edit::sequence_default;
use crate::catalog::{Catalog, Relation, RelationKind};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::session::client::Session;
use crate::session::statement::{DropKind, Name};
use crate::types::Oid;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lists longer than this are cut in messages, as in PostgreSQL.
const LISTED_MAX: usize = 100;

/// What would go with an object, and why.
#[derive(Default)]
struct Dependents {
    /// Relations to drop besides.
    relations: BTreeSet<Oid>,
    /// Foreign keys (table, constraint) to drop besides.
    keys: Vec<(Oid, Oid)>,
    /// Columns (table, position) that lose their default.
    defaults: Vec<(Oid, usize)>,
    /// `view v depends on table t`
    reasons: Vec<String>,
    /// `view v`
    names: Vec<String>,
}

fn shown(catalog: &Catalog, path: &[String], relation: &Relation) -> String {
    let schema = match catalog.schema_name(relation.schema) {
        Some(schema) if !catalog.is_visible(path, relation.oid) => format!("{schema}."),
        _ => String::new(),
    };
    format!("{} {schema}{}", relation.kind_name(), relation.name)
}

impl Session {
    pub(super) fn drop_objects(
        &mut self,
        kind: DropKind,
        names: &[Name],
        if_exists: bool,
        cascade: bool,
        query: &QueryContext,
    ) -> Result<()> {
        if kind == DropKind::Schema {
            return self.drop_schemas(names, if_exists, cascade, query);
        }
        let mut targets: BTreeSet<Oid> = BTreeSet::new();
        let mut first = None;
        for name in names {
            let catalog = self.catalog();
            if let Some(schema) = &name.schema
                && catalog.schema_oid(schema).is_none()
            {
                if !if_exists {
                    return Err(no_schema(schema));
                }
                self.notice("00000", format!("schema \"{schema}\" does not exist, skipping"));
                continue;
            }
            match catalog.find_relation(&self.eval.search_path, name.schema.as_deref(), &name.name) {
                None => {
                    let message = format!("{} \"{name}\" does not exist", kind.word());
                    if !if_exists {
                        return Err(SqlError::new(
                            if kind == DropKind::Index {
                                sqlstate::UNDEFINED_OBJECT
                            } else {
                                sqlstate::UNDEFINED_TABLE
                            },
                            message,
                        ));
                    }
                    self.notice(
                        "00000",
                        format!("{kind} \"{name}\" does not exist, skipping", kind = kind.word()),
                    );
                }
                Some(relation) if relation.kind_name() != kind.word() => {
                    return Err(wrong_kind(relation, kind));
                }
                Some(relation) => {
                    check_droppable(&catalog, relation)?;
                    first = first.or_else(|| Some(Arc::clone(relation)));
                    targets.insert(relation.oid);
                }
            }
        }
        let Some(first) = first else { return Ok(()) };
        self.drop_relations(targets, &first, cascade, query)
    }

    fn drop_relations(
        &mut self,
        targets: BTreeSet<Oid>,
        first: &Relation,
        cascade: bool,
        query: &QueryContext,
    ) -> Result<()> {
        let dependents = self.dependents(&targets);
        if !dependents.reasons.is_empty() && !cascade {
            let what = if targets.len() > 1 {
                "desired object(s)".to_owned()
            } else {
                shown(&self.catalog(), &self.eval.search_path, first)
            };
            return Err(depended_on(&what, &dependents.reasons));
        }
        self.cascade_notice(&dependents.names);
        self.drop_keys(&dependents.keys)?;
        for oid in targets.iter().chain(&dependents.relations) {
            if self.catalog().relation(*oid).is_some() {
                self.lock_relation(*oid, true, query)?;
                self.remove(*oid)?;
            }
        }
        self.change_catalog(|catalog| {
            for (table, position) in dependents.defaults {
                if catalog.table(table).is_some() {
                    catalog.update_table(table, |t| {
                        if let Some(column) = t.columns.get_mut(position) {
                            column.default = None;
                            column.sequence = None;
                        }
                    })?;
                }
            }
            Ok(())
        })
    }
    fn drop_keys(&mut self, keys: &[(Oid, Oid)]) -> Result<()> {
        self.change_catalog(|catalog| {
            keys.iter().try_for_each(|(table, key)| catalog.remove_foreign_keys(*table, |k| k.oid == *key))
        })
    }
    pub(super) fn cascade_notice(&mut self, names: &[String]) {
        match names {
            [] => {}
            [one] => self.notice("00000", format!("drop cascades to {one}")),
            many => {
                let lines: Vec<String> =
                    many.iter().take(LISTED_MAX).map(|n| format!("drop cascades to {n}")).collect();
                let error = SqlError::new("00000", format!("drop cascades to {} other objects", many.len()))
                    .with_detail(lines.join("\n"));
                self.notify("NOTICE", error);
            }
        }
    }
    /// Views over the targets (and over those), and columns that take values from them.
    fn dependents(&self, targets: &BTreeSet<Oid>) -> Dependents {
        let catalog = self.catalog();
        let path = &self.eval.search_path;
        let mut found = Dependents::default();
        let mut todo: Vec<Oid> = targets.iter().copied().collect();
        while let Some(oid) = todo.pop() {
            let Some(relation) = catalog.relation(oid) else { continue };
            for view in catalog.views_on(oid) {
                if targets.contains(&view.oid) || !found.relations.insert(view.oid) {
                    continue;
                }
                let name = shown(&catalog, path, &view);
                found.reasons.push(format!("{name} depends on {}", shown(&catalog, path, relation)));
                found.names.push(name);
                todo.push(view.oid);
            }
            let on = relation.index().map_or(oid, |index| index.table);
            for (table, key) in catalog.references_to(on) {
                let depends = key.references == oid || key.index == oid;
                if !depends || targets.contains(&table.oid) {
                    continue;
                }
                let name = constraint_shown(&table, &key);
                found.reasons.push(format!("{name} depends on {}", shown(&catalog, path, relation)));
                found.names.push(name);
                found.keys.push((table.oid, key.oid));
            }
            if relation.sequence().is_some() {
                let default = sequence_default(oid);
                for table in
                    catalog.relations.values().filter_map(|r| r.table()).filter(|t| !targets.contains(&t.oid))
                {
                    for (position, column) in table.live_columns() {
                        if column.default.as_deref() == Some(&default) {
                            let name =
                                format!("default value for column {} of table {}", column.name, table.name);
                            found
                                .reasons
                                .push(format!("{name} depends on {}", shown(&catalog, path, relation)));
                            found.names.push(name);
                            found.defaults.push((table.oid, position));
                        }
                    }
                }
            }
        }
        found
    }
    /// Removes a relation with its indexes, sequences and trees.
    pub(super) fn remove(&mut self, oid: Oid) -> Result<()> {
        let catalog = self.catalog();
        let Some(relation) = catalog.relation(oid) else { return Ok(()) };
        let mut trees = Vec::new();
        let mut oids = Vec::new();
        match &relation.kind {
            RelationKind::Table(table) => {
                trees.push(table.tree);
                for index in &table.indexes {
                    trees.push(index.tree);
                    oids.push(index.oid);
                }
                oids.extend(table.primary_key_index.iter().map(|(oid, _)| *oid));
                oids.extend(
                    catalog
                        .relations
                        .values()
                        .filter_map(|r| r.sequence())
                        .filter_map(|s| s.owned_by.filter(|(table, _)| *table == oid).map(|_| s.oid)),
                );
            }
            RelationKind::Index(index) => trees.push(index.tree),
            RelationKind::Sequence(_) | RelationKind::View(_) => {}
        }
        oids.push(oid);
        self.change_catalog(|catalog| {
            oids.iter().for_each(|oid| catalog.remove_relation(*oid));
            Ok(())
        })?;
        if let Some(transaction) = &self.transaction {
            trees.into_iter().for_each(|tree| transaction.storage.drop_tree(tree));
        }
        Ok(())
    }

    fn drop_schemas(
        &mut self,
        names: &[Name],
        if_exists: bool,
        cascade: bool,
        query: &QueryContext,
    ) -> Result<()> {
        for name in names {
            let catalog = self.catalog();
            let Some(schema) = catalog.schemas.get(&name.name).map(|s| s.oid) else {
                if catalog.schema_oid(&name.name).is_some() {
                    return Err(SqlError::new(
                        sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                        format!(
                            "cannot drop schema {} because it is required by the database system",
                            name.name
                        ),
                    ));
                }
                if !if_exists {
                    return Err(no_schema(&name.name));
                }
                self.notice("00000", format!("schema \"{}\" does not exist, skipping", name.name));
                continue;
            };
            let inside: Vec<Arc<Relation>> = catalog
                .relations
                .values()
                .filter(|r| r.schema == schema && r.index().is_none())
                .filter(|r| r.sequence().is_none_or(|s| s.owned_by.is_none()))
                .map(Arc::clone)
                .collect();
            let path = self.eval.search_path.clone();
            let shown_names: Vec<String> = inside.iter().map(|r| shown(&catalog, &path, r)).collect();
            if !inside.is_empty() && !cascade {
                let reasons: Vec<String> =
                    shown_names.iter().map(|n| format!("{n} depends on schema {}", name.name)).collect();
                return Err(depended_on(&format!("schema {}", name.name), &reasons));
            }
            let targets: BTreeSet<Oid> = inside.iter().map(|r| r.oid).collect();
            let outside = self.dependents(&targets);
            let mut all = shown_names;
            all.extend(outside.names);
            self.cascade_notice(&all);
            self.drop_keys(&outside.keys)?;
            for oid in targets.iter().chain(&outside.relations) {
                self.lock_relation(*oid, true, query)?;
                self.remove(*oid)?;
            }
            self.change_catalog(|catalog| {
                catalog.schemas.remove(&name.name);
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// 2BP01
pub(super) fn depended_on(what: &str, reasons: &[String]) -> SqlError {
    SqlError::new(
        sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop {what} because other objects depend on it"),
    )
    .with_detail(reasons.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join("\n"))
    .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

/// An index that a constraint stands on goes with the constraint only.
fn check_droppable(catalog: &Catalog, relation: &Relation) -> Result<()> {
    let Some(index) = relation.index().filter(|i| i.constraint) else { return Ok(()) };
    let table = catalog.table(index.table).map_or("", |t| t.name.as_str());
    Err(SqlError::new(
        sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot drop index {0} because constraint {0} on table {table} requires it", relation.name),
    )
    .with_hint(format!("You can drop constraint {} on table {table} instead.", relation.name)))
}
