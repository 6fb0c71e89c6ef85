//! Runs the program in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder that is gone when the test ends. The program runs inside, so that files go by their names alone.
pub(crate) struct Folder(TempDir);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(TempDir::new().expect("a folder for the test"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Folder {
        fs::write(self.path(name), content).expect("the folder can be written to");
        self
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name} should have been written: {error}"))
    }

    /// The program, with nothing of this machine's settings.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meridian"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .env_remove("MERIDIAN_DATA")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program; `arguments` are separated by blanks. Whatever comes of it, it must not be a panic.
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        Ran::of(self.command(arguments).output().expect("the program starts"))
    }

    /// Runs the program, which succeeds.
    pub(crate) fn runs(&self, arguments: &str) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments}\n{}", ran.err);
        ran
    }

    /// Runs the program, which succeeds and prints one JSON object.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        let ran = self.runs(&format!("{arguments} --json"));
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
    }

    /// Runs the program, which fails, prints no result and says `error` on standard error: all of it.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &str, error: &str) {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(1), "{arguments}\n{ran:?}");
        assert_eq!(ran.err.trim_end(), format!("error: {error}"), "{arguments}");
        assert_eq!(ran.out, "", "{arguments}");
    }

    /// Runs the program, which fails and says each of these somewhere on standard error.
    #[track_caller]
    pub(crate) fn fails_with(&self, arguments: &str, parts: &[&str]) {
        let ran = self.run(arguments);
        assert!(ran.code.is_some_and(|code| code != 0), "{arguments}\n{ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "{arguments}\nwant {part:?} in\n{}", ran.err);
        }
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        let ran = Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(ran.code.is_some(), "ended by a signal: {ran:?}");
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }
}

/// The keys of a JSON object, sorted.
#[track_caller]
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The folder with real traces, if this machine has them.
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
pub(crate) fn data() -> Option<PathBuf> {
    let data = std::env::var_os("MERIDIAN_DATA").map(PathBuf::from);
    let data = data.filter(|data| Path::new(data).is_dir());
    if data.is_none() {
        println!("skipped: MERIDIAN_DATA names no folder with real traces");
    }
    data
}
