//! The database server.
fn main() {}
