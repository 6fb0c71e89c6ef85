//! What clients learn about the server: discovery, OpenAPI, version, health, metrics.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::region::{PODS, Region, pod};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// The member of a list with this value of a field.
fn find<'a>(list: &'a Value, field: &str, value: &str) -> &'a Value {
    list.as_array()
        .and_then(|list| list.iter().find(|member| member[field] == value))
        .unwrap_or_else(|| panic!("no {field} {value} in {list}"))
}

#[tokio::test]
async fn aggregated_discovery_tells_everything_in_two_documents() {
    let region = Region::start().await;
    let core = region.get_as("/api", AGGREGATED).await;
    assert_eq!(
        core.header("content-type"),
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    );
    assert_eq!(
        (core.at("/kind"), core.at("/apiVersion")),
        (json!("APIGroupDiscoveryList"), json!("apidiscovery.k8s.io/v2"))
    );
    let core = core.json();
    assert_eq!(core["items"][0]["metadata"]["name"], "");
    let pods = find(&core["items"][0]["versions"][0]["resources"], "resource", "pods");
    assert_eq!(pods["scope"], "Namespaced");
    assert_eq!(pods["shortNames"], json!(["po"]));
    assert_eq!(pods["responseKind"], json!({ "group": "", "version": "v1", "kind": "Pod" }));
    let eviction = find(&pods["subresources"], "subresource", "eviction");
    assert_eq!(eviction["responseKind"], json!({ "group": "policy", "version": "v1", "kind": "Eviction" }));
    assert_eq!(eviction["verbs"], json!(["create"]));

    let groups = region.get_as("/apis", AGGREGATED).await.json();
    let apps =
        groups["items"].as_array().unwrap().iter().find(|group| group["metadata"]["name"] == "apps").unwrap();
    let deployments = find(&apps["versions"][0]["resources"], "resource", "deployments");
    find(&deployments["subresources"], "subresource", "scale");

    // Without the group, kubectl takes it that pods cannot be evicted.
    let policy =
        groups["items"].as_array().unwrap().iter().find(|group| group["metadata"]["name"] == "policy");
    let budgets = find(&policy.unwrap()["versions"][0]["resources"], "resource", "poddisruptionbudgets");
    assert_eq!(budgets["shortNames"], json!(["pdb"]));
    find(&budgets["subresources"], "subresource", "status");

    let older = region
        .get_as("/apis", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList")
        .await;
    assert_eq!(older.at("/apiVersion"), "apidiscovery.k8s.io/v2beta1");
}

#[tokio::test]
async fn legacy_discovery_tells_the_same_in_many_documents() {
    let region = Region::start().await;
    assert_eq!(region.get("/api").await.at("/versions"), json!(["v1"]));
    let groups = region.get("/apis").await.json();
    let apps = find(&groups["groups"], "name", "apps");
    assert_eq!(apps["preferredVersion"]["groupVersion"], "apps/v1");
    assert_eq!(find(&groups["groups"], "name", "policy")["preferredVersion"]["groupVersion"], "policy/v1");
    assert_eq!(region.get("/apis/apps").await.at("/kind"), "APIGroup");
    let core = region.get("/api/v1").await.json();
    assert_eq!((&core["kind"], &core["groupVersion"]), (&json!("APIResourceList"), &json!("v1")));
    let pods = find(&core["resources"], "name", "pods");
    assert_eq!((&pods["namespaced"], &pods["singularName"]), (&json!(true), &json!("pod")));
    let eviction = find(&core["resources"], "name", "pods/eviction");
    assert_eq!((&eviction["group"], &eviction["version"]), (&json!("policy"), &json!("v1")));
    assert_eq!((&eviction["kind"], &eviction["namespaced"]), (&json!("Eviction"), &json!(true)));
    let scale = region.get("/apis/apps/v1").await.json();
    assert_eq!(find(&scale["resources"], "name", "deployments/scale")["group"], "autoscaling");
    region.get("/apis/nothing").await.refused(404, "NotFound", "could not find the requested resource");
    region.get("/apis/apps/v9").await.refused(404, "NotFound", "could not find the requested resource");
}

#[tokio::test]
async fn every_kind_is_listed_where_discovery_says() {
    let region = Region::start().await;
    for kind in meridian_schema::kinds() {
        let prefix = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
        let list = region.get(&format!("{prefix}/{}/{}", kind.version, kind.plural)).await;
        assert_eq!(list.status, 200, "{}: {}", kind.plural, list.text());
        assert_eq!(list.at("/kind"), format!("{}List", kind.kind));
        assert_eq!(list.at("/apiVersion"), kind.api_version());
    }
}

#[tokio::test]
async fn a_copy_that_is_current_is_not_sent_again() {
    let region = Region::start().await;
    for path in ["/api", "/openapi/v3", "/openapi/v3/api/v1", "/openapi/v2"] {
        let first = region.get(path).await;
        let again = region.send("GET", path, &[("if-none-match", first.header("etag"))], "").await;
        assert_eq!((first.status.as_u16(), again.status.as_u16(), again.body.len()), (200, 304, 0), "{path}");
    }
}

#[tokio::test]
async fn openapi_is_found_through_its_index() {
    let region = Region::start().await;
    let index = region.get("/openapi/v3").await.json();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    let document = region.get(&url).await;
    assert!(document.header("cache-control").contains("immutable"), "{:?}", document.headers);
    let document = document.json();
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    find(&patch["parameters"], "name", "fieldValidation");
    assert!(!region.get("/openapi/v3/apis/apps/v1").await.header("cache-control").contains("immutable"));
    region.get("/openapi/v3/apis/apps/v9").await.refused(404, "NotFound", "could not find");

    let protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let document = region.get_as("/openapi/v2", protobuf).await;
    assert_eq!(document.header("content-type"), "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert!(!document.body.is_empty());
    assert_eq!(region.get("/openapi/v2").await.at("/swagger"), "2.0");
}

#[tokio::test]
async fn the_version_is_one_that_clients_can_compare() {
    let region = Region::start().await;
    let version = region.get("/version").await.json();
    assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("33")));
    assert!(version["gitVersion"].as_str().unwrap().starts_with("v1.33.0+meridian"), "{version}");
    assert!(region.get_as("/version", "application/yaml").await.text().contains("major: \"1\"\n"));
}

#[tokio::test]
async fn readiness_waits_for_its_checks() {
    let region = Region::start_with(|options| {
        options
            .readiness
            .push(meridian_api::ReadinessCheck::new("scheduler", || Err("catching up".to_owned())));
    })
    .await;
    let said = |answer: Answer| (answer.status.as_u16(), answer.text());
    assert_eq!(said(region.get("/livez").await), (200, "ok".to_owned()));
    let (code, text) = said(region.get("/readyz").await);
    assert_eq!(code, 500);
    assert!(text.contains("[-]scheduler failed: catching up\n"), "{text}");
    assert_eq!(region.get("/readyz?exclude=scheduler").await.status, 200);
    assert_eq!(region.get("/readyz/scheduler").await.status, 500);
    assert_eq!(region.get("/readyz/ping").await.status, 200);
    let (code, text) = said(region.get("/livez?verbose").await);
    assert_eq!((code, text.as_str()), (200, "[+]ping ok\nlivez check passed\n"));
    region.get("/livez/nothing").await.refused(404, "NotFound", "could not find");
}

#[tokio::test]
async fn metrics_count_requests_and_name_no_tenant() {
    let region = Region::start().await;
    region.post("/tenants/blue/api/v1/namespaces/default/pods", &pod("a")).await;
    assert_eq!(region.get("/tenants/blue/api/v1/pods").await.status, 200);
    region.get(PODS).await;
    let text = region.get("/metrics").await.text();
    assert!(text.contains(r#"apiserver_request_total{code="200",resource="pods",verb="LIST"} 2"#), "{text}");
    assert!(text.contains("apiserver_request_duration_seconds_count"), "{text}");
    assert!(!text.contains("blue"), "{text}");
    region.get("/tenants/blue/metrics").await.refused(404, "NotFound", "could not find");
}
