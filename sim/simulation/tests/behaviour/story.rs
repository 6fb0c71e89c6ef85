//! The story of one pod.

use meridian_simulation::{Options, SimulationError, simulate};

use crate::cell::{host, lasting, options, pod, story, urgent};

#[test]
fn who_is_placed_at_once_has_one_attempt() {
    let hosts = [host("a", 1_000, 1_024), host("b", 2_000, 1_024)];
    let story = story(&hosts, &[pod("p", 250, 500)], "meridian", "p");
    assert_eq!(story.attempts.len(), 1);
    let attempt = &story.attempts[0];
    assert_eq!((attempt.time, &attempt.placed), (250, &Some(("b".to_owned(), 0))));
    assert_eq!((attempt.explanation.feasible, attempt.explanation.hosts), (2, 2));
    let ranked: Vec<&str> = attempt.explanation.ranked.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(ranked, ["b", "a"]);
}

#[test]
fn who_waited_has_two_attempts_and_the_second_is_the_one_that_placed_it() {
    let hosts = [host("a", 1_000, 1_024)];
    let pods = [lasting(pod("first", 0, 600), 9_000), pod("p", 250, 500), lasting(pod("q", 300, 100), 5)];
    let story = story(&hosts, &pods, "meridian", "p");
    let told: Vec<(u64, bool)> =
        story.attempts.iter().map(|attempt| (attempt.time, attempt.placed.is_some())).collect();
    assert_eq!(told, [(250, false), (9_000, true)]);
    assert_eq!(story.attempts[0].explanation.feasible, 0);
    assert_eq!(story.attempts[1].explanation.feasible, 1);
}

/// Two pods stop in one millisecond, and only the second of them makes enough room: the story tells of that attempt, not of
/// the one before.
#[test]
fn of_attempts_in_one_millisecond_the_last_is_told_of() {
    let hosts = [host("a", 1_000, 1_024), host("b", 1_000, 1_024)];
    let on = |name: &str, cpu_milli| lasting(pod(name, 0, cpu_milli), 5_000);
    let pods = [on("first", 700), on("second", 700), pod("p", 10, 900), urgent(pod("q", 20, 900), 1)];
    let story = story(&hosts, &pods, "meridian", "p");
    assert_eq!(story.attempts.len(), 2, "{story}");
    let attempt = &story.attempts[1];
    assert_eq!((attempt.time, attempt.explanation.feasible), (5_000, 1), "{story}");
    assert_eq!(attempt.placed, Some((attempt.explanation.ranked[0].name.clone(), 0)));
}

#[test]
fn who_never_fits_is_told_why_at_its_arrival() {
    let hosts = [host("a", 1_000, 1_024)];
    let story = story(&hosts, &[pod("p", 250, 1_001)], "meridian", "p");
    assert_eq!(
        story.to_string(),
        "pod p\n\nsimulated millisecond 250:\n  not placed\n  0/1 nodes are available: 1 Insufficient cpu.\n"
    );
}

#[test]
fn of_two_pods_with_one_name_the_first_is_told_of() {
    let hosts = [host("a", 1_000, 1_024)];
    let story = story(&hosts, &[pod("p", 10, 100), pod("p", 20, 200)], "meridian", "p");
    assert_eq!(story.attempts.iter().map(|attempt| attempt.time).collect::<Vec<_>>(), [10]);
}

#[test]
fn a_pod_that_is_not_in_the_trace_is_an_error() {
    let pods = [pod("p", 0, 100)];
    let options = Options { watch: Some("nobody".to_owned()), ..options("meridian", &pods) };
    let error =
        simulate(&[host("a", 1_000, 1_024)], pods.into_iter().map(Ok), &options, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, SimulationError::UnknownPod { pod, .. } if pod == "nobody"), "{error}");
}
