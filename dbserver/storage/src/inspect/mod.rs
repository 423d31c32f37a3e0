//! Looking into a data directory that no engine has open: whether all of it is as it should be ([`check`]), and what is in one of
//! its files ([`print`]). Nothing is ever changed, and everything is decoded by what the engine itself decodes with.

mod check;
mod print;
mod read_only;
mod report;
mod sorted;

pub use check::check;
pub use print::print;
pub use report::{Problem, Report};
