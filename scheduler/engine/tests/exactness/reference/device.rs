//! Which devices a pod gets, and the two scores that look at devices.

use meridian_engine::{Demand, Links, Profile, ScorePlugin, TypicalPod};

use super::machine::Machine;
use super::numa;
use super::supply::Learned;

/// The mask of the devices that the pod gets on this host; `None` when too few have enough free.
pub(crate) fn choose(
    profile: &Profile,
    learned: &Learned,
    machine: &Machine,
    demand: &Demand,
) -> Option<u64> {
    let Some(wanted) = &demand.devices else { return Some(0) };
    let free = machine.free_devices();
    let usable = numa::devices(machine, demand)?;
    let fitting: Vec<usize> = (0..free.len())
        .filter(|number| usable >> number & 1 == 1 && free[*number] >= i64::from(wanted.milli))
        .collect();
    let fitting = linked(machine, demand, fitting)?;
    if profile.scores.iter().any(|score| score.plugin == ScorePlugin::Fragmentation)
        && let Some(chosen) = learned.choose(machine, demand, &fitting)
    {
        return Some(chosen);
    }
    let shared = wanted.count == 1 && wanted.milli < 1000;
    if !shared {
        return Some(fitting.iter().take(wanted.count as usize).map(|number| 1 << number).sum());
    }
    let fragmentation = profile.scores.iter().find_map(|score| match &score.plugin {
        ScorePlugin::GpuFragmentation { typical } => Some(typical),
        _ => None,
    });
    // Both searches take the first of equals, which is the lowest number.
    let number = match fragmentation {
        None => return fullest(machine, demand),
        Some(typical) => fitting
            .into_iter()
            .min_by_key(|number| -fragmentation_score(typical, machine, demand, 1 << number)),
    };
    number.map(|number| 1 << number)
}

/// The same where the profile does not mind fragmentation: the first that fit, or for a share the fullest.
pub(crate) fn fullest(machine: &Machine, demand: &Demand) -> Option<u64> {
    let Some(wanted) = &demand.devices else { return Some(0) };
    let free = machine.free_devices();
    let usable = numa::devices(machine, demand)?;
    let mut fitting: Vec<usize> = (0..free.len())
        .filter(|number| usable >> number & 1 == 1 && free[*number] >= i64::from(wanted.milli))
        .collect();
    fitting = linked(machine, demand, fitting)?;
    if wanted.count == 1 && wanted.milli < 1000 {
        // The sort is stable: of equals the lowest number.
        fitting.sort_by_key(|number| free[*number]);
    }
    let enough = fitting.len() >= wanted.count as usize;
    enough.then(|| fitting.iter().take(wanted.count as usize).map(|number| 1 << number).sum())
}

/// Those of the fitting devices among which the pod's are chosen: of one group of linked devices, if it likes that and some
/// group has enough, the one with fewest. `None` where there are too few.
pub(crate) fn linked(machine: &Machine, demand: &Demand, fitting: Vec<usize>) -> Option<Vec<usize>> {
    let count = demand.devices.as_ref().map_or(0, |wanted| wanted.count as usize);
    if fitting.len() < count {
        return None;
    }
    if count < 2 || demand.links == Links::Anywhere {
        return Some(fitting);
    }
    let groups = machine.host.links.iter().map(|group| {
        fitting.iter().copied().filter(|number| group >> number & 1 == 1).collect::<Vec<usize>>()
    });
    let tightest = groups.filter(|group| group.len() >= count).min_by_key(Vec::len);
    if demand.links == Links::Required { tightest } else { tightest.or(Some(fitting)) }
}

/// Whether the pod may have these devices, as they are linked.
pub(crate) fn may_have(machine: &Machine, demand: &Demand, devices: u64) -> bool {
    let minds =
        demand.links == Links::Required && demand.devices.as_ref().is_some_and(|wanted| wanted.count > 1);
    !minds || machine.host.links.iter().any(|group| devices & !group == 0)
}

/// CPU and devices left after placing, as shares of the cell's largest host: the less, the better.
pub(crate) fn best_fit(machines: &[&Machine], machine: &Machine, demand: &Demand, devices: u64) -> i64 {
    let count = |machine: &Machine| machine.host.devices.as_ref().map_or(0, |devices| devices.count);
    let largest_cpu = machines.iter().map(|machine| machine.host.allocatable.cpu_milli).max().unwrap_or(0);
    let largest_devices = machines.iter().map(|machine| i64::from(count(machine)) * 1000).max().unwrap_or(0);
    let cpu_left = machine.free("cpu") - machine.seen(demand).requests.cpu_milli;
    let devices_left: i64 = after(machine, demand, devices).iter().sum();
    let term = |left: i64, largest: i64| if largest == 0 { 0.0 } else { 0.5 * left as f64 / largest as f64 };
    (100.0 * (1.0 - (term(cpu_left, largest_cpu) + term(devices_left, largest_devices)))).clamp(0.0, 100.0)
        as i64
}

/// How little placing the pod here adds to what typical pods cannot use (FGD).
pub(crate) fn fragmentation_score(
    typical: &[TypicalPod],
    machine: &Machine,
    demand: &Demand,
    devices: u64,
) -> i64 {
    let cpu = machine.free("cpu");
    let before = fragmentation(typical, machine, &machine.free_devices(), cpu);
    let cpu_after = cpu - machine.seen(demand).requests.cpu_milli;
    let after = fragmentation(typical, machine, &after(machine, demand, devices), cpu_after);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    (100.0 * sigmoid((before - after) / 1000.0)) as i64
}

/// The free thousandths that typical pods cannot use, in the mean over those pods.
fn fragmentation(typical: &[TypicalPod], machine: &Machine, free: &[i64], cpu: i64) -> f64 {
    typical.iter().map(|pod| pod.share * unusable(pod, machine, free, cpu) as f64).sum()
}

fn unusable(pod: &TypicalPod, machine: &Machine, free: &[i64], cpu: i64) -> i64 {
    let milli = i64::from(pod.device_milli);
    let acceptable =
        pod.models.is_empty() || machine.model.as_ref().is_some_and(|model| pod.models.contains(model));
    let fitting = free.iter().filter(|free| **free >= milli).count();
    let runs_here =
        pod.device_count > 0 && acceptable && cpu >= pod.cpu_milli && fitting >= pod.device_count as usize;
    free.iter().filter(|free| !runs_here || **free < milli).sum()
}

/// The free thousandths of each device once the pod runs on these.
fn after(machine: &Machine, demand: &Demand, devices: u64) -> Vec<i64> {
    let milli = demand.devices.as_ref().map_or(0, |devices| i64::from(devices.milli));
    let mut free = machine.free_devices();
    for (number, share) in free.iter_mut().enumerate() {
        if devices & (1 << number) != 0 {
            *share -= milli;
        }
    }
    free
}
