//! The global scheduler's commands on worlds: from a file to a plan, and what can be asked about it.

use std::path::Path;

use serde_json::{Value, json};

use crate::folder::{Folder, data, keys};

fn example() -> Folder {
    let folder = Folder::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/global-world.yaml");
    folder.write("world.yaml", std::fs::read(file).expect("the example is there"));
    let solved = folder.json("global solve -f world.yaml --rounds 4");
    folder.write("plan.json", solved.to_string());
    folder
}

/// A world of two sites and one workload, for others to spoil.
fn small() -> Value {
    json!({
        "sites": [
            {"name": "a", "capacity": {"cpu": {"amount": 10, "price": 1}}, "jurisdiction": "eu"},
            {"name": "b", "capacity": {"cpu": {"amount": 10, "price": 2}}, "jurisdiction": "us"},
        ],
        "locations": [{"name": "home"}],
        "links": [
            {"from": "home", "to": "a", "latency": 10},
            {"from": "home", "to": "b", "latency": 20},
        ],
        "workloads": [{"name": "web", "usage": {"cpu": 1}, "rate": 10, "demand": {"home": 35}}],
    })
}

#[test]
fn the_example_is_planned_within_its_policies_and_the_rest_is_told() {
    let folder = example();
    let solved = folder.json("global solve -f world.yaml --rounds 4");
    assert_eq!(solved["feasible"], true);
    assert_eq!(solved["violations"], json!([]));
    assert!(solved["gap"].as_f64().unwrap() < 0.25, "{}", solved["gap"]);
    assert!(solved["bound"].as_f64().unwrap() <= solved["objective"].as_f64().unwrap());
    let workloads = &solved["plan"]["workloads"];
    assert_eq!(keys(workloads), ["database", "game", "inference", "records", "training", "web"]);
    assert_eq!(
        workloads["database"]["replicas"],
        json!({"berlin-edge": 1, "frankfurt": 1, "madrid-edge": 1})
    );
    assert_eq!(solved["unplaced"], json!([]));
    let text = folder.runs("global solve -f world.yaml --rounds 4 --map map.html").out;
    assert!(text.contains("feasible   yes") && text.contains("6 of 6 run"), "{text}");
    let page = String::from_utf8(folder.read("map.html")).expect("UTF-8");
    assert!(page.contains("frankfurt") && page.contains("</svg>"));
}

#[test]
fn a_failed_site_is_repaired_and_nothing_else_moves_first() {
    let folder = example();
    let lost = folder.json("global whatif -f world.yaml --plan plan.json --site-down frankfurt --rounds 4");
    assert_eq!(lost["feasible"], true);
    assert_eq!(lost["repaired"]["feasible"], true);
    for change in lost["repaired"]["changes"].as_array().unwrap() {
        let (before, after) = (change["before"].as_u64().unwrap(), change["after"].as_u64().unwrap());
        assert!(change["site"] == "frankfurt" && after == 0 || after > before, "{change}");
    }
    folder.write("after.json", lost.to_string());
    let same = folder.json("global plan diff plan.json plan.json");
    assert_eq!(same, json!({"moves": 0, "changes": []}));
    let diff = folder.json("global plan diff plan.json after.json");
    assert_eq!(diff["changes"], lost["changes"]);
    folder.fails(
        "global whatif -f world.yaml --plan plan.json --site-down atlantis",
        "sites: none is called \"atlantis\", want the name of one",
    );
}

#[test]
fn an_explanation_names_the_second_choice_and_what_binds() {
    let folder = example();
    let found = folder.json("global explain -f world.yaml --plan plan.json database");
    let sites = found["explanation"]["sites"].as_array().unwrap();
    assert_eq!(sites.len(), 3);
    let berlin = sites.iter().find(|site| site["site"] == "berlin-edge").unwrap();
    let others = berlin["others"].as_array().unwrap();
    assert_eq!(others.len(), 6);
    let virginia = others.iter().find(|other| other["site"] == "virginia").unwrap();
    assert_eq!(virginia["against"], json!(["residency"]));
    let binding = found["explanation"]["binding"].as_array().unwrap();
    assert!(binding.contains(&json!("residency")) && binding.contains(&json!("spread[0]")), "{binding:?}");
    let text = folder.runs("global explain -f world.yaml --plan plan.json database").out;
    assert!(text.contains("residency; spread[0]"), "{text}");
}

#[test]
fn a_workload_is_placed_beside_what_runs() {
    let folder = example();
    folder.write(
        "new.yaml",
        "name: cache\nusage: {memory: 8}\nrate: 100\ndemand: {berlin: 450}\nlatency: {most: 5}\n",
    );
    let placed = folder.json("global place -f world.yaml --plan plan.json --add new.yaml --rounds 2");
    assert_eq!(placed["feasible"], true);
    assert_eq!(
        placed["changes"],
        json!([{"workload": "cache", "site": "berlin-edge", "before": 0, "after": 5}])
    );
    assert_eq!(placed["moves"], 0);
    folder.write(
        "new.yaml",
        "name: cache\nusage: {memory: 8}\ndemand: {tokyo: 1}\nlatency: {most: 5}\nresidency: [eu]\n",
    );
    let placed = folder.json("global place -f world.yaml --plan plan.json --add new.yaml --rounds 2");
    assert_eq!(placed["conflict"], json!(["residency", "latency"]));
    assert_eq!(placed["changes"], json!([]));
}

#[test]
fn higher_priority_is_served_first_and_the_rest_says_what_it_would_need() {
    let mut world = small();
    let second =
        json!({"name": "vital", "usage": {"cpu": 1}, "rate": 10, "demand": {"home": 190}, "priority": 2});
    world["workloads"].as_array_mut().unwrap().push(second);
    let folder = Folder::new();
    folder.write("world.json", world.to_string());
    let solved = folder.json("global solve -f world.json --rounds 4");
    assert_eq!(solved["feasible"], true);
    assert_eq!(
        solved["unplaced"],
        json!([{
            "workload": "web",
            "demand": 25.0,
            "shortfalls": [],
            "cause": {"kind": "capacity", "replicas": 3, "need": {"cpu": 3.0}, "site": "a"},
        }])
    );
}

#[test]
fn policies_that_contradict_each_other_are_named() {
    for (policies, want) in [
        (json!({"allowed": ["b"], "residency": ["eu"], "priority": 3}), json!(["allowed", "residency"])),
        (
            json!({"allowed": ["b"], "forbidden": ["b"], "latency": {"most": 50}}),
            json!(["allowed", "forbidden"]),
        ),
        (json!({"residency": ["us"], "latency": {"most": 15}}), json!(["residency", "latency"])),
        (json!({"priceCeiling": 0.5}), json!(["priceCeiling"])),
        (json!({"usage": {"cpu": 11}}), json!(["capacity"])),
        (json!({"allowed": ["a"], "survivesSiteLoss": true}), json!(["allowed", "survivesSiteLoss"])),
        (
            json!({"spread": [{"over": "site", "most": 1}], "replicas": {"least": 3}}),
            json!(["spread[0]", "replicas"]),
        ),
        (json!({"spread": [{"over": "site", "least": 2}], "whole": true}), json!(["spread[0]", "whole"])),
    ] {
        let mut world = small();
        for (key, value) in policies.as_object().unwrap() {
            world["workloads"][0][key] = value.clone();
        }
        let folder = Folder::new();
        folder.write("world.json", world.to_string());
        let solved = folder.json("global solve -f world.json --rounds 2");
        assert_eq!(
            solved["unplaced"][0]["cause"],
            json!({"kind": "conflict", "policies": want}),
            "{policies}"
        );
        let runs_short = solved["unplaced"][0]["shortfalls"] != json!([]);
        assert_eq!(runs_short, solved["plan"]["workloads"] != json!({}), "{policies}");
    }
}

#[test]
fn a_world_that_cannot_be_is_refused_with_the_field() {
    type Spoil = fn(&mut Value);
    let cases: [(Spoil, &str); 16] = [
        (|world| world["links"][0]["latency"] = json!(-1), "links[0].latency: is -1, want 0 to 1e12"),
        (
            |world| world["sites"][1]["name"] = json!("a"),
            "sites[1].name: \"a\" is the name of sites[0] too, want another one",
        ),
        (
            |world| world["sites"][0]["capacity"] = json!({}),
            "sites[0].capacity: is empty, want at least one resource; an amount may be 0 where nothing is free",
        ),
        (|world| world["sites"] = json!([]), "sites: is empty, want at least one site"),
        (
            |world| world["workloads"][0]["demand"] = json!({"mars": 1}),
            "workloads[0].demand.mars: there is no such location, want the name of one in locations",
        ),
        (
            |world| world["links"] = json!([]),
            "workloads[0].demand.home: the location reaches no site, want a link to one, or coordinates at both ends and `distance`",
        ),
        (
            |world| world["workloads"][0]["usage"] = json!({"gpu": 1}),
            "workloads[0].usage.gpu: no site has this resource, want a key of sites[].capacity",
        ),
        (
            |world| world["workloads"][0]["demand"]["home"] = json!(1e13),
            "workloads[0].demand.home: is 10000000000000, want 0 to 1e12",
        ),
        (
            |world| world["workloads"][0]["demand"]["home"] = json!(1e12),
            "workloads[0].demand: asks for 100000000000 replicas of rate 10, want at most 1000000000",
        ),
        (|world| world["workloads"][0]["priority"] = json!(7), "workloads[0].priority: is 7, want 0 to 6"),
        (
            |world| world["workloads"][0]["latency"] = json!({"most": 5, "percentile": 0}),
            "workloads[0].latency.percentile: is 0, want 1 to 100",
        ),
        (
            |world| world["workloads"][0]["allowed"] = json!(["c"]),
            "workloads[0].allowed[0]: there is no site \"c\", want the name of one in sites",
        ),
        (
            |world| world["workloads"][0]["apart"] = json!([{"workload": "web"}]),
            "workloads[0].apart[0].workload: is the workload itself, want another one; `spread` keeps replicas of one apart",
        ),
        (
            |world| world["workloads"][0]["replicas"] = json!({"least": 3, "most": 2}),
            "workloads[0].replicas.most: is 2, want at least 3: as many as `least`, and one",
        ),
        (
            |world| world["workloads"][0]["demand"] = json!({}),
            "workloads[0].demand: nothing asks for a replica, want demand or `replicas.least`",
        ),
        (
            |world| world["links"][0]["to"] = json!("home"),
            "links[0].to: is where the link begins, want another site or location",
        ),
    ];
    let folder = Folder::new();
    for (spoil, want) in cases {
        let mut world = small();
        spoil(&mut world);
        folder.write("world.json", world.to_string());
        folder.fails("global solve -f world.json --rounds 1", &format!("in world.json: {want}"));
    }
}

#[test]
fn a_file_that_is_no_world_is_refused_with_the_field() {
    let folder = Folder::new();
    let text = small().to_string();
    for (text, want) in [
        (text.replace("\"latency\":10", "\"latency\":1e999"), "links[0].latency: number out of range"),
        (
            text.replace("\"latency\":10", "\"latency\":\"x\""),
            "links[0].latency: invalid type: string \"x\", expected f64",
        ),
        (text.replace("\"latency\":10", "\"delay\":10"), "links[0].delay: unknown field `delay`"),
        (
            text.replace("{\"home\":35}", "{\"home\":35,\"home\":36}"),
            "workloads[0].demand: the key \"home\" is given twice",
        ),
        (text.replace("\"rate\":10", "\"rate\":10,\"rate\":20"), "workloads[0]: duplicate field `rate`"),
        (text[..text.len() / 2].to_owned(), "EOF while parsing"),
        (
            "sites: [{name: a, capacity: {cpu: {amount: .inf}}}]".to_owned(),
            "the file: non-finite float `.inf`",
        ),
        ("sites: [".to_owned(), "the file: "),
        (String::new(), "the file: "),
    ] {
        folder.write("world", &text);
        folder.fails_with("global solve -f world --rounds 1", &["error: reading world: ", want]);
    }
    folder.write("world", small().to_string());
    folder.write("plan", "{\"plan\": {\"workloads\": {\"web\": {\"replicas\": {\"a\": -1}}}}}");
    folder.fails_with(
        "global solve -f world --running plan --rounds 1",
        &["error: reading plan: plan.workloads.web.replicas.a: invalid value: integer `-1`, expected u32"],
    );
}

#[test]
fn a_running_plan_is_kept_where_a_change_gains_too_little() {
    let folder = example();
    let again = folder.json("global solve -f world.yaml --running plan.json --least-gain 0.02 --rounds 4");
    assert_eq!(again["moves"], 0);
    let plan: Value = serde_json::from_slice(&folder.read("plan.json")).unwrap();
    assert_eq!(again["plan"]["workloads"]["web"]["replicas"], plan["plan"]["workloads"]["web"]["replicas"]);
}

#[test]
fn published_sites_and_users_become_a_world() {
    let Some(data) = data() else { return };
    let folder = Folder::new();
    for name in ["edge-servers_site-optus-melbCBD.csv", "users_users-melbcbd-generated.csv"] {
        folder.write(name, std::fs::read(data.join("eua").join(name)).expect("the tables are there"));
    }
    let tables = "--sites edge-servers_site-optus-melbCBD.csv --users users_users-melbcbd-generated.csv";
    let world = folder.runs(&format!("global import {tables}")).out;
    folder.write("world.json", &world);
    let world: Value = serde_json::from_str(&world).expect("a world in JSON");
    assert_eq!(world["sites"].as_array().unwrap().len(), 125);
    let users: f64 = world["workloads"][0]["demand"]
        .as_object()
        .unwrap()
        .values()
        .map(|users| users.as_f64().unwrap())
        .sum();
    assert_eq!(users, 816.0);
    let solved = folder.json("global solve -f world.json --rounds 2");
    assert_eq!(solved["feasible"], true);
    assert_eq!(solved["unplaced"], json!([]));
    folder.write("users.csv", "Latitude,Longitude\n-37.8,144.9\nx,144.9\n");
    folder.fails(
        "global import --sites edge-servers_site-optus-melbCBD.csv --users users.csv",
        "reading users.csv: line 3: the latitude is \"x\", want a number from -90 to 90",
    );
}
