//! Groups of pods that are bound all or none, and who belongs to each.
//!
//! A pod joins the PodGroup of its namespace that its label names. Its group is offered to a replica once as many pods are
//! there as have to be bound; those that are bound already count, and the others need wait only for the rest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use meridian_engine::{MAX_GROUP, Resources, Topology};
use meridian_kubernetes::Quantity;
use meridian_proto::v1;
use meridian_store::Tenant;
use meridian_wire::{PodGroup, group_to_message};
use rustc_hash::FxHashMap;
use serde_json::Value;

/// The label by which a pod names its group.
pub(crate) const GROUP_LABEL: &str = "scheduling.x-k8s.io/pod-group";

/// The annotations that say where members are to be together.
const REQUIRED_TOPOLOGY: &str = "meridian.io/required-topology";
const PREFERRED_TOPOLOGY: &str = "meridian.io/preferred-topology";

/// A group's full name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupName {
    /// Whose group.
    pub(crate) tenant: Tenant,
    /// Its namespace.
    pub(crate) namespace: Arc<str>,
    /// Its name.
    pub(crate) name: Arc<str>,
}

/// How far a group has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is no such PodGroup.
    Missing,
    /// Fewer pods are there than have to be bound.
    Incomplete {
        /// How many have to be bound.
        least: u32,
    },
    /// Its pods can be decided on.
    Complete,
}

/// What a PodGroup's status says of its placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// `Pending` until enough pods are there, `Scheduling` until they are bound, then `Scheduled`.
    pub(crate) phase: &'static str,
    /// How many pods are bound.
    pub(crate) scheduled: u32,
}

/// A group that there is, or that pods name.
#[derive(Debug, Default)]
struct Group {
    /// What the PodGroup says; none: there is none.
    spec: Option<PodGroup>,
    /// Pods that wait for a host, by their place among all.
    waiting: BTreeMap<u64, Arc<str>>,
    /// How many pods are bound.
    bound: u32,
    /// What replicas have been told.
    told: Option<v1::PodGroup>,
    /// What its status says, as far as known.
    said: Option<Status>,
    /// Whether its status is being written.
    is_writing: bool,
    /// In which account of all groups it was told of last.
    round: u64,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<Arc<GroupName>, Group>,
    /// Bound pods that belong to a group.
    bound: FxHashMap<Arc<str>, Arc<GroupName>>,
    /// Groups of which something has changed.
    changed: BTreeSet<Arc<GroupName>>,
    round: u64,
}

/// What is to be done about a group's pods that wait.
#[derive(Debug)]
pub(crate) struct Regrouping {
    /// The pods.
    pub(crate) waiting: Vec<Arc<str>>,
    /// Whether replicas have been told what no longer holds.
    pub(crate) is_stale: bool,
    /// What the group's status is to say, where it says something else.
    pub(crate) status: Option<(Arc<GroupName>, Status)>,
}

/// Reads what a stored PodGroup says. It has been validated; what cannot be read counts as not said.
pub(crate) fn spec_of(namespace: &str, name: &str, group: &Value) -> PodGroup {
    let spec = &group["spec"];
    let least = spec["minMember"].as_u64().and_then(|least| u32::try_from(least).ok()).unwrap_or(1);
    let annotations = &group["metadata"]["annotations"];
    let keys = |annotation: &str| annotations[annotation].as_str().filter(|keys| !keys.is_empty());
    let (required, keys) = match keys(REQUIRED_TOPOLOGY) {
        Some(keys) => (true, keys),
        None => (false, keys(PREFERRED_TOPOLOGY).unwrap_or_default()),
    };
    let keys = keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
    PodGroup {
        name: format!("{namespace}/{name}"),
        least: least.clamp(1, MAX_GROUP),
        resources: resources(&spec["minResources"]),
        topology: Topology { keys, required },
    }
}

fn resources(amounts: &Value) -> Resources {
    let mut resources = Resources::default();
    for (name, amount) in amounts.as_object().into_iter().flatten() {
        let Some(quantity) = amount.as_str().and_then(|text| Quantity::parse(text).ok()) else { continue };
        let unit = if name == "cpu" { quantity.milli() } else { quantity.value() };
        let unit = unit.unwrap_or(meridian_engine::MAX_QUANTITY).clamp(0, meridian_engine::MAX_QUANTITY);
        match name.as_str() {
            "cpu" => resources.cpu_milli = unit,
            "memory" => resources.memory = unit,
            "ephemeral-storage" => resources.ephemeral_storage = unit,
            // How many pods fit is counted pod by pod.
            "pods" => {}
            other => drop(resources.extended.insert(other.to_owned(), unit)),
        }
    }
    resources
}

impl Group {
    fn standing(&self) -> Standing {
        let Some(spec) = &self.spec else { return Standing::Missing };
        let here = self.waiting.len() + self.bound as usize;
        if here < spec.least as usize {
            Standing::Incomplete { least: spec.least }
        } else {
            Standing::Complete
        }
    }

    fn status(&self) -> Option<Status> {
        let spec = self.spec.as_ref()?;
        let phase = match self.standing() {
            Standing::Complete if self.bound >= spec.least => "Scheduled",
            Standing::Complete => "Scheduling",
            Standing::Incomplete { .. } | Standing::Missing => "Pending",
        };
        Some(Status { phase, scheduled: self.bound })
    }

    fn message(&self) -> Option<v1::PodGroup> {
        let spec = self.spec.as_ref()?;
        if self.bound == 0 {
            return Some(group_to_message(spec));
        }
        // What had to be free for all has been given to some.
        let least = spec.least.saturating_sub(self.bound).max(1);
        Some(group_to_message(&PodGroup { least, resources: Resources::default(), ..spec.clone() }))
    }
}

impl Groups {
    /// All PodGroups will be told of anew.
    pub(crate) fn begin_round(&mut self) {
        self.round += 1;
    }

    /// All have been told of: the others are gone.
    pub(crate) fn end_round(&mut self) {
        let round = self.round;
        let gone = self.groups.iter().filter(|(_, group)| group.spec.is_some() && group.round != round);
        let gone: Vec<Arc<GroupName>> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.describe(&name, None);
        }
    }

    /// What a PodGroup says now; none: it is gone.
    pub(crate) fn describe(&mut self, name: &GroupName, spec: Option<PodGroup>) {
        let round = self.round;
        let (name, group) = self.group(name);
        group.spec = spec;
        group.round = round;
        self.change(name);
    }

    /// A pod that waits for a host belongs to a group.
    pub(crate) fn join(&mut self, name: &GroupName, order: u64, uid: Arc<str>) {
        let (name, group) = self.group(name);
        group.waiting.insert(order, uid);
        self.change(name);
    }

    /// A pod waits no more, or belongs to another group.
    pub(crate) fn leave(&mut self, name: &GroupName, order: u64) {
        let (name, group) = self.group(name);
        group.waiting.remove(&order);
        self.change(name);
    }

    /// A pod of a group is bound.
    pub(crate) fn bind(&mut self, name: &GroupName, uid: &str) {
        if self.bound.contains_key(uid) {
            return;
        }
        let (name, group) = self.group(name);
        group.bound += 1;
        self.bound.insert(uid.into(), name.clone());
        self.change(name);
    }

    /// A pod is bound no more.
    pub(crate) fn unbind(&mut self, uid: &str) {
        let Some(name) = self.bound.remove(uid) else { return };
        let (name, group) = self.group(&name);
        group.bound -= 1;
        self.change(name);
    }

    pub(crate) fn standing(&self, name: &GroupName) -> Standing {
        self.groups.get(name).map_or(Standing::Missing, Group::standing)
    }

    /// A group as replicas are told.
    pub(crate) fn message(&self, name: &GroupName) -> Option<v1::PodGroup> {
        self.groups.get(name)?.message()
    }

    /// The next group of which something has changed that its pods must hear of.
    pub(crate) fn next_changed(&mut self) -> Option<Regrouping> {
        let name = self.changed.pop_first()?;
        let group = self.groups.get_mut(&name)?;
        let message = group.message().filter(|_| group.standing() == Standing::Complete);
        let is_stale = group.told.is_some() && group.told != message;
        group.told = message;
        let status = group.status().filter(|status| !group.is_writing && group.said != Some(*status));
        if status.is_some() {
            (group.said, group.is_writing) = (status, true);
        }
        let status = status.map(|status| (name.clone(), status));
        let waiting = group.waiting.values().cloned().collect();
        if group.spec.is_none() && group.waiting.is_empty() && group.bound == 0 {
            self.groups.remove(&name);
        }
        Some(Regrouping { waiting, is_stale, status })
    }

    /// A group's status has been written, or cannot be. It may have to say something else by now.
    pub(crate) fn written(&mut self, name: Arc<GroupName>) {
        if let Some(group) = self.groups.get_mut(&name) {
            group.is_writing = false;
            self.change(name);
        }
    }

    fn group(&mut self, name: &GroupName) -> (Arc<GroupName>, &mut Group) {
        let name = match self.groups.get_key_value(name) {
            Some((known, _)) => known.clone(),
            None => Arc::new(name.clone()),
        };
        let group = self.groups.entry(name.clone()).or_default();
        (name, group)
    }

    fn change(&mut self, name: Arc<GroupName>) {
        self.changed.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name(name: &str) -> GroupName {
        GroupName { tenant: Tenant::system(), namespace: "default".into(), name: name.into() }
    }

    fn spec(least: u32) -> PodGroup {
        PodGroup {
            name: "default/g".to_owned(),
            least,
            resources: Resources { cpu_milli: 1, ..Resources::default() },
            ..PodGroup::default()
        }
    }

    #[test]
    fn bound_members_count_and_the_others_wait_for_the_rest() {
        let (mut groups, g) = (Groups::default(), name("g"));
        groups.join(&g, 1, "a".into());
        assert_eq!(groups.standing(&g), Standing::Missing);
        groups.describe(&g, Some(spec(3)));
        assert_eq!(groups.standing(&g), Standing::Incomplete { least: 3 });
        groups.bind(&g, "b");
        groups.bind(&g, "b");
        groups.join(&g, 2, "c".into());
        assert_eq!(groups.standing(&g), Standing::Complete);
        let message = groups.message(&g).unwrap();
        assert_eq!((message.least, message.resources), (2, Some(v1::Resources::default())));
        let regrouping = groups.next_changed().unwrap();
        assert_eq!((regrouping.waiting.len(), regrouping.is_stale), (2, false));
        let (_, status) = regrouping.status.unwrap();
        assert_eq!(status, Status { phase: "Scheduling", scheduled: 1 });
        assert!(groups.next_changed().is_none());
        groups.bind(&g, "d");
        groups.bind(&g, "e");
        assert!(groups.next_changed().unwrap().status.is_none(), "one write at a time");
        groups.written(Arc::new(g.clone()));
        let (_, status) = groups.next_changed().unwrap().status.unwrap();
        assert_eq!(status, Status { phase: "Scheduled", scheduled: 3 });
        groups.unbind("d");
        groups.unbind("e");
        groups.next_changed();
        groups.unbind("b");
        assert!(groups.next_changed().unwrap().is_stale, "two are not enough any more");
        assert_eq!(groups.standing(&g), Standing::Incomplete { least: 3 });
    }

    #[test]
    fn what_an_account_does_not_name_is_gone_and_nothing_stays_behind() {
        let (mut groups, g) = (Groups::default(), name("g"));
        groups.describe(&g, Some(spec(1)));
        groups.join(&g, 1, "a".into());
        groups.begin_round();
        groups.end_round();
        assert_eq!(groups.standing(&g), Standing::Missing);
        groups.leave(&g, 1);
        while groups.next_changed().is_some() {}
        assert!(groups.groups.is_empty() && groups.bound.is_empty());
    }

    #[test]
    fn a_stored_group_is_read() {
        let group = json!({
            "metadata": {"annotations": {"meridian.io/required-topology": "rack,zone"}},
            "spec": {"minMember": 3, "minResources": {"cpu": "1500m", "memory": "1Gi", "example.com/fpga": "2", "pods": "3"}},
        });
        let spec = spec_of("default", "g", &group);
        assert_eq!((spec.name.as_str(), spec.least), ("default/g", 3));
        assert_eq!((spec.resources.cpu_milli, spec.resources.memory), (1_500, 1 << 30));
        assert_eq!(spec.resources.extended, [("example.com/fpga".to_owned(), 2)].into());
        assert_eq!(spec.topology, Topology { keys: vec!["rack".into(), "zone".into()], required: true });
        let preferred = json!({"metadata": {"annotations": {"meridian.io/preferred-topology": "zone"}}});
        let spec = spec_of("default", "g", &preferred);
        assert_eq!((spec.least, spec.topology.required, spec.topology.keys.len()), (1, false, 1));
    }
}
