//! Scores of all feasible hosts, by plugin.

use meridian_engine::{Arithmetic, Demand, Profile, ScorePlugin};

use super::machine::Machine;
use super::pods::Namespaces;
use super::supply::Learned;
use super::{device, kubernetes, meridian, near, spread};

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
    learned: &Learned,
    machines: &[&Machine],
    feasible: &[(usize, &Machine)],
    demand: &Demand,
    namespaces: &Namespaces,
) -> Vec<Scored> {
    let mut scored: Vec<Scored> = feasible
        .iter()
        .map(|(_, machine)| Scored {
            devices: device::choose(profile, learned, machine, demand)
                .expect("a feasible host has the devices"),
            parts: Vec::new(),
        })
        .collect();
    for weighted in &profile.scores {
        let by_host = match weighted.plugin {
            ScorePlugin::PodTopologySpread | ScorePlugin::InterPodAffinity => {
                around(&weighted.plugin, profile, machines, feasible, demand, namespaces)
            }
            _ => score_by(&weighted.plugin, profile.arithmetic, learned, machines, feasible, &scored, demand),
        };
        for (scored, score) in scored.iter_mut().zip(by_host) {
            scored.parts.push(Part { plugin: weighted.plugin.name(), score, weight: weighted.weight });
        }
    }
    scored
}

/// The scores that the pods around give.
fn around(
    plugin: &ScorePlugin,
    profile: &Profile,
    machines: &[&Machine],
    feasible: &[(usize, &Machine)],
    demand: &Demand,
    namespaces: &Namespaces,
) -> Vec<i64> {
    let feasible: Vec<&Machine> = feasible.iter().map(|(_, machine)| *machine).collect();
    let fine = |points: f32| (points.clamp(-100.0, 100.0) * 4096.0).round_ties_even() as i64;
    match (plugin, profile.arithmetic) {
        (ScorePlugin::PodTopologySpread, Arithmetic::Kubernetes) => {
            spread::whole(profile, machines, &feasible, demand)
        }
        (ScorePlugin::PodTopologySpread, Arithmetic::Meridian) => {
            spread::fine(profile, machines, &feasible, demand).into_iter().map(fine).collect()
        }
        (_, arithmetic) => {
            let sums = near::sums(profile, machines, &feasible, demand, namespaces);
            if arithmetic == Arithmetic::Kubernetes {
                return near::normalised(&sums);
            }
            let points = |sum: &i64| fine(100.0 * *sum as f32 / ((*sum as f32).abs() + 100.0));
            sums.iter().map(points).collect()
        }
    }
}

fn score_by(
    plugin: &ScorePlugin,
    arithmetic: Arithmetic,
    learned: &Learned,
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
        (ScorePlugin::Fragmentation, _) => hosts()
            .zip(scored)
            .map(|(machine, scored)| learned.score(machine, demand, scored.devices, arithmetic))
            .collect(),
        (plugin, Arithmetic::Kubernetes) => kubernetes::score(plugin, hosts(), demand),
        (plugin, Arithmetic::Meridian) => hosts()
            .map(|machine| {
                (meridian::points(plugin, machine, demand).clamp(-100.0, 100.0) * 4096.0).round_ties_even()
                    as i64
            })
            .collect(),
    }
}
