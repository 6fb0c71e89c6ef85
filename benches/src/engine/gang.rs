//! `engine/gang`: gangs of equal pods on equal hosts, anywhere and within a rack.

use meridian_engine::{ClassId, Gang, Host, Scheduler, Topology};
use serde_json::Value;

use crate::Clock;
use crate::cell::{Shape, class, scheduler_with};
use crate::engine::rate;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

/// As `engine/basic`: nodes of 4 cores and 32 GiB, pods of 100 milli-CPUs and 500 MB.
const HOST: Shape = Shape::new(4, 32);
const POD: Shape = Shape { cpu_milli: 100, memory: 500_000_000 };

/// Hosts of a rack, in a row.
const RACK: u32 = 40;
const RACK_KEY: &str = "topology.example.com/rack";

/// Repeated on fresh cells until so much time has been measured, for each size.
const LEAST_NANOSECONDS: u64 = 1_000_000_000;

pub(crate) fn gang(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5_000)?;
    let pods = count("pods", parameters.pods, 10_000)?;
    let timing = Timing { parameters, hosts, pods, clock };
    let packed = Topology { keys: vec![RACK_KEY.to_owned()], required: true };
    let small = timing.members(3, &Topology::default())?;
    let large = timing.members(1_000, &Topology::default())?;
    let in_rack = timing.members(3, &packed)?;
    let goal = Goal { direction: Direction::AtLeast, bound: 100_000.0 };
    Ok(Figure::new("engine/gang", small.min(large), "members/s", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("gangs_of_3", small.round())
        .with("gangs_of_1000", large.round())
        .with("gangs_of_3_in_a_rack", in_rack.round())
        .with("refused_per_second", timing.refusals()?.round())
        .with("profile", Value::from(parameters.profile.name())))
}

struct Timing<'a> {
    parameters: &'a Parameters,
    hosts: u32,
    pods: u32,
    clock: Clock,
}

fn setup(error: impl std::fmt::Display) -> BenchError {
    BenchError::Setup(error.to_string())
}

impl Timing<'_> {
    fn cell(&self) -> Result<(Scheduler, ClassId), BenchError> {
        let mut scheduler = scheduler_with(self.parameters.profile.profile(), self.hosts, &[HOST])?;
        let hosts: Vec<_> = scheduler.cell().hosts().collect();
        for (number, host) in (0..self.hosts).zip(hosts) {
            let name = scheduler.cell().name(host).unwrap_or_default().to_owned();
            let labels = [(RACK_KEY.to_owned(), format!("rack-{}", number / RACK))].into();
            let allocatable = HOST.demand().requests;
            let described = Host { name, allocatable, pods: 250, labels, ..Host::default() };
            scheduler.update_host(host, &described).map_err(setup)?;
        }
        let class = class(&mut scheduler, POD)?;
        Ok((scheduler, class))
    }

    /// Members placed a second, in gangs of one size.
    fn members(&self, size: usize, topology: &Topology) -> Result<f64, BenchError> {
        let (mut placed, mut nanoseconds) = (0, 0);
        while nanoseconds < LEAST_NANOSECONDS {
            let (mut scheduler, class) = self.cell()?;
            let gang = Gang {
                members: vec![(class, size)],
                minimum: size,
                topology: topology.clone(),
                ..Gang::default()
            };
            let before = (self.clock)();
            for _ in 0..(self.pods as usize / size).max(1) {
                let found = scheduler.schedule_gang(&gang).map_err(setup)?;
                placed += found.map_or(0, |gang| gang.members.len() as u64);
            }
            nanoseconds += (self.clock)() - before;
        }
        Ok(rate(placed, nanoseconds))
    }

    /// Gangs refused a second that are larger than the cell by one member.
    fn refusals(&self) -> Result<f64, BenchError> {
        let (mut scheduler, class) = self.cell()?;
        let size = usize::try_from(HOST.cpu_milli / POD.cpu_milli).unwrap_or(1) * self.hosts as usize + 1;
        let gang = Gang { members: vec![(class, size)], minimum: size, ..Gang::default() };
        let rounds = 1_000;
        let before = (self.clock)();
        for _ in 0..rounds {
            if scheduler.schedule_gang(&gang).map_err(setup)?.is_some() {
                return Err(setup("a gang larger than the cell was placed"));
            }
        }
        Ok(rate(rounds, (self.clock)() - before))
    }
}
