//! Plimsoll's SQL layer: types, catalog, parse, bind, plan, optimize, execute, functions.
