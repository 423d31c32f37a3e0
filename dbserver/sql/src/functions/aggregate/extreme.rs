//! min and max over everything that has an order. Of equal values the last stays, as in PostgreSQL (`1.5` after `1.50`).

use super::{Accumulator, Function, aggregate, first, heap_bytes, live, results, state, wrong_form};
use crate::error::Result;
use crate::session::EvalContext;
use crate::types::compare::{compare, float_cmp};
use crate::types::{Datum, Type};
use crate::vector::{Values, Vector};
use std::cmp::Ordering;

/// Fixed-size values: compared without making a datum.
struct Fixed<T> {
    states: Vec<Option<T>>,
    values: fn(&Values) -> Option<&[T]>,
    datum: fn(T) -> Datum,
    order: fn(&T, &T) -> Ordering,
    wanted: Ordering,
    ty: Type,
}

impl<T: Copy + Send> Accumulator for Fixed<T> {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, None);
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let arg = first(args)?;
        let values = (self.values)(&arg.values).ok_or_else(wrong_form)?;
        for (row, group) in live(groups, skip, &arg.nulls) {
            let value = values.get(row).ok_or_else(wrong_form)?;
            let state = state(&mut self.states, group)?;
            if state.as_ref().is_none_or(|old| (self.order)(old, value) != self.wanted) {
                *state = Some(*value);
            }
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        Ok(results(self.ty, self.states.iter().map(|s| s.map_or(Datum::Null, self.datum))))
    }
    fn memory(&self) -> u64 {
        (self.states.capacity() * size_of::<Option<T>>()) as u64
    }
}

/// Everything else: text is compared in place, a datum is made only for a new extreme.
struct General {
    states: Vec<Datum>,
    heap: u64,
    wanted: Ordering,
    ty: Type,
}

impl Accumulator for General {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, Datum::Null);
    }
    fn update(&mut self, groups: &[u32], skip: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        let arg = first(args)?;
        for (row, group) in live(groups, skip, &arg.nulls) {
            let state = state(&mut self.states, group)?;
            if let (Values::Text(values), Datum::Text(old)) = (&arg.values, &*state)
                && values.get(row).cmp(old.as_bytes()) != self.wanted
            {
                continue;
            }
            let value = arg.get(row);
            if state.is_null() || compare(state, &value) != self.wanted {
                self.heap = self.heap.saturating_add(heap_bytes(&value)).saturating_sub(heap_bytes(state));
                *state = value;
            }
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        Ok(results(self.ty, std::mem::take(&mut self.states)))
    }
    fn memory(&self) -> u64 {
        (self.states.capacity() * size_of::<Datum>()) as u64 + self.heap
    }
}

macro_rules! extremes {
    (@one $oid:literal $name:literal $wanted:ident $ty:ident general) => {
        aggregate($oid, $name, &[Type::$ty], Type::$ty, |types| Box::new(General {
            states: Vec::new(),
            heap: 0,
            wanted: Ordering::$wanted,
            ty: types.first().copied().unwrap_or(Type::$ty),
        }))
    };
    (@one $oid:literal $name:literal $wanted:ident $ty:ident $form:ident) => {
        aggregate($oid, $name, &[Type::$ty], Type::$ty, |_| Box::new(Fixed {
            states: Vec::new(),
            values: |values| match values { Values::$form(v) => Some(v.as_slice()), _ => None },
            datum: Datum::$form,
            order: extremes!(@order $form),
            wanted: Ordering::$wanted,
            ty: Type::$ty,
        }))
    };
    (@order Float8) => { |a, b| float_cmp(*a, *b) };
    (@order Float4) => { |a, b| float_cmp(f64::from(*a), f64::from(*b)) };
    (@order $form:ident) => { |a, b| a.cmp(b) };
    ($($max:literal $min:literal $ty:ident $form:ident;)*) => {
        &[ $(
            extremes!(@one $max "max" Greater $ty $form),
            extremes!(@one $min "min" Less $ty $form),
        )* ]
    };
}
/// min and max.
pub(in crate::functions) static EXTREMES: &[Function] = extremes! {
    2115 2131 INT8 Int8;
    2116 2132 INT4 Int4;
    2117 2133 INT2 Int2;
    2118 2134 OID Oid;
    2119 2135 FLOAT4 Float4;
    2120 2136 FLOAT8 Float8;
    2122 2138 DATE Int4;
    2123 2139 TIME Int8;
    2126 2142 TIMESTAMP Int8;
    2127 2143 TIMESTAMPTZ Int8;
    4189 4190 PG_LSN Int8;
    2050 2051 ANYARRAY general;
    2128 2144 INTERVAL general;
    2129 2145 TEXT general;
    2130 2146 NUMERIC general;
    2244 2245 BPCHAR general;
    2797 2798 TID general;
};
