//! `engine/basic`: equal pods on equal hosts.

use crate::Clock;
use crate::cell::{Shape, class, scheduler_with};
use crate::engine::rate;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

/// kube-scheduler's scheduler_perf shapes: nodes of 4 cores and 32 GiB, pods of 100 milli-CPUs and 500 MB.
const HOST: Shape = Shape::new(4, 32);
const POD: Shape = Shape { cpu_milli: 100, memory: 500_000_000 };

/// Repeated on fresh cells until so much time has been measured.
const LEAST_NANOSECONDS: u64 = 2_000_000_000;

pub(crate) fn basic(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5_000)?;
    let pods = count("pods", parameters.pods, 10_000)?;
    let (mut placed, mut decisions, mut nanoseconds, mut rounds) = (0_u64, 0, 0, 0_u64);
    while nanoseconds < LEAST_NANOSECONDS {
        let mut scheduler = scheduler_with(parameters.profile.profile(), hosts, &[HOST])?;
        let class = class(&mut scheduler, POD)?;
        let before = clock();
        for _ in 0..pods {
            placed += u64::from(scheduler.schedule(class).is_some());
        }
        nanoseconds += clock() - before;
        decisions += u64::from(pods);
        rounds += 1;
    }
    let goal = Goal { direction: Direction::AtLeast, bound: 1_000_000.0 };
    Ok(Figure::new("engine/basic", rate(decisions, nanoseconds), "decisions/s", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("rounds", rounds)
        .with("placed", placed)
        .with("profile", parameters.profile.name()))
}
