//! `replicas`: several scheduler replicas over one ledger, each with a view of its own.
//!
//! The replicas are the service's own core and the ledger the host partition's own, spoken to by the messages that pass
//! between them in a region; only streams, stores and clocks are left out. In each round every replica hears what the ledger
//! gave away and took back in the round before, and decides a batch beside the others, on a thread of its own; then the
//! ledger answers the claims of all in turn. So each decides on a picture that is as old as a round, and knows nothing of
//! what the others decide meanwhile.

mod cell;
mod round;

use serde_json::{Map, Value, json};

use self::round::{Outcome, Setting, run};
use crate::Clock;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

/// How many replicas there are.
const REPLICAS: [usize; 3] = [1, 2, 4];

/// How much of the hosts is taken, in percent, and how many of 100 claims may be refused then.
const LOADS: [(u32, f64); 3] = [(50, 1.0), (80, 2.0), (95, 5.0)];

/// How far the hosts chosen may fall short of the best, in percent of its score.
const LOST: f64 = 0.5;

pub(crate) fn replicas(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 5_000)?;
    let pods = count("pods", parameters.pods, 100_000)?;
    let classes = count("classes", parameters.classes, 100)?;
    let mut table = Map::new();
    let mut missed = Vec::new();
    let mut slowest = f64::INFINITY;
    for replicas in REPLICAS {
        for (load, refused) in LOADS {
            let setting = Setting { hosts, pods, classes, replicas, load, seed: parameters.seed };
            let Outcome { rate, .. } = run(&setting, parameters.profile.profile(), Some(clock))?;
            // Once more for the quality, which takes longer to look at than to reach.
            let seen = run(&setting, parameters.profile.profile(), None)?;
            let name = format!("{replicas} at {load} %");
            if seen.refused > refused {
                missed.push(format!("{name}: {:.2} % refused, want {refused} %", seen.refused));
            }
            if seen.lost > LOST {
                missed.push(format!("{name}: {:.2} % of quality lost, want {LOST} %", seen.lost));
            }
            if replicas == REPLICAS[REPLICAS.len() - 1] {
                slowest = slowest.min(rate);
            }
            table.insert(
                name,
                json!({
                    "decisions_per_second": rate.round(),
                    "claims_refused_percent": (seen.refused * 1000.0).round() / 1000.0,
                    "quality_lost_percent": (seen.lost * 1000.0).round() / 1000.0,
                    "unplaced_for_100_bound": (seen.unplaced * 100.0).round() / 100.0,
                }),
            );
        }
    }
    let goal = Goal { direction: Direction::AtLeast, bound: 100_000.0 };
    Ok(Figure::new("replicas", slowest, "decisions/s with 4 replicas, at the load that is slowest", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("classes", classes)
        .with("seed", parameters.seed)
        .with("profile", parameters.profile.name())
        .with("missed", missed)
        .with("table", Value::Object(table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_alone_is_never_refused_and_a_run_repeats() {
        let parameters =
            Parameters { hosts: Some(300), pods: Some(2_000), classes: Some(20), ..Parameters::default() };
        let run = || replicas(&parameters, || 0).expect("it runs").parameters;
        let first = run();
        assert_eq!(first["table"].as_object().map(Map::len), Some(REPLICAS.len() * LOADS.len()));
        for (load, _) in LOADS {
            let alone = &first["table"][format!("1 at {load} %")];
            assert_eq!(alone["claims_refused_percent"], 0.0, "{alone}");
            assert_eq!(alone["quality_lost_percent"], 0.0, "{alone}");
        }
        assert_eq!(first, run());
    }
}
