//! Cuts a failing scenario down to a small one that still fails, for people to read.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use meridian_engine::{Constraints, Demand, Host, Identity, Links, Overcommit, PodTerms, Runtime};

use crate::pair::Mismatch;
use crate::scenario::{Scenario, Step};

/// How many smaller scenarios are tried before the smallest so far has to do.
const ATTEMPTS: usize = 4_000;

thread_local! {
    /// Panics of attempts are expected here and must not fill the test's output.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// The last panic of an attempt, with where it was.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// How the engine differs from the reference in this scenario, a panic included.
pub(crate) fn difference(scenario: &Scenario) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if QUIET.get() {
                PANIC.set(panic.to_string());
            } else {
                usual(panic);
            }
        }));
    });
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| scenario.run()));
    QUIET.set(false);
    match outcome {
        Ok(Ok(())) => None,
        Ok(Err(Mismatch(text))) => Some(text),
        Err(_) => Some(PANIC.take()),
    }
}

/// The smallest failing scenario that could be found, and how it fails.
pub(crate) fn reduce(scenario: Scenario, difference: String) -> (Scenario, String) {
    let mut search = Search { best: scenario, difference, attempts: 0 };
    loop {
        let before = search.best.to_string().len();
        search.cut(|scenario| &mut scenario.steps);
        search.cut(|scenario| &mut scenario.hosts);
        search.cut(|scenario| &mut scenario.demands);
        search.cut(|scenario| &mut scenario.profile.scores);
        search.simplify();
        if search.best.to_string().len() >= before || search.attempts >= ATTEMPTS {
            return (search.best, search.difference);
        }
    }
}

struct Search {
    best: Scenario,
    difference: String,
    attempts: usize,
}

impl Search {
    /// Keeps the scenario if it still fails.
    fn offer(&mut self, scenario: Scenario) -> bool {
        self.attempts += 1;
        if self.attempts > ATTEMPTS {
            return false;
        }
        match difference(&scenario) {
            Some(difference) => {
                self.best = scenario;
                self.difference = difference;
                true
            }
            None => false,
        }
    }

    /// Leaves out items of a list, first in large chunks, then one by one.
    fn cut<T>(&mut self, list: impl Fn(&mut Scenario) -> &mut Vec<T>) {
        let mut chunk = list(&mut self.best).len();
        while chunk > 0 {
            let mut from = 0;
            while from < list(&mut self.best).len() {
                let mut smaller = self.best.clone();
                let items = list(&mut smaller);
                let to = (from + chunk).min(items.len());
                items.drain(from..to);
                // Steps need a class to be about.
                if smaller.demands.is_empty() || !self.offer(smaller) {
                    from += chunk;
                }
            }
            chunk /= 2;
        }
    }

    /// Takes features away from hosts, demands and steps.
    fn simplify(&mut self) {
        let host: [fn(&mut Host); 9] = [
            |host| host.labels.clear(),
            |host| host.taints.clear(),
            |host| host.unschedulable = false,
            |host| host.devices = None,
            |host| host.overcommit = Overcommit::default(),
            |host| host.numa.clear(),
            |host| host.links.clear(),
            |host| host.allocatable.extended.clear(),
            |host| host.allocatable.ephemeral_storage = 0,
        ];
        for number in 0..self.best.hosts.len() {
            for change in host {
                let mut simpler = self.best.clone();
                change(&mut simpler.hosts[number]);
                if simpler.hosts[number] != self.best.hosts[number] {
                    self.offer(simpler);
                }
            }
        }
        let demand: [fn(&mut Demand); 20] = [
            |demand| *demand = Demand::default(),
            |demand| demand.constraints = Constraints::default(),
            |demand| demand.constraints.preferred.clear(),
            |demand| demand.constraints.tolerations.clear(),
            |demand| demand.constraints.required = None,
            |demand| demand.constraints.node_selector.clear(),
            |demand| demand.ports.clear(),
            |demand| demand.devices = None,
            |demand| demand.runtime = Runtime::Containers,
            |demand| demand.numa = None,
            |demand| demand.links = Links::Anywhere,
            |demand| demand.requests.extended.clear(),
            |demand| (demand.requests.memory, demand.scoring.memory) = (0, 0),
            |demand| demand.terms = PodTerms::default(),
            |demand| demand.identity = Identity::default(),
            |demand| demand.terms.spread.truncate(1),
            |demand| demand.terms.spread.clear(),
            |demand| demand.terms.preferred.clear(),
            |demand| demand.terms.anti_affinity.clear(),
            |demand| demand.terms.affinity.clear(),
        ];
        for number in 0..self.best.demands.len() {
            for change in demand {
                let mut simpler = self.best.clone();
                change(&mut simpler.demands[number]);
                if simpler.demands[number] != self.best.demands[number] {
                    self.offer(simpler);
                }
            }
        }
        for number in 0..self.best.steps.len() {
            let mut simpler = self.best.clone();
            match &mut simpler.steps[number] {
                Step::Schedule { pods, .. } | Step::Release { pods, .. } if *pods > 1 => *pods /= 2,
                _ => continue,
            }
            self.offer(simpler);
        }
    }
}
