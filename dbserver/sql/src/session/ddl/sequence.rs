//! CREATE and ALTER SEQUENCE.

use crate::catalog::edit::sequence_default;
use crate::catalog::{RelationKind, Sequence};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::session::client::Session;
use crate::session::statement::{DropKind, Name, SequenceOptions};
use crate::types::{Oid, Type};
use std::sync::Arc;

fn invalid(message: String) -> SqlError {
    SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

/// The range of a sequence's type.
fn range(ty: Type) -> Result<(i64, i64)> {
    match ty {
        Type::INT2 => Ok((i64::from(i16::MIN), i64::from(i16::MAX))),
        Type::INT4 => Ok((i64::from(i32::MIN), i64::from(i32::MAX))),
        Type::INT8 => Ok((i64::MIN, i64::MAX)),
        _ => Err(invalid("sequence type must be smallint, integer, or bigint".to_owned())),
    }
}

/// A sequence with PostgreSQL's defaults.
pub(super) fn new_sequence(oid: Oid, name: &str, options: &SequenceOptions) -> Result<Sequence> {
    let ty = options.ty.unwrap_or(Type::INT8);
    let (low, high) = range(ty)?;
    let increment = options.increment.unwrap_or(1);
    let mut sequence = Sequence {
        oid,
        name: name.to_owned(),
        ty,
        start: 0,
        increment,
        min: options.min.flatten().unwrap_or(if increment > 0 { 1 } else { low }),
        max: options.max.flatten().unwrap_or(if increment > 0 { high } else { -1 }),
        cache: options.cache.unwrap_or(1),
        cycle: options.cycle.unwrap_or(false),
        owned_by: None,
    };
    sequence.start = options.start.unwrap_or(if increment > 0 { sequence.min } else { sequence.max });
    check(&sequence)?;
    Ok(sequence)
}

fn check(s: &Sequence) -> Result<()> {
    let (low, high) = range(s.ty)?;
    if s.increment == 0 {
        return Err(invalid("INCREMENT must not be zero".to_owned()));
    }
    if s.max > high || s.max < low {
        return Err(invalid(format!(
            "MAXVALUE ({}) is out of range for sequence data type {}",
            s.max,
            s.ty.sql_name()
        )));
    }
    if s.min < low || s.min > high {
        return Err(invalid(format!(
            "MINVALUE ({}) is out of range for sequence data type {}",
            s.min,
            s.ty.sql_name()
        )));
    }
    if s.min >= s.max {
        return Err(invalid(format!("MINVALUE ({}) must be less than MAXVALUE ({})", s.min, s.max)));
    }
    if s.start < s.min {
        return Err(invalid(format!("START value ({}) cannot be less than MINVALUE ({})", s.start, s.min)));
    }
    if s.start > s.max {
        return Err(invalid(format!(
            "START value ({}) cannot be greater than MAXVALUE ({})",
            s.start, s.max
        )));
    }
    if s.cache <= 0 {
        return Err(invalid(format!("CACHE ({}) must be greater than zero", s.cache)));
    }
    Ok(())
}

impl Session {
    pub(super) fn create_sequence(
        &mut self,
        name: &Name,
        if_not_exists: bool,
        options: &SequenceOptions,
    ) -> Result<()> {
        let schema = self.creation_schema(name)?;
        if self.already_exists(schema, &name.name, if_not_exists)? {
            return Ok(());
        }
        let oid = self.change_catalog(|c| Ok(c.allocate_oid()))?;
        let mut sequence = new_sequence(oid, &name.name, options)?;
        if let Some(Some((table, column))) = &options.owned_by {
            sequence.owned_by = Some(self.owner(table, column)?);
        }
        self.change_catalog(|catalog| {
            catalog.insert_relation(oid, schema, &name.name, RelationKind::Sequence(Arc::new(sequence)));
            Ok(())
        })
    }
    fn owner(&self, table: &Name, column: &str) -> Result<(Oid, i16)> {
        let table = self.require_table(table)?;
        let position = Self::column_position(&table, column)?;
        Ok((table.oid, i16::try_from(position + 1).unwrap_or(i16::MAX)))
    }
    pub(super) fn alter_sequence(
        &mut self,
        name: &Name,
        if_exists: bool,
        options: &SequenceOptions,
        query: &QueryContext,
    ) -> Result<()> {
        let relation = match self.require(name, DropKind::Sequence) {
            Err(error) if if_exists && error.sqlstate() == sqlstate::UNDEFINED_TABLE => {
                self.notice("00000", format!("relation \"{}\" does not exist, skipping", name.name));
                return Ok(());
            }
            other => other?,
        };
        self.lock_for_ddl(relation.oid, query)?;
        self.change_sequence(relation.oid, options)
    }
    /// Changes what the options name; what is not named stays.
    pub(super) fn change_sequence(&mut self, oid: Oid, options: &SequenceOptions) -> Result<()> {
        let catalog = self.catalog();
        let old = catalog.sequence(oid).ok_or_else(|| SqlError::internal("a sequence is gone"))?;
        let mut new = (**old).clone();
        if let Some(increment) = options.increment {
            new.increment = increment;
        }
        if let Some(ty) = options.ty {
            let (old_low, old_high) = range(new.ty)?;
            let (low, high) = range(ty)?;
            // Bounds that were the old type's become the new one's.
            if new.max == old_high {
                new.max = high;
            }
            if new.min == old_low {
                new.min = low;
            }
            new.ty = ty;
        }
        let (low, high) = range(new.ty)?;
        if let Some(min) = options.min {
            new.min = min.unwrap_or(if new.increment > 0 { 1 } else { low });
        }
        if let Some(max) = options.max {
            new.max = max.unwrap_or(if new.increment > 0 { high } else { -1 });
        }
        if let Some(start) = options.start {
            new.start = start;
        }
        if let Some(cache) = options.cache {
            new.cache = cache;
        }
        if let Some(cycle) = options.cycle {
            new.cycle = cycle;
        }
        match &options.owned_by {
            Some(Some((table, column))) => new.owned_by = Some(self.owner(table, column)?),
            Some(None) => new.owned_by = None,
            None => {}
        }
        check(&new)?;
        self.change_catalog(|catalog| {
            catalog.update_relation(oid, |relation| relation.kind = RelationKind::Sequence(Arc::new(new)))
        })?;
        match options.restart {
            Some(value) => self.restart_sequence(oid, value),
            None => Ok(()),
        }
    }
    /// The next value is `value`, or START. Takes effect at once, also where the transaction rolls back.
    pub(super) fn restart_sequence(&mut self, oid: Oid, value: Option<i64>) -> Result<()> {
        let catalog = self.catalog();
        let sequence = catalog.sequence(oid).ok_or_else(|| SqlError::internal("a sequence is gone"))?;
        let value = value.unwrap_or(sequence.start);
        if value < sequence.min {
            return Err(invalid(format!(
                "RESTART value ({value}) cannot be less than MINVALUE ({})",
                sequence.min
            )));
        }
        if value > sequence.max {
            return Err(invalid(format!(
                "RESTART value ({value}) cannot be greater than MAXVALUE ({})",
                sequence.max
            )));
        }
        let durable = self.database.with_catalog(|published| published.sequence(oid).is_some());
        self.database.sequences.set(self.database.engine(), sequence, value, false, durable)
    }
    /// A sequence for a column that becomes an identity column.
    pub(super) fn add_identity(
        &mut self,
        table: Oid,
        position: usize,
        kind: char,
        options: &SequenceOptions,
    ) -> Result<()> {
        let table = self.table(table)?;
        let Some(column) = table.columns.get(position) else { return Err(SqlError::internal("no column")) };
        let name = self.catalog().choose_relation_name(table.schema, &table.name, &column.name, "seq");
        let options = SequenceOptions { ty: options.ty.or(Some(column.ty.ty)), ..options.clone() };
        let oid = self.change_catalog(|c| Ok(c.allocate_oid()))?;
        let mut sequence = new_sequence(oid, &name, &options)?;
        sequence.owned_by = Some((table.oid, i16::try_from(position + 1).unwrap_or(i16::MAX)));
        self.change_catalog(|catalog| {
            catalog.insert_relation(oid, table.schema, &name, RelationKind::Sequence(Arc::new(sequence)));
            catalog.update_table(table.oid, |t| {
                if let Some(column) = t.columns.get_mut(position) {
                    column.identity = Some(kind);
                    column.sequence = Some(oid);
                    column.default = Some(sequence_default(oid));
                }
            })
        })
    }
}
