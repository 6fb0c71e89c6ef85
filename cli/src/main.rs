//! `meridian`: parses arguments and wires libraries together. Everything it does is done by a library.

#![forbid(unsafe_code)]

mod bench;
mod clock;
mod cluster;
mod explain;
mod global;
mod output;
mod plan;
mod policy;
mod progress;
mod rebalance;
mod serve;
mod sim;
mod source;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

// A region allocates much and briefly, on many threads: a quarter of a pod's processor time went to the C library's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs containers and virtual machines for many tenants on one pool of hosts.
#[derive(Debug, Parser)]
#[command(name = "meridian", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole region on this machine: API, scheduler and simulated hosts.
    Up(serve::UpArguments),
    /// Run a control plane whose scheduler and hosts run elsewhere.
    Apiserver(serve::ApiserverArguments),
    /// Run a scheduler: a replica for a control plane elsewhere, or that of any Kubernetes cluster.
    Scheduler(serve::SchedulerArguments),
    /// Run hosts for a control plane elsewhere.
    Agent(serve::AgentArguments),
    /// Print a kubeconfig for a server.
    Kubeconfig(serve::KubeconfigArguments),
    /// Run a trace of pods through the scheduler, or hours through the global scheduler.
    Sim(sim::Arguments),
    /// Say why a pod went where it went, or why it did not fit.
    Explain(explain::Arguments),
    /// Say where the pods of manifests would go on a cluster, and what would let in those that fit nowhere.
    Plan(plan::PlanArguments),
    /// Say what would become of a cluster if hosts were drained or added, or another policy chosen.
    Whatif(plan::WhatIfArguments),
    /// Propose a bounded number of moves that leave a cluster better, and carry them out where that is asked for.
    Rebalance(rebalance::RebalanceArguments),
    /// Place workloads over regions and edge sites.
    Global(global::Arguments),
    /// Measure.
    Bench(bench::Arguments),
}

/// Has the kernel give memory in pages of 4 KiB, as it does where nobody asks for more: the allocator asks for huge ones, of
/// which a region, whose objects come and go on many threads, would touch many and use little.
fn take_small_pages() {
    // Where the kernel refuses, a process takes more memory and is none the worse.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .init();
    take_small_pages();
    let result = match Arguments::parse().command {
        Command::Up(arguments) => serve::block_on(arguments.run()),
        Command::Apiserver(arguments) => serve::block_on(arguments.run()),
        Command::Scheduler(arguments) => serve::block_on(arguments.run()),
        Command::Agent(arguments) => serve::block_on(arguments.run()),
        Command::Kubeconfig(arguments) => arguments.run(),
        Command::Sim(arguments) => sim::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Plan(arguments) => arguments.run(),
        Command::Whatif(arguments) => arguments.run(),
        Command::Rebalance(arguments) => arguments.run(),
        Command::Global(arguments) => global::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
