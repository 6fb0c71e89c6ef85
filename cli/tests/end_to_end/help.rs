//! Help, and a reader who stops reading.

use std::io::pipe;

use crate::folder::{Folder, Ran};

const COMMANDS: [&str; 28] = [
    "",
    "sim",
    "sim synthetic",
    "sim swf",
    "sim tables",
    "sim openb",
    "sim global",
    "sim convert",
    "sim convert synthetic",
    "sim convert swf",
    "sim convert tables",
    "sim convert openb",
    "explain",
    "explain synthetic",
    "explain swf",
    "explain tables",
    "explain openb",
    "global",
    "global solve",
    "global place",
    "global explain",
    "global whatif",
    "global plan",
    "global plan diff",
    "global map",
    "global import",
    "bench",
    "help",
];

#[test]
fn every_command_explains_itself() {
    let folder = Folder::new();
    for command in COMMANDS {
        let help = if command == "help" { "help".to_owned() } else { format!("{command} --help") };
        let shown = folder.runs(&help).out;
        assert!(shown.contains("Usage: meridian"), "{command}: {shown}");
        // Every line that names an option or a command says what it is for.
        let bare = shown.lines().find(|line| {
            let line = line.trim();
            line.starts_with("--") && !line.contains("  ") && line.split(' ').count() > 2
        });
        assert_eq!(bare, None, "{command}");
    }
}

#[test]
fn the_help_of_a_simulation_lists_the_policies() {
    let shown = Folder::new().runs("sim synthetic --help").out;
    for policy in [
        "meridian",
        "kubernetes",
        "least-allocated",
        "most-allocated",
        "first-fit",
        "best-fit",
        "fgd",
        "fragmentation",
    ] {
        assert!(shown.contains(&format!(" {policy} ")), "{policy}: {shown}");
    }
}

#[test]
fn a_command_that_is_unknown_or_missing() {
    let folder = Folder::new();
    folder.fails_with("simulate", &["unrecognized subcommand 'simulate'", "Usage: meridian"]);
    folder.fails_with("", &["Usage: meridian"]);
    folder.fails_with("sim synthetic --host 5", &["unexpected argument '--host'"]);
    assert!(folder.runs("--version").out.starts_with("meridian 0."));
}

/// `meridian ... | head` ends the reader early. That is the reader's right: no panic, no error, and files that were asked
/// for are there.
#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = Folder::new();
    for arguments in [
        "bench",
        "--help",
        "sim synthetic --hosts 10 --hours 1",
        "sim synthetic --hosts 10 --hours 1 --json --report page.html --parquet tables",
        "explain synthetic pod-00000000 --hosts 10 --hours 1",
    ] {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let output = folder.command(arguments).stdout(writer).output().expect("the program starts");
        let ran = Ran::of(output);
        assert_eq!(ran.code, Some(0), "{arguments}: {}", ran.err);
        assert!(!ran.err.contains("error"), "{arguments}: {}", ran.err);
    }
    assert!(!folder.read("page.html").is_empty());
    assert!(!folder.read("tables/samples.parquet").is_empty());
}
