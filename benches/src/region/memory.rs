//! `region/memory`: what a control plane and a scheduler take, with their hosts in a process of their own.

use std::process::{Child, Command, Stdio};

use meridian_api::Change;
use meridian_schema::Home;
use rustc_hash::FxHashSet;

use crate::figure::{Direction, Figure, Goal};
use crate::load::{self, Target, failed};
use crate::parameters::{BenchError, Parameters, count};
use crate::region::setting::{CELL, Setting, block_on};
use crate::region::workload::{CONNECTIONS, PATH, is_running, until};
use crate::{Clock, process};

/// Pods that are created at a time.
const PART: usize = 500;

pub(crate) fn memory(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5000)?;
    let pods = count("pods", parameters.pods, 10_000)? as usize;
    let seed = parameters.seed;
    let Measured { alone, idle, full, agents } = block_on(measure(hosts, pods, seed, clock))?;
    let goal = Goal { direction: Direction::AtMost, bound: 300.0 };
    let mebibytes = |bytes: u64| (bytes as f64 / f64::from(1 << 20)).round();
    Ok(Figure::new("region/memory", mebibytes(full), "MiB", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("without_pods_mebibytes", mebibytes(idle))
        .with("without_hosts_mebibytes", mebibytes(alone))
        .with("simulated_hosts_mebibytes", mebibytes(agents))
        .with("counted", "control plane, scheduler and clients, without the simulated hosts"))
}

/// Resident sizes in bytes.
struct Measured {
    alone: u64,
    idle: u64,
    full: u64,
    agents: u64,
}

async fn measure(hosts: u32, pods: usize, seed: u64, clock: Clock) -> Result<Measured, BenchError> {
    let setting = Setting::without_hosts(seed).await?;
    let alone = process::resident_bytes(process::OWN);
    let ready = tokio::spawn(until_ready(setting.registry().clone(), hosts as usize));
    let agents = Agents::start(&setting, hosts, seed)?;
    ready.await.map_err(failed)??;
    let idle = process::resident_bytes(process::OWN);
    let running = tokio::spawn(until(setting.registry().clone(), pods, clock, is_running));
    let target = Target { address: setting.address(), tls: None, path: PATH };
    // In parts, so that what the clients are about to send takes no room to speak of.
    for (part, start) in (0..pods).step_by(PART).enumerate() {
        let bodies = load::pods(&format!("pod-{part}"), PART.min(pods - start));
        load::post(target.clone(), CONNECTIONS, bodies, clock).await?;
    }
    running.await.map_err(failed)??;
    let full = process::resident_bytes(process::OWN);
    let of_agents = process::resident_bytes(&agents.0.id().to_string());
    drop(agents);
    setting.end().await;
    Ok(Measured { alone, idle, full, agents: of_agents })
}

/// Waits until so many hosts are ready.
async fn until_ready(registry: meridian_api::Registry, hosts: usize) -> Result<(), BenchError> {
    let mut follow = registry.follow(Home::Hosts);
    let mut ready = FxHashSet::default();
    while ready.len() < hosts {
        for change in follow.next().await.map_err(failed)? {
            if let Change::Put { entry, .. } = change
                && entry.kind.kind == "Node"
                && is_ready(&entry.value())
            {
                ready.insert(entry.name.clone());
            }
        }
    }
    Ok(())
}

fn is_ready(node: &serde_json::Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// A process of simulated hosts that take no time for anything, ended with this.
struct Agents(Child);

impl Agents {
    /// The program that runs the bench is the one that runs hosts.
    fn start(setting: &Setting, hosts: u32, seed: u64) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(failed)?;
        Command::new(program)
            .args(["agent", "--cell", CELL, "--create-delay", "0", "--start-delay", "0", "--stop-delay", "0"])
            .args(["--server", &format!("http://{}", setting.address())])
            .args(["--simulated", &hosts.to_string(), "--seed", &seed.to_string()])
            .arg("--state")
            .arg(setting.dir().join("agents-elsewhere.redb"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map(Self)
            .map_err(failed)
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
