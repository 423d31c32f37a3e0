//! Functions that ask the session, the server or the statement's context.

use super::Function;
use super::kernel::{array_of, functions, invalid_parameter};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalContext;
use crate::types::{Datum, Oid, Type};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// `version()`: clients read PostgreSQL's number from its first words.
pub const VERSION: &str = concat!("PostgreSQL 15.0 (Plimsoll ", env!("CARGO_PKG_VERSION"), ")");

/// Most a sleep waits between looks at cancellation.
const SLEEP_STEP: Duration = Duration::from_millis(10);

fn sleep(seconds: f64, ctx: &EvalContext<'_>) -> Result<()> {
    // A day at most per step of arithmetic: more cannot be told from for ever here.
    let wanted = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    if wanted.is_zero() {
        return Ok(());
    }
    // A sleeper computes nothing: it lends its slot to others.
    ctx.session.wait_begin("Timeout", "PgSleep")?;
    let slept = sleep_for(wanted, ctx);
    ctx.session.wait_end();
    slept
}

fn sleep_for(wanted: Duration, ctx: &EvalContext<'_>) -> Result<()> {
    let begin = Instant::now();
    loop {
        ctx.query.check()?;
        let left = wanted.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLEEP_STEP));
    }
}

/// The schemas of the search path that exist.
fn schemas(ctx: &EvalContext<'_>, implicit: bool) -> Vec<String> {
    let exists = |name: &str| {
        ctx.catalog.schemas.contains_key(name) || name == "pg_catalog" || name == "information_schema"
    };
    let path = ctx.settings.search_path.iter();
    // The implicit one stands first; written out it stays where it is.
    let mut names: Vec<String> = path.filter(|name| exists(name)).cloned().collect();
    let listed = ctx.session.setting("search_path").is_some_and(|path| path.contains("pg_catalog"));
    if !implicit && !listed {
        names.retain(|name| name != "pg_catalog");
    } else if implicit && !names.iter().any(|name| name == "pg_catalog") {
        names.insert(0, "pg_catalog".to_owned());
    }
    names
}

fn setting(name: &str, ctx: &EvalContext<'_>) -> Result<String> {
    ctx.session.setting(name).ok_or_else(|| {
        SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
    })
}

/// When this process first asked; the server does so when it starts.
pub fn server_start() -> i64 {
    static START: OnceLock<i64> = OnceLock::new();
    *START.get_or_init(super::datetime::clock)
}

/// Version 4 of RFC 9562. `uuid_generate_v4` is the name it has in extension uuid-ossp.
fn random_uuid() -> [u8; 16] {
    let mut bytes: [u8; 16] = rand::random();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    bytes
}

functions! { SESSION:
    861 current_database() -> NAME [stable] |ctx| { ctx.session.database() }
    861 current_catalog() -> NAME [stable] |ctx| { ctx.session.database() }
    745 current_user() -> NAME [stable] |ctx| { ctx.session.user() }
    745 current_role() -> NAME [stable] |ctx| { ctx.session.user() }
    745 user() -> NAME [stable] |ctx| { ctx.session.user() }
    746 session_user() -> NAME [stable] |ctx| { ctx.session.user() }
    1402 current_schema() -> NAME [stable] |ctx| { schemas(ctx, false).into_iter().next() }
    1403 current_schemas(implicit: BOOL) -> NAME_ARRAY [stable] |ctx| { array_of(Type::NAME, schemas(ctx, implicit).into_iter().map(Datum::text).collect()) }
    89 version() -> TEXT [stable] |_| { VERSION }
    2077 current_setting(name: TEXT) -> TEXT [stable] |ctx| { setting(name, ctx)? }
    3294 current_setting(name: TEXT, missing_ok: BOOL) -> TEXT [stable] |ctx| { if missing_ok { ctx.session.setting(name) } else { Some(setting(name, ctx)?) } }
    1574 nextval(sequence: REGCLASS) -> INT8 [volatile] |ctx| { ctx.session.nextval(sequence)? }
    1575 currval(sequence: REGCLASS) -> INT8 [volatile] |ctx| { ctx.session.currval(sequence)? }
    2559 lastval() -> INT8 [volatile] |ctx| { ctx.session.lastval()? }
    1576 setval(sequence: REGCLASS, value: INT8) -> INT8 [volatile] |ctx| { ctx.session.setval(sequence, value, true)? }
    1765 setval(sequence: REGCLASS, value: INT8, called: BOOL) -> INT8 [volatile] |ctx| { ctx.session.setval(sequence, value, called)? }
    2026 pg_backend_pid() -> INT4 [stable] |ctx| { ctx.session.backend_pid() }
    2943 txid_current() -> INT8 [stable] |ctx| { ctx.session.transaction_id() as i64 }
    2626 pg_sleep(seconds: FLOAT8) -> VOID [volatile] |ctx| { sleep(seconds, ctx)?; Datum::text("") }
    2560 pg_postmaster_start_time() -> TIMESTAMPTZ [stable] |_| { server_start() }
    1039 getdatabaseencoding() -> NAME [stable] |_| { "UTF8" }
    810 pg_client_encoding() -> NAME [stable] |_| { "UTF8" }
    3432 gen_random_uuid() -> UUID [volatile] |_| { random_uuid() }
    0 uuid_generate_v4() -> UUID [volatile] |_| { random_uuid() }
}

fn set_config(args: &[Datum], ctx: &EvalContext<'_>) -> Result<Datum> {
    let [name, value, local] = args else {
        return Err(SqlError::internal("set_config without three arguments"));
    };
    let Datum::Text(name) = name else {
        return Err(SqlError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, "SET requires parameter name"));
    };
    let local = matches!(local, Datum::Bool(true));
    let value = match value {
        Datum::Text(value) => value,
        Datum::Null => return Err(SqlError::unsupported("set_config() to a null value")),
        _ => return Err(invalid_parameter("setting value must be text")),
    };
    Ok(Datum::text(ctx.session.set_config(name, value, local)?))
}

fn pg_typeof(_: &[Datum], types: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    let oid: Oid = types.first().map_or(Type::UNKNOWN.0, |t| t.0);
    Ok(Datum::Oid(oid))
}

fn count_nulls(args: &[Datum], wanted: bool) -> Result<Datum> {
    let count = args.iter().filter(|a| a.is_null() == wanted).count();
    Ok(Datum::Int4(i32::try_from(count).unwrap_or(i32::MAX)))
}
fn num_nulls(args: &[Datum], _: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    count_nulls(args, true)
}
fn num_nonnulls(args: &[Datum], _: &[Type], _: &EvalContext<'_>) -> Result<Datum> {
    count_nulls(args, false)
}

const ANY: Type = Type::ANY;

/// Those that take nulls or any type.
pub(super) static SESSION_OF_ANY: &[Function] = &[
    Function::scalar(2078, "set_config", &[Type::TEXT, Type::TEXT, Type::BOOL], Type::TEXT, set_config)
        .lax()
        .volatile(),
    Function::typed(1619, "pg_typeof", &[ANY], Type::REGTYPE, pg_typeof),
    Function::typed(438, "num_nulls", &[ANY], Type::INT4, num_nulls).variadic(ANY).immutable(),
    Function::typed(440, "num_nonnulls", &[ANY], Type::INT4, num_nonnulls).variadic(ANY).immutable(),
];
