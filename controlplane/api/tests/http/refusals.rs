//! Bad input: each gets a `Status` that says what, where and what would be right, and nothing is changed by it.

use serde_json::json;

use crate::client::{open_http2, whole};
use crate::region::{CONFIG_MAPS, PODS, Region, config_map, pod, request};

#[tokio::test]
async fn paths_and_methods_that_are_not_served() {
    let region = Region::start().await;
    for path in [
        "/nothing",
        "/api/v1/nothings",
        "/apis/apps/v1beta1/deployments",
        "/api/v1/namespaces/default/pods/a/nothing",
    ] {
        region.get(path).await.refused(404, "NotFound", "the server could not find the requested resource");
    }
    for (method, path) in
        [("PUT", PODS), ("POST", "/api/v1/pods"), ("POST", "/version"), ("TRACE", PODS), ("PATCH", PODS)]
    {
        region.send(method, path, &[], "").await.refused(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
    }
    region.get("/tenants/Blue/api/v1/pods").await.refused(400, "BadRequest", "tenant \"Blue\"");
    region.get("/api/v1/tenants/all/pods").await.refused(400, "BadRequest", "\"all\" is no tenant");
}

#[tokio::test]
async fn objects_that_are_not_there() {
    let region = Region::start().await;
    let answer = region.get(&format!("{PODS}/web")).await;
    answer.refused(404, "NotFound", "pods \"web\" not found");
    assert_eq!(answer.at("/details"), json!({ "name": "web", "kind": "pods" }));
    region.delete("/apis/apps/v1/namespaces/default/deployments/web").await.refused(
        404,
        "NotFound",
        "deployments.apps \"web\" not found",
    );
    region.post("/api/v1/namespaces/nowhere/pods", &pod("a")).await.refused(404, "NotFound", "nowhere");
}

#[tokio::test]
async fn manifests_that_are_wrong() {
    let region = Region::start().await;
    let mut wrong_type = pod("a");
    wrong_type["spec"]["containers"] = json!("none");
    region.post(PODS, &wrong_type).await.refused(400, "BadRequest", "spec.containers");

    let mut unknown = pod("a");
    unknown["spec"]["containrs"] = json!([]);
    region.post(&format!("{PODS}?fieldValidation=Strict"), &unknown).await.refused(
        400,
        "BadRequest",
        "unknown field \"spec.containrs\"",
    );

    let mut quantity = pod("a");
    quantity["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "many" } });
    let answer = region.post(PODS, &quantity).await;
    assert!(matches!(answer.status.as_u16(), 400 | 422), "{}", answer.text());
    assert!(answer.text().contains("many") || answer.text().contains("requests"), "{}", answer.text());

    let nameless = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "A_b" }, "spec": {} });
    let answer = region.post(PODS, &nameless).await;
    answer.refused(422, "Invalid", "metadata.name");
    let causes = answer.at("/details/causes");
    let fields: Vec<&str> =
        causes.as_array().unwrap().iter().filter_map(|cause| cause["field"].as_str()).collect();
    assert!(fields.contains(&"metadata.name") && fields.contains(&"spec.containers"), "{causes}");

    region.post(CONFIG_MAPS, &pod("a")).await.refused(
        400,
        "BadRequest",
        "Pod in version \"v1\" cannot be handled as a ConfigMap",
    );
    let mut version = pod("a");
    version["apiVersion"] = json!("v2");
    region.post(PODS, &version).await.refused(
        400,
        "BadRequest",
        "the API version in the data (v2) does not match the expected API version (v1)",
    );

    let list = region.get("/api/v1/pods").await;
    assert_eq!(list.at("/items"), json!([]));
}

#[tokio::test]
async fn unknown_fields_are_warned_of_unless_one_does_not_care() {
    let region = Region::start().await;
    let mut unknown = config_map("a");
    unknown["dat\"a"] = json!({});
    let answer = region.post(CONFIG_MAPS, &unknown).await;
    assert_eq!(answer.status, 201);
    let warning = answer.header("warning");
    assert!(warning.starts_with("299 - \"") && warning.contains("unknown field"), "{warning}");
    unknown["metadata"]["name"] = json!("b");
    let answer = region.post(&format!("{CONFIG_MAPS}?fieldValidation=Ignore"), &unknown).await;
    assert_eq!((answer.status.as_u16(), answer.header("warning")), (201, ""));
}

/// Of an object that is patched one is told the same as of one that is created or replaced.
#[tokio::test]
async fn unknown_and_repeated_fields_of_patches_are_warned_of() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let (json, merge, strategic) = ("json-patch", "merge-patch", "strategic-merge-patch");
    for (kind, body, expected) in [
        (
            merge,
            r#"{"data":{"k":"1","k":"2"},"dat":{}}"#,
            vec![r#"duplicate field \"data.k\""#, r#"unknown field \"dat\""#],
        ),
        (
            strategic,
            r#"{"data":{"k":"3","k":"4"},"dat":{}}"#,
            vec![r#"duplicate field \"data.k\""#, r#"unknown field \"dat\""#],
        ),
        (
            json,
            r#"[{"op":"add","path":"/data/k","value":"5","value":"6","note":"x"},{"op":"add","path":"/dat","value":7}]"#,
            vec![
                r#"json patch duplicate field \"[0].value\""#,
                r#"json patch unknown field \"[0].note\""#,
                r#"unknown field \"dat\""#,
            ],
        ),
    ] {
        let content_type = format!("application/{kind}+json");
        let headers = [("content-type", content_type.as_str())];
        let before = region.get(&path).await.json();
        let strict = region.send("PATCH", &format!("{path}?fieldValidation=Strict"), &headers, body).await;
        strict.refused(400, "BadRequest", "strict decoding error");
        let dry = region.send("PATCH", &format!("{path}?dryRun=All"), &headers, body).await;
        assert_eq!(region.get(&path).await.json(), before, "neither changed anything");
        let ignored = region.send("PATCH", &format!("{path}?fieldValidation=Ignore"), &headers, body).await;
        assert_eq!((ignored.status.as_u16(), ignored.header("warning")), (200, ""), "{kind}");
        let warned = region.send("PATCH", &path, &headers, body).await;
        assert_eq!(warned.status, 200, "{kind}: {}", warned.text());
        let expected: Vec<String> = expected.iter().map(|warning| format!("299 - \"{warning}\"")).collect();
        for answer in [&warned, &dry] {
            let warnings: Vec<_> =
                answer.headers.get_all("warning").iter().map(|warning| warning.to_str().unwrap()).collect();
            assert_eq!(warnings, expected, "{kind}");
        }
        let last = body.matches(['2', '4', '6']).next().unwrap_or_default();
        assert_eq!(warned.at("/data/k"), last, "the last of a field counts");
    }
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let template = json!({ "metadata": { "labels": { "app": "x" } }, "spec": pod("x")["spec"] });
    let spec = json!({ "selector": { "matchLabels": { "app": "x" } }, "template": template });
    let deployment =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "x" }, "spec": spec });
    region.create(deployments, &deployment).await;
    let rescaled = json!({ "spec": { "replicas": 2, "replica": 3 } });
    let rescaled = region.patch(&format!("{deployments}/x/scale"), merge, &rescaled).await;
    assert_eq!(rescaled.at("/spec/replicas"), 2);
    assert_eq!(rescaled.header("warning"), r#"299 - "unknown field \"spec.replica\"""#);
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let region = Region::start().await;
    let json = [("content-type", "application/json")];
    let yaml = [("content-type", "application/yaml")];
    let protobuf = [("content-type", "application/vnd.kubernetes.protobuf")];
    region.send("POST", PODS, &json, "{\"apiVersion\":\"v1\",\"kind\":\"Po").await.refused(
        400,
        "BadRequest",
        "Pod in version \"v1\" cannot be handled as a Pod",
    );
    region.send("POST", PODS, &json, "").await.refused(400, "BadRequest", "cannot be handled");
    region.send("POST", PODS, &json, "[".repeat(100_000)).await.refused(
        400,
        "BadRequest",
        "cannot be handled",
    );
    region.send("POST", PODS, &yaml, "a: [b").await.refused(400, "BadRequest", "cannot be handled");
    region.send("POST", PODS, &protobuf, "k8s\0\x0a\x7f").await.refused(
        400,
        "BadRequest",
        "cannot be handled",
    );
    region.send("POST", PODS, &protobuf, "{}").await.refused(400, "BadRequest", "cannot be handled");
    region.send("POST", PODS, &[("content-type", "text/html")], "<p>").await.refused(
        415,
        "UnsupportedMediaType",
        "application/vnd.kubernetes.protobuf",
    );
    region.send("DELETE", PODS, &[("content-type", "text/html")], "<p>").await.refused(
        415,
        "UnsupportedMediaType",
        "accepted media types",
    );
}

#[tokio::test]
async fn patches_that_cannot_be_used() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let path = &format!("{CONFIG_MAPS}/a");
    let send = async |kind: &str, body: &str| {
        region.send("PATCH", path, &[("content-type", &format!("application/{kind}"))], body.to_owned()).await
    };
    send("apply-patch+yaml", "{}").await.refused(415, "UnsupportedMediaType", "server-side apply");
    send("json", "{}").await.refused(415, "UnsupportedMediaType", "application/strategic-merge-patch+json");
    send("merge-patch+json", "{\"data\":").await.refused(400, "BadRequest", "no JSON");
    send("json-patch+json", "{}").await.refused(400, "BadRequest", "a list of operations");
    let wrong_type = send("merge-patch+json", "{\"data\":7}").await;
    assert!(matches!(wrong_type.status.as_u16(), 400 | 422), "{}", wrong_type.text());
    let nothing_there =
        send("json-patch+json", r#"[{"op":"test","path":"/data/key","value":"other"}]"#).await;
    assert!(matches!(nothing_there.status.as_u16(), 400 | 422), "{}", nothing_there.text());
    assert_eq!(region.get(path).await.at("/data/key"), "value");
}

#[tokio::test]
async fn parameters_that_do_not_parse() {
    let region = Region::start().await;
    for (query, name) in [
        ("limit=some", "limit"),
        ("limit=-1", "limit"),
        ("watch=perhaps", "watch"),
        ("resourceVersion=latest", "resourceVersion"),
        ("resourceVersion=1&resourceVersionMatch=About", "resourceVersionMatch"),
        ("labelSelector=a%20in%20(b", "labelSelector"),
        ("labelSelector=%3D%3D", "labelSelector"),
        ("fieldSelector=spec.nothing%3Da", "fieldSelector"),
        ("watch=true&timeoutSeconds=soon", "timeoutSeconds"),
        ("watch=true&allowWatchBookmarks=often", "allowWatchBookmarks"),
        ("watch=true&sendInitialEvents=no", "sendInitialEvents"),
        ("continue=nowhere", "continue"),
        ("includeObject=Half", "includeObject"),
    ] {
        let answer = region.get(&format!("{PODS}?{query}")).await;
        answer.refused(400, "BadRequest", name);
    }
    region.post(&format!("{PODS}?dryRun=Some"), &pod("a")).await.refused(400, "BadRequest", "dryRun");
    region.post(&format!("{PODS}?fieldValidation=Loose"), &pod("a")).await.refused(
        400,
        "BadRequest",
        "fieldValidation",
    );
    for (query, name) in [
        ("gracePeriodSeconds=-1", "gracePeriodSeconds"),
        ("propagationPolicy=None", "propagationPolicy"),
        ("orphanDependents=2", "orphanDependents"),
    ] {
        region.delete(&format!("{PODS}/a?{query}")).await.refused(400, "BadRequest", name);
    }
}

#[tokio::test]
async fn web_pages_of_others_are_no_administrators() {
    let region = Region::start().await;
    let object = config_map("a").to_string();
    for origin in ["https://example.org", "null", "http://localhost.example.org"] {
        let answer = region.send("POST", CONFIG_MAPS, &[("origin", origin)], object.clone()).await;
        answer.refused(403, "Forbidden", "not taken from web pages");
    }
    let url = format!("http://example.org{CONFIG_MAPS}");
    let renamed = whole(open_http2(region.address, request("GET", &url, &[], "")).await).await;
    renamed.refused(403, "Forbidden", "not \"example.org\"");
    let own = region.send("POST", CONFIG_MAPS, &[("origin", "http://localhost:8080")], object).await;
    assert_eq!(own.status, 201);
}

#[tokio::test]
async fn formats_that_are_not_spoken() {
    let region = Region::start().await;
    for path in [PODS, "/apis", "/version", "/openapi/v3"] {
        region.get_as(path, "text/html").await.refused(406, "NotAcceptable", "application/json");
    }
    let preferred = "application/vnd.kubernetes.protobuf,application/json";
    assert_eq!(region.get_as(PODS, preferred).await.header("content-type"), "application/json");
}

#[tokio::test]
async fn writes_that_presume_too_much() {
    let region = Region::start().await;
    let created = region.create(CONFIG_MAPS, &config_map("a")).await;
    region.post(CONFIG_MAPS, &config_map("a")).await.refused(
        409,
        "AlreadyExists",
        "configmaps \"a\" already exists",
    );
    let path = format!("{CONFIG_MAPS}/a");
    let mut changed = created.clone();
    changed["data"]["key"] = json!("other");
    assert_eq!(region.put(&path, &changed).await.status, 200);
    region.put(&path, &changed).await.refused(409, "Conflict", "the object has been modified");
    let other = json!({ "preconditions": { "uid": "00000000-0000-0000-0000-000000000000" } });
    region.send("DELETE", &path, &[("content-type", "application/json")], other.to_string()).await.refused(
        409,
        "Conflict",
        "UID in precondition",
    );
    region.put(&format!("{CONFIG_MAPS}/b"), &changed).await.refused(400, "BadRequest", "name");
    assert_eq!(region.get(&path).await.status, 200);
}
