//! The walls between our packages: who may depend on whom, and what must stay out of the core.
//!
//! A wall that nobody checks is gone within a month, one convenient dependency at a time. Each failure names the arrow
//! that should not be there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// The arrows that are allowed: a package and which of our packages it may name. A new package needs a line here.
const ARROWS: [(&str, &[&str]); 26] = [
    ("meridian-engine", &[]),
    ("meridian-kubernetes", &["meridian-engine"]),
    ("meridian-environment", &[]),
    ("meridian-proto", &["meridian-environment"]),
    ("meridian-wire", &["meridian-engine", "meridian-proto"]),
    ("meridian-replica", &["meridian-environment", "meridian-engine", "meridian-proto", "meridian-wire"]),
    ("meridian-adapter", &["meridian-environment", "meridian-engine", "meridian-kubernetes"]),
    ("meridian-store", &["meridian-environment"]),
    ("meridian-schema", &["meridian-kubernetes"]),
    ("meridian-api", &["meridian-environment", "meridian-proto", "meridian-schema", "meridian-store"]),
    (
        "meridian-edge-agent",
        &[
            "meridian-environment",
            "meridian-engine",
            "meridian-kubernetes",
            "meridian-proto",
            "meridian-wire",
        ],
    ),
    ("meridian-ledger", &["meridian-engine", "meridian-edge-agent"]),
    (
        "meridian-hosts",
        &[
            "meridian-environment",
            "meridian-engine",
            "meridian-kubernetes",
            "meridian-proto",
            "meridian-wire",
            "meridian-store",
            "meridian-schema",
            "meridian-api",
            "meridian-ledger",
        ],
    ),
    (
        "meridian-partition",
        &[
            "meridian-environment",
            "meridian-engine",
            "meridian-kubernetes",
            "meridian-proto",
            "meridian-wire",
            "meridian-store",
            "meridian-schema",
            "meridian-api",
            "meridian-ledger",
        ],
    ),
    ("meridian-controllers", &["meridian-environment", "meridian-store", "meridian-schema", "meridian-api"]),
    (
        "meridian-region",
        &[
            "meridian-engine",
            "meridian-environment",
            "meridian-proto",
            "meridian-replica",
            "meridian-store",
            "meridian-schema",
            "meridian-api",
            "meridian-edge-agent",
            "meridian-hosts",
            "meridian-partition",
            "meridian-controllers",
        ],
    ),
    ("meridian-global-engine", &[]),
    ("meridian-global-world", &["meridian-global-engine"]),
    ("meridian-global-format", &["meridian-global-engine", "meridian-global-world"]),
    ("meridian-global-records", &["meridian-environment", "meridian-global-world", "meridian-store"]),
    ("meridian-trace", &[]),
    ("meridian-report", &[]),
    ("meridian-simulation", &["meridian-engine", "meridian-kubernetes", "meridian-trace", "meridian-report"]),
    ("meridian-rolling", &["meridian-global-engine", "meridian-global-world", "meridian-report"]),
    (
        "meridian-benches",
        &[
            "meridian-engine",
            "meridian-environment",
            "meridian-kubernetes",
            "meridian-store",
            "meridian-schema",
            "meridian-api",
            "meridian-edge-agent",
            "meridian-ledger",
            "meridian-proto",
            "meridian-global-engine",
            "meridian-global-format",
            "meridian-region",
            "meridian-replica",
            "meridian-wire",
            "meridian-trace",
            "meridian-report",
            "meridian-simulation",
        ],
    ),
    (
        "meridian",
        &[
            "meridian-engine",
            "meridian-kubernetes",
            "meridian-environment",
            "meridian-proto",
            "meridian-replica",
            "meridian-adapter",
            "meridian-store",
            "meridian-schema",
            "meridian-api",
            "meridian-edge-agent",
            "meridian-region",
            "meridian-global-engine",
            "meridian-global-world",
            "meridian-global-format",
            "meridian-trace",
            "meridian-report",
            "meridian-simulation",
            "meridian-rolling",
            "meridian-benches",
        ],
    ),
];

/// What the engine must not reach even through others: it does no I/O, reads no clock, draws no random numbers and knows
/// no Kubernetes types. A name that ends in `*` stands for all that begin so.
const NOT_IN_ENGINE: [&str; 12] = [
    "tokio",
    "k8s-openapi",
    "kube",
    "kube-*",
    "arrow",
    "arrow-*",
    "parquet",
    "serde",
    "serde_*",
    "rand",
    "rand_*",
    "chrono",
];

/// What the global engine must not reach. It draws random numbers, from seeds that its callers pass in.
const NOT_IN_GLOBAL_ENGINE: [&str; 8] =
    ["tokio", "tokio-*", "k8s-openapi", "kube", "kube-*", "serde_json", "chrono", "tracing"];

/// What the translation of Kubernetes objects must not reach: it reads objects that others fetched.
const NOT_IN_KUBERNETES: [&str; 10] =
    ["tokio", "tokio-*", "kube", "kube-*", "k8s-openapi", "hyper", "hyper-*", "reqwest", "tonic", "rustls"];

/// The folders at the top of the repository that may hold packages.
const FOLDERS: [&str; 8] =
    ["proto", "scheduler", "global-scheduler", "edge-agent", "controlplane", "sim", "benches", "cli"];

/// Longer source files are split. Tests count too: somebody has to read them.
const MOST_LINES: usize = 700;

/// The workspace with what Cargo resolved for this machine. Platforms that are not ours are left out, so that nothing
/// needs to be downloaded for them.
fn workspace() -> Metadata {
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let rustc = String::from_utf8(rustc.stdout).expect("rustc speaks UTF-8");
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .other_options(["--offline", "--locked", "--filter-platform", host].map(str::to_owned))
        .exec()
        .expect("cargo metadata works offline, after a build")
}

fn package<'a>(workspace: &'a Metadata, name: &str) -> &'a Package {
    workspace
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == name)
        .unwrap_or_else(|| panic!("the workspace has no package {name}"))
}

/// All that a package needs to run, each with the shortest chain of packages that leads there.
fn reached(workspace: &Metadata, from: &str) -> BTreeMap<String, String> {
    let nodes = &workspace.resolve.as_ref().expect("cargo metadata resolves").nodes;
    let mut chains: BTreeMap<&PackageId, String> = BTreeMap::new();
    let mut front = vec![(&package(workspace, from).id, from.to_owned())];
    while !front.is_empty() {
        let mut next = Vec::new();
        for (id, chain) in front {
            let node = nodes.iter().find(|node| node.id == *id).expect("each package has a node");
            for dependency in &node.deps {
                let is_normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                if is_normal && !chains.contains_key(&dependency.pkg) {
                    let chain = format!("{chain} -> {}", workspace[&dependency.pkg].name);
                    chains.insert(&dependency.pkg, chain.clone());
                    next.push((&dependency.pkg, chain));
                }
            }
        }
        front = next;
    }
    chains.into_iter().map(|(id, chain)| (workspace[id].name.to_string(), chain)).collect()
}

fn is_one_of(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    })
}

/// The chains from a package to what it must not reach.
fn breaches(workspace: &Metadata, from: &str, forbidden: &[&str]) -> Vec<String> {
    let reached = reached(workspace, from).into_iter();
    reached.filter(|(name, _)| is_one_of(name, forbidden)).map(|(_, chain)| chain).collect()
}

#[test]
fn packages_depend_only_on_those_below_them() {
    let workspace = workspace();
    let ours: BTreeSet<&str> =
        workspace.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in workspace.workspace_packages() {
        let from = package.name.as_str();
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
            wrong.push(format!("{from}: not in the table of arrows, want a line that says where it stands"));
            continue;
        };
        // Of every kind: a test that reaches up would make a circle of the layers too.
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            if ours.contains(to) && to != from && !allowed.contains(&to) {
                wrong.push(format!("{from} -> {to} ({}): not allowed", dependency.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_arrows_has_no_circle() {
    for (index, (from, allowed)) in ARROWS.iter().enumerate() {
        for to in *allowed {
            let below = ARROWS[..index].iter().any(|(name, _)| name == to);
            assert!(below, "{from} -> {to}: want the table in the order of the layers, lowest first");
        }
    }
}

#[test]
fn the_engine_stays_pure() {
    let found = breaches(&workspace(), "meridian-engine", &NOT_IN_ENGINE);
    assert!(found.is_empty(), "the engine must not reach:\n{}", found.join("\n"));
}

#[test]
fn the_global_engine_stays_pure() {
    for package in ["meridian-global-engine", "meridian-global-world"] {
        let found = breaches(&workspace(), package, &NOT_IN_GLOBAL_ENGINE);
        assert!(found.is_empty(), "{package} must not reach:\n{}", found.join("\n"));
    }
}

#[test]
fn the_translation_of_kubernetes_objects_talks_to_nobody() {
    let found = breaches(&workspace(), "meridian-kubernetes", &NOT_IN_KUBERNETES);
    assert!(found.is_empty(), "meridian-kubernetes must not reach:\n{}", found.join("\n"));
}

/// The walls above would hold anything out if the graph came out empty.
#[test]
fn the_dependency_graph_is_really_looked_at() {
    let workspace = workspace();
    let engine = reached(&workspace, "meridian-engine");
    assert!(engine.contains_key("rayon-core"), "{engine:?}");
    assert_eq!(breaches(&workspace, "meridian-simulation", &["parquet", "tokio"]).len(), 1);
    assert!(is_one_of("arrow-array", &NOT_IN_ENGINE) && !is_one_of("arrowhead", &NOT_IN_ENGINE));
}

#[test]
fn packages_stand_in_the_agreed_folders() {
    let workspace = workspace();
    for package in workspace.workspace_packages() {
        let folder = package
            .manifest_path
            .strip_prefix(&workspace.workspace_root)
            .ok()
            .and_then(|path| path.components().next())
            .map(|component| component.as_str())
            .unwrap_or_default();
        assert!(
            FOLDERS.contains(&folder),
            "{} stands in {folder:?}, want one of {}",
            package.name,
            FOLDERS.join(", ")
        );
    }
}

#[test]
fn no_source_file_is_too_long_to_read() {
    let workspace = workspace();
    let mut sources = Vec::new();
    for package in workspace.workspace_packages() {
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
        collect(folder.as_std_path(), &mut sources);
    }
    assert!(sources.len() > 50, "only {} source files were found", sources.len());
    let mut long: Vec<String> = Vec::new();
    for path in sources {
        let lines = fs::read_to_string(&path).expect("source files are UTF-8").lines().count();
        if lines > MOST_LINES {
            long.push(format!("{}: {lines} lines, want at most {MOST_LINES}", path.display()));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// All Rust files under a folder, build output aside.
fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folders of packages can be read") {
        let path = entry.expect("folders of packages can be read").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}
