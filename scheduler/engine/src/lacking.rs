//! Which host lacks the least to take a pod that fits nowhere.
//!
//! Asked for pods that have waited for long: where room comes up in small pieces, small pods take it all, and a large one never
//! gets any. What leaves the host that lacks the least is then kept for it.

use crate::ask::{Ask, DeviceAsk};
use crate::cell::{BLOCK, Cell};
use crate::class::ClassId;
use crate::demand::Links;
use crate::mask;
use crate::scheduler::{Choice, Scheduler};

/// What a host offers, as parts that what it lacks is counted in.
const WHOLE: i128 = 1_000_000;

/// How much a host lacks: the most of any resource, and the sum over all, in millionths of what it offers.
type Lack = (i128, i128);

impl Scheduler {
    /// The host where the least has to leave, of what is scarcest and then over all, until a pod of a class fits; of equal
    /// ones the first. Its `score` means nothing. `None` where no host could ever take the pod as hosts are described now, or
    /// only such where room is taken before it is free, and for classes that are placed by NUMA node. A port that is taken and
    /// devices that are not linked as they must be are not waited for.
    pub fn least_lacking(&mut self, class: ClassId) -> Option<Choice> {
        let shape = self.reshape(class)?;
        let entry = self.classes.refresh(class, &self.cell)?;
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let rules = shape.map(|shape| self.shapes.rules(shape)).filter(|rules| rules.is_required());
        let cell = &self.cell;
        if entry.ask.numa.is_some() || !entry.ask.unknown.is_empty() {
            return None;
        }
        let mut best: Option<(Lack, usize)> = None;
        for block in 0..cell.blocks() {
            let hosts = cell.ports.admitting(block, set.mask(block), &entry.ask.ports);
            for slot in mask::bits(hosts).map(|bit| block * BLOCK + bit) {
                let Some(lack) = lack(cell, entry.ask.at(cell, slot), slot) else { continue };
                let is_better = best.is_none_or(|(least, _)| lack < least);
                if is_better && rules.is_none_or(|rules| cell.topology.refusal(rules, slot).is_none()) {
                    best = Some((lack, slot));
                }
            }
        }
        let (_, slot) = best?;
        let devices = match entry.ask.devices {
            Some(asked) => freest(cell, asked, slot)?.mask,
            None => 0,
        };
        Some(Choice { host: cell.id(slot), devices, numa: 0, score: 0 })
    }
}

/// What a host lacks for a pod; `None` where it offers less than the pod takes, or more is taken than it offers.
fn lack(cell: &Cell, ask: &Ask, slot: usize) -> Option<Lack> {
    let mut lack = (0, 0);
    for (resource, request) in &ask.requests {
        let (offered, free) = (cell.columns.allocatable(*resource, slot), cell.columns.free(*resource, slot));
        if free < 0 || !crate::fit::admits(offered, *request) {
            return None;
        }
        add(&mut lack, i128::from(*request) - i128::from(free), offered.into());
    }
    if let Some(asked) = ask.devices {
        let wanted = i128::from(asked.count) * i128::from(asked.milli);
        add(&mut lack, freest(cell, asked, slot)?.lacking.into(), wanted);
    }
    Some(lack)
}

fn add(lack: &mut Lack, lacking: i128, offered: i128) {
    let part = lacking.max(0) * WHOLE / offered.max(1);
    *lack = (lack.0.max(part), lack.1 + part);
}

/// The devices of a host with the most free, as many as a pod wants.
struct Freest {
    mask: u64,
    /// What they lack of what the pod wants of them, in thousandths.
    lacking: i64,
}

/// `None` where the host has too few, or where they must be linked.
fn freest(cell: &Cell, asked: DeviceAsk, slot: usize) -> Option<Freest> {
    let set = cell.devices.get(slot)?;
    if asked.links == Links::Required {
        return None;
    }
    let mut numbers: Vec<usize> = (0..(set.count as usize).min(set.free.len())).collect();
    numbers.sort_by_key(|number| (std::cmp::Reverse(set.free[*number]), *number));
    let chosen = numbers.get(..asked.count as usize)?;
    Some(Freest {
        mask: chosen.iter().fold(0, |mask, number| mask | 1 << number),
        lacking: chosen.iter().map(|number| i64::from(asked.milli.saturating_sub(set.free[*number]))).sum(),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Demand, DeviceDemand, Devices, Host, Profile, Resources, Scheduler, Taint, TaintEffect};

    fn host(name: &str, cpu_milli: i64) -> Host {
        let allocatable = Resources { cpu_milli, memory: 1000, ..Resources::default() };
        Host { name: name.into(), allocatable, pods: 10, ..Host::default() }
    }

    fn demand(cpu_milli: i64, memory: i64) -> Demand {
        Demand { requests: Resources { cpu_milli, memory, ..Resources::default() }, ..Demand::default() }
    }

    #[test]
    fn the_host_that_lacks_the_least_of_what_is_scarcest() {
        let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
        let tainted = Taint { key: "k".into(), value: String::new(), effect: TaintEffect::NoSchedule };
        let hosts = [
            host("small", 100),
            host("a", 1000),
            host("b", 1000),
            Host { taints: vec![tainted], ..host("tainted", 1000) },
            host("c", 1000),
        ];
        let hosts = hosts.map(|host| scheduler.add_host(&host).unwrap());
        for (host, cpu, memory) in [(1, 600, 0), (2, 500, 500), (3, 100, 0), (4, 500, 100)] {
            let class = scheduler.class(&demand(cpu, memory)).unwrap();
            let _held = scheduler.place(class, hosts[host], 0).unwrap();
        }
        let mut least = |cpu, memory| {
            let class = scheduler.class(&demand(cpu, memory)).unwrap();
            scheduler.least_lacking(class).map(|choice| choice.host)
        };
        assert_eq!(least(900, 900), Some(hosts[4]), "a lacks more of CPU, and b as much memory besides");
        assert_eq!(least(900, 100), Some(hosts[2]));
        assert_eq!(least(1001, 0), None);
        let class = scheduler.class(&demand(900, 100)).unwrap();
        let held = scheduler.nominate(class, hosts[2], 0).unwrap();
        assert_eq!(scheduler.least_lacking(class).unwrap().host, hosts[4], "b is spoken for");
        scheduler.release(held).unwrap();
    }

    #[test]
    fn devices_are_those_with_the_most_free() {
        let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
        let devices = |count| Some(Devices { model: "m".into(), count });
        let two = scheduler.add_host(&Host { devices: devices(2), ..host("two", 1000) }).unwrap();
        let four = scheduler.add_host(&Host { devices: devices(4), ..host("four", 1000) }).unwrap();
        let mut class = |count, milli| {
            let devices = Some(DeviceDemand { count, milli, models: Vec::new() });
            scheduler.class(&Demand { devices, ..demand(1, 1) }).unwrap()
        };
        let (half, pair, three, five) = (class(1, 500), class(2, 1000), class(3, 1000), class(5, 1000));
        for mask in [0b0001, 0b0010, 0b0100] {
            let _held = scheduler.place(half, four, mask).unwrap();
        }
        let _held = scheduler.place(pair, two, 0b11).unwrap();
        let choice = scheduler.least_lacking(three).unwrap();
        assert_eq!((choice.host, choice.devices), (four, 0b1011));
        assert_eq!(scheduler.least_lacking(five), None);
        assert_eq!(scheduler.least_lacking(pair).unwrap().devices, 0b1001);
    }
}
