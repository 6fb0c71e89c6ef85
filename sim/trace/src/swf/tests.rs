use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const HEADER: &str = "; Version: 2.2\n; Computer: old\n;  Note: a: b\n";
const JOB: &str = "5 10 -1 60 4 -1 -1 8 100 2048 1 7 3 -1 -1 1 -1 -1";

fn open(input: impl AsRef<[u8]>) -> Result<Swf, TraceError> {
    Swf::new(Cursor::new(input.as_ref().to_vec()), "log.swf", SwfOptions::default())
}

fn read(input: impl AsRef<[u8]>) -> Result<(Vec<TracePod>, Skipped), TraceError> {
    let mut swf = open(input)?;
    let pods = swf.by_ref().collect::<Result<_, _>>()?;
    Ok((pods, swf.skipped().clone()))
}

fn check(input: impl AsRef<[u8]>, want: &str) {
    assert_eq!(read(input).unwrap_err().to_string(), want);
}

/// A job with some fields set; the first is 1.
fn job(number: u32, fields: &[(usize, &str)]) -> String {
    let mut line: Vec<&str> = JOB.split(' ').collect();
    let number = number.to_string();
    line[0] = &number;
    for (field, value) in fields {
        line[field - 1] = value;
    }
    line.join(" ")
}

fn gzip(input: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(input.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_job_becomes_a_pod() {
    let want = TracePod {
        name: "job-5".into(),
        tenant: "group-3".into(),
        arrival_ms: 10_000,
        duration_ms: Some(60_000),
        cpu_milli: 8_000,
        memory: 8 * (2 << 20),
        ..TracePod::default()
    };
    assert_eq!(read(JOB).unwrap(), (vec![want], Skipped::default()));
}

#[test]
fn what_is_unknown_has_a_rule() {
    let pod = |fields: &[(usize, &str)]| read(job(1, fields)).unwrap().0.remove(0);
    assert_eq!(pod(&[(8, "-1")]).cpu_milli, 4_000);
    assert_eq!(pod(&[(8, "0")]).cpu_milli, 4_000);
    assert_eq!(pod(&[(10, "-1"), (7, "1024")]).memory, 8 << 20);
    assert_eq!(pod(&[(10, "-1")]).memory, 8 * (2 << 30));
    assert_eq!(pod(&[(13, "-1")]).tenant, "user-7");
    assert_eq!(pod(&[(13, "-1"), (12, "-1")]).tenant, "unknown");
    // Fractions are tolerated where they do not matter.
    assert_eq!(pod(&[(6, "59.37"), (3, "0.5")]).cpu_milli, 8_000);
}

#[test]
fn jobs_without_a_pod_are_counted() {
    let lines = [
        job(1, &[]),
        job(2, &[(4, "-1")]),
        job(3, &[(4, "0")]),
        job(4, &[(5, "-1"), (8, "-1")]),
        job(5, &[(5, "0"), (8, "-1")]),
        job(6, &[(2, "-1")]),
        job(7, &[(11, "2")]),
        job(7, &[(11, "3")]),
        job(7, &[]),
    ];
    let (pods, skipped) = read(lines.join("\n")).unwrap();
    assert_eq!(pods.len(), 2);
    assert_eq!(skipped, Skipped { processors: 2, submit_time: 1, run_time: 1, zero_run_time: 1, partial: 2 });
    assert_eq!(skipped.total(), 7);
}

#[test]
fn header_comments_and_blank_lines() {
    let input = format!("{HEADER}\r\n; B\u{fffd}d: x\n\n  {JOB}\r\n; in between\n\n{}", job(6, &[]));
    let mut swf = open(input).unwrap();
    let header = swf.header();
    assert_eq!(header[0], ("Version".to_owned(), "2.2".to_owned()));
    assert_eq!(header[2], ("Note".to_owned(), "a: b".to_owned()));
    assert_eq!(header.len(), 4);
    assert_eq!(swf.by_ref().filter(Result::is_ok).count(), 2);
    assert!(swf.next().is_none());
    // A comment in an older encoding is no reason to refuse the jobs.
    assert_eq!(read([b"; Name: Andr\xe9\n", JOB.as_bytes()].concat()).unwrap().0.len(), 1);
}

#[test]
fn bad_logs_are_refused() {
    check("", "log.swf: holds no rows, want at least one");
    check(HEADER, "log.swf: holds no rows, want at least one after the header");
    check(format!("; Version: 3.0\n{JOB}"), "log.swf, column Version: \"3.0\", want version 2 of the format");
    check(format!("{JOB}\n1 2 3"), "log.swf, row 2: 3 fields, want 18");
    check(format!("{JOB} 1"), "log.swf, row 1: 19 fields, want 18");
    check(
        job(1, &[(4, "1.5")]),
        "log.swf, row 1, column run time: \"1.5\", want a whole number from 0 to 9007199254740991, or -1 for unknown",
    );
    check(
        job(1, &[(8, "-2")]),
        "log.swf, row 1, column requested processors: \"-2\", want a whole number from 0 to 9007199254740991, or -1 for unknown",
    );
    check(job(1, &[(6, "x")]), "log.swf, row 1, column average CPU time used: \"x\", want a number");
    check(job(1, &[(18, "inf")]), "log.swf, row 1, column think time: \"inf\", want a number");
    let latin = [b"1 \xe9".as_slice(), &b" 1".repeat(16)].concat();
    check(latin, "log.swf, row 1, column submit time: not UTF-8, want text in UTF-8");
    check("; x\n".repeat(10) + &"7 ".repeat(40_000), "log.swf, row 11: the line is longer than 65536 bytes");
    let long = format!("; {}\n", "x".repeat(60_000)).repeat(20);
    check(long, "log.swf, row 18: the header is longer than 1048576 bytes");
}

#[test]
fn times_and_numbers_must_grow() {
    check(
        format!("{HEADER}{}\n{}", job(1, &[]), job(2, &[(2, "9")])),
        "log.swf, row 5, column submit time: \"9\", want 10 or later, as the job before: this is a time that runs backwards",
    );
    check(
        format!("{}\n{}", job(2, &[]), job(2, &[])),
        "log.swf, row 2, column job number: \"2\", want more than 2, the number of the job before",
    );
    // After an error there is nothing more.
    let mut swf = open(format!("{}\nbad\n{}", job(1, &[]), job(2, &[]))).unwrap();
    assert!(swf.next().unwrap().is_ok());
    assert!(swf.next().unwrap().is_err());
    assert!(swf.next().is_none());
}

#[test]
fn jobs_beyond_the_limits_are_refused() {
    check(
        job(1, &[(8, "9007199254740991")]),
        "log.swf, row 1, column cpu_milli: \"9007199254740991000\", want 0 to 9007199254740991",
    );
    check(
        job(1, &[(10, "9007199254740991")]),
        "log.swf, row 1, column memory: \"9223372036854775807\", want 0 to 9007199254740991",
    );
    check(
        job(1, &[(4, "9007199254741")]),
        "log.swf, row 1, column duration_ms: \"9007199254741000\", want 0 to 9007199254740991",
    );
}

#[test]
fn gzip_is_told_from_its_first_bytes() {
    let text = format!("{HEADER}{JOB}\n{}\n", job(6, &[]));
    assert_eq!(read(gzip(&text)).unwrap(), read(&text).unwrap());
    let members = [gzip(HEADER), gzip(&format!("{JOB}\n")), gzip(&job(6, &[]))].concat();
    assert_eq!(read(members).unwrap(), read(&text).unwrap());
    check([0x1f], "log.swf, row 1: 1 fields, want 18");
}

#[test]
fn gzip_that_ends_early_says_after_which_row() {
    let text: String = (1..2_000).map(|number| job(number, &[]) + "\n").collect();
    let whole = gzip(&text);
    let mut seen = Vec::new();
    for end in (2..whole.len()).step_by(whole.len() / 100 + 1) {
        match read(&whole[..end]).unwrap_err() {
            TraceError::Truncated { row, .. } => seen.push(row),
            other => panic!("{other}"),
        }
    }
    assert!(seen.is_sorted() && seen[0] == 0 && seen[seen.len() - 1] > 1_000, "{seen:?}");
    check(
        &whole[..2],
        "log.swf: the gzip data ends early, after row 0: the file was cut off, fetch it again",
    );
    let mut corrupt = whole;
    corrupt[30] ^= 0xff;
    assert!(read(corrupt).is_err());
}

#[test]
fn a_whole_log_is_read() {
    let Some(folder) = std::env::var_os("MERIDIAN_DATA") else {
        println!("skipped: MERIDIAN_DATA names no folder with traces");
        return;
    };
    let path = PathBuf::from(folder).join("swf/LCG.swf.gz");
    let mut swf = Swf::open(&path, SwfOptions::default()).unwrap();
    assert!(swf.header().contains(&("MaxProcs".to_owned(), "24515".to_owned())));
    let mut last = 0;
    let mut count = 0;
    for pod in swf.by_ref() {
        let pod = pod.unwrap();
        assert!(pod.arrival_ms >= last && pod.cpu_milli == 1000);
        last = pod.arrival_ms;
        count += 1;
    }
    assert_eq!((count, swf.skipped().zero_run_time, swf.skipped().total()), (188_041 - 521, 521, 521));
}
