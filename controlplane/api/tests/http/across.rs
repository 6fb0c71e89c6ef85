//! `/tenants/all` over the wire.

use serde_json::json;

use crate::region::{Region, config_map, pod};

const JSON: &str = "application/json";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// A region where two tenants have a pod of one name each.
async fn two_tenants() -> Region {
    let region = Region::start().await;
    for tenant in ["red", "blue"] {
        region.create(&format!("/tenants/{tenant}/api/v1/namespaces/default/pods"), &pod("web")).await;
    }
    region
}

#[tokio::test]
async fn operators_see_whose_an_object_is() {
    let region = two_tenants().await;
    for path in ["/tenants/all/api/v1/pods", "/tenants/all/api/v1/namespaces/default/pods"] {
        let list = region.get(path).await;
        assert_eq!(list.at("/kind"), "PodList");
        let whose =
            |index: usize| list.at(&format!("/items/{index}/metadata/annotations/meridian.io~1tenant"));
        assert_eq!((whose(0), whose(1), list.at("/items/2")), (json!("blue"), json!("red"), json!(null)));
        let number = |pointer: &str| list.at(pointer).as_str().unwrap().parse::<u64>().unwrap();
        assert!(number("/metadata/resourceVersion") >= number("/items/0/metadata/resourceVersion"));
        assert!(
            number("/items/0/metadata/resourceVersion") > number("/items/1/metadata/resourceVersion"),
            "red's was first"
        );
    }
    // The tenants' own view is as it was.
    let own = region.get("/tenants/blue/api/v1/pods").await;
    assert_eq!(own.at("/items/0/metadata/annotations"), json!(null));

    let first = region.get("/tenants/all/api/v1/pods?limit=1").await;
    assert_eq!(first.at("/metadata/remainingItemCount"), 1);
    let token = first.at("/metadata/continue");
    let second =
        region.get(&format!("/tenants/all/api/v1/pods?limit=1&continue={}", token.as_str().unwrap())).await;
    assert_eq!(second.at("/items/0/metadata/annotations/meridian.io~1tenant"), "red");
    assert_eq!(second.at("/metadata/continue"), json!(null));

    let names = |kind: &str| format!("/tenants/all/api/v1/{kind}?fieldSelector=metadata.name%3Ddefault");
    let namespaces = region.get(&names("namespaces")).await;
    assert_eq!(namespaces.at("/items").as_array().unwrap().len(), 3, "system has one as well");

    let table = region.get_as("/tenants/all/api/v1/pods", TABLE).await;
    assert_eq!(
        (table.at("/columnDefinitions/0/name"), table.at("/columnDefinitions/1/name")),
        (json!("Tenant"), json!("Name"))
    );
    assert_eq!((table.at("/rows/1/cells/0"), table.at("/rows/1/cells/1")), (json!("red"), json!("web")));
    let metadata = region
        .get_as(
            "/tenants/all/api/v1/pods",
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        )
        .await;
    assert_eq!(metadata.at("/items/0/metadata/annotations/meridian.io~1tenant"), "blue");
}

#[tokio::test]
async fn a_watch_of_all_tenants_goes_on_where_a_list_ends() {
    let region = two_tenants().await;
    let version = region.get("/tenants/all/api/v1/configmaps").await.at("/metadata/resourceVersion");
    let query = format!("watch=true&resourceVersion={}", version.as_str().unwrap());
    let mut watch = region.watch(&format!("/tenants/all/api/v1/configmaps?{query}"), JSON).await;
    let mut table = region.watch(&format!("/tenants/all/api/v1/configmaps?{query}"), TABLE).await;
    for tenant in ["green", "blue"] {
        let path = format!("/tenants/{tenant}/api/v1/namespaces/default/configmaps");
        region.create(&path, &config_map("a")).await;
        region.delete(&format!("{path}/a")).await;
    }
    let mut last = 0;
    for (tenant, what) in [("green", "ADDED"), ("green", "DELETED"), ("blue", "ADDED"), ("blue", "DELETED")] {
        let event = watch.next().await.unwrap();
        assert_eq!(event["type"], what);
        let metadata = &event["object"]["metadata"];
        assert_eq!(metadata["annotations"]["meridian.io/tenant"], tenant);
        let version = metadata["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
        assert!(version > last, "{version} after {last}");
        last = version;
        let event = table.next().await.unwrap();
        assert_eq!((&event["type"], &event["object"]["rows"][0]["cells"][0]), (&json!(what), &json!(tenant)));
    }
}

#[tokio::test]
async fn whatever_has_a_tenant_is_not_asked_for_there() {
    let region = two_tenants().await;
    let pods = "/tenants/all/api/v1/namespaces/default/pods";
    let one = format!("{pods}/web");
    let merge = json!({ "metadata": { "labels": { "a": "b" } } });
    for answer in [
        region.get(&one).await,
        region.get(&format!("{one}/status")).await,
        region.post(pods, &pod("new")).await,
        region.put(&one, &pod("web")).await,
        region.patch(&one, "merge-patch", &merge).await,
        region.delete(&one).await,
        region.delete(pods).await,
        region.post(&format!("{one}/eviction"), &json!({})).await,
    ] {
        answer.refused(405, "MethodNotAllowed", "/tenants/{tenant}/api/");
    }
    assert_eq!(region.get("/tenants/all/api/v1/pods").await.at("/items").as_array().unwrap().len(), 2);
    region.get("/tenants/all/api/v1/tenants/blue/pods").await.refused(404, "NotFound", "");
    region.get("/tenants/all/metrics").await.refused(404, "NotFound", "");
    for page in [
        "/tenants/all/api",
        "/tenants/all/apis",
        "/tenants/all/api/v1",
        "/tenants/all/version",
        "/tenants/all/openapi/v2",
    ] {
        assert_eq!(region.get(page).await.status, 200, "{page}");
    }
}
