//! The program as processes.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Longest wait for anything: far more than it takes, so that only what hangs fails here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The program, to be given arguments.
pub(crate) fn meridian() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meridian"));
    command.env_remove("KUBECONFIG").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A process that is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    errors: thread::JoinHandle<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().expect("standard error is a pipe");
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Self { child, lines, errors }
    }

    /// Waits for a line of output that begins so; the answer is what follows.
    pub(crate) fn line(&mut self, start: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => match line.strip_prefix(start) {
                    Some(rest) => return rest.trim().to_owned(),
                    None => seen.push(line),
                },
                Err(error) => {
                    let _ = self.child.kill();
                    panic!("no line {start:?} ({error}); there were {seen:#?}");
                }
            }
        }
    }

    /// As `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process runs");
        self.child.wait().expect("the process ends");
    }

    /// As Ctrl-C. The answer is whether it ended well, and what it said on standard error.
    pub(crate) fn interrupt(mut self) -> (bool, String) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
        assert!(status.success(), "kill -INT {id}");
        let status = self.child.wait().expect("the process ends");
        let errors = std::mem::replace(&mut self.errors, thread::spawn(String::new));
        (status.success(), errors.join().expect("standard error is read"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A region in one process.
pub(crate) struct Region {
    process: Process,
    pub(crate) dir: TempDir,
    pub(crate) url: String,
}

impl Region {
    /// Starts a region in a new data directory and waits until it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory can be made"), arguments)
    }

    pub(crate) fn start_in(dir: TempDir, arguments: &[&str]) -> Self {
        let mut command = meridian();
        command.args(["up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path()).args(arguments);
        let mut process = Process::start(&mut command);
        let url = process.line("API");
        process.line("ready");
        Self { process, dir, url }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    /// Kills it, as `kill -9`, and gives the data directory back.
    pub(crate) fn kill(self) -> TempDir {
        self.process.kill();
        self.dir
    }

    pub(crate) fn interrupt(self) -> (TempDir, bool, String) {
        let (well, said) = self.process.interrupt();
        (self.dir, well, said)
    }
}

/// A `kubectl`, with a cache and a home of its own.
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: TempDir,
}

impl Kubectl {
    pub(crate) fn new(program: &Path, kubeconfig: &Path) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        Self { program: program.to_owned(), kubeconfig: kubeconfig.to_owned(), home }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.home.path())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stdin(Stdio::null());
        command
    }

    /// Runs it, which has to go well. The answer is what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {arguments:?}: {errors}", self.program.display());
        String::from_utf8(output.stdout).expect("kubectl prints UTF-8")
    }

    /// Runs it, which has to fail. The answer is what it complained about.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(!output.status.success(), "{} {arguments:?} went well", self.program.display());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Waits until nothing that a selector selects is left. (Old kubectls fail to wait for what is gone already.)
    pub(crate) fn gone(&self, resources: &str, selector: &str) {
        // Each look is a process, so this is minutes.
        const LOOKS: usize = 2000;
        let mut left = String::new();
        for _ in 0..LOOKS {
            left = self.run(&["get", resources, "-l", selector, "-o", "name"]);
            if left.is_empty() {
                return;
            }
        }
        panic!("{resources} with {selector} are still there: {left}");
    }

    /// Waits until it prints this.
    pub(crate) fn becomes(&self, arguments: &[&str], wanted: &str) {
        const LOOKS: usize = 500;
        let mut printed = String::new();
        for _ in 0..LOOKS {
            printed = self.run(arguments);
            if printed == wanted {
                return;
            }
        }
        panic!("{arguments:?} prints {printed:?} and not {wanted:?}");
    }

    /// Its minor version, such as 33.
    pub(crate) fn minor_version(&self) -> u32 {
        let version = self.run(&["version", "--client", "-o", "json"]);
        let (_, rest) = version.split_once("\"minor\": \"").expect("it says its version");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("kubectl runs")
    }
}

/// Every kubectl there is: on the path, beside it under names with a version, and the one that Debian ships.
pub(crate) fn kubectls() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let path = std::env::var_os("PATH").unwrap_or_default();
    for folder in std::env::split_paths(&path) {
        let program = folder.join("kubectl");
        let Ok(real) = program.canonicalize() else { continue };
        // Some installations bring a kubectl that only chooses among others, which lie beside it.
        let beside = real.parent().and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten();
        found.extend(beside.map(|entry| entry.path()).filter(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("kubectl.1."))
        }));
        found.push(program);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    found.extend(
        cache
            .map(|cache| cache.join("meridian/kubernetes-client/usr/bin/kubectl"))
            .filter(|path| path.exists()),
    );
    found.sort();
    found.dedup();
    assert!(!found.is_empty(), "there is no kubectl on the path: `make setup-test` installs one");
    found
}
