//! Tables, and objects cut down to their metadata.

use serde_json::{Value, json};

use crate::region::{CONFIG_MAPS, PODS, Region, config_map, pod};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

#[tokio::test]
async fn a_list_becomes_a_table() {
    let region = Region::start().await;
    for name in ["a", "b"] {
        region.create(PODS, &pod(name)).await;
    }
    let table = region.get_as(&format!("{PODS}?limit=1"), TABLE).await.json();
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    let columns: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|column| column["name"].as_str())
        .collect();
    assert_eq!(&columns[..5], ["Name", "Ready", "Status", "Restarts", "Age"]);
    assert!(columns.contains(&"Node"), "{columns:?}");
    let row = &table["rows"][0];
    assert_eq!(row["cells"].as_array().unwrap().len(), columns.len());
    assert_eq!((&row["cells"][0], &row["cells"][2]), (&json!("a"), &json!("Pending")));
    assert_eq!(
        (&row["object"]["kind"], &row["object"]["apiVersion"]),
        (&json!("PartialObjectMetadata"), &json!("meta.k8s.io/v1"))
    );
    assert_eq!(row["object"]["metadata"]["name"], "a");
    assert!(table["metadata"]["continue"].is_string());

    let whole = region.get_as(&format!("{PODS}?includeObject=Object"), TABLE).await;
    assert_eq!(whole.at("/rows/1/object/spec/containers/0/name"), "main");
    let none = region.get_as(&format!("{PODS}?includeObject=None"), TABLE).await;
    assert_eq!(none.at("/rows/0/object"), Value::Null);
    let older = region.get_as(PODS, "application/json;as=Table;v=v1beta1;g=meta.k8s.io").await;
    assert_eq!(older.at("/apiVersion"), "meta.k8s.io/v1beta1");
}

#[tokio::test]
async fn one_object_becomes_a_table_of_one_row() {
    let region = Region::start().await;
    region.create(CONFIG_MAPS, &config_map("a")).await;
    let table = region.get_as(&format!("{CONFIG_MAPS}/a"), TABLE).await.json();
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"].as_array().unwrap().len(), 1);
    assert_eq!(table["rows"][0]["cells"][0], "a");
    region.get_as(&format!("{CONFIG_MAPS}/b"), TABLE).await.refused(
        404,
        "NotFound",
        "configmaps \"b\" not found",
    );
}

#[tokio::test]
async fn a_watch_of_tables_names_its_columns_once() {
    let region = Region::start().await;
    region.create(PODS, &pod("a")).await;
    let mut watch = region.watch(&format!("{PODS}?watch=true&resourceVersion=0"), TABLE).await;
    let first = watch.next().await.unwrap();
    assert_eq!((&first["type"], &first["object"]["kind"]), (&json!("ADDED"), &json!("Table")));
    assert!(first["object"]["columnDefinitions"].is_array());
    region.create(PODS, &pod("b")).await;
    let second = watch.next().await.unwrap();
    assert_eq!(second["object"]["columnDefinitions"], Value::Null);
    assert_eq!(second["object"]["rows"][0]["cells"][0], "b");
}

#[tokio::test]
async fn metadata_comes_alone_for_those_who_ask() {
    let region = Region::start().await;
    let created = region.create(PODS, &pod("a")).await;
    let list =
        region.get_as(PODS, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").await.json();
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("PartialObjectMetadataList"), &json!("meta.k8s.io/v1"))
    );
    let only = json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": created["metadata"] });
    assert_eq!(list["items"], json!([only]));
    let one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    assert_eq!(region.get_as(&format!("{PODS}/a"), one).await.json(), only);
    let mut watch = region.watch(&format!("{PODS}?watch=1&resourceVersion=0"), one).await;
    assert_eq!(watch.next().await.unwrap()["object"], only);
}
