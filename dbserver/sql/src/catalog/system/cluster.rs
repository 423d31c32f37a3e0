//! What PostgreSQL keeps for a whole cluster: databases, schemas, roles, settings, activity. Plimsoll has one
//! database and one role a server.

use super::{DATABASE_OID, bool, ch, int4, int8, oid, optional, text};
use crate::Result;
use crate::catalog::{INFORMATION_SCHEMA_OID, OWNER_OID, PG_CATALOG_OID};
use crate::session::{Activity, EvalContext};
use crate::types::{Datum, Interval};

type Rows = Result<Vec<Vec<Datum>>>;

/// Rows of `pg_namespace`.
pub(super) fn pg_namespace(ctx: &EvalContext<'_>) -> Rows {
    let row = |number, name: &str| vec![oid(number), text(name), oid(OWNER_OID), Datum::Null];
    let system = [row(PG_CATALOG_OID, "pg_catalog"), row(INFORMATION_SCHEMA_OID, "information_schema")];
    Ok(system.into_iter().chain(ctx.catalog.schemas.values().map(|s| row(s.oid, &s.name))).collect())
}

/// Rows of `pg_database`.
pub(super) fn pg_database(ctx: &EvalContext<'_>) -> Rows {
    Ok(vec![vec![
        oid(DATABASE_OID),
        text(ctx.session.database()),
        oid(OWNER_OID),
        int4(UTF8),
        ch('c'),
        bool(false),
        bool(true),
        int4(-1),
        Datum::Oid(0),
        Datum::Oid(0),
        oid(DEFAULT_TABLESPACE),
        text("C"),
        text("C"),
        Datum::Null,
        Datum::Null,
        Datum::Null,
    ]])
}

/// `pg_encoding_to_char`'s number for UTF8.
const UTF8: i32 = 6;
/// OID of `pg_default`.
const DEFAULT_TABLESPACE: u32 = 1663;

/// Rows of `pg_authid`.
pub(super) fn pg_authid(ctx: &EvalContext<'_>) -> Rows {
    let mut row = vec![oid(OWNER_OID), text(ctx.session.user())];
    row.extend(std::iter::repeat_with(|| bool(true)).take(7));
    row.extend([int4(-1), Datum::Null, Datum::Null]);
    Ok(vec![row])
}

/// Rows of `pg_roles`.
pub(super) fn pg_roles(ctx: &EvalContext<'_>) -> Rows {
    let mut row = vec![text(ctx.session.user())];
    row.extend(std::iter::repeat_with(|| bool(true)).take(6));
    row.extend([int4(-1), text("********"), Datum::Null, bool(true), Datum::Null, oid(OWNER_OID)]);
    Ok(vec![row])
}

/// Rows of `pg_user`.
pub(super) fn pg_user(ctx: &EvalContext<'_>) -> Rows {
    let mut row = vec![text(ctx.session.user()), oid(OWNER_OID)];
    row.extend(std::iter::repeat_with(|| bool(true)).take(4));
    row.extend([text("********"), Datum::Null, Datum::Null]);
    Ok(vec![row])
}

/// Rows of `pg_tablespace`.
pub(super) fn pg_tablespace(_: &EvalContext<'_>) -> Rows {
    let row = |number, name: &str| vec![oid(number), text(name), oid(OWNER_OID), Datum::Null, Datum::Null];
    Ok(vec![row(DEFAULT_TABLESPACE, "pg_default"), row(1664, "pg_global")])
}

/// Rows of `pg_settings`.
pub(super) fn pg_settings(ctx: &EvalContext<'_>) -> Rows {
    let rows = ctx.session.settings().into_iter().map(|(name, value, description)| {
        let (kind, value_text) = match value.as_str() {
            "on" | "off" => ("bool", value.clone()),
            v if v.parse::<i64>().is_ok() => ("integer", value.clone()),
            _ => ("string", value.clone()),
        };
        let setting = || text(value_text.as_str());
        vec![
            text(name),
            setting(),
            Datum::Null,
            text("Plimsoll"),
            text(description),
            Datum::Null,
            text("user"),
            text(kind),
            text("default"),
            Datum::Null,
            Datum::Null,
            Datum::Null,
            setting(),
            setting(),
            Datum::Null,
            Datum::Null,
            bool(false),
        ]
    });
    Ok(rows.collect())
}

/// Rows of `pg_stat_activity`.
pub(super) fn pg_stat_activity(ctx: &EvalContext<'_>) -> Rows {
    Ok(ctx.session.activity().iter().map(activity_row).collect())
}

fn activity_row(a: &Activity) -> Vec<Datum> {
    let time = |at: i64| if at == 0 { Datum::Null } else { int8(at) };
    let some = |s: &str| if s.is_empty() { Datum::Null } else { text(s) };
    let count = |n: u64| int8(i64::try_from(n).unwrap_or(i64::MAX));
    vec![
        oid(DATABASE_OID),
        text(a.database.as_str()),
        int4(a.pid),
        Datum::Null,
        oid(OWNER_OID),
        text(a.user.as_str()),
        text(a.application_name.as_str()),
        some(&a.client_addr),
        Datum::Null,
        int4(a.client_port),
        time(a.backend_start),
        time(a.xact_start),
        time(a.query_start),
        time(a.state_change),
        some(&a.wait_event.0),
        some(&a.wait_event.1),
        text(a.state.as_str()),
        Datum::Null,
        Datum::Null,
        Datum::Null,
        text(a.query.as_str()),
        text("client backend"),
        count(a.statements),
        count(a.rows),
        count(a.bytes),
        count(a.time_us),
    ]
}

/// Rows of `pg_stat_database`: connections only; the counters are in `/metrics`.
pub(super) fn pg_stat_database(ctx: &EvalContext<'_>) -> Rows {
    let backends = i32::try_from(ctx.session.activity().len()).unwrap_or(i32::MAX);
    let columns = super::lookup("pg_catalog", "pg_stat_database").map_or(&[][..], |r| r.columns);
    let row = columns.iter().map(|(name, ty)| match *name {
        "datid" => oid(DATABASE_OID),
        "datname" => text(ctx.session.database()),
        "numbackends" => int4(backends),
        _ => match *ty {
            crate::types::Type::INT8 => int8(0),
            crate::types::Type::FLOAT8 => Datum::Float8(0.0),
            _ => Datum::Null,
        },
    });
    Ok(vec![row.collect()])
}

/// Rows of `pg_timezone_names`, with the offsets of the transaction's time.
pub(super) fn pg_timezone_names(ctx: &EvalContext<'_>) -> Rows {
    use chrono::{DateTime, TimeZone};
    use chrono_tz::{OffsetComponents, OffsetName};
    // PostgreSQL's epoch is 2000-01-01 UTC.
    let epoch_us = 946_684_800_000_000_i64;
    let now = DateTime::from_timestamp_micros(ctx.settings.transaction_time.saturating_add(epoch_us));
    let rows = chrono_tz::TZ_VARIANTS.iter().map(|zone| {
        let offset = now.map(|n| zone.offset_from_utc_datetime(&n.naive_utc()));
        let seconds = offset.as_ref().map_or(0, |o| (o.base_utc_offset() + o.dst_offset()).num_seconds());
        let interval = Interval { months: 0, days: 0, micros: seconds.saturating_mul(1_000_000) };
        vec![
            text(zone.name()),
            optional(offset.as_ref().and_then(|o| o.abbreviation()), text),
            Datum::Interval(interval),
            bool(offset.is_some_and(|o| !o.dst_offset().is_zero())),
        ]
    });
    Ok(rows.collect())
}

/// Rows of `pg_locks`: relations that transactions have locked, and the transactions themselves. Rows' locks are with the rows, as in
/// PostgreSQL; who waits for one is in `pg_stat_activity`.
pub(super) fn pg_locks(ctx: &EvalContext<'_>) -> Rows {
    /// What stands for the catalog as a whole, which one transaction at a time may change.
    const CATALOG: u32 = 1259;
    let columns = super::lookup("pg_catalog", "pg_locks").map_or(&[][..], |r| r.columns);
    let row = |transaction: u64, pid: i32, relation: Option<u32>, mode: &str| -> Vec<Datum> {
        let value = |name: &str| match name {
            "locktype" => text(if relation.is_some() { "relation" } else { "transactionid" }),
            "database" => relation.map_or(Datum::Null, |_| oid(super::DATABASE_OID)),
            "relation" => relation.map_or(Datum::Null, oid),
            "transactionid" if relation.is_none() => Datum::Oid(transaction as u32),
            "virtualtransaction" => text(format!("{pid}/{transaction}")),
            "pid" => Datum::Int4(pid),
            "mode" => text(mode),
            "granted" => bool(true),
            "fastpath" => bool(false),
            _ => Datum::Null,
        };
        columns.iter().map(|(name, _)| value(name)).collect()
    };
    let mut rows = Vec::new();
    let mut last = None;
    for (transaction, pid, object, alone) in ctx.session.locks() {
        if last.replace(transaction) != Some(transaction) {
            rows.push(row(transaction, pid, None, "ExclusiveLock"));
        }
        let relation = u32::try_from(object).ok().filter(|o| *o != 0).unwrap_or(CATALOG);
        let mode = if alone { "AccessExclusiveLock" } else { "RowExclusiveLock" };
        rows.push(row(transaction, pid, Some(relation), mode));
    }
    Ok(rows)
}
