//! From a scheduler configuration file to profiles of the engine.
//!
//! Two kinds of files are read, both with the same fields. A `KubeSchedulerConfiguration` gives profiles in
//! kube-scheduler's own arithmetic, for those who want its choices; our `SchedulerConfiguration` gives profiles in
//! ours, and knows our own plugins.
//!
//! The file is read strictly: what it says and what we would not do is an error. What concerns the process and not the
//! choice of a host (leader election, client connection, parallelism, back-off) is read by `process`, for those who run
//! one. How many hosts to look at is accepted and has no effect, since we look at every host; so is what concerns
//! profiling.

use std::collections::{BTreeMap, BTreeSet};

use meridian_engine::{Arithmetic, Profile, ProfileError};

use self::plugins::Dialect;
use self::shape::{Configuration, ProfileSpec};
use crate::document::{self, DocumentError};
use crate::error::{ObjectError, invalid, invalid_number, quoted};
use crate::pod::DEFAULT_SCHEDULER_NAME;
use crate::tree::{Path, read};

mod arguments;
mod plugins;
mod process;
mod shape;
mod topology;

pub use self::process::{ClientConnection, DEFAULT_LEASE, LeaderElection, ProcessSettings};

/// The largest configuration that is read.
pub const MAX_CONFIGURATION_BYTES: u64 = 1 << 20;

/// The `apiVersion` of kube-scheduler's configuration.
pub const KUBERNETES_API_VERSION: &str = "kubescheduler.config.k8s.io/v1";

/// The `apiVersion` of our own configuration.
pub const MERIDIAN_API_VERSION: &str = "meridian.io/v1";

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// No JSON and no YAML.
    #[error("{0}")]
    Document(DocumentError),
    /// A field that is missing, unknown, of the wrong type or out of range.
    #[error("{0}")]
    Field(ObjectError),
    /// A plugin that nobody knows.
    #[error("{path}: unknown plugin {name}, want one of {known}")]
    UnknownPlugin {
        /// The field's path.
        path: String,
        /// What was given.
        name: String,
        /// All plugins that are known.
        known: String,
    },
    /// Something that kube-scheduler has and we do not.
    #[error("{path}: {what} is not supported yet, want it left out")]
    NotSupported {
        /// The field's path.
        path: String,
        /// What it is.
        what: String,
    },
    /// Something that may be given only once.
    #[error("{path}: {name} is given twice, want it once")]
    Twice {
        /// The path of the second.
        path: String,
        /// What was given.
        name: String,
    },
    /// The engine refuses the profile.
    #[error("{path}: {problem}")]
    Profile {
        /// The profile's path.
        path: String,
        /// Why.
        problem: ProfileError,
    },
}

impl From<ObjectError> for ConfigurationError {
    fn from(error: ObjectError) -> Self {
        ConfigurationError::Field(error)
    }
}

impl ConfigurationError {
    fn twice(path: &Path<'_>, name: &str) -> ConfigurationError {
        ConfigurationError::Twice { path: path.to_string(), name: quoted(name) }
    }

    fn not_supported(path: &Path<'_>, what: impl Into<String>) -> ConfigurationError {
        ConfigurationError::NotSupported { path: path.to_string(), what: what.into() }
    }
}

/// What a scheduler configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerConfiguration {
    /// The profiles in their order, at least one; their names are unique.
    pub profiles: Vec<Profile>,
    /// The names of the profiles for whose pods nobody makes way, since `DefaultPreemption` is disabled.
    pub without_preemption: BTreeSet<String>,
    /// How the process behaves.
    pub process: ProcessSettings,
}

impl SchedulerConfiguration {
    /// One profile, and the defaults for all else.
    pub fn of(profile: Profile) -> SchedulerConfiguration {
        SchedulerConfiguration {
            profiles: vec![profile],
            without_preemption: BTreeSet::new(),
            process: ProcessSettings::default(),
        }
    }
}

/// Reads a configuration, YAML or JSON, and gives its profiles in their order.
pub fn profiles_from_configuration(text: &str) -> Result<Vec<Profile>, ConfigurationError> {
    scheduler_configuration(text).map(|configuration| configuration.profiles)
}

/// Reads a configuration, YAML or JSON.
///
/// Without profiles there is one with the default plugins, as in kube-scheduler. A single profile may leave out its
/// name; with several, each needs one of its own.
pub fn scheduler_configuration(text: &str) -> Result<SchedulerConfiguration, ConfigurationError> {
    let value = document::read(text, MAX_CONFIGURATION_BYTES).map_err(ConfigurationError::Document)?;
    let root = Path::Root;
    // The kind comes first: with the wrong kind of file every other message would mislead.
    let dialect = dialect(&value)?;
    let configuration: Configuration<'_> = read(&value, &root)?;
    process::refuse_extenders(&configuration.extenders)?;
    percentages(&configuration)?;
    let process = process::settings(&configuration)?;
    let mut specs = configuration.profiles;
    if specs.is_empty() {
        specs.push(ProfileSpec::default());
    }
    let alone = specs.len() == 1;
    let list = root.field("profiles");
    let mut names = BTreeMap::new();
    let mut without_preemption = BTreeSet::new();
    let mut profiles = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let path = list.item(index);
        let name = match spec.scheduler_name {
            Some("") => {
                return Err(invalid(path.field("schedulerName"), "", "a name that pods can give").into());
            }
            Some(name) => name,
            None if alone => DEFAULT_SCHEDULER_NAME,
            None => {
                let path = path.field("schedulerName").to_string();
                return Err(ObjectError::Missing { path, want: "a name of its own for each profile" }.into());
            }
        };
        if names.insert(name, index).is_some() {
            return Err(ConfigurationError::twice(&path.field("schedulerName"), name));
        }
        let (profile, preempts) = profile(name, spec, dialect, &path)?;
        if !preempts {
            without_preemption.insert(name.to_owned());
        }
        profiles.push(profile);
    }
    Ok(SchedulerConfiguration { profiles, without_preemption, process })
}

fn dialect(value: &serde_json::Value) -> Result<Dialect, ConfigurationError> {
    let header: shape::Header<'_> = read(value, &Path::Root)?;
    let (dialect, kind) = match header.api_version {
        KUBERNETES_API_VERSION => (Dialect::Kubernetes, "KubeSchedulerConfiguration"),
        MERIDIAN_API_VERSION => (Dialect::Meridian, "SchedulerConfiguration"),
        other => {
            let want = format!("{KUBERNETES_API_VERSION} or {MERIDIAN_API_VERSION}");
            return Err(invalid("apiVersion", other, want).into());
        }
    };
    if header.kind != kind {
        return Err(invalid("kind", header.kind, kind).into());
    }
    Ok(dialect)
}

/// How many hosts to look at: all, whatever the file says, but it must make sense.
fn percentages(configuration: &Configuration<'_>) -> Result<(), ConfigurationError> {
    let root = Path::Root;
    percentage(configuration.percentage_of_nodes_to_score, &root)?;
    let list = root.field("profiles");
    for (index, profile) in configuration.profiles.iter().enumerate() {
        percentage(profile.percentage_of_nodes_to_score, &list.item(index))?;
    }
    Ok(())
}

fn percentage(given: Option<i64>, path: &Path<'_>) -> Result<(), ConfigurationError> {
    match given.filter(|percentage| !(0..=100).contains(percentage)) {
        Some(percentage) => {
            Err(invalid_number(path.field("percentageOfNodesToScore"), percentage, "0 to 100").into())
        }
        None => Ok(()),
    }
}

fn profile(
    name: &str,
    spec: &ProfileSpec<'_>,
    dialect: Dialect,
    path: &Path<'_>,
) -> Result<(Profile, bool), ConfigurationError> {
    let chosen = plugins::choose(&spec.plugins, dialect, &path.field("plugins"))?;
    let arguments = arguments::arguments(&spec.plugin_config, dialect, &path.field("pluginConfig"))?;
    let profile = Profile {
        name: name.to_owned(),
        arithmetic: match dialect {
            Dialect::Kubernetes => Arithmetic::Kubernetes,
            Dialect::Meridian => Arithmetic::Meridian,
        },
        filters: chosen.filters,
        scores: chosen
            .scores
            .into_iter()
            .map(|(plugin, weight)| arguments.weighted(plugin, weight))
            .collect(),
        topology: arguments.topology,
    };
    profile.validate().map_err(|problem| ConfigurationError::Profile { path: path.to_string(), problem })?;
    Ok((profile, chosen.preempts))
}

#[cfg(test)]
mod tests;
