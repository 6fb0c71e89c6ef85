use super::*;

fn bad_host(input: &str, want: &str) {
    assert_eq!(parse_csv_hosts(input.as_bytes(), "h.csv").unwrap_err().to_string(), want);
}

fn bad_pod(input: &str, want: &str) {
    assert_eq!(parse_csv_pods(input.as_bytes(), "p.csv", PodOrder::File).unwrap_err().to_string(), want);
}

#[test]
fn hosts_have_defaults() {
    let least = parse_csv_hosts("name,cpu_milli,memory\nh,1000,5\n".as_bytes(), "h.csv").unwrap();
    let want = TraceHost {
        name: "h".into(),
        cpu_milli: 1000,
        memory: 5,
        pods: DEFAULT_HOST_PODS,
        device_model: None,
        device_count: 0,
        zone: None,
    };
    assert_eq!(least, [want]);
    let input = "zone,name,cpu_milli,memory,pods,device_model,device_count\nz,h,1,2,3,T4,4\n,i,1,2,,,\n";
    let all = parse_csv_hosts(input.as_bytes(), "h.csv").unwrap();
    assert_eq!((all[0].pods, all[0].device_model.as_deref(), all[0].device_count), (3, Some("T4"), 4));
    assert_eq!(
        (all[0].zone.as_deref(), all[1].zone.as_deref(), all[1].pods),
        (Some("z"), None, DEFAULT_HOST_PODS)
    );
}

#[test]
fn pods_have_defaults() {
    let input = "name,arrival_ms,cpu_milli,memory\np,7,0,0\n";
    let least = parse_csv_pods(input.as_bytes(), "p.csv", PodOrder::File).unwrap();
    let want =
        TracePod { name: "p".into(), tenant: DEFAULT_TENANT.into(), arrival_ms: 7, ..TracePod::default() };
    assert_eq!(least, [want]);
    let input = "name,tenant,arrival_ms,duration_ms,cpu_milli,memory,device_count,device_milli,device_models,priority\n\
        \"p, 1\",t,9,8,7,6,2,,\"T4|A10\",-3\nq,,1,,1,1,1,250,,\n";
    let all = parse_csv_pods(input.as_bytes(), "p.csv", PodOrder::Arrival).unwrap();
    assert_eq!((all[1].name.as_str(), all[1].duration_ms, all[1].device_milli), ("p, 1", Some(8), 1000));
    assert_eq!((all[1].device_models.join(" ").as_str(), all[1].priority), ("T4 A10", -3));
    assert_eq!(
        (all[0].tenant.as_str(), all[0].duration_ms, all[0].device_milli),
        (DEFAULT_TENANT, None, 250)
    );
}

#[test]
fn misspelt_columns_are_refused() {
    bad_host(
        "name,cpu_milli,memory,zones\nh,1,1,a\n",
        "h.csv, row 1: unknown column \"zones\", want some of name, cpu_milli, memory, pods, device_model, device_count, zone",
    );
    bad_pod(
        "name,arrival,cpu_milli,memory\n",
        "p.csv, row 1: unknown column \"arrival\", want some of name, arrival_ms, cpu_milli, memory, tenant, duration_ms, device_count, device_milli, device_models, priority",
    );
    bad_pod("name,cpu_milli,memory\n", "p.csv, row 1: no column arrival_ms, want it in the header");
}

#[test]
fn bad_values_are_refused() {
    bad_host(
        "name,cpu_milli,memory\nh,0,1\n",
        "h.csv, row 2, column cpu_milli: \"0\", want a whole number from 1 to 1000000000",
    );
    bad_host(
        "name,cpu_milli,memory,pods\nh,1,1,-1\n",
        "h.csv, row 2, column pods: \"-1\", want a whole number from 0 to 9007199254740991",
    );
    // The table has no column to blame, so the field's own name and value stand in.
    bad_host(
        "name,cpu_milli,memory,device_count\nh,1,1,1\n",
        "h.csv, row 2, column device_model: \"\", want a model, since device_count is 1",
    );
    bad_pod(
        "name,arrival_ms,cpu_milli,memory\np,-1,1,1\n",
        "p.csv, row 2, column arrival_ms: \"-1\", want a whole number from 0 to 9007199254740991",
    );
    bad_pod(
        "name,arrival_ms,cpu_milli,memory,priority\np,1,1,1,2147483648\n",
        "p.csv, row 2, column priority: \"2147483648\", want a whole number from -2147483648 to 2147483647",
    );
    bad_pod(
        "name,arrival_ms,cpu_milli,memory\np,1,1,1\n\np,2,1,1\n",
        "p.csv, row 4, column name: \"p\" is already the name of row 2, want unique names",
    );
}
