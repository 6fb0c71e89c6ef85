//! Everything at once: answers lost, late and doubled, streams broken, epochs begun, pods deleted. No host is ever bound more
//! than it has, no gang in part, and when the trouble ends every pod is bound and the ledger says what the store says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use meridian_api::{BindingState, Change};
use meridian_environment::Ids;
use meridian_proto::v1::{Answer, Claim, ClaimId, ClaimState, ListedPod, StatusReport};
use meridian_schema::Home;
use meridian_store::Tenant;

use crate::ledger::Ledger;
use crate::replica::{Offered, Replica};
use crate::world::World;

const PODS: usize = 24;
const HOSTS: [&str; 5] = ["h0", "h1", "h2", "h3", "h4"];
const CAPACITY: usize = 6;
const STEPS: usize = 250;

/// The first so many pods are gangs of three.
const IN_GANGS: usize = 12;
const GANG: usize = 3;

#[derive(Clone, Debug)]
struct Held {
    id: ClaimId,
    uid: String,
    host: String,
    state: ClaimState,
}

/// A ledger that keeps its account by the rules, behind a stream that does not keep messages.
struct Keeper {
    ledger: Ledger,
    /// By the claims' order. None: all bindings have been asked for and not been listed.
    entries: Option<BTreeMap<(u64, u64), Held>>,
    watermark: (u64, u64),
    answers: Vec<Answer>,
}

fn order(id: &ClaimId) -> (u64, u64) {
    (id.epoch, id.sequence)
}

impl Keeper {
    /// Takes in what was said, and answers later.
    fn hear(&mut self) {
        self.ledger.take_all();
        while let Some((epoch, pods)) = self.ledger.listed.pop_front() {
            if epoch == self.ledger.he && self.entries.is_none() {
                self.open(pods);
            }
        }
        while let Some(claim) = self.ledger.claims.pop_front() {
            let answer = self.judge(claim);
            self.answers.push(answer);
        }
        while let Some((he, settled)) = self.ledger.settlements.pop_front() {
            let state = settled.state();
            let (Some(id), Some(entries)) = (settled.claim, &mut self.entries) else { continue };
            if he != self.ledger.he {
                continue;
            }
            if state == ClaimState::Void {
                entries.remove(&order(&id));
            } else if let Some(entry) = entries.get_mut(&order(&id)) {
                entry.state = entry.state.max(state);
            }
        }
    }

    fn open(&mut self, pods: Vec<ListedPod>) {
        for host in HOSTS {
            let bound = pods.iter().filter(|pod| pod.host == host).count();
            assert!(bound <= CAPACITY, "{host} is bound {bound} times");
        }
        let held = pods.into_iter().map(|pod| {
            let state = pod.state();
            let id = pod.claim.unwrap();
            (order(&id), Held { id, uid: pod.uid, host: pod.host, state })
        });
        self.entries = Some(held.collect());
        self.watermark = (0, 0);
    }

    fn judge(&mut self, claim: Claim) -> Answer {
        let id = claim.id.unwrap();
        let refused =
            |reason: &str| Answer { claim: Some(id.clone()), reason: reason.to_owned(), ..Answer::default() };
        let Some(entries) = &mut self.entries else { return refused("Recovering") };
        if claim.host_epoch != self.ledger.he {
            return refused("Fenced");
        }
        if !entries.contains_key(&order(&id)) {
            if order(&id) <= self.watermark {
                return refused("Stale");
            }
            self.watermark = order(&id);
            if entries.values().filter(|held| held.host == claim.host).count() >= CAPACITY {
                return refused("OutOfcpu");
            }
            let held =
                Held { id: id.clone(), uid: claim.uid, host: claim.host, state: ClaimState::Unspecified };
            entries.insert(order(&id), held);
        }
        Answer { claim: Some(id), accepted: true, ..Answer::default() }
    }

    /// Gives answers; some are lost and some doubled.
    async fn answer(&mut self, chance: &mut Chance, is_calm: bool) {
        let mut given = Vec::new();
        for answer in std::mem::take(&mut self.answers) {
            match chance.below(10) {
                0 if !is_calm => {}
                1 if !is_calm => given.extend([answer.clone(), answer]),
                2 | 3 if !is_calm => self.answers.push(answer),
                _ => given.push(answer),
            }
        }
        self.ledger.answer(given).await;
    }

    async fn audit(&mut self) {
        if let Some(entries) = &self.entries {
            let ids = entries.values().map(|held| held.id.clone()).collect();
            self.ledger.audit(ids).await;
        }
    }

    async fn begin_epoch(&mut self) {
        self.ledger.he += 1;
        self.entries = None;
        self.answers.clear();
        self.ledger.ask_relist().await;
    }

    /// Says of all pods that are to be stopped that they did.
    async fn stop(&self, names: &BTreeMap<String, String>) {
        let terminating = self.entries.iter().flat_map(BTreeMap::values);
        let terminating = terminating.filter(|held| held.state == ClaimState::Terminating);
        let reports = terminating.map(|held| StatusReport {
            tenant: "system".to_owned(),
            namespace: "default".to_owned(),
            name: names[&held.uid].clone(),
            uid: held.uid.clone(),
            host: held.host.clone(),
            number: 1,
            stopped: true,
            ..StatusReport::default()
        });
        self.ledger.report(reports.collect()).await;
    }
}

struct Chance(Ids);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.seed() % limit
    }
}

/// The replica, which decides on gangs when it has all of one.
struct Decider {
    replica: Replica,
    /// Members of gangs that it has been offered, by name.
    waiting: BTreeMap<String, Offered>,
}

/// The gangs of which no member has been deleted.
fn whole_gangs(live: &BTreeSet<String>) -> impl Iterator<Item = [String; GANG]> {
    let gangs = (0..IN_GANGS).step_by(GANG).map(|first| [0, 1, 2].map(|at| format!("pod-{}", first + at)));
    gangs.filter(|gang| gang.iter().all(|name| live.contains(name)))
}

impl Decider {
    async fn decide(
        &mut self,
        chance: &mut Chance,
        names: &BTreeMap<String, String>,
        live: &BTreeSet<String>,
    ) {
        let mut host = || HOSTS[usize::try_from(chance.below(HOSTS.len() as u64)).unwrap()];
        for offered in self.replica.glance() {
            self.waiting.insert(names[&offered.pod.uid].clone(), offered);
        }
        for gang in whole_gangs(live) {
            if gang.iter().all(|name| self.waiting.contains_key(name)) {
                let members = gang.map(|name| self.waiting.remove(&name).unwrap());
                let members: Vec<_> = members.iter().map(|offered| (offered, host(), &[][..])).collect();
                self.replica.decide_group(&members).await;
            }
        }
        let alone = |name: &String| !whole_gangs(live).any(|gang| gang.contains(name));
        let decided: Vec<String> = self.waiting.keys().filter(|name| alone(name)).cloned().collect();
        for name in decided {
            let offered = self.waiting.remove(&name).unwrap();
            let hosts = [host(), host()];
            self.replica.decide(&offered, &hosts).await;
        }
    }
}

/// No gang is bound in part, as far as everybody can see.
fn check_gangs(world: &World, live: &BTreeSet<String>) {
    let is_bound =
        |name: &&String| world.registry.cached_binding(&Tenant::system(), "default", name).is_some();
    for gang in whole_gangs(live) {
        let bound = gang.iter().filter(is_bound).count();
        assert!(bound == 0 || bound == GANG, "of {gang:?} only {bound} are bound");
    }
}

/// What the store says: host and claim by uid.
async fn recorded(world: &World) -> BTreeMap<String, (String, (u64, u64), BindingState)> {
    let mut follow = world.registry.follow(Home::Tenants);
    let mut records = BTreeMap::new();
    loop {
        for change in follow.next().await.unwrap() {
            match change {
                Change::Binding { record: Some(record), .. } => {
                    let claim = (record.claim.epoch, record.claim.sequence);
                    records.insert(record.uid.clone(), (record.host.clone(), claim, record.state));
                }
                Change::InSync => return records,
                _ => {}
            }
        }
    }
}

async fn run(seed: u64) {
    let mut world = World::new().await;
    let mut chance = Chance(Ids::seeded(seed));
    let mut decider = Decider { replica: world.replica("r").await, waiting: BTreeMap::new() };
    let ledger = Ledger::accept(&mut world.ledgers, 1).await;
    let mut keeper = Keeper { ledger, entries: None, watermark: (0, 0), answers: Vec::new() };
    keeper.ledger.ask_relist().await;
    let mut names = BTreeMap::new();
    let mut live = BTreeSet::new();
    for step in 0..STEPS {
        if step < PODS {
            let name = format!("pod-{step}");
            names.insert(world.pod(&name, "1").await.uid.clone(), name.clone());
            live.insert(name);
        }
        // All of a gang are there before any of it is decided on.
        if step >= IN_GANGS {
            decider.decide(&mut chance, &names, &live).await;
        }
        check_gangs(&world, &live);
        keeper.hear();
        keeper.answer(&mut chance, false).await;
        match chance.below(40) {
            0..4 => world.clock.advance(Duration::from_millis(700)),
            4 => keeper.begin_epoch().await,
            5 => {
                let he = keeper.ledger.he;
                keeper.ledger.hang_up();
                keeper.ledger = world.next_ledger(he).await;
                if keeper.entries.is_none() {
                    keeper.ledger.ask_relist().await;
                }
            }
            6 => {
                let (name, force) = (live.pop_first(), chance.below(2) == 0);
                if let Some(name) = name {
                    world.delete(&name, force.then_some(0)).await.unwrap();
                }
            }
            7 => keeper.audit().await,
            8 => keeper.stop(&names).await,
            9 => {
                decider = Decider { replica: world.replica("r").await, waiting: BTreeMap::new() };
            }
            _ => {}
        }
        for _ in 0..chance.below(20) {
            tokio::task::yield_now().await;
        }
    }

    // The trouble is over: what was lost is asked for again, and what was refused is decided again.
    let calm = async {
        loop {
            decider.decide(&mut chance, &names, &live).await;
            check_gangs(&world, &live);
            if keeper.entries.is_none() {
                keeper.ledger.ask_relist().await;
            }
            keeper.hear();
            keeper.answer(&mut chance, true).await;
            keeper.audit().await;
            keeper.stop(&names).await;
            world.clock.advance(Duration::from_millis(100));
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            keeper.hear();
            let records = recorded(&world).await;
            let entries = keeper.entries.iter().flat_map(BTreeMap::values);
            let entries: BTreeMap<_, _> = entries
                .filter(|held| held.state == ClaimState::Bound)
                .map(|held| (held.uid.clone(), (held.host.clone(), order(&held.id), BindingState::Bound)))
                .collect();
            if records.len() == live.len() && records == entries {
                return records;
            }
        }
    };
    let records = crate::world::soon("calm", calm).await;
    for (uid, (host, _, _)) in &records {
        let pod = world.stored(&names[uid]).await.unwrap();
        assert_eq!(pod["spec"]["nodeName"], **host);
        assert!(live.contains(&names[uid]));
    }
    assert_eq!(keeper.entries.map(|entries| entries.len()), Some(live.len()), "nothing is left held");
    world.shutdown().await;
}

#[tokio::test]
async fn whatever_is_lost_late_or_doubled_every_pod_is_bound_once_and_no_host_too_often() {
    for seed in 0..4 {
        run(seed).await;
    }
}
