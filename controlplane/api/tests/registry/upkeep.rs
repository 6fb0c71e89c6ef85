//! What goes on by itself: events that end, binding of names to leases, counting.

use std::time::Duration;

use meridian_api::{BindRequest, Caller, CreateOptions, DeleteOptions, ListOptions, Registry};
use meridian_schema as schema;
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::region::{Region, config_map, pod};

fn event(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "involvedObject": { "kind": "Pod", "namespace": "default", "name": "web" },
        "reason": "Scheduled",
        "type": "Normal",
    })
}

#[tokio::test]
async fn events_go_after_an_hour_and_not_before() {
    let region = Region::new().await;
    let names = || async {
        let list = region.list("system", schema::event(), &ListOptions::default()).await.unwrap();
        list.items.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    region.create("system", schema::event(), event("first")).await.unwrap();
    region.clock.advance(Duration::from_secs(60));
    region.create("system", schema::event(), event("second")).await.unwrap();
    region.clock.advance(Duration::from_secs(3539));
    assert_eq!(names().await, ["first", "second"]);
    // What is written again begins anew, with a lease of its own time.
    region.update(schema::event(), "second", event("second")).await.unwrap();
    let mut again = event("second");
    again["count"] = json!(2);
    region.update(schema::event(), "second", again).await.unwrap();
    region.clock.advance(Duration::from_secs(302));
    let gone = tokio::time::timeout(Duration::from_secs(10), async {
        while names().await != ["second"] {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("the first event goes");
    assert!(
        region.list("system", schema::namespace(), &ListOptions::default()).await.unwrap().items.len() >= 4
    );
}

#[tokio::test]
async fn metrics_count_what_there_is() {
    let region = Region::new().await;
    let metrics = prometheus::Registry::new();
    region.registry.register_metrics(&metrics).unwrap();
    assert!(region.registry.register_metrics(&metrics).is_err());
    let value = |name: &str, label: &str| {
        let families = metrics.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let of =
            |metric: &&prometheus::proto::Metric| metric.get_label().iter().all(|pair| pair.value() == label);
        let metric = family.get_metric().iter().find(of).unwrap();
        metric.get_gauge().get_value() + metric.get_counter().get_value()
    };
    for name in ["a", "b"] {
        region.create("system", schema::config_map(), config_map(name, "1")).await.unwrap();
    }
    region.delete(schema::config_map(), "a").await.unwrap();
    let watch = region.watch("system", schema::config_map(), &Default::default()).await;
    assert!((value("meridian_registry_objects", "configmaps") - 1.0).abs() < f64::EPSILON);
    assert!((value("meridian_registry_writes_total", "configmaps") - 3.0).abs() < f64::EPSILON);
    assert!((value("meridian_registry_watchers", "configmaps") - 1.0).abs() < f64::EPSILON);
    assert!(value("meridian_registry_cache_behind_revisions", "tenants").abs() < f64::EPSILON);
    drop(watch);
    assert!(value("meridian_registry_watchers", "configmaps").abs() < f64::EPSILON);
}

#[tokio::test]
async fn pods_are_found_by_their_host() {
    let region = Region::new().await;
    for (name, node) in [("a", "host-1"), ("b", "host-2"), ("c", "")] {
        let mut object = pod(name);
        if !node.is_empty() {
            object["spec"]["nodeName"] = json!(node);
        }
        region.create("system", schema::pod(), object).await.unwrap();
    }
    for (selector, expected) in [
        ("spec.nodeName=host-1", vec!["a"]),
        ("spec.nodeName=", vec!["c"]),
        ("spec.nodeName!=host-1", vec!["b", "c"]),
        ("metadata.name=b", vec!["b"]),
        ("status.phase=Pending,spec.nodeName=host-2", vec!["b"]),
        ("status.phase=Running", vec![]),
    ] {
        let field_selector = Some(schema::FieldSelector::parse(schema::pod(), selector).unwrap());
        let options = ListOptions { field_selector, ..ListOptions::default() };
        let list = region.list("system", schema::pod(), &options).await.unwrap();
        assert_eq!(
            list.items.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(),
            expected,
            "{selector}"
        );
    }
}

/// Everything the registry does can be awaited on any thread: this only has to compile.
#[test]
fn what_the_registry_does_can_move_between_threads() {
    fn sent<T: Send>(_: &T) {}
    fn check(registry: &Registry, caller: &Caller, tenant: &Tenant, pods: &[BindRequest]) {
        sent(&registry.create(caller, schema::pod(), "", json!({}), &CreateOptions::default()));
        sent(&registry.list(caller, schema::pod(), "", &ListOptions::default()));
        sent(&registry.delete(caller, schema::pod(), "", "", &DeleteOptions::default()));
        sent(&registry.delete_collection(
            caller,
            schema::pod(),
            "",
            &DeleteOptions::default(),
            &ListOptions::default(),
        ));
        sent(&registry.append_bindings(tenant, pods));
        sent(&registry.append_gang(tenant, pods));
        sent(&registry.append_fence("", 1));
        sent(&registry.pod_stopped(tenant, "", "", "", ""));
        sent(&registry.modify(caller, schema::pod(), "", "", None, None, |_| false));
        sent(&registry.bind(caller, "", "", json!({}), &CreateOptions::default()));
        sent(&registry.scale_get(caller, schema::pod(), "", ""));
    }
    let _ = check;
}
