//! What tenants see of one another and of the region's hosts: nothing.

use std::net::SocketAddr;

use meridian_api::{Caller, CreateOptions, DeleteOptions, ListOptions};
use meridian_schema::{event, kinds, node, pod};
use meridian_store::Tenant;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::world::{World, soon};

/// More than any host has.
const TOO_MUCH: &str = "1000";

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_nothing_of_another() {
    let world = World::new(2).await;
    let registry = world.region.registry();
    let (blue, red) = (Tenant::new("blue").unwrap(), Tenant::new("red").unwrap());
    let mine = world.create(&blue, "web", "100m", "").await;
    world.until_phase(&mine, "Running").await;
    let (as_blue, as_red) = (Caller::component("test", &blue), Caller::component("test", &red));
    // The same name is another pod, with revisions of its own.
    let theirs = world.create(&red, "web", "100m", "").await;
    assert_ne!(mine, theirs);
    world.until_phase(&theirs, "Running").await;
    let options = ListOptions { limit: Some(1), ..ListOptions::default() };
    for (caller, uid) in [(&as_blue, &mine), (&as_red, &theirs)] {
        let pods = registry.list(caller, pod(), "", &options).await.unwrap();
        assert_eq!(pods.items.iter().map(|pod| &pod.uid).collect::<Vec<_>>(), [uid]);
        assert!(pods.continue_token.is_none(), "there are no others");
        let events = registry.list(caller, event(), "", &ListOptions::default()).await.unwrap();
        assert!(events.items.iter().all(|event| event.value()["involvedObject"]["uid"] == **uid));
        // Of two hosts it sees the one that runs its pod.
        let nodes = registry.list(caller, node(), "", &options).await.unwrap();
        assert_eq!(nodes.items.iter().map(|node| &node.name).collect::<Vec<_>>(), [&pods.items[0].node_name]);
    }
    let before = registry.list(&as_blue, pod(), "", &options).await.unwrap().resource_version;
    for number in 0..10 {
        let uid = world.create(&red, &format!("busy-{number}"), "1m", "").await;
        world.until_phase(&uid, "Running").await;
    }
    let after = registry.list(&as_blue, pod(), "", &options).await.unwrap().resource_version;
    assert_eq!(before, after, "what another does moves no revision");

    // Hosts are the operators', whatever a tenant calls its own.
    let claimed = json!({"metadata": {"name": world.host()}});
    let refused = registry.create(&as_red, node(), "", claimed, &CreateOptions::default()).await;
    assert_eq!(refused.unwrap_err().code, 403);
    let (name, options) = (world.host(), DeleteOptions::default());
    for name in [name.as_str(), "no-such-host"] {
        let refused = registry.delete(&as_red, node(), "", name, &options).await;
        assert_eq!(refused.unwrap_err().code, 403);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_tenant_can_read_tells_of_hosts() {
    let world = World::new(3).await;
    let (blue, red) = (Tenant::new("blue").unwrap(), Tenant::new("red").unwrap());
    let address = world.region.address();
    let theirs = world.create(&red, "of-red", "100m", "").await;
    world.until_phase(&theirs, "Running").await;
    for name in ["web", "gone", "forced"] {
        let uid = world.create(&blue, name, "100m", "").await;
        world.until_phase(&uid, "Running").await;
    }
    let large = world.create(&blue, "large", TOO_MUCH, "").await;
    world.until_waits(&large, "no nodes are available: Insufficient cpu.").await;
    let pods = "/tenants/blue/api/v1/namespaces/default/pods";
    let mut read = Vec::new();
    let mut get = async |method: &str, path: &str, accept: &str, body: Value| {
        read.push(fetch(address, method, path, accept, &body).await);
        read.last().unwrap().clone()
    };
    // Its own node, chosen by its name: too small for one, and room enough for another.
    let web = get("GET", &format!("{pods}/web"), "application/json", Value::Null).await;
    let node = text_after(&web, "\"nodeName\":\"");
    for (name, cpu, phase) in [("larger", TOO_MUCH, "Failed"), ("small", "1m", "Running")] {
        let uid = world.create(&blue, name, cpu, &node).await;
        world.until_phase(&uid, phase).await;
    }
    get("DELETE", &format!("{pods}/gone"), "application/json", Value::Null).await;
    get("DELETE", &format!("{pods}/forced?gracePeriodSeconds=0"), "application/json", Value::Null).await;
    let forced = world.create(&blue, "forced", "100m", "").await;
    world.until_phase(&forced, "Running").await;

    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let mut watches = JoinSet::new();
    for kind in kinds() {
        let root = if kind.group.is_empty() { "api".to_owned() } else { format!("apis/{}", kind.group) };
        let path = format!("/tenants/blue/{root}/{}/{}?includeObject=Object", kind.version, kind.plural);
        for accept in ["application/json", "application/yaml", table] {
            get("GET", &path, accept, Value::Null).await;
        }
        for accept in ["application/json", table] {
            let path = format!("{path}&watch=true&timeoutSeconds=1");
            watches.spawn(async move { fetch(address, "GET", &path, accept, &Value::Null).await });
        }
    }
    let watched = watches.join_all().await;
    assert!(watched.iter().any(|text| text.contains("\"type\":\"ADDED\"") && text.contains(&node)));
    read.extend(watched);
    for name in ["web", "large", "larger", "none"] {
        let path = format!("{pods}/{name}/explanation");
        read.push(fetch(address, "GET", &path, "application/json", &Value::Null).await);
    }
    let host = world.host();
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    for (method, path, body) in [
        ("PATCH", format!("{pods}/web"), label),
        ("GET", format!("/tenants/blue/api/v1/nodes/{node}"), Value::Null),
        ("DELETE", format!("/tenants/blue/api/v1/nodes/{node}"), Value::Null),
        ("POST", format!("{pods}/large/binding"), json!({"target": {"kind": "Node", "name": node}})),
        ("POST", format!("{pods}/large/binding"), json!({"target": {"kind": "Node", "name": "nowhere"}})),
        ("POST", format!("{pods}/web/binding"), json!({"target": {"kind": "Node", "name": node}})),
        ("GET", format!("{pods}?fieldSelector=spec.nodeName%3D{host}"), Value::Null),
        ("GET", format!("{pods}?fieldSelector=spec.nodeName!%3D{host}"), Value::Null),
        ("GET", "/tenants/blue/readyz?verbose".to_owned(), Value::Null),
        ("GET", "/tenants/blue/metrics".to_owned(), Value::Null),
        ("GET", "/tenants/blue/version".to_owned(), Value::Null),
        ("GET", "/tenants/blue/api/v1".to_owned(), Value::Null),
    ] {
        read.push(fetch(address, method, &path, "application/json", &body).await);
    }

    let mut hidden = vec!["hosts-0".to_owned(), "tenants-0".to_owned(), "hostIP".to_owned()];
    hidden.extend(["of-red", "0/3 ", "3 Insufficient", "used: ", "capacity: "].map(str::to_owned));
    for host in world.region.hosts().names() {
        let node = world.node(&host).unwrap();
        let addresses = node["status"]["addresses"].as_array().unwrap().clone();
        hidden.extend(addresses.iter().map(|address| address["address"].as_str().unwrap().to_owned()));
        hidden.push(world.region.registry().host_name(&red, &host).into_owned());
        hidden.push(host);
    }
    for text in &read {
        for hidden in &hidden {
            assert!(!text.contains(hidden.as_str()), "{hidden} is in {text}");
        }
    }
    // What a tenant is to see it does see.
    for seen in [
        format!("Successfully assigned default/web to {node}"),
        "Node didn't have enough resource: cpu, requested: 1000000".to_owned(),
        "\"reason\":\"NodeReady\"".to_owned(),
        "cannot delete resource".to_owned(),
    ] {
        assert!(read.iter().any(|text| text.contains(&seen)), "nothing says {seen}");
    }
    world.end().await;
}

/// All that a server answers, head and body.
pub(crate) async fn fetch(
    address: SocketAddr,
    method: &str,
    path: &str,
    accept: &str,
    body: &Value,
) -> String {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let content_type = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: {accept}\r\n\
         content-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = Vec::new();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
    };
    soon(path, exchange).await;
    String::from_utf8(answer).unwrap()
}

/// What stands between a text and the next quotation mark.
fn text_after(text: &str, start: &str) -> String {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split('"').next().unwrap().to_owned()
}
