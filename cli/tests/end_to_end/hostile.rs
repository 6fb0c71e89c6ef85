//! Names out of a trace are text and nothing else, wherever they are shown.

use crate::trace::{HOSTS, tables};

const SCRIPT: &str = "<script>alert(1)</script>";
const BREAKOUT: &str = "\"><img src=x onerror=alert(2)>";

#[test]
fn a_page_shows_hostile_names_as_text() {
    let quoted = BREAKOUT.replace('"', "\"\"");
    let pods = format!(
        "name,tenant,arrival_ms,cpu_milli,memory\n\
         plain,{SCRIPT},0,100,1024\n\
         \"{quoted}\",&amp;'team',1,64000,1024\n"
    );
    let folder = tables(HOSTS, &pods);
    folder.write("<marquee>&\"pods.csv", &pods);
    let ran = folder.runs("sim tables --nodes hosts.csv --pods <marquee>&\"pods.csv --report page.html");
    assert_eq!(ran.err, "report: page.html\n");
    let page = String::from_utf8(folder.read("page.html")).expect("UTF-8");
    for hostile in ["<script", "<img", "<marquee", "'team'", "\"pods.csv"] {
        assert!(!page.contains(hostile), "{hostile} got into the page");
    }
    for shown in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "<code>&quot;&gt;&lt;img src=x onerror=alert(2)&gt;</code>",
        "&amp;amp;&#39;team&#39;",
        "<title>&lt;marquee&gt;&amp;&quot;pods.csv</title>",
    ] {
        assert!(page.contains(shown), "{shown} is not in the page");
    }
    // Should a name ever get past the escaping, the page itself forbids scripts.
    assert!(page.contains("Content-Security-Policy") && page.contains("default-src 'none'"));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let folder = tables(HOSTS, "name,tenant,arrival_ms,cpu_milli,memory\nfine,\x1b[31mred,0,100,1024\n");
    folder.fails(
        "sim tables --nodes hosts.csv --pods pods.csv",
        "pods.csv, row 2, column tenant: \"\\u{1b}[31mred\", want no control characters",
    );
}

#[test]
fn an_error_repeats_only_the_beginning_of_a_long_value() {
    let long = "9".repeat(10_000);
    let folder = tables(HOSTS, &format!("name,arrival_ms,cpu_milli,memory\nfine,{long},100,1024\n"));
    folder.fails(
        "sim tables --nodes hosts.csv --pods pods.csv",
        &format!(
            "pods.csv, row 2, column arrival_ms: \"{}...\", want a whole number from 0 to 9007199254740991",
            "9".repeat(80)
        ),
    );
}
