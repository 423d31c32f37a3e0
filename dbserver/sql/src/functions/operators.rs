//! Operators: a name, one or two operand types, and the function that computes it, as in `pg_operator`.

use super::Function;
use crate::types::{Oid, Type};

/// It can be used by a hash join or hash aggregate.
pub(super) const HASH: u8 = 1;
/// It is the equality of an ordering.
pub(super) const MERGE: u8 = 2;

/// (OID, name, left, right, function, commutator, negator, flags)
pub(super) type Row = (Oid, &'static str, Type, Type, Oid, Oid, Oid, u8);

impl Type {
    /// The left operand of a prefix operator.
    pub(crate) const NONE: Type = Type(0);
}

/// An operator.
#[derive(Debug)]
pub struct Operator {
    /// `oid`
    pub oid: Oid,
    /// `oprname`
    pub name: &'static str,
    /// Left operand; none for a prefix operator.
    pub left: Option<Type>,
    /// Right operand.
    pub right: Type,
    /// What computes it.
    pub function: &'static Function,
    /// `oprcom`: the operator with its operands swapped, 0 for none.
    pub commutator: Oid,
    /// `oprnegate`: the operator that gives the opposite, 0 for none.
    pub negator: Oid,
    /// `oprcanhash`
    pub can_hash: bool,
    /// `oprcanmerge`
    pub can_merge: bool,
}

impl Operator {
    pub(super) fn from_row(row: &Row, function: &'static Function) -> Self {
        let (oid, name, left, right, _, commutator, negator, flags) = *row;
        Self {
            oid,
            name,
            left: (left != Type::NONE).then_some(left),
            right,
            function,
            commutator,
            negator,
            can_hash: flags & HASH != 0,
            can_merge: flags & MERGE != 0,
        }
    }
}
