//! What tenants see of one another: nothing.

use meridian_api::{Caller, CreateOptions, ListOptions};
use meridian_schema::{event, node, pod};
use meridian_store::Tenant;
use serde_json::json;

use crate::world::World;

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
        assert!(registry.list(caller, node(), "", &options).await.unwrap().items.is_empty());
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
    let (name, options) = (world.host(), meridian_api::DeleteOptions::default());
    let refused = registry.delete(&as_red, node(), "", &name, &options).await;
    assert_eq!(refused.unwrap_err().code, 404);
    world.end().await;
}
