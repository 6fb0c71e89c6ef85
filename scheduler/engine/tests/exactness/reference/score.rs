//! Scores of all feasible hosts, by plugin.

use meridian_engine::{Arithmetic, Demand, Profile, ScorePlugin};

use super::machine::Machine;
use super::{device, kubernetes, meridian};

/// A host's score by one plugin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) plugin: &'static str,
    /// Before weighting, in the unit of the profile's arithmetic.
    pub(crate) score: i64,
    pub(crate) weight: i64,
}

/// The devices that a host would give, and the score of that.
pub(crate) struct Scored {
    pub(crate) devices: u64,
    pub(crate) parts: Vec<Part>,
}

/// How many units make a point.
fn unit(arithmetic: Arithmetic) -> i64 {
    match arithmetic {
        Arithmetic::Kubernetes => 1,
        Arithmetic::Meridian => 4096,
    }
}

/// Scores `feasible` hosts out of `machines`, in order.
pub(crate) fn score(
    profile: &Profile,
    machines: &[&Machine],
    feasible: &[(usize, &Machine)],
    demand: &Demand,
) -> Vec<Scored> {
    let mut scored: Vec<Scored> = feasible
        .iter()
        .map(|(_, machine)| Scored {
            devices: device::choose(profile, machine, demand).expect("a feasible host has the devices"),
            parts: Vec::new(),
        })
        .collect();
    for weighted in &profile.scores {
        let by_host = score_by(&weighted.plugin, profile.arithmetic, machines, feasible, &scored, demand);
        for (scored, score) in scored.iter_mut().zip(by_host) {
            scored.parts.push(Part { plugin: weighted.plugin.name(), score, weight: weighted.weight });
        }
    }
    scored
}

fn score_by(
    plugin: &ScorePlugin,
    arithmetic: Arithmetic,
    machines: &[&Machine],
    feasible: &[(usize, &Machine)],
    scored: &[Scored],
    demand: &Demand,
) -> Vec<i64> {
    let hosts = || feasible.iter().map(|(_, machine)| *machine);
    let on_devices = |score: &dyn Fn(&Machine, u64) -> i64| {
        hosts()
            .zip(scored)
            .map(|(machine, scored)| score(machine, scored.devices) * unit(arithmetic))
            .collect()
    };
    match (plugin, arithmetic) {
        (ScorePlugin::BestFit, _) => {
            on_devices(&|machine, devices| device::best_fit(machines, machine, demand, devices))
        }
        (ScorePlugin::GpuFragmentation { typical }, _) => {
            on_devices(&|machine, devices| device::fragmentation_score(typical, machine, demand, devices))
        }
        (plugin, Arithmetic::Kubernetes) => kubernetes::score(plugin, hosts(), demand),
        (plugin, Arithmetic::Meridian) => hosts()
            .map(|machine| {
                (meridian::points(plugin, machine, demand).clamp(-100.0, 100.0) * 4096.0).round_ties_even()
                    as i64
            })
            .collect(),
    }
}
