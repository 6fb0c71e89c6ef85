//! Traces that cannot be what their author meant: each is refused with file, row, column and what would be right.

use crate::folder::Folder;
use crate::trace::{HOSTS, LOG, OPENB_HOSTS, OPENB_PODS, PODS, gzip, log, openb, tables};

const TABLES: &str = "sim tables --nodes hosts.csv --pods pods.csv";
const OPENB: &str = "sim openb --nodes nodes.csv --pods pods.csv --policy best-fit --seeds 1";
const SWF: &str = "sim swf --trace log.swf --hosts 2";

#[test]
fn a_broken_row() {
    let folder = tables(HOSTS, &PODS.replace("two,blue,1000,60000,2000,", "two,blue,1000,60000,"));
    folder.fails(TABLES, "pods.csv, row 3: 5 fields, want 6");
    let folder = tables(HOSTS, &PODS.replace("two,", "\"two,"));
    folder.fails(
        TABLES,
        "pods.csv, row 3, column 1: a stray quote, want \"...\" around a whole value, in one line",
    );
    let folder = log(&LOG.replace("2 60 -1 1800 8", "2 60 -1 1800"));
    folder.fails(SWF, "reading the trace: log.swf, row 4: 17 fields, want 18");
    let folder = openb(OPENB_HOSTS, &OPENB_PODS.replace("whole,8000,", "whole,"));
    folder.fails(OPENB, "pods.csv, row 3: 10 fields, want 11");
}

#[test]
fn bytes_that_are_no_text() {
    let folder = tables(HOSTS, "");
    folder.write("pods.csv", [PODS.as_bytes(), b"\xff\xfe,red,0,1,1,1\n"].concat());
    folder.fails(TABLES, "pods.csv, row 5, column name: not UTF-8, want text in UTF-8");
}

#[test]
fn a_missing_column() {
    let folder = tables(HOSTS, &PODS.replace("memory", "priority"));
    folder.fails(TABLES, "pods.csv, row 1: no column memory, want it in the header");
    let folder = tables(&HOSTS.replace("cpu_milli", "zone"), PODS);
    folder.fails(TABLES, "hosts.csv, row 1: no column cpu_milli, want it in the header");
    let folder = openb(&OPENB_HOSTS.replace("gpu,model", "gpus,model"), OPENB_PODS);
    folder.fails(OPENB, "nodes.csv, row 1: no column gpu, want it in the header");
}

#[test]
fn a_misspelt_column() {
    let folder = tables(HOSTS, &PODS.replace("duration_ms", "duration"));
    folder.fails(
        TABLES,
        "pods.csv, row 1: unknown column \"duration\", want some of name, arrival_ms, cpu_milli, memory, tenant, \
         duration_ms, device_count, device_milli, device_models, priority",
    );
}

#[test]
fn a_number_out_of_range() {
    let folder = tables(HOSTS, &PODS.replace("2000,1073741824\nthree", "-2000,1073741824\nthree"));
    folder.fails(
        TABLES,
        "pods.csv, row 3, column cpu_milli: \"-2000\", want a whole number from 0 to 9007199254740991",
    );
    let folder = tables(HOSTS, &PODS.replace("one,red,0", "one,red,99999999999999999999"));
    folder.fails(
        TABLES,
        "pods.csv, row 2, column arrival_ms: \"99999999999999999999\", want a whole number from 0 to 9007199254740991",
    );
    let folder = openb(OPENB_HOSTS, &OPENB_PODS.replace("8192,1,500", "8192,1,1500"));
    folder.fails(OPENB, "pods.csv, row 2, column gpu_milli: \"1500\", want 1 to 1000");
    let folder = log(&LOG.replace("2 60 -1 1800 8", "2 60 -1 many 8"));
    folder.fails(
        SWF,
        "reading the trace: log.swf, row 4, column run time: \"many\", want a whole number from 0 to \
         9007199254740991, or -1 for unknown",
    );
}

#[test]
fn a_time_that_runs_backwards() {
    let folder = log(&LOG.replace("3 90 ", "3 30 "));
    folder.fails(
        SWF,
        "reading the trace: log.swf, row 5, column submit time: \"30\", want 60 or later, as the job before: this is a \
         time that runs backwards",
    );
    let folder = openb(OPENB_HOSTS, &OPENB_PODS.replace("Running,10,200,11", "Running,10,9,11"));
    folder.fails(
        OPENB,
        "pods.csv, row 3, column deletion_time: \"9\", want 10 (creation_time) or later: this is a time that runs \
         backwards",
    );
}

/// Tables written by hand need not be sorted: arrivals are brought into order, which is not a time that runs backwards.
#[test]
fn arrivals_of_a_csv_table_come_in_any_order() {
    let mut lines: Vec<&str> = PODS.lines().collect();
    lines.swap(1, 3);
    let digest = |folder: &Folder| folder.json(TABLES)["summary"]["placement_digest"].clone();
    assert_eq!(digest(&tables(HOSTS, &lines.join("\n"))), digest(&tables(HOSTS, PODS)));
}

#[test]
fn duplicate_names() {
    let folder = tables(HOSTS, &PODS.replace("three,", "one,"));
    folder.fails(
        TABLES,
        "pods.csv, row 4, column name: \"one\" is already the name of row 2, want unique names",
    );
    let folder = tables(&HOSTS.replace("beta", "alpha"), PODS);
    folder.fails(
        TABLES,
        "hosts.csv, row 3, column name: \"alpha\" is already the name of row 2, want unique names",
    );
    let folder = openb(&OPENB_HOSTS.replace("gpu-1", "gpu-0"), OPENB_PODS);
    folder.fails(
        OPENB,
        "nodes.csv, row 3, column sn: \"gpu-0\" is already the name of row 2, want unique names",
    );
    let folder = log(&LOG.replace("3 90 ", "2 90 "));
    folder.fails(
        SWF,
        "reading the trace: log.swf, row 5, column job number: \"2\", want more than 2, the number of the job before",
    );
}

#[test]
fn an_empty_file() {
    tables(HOSTS, "").fails(TABLES, "pods.csv: holds no rows, want at least one");
    tables("", PODS).fails(TABLES, "hosts.csv: holds no rows, want at least one");
    let header = PODS.lines().next().unwrap_or_default();
    tables(HOSTS, header).fails(TABLES, "pods.csv: holds no rows, want at least one after the header");
    log("").fails(SWF, "log.swf: holds no rows, want at least one");
    log("; Version: 2.2\n").fails(SWF, "log.swf: holds no rows, want at least one after the header");
    openb("", OPENB_PODS).fails(OPENB, "nodes.csv: holds no rows, want at least one");
    let folder = tables(HOSTS, PODS);
    folder.write("pods.parquet", "");
    folder.fails_with(
        "sim tables --nodes hosts.csv --pods pods.parquet",
        &["error: pods.parquet: not a readable Parquet file after row 0"],
    );
}

#[test]
fn a_gzip_that_ends_early() {
    // Far more than a reader's buffer, so that rows come out before the end is missed.
    let mut long = LOG.to_owned();
    for number in 4..20_000 {
        long += &format!(
            "{number} {} -1 600 2 -1 -1 2 -1 -1 1 {} 2 -1 -1 -1 -1 -1\n",
            number + 100,
            number * 7919 % 997
        );
    }
    let whole = gzip(&long);
    let folder = log("");
    folder.write("log.swf", &whole).runs(SWF);
    for share in [2, 10, 90] {
        folder.write("log.swf", &whole[..whole.len() * share / 100]);
        folder.fails_with(
            SWF,
            &["log.swf: the gzip data ends early, after row ", ": the file was cut off, fetch it again"],
        );
    }
    for bytes in [2, 5, 10, 11] {
        folder.write("log.swf", &whole[..bytes]);
        folder.fails(
            SWF,
            "log.swf: the gzip data ends early, after row 0: the file was cut off, fetch it again",
        );
    }
}

#[test]
fn a_parquet_table_that_is_cut_off() {
    let folder = tables(HOSTS, PODS);
    folder.runs("sim convert tables --nodes hosts.csv --pods pods.csv --to kept");
    let whole = folder.read("kept/pods.parquet");
    folder.write("cut.parquet", &whole[..whole.len() / 2]);
    folder.fails_with(
        "sim tables --nodes kept/hosts.parquet --pods cut.parquet",
        &["error: cut.parquet: not a readable Parquet file after row 0"],
    );
    // The other table of the pair, or a text with the wrong name, is told apart before it is read.
    folder.fails(
        "sim tables --nodes kept/hosts.parquet --pods kept/hosts.parquet",
        "kept/hosts.parquet: the table is of format \"meridian.trace.hosts\", want \"meridian.trace.pods\"",
    );
}

#[test]
fn hosts_with_zero_capacity() {
    let folder = tables(&HOSTS.replace("beta,4000", "beta,0"), PODS);
    folder
        .fails(TABLES, "hosts.csv, row 3, column cpu_milli: \"0\", want a whole number from 1 to 1000000000");
    let folder = openb(&OPENB_HOSTS.replace("gpu-1,64000,262144", "gpu-1,64000,0"), OPENB_PODS);
    folder
        .fails(OPENB, "nodes.csv, row 3, column memory_mib: \"0\", want a whole number from 1 to 1073741824");
    log(LOG).fails("sim swf --trace log.swf --hosts 2 --host-cpus 0", "--host-cpus is 0, want 1 to 1000000");
}

#[test]
fn hosts_with_negative_capacity() {
    let folder = tables(&HOSTS.replace("beta,4000", "beta,-4000"), PODS);
    folder.fails(
        TABLES,
        "hosts.csv, row 3, column cpu_milli: \"-4000\", want a whole number from 1 to 1000000000",
    );
    let folder = openb(&OPENB_HOSTS.replace("262144,1,T4", "262144,-1,T4"), OPENB_PODS);
    folder.fails(OPENB, "nodes.csv, row 3, column gpu: \"-1\", want a whole number from 0 to 64");
    log(LOG).fails_with(
        "sim swf --trace log.swf --hosts 2 --host-cpus -8",
        &["invalid value '-8' for '--host-cpus <HOST_CPUS>': -8 is not in 0..=4294967295"],
    );
}

#[test]
fn hosts_with_absurd_capacity() {
    let folder = tables(&HOSTS.replace("beta,4000", "beta,4000000000000"), PODS);
    folder.fails(
        TABLES,
        "hosts.csv, row 3, column cpu_milli: \"4000000000000\", want a whole number from 1 to 1000000000",
    );
    let folder = tables(&HOSTS.replace("beta,4000,8589934592", "beta,4000,99999999999999999"), PODS);
    folder.fails(
        TABLES,
        "hosts.csv, row 3, column memory: \"99999999999999999\", want a whole number from 1 to 1125899906842624",
    );
    let folder = openb(&OPENB_HOSTS.replace("262144,1,T4", "262144,65,T4"), OPENB_PODS);
    folder.fails(OPENB, "nodes.csv, row 3, column gpu: \"65\", want a whole number from 0 to 64");
    let folder = log(LOG);
    folder.fails("sim swf --trace log.swf --hosts 4000000000", "--hosts is 4000000000, want 1 to 1000000");
    folder.fails(
        "sim swf --trace log.swf --host-cpus 4000000000",
        "--host-cpus is 4000000000, want 1 to 1000000",
    );
}

#[test]
fn a_file_that_does_not_exist() {
    let folder = tables(HOSTS, PODS);
    for arguments in [
        "sim tables --nodes hosts.csv --pods none.csv",
        "sim tables --nodes none.csv --pods pods.csv",
        "sim openb --nodes none.csv --pods pods.csv",
        "sim swf --trace none.csv",
        "sim convert tables --nodes hosts.csv --pods none.csv --to kept",
        "explain tables one --nodes none.csv --pods pods.csv",
    ] {
        folder.fails(arguments, "cannot open none.csv: No such file or directory (os error 2)");
    }
}

#[test]
fn a_table_whose_name_tells_no_format() {
    let folder = tables(HOSTS, PODS);
    folder.write("pods.xlsx", PODS).write("hosts", HOSTS);
    folder.fails(
        "sim tables --nodes hosts.csv --pods pods.xlsx",
        "pods.xlsx: want a name that ends in .csv or .parquet",
    );
    folder.fails(
        "sim tables --nodes hosts --pods pods.csv",
        "hosts: want a name that ends in .csv or .parquet",
    );
}
