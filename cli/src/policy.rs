//! The arguments that choose how pods are placed.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use meridian_engine::TypicalPod;
use meridian_simulation::{POLICIES, Policy, typical_pods};

use crate::source::Source;

/// How pods are placed.
#[derive(Clone, Debug, Args)]
pub(crate) struct PolicyArguments {
    /// A policy by name.
    #[arg(long, default_value = "meridian", long_help = policies())]
    policy: String,
    /// A scheduler configuration (KubeSchedulerConfiguration, YAML or JSON) in the place of a policy.
    #[arg(long, conflicts_with = "policy", value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Which profile of the configuration, by its schedulerName; the first by default.
    #[arg(long, requires = "profile", value_name = "NAME")]
    scheduler_name: Option<String>,
}

fn policies() -> String {
    let width = POLICIES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = POLICIES.iter().map(|(name, what)| format!("  {name:width$}  {what}")).collect();
    format!("A policy by name:\n{}", lines.join("\n"))
}

impl PolicyArguments {
    /// The policy that is meant.
    pub(crate) fn policy(&self) -> anyhow::Result<Policy> {
        let Some(path) = &self.profile else { return Ok(Policy::named(&self.policy)?) };
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let profiles = meridian_kubernetes::profiles_from_configuration(&text)
            .with_context(|| format!("reading {}", path.display()))?;
        let names: Vec<String> = profiles.iter().map(|profile| profile.name.clone()).collect();
        let found = match &self.scheduler_name {
            Some(name) => profiles.into_iter().find(|profile| profile.name == *name),
            None => profiles.into_iter().next(),
        };
        match found {
            Some(profile) => Ok(Policy::Profile(Box::new(profile))),
            None => bail!(
                "{}: no profile of schedulerName {:?}, want one of {}",
                path.display(),
                self.scheduler_name.as_deref().unwrap_or_default(),
                names.join(", ")
            ),
        }
    }
}

/// The pods to expect of a trace, where a policy asks for them: it is read once more for that.
pub(crate) fn typical(policy: &Policy, source: &Source) -> anyhow::Result<Vec<TypicalPod>> {
    if !policy.needs_typical_pods() {
        return Ok(Vec::new());
    }
    let mut failure = None;
    let pods = source.open()?.pods.map_while(|pod| pod.map_err(|error| failure = Some(error)).ok());
    let typical = typical_pods(pods);
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(typical),
    }
}
