//! Finding relations by name and number.

use super::{
    Catalog, INFORMATION_SCHEMA_OID, Index, PG_CATALOG_OID, Relation, RelationKind, Schema, Sequence, Table,
    View,
};
use crate::error::{Result, SqlError, sqlstate};
use crate::types::Oid;
use std::sync::Arc;

impl Catalog {
    /// The OID of a schema by name, system schemas included.
    pub fn schema_oid(&self, name: &str) -> Option<Oid> {
        match name {
            "pg_catalog" => Some(PG_CATALOG_OID),
            "information_schema" => Some(INFORMATION_SCHEMA_OID),
            _ => self.schemas.get(name).map(|s| s.oid),
        }
    }
    /// The name of a schema by OID.
    pub fn schema_name(&self, oid: Oid) -> Option<&str> {
        match oid {
            PG_CATALOG_OID => Some("pg_catalog"),
            INFORMATION_SCHEMA_OID => Some("information_schema"),
            _ => self.schemas.values().find(|s| s.oid == oid).map(|s| s.name.as_str()),
        }
    }
    /// A user schema by OID.
    pub fn schema(&self, oid: Oid) -> Option<&Schema> {
        self.schemas.values().find(|s| s.oid == oid)
    }
    /// A user relation by OID.
    pub fn relation(&self, oid: Oid) -> Option<&Arc<Relation>> {
        self.relations.get(&oid)
    }
    /// A user relation in one schema.
    pub fn relation_in(&self, schema: Oid, name: &str) -> Option<&Arc<Relation>> {
        // A BTreeMap's key type is owned; names are short, so the copy is cheap against what follows.
        let oid = self.names.get(&(schema, name.to_owned()))?;
        self.relations.get(oid)
    }
    /// A user relation by name: in `schema` where given, else in the first schema of the search path that has it. Relations of `pg_catalog`
    /// and `information_schema` are not here: look among [`crate::plan::SystemRelation`]s first where the path says so.
    pub fn find_relation(
        &self,
        search_path: &[String],
        schema: Option<&str>,
        name: &str,
    ) -> Option<&Arc<Relation>> {
        match schema {
            Some(schema) => self.relation_in(self.schema_oid(schema)?, name),
            None => search_path
                .iter()
                .filter_map(|schema| self.schema_oid(schema))
                .find_map(|schema| self.relation_in(schema, name)),
        }
    }
    /// A table by OID.
    pub fn table(&self, oid: Oid) -> Option<&Arc<Table>> {
        self.relations.get(&oid)?.table()
    }
    /// A sequence by OID.
    pub fn sequence(&self, oid: Oid) -> Option<&Arc<Sequence>> {
        self.relations.get(&oid)?.sequence()
    }
    /// Whether a relation is found by its bare name: its schema is in the path and nothing before it hides it.
    pub fn is_visible(&self, search_path: &[String], oid: Oid) -> bool {
        self.relations
            .get(&oid)
            .and_then(|r| self.find_relation(search_path, None, &r.name))
            .is_some_and(|found| found.oid == oid)
    }
    /// 42P01, as PostgreSQL words it.
    pub fn undefined_relation(schema: Option<&str>, name: &str) -> SqlError {
        let full = schema.map_or_else(|| name.to_owned(), |s| format!("{s}.{name}"));
        SqlError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{full}\" does not exist"))
    }
    /// [`Catalog::find_relation`], or its error: 42P01, or 3F000 for a schema that does not exist.
    pub fn require_relation(
        &self,
        search_path: &[String],
        schema: Option<&str>,
        name: &str,
    ) -> Result<&Arc<Relation>> {
        self.find_relation(search_path, schema, name).ok_or_else(|| Self::undefined_relation(schema, name))
    }
}

impl Relation {
    /// The table, where it is one.
    pub fn table(&self) -> Option<&Arc<Table>> {
        match &self.kind {
            RelationKind::Table(t) => Some(t),
            _ => None,
        }
    }
    /// The index, where it is one.
    pub fn index(&self) -> Option<&Arc<Index>> {
        match &self.kind {
            RelationKind::Index(i) => Some(i),
            _ => None,
        }
    }
    /// The sequence, where it is one.
    pub fn sequence(&self) -> Option<&Arc<Sequence>> {
        match &self.kind {
            RelationKind::Sequence(s) => Some(s),
            _ => None,
        }
    }
    /// The view, where it is one.
    pub fn view(&self) -> Option<&Arc<View>> {
        match &self.kind {
            RelationKind::View(v) => Some(v),
            _ => None,
        }
    }
    /// The word for it in messages.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            RelationKind::Table(_) => "table",
            RelationKind::Index(_) => "index",
            RelationKind::Sequence(_) => "sequence",
            RelationKind::View(_) => "view",
        }
    }
}

impl Table {
    /// Whether foreign keys of this table or of others want to hear of its changes.
    pub fn has_key_relations(&self) -> bool {
        !self.foreign_keys.is_empty() || !self.referenced_by.is_empty()
    }
    /// Columns that are not dropped, with their positions in `columns`.
    pub fn live_columns(&self) -> impl Iterator<Item = (usize, &super::Column)> {
        self.columns.iter().enumerate().filter(|(_, c)| !c.dropped)
    }
    /// Position in `columns` of a column that is not dropped.
    pub fn column_position(&self, name: &str) -> Option<usize> {
        self.live_columns().find(|(_, c)| c.name == name).map(|(i, _)| i)
    }
}
