//! The operator process.
fn main() -> anyhow::Result<()> {
    print!("{}", plimsoll_operator::api::database_crd_yaml()?);
    Ok(())
}
