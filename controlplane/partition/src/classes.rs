//! Scheduling classes: pods with equal demands and one scheduler share a number, and are translated once.
//!
//! Two steps keep this cheap. Pods made from one template have specs, labels and owners of equal bytes, and equal bytes are
//! translated once. What differs in what does not matter comes to equal demands, and those are one class. A demand tells by
//! whom it is met in terms between pods (tenant, namespace, labels), so a class belongs to one tenant.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use meridian_engine::Demand;
use meridian_kubernetes::{DEFAULT_SCHEDULER_NAME, pod_from_object};
use meridian_proto::v1;
use meridian_store::Tenant;
use prost::Message;
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::view::PodView;

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
    /// Whether hosts may be refused because of other pods.
    is_tied: bool,
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

    /// What a pod asks the one host for that somebody has named already.
    pub(crate) fn by(pod: &Described<'_>) -> Result<Arc<Self>, String> {
        let object = pod.object().map_err(|error| error.to_string())?;
        match pod_from_object(&object) {
            Ok(translated) => Ok(Self::new(&pod.named(translated.demand))),
            Err(error) => Err(chain(&error)),
        }
    }
}

/// All of a pod that its class depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Described<'a> {
    tenant: &'a Tenant,
    namespace: &'a str,
    labels: Option<&'a RawValue>,
    owners: Option<&'a RawValue>,
    spec: &'a RawValue,
}

impl<'a> Described<'a> {
    /// A pod as it is stored, but for its spec, which asks for hosts by their own names.
    pub(crate) fn new(
        tenant: &'a Tenant,
        namespace: &'a str,
        view: &PodView<'a>,
        spec: &'a RawValue,
    ) -> Self {
        let (labels, owners) = view.labels_and_owners();
        Self { tenant, namespace, labels, owners, spec }
    }

    /// Everything in one text, into `key`. No part holds the byte between them, since none is allowed in JSON or names.
    fn write_key(&self, key: &mut String) {
        key.clear();
        let raw = |part: Option<&'a RawValue>| part.map_or("", RawValue::get);
        for part in [&**self.tenant, self.namespace, raw(self.labels), raw(self.owners), self.spec.get()] {
            key.push_str(part);
            key.push('\0');
        }
    }

    /// The pod as an object, as far as it matters.
    fn object(&self) -> Result<Value, serde_json::Error> {
        let mut spec: Value = serde_json::from_str(self.spec.get())?;
        // A host that the pod names itself is no part of what it asks that host for.
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("nodeName");
        }
        let mut metadata = json!({"name": "any", "namespace": self.namespace});
        for (field, raw) in [("labels", self.labels), ("ownerReferences", self.owners)] {
            if let Some(raw) = raw {
                metadata[field] = serde_json::from_str(raw.get())?;
            }
        }
        Ok(json!({"metadata": metadata, "spec": spec}))
    }

    /// The translation knows no tenants.
    fn named(&self, mut demand: Demand) -> Demand {
        demand.identity.tenant = self.tenant.to_string();
        demand
    }
}

/// What a pod asks of a scheduler.
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
    /// Room for the key of what is looked for.
    key: String,
    /// How many classes of each tenant are held by pods whose hosts may be refused because of others.
    tied: HashMap<String, usize>,
}

impl Classes {
    /// What a pod asks for. The class, if any, stays while it is [`held`](Self::hold) or lately was.
    pub(crate) fn want(&mut self, pod: &Described<'_>) -> Wanted {
        let mut key = std::mem::take(&mut self.key);
        pod.write_key(&mut key);
        let wanted = self.want_by(&key, pod);
        self.key = key;
        wanted
    }

    fn want_by(&mut self, key: &str, pod: &Described<'_>) -> Wanted {
        if let Some(wanted) = self.remembered.get(key)
            && wanted.class.as_ref().map_or(true, |number| self.classes.contains_key(number))
        {
            return wanted.clone();
        }
        let wanted = self.translate(pod);
        let bytes = key.len() + REMEMBERED_OVERHEAD;
        if self.remembered_bytes + bytes > MAX_REMEMBERED_BYTES {
            self.remembered.clear();
            self.remembered_bytes = 0;
        }
        if self.remembered.insert(key.into(), wanted.clone()).is_none() {
            self.remembered_bytes += bytes;
        }
        wanted
    }

    /// Whether a tenant has pods here whose hosts may be refused because of other pods.
    pub(crate) fn is_tied(&self, tenant: &str) -> bool {
        self.tied.contains_key(tenant)
    }

    fn translate(&mut self, described: &Described<'_>) -> Wanted {
        let refused = |profile: &str, priority, reason, message: String| Wanted {
            profile: profile.into(),
            priority,
            preempts: false,
            class: Err(Refusal { reason, message: message.into() }),
        };
        let object = match described.object() {
            Ok(object) => object,
            Err(error) => {
                return refused("", 0, "Unschedulable", format!("the stored pod is not JSON: {error}"));
            }
        };
        let spec = &object["spec"];
        let profile = spec["schedulerName"].as_str().filter(|name| !name.is_empty());
        let profile = profile.unwrap_or(DEFAULT_SCHEDULER_NAME).to_owned();
        let pod = match pod_from_object(&object) {
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
        let preempts = spec["preemptionPolicy"].as_str() != Some("Never");
        let (profile, number) = self.intern(described.named(pod.demand), &profile);
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
            is_tied: key.0.terms.is_required(),
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
        let Some(class) = self.classes.get_mut(&number) else { return };
        class.pods += 1;
        if class.pods == 1 && class.is_tied {
            *self.tied.entry(class.interned.0.identity.tenant.clone()).or_default() += 1;
        }
    }

    /// A pod refers to the class no more.
    pub(crate) fn release(&mut self, number: u32) {
        let Some(class) = self.classes.get_mut(&number) else { return };
        class.pods = class.pods.saturating_sub(1);
        if class.pods == 0 {
            class.idled += 1;
            self.idle.push_back((number, class.idled));
            let tenant = &class.interned.0.identity.tenant;
            if class.is_tied
                && let Some(classes) = self.tied.get_mut(tenant)
            {
                *classes -= 1;
                if *classes == 0 {
                    self.tied.remove(tenant);
                }
            }
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
        want_as(classes, "a", "{}", spec)
    }

    fn want_as(classes: &mut Classes, tenant: &str, labels: &str, spec: &Value) -> Wanted {
        let raw = |text: String| RawValue::from_string(text).unwrap();
        let (labels, spec, tenant) =
            (raw(labels.to_owned()), raw(spec.to_string()), Tenant::new(tenant).unwrap());
        let (labels, owners) = (Some(&*labels), None);
        classes.want(&Described { tenant: &tenant, namespace: "default", labels, owners, spec: &spec })
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
    fn who_a_pod_is_belongs_to_its_class_and_ties_count_while_pods_wait() {
        let mut classes = Classes::default();
        let mut apart = spec("1");
        apart["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}]}});
        let number = |wanted: Wanted| wanted.class.unwrap();
        let own = number(want_as(&mut classes, "a", r#"{"app":"x"}"#, &apart));
        assert_eq!(number(want_as(&mut classes, "a", r#"{"app":"x"}"#, &apart)), own);
        let others = [("a", r#"{"app":"y"}"#), ("b", r#"{"app":"x"}"#)];
        for (tenant, labels) in others {
            assert_ne!(number(want_as(&mut classes, tenant, labels, &apart)), own);
        }
        let demand = classes.get(own).unwrap().asked.demand.clone();
        let identity = demand.identity.unwrap();
        assert_eq!(
            (&*identity.tenant, &*identity.namespace, &*identity.labels["app"]),
            ("a", "default", "x")
        );
        assert_eq!(demand.terms.unwrap().anti_affinity.len(), 1);
        assert!(!classes.is_tied("a"));
        classes.hold(own);
        classes.hold(own);
        classes.release(own);
        assert!(classes.is_tied("a") && !classes.is_tied("b"));
        classes.release(own);
        assert!(!classes.is_tied("a"));
    }

    #[test]
    fn a_host_that_is_named_is_no_part_of_what_it_is_asked_for() {
        let mut pinned = spec("1");
        pinned["nodeName"] = "h".into();
        let tenant = Tenant::system();
        let asked = |spec: &Value| {
            let spec = &*RawValue::from_string(spec.to_string()).unwrap();
            Asked::by(&Described { tenant: &tenant, namespace: "default", labels: None, owners: None, spec })
        };
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
