//! Scheduling classes: pods with equal demands and one scheduler share a number, and are translated once.
//!
//! Two steps keep this cheap. Pods made from one template have specs of equal bytes, and equal bytes are translated once.
//! Specs that differ in what does not matter come to equal demands, and those are one class.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use meridian_engine::{Demand, Identity, PodTerms};
use meridian_kubernetes::{DEFAULT_SCHEDULER_NAME, pod_from_object};
use meridian_proto::v1;
use prost::Message;
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Bytes of specs whose translation is remembered.
const MAX_REMEMBERED_BYTES: usize = 32 << 20;

/// What remembering a spec takes beside its bytes.
const REMEMBERED_OVERHEAD: usize = 128;

/// Classes without pods that are kept, since the next pod of such a class is likely to come soon.
const MAX_IDLE_CLASSES: usize = 4096;

/// A class of pods that any scheduler treats alike.
#[derive(Debug)]
pub(crate) struct Class {
    /// What the pods ask for.
    pub(crate) asked: Arc<Asked>,
    /// The scheduler asked for.
    pub(crate) profile: Arc<str>,
    interned: Arc<(Demand, Arc<str>)>,
    pods: usize,
    /// Counts how often the class became idle, so that a stale place in the queue of idle ones is known.
    idled: u64,
}

/// What a pod asks a host for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// For claims.
    pub(crate) demand: v1::Demand,
    /// The same, encoded for binding records.
    pub(crate) encoded: Bytes,
}

impl Asked {
    fn new(demand: &Demand) -> Arc<Self> {
        let demand = meridian_wire::demand_to_message(demand);
        Arc::new(Self { encoded: demand.encode_to_vec().into(), demand })
    }

    /// What a spec asks the one host for that somebody has named already.
    pub(crate) fn by_spec(spec: &RawValue) -> Result<Arc<Self>, String> {
        let spec: Value = serde_json::from_str(spec.get()).map_err(|error| error.to_string())?;
        match pod_from_object(&object(&spec)) {
            Ok(pod) => Ok(Self::new(&alone(pod.demand))),
            Err(error) => Err(chain(&error)),
        }
    }
}

/// What a pod's spec asks of a scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The scheduler asked for.
    pub(crate) profile: Arc<str>,
    /// Higher goes first.
    pub(crate) priority: i32,
    /// Whether others may be stopped for the pod.
    pub(crate) preempts: bool,
    /// The number of the class, or why there is none.
    pub(crate) class: Result<u32, Refusal>,
}

/// Why a pod cannot be scheduled as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `Unschedulable` or `SchedulingGated`.
    pub(crate) reason: &'static str,
    /// What is wrong, with the fields' paths.
    pub(crate) message: Arc<str>,
}

/// All classes that pending pods have, or had lately.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    numbers: FxHashMap<Arc<(Demand, Arc<str>)>, u32>,
    classes: FxHashMap<u32, Class>,
    last: u32,
    idle: VecDeque<(u32, u64)>,
    /// Specs are chosen by users, so this map's hash is one that they cannot foresee.
    remembered: HashMap<Box<str>, Wanted>,
    remembered_bytes: usize,
}

impl Classes {
    /// What a spec asks for. The class, if any, stays while it is [`held`](Self::hold) or lately was.
    pub(crate) fn want(&mut self, spec: &RawValue) -> Wanted {
        if let Some(wanted) = self.remembered.get(spec.get())
            && wanted.class.as_ref().map_or(true, |number| self.classes.contains_key(number))
        {
            return wanted.clone();
        }
        let wanted = self.translate(spec);
        let bytes = spec.get().len() + REMEMBERED_OVERHEAD;
        if self.remembered_bytes + bytes > MAX_REMEMBERED_BYTES {
            self.remembered.clear();
            self.remembered_bytes = 0;
        }
        if self.remembered.insert(spec.get().into(), wanted.clone()).is_none() {
            self.remembered_bytes += bytes;
        }
        wanted
    }

    /// A function of the spec alone: nothing else of the pod is looked at.
    fn translate(&mut self, spec: &RawValue) -> Wanted {
        let refused = |profile: &str, priority, reason, message: String| Wanted {
            profile: profile.into(),
            priority,
            preempts: false,
            class: Err(Refusal { reason, message: message.into() }),
        };
        let spec: Value = match serde_json::from_str(spec.get()) {
            Ok(spec) => spec,
            Err(error) => {
                return refused("", 0, "Unschedulable", format!("the stored spec is not JSON: {error}"));
            }
        };
        let profile = spec["schedulerName"].as_str().filter(|name| !name.is_empty());
        let profile = profile.unwrap_or(DEFAULT_SCHEDULER_NAME).to_owned();
        let pod = match pod_from_object(&object(&spec)) {
            Ok(pod) => pod,
            Err(error) => {
                let message = format!("the pod cannot be scheduled as it is: {}", chain(&error));
                return refused(&profile, 0, "Unschedulable", message);
            }
        };
        let priority = pod.view.priority;
        if !pod.unsupported.is_empty() {
            let gated = pod.unsupported.iter().any(|field| field == "spec.schedulingGates");
            let (reason, message) = if gated {
                ("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates".to_owned())
            } else {
                ("Unschedulable", unsupported(&pod.unsupported))
            };
            return refused(&profile, priority, reason, message);
        }
        let required = required_terms(&pod.demand);
        if !required.is_empty() {
            return refused(&profile, priority, "Unschedulable", unsupported(&required));
        }
        let preempts = spec["preemptionPolicy"].as_str() != Some("Never");
        let (profile, number) = self.intern(alone(pod.demand), &profile);
        Wanted { profile, priority, preempts, class: Ok(number) }
    }

    fn intern(&mut self, demand: Demand, profile: &str) -> (Arc<str>, u32) {
        let key = Arc::new((demand, Arc::<str>::from(profile)));
        if let Some(number) = self.numbers.get(&key)
            && let Some(class) = self.classes.get(number)
        {
            return (class.profile.clone(), *number);
        }
        self.last += 1;
        let class = Class {
            asked: Asked::new(&key.0),
            profile: key.1.clone(),
            interned: key.clone(),
            pods: 0,
            idled: 0,
        };
        self.numbers.insert(key.clone(), self.last);
        self.classes.insert(self.last, class);
        self.idle.push_back((self.last, 0));
        (key.1.clone(), self.last)
    }

    /// The class of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&Class> {
        self.classes.get(&number)
    }

    /// One more pod refers to the class.
    pub(crate) fn hold(&mut self, number: u32) {
        if let Some(class) = self.classes.get_mut(&number) {
            class.pods += 1;
        }
    }

    /// A pod refers to the class no more.
    pub(crate) fn release(&mut self, number: u32) {
        let Some(class) = self.classes.get_mut(&number) else { return };
        class.pods = class.pods.saturating_sub(1);
        if class.pods == 0 {
            class.idled += 1;
            self.idle.push_back((number, class.idled));
        }
    }

    /// Gives up the classes that have been idle longest, where there are too many; the answer is their numbers, which
    /// will never be used again.
    pub(crate) fn forget_idle(&mut self) -> Vec<u32> {
        let mut forgotten = Vec::new();
        while self.idle.len() > MAX_IDLE_CLASSES {
            let Some((number, idled)) = self.idle.pop_front() else { break };
            let is_idle =
                self.classes.get(&number).is_some_and(|class| class.pods == 0 && class.idled == idled);
            if is_idle && let Some(class) = self.classes.remove(&number) {
                self.numbers.remove(&class.interned);
                forgotten.push(number);
            }
        }
        forgotten
    }
}

/// A pod of which nothing but the spec matters.
fn object(spec: &Value) -> Value {
    let mut spec = spec.clone();
    // A host that the pod names itself is no part of what it asks that host for.
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("nodeName");
    }
    json!({"metadata": {"name": "any"}, "spec": spec})
}

/// The fields of a pod's terms that refuse hosts for other pods. Nobody is told here by which labels pods go, so they
/// cannot be honoured.
fn required_terms(demand: &Demand) -> Vec<String> {
    let terms = &demand.terms;
    let mut fields = Vec::new();
    for (given, field) in [(&terms.affinity, "podAffinity"), (&terms.anti_affinity, "podAntiAffinity")] {
        if !given.is_empty() {
            fields.push(format!("spec.affinity.{field}.requiredDuringSchedulingIgnoredDuringExecution"));
        }
    }
    let spread = terms.spread.iter().enumerate().filter(|(_, constraint)| constraint.is_required);
    fields.extend(spread.map(|(index, _)| format!("spec.topologySpreadConstraints[{index}]")));
    fields
}

/// A demand without what is a matter of other pods.
fn alone(demand: Demand) -> Demand {
    Demand { identity: Identity::default(), terms: PodTerms::default(), ..demand }
}

fn unsupported(fields: &[String]) -> String {
    format!(
        "the pod cannot be scheduled as it is: {} {} not supported yet; without {} the pod would be placed",
        fields.join(", "),
        if fields.len() == 1 { "is" } else { "are" },
        if fields.len() == 1 { "it" } else { "them" },
    )
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(classes: &mut Classes, spec: &Value) -> Wanted {
        classes.want(&RawValue::from_string(spec.to_string()).unwrap())
    }

    fn spec(cpu: &str) -> Value {
        json!({"containers": [{"name": "a", "image": "b", "resources": {"requests": {"cpu": cpu}}}], "priority": 7})
    }

    #[test]
    fn equal_demands_are_one_class_whatever_else_differs() {
        let mut classes = Classes::default();
        let first = want(&mut classes, &spec("100m"));
        assert_eq!((&*first.profile, first.priority, first.class.clone()), ("default-scheduler", 7, Ok(1)));
        assert_eq!(want(&mut classes, &spec("100m")), first);
        let mut other = spec("0.1");
        other["hostname"] = "web-1".into();
        other["containers"][0]["image"] = "c".into();
        assert_eq!(want(&mut classes, &other), first);
        assert_eq!(want(&mut classes, &spec("200m")).class, Ok(2));
        let mut elsewhere = spec("100m");
        elsewhere["schedulerName"] = "mine".into();
        let elsewhere = want(&mut classes, &elsewhere);
        assert_eq!((&*elsewhere.profile, elsewhere.class), ("mine", Ok(3)));
        let demand = v1::Demand::decode(classes.get(1).unwrap().asked.encoded.clone()).unwrap();
        assert_eq!(demand, classes.get(1).unwrap().asked.demand);
        assert_eq!(demand.requests.unwrap().cpu_milli, 100);
    }

    #[test]
    fn what_cannot_be_honoured_is_named() {
        let mut classes = Classes::default();
        let mut refused = |field: &str, value: Value| {
            let mut spec = spec("1");
            spec[field] = value;
            want(&mut classes, &spec).class.unwrap_err()
        };
        let claim = refused("volumes", json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]));
        assert_eq!(claim.reason, "Unschedulable");
        assert!(
            claim.message.contains("spec.volumes[0].persistentVolumeClaim is not supported"),
            "{claim:?}"
        );
        let gated = refused("schedulingGates", json!([{"name": "g"}]));
        assert_eq!(gated.reason, "SchedulingGated");
        let invalid =
            refused("containers", json!([{"name": "a", "resources": {"requests": {"cpu": "one"}}}]));
        assert!(invalid.message.contains("spec.containers[0].resources.requests"), "{invalid:?}");
        assert!(refused("containers", json!([])).message.contains("spec.containers"));
    }

    #[test]
    fn a_host_that_is_named_is_no_part_of_what_it_is_asked_for() {
        let mut pinned = spec("1");
        pinned["nodeName"] = "h".into();
        let raw = |spec: &Value| RawValue::from_string(spec.to_string()).unwrap();
        let asked = |spec: &Value| Asked::by_spec(&raw(spec));
        assert_eq!(asked(&pinned).unwrap().encoded, asked(&spec("1")).unwrap().encoded);
        assert!(asked(&json!({"containers": []})).unwrap_err().contains("spec.containers"));
    }

    #[test]
    fn idle_classes_are_kept_for_a_while_and_then_forgotten_for_ever() {
        let mut classes = Classes::default();
        let held = want(&mut classes, &spec("1")).class.unwrap();
        classes.hold(held);
        let first = want(&mut classes, &spec("2")).class.unwrap();
        let again = want(&mut classes, &spec("3")).class.unwrap();
        classes.hold(again);
        classes.release(again);
        assert!(classes.forget_idle().is_empty());
        for milli in 0..MAX_IDLE_CLASSES - 1 {
            assert!(want(&mut classes, &spec(&format!("{}m", 10_000 + milli))).class.is_ok());
        }
        assert_eq!(classes.forget_idle(), [first], "the one that was used again goes later");
        assert!(classes.get(first).is_none() && classes.get(held).is_some() && classes.get(again).is_some());
        let new = want(&mut classes, &spec("2")).class.unwrap();
        assert!(new > again, "a number is never used again");
    }
}
