//! Arguments that make no sense: each is refused with what would be right.

use crate::folder::Folder;
use crate::trace::{HOSTS, OPENB_HOSTS, OPENB_PODS, PODS, openb, tables};

const TABLES: &str = "sim tables --nodes hosts.csv --pods pods.csv";
const POLICIES: &str =
    "meridian, kubernetes, least-allocated, most-allocated, first-fit, best-fit, fgd, fragmentation";

#[test]
fn an_unknown_policy() {
    let want = format!("policy \"tightest\" is unknown, want one of {POLICIES}");
    tables(HOSTS, PODS).fails(&format!("{TABLES} --policy tightest"), &want);
    let folder = openb(OPENB_HOSTS, OPENB_PODS);
    folder.fails("sim openb --nodes nodes.csv --pods pods.csv --policy tightest", &want);
    folder.fails("explain synthetic pod-00000000 --policy tightest", &want);
    folder.fails_with("bench sim/synthetic --hosts 10 --policy tightest", &[&want]);
}

#[test]
fn a_profile_with_an_unknown_plugin() {
    let folder = tables(HOSTS, PODS);
    folder.write(
        "profile.yaml",
        "apiVersion: kubescheduler.config.k8s.io/v1\n\
         kind: KubeSchedulerConfiguration\n\
         profiles:\n\
         - schedulerName: mine\n\
        \x20 plugins:\n\
        \x20   score:\n\
        \x20     enabled: [{name: MostFun}]\n",
    );
    folder.fails_with(
        &format!("{TABLES} --profile profile.yaml"),
        &[
            "error: reading profile.yaml: profiles[0].plugins.score.enabled[0].name: unknown plugin \"MostFun\", want \
             one of NodeUnschedulable, NodeName, TaintToleration, NodeAffinity, NodePorts, NodeResourcesFit, ",
        ],
    );
}

#[test]
fn a_profile_that_is_something_else() {
    let folder = tables(HOSTS, PODS);
    folder.write("profile.yaml", "apiVersion: v1\nkind: Pod\n");
    folder.fails(
        &format!("{TABLES} --profile profile.yaml"),
        "reading profile.yaml: apiVersion is \"v1\", want kubescheduler.config.k8s.io/v1 or meridian.io/v1",
    );
    folder.write("profile.yaml", "profiles: [");
    folder.fails_with(
        &format!("{TABLES} --profile profile.yaml"),
        &["error: reading profile.yaml: ", "line 1"],
    );
    folder.write("profile.yaml", b"\xff\xff");
    folder
        .fails_with(&format!("{TABLES} --profile profile.yaml"), &["error: reading profile.yaml: ", "UTF-8"]);
}

#[test]
fn a_profile_that_is_missing() {
    tables(HOSTS, PODS).fails(
        &format!("{TABLES} --profile none.yaml"),
        "reading none.yaml: No such file or directory (os error 2)",
    );
}

#[test]
fn a_scheduler_name_that_the_profiles_do_not_have() {
    let folder = tables(HOSTS, PODS);
    folder.write(
        "profile.yaml",
        "apiVersion: meridian.io/v1\n\
         kind: SchedulerConfiguration\n\
         profiles:\n\
         - schedulerName: packing\n\
         - schedulerName: spreading\n",
    );
    folder.fails(
        &format!("{TABLES} --profile profile.yaml --scheduler-name missing"),
        "profile.yaml: no profile of schedulerName \"missing\", want one of packing, spreading",
    );
    let report = folder.json(&format!("{TABLES} --profile profile.yaml --scheduler-name spreading"));
    assert_eq!(report["policy"], "spreading");
    // A name without a file to look in means nothing.
    folder.fails_with(&format!("{TABLES} --scheduler-name spreading"), &["--profile <FILE>"]);
    folder.fails_with(&format!("{TABLES} --profile profile.yaml --policy fgd"), &["cannot be used with"]);
}

#[test]
fn an_end_that_is_no_time() {
    let folder = tables(HOSTS, PODS);
    folder.fails(&format!("{TABLES} --until -1"), "--until is -1, want hours above 0, at most 2501999792");
    folder.fails(&format!("{TABLES} --until 0"), "--until is 0, want hours above 0, at most 2501999792");
    folder.fails(&format!("{TABLES} --until nan"), "--until is NaN, want hours above 0, at most 2501999792");
    // Further than any trace can reach: the clock would overflow.
    folder.fails(&format!("{TABLES} --until inf"), "--until is inf, want hours above 0, at most 2501999792");
    folder.fails(
        &format!("{TABLES} --until 3e9"),
        "--until is 3000000000, want hours above 0, at most 2501999792",
    );
    folder.fails_with(&format!("{TABLES} --until soon"), &["'soon'", "--until <HOURS>"]);
}

#[test]
fn an_experiment_without_runs_or_arrivals() {
    let folder = openb(OPENB_HOSTS, OPENB_PODS);
    let openb = "sim openb --nodes nodes.csv --pods pods.csv";
    folder.fails(&format!("{openb} --seeds 0"), "seeds is 0, want 1 to 1000");
    folder.fails(&format!("{openb} --seeds 1001"), "seeds is 1001, want 1 to 1000");
    for (arrivals, shown) in
        [("0", "0"), ("-1", "-1"), ("nan", "NaN"), ("1e300", &format!("1{}", "0".repeat(300)))]
    {
        folder.fails(
            &format!("{openb} --arrivals {arrivals}"),
            &format!("arrivals is {shown}, want 0.1 to 10 (times the capacity)"),
        );
    }
}

#[test]
fn an_experiment_without_gpus() {
    let openb_run = "sim openb --nodes nodes.csv --pods pods.csv";
    let none = OPENB_HOSTS.replace(",4,V100M32", ",0,").replace(",1,T4", ",0,");
    openb(&none, OPENB_PODS).fails(
        openb_run,
        "the hosts have no devices, the experiment measures how many of them are allocated",
    );
    let header = OPENB_PODS.lines().next().unwrap_or_default();
    let pods = format!("{header}\nplain,4000,8192,0,0,,LS,Running,0,100,1\n");
    openb(OPENB_HOSTS, &pods)
        .fails(openb_run, "no pod of the trace asks for devices, arrivals would never reach the capacity");
}

#[test]
fn the_largest_seed_is_a_seed() {
    let folder = openb(OPENB_HOSTS, OPENB_PODS);
    let arguments = "sim openb --nodes nodes.csv --pods pods.csv --policy fgd --seeds 3";
    folder.runs(&format!("{arguments} --seed 18446744073709551615"));
}

#[test]
fn a_region_out_of_bounds() {
    let folder = Folder::new();
    folder.fails("sim synthetic --hosts 0", "synthetic trace: hosts is 0, want 1 to 1000000");
    folder.fails("sim synthetic --hours 0", "synthetic trace: hours is 0, want 1 to 8784");
    folder.fails("sim synthetic --load nan", "synthetic trace: load is NaN, want 0.001 to 10");
    folder.fails("sim synthetic --gpu-share 1.5", "synthetic trace: gpu_share is 1.5, want 0 to 1");
    folder.fails_with("sim synthetic --hosts -5", &["invalid value '-5' for '--hosts <HOSTS>'"]);
}

#[test]
fn a_bench_that_there_is_not() {
    Folder::new().fails_with(
        "bench engine/speed",
        &["bench \"engine/speed\" is unknown, want one of engine/basic, engine/mixed, ", ", sim/synthetic"],
    );
}

#[test]
fn a_bench_of_nothing() {
    let folder = Folder::new();
    for bench in ["engine/basic", "engine/mixed", "engine/distinct", "engine/latency", "sim/synthetic"] {
        folder.fails(&format!("bench {bench} --hosts 0"), "hosts is 0, want 1 to 10000000");
    }
    folder.fails("bench engine/basic --pods 0", "pods is 0, want 1 to 10000000");
    folder.fails("bench engine/mixed --hosts 10 --classes 0", "classes is 0, want 1 to 10000000");
    folder.fails("bench sim/openb", "MERIDIAN_DATA is not set, want the folder that holds openb/");
}

#[test]
fn results_that_cannot_be_written() {
    let folder = tables(HOSTS, PODS);
    folder.write("file", "");
    folder.fails_with(&format!("{TABLES} --report none/page.html"), &["error: writing none/page.html"]);
    folder.fails_with(&format!("{TABLES} --parquet file"), &["error: creating file"]);
    folder.fails_with("sim convert tables --nodes hosts.csv --pods pods.csv --to file", &["creating file"]);
}
