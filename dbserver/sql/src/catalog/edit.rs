//! Changing a catalog: what DDL does to the version that is its transaction's own.

use super::{Catalog, Column, ForeignKey, Index, Relation, RelationKind, Schema, Table};
use crate::error::{Result, SqlError, sqlstate};
use crate::parse::lexer::{Kind, Lexer};
use crate::types::Oid;
use std::sync::Arc;

/// Longest identifier in bytes.
const NAME_BYTES_MAX: usize = 63;

/// `name1[_name2]_label`, shortened where it would be too long: the longer of the names first (`makeObjectName`).
pub(crate) fn object_name(name1: &str, name2: &str, label: &str) -> String {
    let overhead = label.len() + usize::from(!label.is_empty()) + usize::from(!name2.is_empty());
    let room = NAME_BYTES_MAX.saturating_sub(overhead);
    let (mut one, mut two) = (name1.len(), name2.len());
    while one + two > room {
        if one > two {
            one -= 1;
        } else {
            two -= 1;
        }
    }
    let clip = |name: &str, len: usize| {
        let end = (0..=len).rev().find(|i| name.is_char_boundary(*i)).unwrap_or(0);
        name.get(..end).unwrap_or_default().to_owned()
    };
    let mut out = clip(name1, one);
    for part in [clip(name2, two), label.to_owned()] {
        if !part.is_empty() {
            out.push('_');
            out.push_str(&part);
        }
    }
    out
}

/// A name as SQL writes it: quoted where it has to be.
pub(crate) fn quote_identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && !crate::session::is_reserved_word(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The default of a column that takes its values from a sequence. By number, so that it survives renaming and any search path.
pub(crate) fn sequence_default(sequence: Oid) -> String {
    format!("nextval('{sequence}'::regclass)")
}

impl Catalog {
    /// A column's DEFAULT as PostgreSQL shows it: a sequence by its name.
    pub fn default_text(&self, search_path: &[String], column: &Column) -> Option<String> {
        let default = column.default.as_deref()?;
        let sequence =
            column.sequence.filter(|s| default == sequence_default(*s)).and_then(|s| self.relations.get(&s));
        Some(match sequence {
            Some(relation) => {
                let name = quote_identifier(&relation.name);
                let name = match self.schema_name(relation.schema) {
                    Some(schema) if !self.is_visible(search_path, relation.oid) => {
                        format!("{}.{name}", quote_identifier(schema))
                    }
                    _ => name,
                };
                format!("nextval('{}'::regclass)", name.replace('\'', "''"))
            }
            None => default.to_owned(),
        })
    }
    pub(crate) fn allocate_oid(&mut self) -> Oid {
        let oid = self.next_oid;
        self.next_oid = self.next_oid.saturating_add(1);
        oid
    }
    pub(crate) fn insert_schema(&mut self, name: &str) {
        let oid = self.allocate_oid();
        self.schemas.insert(name.to_owned(), Schema { oid, name: name.to_owned() });
    }
    pub(crate) fn insert_relation(&mut self, oid: Oid, schema: Oid, name: &str, kind: RelationKind) {
        let relation = Relation {
            oid,
            schema,
            name: name.to_owned(),
            kind,
            comments: std::collections::BTreeMap::new(),
        };
        self.names.insert((schema, name.to_owned()), oid);
        self.relations.insert(oid, Arc::new(relation));
    }
    /// Removes a relation, and an index from its table.
    pub(crate) fn remove_relation(&mut self, oid: Oid) {
        let Some(relation) = self.relations.remove(&oid) else { return };
        self.names.remove(&(relation.schema, relation.name.clone()));
        if let Some(table) = relation.table() {
            for key in &table.foreign_keys {
                self.recount_references(key.references);
            }
        }
        if let Some(index) = relation.index() {
            let _ = self.update_table(index.table, |table| {
                table.indexes.retain(|i| i.oid != oid);
                if table.primary_key_index.as_ref().is_some_and(|(pk, _)| *pk == oid) {
                    table.primary_key_index = None;
                    table.primary_key.clear();
                }
            });
        }
    }
    /// Changes a table.
    pub(crate) fn update_table<T>(&mut self, oid: Oid, f: impl FnOnce(&mut Table) -> T) -> Result<T> {
        let relation = self.relations.get_mut(&oid).ok_or_else(|| missing(oid))?;
        match &mut Arc::make_mut(relation).kind {
            RelationKind::Table(table) => Ok(f(Arc::make_mut(table))),
            _ => Err(missing(oid)),
        }
    }
    /// Changes any relation.
    pub(crate) fn update_relation<T>(&mut self, oid: Oid, f: impl FnOnce(&mut Relation) -> T) -> Result<T> {
        let relation = self.relations.get_mut(&oid).ok_or_else(|| missing(oid))?;
        Ok(f(Arc::make_mut(relation)))
    }
    /// Adds a foreign key to a table, and tells the one it refers to.
    pub(crate) fn insert_foreign_key(&mut self, table: Oid, key: ForeignKey) -> Result<()> {
        let references = key.references;
        self.update_table(table, |t| t.foreign_keys.push(key))?;
        self.recount_references(references);
        Ok(())
    }
    /// Removes foreign keys of a table.
    pub(crate) fn remove_foreign_keys(
        &mut self,
        table: Oid,
        gone: impl Fn(&ForeignKey) -> bool,
    ) -> Result<()> {
        let references = self.update_table(table, |t| {
            let references: Vec<Oid> =
                t.foreign_keys.iter().filter(|k| gone(k)).map(|k| k.references).collect();
            t.foreign_keys.retain(|k| !gone(k));
            references
        })?;
        references.into_iter().for_each(|oid| self.recount_references(oid));
        Ok(())
    }
    /// Finds out anew which tables refer to one.
    fn recount_references(&mut self, oid: Oid) {
        let refers = |t: &Table| t.foreign_keys.iter().any(|k| k.references == oid);
        let tables = self.relations.values().filter_map(|r| r.table());
        let referencing: Vec<Oid> = tables.filter(|t| refers(t)).map(|t| t.oid).collect();
        // It may be the one that is going.
        let _ = self.update_table(oid, |t| t.referenced_by = referencing);
    }
    /// The foreign keys that refer to a table, each with its own table.
    pub(crate) fn references_to(&self, oid: Oid) -> Vec<(Arc<Table>, ForeignKey)> {
        let referencing = self.table(oid).map(|t| t.referenced_by.clone()).unwrap_or_default();
        let tables = referencing.iter().filter_map(|child| self.table(*child).cloned());
        tables
            .flat_map(|table| {
                let keys: Vec<_> =
                    table.foreign_keys.iter().filter(|k| k.references == oid).cloned().collect();
                keys.into_iter().map(move |key| (Arc::clone(&table), key))
            })
            .collect()
    }
    /// A name for a foreign key over columns.
    pub(crate) fn choose_foreign_key_name(&self, table: &Table, columns: &[&str]) -> String {
        self.choose(&table.name, &columns.join("_"), "fkey", |name| {
            constraint_names(table).any(|n| n == name)
        })
    }
    /// Changes an index, in its own relation and in its table's list.
    pub(crate) fn update_index(&mut self, oid: Oid, f: impl FnOnce(&mut Index)) -> Result<()> {
        let relation = self.relations.get_mut(&oid).ok_or_else(|| missing(oid))?;
        let RelationKind::Index(index) = &mut Arc::make_mut(relation).kind else { return Err(missing(oid)) };
        f(Arc::make_mut(index));
        let index = Arc::clone(index);
        self.update_table(index.table, |table| {
            if let Some(slot) = table.indexes.iter_mut().find(|i| i.oid == oid) {
                *slot = Arc::clone(&index);
            }
        })
    }
    /// Notes the indexes that snapshots from before a commit may not read by, although they see rows of the table: those that were not
    /// there yet, or not valid. Rows that the commit itself put into another tree no older snapshot sees.
    pub(crate) fn note_new_indexes(catalog: &mut Arc<Self>, before: &Self, commit: u64) -> Result<()> {
        let mut new: Vec<Oid> = Vec::new();
        for (oid, relation) in &catalog.relations {
            let (Some(table), Some(old)) = (relation.table(), before.table(*oid)) else { continue };
            if Arc::ptr_eq(table, old) || table.tree != old.tree {
                continue;
            }
            let was = |index: &Index| old.indexes.iter().any(|i| i.oid == index.oid && i.valid);
            new.extend(table.indexes.iter().filter(|i| i.valid && !was(i)).map(|i| i.oid));
        }
        for oid in new {
            let catalog = Arc::make_mut(catalog);
            catalog.update_index(oid, |index| index.readable_from = commit)?;
            catalog.newest_index = commit;
        }
        Ok(())
    }
    /// Adds a secondary index to its table and to the relations.
    pub(crate) fn insert_index(&mut self, schema: Oid, index: Index) -> Result<()> {
        let (oid, name, table) = (index.oid, index.name.clone(), index.table);
        let index = Arc::new(index);
        self.insert_relation(oid, schema, &name, RelationKind::Index(Arc::clone(&index)));
        self.update_table(table, |table| table.indexes.push(index))
    }
    /// Renames a relation and everything that repeats its name.
    pub(crate) fn rename_relation(&mut self, oid: Oid, name: &str) -> Result<()> {
        let relation = self.relations.get(&oid).ok_or_else(|| missing(oid))?;
        let (schema, old) = (relation.schema, relation.name.clone());
        if self.names.contains_key(&(schema, name.to_owned())) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_TABLE,
                format!("relation \"{name}\" already exists"),
            ));
        }
        self.names.remove(&(schema, old));
        self.names.insert((schema, name.to_owned()), oid);
        let index_of = self.update_relation(oid, |relation| {
            relation.name = name.to_owned();
            match &mut relation.kind {
                RelationKind::Table(t) => Arc::make_mut(t).name = name.to_owned(),
                RelationKind::Sequence(s) => Arc::make_mut(s).name = name.to_owned(),
                RelationKind::View(v) => Arc::make_mut(v).name = name.to_owned(),
                RelationKind::Index(i) => return Some(i.table),
            }
            None
        })?;
        let Some(table) = index_of else { return Ok(()) };
        self.update_index(oid, |index| index.name = name.to_owned())?;
        self.update_table(table, |table| {
            if let Some((_, pk)) = table.primary_key_index.as_mut().filter(|(pk, _)| *pk == oid) {
                *pk = name.to_owned();
            }
        })
    }
    /// A name that no relation of the schema has (`ChooseRelationName`).
    pub(crate) fn choose_relation_name(&self, schema: Oid, name1: &str, name2: &str, label: &str) -> String {
        self.choose(name1, name2, label, |name| self.names.contains_key(&(schema, name.to_owned())))
    }
    /// A name that no constraint of the table has.
    pub(crate) fn choose_check_name(&self, table: &Table, taken: &[String], column: &str) -> String {
        self.choose(&table.name, column, "check", |name| {
            taken.iter().any(|t| t == name) || constraint_names(table).any(|n| n == name)
        })
    }
    fn choose(&self, name1: &str, name2: &str, label: &str, taken: impl Fn(&str) -> bool) -> String {
        let mut number = 0_u32;
        loop {
            let label = if number == 0 { label.to_owned() } else { format!("{label}{number}") };
            let name = object_name(name1, name2, &label);
            if !taken(&name) {
                return name;
            }
            number = number.saturating_add(1);
        }
    }
    /// Views that mention a relation.
    pub(crate) fn views_on(&self, oid: Oid) -> Vec<Arc<Relation>> {
        self.relations
            .values()
            .filter(|r| {
                r.view().is_some_and(|view| {
                    relation_mentions(&view.query).iter().any(|m| {
                        m.schema
                            .as_deref()
                            .and_then(|s| self.schema_oid(s))
                            .and_then(|schema| self.relation_in(schema, &m.name))
                            .is_some_and(|found| found.oid == oid)
                    })
                })
            })
            .map(Arc::clone)
            .collect()
    }
}

/// Names of a table's constraints.
pub(crate) fn constraint_names(table: &Table) -> impl Iterator<Item = &str> {
    table
        .checks
        .iter()
        .map(|c| c.name.as_str())
        .chain(table.primary_key_index.iter().map(|(_, name)| name.as_str()))
        .chain(table.indexes.iter().filter(|i| i.constraint).map(|i| i.name.as_str()))
        .chain(table.foreign_keys.iter().map(|k| k.name.as_str()))
}

fn missing(oid: Oid) -> SqlError {
    SqlError::internal(format!("the catalog has no relation with OID {oid}"))
}

/// A relation's name in a query's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub schema: Option<String>,
    pub name: String,
    /// Bytes in the text.
    pub start: usize,
    pub end: usize,
}

fn fold(text: &str, kind: Kind) -> String {
    match kind {
        Kind::QuotedIdentifier => text.trim_matches('"').replace("\"\"", "\""),
        _ => text.to_ascii_lowercase(),
    }
}

/// What stands where a relation's name does: behind FROM, JOIN, and commas of a FROM list. Names of CTEs are left out.
pub(crate) fn relation_mentions(sql: &str) -> Vec<Mention> {
    let mut lexer = Lexer::new(sql);
    let mut tokens = Vec::new();
    while let Ok(Some(token)) = lexer.next() {
        tokens.push(token);
    }
    let text = |i: usize| tokens.get(i).and_then(|t| sql.get(t.start..t.end)).unwrap_or_default();
    let kind = |i: usize| tokens.get(i).map(|t| t.kind);
    let is_word = |i: usize, words: &[&str]| {
        kind(i) == Some(Kind::Word) && words.iter().any(|w| text(i).eq_ignore_ascii_case(w))
    };
    let mut found: Vec<Mention> = Vec::new();
    let mut ctes: Vec<String> = Vec::new();
    // For each open bracket: a SELECT was seen, and we are in its FROM list.
    let mut levels = vec![(false, false)];
    let mut expect = false;
    let mut i = 0;
    while i < tokens.len() {
        let Some(level) = levels.last_mut() else { break };
        match kind(i) {
            Some(Kind::Punct(b'(')) => {
                // `FROM (a JOIN b …)`: still a list of relations.
                let list = expect && level.1;
                levels.push((list, list));
                i += 1;
                continue;
            }
            Some(Kind::Punct(b')')) => {
                if levels.len() > 1 {
                    levels.pop();
                }
                expect = false;
            }
            Some(Kind::Punct(b',')) => expect = level.1,
            Some(Kind::Word | Kind::QuotedIdentifier) => {
                if is_word(i, &["select"]) {
                    *level = (true, false);
                    expect = false;
                } else if is_word(i, &["from"]) && level.0 {
                    level.1 = true;
                    expect = true;
                } else if is_word(i, &["join"]) {
                    expect = true;
                } else if is_word(
                    i,
                    &[
                        "where",
                        "group",
                        "order",
                        "having",
                        "limit",
                        "union",
                        "except",
                        "intersect",
                        "window",
                        "on",
                    ],
                ) {
                    // A comma after ON … belongs to the FROM list again.
                    level.1 = level.1 && is_word(i, &["on"]);
                    expect = false;
                } else if expect && !is_word(i, &["only", "lateral"]) {
                    expect = false;
                    let first = i;
                    let mut parts = vec![fold(text(i), kind(i).unwrap_or(Kind::Word))];
                    while kind(i + 1) == Some(Kind::Punct(b'.')) {
                        parts.push(fold(text(i + 2), kind(i + 2).unwrap_or(Kind::Word)));
                        i += 2;
                    }
                    let call = kind(i + 1) == Some(Kind::Punct(b'('));
                    let name = parts.pop().unwrap_or_default();
                    if !call && let (Some(a), Some(b)) = (tokens.get(first), tokens.get(i)) {
                        found.push(Mention { schema: parts.pop(), name, start: a.start, end: b.end });
                    }
                } else if is_word(i + 1, &["as"])
                    && kind(i + 2) == Some(Kind::Punct(b'('))
                    && is_word(i + 3, &["select", "with", "values"])
                {
                    ctes.push(fold(text(i), kind(i).unwrap_or(Kind::Word)));
                }
            }
            _ => {}
        }
        i += 1;
    }
    found.retain(|m| m.schema.is_some() || !ctes.contains(&m.name));
    found
}

/// Replaces the column `from` by `to` in an expression over one table.
pub(crate) fn rename_in_expression(sql: &str, from: &str, to: &str) -> String {
    let mut lexer = Lexer::new(sql);
    let mut tokens = Vec::new();
    while let Ok(Some(token)) = lexer.next() {
        tokens.push(token);
    }
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    for (i, token) in tokens.iter().enumerate() {
        let text = sql.get(token.start..token.end).unwrap_or_default();
        let identifier =
            matches!(token.kind, Kind::Word | Kind::QuotedIdentifier) && fold(text, token.kind) == from;
        let next = tokens.get(i + 1).map(|t| t.kind);
        if identifier && !matches!(next, Some(Kind::Punct(b'(' | b'.'))) {
            out.push_str(sql.get(copied..token.start).unwrap_or_default());
            out.push_str(&quote_identifier(to));
            copied = token.end;
        }
    }
    out.push_str(sql.get(copied..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened_from_the_longer_part() {
        assert_eq!(object_name("t", "a_b", "key"), "t_a_b_key");
        assert_eq!(object_name("t", "", "pkey"), "t_pkey");
        let long = object_name(&"t".repeat(60), &"c".repeat(60), "key");
        assert_eq!(long, format!("{}_{}_key", "t".repeat(29), "c".repeat(29)));
    }

    #[test]
    fn relations_are_found_behind_from_and_join() {
        let names = |sql: &str| relation_mentions(sql).into_iter().map(|m| m.name).collect::<Vec<_>>();
        assert_eq!(names("select a, b from t"), ["t"]);
        assert_eq!(
            names("select a from s.t x join u on x.a = u.a, v where a in (select b from w)"),
            ["t", "u", "v", "w"]
        );
        assert_eq!(names("with c as (select 1 from t) select extract(year from d) from c, g(1) y"), ["t"]);
        assert_eq!(
            names("select * from (a join b using (x)) where y = (select max(z) from c)"),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn columns_are_renamed_in_expressions() {
        assert_eq!(
            rename_in_expression("a > 0 and lower(b) = 'a'", "a", "New"),
            "\"New\" > 0 and lower(b) = 'a'"
        );
        assert_eq!(rename_in_expression("lower(lower) = \"A\"", "lower", "x"), "lower(x) = \"A\"");
    }
}
