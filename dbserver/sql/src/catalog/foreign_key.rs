//! Foreign keys, as the referencing table keeps them.

use crate::types::Oid;
use serde::{Deserialize, Serialize};

/// What happens to referencing rows when the key they refer to goes or changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum KeyAction {
    /// An error, at the end of the statement or of the transaction.
    #[default]
    NoAction,
    /// An error at once.
    Restrict,
    /// They follow.
    Cascade,
    /// Their key becomes null.
    SetNull,
    /// Their key becomes its default.
    SetDefault,
}

impl KeyAction {
    /// `confupdtype`, `confdeltype`
    pub fn code(self) -> char {
        match self {
            KeyAction::NoAction => 'a',
            KeyAction::Restrict => 'r',
            KeyAction::Cascade => 'c',
            KeyAction::SetNull => 'n',
            KeyAction::SetDefault => 'd',
        }
    }
    /// Its words in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            KeyAction::NoAction => "NO ACTION",
            KeyAction::Restrict => "RESTRICT",
            KeyAction::Cascade => "CASCADE",
            KeyAction::SetNull => "SET NULL",
            KeyAction::SetDefault => "SET DEFAULT",
        }
    }
}

/// A FOREIGN KEY constraint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForeignKey {
    /// OID of the constraint.
    pub oid: Oid,
    /// Name, e.g. `t_col_fkey`.
    pub name: String,
    /// Positions of the referencing columns in their table.
    pub columns: Vec<usize>,
    /// OID of the referenced table.
    pub references: Oid,
    /// Positions of the referenced columns in that table, one for each of `columns`.
    pub referenced: Vec<usize>,
    /// OID of the unique index over them.
    pub index: Oid,
    /// ON UPDATE
    pub on_update: KeyAction,
    /// ON DELETE
    pub on_delete: KeyAction,
    /// MATCH FULL: all columns are null, or none.
    pub match_full: bool,
    /// DEFERRABLE
    pub deferrable: bool,
    /// INITIALLY DEFERRED
    pub deferred: bool,
    /// Rows from before the constraint satisfy it; false after NOT VALID.
    pub validated: bool,
}
