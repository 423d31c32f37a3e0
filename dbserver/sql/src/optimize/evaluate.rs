//! Calling immutable functions while planning.

use crate::catalog::Catalog;
use crate::context::QueryContext;
use crate::error::{Result, SqlError};
use crate::expr::{Expr, ExprKind};
use crate::functions::Function;
use crate::session::{Activity, EvalContext, EvalSettings, SessionFunctions};
use crate::types::{Datum, Type};
use std::sync::Arc;

/// The value of a call on constants; none where it fails (the executor will say how, if it gets there).
pub(super) fn call(function: &Function, args: &[Expr], settings: &EvalSettings) -> Option<Datum> {
    if function.is_aggregate() || function.is_set() {
        return None;
    }
    let values: Vec<Datum> = args
        .iter()
        .filter_map(|a| match &a.kind {
            ExprKind::Const(v) => Some(v.clone()),
            _ => None,
        })
        .collect();
    let types: Vec<Type> = args.iter().map(|a| a.ty).collect();
    let query = QueryContext::unlimited();
    let catalog = Arc::new(Catalog::default());
    let context =
        EvalContext { query: &query, catalog: &catalog, settings, params: &[], session: &NoSession };
    function.call(&values, &types, &context).ok()
}

/// Immutable functions ask nothing of the session.
struct NoSession;

fn none<T>() -> Result<T> {
    Err(SqlError::internal("a constant asked for the session"))
}

impl SessionFunctions for NoSession {
    fn nextval(&self, _: u32) -> Result<i64> {
        none()
    }
    fn currval(&self, _: u32) -> Result<i64> {
        none()
    }
    fn lastval(&self) -> Result<i64> {
        none()
    }
    fn setval(&self, _: u32, _: i64, _: bool) -> Result<i64> {
        none()
    }
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
    fn set_config(&self, _: &str, _: &str, _: bool) -> Result<String> {
        none()
    }
    fn settings(&self) -> Vec<(String, String, String)> {
        Vec::new()
    }
    fn user(&self) -> &str {
        ""
    }
    fn database(&self) -> &str {
        ""
    }
    fn backend_pid(&self) -> i32 {
        0
    }
    fn activity(&self) -> Vec<Activity> {
        Vec::new()
    }
    fn tree_size(&self, _: plimsoll_storage::TreeId) -> (u64, u64) {
        (0, 0)
    }
    fn transaction_id(&self) -> u64 {
        0
    }
}
