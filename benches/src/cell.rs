//! Cells to measure on.

use std::collections::BTreeMap;

use meridian_engine::{
    ClassId, Demand, Host, HostId, Placement, Profile, ResourceId, Resources, Scheduler, ScoringRequests,
};
use rand::{Rng, RngExt};

use crate::parameters::{BenchError, Fill};

/// A shape of hosts or pods: milli-CPUs and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// CPU in thousandths of a core.
    pub cpu_milli: i64,
    /// Memory in bytes.
    pub memory: i64,
}

impl Shape {
    /// So many cores and GiB.
    pub const fn new(cores: i64, gibibytes: i64) -> Shape {
        Shape { cpu_milli: cores * 1000, memory: gibibytes << 30 }
    }

    fn resources(self) -> Resources {
        Resources { cpu_milli: self.cpu_milli, memory: self.memory, ..Resources::default() }
    }

    /// The demand of a pod of this shape.
    pub fn demand(self) -> Demand {
        Demand {
            requests: self.resources(),
            scoring: ScoringRequests { cpu_milli: self.cpu_milli, memory: self.memory },
            ..Demand::default()
        }
    }
}

fn setup(error: impl std::fmt::Display) -> BenchError {
    BenchError::Setup(error.to_string())
}

/// A scheduler of `hosts` empty hosts of the given shapes in turn, over three zones, labelled as Kubernetes labels nodes.
pub fn scheduler_with(profile: Profile, hosts: u32, shapes: &[Shape]) -> Result<Scheduler, BenchError> {
    let mut scheduler = Scheduler::new(profile).map_err(setup)?;
    for (number, shape) in (0..hosts).zip(shapes.iter().cycle()) {
        let name = format!("host-{number:06}");
        scheduler
            .add_host(&Host {
                labels: BTreeMap::from([
                    ("kubernetes.io/hostname".to_owned(), name.clone()),
                    ("topology.kubernetes.io/zone".to_owned(), format!("zone-{}", number % 3)),
                ]),
                name,
                allocatable: shape.resources(),
                pods: 250,
                ..Host::default()
            })
            .map_err(setup)?;
    }
    Ok(scheduler)
}

/// The class of a shape.
pub(crate) fn class(scheduler: &mut Scheduler, shape: Shape) -> Result<ClassId, BenchError> {
    scheduler.class(&shape.demand()).map_err(setup)
}

/// Pods in a row that find no room, after which a cell counts as full.
const MOST_REFUSED: u32 = 1_000_000;

/// Fills a cell with pods of the classes that `next` draws until half of its CPU is taken.
pub(crate) fn filled_cell(
    scheduler: &mut Scheduler,
    fill: Fill,
    random: &mut impl Rng,
    mut next: impl FnMut(&mut dyn Rng) -> (ClassId, Shape),
) -> Result<Vec<Placement>, BenchError> {
    let hosts: Vec<HostId> = scheduler.cell().hosts().collect();
    let capacity: i64 =
        hosts.iter().filter_map(|host| scheduler.cell().allocatable(*host, ResourceId::CPU)).sum();
    let mut placements = Vec::new();
    let (mut taken, mut refused) = (0, 0);
    while taken < capacity / 2 {
        let (class, shape) = next(random);
        let placement = match fill {
            Fill::Scattered => {
                let host = hosts[random.random_range(0..hosts.len())];
                scheduler.place(class, host, 0).ok()
            }
            Fill::Scheduled => scheduler.schedule(class),
        };
        match placement {
            Some(placement) => {
                placements.push(placement);
                taken += shape.cpu_milli;
                refused = 0;
            }
            None if refused == MOST_REFUSED => {
                return Err(BenchError::Setup("no room is left before half of the CPU is taken".to_owned()));
            }
            None => refused += 1,
        }
    }
    Ok(placements)
}
