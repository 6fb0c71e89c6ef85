//! The life of objects: created, read, changed, deleted.

use meridian_api::{
    CreateOptions, DeleteOptions, Patch, PatchKind, PatchOptions, Preconditions, PropagationPolicy, Sub,
    UpdateOptions,
};
use meridian_schema as schema;
use serde_json::json;

use crate::region::{Region, caller, config_map, pod, system};

#[tokio::test]
async fn a_new_object_gets_what_the_server_says_of_it() {
    let region = Region::new().await;
    let created = region.create("system", schema::pod(), pod("web")).await.unwrap();
    let value = created.value();
    assert_eq!(value["apiVersion"], "v1");
    assert_eq!(value["kind"], "Pod");
    assert_eq!(value["metadata"]["namespace"], "default");
    assert_eq!(value["metadata"]["creationTimestamp"], "2000-01-01T00:00:00Z");
    assert_eq!(value["metadata"]["generation"], 1);
    assert_eq!(value["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(value["status"]["phase"], "Pending");
    assert_eq!(value["spec"]["priority"], 0);
    assert_eq!(value["spec"]["serviceAccountName"], "default");
    assert_eq!(value["spec"]["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!(value["metadata"]["resourceVersion"], created.resource_version().to_string());
    // The bytes that go out are the value, and begin as clients like it.
    let json = created.json();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).unwrap(), value);
    assert!(
        json.starts_with(b"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"")
    );
    let read = region.get(schema::pod(), "web").await.unwrap();
    assert_eq!(read.value(), value);
}

#[tokio::test]
async fn what_cannot_be_created_is_refused_as_kubernetes_does() {
    let region = Region::new().await;
    let registry = &region.registry;
    region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
    let refused = |failure: meridian_api::Failure| (failure.code, failure.reason.as_str(), failure.message);
    let twice = region.create("system", schema::config_map(), config_map("a", "2")).await.unwrap_err();
    assert_eq!(refused(twice), (409, "AlreadyExists", "configmaps \"a\" already exists".to_owned()));

    let options = CreateOptions::default();
    let lost =
        registry.create(&system(), schema::config_map(), "nowhere", config_map("a", "1"), &options).await;
    assert_eq!(refused(lost.unwrap_err()), (404, "NotFound", "namespaces \"nowhere\" not found".to_owned()));

    let mut other = config_map("b", "1");
    other["metadata"]["namespace"] = json!("elsewhere");
    assert_eq!(region.create("system", schema::config_map(), other).await.unwrap_err().code, 400);
    let mut versioned = config_map("b", "1");
    versioned["metadata"]["resourceVersion"] = json!("7");
    let failure = region.create("system", schema::config_map(), versioned).await.unwrap_err();
    assert_eq!(refused(failure).2, "resourceVersion should not be set on objects to be created");
    let nameless = region.create("system", schema::config_map(), json!({ "data": {} })).await.unwrap_err();
    assert_eq!((nameless.code, nameless.details.unwrap().causes[0].field.as_str()), (422, "metadata.name"));
    let mut large = pod("large");
    large["spec"]["containers"][0]["args"] = json!(["x".repeat(2 << 20)]);
    let large = region.create("system", schema::pod(), large).await;
    assert_eq!(large.unwrap_err().code, 413);
    let node = json!({ "metadata": { "name": "host-1" } });
    assert_eq!(region.create("shop", schema::node(), node).await.unwrap_err().code, 403);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let region = Region::new().await;
    let registry = &region.registry;
    let dry = CreateOptions { dry_run: true };
    let before = region.tenants.revision().await.unwrap();
    let created = registry.create(&system(), schema::pod(), "default", pod("web"), &dry).await.unwrap();
    assert_eq!(created.value()["status"]["phase"], "Pending");
    assert_eq!(region.tenants.revision().await.unwrap(), before);
    assert!(region.get(schema::pod(), "web").await.unwrap_err().is_not_found());

    region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
    let before = region.tenants.revision().await.unwrap();
    let failure =
        registry.create(&system(), schema::config_map(), "default", config_map("a", "1"), &dry).await;
    assert!(failure.unwrap_err().is_already_exists());
    let options = UpdateOptions { dry_run: true };
    let updated = registry
        .update(&system(), schema::config_map(), "default", "a", None, config_map("a", "2"), &options)
        .await
        .unwrap();
    assert_eq!(updated.entry.value()["data"]["text"], "2");
    let options = DeleteOptions { dry_run: true, ..DeleteOptions::default() };
    assert!(region.delete_with(schema::config_map(), "a", &options).await.unwrap().gone);
    assert_eq!(region.tenants.revision().await.unwrap(), before);
}

#[tokio::test]
async fn generated_names_are_new_ones() {
    let region = Region::new().await;
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut object = config_map("", "1");
        object["metadata"] = json!({ "generateName": "job-" });
        let entry = region.create("system", schema::config_map(), object).await.unwrap();
        assert!(entry.name.starts_with("job-") && entry.name.len() == 9, "{}", entry.name);
        assert!(names.insert(entry.name.clone()));
    }
}

#[tokio::test]
async fn an_update_wants_the_version_it_was_made_on() {
    let region = Region::new().await;
    let first = region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
    let mut mine = first.value();
    mine["data"]["text"] = json!("2");
    let second = region.update(schema::config_map(), "a", mine.clone()).await.unwrap();
    assert_eq!(second.uid, first.uid);
    let failure = region.update(schema::config_map(), "a", mine.clone()).await.unwrap_err();
    assert_eq!(failure.code, 409);
    assert_eq!(
        failure.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes \
         to the latest version and try again"
    );
    // Without a version the last one counts.
    let third = region.update(schema::config_map(), "a", config_map("a", "3")).await.unwrap();
    assert_eq!(third.value()["metadata"]["uid"], first.value()["metadata"]["uid"]);
    // What changes nothing writes nothing.
    let same = region.update(schema::config_map(), "a", config_map("a", "3")).await.unwrap();
    assert_eq!(same.resource_version(), third.resource_version());
    let mut foreign = third.value();
    foreign["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    assert_eq!(region.update(schema::config_map(), "a", foreign).await.unwrap_err().code, 409);
    assert_eq!(region.update(schema::config_map(), "b", config_map("b", "1")).await.unwrap_err().code, 404);
    assert_eq!(region.update(schema::config_map(), "b", config_map("a", "1")).await.unwrap_err().code, 400);
}

#[tokio::test]
async fn a_lease_may_be_created_by_an_update() {
    let region = Region::new().await;
    let lease = json!({ "metadata": { "name": "leader" }, "spec": { "holderIdentity": "me" } });
    let options = UpdateOptions::default();
    let updated = region
        .registry
        .update(&system(), schema::lease(), "default", "leader", None, lease, &options)
        .await
        .unwrap();
    assert!(updated.created);
    assert_eq!(region.get(schema::lease(), "leader").await.unwrap().uid, updated.entry.uid);
}

#[tokio::test]
async fn spec_and_status_are_written_apart() {
    let region = Region::new().await;
    let deployment = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "image": "registry.example/main:1" }] },
            },
        },
        "status": { "replicas": 9 },
    });
    let created = region.create("system", schema::deployment(), deployment).await.unwrap();
    let value = created.value();
    assert_eq!(value["status"].get("replicas"), None);
    let mut both = value.clone();
    both["spec"]["replicas"] = json!(5);
    both["status"] = json!({ "replicas": 5, "observedGeneration": 1 });
    let options = UpdateOptions::default();
    let status = region
        .registry
        .update(&system(), schema::deployment(), "default", "web", Some(Sub::Status), both.clone(), &options)
        .await
        .unwrap()
        .entry
        .value();
    assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&json!(2), &json!(5)));
    assert_eq!(status["metadata"]["generation"], 1);
    both["metadata"]["resourceVersion"] = status["metadata"]["resourceVersion"].clone();
    both["status"] = json!({ "replicas": 1 });
    let main = region.update(schema::deployment(), "web", both).await.unwrap().value();
    assert_eq!((&main["spec"]["replicas"], &main["status"]["replicas"]), (&json!(5), &json!(5)));
    assert_eq!(main["metadata"]["generation"], 2);
}

#[tokio::test]
async fn patches_of_all_kinds_change_what_they_name() {
    let region = Region::new().await;
    region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
    let patch = |kind, body| {
        let registry = region.registry.clone();
        async move {
            let patch = Patch { kind, body };
            let options = PatchOptions::default();
            let caller = system();
            let patched =
                registry.patch(&caller, schema::config_map(), "default", "a", None, patch, &options);
            patched.await.map(|patched| patched.object)
        }
    };
    let merged = patch(PatchKind::Merge, json!({ "data": { "more": "2", "text": null } })).await.unwrap();
    assert_eq!(merged.value()["data"], json!({ "more": "2" }));
    let operations = json!([{ "op": "test", "path": "/data/more", "value": "2" }, { "op": "add", "path": "/data/x", "value": "3" }]);
    let patched = patch(PatchKind::Json, operations).await.unwrap();
    assert_eq!(patched.value()["data"], json!({ "more": "2", "x": "3" }));
    let labelled = patch(PatchKind::StrategicMerge, json!({ "metadata": { "labels": { "app": "web" } } }))
        .await
        .unwrap();
    assert_eq!(*labelled.labels, [("app".into(), "web".into())]);
    // Nothing changes, nothing is written.
    let again = patch(PatchKind::Merge, json!({ "metadata": { "labels": { "app": "web" } } })).await.unwrap();
    assert_eq!(again.resource_version(), labelled.resource_version());

    let stale = json!({ "metadata": { "resourceVersion": "1" }, "data": { "x": "4" } });
    assert_eq!(patch(PatchKind::Merge, stale).await.unwrap_err().code, 409);
    let test = json!([{ "op": "test", "path": "/data/more", "value": "9" }]);
    assert_eq!(patch(PatchKind::Json, test).await.unwrap_err().code, 422);
    assert_eq!(patch(PatchKind::Json, json!([{ "op": "jump", "path": "/" }])).await.unwrap_err().code, 400);
    assert_eq!(patch(PatchKind::Merge, json!("text")).await.unwrap_err().code, 400);
    assert_eq!(patch(PatchKind::Merge, json!({ "data": 7 })).await.unwrap_err().code, 400);
    assert_eq!(patch(PatchKind::Merge, json!({ "metadata": { "name": "b" } })).await.unwrap_err().code, 400);
    let many: Vec<_> = (0..10_001).map(|_| json!({ "op": "remove", "path": "/data/x" })).collect();
    assert_eq!(patch(PatchKind::Json, json!(many)).await.unwrap_err().code, 413);
}

#[tokio::test]
async fn an_object_with_finalizers_goes_when_the_last_is_taken_off() {
    let region = Region::new().await;
    let mut object = config_map("a", "1");
    object["metadata"]["finalizers"] = json!(["example.com/one", "example.com/two"]);
    region.create("system", schema::config_map(), object).await.unwrap();
    let deleted = region.delete(schema::config_map(), "a").await.unwrap();
    assert!(!deleted.gone && deleted.entry.deleting);
    let again = region.delete(schema::config_map(), "a").await.unwrap();
    assert_eq!(again.entry.resource_version(), deleted.entry.resource_version());

    let mut value = deleted.entry.value();
    value["metadata"]["finalizers"] = json!(["example.com/three"]);
    assert_eq!(region.update(schema::config_map(), "a", value.clone()).await.unwrap_err().code, 422);
    value["metadata"]["finalizers"] = json!(["example.com/two"]);
    let held = region.update(schema::config_map(), "a", value.clone()).await.unwrap();
    assert!(held.deleting);
    value["metadata"]["resourceVersion"] = json!("");
    value["metadata"]["finalizers"] = json!([]);
    region.update(schema::config_map(), "a", value).await.unwrap();
    assert!(region.get(schema::config_map(), "a").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_delete_says_what_becomes_of_dependents() {
    let region = Region::new().await;
    for (policy, finalizer) in
        [(PropagationPolicy::Orphan, "orphan"), (PropagationPolicy::Foreground, "foregroundDeletion")]
    {
        region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
        let options = DeleteOptions { propagation_policy: Some(policy), ..DeleteOptions::default() };
        let deleted = region.delete_with(schema::config_map(), "a", &options).await.unwrap();
        assert!(!deleted.gone);
        assert_eq!(deleted.entry.value()["metadata"]["finalizers"], json!([finalizer]));
        let background = DeleteOptions {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteOptions::default()
        };
        assert!(region.delete_with(schema::config_map(), "a", &background).await.unwrap().gone);
    }
}

#[tokio::test]
async fn a_delete_holds_its_preconditions() {
    let region = Region::new().await;
    let entry = region.create("system", schema::config_map(), config_map("a", "1")).await.unwrap();
    let with = |uid: &str, version: &str| DeleteOptions {
        preconditions: Preconditions {
            uid: (!uid.is_empty()).then(|| uid.to_owned()),
            resource_version: (!version.is_empty()).then(|| version.to_owned()),
        },
        ..DeleteOptions::default()
    };
    let version = entry.resource_version().to_string();
    assert_eq!(
        region.delete_with(schema::config_map(), "a", &with("other", "")).await.unwrap_err().code,
        409
    );
    assert_eq!(region.delete_with(schema::config_map(), "a", &with("", "1")).await.unwrap_err().code, 409);
    assert!(region.delete_with(schema::config_map(), "a", &with(&entry.uid, &version)).await.unwrap().gone);
    assert_eq!(region.delete(schema::config_map(), "a").await.unwrap_err().code, 404);
}

#[tokio::test]
async fn a_namespace_goes_when_it_is_finalized_and_takes_nothing_new_meanwhile() {
    let region = Region::new().await;
    let registry = &region.registry;
    let options = CreateOptions::default();
    region.create("system", schema::namespace(), json!({ "metadata": { "name": "shop" } })).await.unwrap();
    registry.create(&system(), schema::config_map(), "shop", config_map("a", "1"), &options).await.unwrap();
    let deleted = region.delete(schema::namespace(), "shop").await.unwrap();
    assert!(!deleted.gone);
    assert_eq!(deleted.entry.value()["status"]["phase"], "Terminating");
    let refused =
        registry.create(&system(), schema::config_map(), "shop", config_map("b", "1"), &options).await;
    let failure = refused.unwrap_err();
    assert_eq!(failure.code, 403);
    assert!(failure.message.ends_with("because it is being terminated"), "{failure}");
    assert_eq!(failure.details.unwrap().causes[0].reason, "NamespaceTerminating");

    let mut value = deleted.entry.value();
    value["spec"]["finalizers"] = json!([]);
    // Only the finalize subresource takes these off.
    let kept = region.update(schema::namespace(), "shop", value.clone()).await.unwrap();
    assert_eq!(kept.value()["spec"]["finalizers"], json!(["kubernetes"]));
    let options = UpdateOptions::default();
    registry
        .update(&system(), schema::namespace(), "", "shop", Some(Sub::Finalize), value, &options)
        .await
        .unwrap();
    assert!(region.get(schema::namespace(), "shop").await.unwrap_err().is_not_found());
    assert_eq!(region.delete(schema::namespace(), "default").await.unwrap_err().code, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_created_in_a_namespace_once_it_is_going() {
    let region = Region::new().await;
    for round in 0..10 {
        let ns = format!("shop-{round}");
        region.create("system", schema::namespace(), json!({ "metadata": { "name": ns } })).await.unwrap();
        let create = |number: usize| {
            let (registry, ns) = (region.registry.clone(), ns.clone());
            tokio::spawn(async move {
                let object = config_map(&format!("m{number}"), "1");
                let options = CreateOptions::default();
                registry.create(&system(), schema::config_map(), &ns, object, &options).await
            })
        };
        let creates: Vec<_> = (0..30).map(create).collect();
        let going = region.delete(schema::namespace(), &ns).await.unwrap().entry.modified;
        let (mut before, mut refused) = (0, 0);
        for created in creates {
            match created.await.unwrap() {
                Ok(entry) => {
                    assert!(
                        entry.modified < going,
                        "created at {} in what goes since {going}",
                        entry.modified
                    );
                    before += 1;
                }
                Err(failure) => {
                    assert_eq!(failure.code, 403, "{failure}");
                    refused += 1;
                }
            }
        }
        assert_eq!(before + refused, 30);
    }
}

#[tokio::test]
async fn a_collection_is_deleted_by_its_labels() {
    let region = Region::new().await;
    for (name, app) in [("a", "web"), ("b", "web"), ("c", "job")] {
        let mut object = config_map(name, "1");
        object["metadata"]["labels"] = json!({ "app": app });
        region.create("system", schema::config_map(), object).await.unwrap();
    }
    let which = meridian_api::ListOptions {
        label_selector: Some(schema::LabelSelector::parse("app=web").unwrap()),
        ..Default::default()
    };
    let options = DeleteOptions::default();
    let deleted = region
        .registry
        .delete_collection(&system(), schema::config_map(), "default", &options, &which)
        .await
        .unwrap();
    assert_eq!(deleted.items.len(), 2);
    let left = region.list("system", schema::config_map(), &Default::default()).await.unwrap();
    assert_eq!(left.items.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["c"]);
}

#[tokio::test]
async fn a_scale_is_a_view_of_replicas() {
    let region = Region::new().await;
    let registry = &region.registry;
    let set = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "image": "registry.example/main:1" }] },
            },
        },
    });
    region.create("system", schema::replica_set(), set).await.unwrap();
    let mut scale = registry.scale_get(&system(), schema::replica_set(), "default", "web").await.unwrap();
    assert_eq!((&scale["kind"], &scale["status"]["selector"]), (&json!("Scale"), &json!("app=web")));
    scale["spec"]["replicas"] = json!(7);
    let options = UpdateOptions::default();
    let set = |scale: serde_json::Value| {
        let options = options.clone();
        async move {
            registry.scale_update(&system(), schema::replica_set(), "default", "web", scale, &options).await
        }
    };
    let scaled = set(scale.clone()).await.unwrap();
    assert_eq!(scaled["spec"]["replicas"], 7);
    let main = region.get(schema::replica_set(), "web").await.unwrap().value();
    assert_eq!((&main["spec"]["replicas"], &main["metadata"]["generation"]), (&json!(7), &json!(2)));
    assert_eq!(set(scale).await.unwrap_err().code, 409);
    let negative = json!({ "spec": { "replicas": -1 } });
    assert_eq!(set(negative).await.unwrap_err().code, 422);
    let patch = Patch { kind: PatchKind::Merge, body: json!({ "spec": { "replicas": 3 } }) };
    let patched = registry
        .scale_patch(&system(), schema::replica_set(), "default", "web", patch, &PatchOptions::default())
        .await
        .unwrap();
    assert_eq!(patched.object["spec"]["replicas"], 3);
}

#[tokio::test]
async fn a_pod_gets_the_priority_of_its_class() {
    let region = Region::new().await;
    let class = json!({ "metadata": { "name": "high" }, "value": 1000, "globalDefault": true });
    region.create("system", schema::priority_class(), class).await.unwrap();
    region.get(schema::priority_class(), "high").await.unwrap();
    let by_default = region.create("system", schema::pod(), pod("a")).await.unwrap().value();
    assert_eq!(
        (&by_default["spec"]["priority"], &by_default["spec"]["priorityClassName"]),
        (&json!(1000), &json!("high"))
    );
    let mut critical = pod("b");
    critical["spec"]["priorityClassName"] = json!("system-node-critical");
    assert_eq!(
        region.create("system", schema::pod(), critical).await.unwrap().value()["spec"]["priority"],
        2_000_001_000
    );
    let mut unknown = pod("c");
    unknown["spec"]["priorityClassName"] = json!("low");
    let failure = region.create("system", schema::pod(), unknown).await.unwrap_err();
    assert_eq!(failure.message, "pods \"c\" is forbidden: no PriorityClass with name low was found");
    let mut own = pod("d");
    own["spec"]["priority"] = json!(5);
    assert_eq!(region.create("system", schema::pod(), own).await.unwrap_err().code, 403);
    let second = json!({ "metadata": { "name": "other" }, "value": 1, "globalDefault": true });
    assert_eq!(region.create("system", schema::priority_class(), second).await.unwrap_err().code, 403);
    // Classes are a tenant's own.
    let elsewhere = region.create("shop", schema::pod(), pod("a")).await.unwrap().value();
    assert_eq!(elsewhere["spec"]["priority"], 0);
}

#[tokio::test]
async fn modify_tries_again_until_nobody_else_wrote_in_between() {
    let region = Region::new().await;
    region.create("system", schema::config_map(), config_map("a", "0")).await.unwrap();
    let add = || {
        let registry = region.registry.clone();
        async move {
            let change = |value: &mut serde_json::Value| {
                let count: u32 = value["data"]["text"].as_str().unwrap().parse().unwrap();
                value["data"]["text"] = json!((count + 1).to_string());
                true
            };
            registry
                .modify(&system(), schema::config_map(), "default", "a", None, None, change)
                .await
                .unwrap()
                .unwrap()
        }
    };
    futures::future::join_all((0..30).map(|_| add())).await;
    assert_eq!(region.get(schema::config_map(), "a").await.unwrap().value()["data"]["text"], "30");
    let registry = &region.registry;
    let never = |_: &mut serde_json::Value| panic!("this is another object");
    let other =
        registry.modify(&system(), schema::config_map(), "default", "a", Some("other"), None, never).await;
    assert!(other.unwrap().is_none());
    let never = |_: &mut serde_json::Value| panic!("there is no such object");
    let absent =
        registry.modify(&caller("shop"), schema::config_map(), "default", "a", None, None, never).await;
    assert!(absent.unwrap().is_none());
}
