//! `explain`: why a pod went where it went, or why nowhere.

use crate::folder::Folder;
use crate::trace::{HOSTS, LOG, OPENB_HOSTS, OPENB_PODS, PODS, log, openb, tables};

const TABLES: &str = "--nodes hosts.csv --pods pods.csv";

/// The parts of the first ranked host add up to its score.
#[track_caller]
fn check_parts(story: &str) {
    let line = story
        .lines()
        .find_map(|line| line.trim().strip_prefix("1. "))
        .unwrap_or_else(|| panic!("no host is ranked first: {story}"));
    let (left, right) = line.split_once(" = ").unwrap_or_else(|| panic!("no parts: {line}"));
    let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("no number: {text}"));
    let total = number(left.rsplit(' ').next().unwrap_or_default());
    let parts: f64 = right
        .split(" + ")
        .map(|part| {
            let words: Vec<&str> = part.split(' ').collect();
            let [_plugin, weight, "x", score] = words.as_slice() else { panic!("not a part: {part}") };
            number(weight) * number(score)
        })
        .sum();
    // Each part is rounded to hundredths.
    assert!((total - parts).abs() < 0.1, "{line}");
}

#[test]
fn a_pod_of_tables() {
    let story = tables(HOSTS, PODS).runs(&format!("explain tables two {TABLES}")).out;
    assert!(story.starts_with("pod two\n\nsimulated millisecond 1000:\n  placed on beta\n"), "{story}");
    assert!(story.contains("\n  2/2 nodes are available.\n  1. beta score "), "{story}");
    assert!(story.contains("NodeResourcesFit 1 x ") && story.contains("\n  2. alpha score "), "{story}");
    check_parts(&story);
}

#[test]
fn a_pod_that_waited_is_told_of_twice() {
    let hosts = "name,cpu_milli,memory\nonly,1000,1073741824\n";
    let pods = "name,arrival_ms,duration_ms,cpu_milli,memory\n\
        early,0,5000,800,1024\n\
        late,2000,5000,800,1024\n\
        never,3000,5000,900,1024\n";
    let folder = tables(hosts, pods);
    let story = folder.runs(&format!("explain tables late {TABLES}")).out;
    let (arrival, placement) =
        story.split_once("\n\nsimulated millisecond 5000:\n").unwrap_or_else(|| panic!("{story}"));
    assert_eq!(
        arrival,
        "pod late\n\nsimulated millisecond 2000:\n  not placed\n  0/1 nodes are available: 1 Insufficient cpu."
    );
    assert!(
        placement.starts_with("  placed on only\n  1/1 nodes are available.\n  1. only score "),
        "{story}"
    );
    check_parts(&story);
}

#[test]
fn a_pod_that_is_impossible() {
    let pods = format!("{PODS}giant,red,5000,,64000,1024\n");
    let story = tables(HOSTS, &pods).runs(&format!("explain tables giant {TABLES}")).out;
    assert_eq!(
        story,
        "pod giant\n\nsimulated millisecond 5000:\n  not placed\n  0/2 nodes are available: 2 Insufficient cpu.\n"
    );
}

#[test]
fn a_pod_that_still_waits_at_the_end() {
    let hosts = "name,cpu_milli,memory\nonly,1000,1073741824\n";
    let pods = "name,arrival_ms,duration_ms,cpu_milli,memory\n\
        stays,0,,800,1024\n\
        waits,2000,,800,1024\n\
        small,9000,,100,1024\n";
    let story = tables(hosts, pods).runs(&format!("explain tables waits {TABLES}")).out;
    let refused = "  not placed\n  0/1 nodes are available: 1 Insufficient cpu.\n";
    assert_eq!(
        story,
        format!(
            "pod waits\n\nsimulated millisecond 2000:\n{refused}\nsimulated millisecond 9000:\n{refused}"
        )
    );
}

/// It is tried anew when room appears and loses to a pod of higher priority: its last look at the hosts is what counts.
#[test]
fn a_pod_that_loses_out_is_told_of_twice_too() {
    let hosts = "name,cpu_milli,memory\nonly,1000,1073741824\n";
    let pods = "name,arrival_ms,duration_ms,cpu_milli,memory,priority\n\
        first,0,5000,800,1024,0\n\
        loser,2000,,800,1024,0\n\
        urgent,3000,,800,1024,9\n\
        small,9000,,100,1024,0\n";
    let story = tables(hosts, pods).runs(&format!("explain tables loser {TABLES}")).out;
    let times: Vec<&str> =
        story.lines().filter_map(|line| line.strip_prefix("simulated millisecond ")).collect();
    assert_eq!(times, ["2000:", "9000:"], "{story}");
}

#[test]
fn a_pod_of_a_made_up_region() {
    let folder = Folder::new();
    let story = folder.runs("explain synthetic pod-00000003 --hosts 20 --hours 1").out;
    assert!(
        story.starts_with("pod pod-00000003\n\nsimulated millisecond 0:\n  placed on host-0000"),
        "{story}"
    );
    check_parts(&story);
    for policy in ["kubernetes", "best-fit", "fgd", "most-allocated"] {
        let arguments = "explain synthetic pod-00000003 --hosts 20 --hours 1 --gpu-share 0.2 --policy";
        check_parts(&folder.runs(&format!("{arguments} {policy}")).out);
    }
    // Where nothing is scored there are hosts in order, and no parts.
    let story = folder.runs("explain synthetic pod-00000003 --hosts 20 --hours 1 --policy first-fit").out;
    assert!(story.contains("\n  1. host-000000 score 0.00\n"), "{story}");
}

#[test]
fn a_job_of_a_log() {
    let story = log(LOG).runs("explain swf job-2 --trace log.swf --hosts 3").out;
    assert!(
        story.starts_with("pod job-2\n\nsimulated millisecond 60000:\n  placed on host-000001\n"),
        "{story}"
    );
}

#[test]
fn a_pod_of_the_openb_trace() {
    let folder = openb(OPENB_HOSTS, OPENB_PODS);
    let arguments = "--nodes nodes.csv --pods pods.csv --policy best-fit --seed 2 --arrivals 1";
    let story = folder.runs(&format!("explain openb picky {arguments}")).out;
    assert!(story.starts_with("pod picky\n\narrival number "), "{story}");
    // It accepts a T4, of which there is one: taken, or given to it.
    let placed =
        story.contains("  placed on gpu-1, device 0\n  1/2 nodes are available: 1 node(s) didn't have");
    let refused =
        story.contains("  not placed\n  0/2 nodes are available: 1 Insufficient devices, 1 node(s) didn't");
    assert!(placed || refused, "{story}");
    if placed {
        check_parts(&story);
    }
    let pods = OPENB_PODS.replace("double,16000,32768,2", "double,16000,32768,5");
    let story = openb(OPENB_HOSTS, &pods).runs(&format!("explain openb double {arguments}")).out;
    assert!(story.ends_with("  not placed\n  0/2 nodes are available: 2 Insufficient devices.\n"), "{story}");
}

#[test]
fn a_pod_that_is_not_in_the_trace() {
    let want = |first: &str| format!("pod nobody is not in the trace, whose first pod is {first}");
    let folder = tables(HOSTS, PODS);
    folder.fails(&format!("explain tables nobody {TABLES}"), &want("one"));
    folder.fails("explain synthetic nobody --hosts 5 --hours 1", &want("pod-00000000"));
    log(LOG).fails("explain swf nobody --trace log.swf --hosts 2", &want("job-1"));
    openb(OPENB_HOSTS, OPENB_PODS)
        .fails("explain openb nobody --nodes nodes.csv --pods pods.csv", &want("half"));
}
