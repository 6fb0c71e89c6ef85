//! Gangs: all or none, within a rack or a zone.

use meridian_engine::{Demand, Host, Profile, Resources, Topology};

use super::{Story, host, labelled, pod};
use crate::pair::{Group, Running};

impl Story {
    fn group(&mut self, members: &[(&Demand, usize)], topology: Topology) -> Group {
        let members: Vec<_> = members.iter().map(|(demand, pods)| (self.pair.class(demand), *pods)).collect();
        let minimum = members.iter().map(|(_, pods)| pods).sum();
        Group { members, minimum, resources: Resources::default(), topology }
    }

    fn start_gang(&mut self, group: &Group) -> Option<Vec<Running>> {
        self.pair.schedule_gang(group).expect("both agree")
    }

    fn told(&mut self, group: &Group, running: &[Running]) -> String {
        self.pair.plan_gang(group, running.iter()).expect("both agree").to_string()
    }

    fn names(&self, running: &[Running]) -> Vec<String> {
        let name = |running: &Running| {
            self.pair.reference.machine(running.slot).expect("it is there").host.name.clone()
        };
        running.iter().map(name).collect()
    }
}

fn rack(name: &str, cores: i64, rack: &str, zone: &str) -> Host {
    labelled(host(name, cores), &[("rack", rack), ("zone", zone)])
}

fn within(keys: &[&str], required: bool) -> Topology {
    Topology { keys: keys.iter().map(|key| (*key).to_owned()).collect(), required }
}

fn story(hosts: &[Host]) -> Story {
    Story::new(Profile::meridian(), hosts)
}

#[test]
fn a_gang_runs_whole_or_not_at_all() {
    let mut story = story(&[host("a", 2), host("b", 2)]);
    let small = pod(1);
    let (five, four) =
        (story.group(&[(&small, 5)], Topology::default()), story.group(&[(&small, 4)], Topology::default()));
    assert!(story.start_gang(&five).is_none());
    assert_eq!(
        story.told(&five, &[]),
        "4/5 members of the pod group fit, and no more than 4 would if nothing else ran: 0/2 nodes are available: \
         2 Insufficient cpu, 2 Insufficient memory."
    );
    let running = story.start_gang(&four).unwrap();
    assert_eq!(story.names(&running), ["a", "b", "a", "b"]);
    assert!(story.start(&small).is_none());
}

#[test]
fn members_of_several_classes_take_room_from_each_other() {
    let mut story = story(&[host("a", 4), host("b", 2)]);
    let (large, small) = (pod(3), pod(1));
    let gang = story.group(&[(&small, 4), (&large, 1)], Topology::default());
    assert!(story.start_gang(&gang).is_none(), "the small ones spread, and the large one finds no room");
    let told = story.told(&gang, &[]);
    assert!(told.starts_with("4/5 members of the pod group fit: 0/2 nodes"), "{told}");
    // In the order in which they are given: the large one first, and all fit.
    let gang = story.group(&[(&large, 1), (&small, 3)], Topology::default());
    let running = story.start_gang(&gang).unwrap();
    assert_eq!(story.names(&running), ["a", "b", "a", "b"]);
}

#[test]
fn a_gang_is_packed_within_the_best_rack_or_else_the_best_zone() {
    let mut story = story(&[
        rack("a", 2, "r1", "z1"),
        rack("b", 8, "r2", "z2"),
        rack("c", 8, "r3", "z1"),
        rack("d", 4, "r3", "z1"),
    ]);
    let small = pod(1);
    let packed = within(&["rack", "zone"], true);
    // The first rack has no room for three; in the third members stand looser than in the second.
    let three = story.group(&[(&small, 3)], packed.clone());
    let three_running = story.start_gang(&three).unwrap();
    assert_eq!(story.names(&three_running), ["c", "c", "d"]);
    // No rack has room for ten any more, and one zone has.
    let ten = story.group(&[(&small, 10)], packed.clone());
    let running = story.start_gang(&ten).unwrap();
    let names = story.names(&running);
    assert!(names.iter().all(|name| name != "b") && names.contains(&"a".to_owned()), "{names:?}");
    let all: Vec<Running> = three_running.into_iter().chain(running).collect();
    // No zone has room for nine, and none is packed across zones.
    let nine = story.group(&[(&small, 9)], packed);
    assert!(story.start_gang(&nine).is_none());
    assert_eq!(
        story.told(&nine, &all),
        "8/9 members of the pod group fit within rack=r2: 0/4 nodes are available: 1 node(s) were outside the \
         topology domain of the pod group, 3 Insufficient cpu, 3 Insufficient memory."
    );
    // Where it is only preferred, the gang runs all the same.
    let nine = story.group(&[(&small, 9)], within(&["rack", "zone"], false));
    assert_eq!(story.start_gang(&nine).unwrap().len(), 9);
}

#[test]
fn a_required_domain_of_a_label_that_no_host_has_holds_nothing() {
    let mut story = story(&[host("a", 8)]);
    let gang = story.group(&[(&pod(1), 2)], within(&["rack"], true));
    assert!(story.start_gang(&gang).is_none());
    assert_eq!(
        story.told(&gang, &[]),
        "0/2 members of the pod group fit, and no more than 0 would if nothing else ran: 0/1 nodes are available: \
         1 node(s) were outside the topology domain of the pod group."
    );
}

#[test]
fn what_a_gang_names_in_resources_has_to_be_free_in_all() {
    let mut story = story(&[host("a", 2), host("b", 2)]);
    let mut gang = story.group(&[(&pod(1), 2)], Topology::default());
    gang.resources.cpu_milli = 4_001;
    assert!(story.start_gang(&gang).is_none());
    assert_eq!(story.told(&gang, &[]), "Insufficient cpu for the pod group: 4001 wanted, 4000 free.");
    gang.resources.cpu_milli = 4_000;
    assert!(story.start_gang(&gang).is_some());
}
