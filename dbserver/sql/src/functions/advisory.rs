//! Functions of advisory locks. (PostgreSQL manual, "Advisory Lock Functions".)

use super::kernel::functions;
use crate::error::Result;
use crate::session::{AdvisoryKey, AdvisoryMode, EvalContext};
use crate::types::Datum;

const FOR_SESSION: AdvisoryMode = AdvisoryMode { shared: false, transaction: false };
const SHARED_FOR_SESSION: AdvisoryMode = AdvisoryMode { shared: true, transaction: false };
const FOR_TRANSACTION: AdvisoryMode = AdvisoryMode { shared: false, transaction: true };
const SHARED_FOR_TRANSACTION: AdvisoryMode = AdvisoryMode { shared: true, transaction: true };

fn lock(key: AdvisoryKey, mode: AdvisoryMode, ctx: &EvalContext<'_>) -> Result<Datum> {
    ctx.session.advisory_lock(key, mode, Some(ctx.query))?;
    Ok(Datum::text(""))
}

functions! { ADVISORY:
    2880 pg_advisory_lock(key: INT8) -> VOID [volatile] |ctx| { lock(AdvisoryKey::One(key), FOR_SESSION, ctx)? }
    3089 pg_advisory_xact_lock(key: INT8) -> VOID [volatile] |ctx| { lock(AdvisoryKey::One(key), FOR_TRANSACTION, ctx)? }
    2881 pg_advisory_lock_shared(key: INT8) -> VOID [volatile] |ctx| { lock(AdvisoryKey::One(key), SHARED_FOR_SESSION, ctx)? }
    3090 pg_advisory_xact_lock_shared(key: INT8) -> VOID [volatile] |ctx| { lock(AdvisoryKey::One(key), SHARED_FOR_TRANSACTION, ctx)? }
    2882 pg_try_advisory_lock(key: INT8) -> BOOL [volatile] |ctx| { ctx.session.advisory_lock(AdvisoryKey::One(key), FOR_SESSION, None)? }
    3091 pg_try_advisory_xact_lock(key: INT8) -> BOOL [volatile] |ctx| { ctx.session.advisory_lock(AdvisoryKey::One(key), FOR_TRANSACTION, None)? }
    2883 pg_try_advisory_lock_shared(key: INT8) -> BOOL [volatile] |ctx| { ctx.session.advisory_lock(AdvisoryKey::One(key), SHARED_FOR_SESSION, None)? }
    3092 pg_try_advisory_xact_lock_shared(key: INT8) -> BOOL [volatile] |ctx| { ctx.session.advisory_lock(AdvisoryKey::One(key), SHARED_FOR_TRANSACTION, None)? }
    2884 pg_advisory_unlock(key: INT8) -> BOOL [volatile] |ctx| { ctx.session.advisory_unlock(AdvisoryKey::One(key), false) }
    2885 pg_advisory_unlock_shared(key: INT8) -> BOOL [volatile] |ctx| { ctx.session.advisory_unlock(AdvisoryKey::One(key), true) }
    2886 pg_advisory_lock(class: INT4, key: INT4) -> VOID [volatile] |ctx| { lock(AdvisoryKey::Two(class, key), FOR_SESSION, ctx)? }
    3093 pg_advisory_xact_lock(class: INT4, key: INT4) -> VOID [volatile] |ctx| { lock(AdvisoryKey::Two(class, key), FOR_TRANSACTION, ctx)? }
    2887 pg_advisory_lock_shared(class: INT4, key: INT4) -> VOID [volatile] |ctx| { lock(AdvisoryKey::Two(class, key), SHARED_FOR_SESSION, ctx)? }
    3094 pg_advisory_xact_lock_shared(class: INT4, key: INT4) -> VOID [volatile] |ctx| { lock(AdvisoryKey::Two(class, key), SHARED_FOR_TRANSACTION, ctx)? }
    2888 pg_try_advisory_lock(class: INT4, key: INT4) -> BOOL [volatile] |ctx| { ctx.session.advisory_lock(AdvisoryKey::Two(class, key), FOR_SESSION, None)? }
    3095 pg_try_advisory_xact_lock(class: INT4, key: INT4) -> BOOL [volatile] |ctx| { ctx.session.advisory_lock(AdvisoryKey::Two(class, key), FOR_TRANSACTION, None)? }
    2889 pg_try_advisory_lock_shared(class: INT4, key: INT4) -> BOOL [volatile] |ctx| { ctx.session.advisory_lock(AdvisoryKey::Two(class, key), SHARED_FOR_SESSION, None)? }
    3096 pg_try_advisory_xact_lock_shared(class: INT4, key: INT4) -> BOOL [volatile] |ctx| { ctx.session.advisory_lock(AdvisoryKey::Two(class, key), SHARED_FOR_TRANSACTION, None)? }
    2890 pg_advisory_unlock(class: INT4, key: INT4) -> BOOL [volatile] |ctx| { ctx.session.advisory_unlock(AdvisoryKey::Two(class, key), false) }
    2891 pg_advisory_unlock_shared(class: INT4, key: INT4) -> BOOL [volatile] |ctx| { ctx.session.advisory_unlock(AdvisoryKey::Two(class, key), true) }
    2892 pg_advisory_unlock_all() -> VOID [volatile] |ctx| { ctx.session.advisory_unlock_all(); Datum::text("") }
}
