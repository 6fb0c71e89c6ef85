//! Gangs and preemptors on real hosts: a replica of the test's own decides, and every other part is what it is.

use meridian_api::{Caller, CreateOptions, HOST_PARTITION_ANNOTATION};
use meridian_proto::v1::{
    DecidedHost, GroupDecision, GroupDecisions, Hello, MemberDecision, PartitionMessage, PendingPod,
    ReplicaMessage, partition_message, replica_message,
};
use meridian_proto::{Connector, Duplex};
use meridian_schema::{pod, priority_class};
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::world::{World, soon};

/// A replica that leads some tenants, beside the region's own.
struct Scripted {
    stream: Duplex<ReplicaMessage, PartitionMessage>,
    assignment: u64,
}

impl Scripted {
    async fn new(world: &World) -> Self {
        let connector = Connector::scheduling_at(&format!("http://{}", world.region.address())).unwrap();
        let stream = soon("a stream", connector.connect()).await.unwrap();
        let replica = Self { stream, assignment: 0 };
        let hello = Hello {
            lowest_version: 1,
            highest_version: 1,
            cell: "region".to_owned(),
            name: "scripted".to_owned(),
            ..Hello::default()
        };
        replica.say(replica_message::Message::Hello(hello.into())).await;
        replica
    }

    async fn say(&self, message: replica_message::Message) {
        self.stream.sender.send(ReplicaMessage { message: Some(message) }).await.unwrap();
    }

    /// Waits to be offered the pods of these uids.
    async fn offered(&mut self, uids: &[&str]) {
        let mut missing: Vec<&str> = uids.to_vec();
        while !missing.is_empty() {
            let next = soon("pods to decide", self.stream.receiver.recv()).await.unwrap();
            if let Some(partition_message::Message::Pods(pods)) = next.message {
                self.assignment = pods.assignment;
                missing.retain(|uid| !pods.pods.iter().any(|pod: &PendingPod| pod.uid == **uid));
            }
        }
    }

    /// Decides on a group of pods, on one host, with those that make way for each.
    async fn decide(&self, host: &DecidedHost, members: &[(&str, &[&str])]) {
        let member = |(uid, victims): &(&str, &[&str])| MemberDecision {
            uid: (*uid).to_owned(),
            host: Some(host.clone()),
            victims: victims.iter().map(ToString::to_string).collect(),
            ..MemberDecision::default()
        };
        let members = members.iter().map(member).collect();
        let groups = vec![GroupDecision { assignment: self.assignment, members }];
        self.say(replica_message::Message::Groups(GroupDecisions { groups })).await;
    }
}

async fn create(world: &World, tenant: &Tenant, name: &str, cpu: &str, class: &str) -> String {
    let spec = json!({
        "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}],
        "terminationGracePeriodSeconds": 1,
        "priorityClassName": class,
    });
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    let (caller, options) = (Caller::component("test", tenant), CreateOptions::default());
    let created = world.region.registry().create(&caller, pod(), "default", object, &options).await;
    created.unwrap().uid.clone()
}

async fn classes(world: &World, tenant: &Tenant) {
    let (caller, registry) = (Caller::component("test", tenant), world.region.registry());
    for (name, value) in [("low", 1), ("high", 9)] {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value,
        });
        registry.create(&caller, priority_class(), "", class, &CreateOptions::default()).await.unwrap();
    }
    // Admission looks at what is cached, which this waits for.
    registry.list(&caller, priority_class(), "", &Default::default()).await.unwrap();
}

fn is_held(world: &World, tenant: &Tenant, name: &str) -> bool {
    world.region.registry().cached_binding(tenant, "default", name).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_make_way_and_gangs_run_whole() {
    let world = World::new(1).await;
    let (host, mut replica) = (world.host(), Scripted::new(&world).await);
    let node = world.node(&host).unwrap();
    let cpu = node["status"]["allocatable"]["cpu"].as_str().unwrap();
    let all: i64 =
        cpu.strip_suffix('m').map_or_else(|| cpu.parse::<i64>().unwrap() * 1000, |m| m.parse().unwrap());
    let milli = |parts: i64, of: i64| format!("{}m", all * parts / of);
    let place = DecidedHost {
        partition: node["metadata"]["annotations"][HOST_PARTITION_ANNOTATION].as_str().unwrap().to_owned(),
        host: host.clone(),
        incarnation: 1,
        ..DecidedHost::default()
    };
    // A tenant that this replica leads: what is too large for the host stays pending with whoever does.
    let mut tenant = None;
    for number in 0..20 {
        let candidate = Tenant::new(&format!("t{number}")).unwrap();
        classes(&world, &candidate).await;
        let probe = create(&world, &candidate, "probe", &milli(2, 1), "low").await;
        let uids = [&*probe];
        let mut offered = Box::pin(replica.offered(&uids));
        let waits = world.until_waits(&probe, "nodes are available");
        let leads = tokio::select! {
            () = &mut offered => true,
            _ = waits => false,
        };
        if leads {
            tenant = Some(candidate);
            break;
        }
    }
    let tenant = tenant.expect("of twenty tenants it leads one");

    // The host is full of a pod that makes way, in its time.
    let victim = create(&world, &tenant, "victim", &milli(1, 1), "low").await;
    replica.offered(&[&victim]).await;
    replica.decide(&place, &[(&victim, &[])]).await;
    world.until_phase(&victim, "Running").await;
    let urgent = create(&world, &tenant, "urgent", &milli(3, 4), "high").await;
    replica.offered(&[&urgent]).await;
    replica.decide(&place, &[(&urgent, &[&victim])]).await;
    world.until(&urgent, "a nomination", |pod| pod["status"]["nominatedNodeName"] == *host).await;
    let pod = world.until_phase(&urgent, "Running").await;
    assert_eq!((&pod["spec"]["nodeName"], &pod["status"]["nominatedNodeName"]), (&json!(host), &Value::Null));
    assert!(!is_held(&world, &tenant, "victim"), "it stopped before");

    // Two that do not fit beside it, together: neither holds anything, and one alone would have fitted.
    let first = create(&world, &tenant, "first", &milli(1, 5), "low").await;
    let second = create(&world, &tenant, "second", &milli(1, 5), "high").await;
    replica.offered(&[&first, &second]).await;
    replica.decide(&place, &[(&first, &[]), (&second, &[])]).await;
    replica.offered(&[&first, &second]).await;
    assert!(!is_held(&world, &tenant, "first") && !is_held(&world, &tenant, "second"));

    // There is room once the other has gone.
    let options = meridian_api::DeleteOptions::default();
    let caller = Caller::component("test", &tenant);
    world
        .region
        .registry()
        .delete(&caller, meridian_schema::pod(), "default", "urgent", &options)
        .await
        .unwrap();
    let free = async {
        while is_held(&world, &tenant, "urgent") {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the binding", free).await;
    let both = [&*first, &*second];
    loop {
        replica.decide(&place, &[(&first, &[]), (&second, &[])]).await;
        let bound = async {
            while !(is_held(&world, &tenant, "first") && is_held(&world, &tenant, "second")) {
                tokio::task::yield_now().await;
            }
        };
        // The store says that the host is free a moment before its ledger hears it.
        tokio::select! {
            () = bound => break,
            () = replica.offered(&both) => {}
        }
    }
    world.until_phase(&first, "Running").await;
    world.until_phase(&second, "Running").await;
    world.end().await;
}
