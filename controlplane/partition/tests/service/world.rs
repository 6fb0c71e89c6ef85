//! A partition with all that it needs, in a directory of its own.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use meridian_api::{
    BindOrder, BindingRecord, Caller, Change, CreateOptions, DeleteOptions, Entry, ExplainRequest, Failure,
    Registry, RegistryLimits, RegistryOptions,
};
use meridian_api::{HOST_PARTITION_ANNOTATION, INCARNATION_ANNOTATION};
use meridian_environment::{Ids, ManualClock};
use meridian_partition::{Partition, PartitionOptions};
use meridian_proto::v1::{HostPartitionMessage, PartitionMessage, ReplicaMessage, TenantPartitionMessage};
use meridian_proto::{Connector, Listener};
use meridian_schema::Home;
use meridian_store::{EmbeddedOptions, Store, Tenant};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use crate::ledger::Ledger;
use crate::replica::Replica;

pub(crate) const CELL: &str = "cell";
pub(crate) const HP: &str = "hosts-1";
pub(crate) const TP: &str = "tenants-1";

/// Longer than anything here takes on a busy machine: only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Messages under way on a stream.
const CAPACITY: usize = 64;

/// Waits for what must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits for what comes when its time has come, whenever that is.
pub(crate) async fn passing<T>(clock: &ManualClock, future: impl Future<Output = T>) -> T {
    let passing = async {
        loop {
            clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        value = future => value,
        () = passing => unreachable!(),
    }
}

/// Stores, registry, partition and the ends that its peers hold.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) tenants: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) metrics: prometheus::Registry,
    pub(crate) ledgers: Listener<HostPartitionMessage, TenantPartitionMessage>,
    pub(crate) explainer: mpsc::Sender<ExplainRequest>,
    replicas: Connector<ReplicaMessage, PartitionMessage>,
    pub(crate) partition: Option<Partition>,
    hosts: Store,
    _dir: Arc<TempDir>,
}

impl World {
    /// A fresh one.
    pub(crate) async fn new() -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let clock = Arc::new(ManualClock::new());
        let open = |name: &str| {
            let options =
                EmbeddedOptions { segment_bytes: 1 << 20, ..EmbeddedOptions::new(dir.path().join(name)) };
            Store::open_embedded(options, clock.clone())
        };
        let (tenants, hosts) = (open("tenants").await.unwrap(), open("hosts").await.unwrap());
        Self::start(dir, clock, tenants, hosts).await
    }

    /// A second process over the same stores, which takes the tenants' store over.
    pub(crate) async fn successor(&self) -> Self {
        let tenants = self.tenants.take_over().await.unwrap();
        Self::start(self._dir.clone(), self.clock.clone(), tenants, self.hosts.clone()).await
    }

    async fn start(dir: Arc<TempDir>, clock: Arc<ManualClock>, tenants: Store, hosts: Store) -> Self {
        let ids = Arc::new(Ids::seeded(tenants.epoch().0));
        let registry = Registry::open(RegistryOptions {
            tenants: tenants.clone(),
            hosts: hosts.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            limits: RegistryLimits::default(),
        })
        .await
        .unwrap();
        let (ledger, ledgers) = meridian_proto::local("the ledger", CAPACITY);
        let (replicas, listener) = meridian_proto::local("the scheduling service", CAPACITY);
        let (bind, binder) = mpsc::channel::<BindOrder>(64);
        let (explainer, questions) = mpsc::channel(64);
        registry.set_binder(bind);
        let metrics = prometheus::Registry::new();
        let partition = Partition::start(PartitionOptions {
            name: TP.to_owned(),
            cell: CELL.to_owned(),
            registry: registry.clone(),
            epoch: tenants.epoch(),
            clock: clock.clone(),
            ids,
            schedulers: vec!["default-scheduler".to_owned()],
            ledgers: vec![(HP.to_owned(), ledger)],
            replicas: listener,
            binder,
            explainer: questions,
            metrics: metrics.clone(),
        })
        .await
        .unwrap();
        Self {
            registry,
            tenants,
            clock,
            metrics,
            ledgers,
            explainer,
            replicas,
            partition: Some(partition),
            hosts,
            _dir: dir,
        }
    }

    /// A replica that has said hello.
    pub(crate) async fn replica(&self, name: &str) -> Replica {
        let mut replica = self.silent_replica().await;
        replica.hello(name).await;
        replica
    }

    /// A stream on which nothing was said yet.
    pub(crate) async fn silent_replica(&self) -> Replica {
        Replica::new(self.replicas.connect().await.unwrap())
    }

    /// The partition's stream to its ledger, greeted and listed to under an epoch, open for claims.
    pub(crate) async fn ledger(&mut self, he: u64) -> Ledger {
        let mut ledger = Ledger::accept(&mut self.ledgers, he).await;
        ledger.relist().await;
        ledger
    }

    /// The partition's stream to its ledger after the one before has ended: time passes until it comes.
    pub(crate) async fn next_ledger(&mut self, he: u64) -> Ledger {
        let clock = self.clock.clone();
        passing(&clock, Ledger::accept(&mut self.ledgers, he)).await
    }

    /// Creates a pod that asks for so much CPU.
    pub(crate) async fn pod(&self, name: &str, cpu: &str) -> Arc<Entry> {
        self.pod_with(
            name,
            json!({"containers": [
                {"name": "main", "image": "app", "resources": {"requests": {"cpu": cpu}}},
            ]}),
        )
        .await
    }

    /// Creates a pod of a priority class, which is made with this priority where there is none.
    pub(crate) async fn pod_of_priority(&self, tenant: &Tenant, name: &str, priority: i32) -> Arc<Entry> {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": format!("p{priority}")}, "value": priority,
        });
        let (kind, options) = (meridian_schema::priority_class(), CreateOptions::default());
        // It may be there already.
        let caller = Caller::component("test", tenant);
        let _ = self.registry.create(&caller, kind, "", class, &options).await;
        // Admission looks at what is cached, which this waits for.
        self.registry.list(&caller, kind, "", &Default::default()).await.unwrap();
        self.pod_of_class(tenant, name, &format!("p{priority}")).await
    }

    /// Creates a pod of a priority class.
    pub(crate) async fn pod_of_class(&self, tenant: &Tenant, name: &str, class: &str) -> Arc<Entry> {
        let containers = json!([{"name": "main", "image": "app", "resources": {"requests": {"cpu": "1"}}}]);
        let spec = json!({
            "containers": containers, "priorityClassName": class, "terminationGracePeriodSeconds": 20,
        });
        self.pod_in(tenant, name, spec).await
    }

    /// Creates a pod of a spec.
    pub(crate) async fn pod_with(&self, name: &str, spec: Value) -> Arc<Entry> {
        self.pod_in(&Tenant::system(), name, spec).await
    }

    /// Creates a pod of a spec in a tenant.
    pub(crate) async fn pod_in(&self, tenant: &Tenant, name: &str, mut spec: Value) -> Arc<Entry> {
        spec["schedulerName"] = if spec["schedulerName"].is_null() {
            "default-scheduler".into()
        } else {
            spec["schedulerName"].take()
        };
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        let caller = Caller::component("test", tenant);
        let (pod, options) = (meridian_schema::pod(), CreateOptions::default());
        self.registry.create(&caller, pod, "default", object, &options).await.unwrap()
    }

    /// Creates the Node of a host.
    pub(crate) async fn node(&self, name: &str, incarnation: u64) {
        let annotations = json!({
            HOST_PARTITION_ANNOTATION: HP, INCARNATION_ANNOTATION: incarnation.to_string(),
        });
        let object = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": annotations},
        });
        let (node, options) = (meridian_schema::node(), CreateOptions::default());
        self.registry.create(&Caller::system("test"), node, "", object, &options).await.unwrap();
    }

    pub(crate) async fn delete(&self, name: &str, grace: Option<i64>) -> Result<bool, Failure> {
        let options = DeleteOptions { grace_period_seconds: grace, ..DeleteOptions::default() };
        let pod = meridian_schema::pod();
        let deleted = self.registry.delete(&Caller::system("test"), pod, "default", name, &options).await?;
        Ok(deleted.gone)
    }

    /// A pod as it is stored now.
    pub(crate) async fn stored(&self, name: &str) -> Option<Value> {
        let pod = meridian_schema::pod();
        self.registry.get(&Caller::system("test"), pod, "default", name).await.ok().map(|entry| entry.value())
    }

    /// Waits until a pod of a name is stored so that `holds`.
    pub(crate) async fn until(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let find = |change: &Change| match change {
            Change::Put { entry, .. } if entry.kind.kind == "Pod" && entry.name == name => {
                Some(entry.value()).filter(|pod| holds(pod))
            }
            _ => None,
        };
        soon(&format!("a change of pod {name}"), self.follow(find)).await
    }

    /// Waits until the binding record under a pod's name is so that `holds`.
    pub(crate) async fn until_record(&self, name: &str, holds: impl Fn(Option<&BindingRecord>) -> bool) {
        let find = |change: &Change| match change {
            Change::Binding { name: of, record, .. } if of == name && holds(record.as_deref()) => Some(()),
            _ => None,
        };
        soon(&format!("a change of the record of pod {name}"), self.follow(find)).await;
    }

    /// Waits until an event about a pod is stored so that `holds`.
    pub(crate) async fn until_event(&self, pod: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let find = |change: &Change| match change {
            Change::Put { entry, .. } if entry.kind.kind == "Event" => {
                Some(entry.value()).filter(|event| event["involvedObject"]["name"] == pod && holds(event))
            }
            _ => None,
        };
        soon(&format!("an event about pod {pod}"), self.follow(find)).await
    }

    async fn follow<T>(&self, find: impl Fn(&Change) -> Option<T>) -> T {
        let mut follow = self.registry.follow(Home::Tenants);
        loop {
            let changes = follow.next().await.unwrap();
            if let Some(found) = changes.iter().find_map(&find) {
                return found;
            }
        }
    }

    /// Asks why a pod is where it is.
    pub(crate) fn ask(&self, name: &str) -> oneshot::Receiver<Result<Value, Failure>> {
        self.ask_as(&Tenant::system(), &Tenant::system(), name)
    }

    /// The same about a pod of a tenant, for somebody to read.
    pub(crate) fn ask_as(
        &self,
        viewer: &Tenant,
        tenant: &Tenant,
        name: &str,
    ) -> oneshot::Receiver<Result<Value, Failure>> {
        let (reply, answer) = oneshot::channel();
        let request = ExplainRequest {
            viewer: viewer.clone(),
            tenant: tenant.clone(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
            reply,
        };
        self.explainer.try_send(request).unwrap();
        answer
    }

    /// A figure, summed over its labels unless one is given.
    pub(crate) fn figure(&self, name: &str, label: Option<&str>) -> f64 {
        let families = self.metrics.gather();
        let family = families.iter().find(|family| family.name() == name);
        family
            .into_iter()
            .flat_map(|family| family.get_metric())
            .filter(|metric| label.is_none_or(|label| metric.get_label().iter().any(|l| l.value() == label)))
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    }

    pub(crate) async fn shutdown(mut self) {
        if let Some(partition) = self.partition.take() {
            soon("the partition's end", partition.shutdown()).await;
        }
        self.registry.shutdown().await;
    }
}
