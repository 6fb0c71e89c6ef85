//! Devices: shared and whole ones, models, and the measure of fragmentation.

use meridian_engine::{Demand, Host, Links, Profile, ScorePlugin, TypicalPod};

use super::{Story, device_pod, host, pod, with_devices};

#[test]
fn shares_gather_on_the_fullest_device_that_fits() {
    let mut story = Story::new(Profile::meridian(), &[with_devices(host("a", 16), "A10", 2)]);
    let mut got = |milli| story.schedule_devices(&device_pod(1, milli, &[]));
    assert_eq!(got(600), Some(0b01));
    assert_eq!(got(500), Some(0b10), "device 0 has too little left");
    assert_eq!(got(300), Some(0b01), "400 left there, 500 on the other");
    assert_eq!(got(300), Some(0b10));
    assert_eq!(got(300), None, "300 are free in all, but on no one device");
}

#[test]
fn whole_devices_are_given_from_the_lowest_number() {
    let mut story = Story::new(Profile::meridian(), &[with_devices(host("a", 16), "A10", 4)]);
    let mut got = |count, milli| story.schedule_devices(&device_pod(count, milli, &[]));
    assert_eq!(got(1, 1), Some(0b0001));
    assert_eq!(got(2, 1000), Some(0b0110), "device 0 is not whole any more");
    assert_eq!(got(2, 500), Some(0b1001), "distinct devices, wherever there is enough");
    assert_eq!(got(1, 1000), None);
}

#[test]
fn models_are_a_constraint_and_devices_a_resource() {
    let hosts =
        [with_devices(host("a", 16), "A10", 1), with_devices(host("g", 16), "G2", 1), host("none", 16)];
    let mut story = Story::new(Profile::meridian(), &hosts);
    assert_eq!(story.ranking(&device_pod(1, 500, &["G2", "V100M32"])), ["g"]);
    assert_eq!(
        story.explain(&device_pod(2, 1000, &["G2"])),
        "0/3 nodes are available: 1 Insufficient devices, 2 node(s) didn't have an acceptable device model."
    );
    assert_eq!(story.explain(&device_pod(2, 1000, &[])), "0/3 nodes are available: 3 Insufficient devices.");
}

#[test]
fn fragmentation_is_kept_where_it_is() {
    // Typical pods want whole devices: a share of a device that is broken already costs them nothing.
    let typical = vec![TypicalPod {
        cpu_milli: 1000,
        device_count: 1,
        device_milli: 1000,
        models: Vec::new(),
        share: 1.0,
    }];
    let profile = Profile::with_score("fragmentation", ScorePlugin::GpuFragmentation { typical });
    let hosts = [with_devices(host("a", 16), "A10", 2), with_devices(host("b", 16), "A10", 2)];
    let mut story = Story::new(profile, &hosts);
    assert_eq!(story.schedule_devices(&device_pod(1, 700, &[])), Some(0b01));
    assert_eq!(story.schedule(&device_pod(1, 300, &[])).as_deref(), Some("a"));
    assert_eq!(story.schedule_devices(&device_pod(1, 1000, &[])), Some(0b10), "device 0 of a is full");
}

#[test]
fn cpu_that_the_last_devices_will_need_is_not_given_away() {
    let hosts = [with_devices(host("a", 16), "A10", 4), with_devices(host("b", 64), "A10", 4)];
    let mut story = Story::new(Profile::fragmentation(), &hosts);
    let usual = Demand { devices: device_pod(1, 1000, &[]).devices, ..pod(4) };
    assert_eq!(story.schedule(&usual).as_deref(), Some("a"), "nothing is known yet: the first host");
    // Host a has CPU for three more such pods and as many devices, host b more than its devices need.
    assert_eq!(story.schedule(&pod(4)).as_deref(), Some("b"));
}

#[test]
fn devices_of_a_model_are_kept_for_pods_that_need_it() {
    let hosts = [with_devices(host("a", 16), "A10", 1), with_devices(host("g", 16), "G2", 1)];
    let mut story = Story::new(Profile::fragmentation(), &hosts);
    let choosy = device_pod(1, 100, &["A10"]);
    assert_eq!(story.schedule(&choosy).as_deref(), Some("a"));
    assert_eq!(story.schedule(&device_pod(1, 500, &[])).as_deref(), Some("g"));
}

#[test]
fn a_host_that_loses_devices_keeps_what_they_run() {
    let whole = device_pod(1, 1000, &[]);
    let mut story = Story::new(Profile::meridian(), &[with_devices(host("a", 16), "A10", 3)]);
    assert_eq!(story.schedule_devices(&device_pod(2, 1000, &[])), Some(0b011));
    assert!(story.update(&with_devices(host("a", 16), "A10", 1)));
    assert_eq!(story.schedule_devices(&whole), None, "device 1 is gone and in use, device 2 is gone");
    assert!(!story.update(&with_devices(host("a", 16), "G2", 3)), "the model is in use");
    assert!(story.update(&with_devices(host("a", 16), "A10", 4)));
    assert_eq!(story.schedule_devices(&whole), Some(0b0100), "device 1 is back and still in use");
}

#[test]
fn linked_devices_come_out_of_the_fullest_group() {
    let linked = |count, links| Demand { links, ..device_pod(count, 1000, &[]) };
    let hosts = [Host { links: vec![0b0000_1111, 0b1111_0000], ..with_devices(host("a", 16), "A100", 8) }];
    let mut story = Story::new(Profile::meridian(), &hosts);
    let mut got = |demand: &Demand| story.schedule_devices(demand);
    assert_eq!(got(&device_pod(1, 1000, &[])), Some(0b0000_0001));
    assert_eq!(got(&linked(2, Links::Required)), Some(0b0000_0110), "three are left of the first group");
    assert_eq!(got(&linked(3, Links::Required)), Some(0b0111_0000));
    assert_eq!(got(&linked(2, Links::Preferred)), Some(0b1000_1000), "no group has two");
    let story_ends = story.explain(&linked(2, Links::Required));
    assert_eq!(story_ends, "0/1 nodes are available: 1 Insufficient devices.");
}

#[test]
fn devices_that_are_not_linked_do_not_do_where_that_is_required() {
    let linked = |count, links| Demand { links, ..device_pod(count, 1000, &[]) };
    let hosts = [Host { links: vec![0b0011], ..with_devices(host("a", 16), "A100", 4) }];
    let mut story = Story::new(Profile::meridian(), &hosts);
    assert_eq!(
        story.explain(&linked(3, Links::Required)),
        "0/1 nodes are available: 1 Insufficient linked devices."
    );
    assert!(!story.fits_when_idle(&linked(3, Links::Required)));
    assert_eq!(story.schedule_devices(&linked(3, Links::Preferred)), Some(0b0111));
}
