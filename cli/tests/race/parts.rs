//! The parts of a region, as threads of the test or as processes. Either can be killed at any moment.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use meridian_edge_agent::{Delays, HostShape, LocalStore, SimulatedHosts, SimulatedHostsOptions};
use meridian_engine::Profile;
use meridian_environment::{Ids, MonotonicClock};
use meridian_proto::Connector;
use meridian_region::{ControlPlane, ControlPlaneOptions, Storage};
use meridian_replica::{Replica, ReplicaOptions};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const CELL: &str = "race";

/// Where parts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    Inside,
    Apart,
}

/// A running part. Dropped, it is killed.
pub(crate) enum Part {
    Inside(Option<Runtime>),
    Apart(Child),
}

impl Drop for Part {
    fn drop(&mut self) {
        match self {
            // Every task ends where it waits, as if the process had died there.
            Self::Inside(runtime) => {
                if let Some(runtime) = runtime.take() {
                    // From a thread that is no runtime's own, as none may wait for another.
                    let ended = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(60)));
                    ended.join().expect("the runtime ends");
                }
            }
            Self::Apart(child) => {
                // It may be dead already.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

fn process(arguments: &[&str]) -> Part {
    let child = Command::new(env!("CARGO_BIN_EXE_meridian"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    Part::Apart(child)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// A control plane at an address. It may take a moment to answer.
pub(crate) fn control_plane(placement: Placement, address: SocketAddr, dir: &Path) -> Part {
    if placement == Placement::Apart {
        let listen = address.to_string();
        return process(&["apiserver", "--cell", CELL, "--listen", &listen, "--data-dir", text(dir)]);
    }
    let runtime = runtime();
    let dir = dir.to_owned();
    let (started, is_started) = mpsc::channel();
    runtime.spawn(async move {
        let mut control_plane = start_control_plane(address, &dir).await;
        // The test may have given up waiting.
        let _ = started.send(());
        let ended = control_plane.ended().await;
        panic!("the control plane ended: {ended:?}");
    });
    is_started.recv_timeout(Duration::from_secs(60)).expect("the control plane starts in time");
    Part::Inside(Some(runtime))
}

async fn start_control_plane(address: SocketAddr, dir: &Path) -> ControlPlane {
    loop {
        // A killed one lets go of its port and its files a moment later.
        let Ok(listener) = TcpListener::bind(address).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let started = ControlPlane::start(ControlPlaneOptions {
            cell: CELL.to_owned(),
            schedulers: vec!["default-scheduler".to_owned()],
            storage: Storage::embedded(dir),
            listener,
            tls: None,
            clock: Arc::new(MonotonicClock::new()),
            ids: Arc::new(Ids::seeded(fresh())),
            metrics: prometheus::Registry::new(),
            readiness: Vec::new(),
        })
        .await;
        match started {
            Ok(control_plane) => return control_plane,
            Err(error) if format!("{error:?}").contains("InUse") => tokio::task::yield_now().await,
            Err(error) => panic!("the control plane does not start: {error:?}"),
        }
    }
}

/// A seed that no part had before: ids must not repeat after a restart.
fn fresh() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    u64::from_le_bytes(bytes)
}

pub(crate) fn replica(placement: Placement, address: SocketAddr, name: &str) -> Part {
    let server = format!("http://{address}");
    if placement == Placement::Apart {
        return process(&["scheduler", "--cell", CELL, "--server", &server, "--name", name]);
    }
    let runtime = runtime();
    let name = name.to_owned();
    runtime.spawn(async move {
        let replica = Replica::start(ReplicaOptions {
            name,
            cell: CELL.to_owned(),
            profiles: vec![Profile::meridian()],
            partitions: vec![Connector::scheduling_at(&server).expect("it is an address")],
            hosts: vec![Connector::host_feed_at(&server).expect("it is an address")],
            clock: Arc::new(MonotonicClock::new()),
            ids: Arc::new(Ids::seeded(fresh())),
            metrics: prometheus::Registry::new(),
        });
        let _replica = replica.expect("the replica starts");
        std::future::pending::<()>().await;
    });
    Part::Inside(Some(runtime))
}

pub(crate) fn hosts(placement: Placement, address: SocketAddr, count: u32, state: &Path) -> Part {
    let server = format!("http://{address}");
    if placement == Placement::Apart {
        let count = count.to_string();
        let delays = ["--create-delay", "1", "--start-delay", "2", "--stop-delay", "2"];
        let mut arguments =
            vec!["agent", "--cell", CELL, "--server", &server, "--simulated", &count, "--state", text(state)];
        arguments.extend(delays);
        return process(&arguments);
    }
    let runtime = runtime();
    let state = state.to_owned();
    runtime.spawn(async move {
        let store = loop {
            // A killed one lets go of its file a moment later.
            match LocalStore::open(&state) {
                Ok(store) => break store,
                Err(error) if format!("{error:?}").contains("Already") => tokio::task::yield_now().await,
                Err(error) => panic!("the hosts' state cannot be opened: {error:?}"),
            }
        };
        let milliseconds = Duration::from_millis;
        let delays =
            Delays { create: milliseconds(1), start: milliseconds(2), stop: milliseconds(2), ..Delays::ZERO };
        let hosts = SimulatedHosts::start(SimulatedHostsOptions {
            count,
            name_prefix: "host".to_owned(),
            cell: CELL.to_owned(),
            zones: 3,
            shapes: HostShape::mixed(),
            delays,
            link: Connector::link_at(&server).expect("it is an address"),
            store,
            clock: Arc::new(MonotonicClock::new()),
            ids: Arc::new(Ids::seeded(fresh())),
            seed: 1,
        });
        let _hosts = hosts.expect("the hosts start");
        std::future::pending::<()>().await;
    });
    Part::Inside(Some(runtime))
}
