//! Examples to read: what the scheduler does, told one small cell at a time.
//!
//! The expectations are written out, and the reference is held to them as well as the engine.

mod capacity;
mod constraint;
mod device;
mod gang;
mod machine;
mod numa;
mod tie;

use std::collections::BTreeMap;

use meridian_engine::{
    Demand, DeviceDemand, Devices, Host, Profile, Resources, ScoringRequests, Search, Taint, TaintEffect,
    Toleration, TolerationOperator,
};

use crate::pair::{Both, Pair, Running};

/// A cell whose hosts go by their names.
struct Story {
    pair: Pair,
    hosts: BTreeMap<String, Both>,
}

impl Story {
    fn new(profile: Profile, hosts: &[Host]) -> Self {
        let pair = Pair::new(profile, Search::Adaptive).expect("the profile is valid");
        let mut story = Story { pair, hosts: BTreeMap::new() };
        hosts.iter().for_each(|host| story.add(host));
        story
    }

    fn add(&mut self, host: &Host) {
        let both = self.pair.add(host).expect("both agree").expect("the host is accepted");
        self.hosts.insert(host.name.clone(), both);
    }

    /// False when the update is refused.
    fn update(&mut self, host: &Host) -> bool {
        self.pair.update(self.hosts[&host.name], host).expect("both agree")
    }

    fn remove(&mut self, name: &str) {
        let both = self.hosts.remove(name).expect("the host is there");
        self.pair.remove(both).expect("both agree");
    }

    /// Where the pod starts.
    fn start(&mut self, demand: &Demand) -> Option<Running> {
        let class = self.pair.class(demand);
        self.pair.schedule(class).expect("both agree")
    }

    /// The name of the host where the pod starts.
    fn schedule(&mut self, demand: &Demand) -> Option<String> {
        let running = self.start(demand)?;
        self.pair.reference.machine(running.slot).map(|machine| machine.host.name.clone())
    }

    /// The mask of the devices that the pod gets.
    fn schedule_devices(&mut self, demand: &Demand) -> Option<u64> {
        self.start(demand).map(|running| running.seat.devices)
    }

    /// False when the host was removed meanwhile.
    fn release(&mut self, running: Running) -> bool {
        self.pair.release(running).expect("both agree")
    }

    /// Whether the pod would start somewhere if nothing else ran there.
    fn fits_when_idle(&mut self, demand: &Demand) -> bool {
        let class = self.pair.class(demand);
        self.pair.fits_when_idle(class).expect("both agree")
    }

    /// What people are told.
    fn explain(&mut self, demand: &Demand) -> String {
        let class = self.pair.class(demand);
        self.pair.explain(class).expect("both agree").1
    }

    /// The names of the best hosts.
    fn ranking(&mut self, demand: &Demand) -> Vec<String> {
        let class = self.pair.class(demand);
        let (verdict, _) = self.pair.explain(class).expect("both agree");
        verdict.candidates.into_iter().map(|candidate| candidate.name).collect()
    }

    /// The host's score for the pod.
    fn score(&mut self, demand: &Demand, name: &str) -> i64 {
        let class = self.pair.class(demand);
        let (verdict, _) = self.pair.explain(class).expect("both agree");
        let found = verdict.candidates.iter().find(|candidate| candidate.name == name);
        found.expect("the host is feasible").score
    }
}

/// A host with so many cores, as many GiB of memory, and room for ten pods.
fn host(name: &str, cores: i64) -> Host {
    Host {
        name: name.to_owned(),
        allocatable: Resources { cpu_milli: cores * 1000, memory: cores << 30, ..Resources::default() },
        pods: 10,
        ..Host::default()
    }
}

fn labelled(host: Host, labels: &[(&str, &str)]) -> Host {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Host { labels, ..host }
}

fn tainted(mut host: Host, key: &str, value: &str, effect: TaintEffect) -> Host {
    host.taints.push(Taint { key: key.to_owned(), value: value.to_owned(), effect });
    host
}

fn with_devices(host: Host, model: &str, count: u32) -> Host {
    Host { devices: Some(Devices { model: model.to_owned(), count }), ..host }
}

/// A pod that wants so many cores and as many GiB of memory.
fn pod(cores: i64) -> Demand {
    let (cpu_milli, memory) = (cores * 1000, cores << 30);
    Demand {
        requests: Resources { cpu_milli, memory, ..Resources::default() },
        scoring: ScoringRequests { cpu_milli, memory },
        ..Demand::default()
    }
}

fn device_pod(count: u32, milli: u32, models: &[&str]) -> Demand {
    let models = models.iter().map(|model| (*model).to_owned()).collect();
    Demand { devices: Some(DeviceDemand { count, milli, models }), ..pod(1) }
}

fn tolerating(mut demand: Demand, key: &str, value: Option<&str>, effect: Option<TaintEffect>) -> Demand {
    let operator = match value {
        Some(value) => TolerationOperator::Equal(value.to_owned()),
        None => TolerationOperator::Exists,
    };
    demand.constraints.tolerations.push(Toleration { key: key.to_owned(), operator, effect });
    demand
}
