//! `to_char`, `to_number`, `to_date` and `to_timestamp`: formatting by template (manual, section 9.8).

mod date_template;
mod number;
mod parse;

use super::kernel::functions;
use crate::types::datetime::{
    self, DAY_US, HOUR_US, MINUTE_US, Parts, SECOND_US, abbreviation, offset_at, split_timestamp,
    utc_to_local,
};
use crate::types::{Interval, Numeric};
use date_template::Fields;

/// The fields of a local time; none for the infinities, which `to_char` gives no text for.
fn of_timestamp(local: i64) -> Option<Fields> {
    if datetime::is_infinite(local) {
        return None;
    }
    let Parts { date, hour, minute, second, micro } = split_timestamp(local);
    let days = Some(local.div_euclid(DAY_US));
    let (year, month, day) = (date.year, date.month, date.day);
    Some(Fields { year, month, day, hour, minute, second, micro, days, zone: None })
}

fn of_interval(i: &Interval) -> Fields {
    let (months, time) = (i64::from(i.months), i.micros);
    Fields {
        year: months / 12,
        month: months % 12,
        day: i64::from(i.days),
        hour: time / HOUR_US,
        minute: time / MINUTE_US % 60,
        second: time / SECOND_US % 60,
        micro: time % SECOND_US,
        days: None,
        zone: None,
    }
}

functions! { FORMATS:
    2049 to_char(t: TIMESTAMP, f: TEXT) -> TEXT [stable] |_| {
        of_timestamp(t).filter(|_| !f.is_empty()).map(|fields| date_template::write(f, &fields)).transpose()?
    }
    1770 to_char(t: TIMESTAMPTZ, f: TEXT) -> TEXT [stable] |ctx| {
        let zone = ctx.settings.time_zone;
        let fields = of_timestamp(utc_to_local(t, zone)).map(|fields| Fields { zone: Some((abbreviation(t, zone), offset_at(t, zone))), ..fields });
        fields.filter(|_| !f.is_empty()).map(|fields| date_template::write(f, &fields)).transpose()?
    }
    1768 to_char(i: INTERVAL, f: TEXT) -> TEXT [stable] |_| { (!f.is_empty()).then(|| date_template::write(f, &of_interval(&i))).transpose()? }
    1772 to_char(n: NUMERIC, f: TEXT) -> TEXT [stable] |_| { number::write(n, f)? }
    1773 to_char(n: INT4, f: TEXT) -> TEXT [stable] |_| { number::write(&Numeric::from(i64::from(n)), f)? }
    1774 to_char(n: INT8, f: TEXT) -> TEXT [stable] |_| { number::write(&Numeric::from(n), f)? }
    1775 to_char(n: FLOAT4, f: TEXT) -> TEXT [stable] |_| { number::write(&Numeric::from_f32(n), f)? }
    1776 to_char(n: FLOAT8, f: TEXT) -> TEXT [stable] |_| { number::write(&Numeric::from_f64(n), f)? }
    1777 to_number(t: TEXT, f: TEXT) -> NUMERIC [stable] |_| { number::read(t, f)? }
    1780 to_date(t: TEXT, f: TEXT) -> DATE [stable] |_| { parse::date(t, f)? }
    1778 to_timestamp(t: TEXT, f: TEXT) -> TIMESTAMPTZ [stable] |ctx| { parse::timestamp(t, f, ctx.settings.time_zone)? }
}
