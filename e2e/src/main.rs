//! `cargo e2e`: Plimsoll's tests on a real Kubernetes cluster, whichever `KUBECONFIG` names.
//!
//! It builds both images, loads them into the cluster, installs the operator's chart and runs each test in a
//! namespace of its own. A failing test prints the objects, events and logs of its namespace.

// A test that cannot go on stops; these are not the query path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod cluster;
mod images;
mod ledger;
mod node;
mod tests;
mod tunnel;

use clap::Parser;
use std::process::ExitCode;
use std::time::Instant;

/// Runs Plimsoll's end-to-end tests on the cluster that KUBECONFIG names.
///
/// The commands below default to kind's; each runs in a shell with the variable that it names set.
#[derive(Parser)]
#[command(name = "e2e")]
struct Arguments {
    /// Run only the tests whose name contains this.
    filter: Option<String>,
    /// Print the names of the tests and stop.
    #[arg(long)]
    list: bool,
    /// Use the images and the operator that are in the cluster already.
    #[arg(long)]
    skip_install: bool,
    /// Build the images under the names that the charts ask for, print their sizes and archives, and stop.
    #[arg(long)]
    images_only: bool,
    /// Leave the namespaces and the operator in the cluster.
    #[arg(long)]
    keep: bool,
    /// Loads $ARCHIVES (docker archives) into every node of the cluster.
    #[arg(
        long,
        env = "PLIMSOLL_E2E_LOAD",
        default_value = "for a in $ARCHIVES; do kind load image-archive $a; done"
    )]
    load: String,
    /// Cuts the power of node $NODE.
    #[arg(long, env = "PLIMSOLL_E2E_NODE_STOP", default_value = "docker kill $NODE")]
    node_stop: String,
    /// Boots node $NODE again.
    #[arg(long, env = "PLIMSOLL_E2E_NODE_START", default_value = "docker start $NODE")]
    node_start: String,
    /// Seconds that pgbench runs in each mode.
    #[arg(long, env = "PLIMSOLL_E2E_PGBENCH_SECONDS", default_value_t = 10)]
    pgbench_seconds: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.list {
        for test in tests::ALL {
            println!("{}", test.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.skip_install {
        if arguments.images_only {
            images::build(images::chart_name)?;
            return Ok(ExitCode::SUCCESS);
        }
        let archives = images::build(images::name)?;
        images::load(&archives, &arguments.load)?;
    }
    let cluster = cluster::Cluster::connect(cluster::Commands {
        node_stop: arguments.node_stop,
        node_start: arguments.node_start,
        pgbench_seconds: arguments.pgbench_seconds,
    })
    .await?;
    if !arguments.skip_install {
        cluster.install_operator().await?;
    }

    let (mut passed, mut failed) = (0, 0);
    for test in tests::ALL {
        if arguments.filter.as_ref().is_some_and(|f| !test.name.contains(f.as_str())) {
            continue;
        }
        let begun = Instant::now();
        let namespace = cluster.namespace(test.name).await?;
        let outcome = (test.run)(&namespace).await;
        let seconds = begun.elapsed().as_secs_f64();
        match &outcome {
            Ok(()) => {
                passed += 1;
                println!("test {} ... ok ({seconds:.1} s)", test.name);
            }
            Err(error) => {
                failed += 1;
                println!("test {} ... FAILED ({seconds:.1} s)\n{error:?}", test.name);
                namespace.print_state().await;
            }
        }
        if !arguments.keep {
            namespace.delete().await?;
        }
    }
    println!("e2e: {passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
