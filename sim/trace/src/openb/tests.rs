use super::*;

const HOST_HEADER: &str = "sn,cpu_milli,memory_mib,gpu,model";
const POD_HEADER: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time";

fn hosts(rows: &str) -> Result<Vec<TraceHost>, TraceError> {
    parse_openb_hosts(format!("{HOST_HEADER}\n{rows}").as_bytes(), "nodes.csv")
}

fn pods(rows: &str, order: PodOrder) -> Result<Vec<TracePod>, TraceError> {
    parse_openb_pods(format!("{POD_HEADER}\n{rows}").as_bytes(), "pods.csv", order)
}

fn bad_host(row: &str, want: &str) {
    assert_eq!(hosts(&format!("ok,1,1,0,\n{row}\n")).unwrap_err().to_string(), want);
}

fn bad_pod(row: &str, want: &str) {
    let rows = format!("ok,1,1,0,0,,LS,Running,0,1,0\n{row}\n");
    assert_eq!(pods(&rows, PodOrder::File).unwrap_err().to_string(), want);
}

#[test]
fn hosts_are_read_with_and_without_devices() {
    let found = hosts("n0,64000,262144,2,P100\nn1,32000,262144,0,\n").unwrap();
    let first = TraceHost {
        name: "n0".into(),
        cpu_milli: 64_000,
        memory: 256 << 30,
        pods: OPENB_HOST_PODS,
        device_model: Some("P100".into()),
        device_count: 2,
        zone: None,
    };
    let second = TraceHost {
        name: "n1".into(),
        cpu_milli: 32_000,
        device_model: None,
        device_count: 0,
        ..first.clone()
    };
    assert_eq!(found, [first, second]);
}

#[test]
fn pods_are_read_with_models_and_times() {
    let found =
        pods("p0,12000,16384,1,460,T4|V100M16|T4,LS,Running,427061,427071,427061", PodOrder::File).unwrap();
    let want = TracePod {
        name: "p0".into(),
        tenant: OPENB_TENANT.into(),
        arrival_ms: 427_061_000,
        duration_ms: Some(10_000),
        cpu_milli: 12_000,
        memory: 16 << 30,
        device_count: 1,
        device_milli: 460,
        device_models: vec!["T4".into(), "V100M16".into()],
        priority: 0,
    };
    assert_eq!(found, [want]);
    let stays = pods("p0,0,0,0,0,,LS,Running,5,,", PodOrder::File).unwrap();
    assert_eq!((stays[0].arrival_ms, stays[0].duration_ms), (5_000, None));
}

#[test]
fn short_tables_have_no_times() {
    let input = "gpu_milli,num_gpu,memory_mib,cpu_milli,name\n500,1,2,3,p\n";
    let found = parse_openb_pods(input.as_bytes(), "f", PodOrder::Arrival).unwrap();
    assert_eq!((found[0].arrival_ms, found[0].duration_ms, found[0].cpu_milli), (0, None, 3));
    assert_eq!((found[0].device_count, found[0].device_milli, found[0].memory), (1, 500, 2 << 20));
}

#[test]
fn pods_come_in_the_order_asked_for() {
    let rows = "a,1,1,0,0,,,,7,9,\nb,1,1,0,0,,,,3,9,\nc,1,1,0,0,,,,7,8,\nd,1,1,0,0,,,,3,4,";
    let names = |order| pods(rows, order).unwrap().into_iter().map(|pod| pod.name).collect::<String>();
    assert_eq!(names(PodOrder::File), "abcd");
    assert_eq!(names(PodOrder::Arrival), "bdac");
}

#[test]
fn bad_hosts_are_refused() {
    bad_host(
        "n,0,1,0,",
        "nodes.csv, row 3, column cpu_milli: \"0\", want a whole number from 1 to 1000000000",
    );
    bad_host(
        "n,1,0,0,",
        "nodes.csv, row 3, column memory_mib: \"0\", want a whole number from 1 to 1073741824",
    );
    bad_host(
        "n,-1,1,0,",
        "nodes.csv, row 3, column cpu_milli: \"-1\", want a whole number from 1 to 1000000000",
    );
    bad_host(
        "n,1000000001,1,0,",
        "nodes.csv, row 3, column cpu_milli: \"1000000001\", want a whole number from 1 to 1000000000",
    );
    bad_host(
        "n,1,1073741825,0,",
        "nodes.csv, row 3, column memory_mib: \"1073741825\", want a whole number from 1 to 1073741824",
    );
    bad_host("n,1,1,65,T4", "nodes.csv, row 3, column gpu: \"65\", want a whole number from 0 to 64");
    bad_host("n,1,1,2,", "nodes.csv, row 3, column model: \"\", want a model, since device_count is 2");
    bad_host(",1,1,0,", "nodes.csv, row 3, column sn: \"\", want 1 to 253 bytes");
    bad_host("n,1,1,0", "nodes.csv, row 3: 4 fields, want 5");
    bad_host(
        "ok,1,1,0,",
        "nodes.csv, row 3, column sn: \"ok\" is already the name of row 2, want unique names",
    );
    let error = parse_openb_hosts("sn,cpu_milli,gpu,model\n".as_bytes(), "nodes.csv").unwrap_err();
    assert_eq!(error.to_string(), "nodes.csv, row 1: no column memory_mib, want it in the header");
}

#[test]
fn bad_pods_are_refused() {
    bad_pod(
        "p,1,1,0,0,,,,10,9,",
        "pods.csv, row 3, column deletion_time: \"9\", want 10 (creation_time) or later: this is a time that runs backwards",
    );
    bad_pod(
        "p,1,1,0,0,,,,-1,9,",
        "pods.csv, row 3, column creation_time: \"-1\", want a whole number from 0 to 9007199254740",
    );
    bad_pod(
        "p,1.5,1,0,0,,,,1,9,",
        "pods.csv, row 3, column cpu_milli: \"1.5\", want a whole number from 0 to 9007199254740991",
    );
    bad_pod(
        "p,1,8589934592,0,0,,,,1,9,",
        "pods.csv, row 3, column memory_mib: \"8589934592\", want a whole number from 0 to 8589934591",
    );
    bad_pod("p,1,1,1,0,,,,1,9,", "pods.csv, row 3, column gpu_milli: \"0\", want 1 to 1000");
    bad_pod("p,1,1,1,1001,,,,1,9,", "pods.csv, row 3, column gpu_milli: \"1001\", want 1 to 1000");
    bad_pod(
        "p,1,1,0,500,,,,1,9,",
        "pods.csv, row 3, column gpu_milli: \"500\", want 0, since device_count is 0",
    );
    bad_pod(
        "p,1,1,65,500,,,,1,9,",
        "pods.csv, row 3, column num_gpu: \"65\", want a whole number from 0 to 64",
    );
    bad_pod(
        "p,1,1,1,500,T4||A10,,,1,9,",
        "pods.csv, row 3, column gpu_spec: \"T4||A10\", want no empty model",
    );
    bad_pod(
        "ok,1,1,0,0,,,,1,9,",
        "pods.csv, row 3, column name: \"ok\" is already the name of row 2, want unique names",
    );
}

#[test]
fn the_published_tables_are_read() {
    let Some(folder) = std::env::var_os("MERIDIAN_DATA") else {
        println!("skipped: MERIDIAN_DATA names no folder with traces");
        return;
    };
    let folder = Path::new(&folder).join("openb");
    let count = |name: &str| read_openb_hosts(&folder.join(name)).unwrap().len();
    assert_eq!(count("openb_node_list_gpu_node.csv"), 1_213);
    assert_eq!(count("openb_node_list_all_node.csv"), 1_523);
    for (name, want) in [
        ("cpu250", 9_420),
        ("default", 8_152),
        ("gpushare40", 8_152),
        ("gpuspec10", 8_152),
        ("multigpu20", 8_324),
    ] {
        let path = folder.join(format!("openb_pod_list_{name}.csv"));
        assert_eq!(read_openb_pods(&path, PodOrder::File).unwrap().len(), want, "{name}");
        assert!(
            read_openb_pods(&path, PodOrder::Arrival).unwrap().is_sorted_by_key(|pod| pod.arrival_ms),
            "{name}"
        );
    }
    let error = read_openb_pods(&folder.join("none.csv"), PodOrder::File).unwrap_err();
    assert!(matches!(error, TraceError::Open { .. }), "{error}");
}
