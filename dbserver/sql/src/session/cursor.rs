//! SQL cursors: DECLARE, FETCH, MOVE, and what WITH HOLD keeps. They are portals, in the namespace of portals.

use crate::context::{Cancel, QueryContext, Reservation};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::client::Session;
use crate::session::portal::{Cursor, Portal, PortalState};
use crate::session::statement::{Body, FetchDirection};
use crate::session::utilities::no_cursor;
use crate::session::{Sink, StatementKind};
use crate::types::Datum;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Bytes a kept row takes, about.
fn row_bytes(row: &[Datum]) -> u64 {
    let heap = |d: &Datum| match d {
        Datum::Text(t) => t.len(),
        Datum::Bytea(b) => b.len(),
        Datum::Array(a) => 32 * a.values.len(),
        _ => 0,
    };
    let bytes: usize = row.iter().map(|d| std::mem::size_of::<Datum>() + heap(d)).sum();
    bytes as u64 + 24
}

impl Session {
    pub(crate) fn declare(
        &mut self,
        name: &str,
        scroll: Option<bool>,
        hold: bool,
        text: &str,
        query: &QueryContext,
    ) -> Result<()> {
        if !hold && !self.transaction.as_ref().is_some_and(|t| t.explicit) && self.pending.is_empty() {
            return Err(SqlError::new(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        if self.portals.contains_key(name) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_CURSOR,
                format!("cursor \"{name}\" already exists"),
            ));
        }
        self.ensure_transaction()?;
        let mut portal = self.query_portal(text)?;
        if !matches!(portal.statement.body, Body::Query(StatementKind::Select)) {
            return Err(SqlError::syntax("a cursor needs a SELECT"));
        }
        portal.cursor = Some(Cursor {
            scroll: scroll == Some(true),
            no_scroll: scroll == Some(false),
            hold,
            memory: Some(Reservation::new(&self.environment.options.memory)),
            ..Cursor::default()
        });
        self.open_portal(&mut portal, query)?;
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    pub(crate) fn fetch(
        &mut self,
        name: &str,
        direction: FetchDirection,
        moving: bool,
        query: &QueryContext,
        sink: &mut dyn Sink,
    ) -> Result<u64> {
        let mut portal = self.portals.remove(name).ok_or_else(|| no_cursor(name))?;
        if portal.cursor.is_none() {
            portal.cursor = Some(Cursor::default());
        }
        self.ensure_transaction()?;
        let result = self.fetch_from(&mut portal, direction, moving, query, sink);
        if result.is_ok() {
            self.portals.insert(name.to_owned(), portal);
        }
        result
    }

    fn fetch_from(
        &mut self,
        portal: &mut Portal,
        direction: FetchDirection,
        moving: bool,
        query: &QueryContext,
        sink: &mut dyn Sink,
    ) -> Result<u64> {
        let position = portal.cursor.as_ref().map_or(0, |c| c.position) as i64;
        // From and to row numbers, 1-based; stepping down where `from > to`.
        let (from, to) = match direction {
            FetchDirection::Forward(0) | FetchDirection::Backward(0) | FetchDirection::Relative(0) => {
                (position, position)
            }
            FetchDirection::Forward(n) if n > 0 => (position + 1, position.saturating_add(n)),
            FetchDirection::Backward(n) if n < 0 => (position + 1, position.saturating_sub(n)),
            FetchDirection::Forward(n) => (position - 1, position.saturating_add(n)),
            FetchDirection::Backward(n) => (position - 1, position.saturating_sub(n)),
            FetchDirection::Relative(n) => (position.saturating_add(n), position.saturating_add(n)),
            FetchDirection::Absolute(n) if n >= 0 => (n, n),
            FetchDirection::Absolute(n) => {
                self.load(portal, usize::MAX, query)?;
                let rows = portal.cursor.as_ref().map_or(0, |c| c.rows.len()) as i64;
                let at = (rows + 1).saturating_add(n).max(0);
                (at, at)
            }
        };
        // Rows behind us, or the one we are on.
        if from > to || from <= position {
            return self.fetch_backward(portal, from, to, moving, query, sink);
        }
        self.fetch_forward(portal, from as usize, to as usize, moving, query, sink)
    }

    fn fetch_forward(
        &mut self,
        portal: &mut Portal,
        from: usize,
        to: usize,
        moving: bool,
        query: &QueryContext,
        sink: &mut dyn Sink,
    ) -> Result<u64> {
        let keeps = portal.cursor.as_ref().is_some_and(|c| c.scroll || c.held);
        let mut count = 0;
        let mut at = portal.cursor.as_ref().map_or(0, |c| c.position);
        while at < to {
            at += 1;
            let row = if keeps {
                self.load(portal, at, query)?;
                portal.cursor.as_ref().and_then(|c| c.rows.get(at - 1)).cloned()
            } else {
                self.next_row(portal, query)?
            };
            let Some(row) = row else {
                at = portal.cursor.as_ref().filter(|_| keeps).map_or(at, |c| c.rows.len() + 1);
                break;
            };
            if at >= from {
                count += 1;
                if !moving {
                    query.count_rows(1)?;
                    sink.row(&row)?;
                }
            }
        }
        if let Some(cursor) = portal.cursor.as_mut() {
            cursor.position = at;
        }
        Ok(count)
    }

    fn fetch_backward(
        &mut self,
        portal: &mut Portal,
        from: i64,
        to: i64,
        moving: bool,
        query: &QueryContext,
        sink: &mut dyn Sink,
    ) -> Result<u64> {
        if !portal.cursor.as_ref().is_some_and(|c| c.scroll || c.held && !c.no_scroll) {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "cursor can only scan forward",
            )
            .with_hint("Declare it with SCROLL option to enable backward scan."));
        }
        let Some(cursor) = portal.cursor.as_mut() else { return Ok(0) };
        let rows = cursor.rows.len() as i64;
        let mut count = 0;
        let mut at = from.min(rows);
        while at >= to.max(1) {
            if let Some(row) = usize::try_from(at - 1).ok().and_then(|i| cursor.rows.get(i)) {
                count += 1;
                if !moving {
                    query.count_rows(1)?;
                    sink.row(row)?;
                }
            }
            at -= 1;
        }
        // Before the first row where there were fewer than wanted.
        cursor.position = usize::try_from(to.clamp(0, rows + 1)).unwrap_or(0);
        Ok(count)
    }

    /// Reads rows into the cursor until it has `rows` of them, or all.
    fn load(&mut self, portal: &mut Portal, rows: usize, query: &QueryContext) -> Result<()> {
        loop {
            let Some(cursor) = &portal.cursor else { return Ok(()) };
            if cursor.held || cursor.rows.len() >= rows {
                return Ok(());
            }
            let Some(row) = self.next_row(portal, query)? else { return Ok(()) };
            let Some(cursor) = portal.cursor.as_mut() else { return Ok(()) };
            if let Some(memory) = cursor.memory.as_mut() {
                memory.grow(row_bytes(&row))?;
            }
            cursor.rows.push(row);
        }
    }

    /// Whether a commit has cursors to keep the rows of.
    pub(crate) fn has_cursors_to_hold(&self) -> bool {
        self.portals.values().any(|p| p.cursor.as_ref().is_some_and(|c| c.hold && !c.held))
    }

    /// Before a commit: reads what is left of cursors WITH HOLD.
    pub(crate) fn hold_cursors(&mut self) -> Result<()> {
        let names: Vec<String> = self
            .portals
            .iter()
            .filter(|(_, p)| p.cursor.as_ref().is_some_and(|c| c.hold && !c.held))
            .map(|(name, _)| name.clone())
            .collect();
        let query = QueryContext {
            deadline: None,
            cancel: Arc::new(Cancel::default()),
            memory: Arc::clone(&self.environment.options.memory),
            rows_max: u64::MAX,
            rows: AtomicU64::new(0),
        };
        for name in names {
            let Some(mut portal) = self.portals.remove(&name) else { continue };
            if let Some(cursor) = portal.cursor.as_mut().filter(|c| !c.scroll) {
                // Rows that were not kept are stood in for, so that positions stay.
                cursor.rows = vec![Vec::new(); cursor.position];
                cursor.no_scroll = true;
            }
            self.load(&mut portal, usize::MAX, &query)?;
            portal.state = PortalState::Done;
            portal.rest = None;
            if let Some(cursor) = portal.cursor.as_mut() {
                cursor.held = true;
            }
            self.portals.insert(name, portal);
        }
        Ok(())
    }
}
