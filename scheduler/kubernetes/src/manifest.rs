//! Manifests: the files that people apply, as the pods that they would bring.
//!
//! A file may hold several documents, YAML or JSON, and lists. Of the workloads that bring pods the template is read as a
//! pod; other kinds bring none and are named, so that nobody takes a typing error for an empty plan.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::document::{self, DocumentError};
use crate::error::{ObjectError, invalid_number, quoted, shortened};
use crate::pod::{Pod, pod_from_object};

/// The largest file of manifests that is read.
pub const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// The most pods that the manifests of a file may bring.
pub const MAX_MANIFEST_PODS: u64 = 1_000_000;

/// The most documents of a file.
const MAX_DOCUMENTS: usize = 10_000;

/// The label that says which pod group a pod is of.
const GROUP_LABEL: &str = "scheduling.x-k8s.io/pod-group";

/// The priority classes that every cluster has.
const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// How many pods a workload brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// So many at a time.
    Count(u32),
    /// One on each host that may have it (a DaemonSet).
    EachHost,
}

/// Something that brings pods, all alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many pods it brings.
    pub replicas: Replicas,
    /// Each of its pods. Its name is the workload's.
    pub pod: Pod,
    /// The pod group that its pods are of.
    pub group: Option<String>,
}

/// Pods that are scheduled all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodGroup {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many pods have to find a host for any to be scheduled.
    pub min_member: u32,
}

/// What a file of manifests holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifests {
    /// What brings pods, in the order of the file.
    pub workloads: Vec<Workload>,
    /// Pod groups.
    pub groups: Vec<PodGroup>,
    /// What else is there to know, one sentence each.
    pub notes: Vec<String>,
}

/// Why manifests were refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// No JSON and no YAML, or too much of it.
    #[error("document {number}: {problem}")]
    Document {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        problem: DocumentError,
    },
    /// More documents than a file may have.
    #[error("the file has more than {MAX_DOCUMENTS} documents, want at most {MAX_DOCUMENTS}")]
    TooManyDocuments,
    /// A document that is no object of Kubernetes.
    #[error("{place}: {problem}, want an object with apiVersion, kind and metadata.name")]
    NoObject {
        /// Which one.
        place: String,
        /// What it is.
        problem: &'static str,
    },
    /// An object that cannot be read.
    #[error("{place}: {prefix}{problem}")]
    Object {
        /// Which one.
        place: String,
        /// Where in it what was read lies.
        prefix: &'static str,
        /// What is wrong.
        problem: Box<ObjectError>,
    },
    /// One object twice.
    #[error("{place}: the object is given twice, want it once")]
    Twice {
        /// The second.
        place: String,
    },
    /// More pods than are planned for.
    #[error("{place}: the manifests bring more than {MAX_MANIFEST_PODS} pods, want at most that")]
    TooManyPods {
        /// The object that is too much.
        place: String,
    },
}

impl Workload {
    /// `Kind namespace/name`.
    pub fn key(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl Manifests {
    /// Reads manifests.
    ///
    /// # Errors
    ///
    /// What is wrong with which document, and where in it.
    pub fn from_text(text: &str) -> Result<Manifests, ManifestError> {
        if text.len() as u64 > MAX_MANIFEST_BYTES {
            let problem = DocumentError::TooLarge { limit: MAX_MANIFEST_BYTES };
            return Err(ManifestError::Document { number: 1, problem });
        }
        let mut reading = Reading::default();
        for (index, document) in documents(text)?.into_iter().enumerate() {
            let number = index + 1;
            let value = document::read(document, MAX_MANIFEST_BYTES)
                .map_err(|problem| ManifestError::Document { number, problem })?;
            // Between two separators there may be only comments.
            if !value.is_null() {
                reading.object(&value, &format!("document {number}"), true)?;
            }
        }
        Ok(reading.finish())
    }
}

/// The documents of a file: a line that begins with `---` begins one.
fn documents(text: &str) -> Result<Vec<&str>, ManifestError> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let after = offset + line.len();
        let is_separator =
            line.strip_prefix("---").is_some_and(|rest| rest.trim().is_empty() || rest.starts_with(" #"));
        if is_separator {
            documents.push(&text[start..offset]);
            start = after;
            if documents.len() > MAX_DOCUMENTS {
                return Err(ManifestError::TooManyDocuments);
            }
        }
        offset = after;
    }
    documents.push(&text[start..]);
    Ok(documents)
}

#[derive(Default)]
struct Reading {
    manifests: Manifests,
    names: BTreeSet<(String, String, String)>,
    pods: u64,
    /// Values of the priority classes that the file brings.
    priorities: BTreeMap<String, i32>,
    /// Workloads whose pods name a priority class.
    classes: Vec<(usize, String)>,
}

fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    path.iter().fold(object, |value, field| &value[*field]).as_str().unwrap_or_default()
}

impl Reading {
    fn object(&mut self, object: &Value, place: &str, may_be_list: bool) -> Result<(), ManifestError> {
        let no_object = |problem| ManifestError::NoObject { place: place.to_owned(), problem };
        if !object.is_object() {
            return Err(no_object("it is no object"));
        }
        let kind = text(object, &["kind"]);
        if let (Some(items), true) = (object["items"].as_array(), kind.ends_with("List") && may_be_list) {
            for (index, item) in items.iter().enumerate() {
                self.object(item, &format!("{place}, items[{index}]"), false)?;
            }
            return Ok(());
        }
        let name = text(object, &["metadata", "name"]);
        if kind.is_empty() || text(object, &["apiVersion"]).is_empty() {
            return Err(no_object("it does not say its apiVersion and kind"));
        }
        let namespace = match text(object, &["metadata", "namespace"]) {
            "" => "default",
            namespace => namespace,
        };
        let (kind, shown) = (shortened(kind, 60), shortened(name, 80));
        let place = format!("{place} ({kind} {})", if name.is_empty() { "without a name" } else { &shown });
        let brings = matches!(
            &*kind,
            "Pod"
                | "Deployment"
                | "ReplicaSet"
                | "ReplicationController"
                | "StatefulSet"
                | "DaemonSet"
                | "Job"
                | "PodGroup"
                | "PriorityClass"
        );
        if !brings {
            self.manifests.notes.push(format!("{place}: this kind brings no pods by itself and is left out"));
            return Ok(());
        }
        if name.is_empty() {
            let problem =
                ObjectError::Missing { path: "metadata.name".to_owned(), want: "the object's name" };
            return Err(ManifestError::Object { place, prefix: "", problem: Box::new(problem) });
        }
        if !self.names.insert((kind.clone(), namespace.to_owned(), name.to_owned())) {
            return Err(ManifestError::Twice { place });
        }
        match &*kind {
            "PriorityClass" => {
                let value = whole(object, &["value"], 0, i32::MIN.into(), 1_000_000_000, &place)?;
                self.priorities.insert(name.to_owned(), i32::try_from(value).unwrap_or(0));
                Ok(())
            }
            "PodGroup" => {
                let most = i64::from(u32::MAX);
                let min_member = whole(object, &["spec", "minMember"], 1, 1, most, &place)?;
                self.manifests.groups.push(PodGroup {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    min_member: u32::try_from(min_member).unwrap_or(u32::MAX),
                });
                Ok(())
            }
            _ => self.workload(object, &kind, (namespace, name), place),
        }
    }

    fn workload(
        &mut self,
        object: &Value,
        kind: &str,
        (namespace, name): (&str, &str),
        place: String,
    ) -> Result<(), ManifestError> {
        let replicas = match kind {
            "DaemonSet" => Replicas::EachHost,
            "Pod" => Replicas::Count(1),
            "Job" => {
                let parallelism = count(object, &["spec", "parallelism"], &place)?;
                let completions = count(object, &["spec", "completions"], &place)?;
                // Without completions as many run as may at a time.
                let has_completions = !object["spec"]["completions"].is_null();
                Replicas::Count(if has_completions { parallelism.min(completions) } else { parallelism })
            }
            _ => Replicas::Count(count(object, &["spec", "replicas"], &place)?),
        };
        if let Replicas::Count(count) = replicas {
            self.pods += u64::from(count);
        }
        if self.pods > MAX_MANIFEST_PODS {
            return Err(ManifestError::TooManyPods { place });
        }
        let (template, prefix) = match kind {
            "Pod" => (object, ""),
            _ => (&object["spec"]["template"], "spec.template."),
        };
        let bare = json!({
            "metadata": {"namespace": namespace, "name": name, "labels": template["metadata"]["labels"]},
            "spec": template["spec"],
        });
        let pod = pod_from_object(&bare).map_err(|problem| ManifestError::Object {
            place,
            prefix,
            problem: Box::new(problem),
        })?;
        let class = text(template, &["spec", "priorityClassName"]);
        if !class.is_empty() && template["spec"]["priority"].is_null() {
            self.classes.push((self.manifests.workloads.len(), class.to_owned()));
        }
        let group = template["metadata"]["labels"][GROUP_LABEL].as_str().map(str::to_owned);
        self.manifests.workloads.push(Workload {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            replicas,
            pod,
            group,
        });
        Ok(())
    }

    fn finish(mut self) -> Manifests {
        for (index, class) in self.classes {
            let Some(workload) = self.manifests.workloads.get_mut(index) else { continue };
            let system = SYSTEM_CLASSES.iter().find(|(name, _)| *name == class).map(|(_, value)| *value);
            match self.priorities.get(&class).copied().or(system) {
                Some(value) => workload.pod.view.priority = value,
                None => self.manifests.notes.push(format!(
                    "{}: the priority class {} is not in the manifests; its priority is taken for 0",
                    workload.key(),
                    quoted(&class)
                )),
            }
        }
        self.manifests
    }
}

/// How many pods a field asks for, 1 where it is missing.
fn count(object: &Value, path: &[&str], place: &str) -> Result<u32, ManifestError> {
    let most = i64::try_from(MAX_MANIFEST_PODS).unwrap_or(i64::MAX);
    whole(object, path, 1, 0, most, place).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// A whole number at a path.
fn whole(
    object: &Value,
    path: &[&str],
    default: i64,
    least: i64,
    most: i64,
    place: &str,
) -> Result<i64, ManifestError> {
    let given = path.iter().fold(object, |value, field| &value[*field]);
    if given.is_null() {
        return Ok(default);
    }
    given.as_i64().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        let (given, want) = (shortened(&given.to_string(), 40), format!("a whole number, {least} to {most}"));
        let problem = Box::new(invalid_number(path.join("."), given, want));
        ManifestError::Object { place: place.to_owned(), prefix: "", problem }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINERS: &str = "containers: [{name: c, resources: {requests: {cpu: 500m}}}]";

    fn deployment(name: &str, rest: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  {rest}\n  template:\n    \
             metadata: {{labels: {{app: {name}, scheduling.x-k8s.io/pod-group: g}}}}\n    spec: {{priorityClassName: high, {CONTAINERS}}}\n"
        )
    }

    #[test]
    fn every_kind_that_brings_pods_is_read() {
        let text = format!(
            "# a comment\n---\n{}--- # the next\napiVersion: v1\nkind: List\nitems:\n\
             - {{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: x}}, spec: {{{CONTAINERS}}}}}\n\
             - {{apiVersion: apps/v1, kind: DaemonSet, metadata: {{name: d}}, spec: {{template: {{spec: {{{CONTAINERS}}}}}}}}}\n\
             - {{apiVersion: batch/v1, kind: Job, metadata: {{name: j}}, spec: {{parallelism: 5, completions: 3, template: {{spec: {{{CONTAINERS}}}}}}}}}\n\
             - {{apiVersion: v1, kind: Service, metadata: {{name: s}}}}\n---\n\
             apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {{name: high}}\nvalue: 7\n---\n\
             {{\"apiVersion\": \"scheduling.x-k8s.io/v1alpha1\", \"kind\": \"PodGroup\", \"metadata\": {{\"name\": \"g\"}}, \"spec\": {{\"minMember\": 2}}}}\n---\n",
            deployment("web", "replicas: 4")
        );
        let manifests = Manifests::from_text(&text).unwrap();
        let keys: Vec<String> = manifests.workloads.iter().map(Workload::key).collect();
        assert_eq!(keys, ["Deployment default/web", "Pod x/p", "DaemonSet default/d", "Job default/j"]);
        let replicas: Vec<Replicas> = manifests.workloads.iter().map(|workload| workload.replicas).collect();
        assert_eq!(
            replicas,
            [Replicas::Count(4), Replicas::Count(1), Replicas::EachHost, Replicas::Count(3)]
        );
        let web = &manifests.workloads[0];
        assert_eq!((web.pod.view.priority, web.group.as_deref()), (7, Some("g")));
        assert_eq!(web.pod.demand.requests.cpu_milli, 500);
        assert_eq!(manifests.groups[0].min_member, 2);
        assert_eq!(manifests.notes.len(), 1);
        assert!(manifests.notes[0].starts_with("document 3, items[3] (Service s): this kind brings no pods"));
    }

    #[test]
    fn an_unknown_priority_class_is_named() {
        let manifests = Manifests::from_text(&deployment("web", "replicas: 1")).unwrap();
        assert_eq!(manifests.workloads[0].pod.view.priority, 0);
        assert!(manifests.notes[0].contains("the priority class \"high\" is not in the manifests"));
    }

    #[test]
    fn mistakes_are_answered_with_their_place() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";
        for (text, want) in [
            ("a: [".to_owned(), "document 1: reading YAML"),
            ("- 1".to_owned(), "document 1: it is no object"),
            ("kind: Pod".to_owned(), "document 1: it does not say its apiVersion and kind"),
            (pod.replace("name: p", ""), "document 1 (Pod without a name): metadata.name is missing"),
            (pod.to_owned(), "document 1 (Pod p): spec.containers is missing"),
            (
                format!("---\n{pod}spec: {{containers: [{{resources: {{requests: {{cpu: many}}}}}}]}}"),
                "document 2 (Pod p): spec.containers[0].resources.requests.cpu: quantity \"many\"",
            ),
            (
                deployment("web", "replicas: 1").replace("500m", "-1"),
                "document 1 (Deployment web): spec.template.spec.containers[0].resources.requests.cpu is -1",
            ),
            (
                deployment("web", "replicas: x"),
                "document 1 (Deployment web): spec.replicas is \"x\", want a whole number, 0 to 1000000",
            ),
            (deployment("web", "replicas: 1000001"), "document 1 (Deployment web): spec.replicas is 1000001"),
            (
                format!("{0}---\n{0}", deployment("web", "replicas: 1")),
                "document 2 (Deployment web): the object is given twice",
            ),
            (
                format!("{}---\n{}", deployment("a", "replicas: 1000000"), deployment("b", "replicas: 1")),
                "document 2 (Deployment b): the manifests bring more than 1000000 pods",
            ),
            ("---\n".repeat(20_000), "the file has more than 10000 documents"),
            (
                "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": []}, 3]}".to_owned(),
                "document 1, items[1]: it is no object",
            ),
        ] {
            let error = Manifests::from_text(&text).expect_err(want).to_string();
            assert!(error.starts_with(want), "{error}");
        }
    }
}
