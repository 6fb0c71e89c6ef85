//! Four scheduler replicas race for the last room of a small region, for many tenants, while replicas, hosts and the control
//! plane are killed and started again. The same suite runs with all parts inside the test's process, and with each in a
//! process of its own.
//!
//! What is checked is the history of the store, commit by commit: no host was ever given more than it has, no pod was bound
//! twice, and nothing is held in the end by pods that are gone.

mod history;
mod parts;
mod suite;

use self::parts::Placement;

#[test]
fn replicas_race_inside_one_process() {
    suite::run(Placement::Inside, seed());
}

#[test]
fn replicas_race_in_processes_of_their_own() {
    suite::run(Placement::Apart, seed());
}

/// `MERIDIAN_SEED`, or the usual one.
#[allow(clippy::print_stderr, reason = "a failure is run again by its seed")]
fn seed() -> u64 {
    let seed = std::env::var("MERIDIAN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261);
    eprintln!("MERIDIAN_SEED={seed}");
    seed
}
