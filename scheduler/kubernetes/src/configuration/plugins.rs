//! Which plugins a profile has: the default ones, less those disabled, plus those enabled.
//!
//! `multiPoint` speaks of a plugin in all of its roles, `filter` and `score` of one role; what is said of one role
//! counts more. Enabling counts more than disabling in one place: to change a weight, files disable a plugin and
//! enable it again.

use meridian_engine::FilterPlugin;

use super::ConfigurationError;
use super::shape::{Plugin, PluginSet, Plugins};
use crate::error::{ObjectError, invalid_number, quoted};
use crate::tree::Path;

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Kubernetes,
    Meridian,
}

/// A plugin that scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scorer {
    TaintToleration,
    NodeAffinity,
    NodeResourcesFit,
    NodeResourcesBalancedAllocation,
    PodTopologySpread,
    InterPodAffinity,
    BestFit,
    Fragmentation,
}

/// What a profile has in the end, in the engine's order.
pub(super) struct Chosen {
    pub(super) filters: Vec<FilterPlugin>,
    pub(super) scores: Vec<(Scorer, i64)>,
    /// Whether pods of lower priority make way.
    pub(super) preempts: bool,
}

/// A plugin that the engine has.
struct Known {
    name: &'static str,
    filter: Option<FilterPlugin>,
    scorer: Option<Scorer>,
    /// The weight where the plugin is on by default.
    default: Option<i64>,
    /// Not in kube-scheduler.
    ours: bool,
}

const fn known(name: &'static str, filter: Option<FilterPlugin>, score: Option<(Scorer, i64)>) -> Known {
    let (scorer, weight) = match score {
        Some((scorer, weight)) => (Some(scorer), weight),
        None => (None, 1),
    };
    Known { name, filter, scorer, default: Some(weight), ours: false }
}

/// All plugins of the engine that a file can name, in the order in which filters are asked.
const KNOWN: [Known; 14] = [
    known("NodeUnschedulable", Some(FilterPlugin::NodeUnschedulable), None),
    known("NodeName", Some(FilterPlugin::NodeName), None),
    known("TaintToleration", Some(FilterPlugin::TaintToleration), Some((Scorer::TaintToleration, 3))),
    known("NodeAffinity", Some(FilterPlugin::NodeAffinity), Some((Scorer::NodeAffinity, 2))),
    Known {
        name: "RuntimeReady",
        filter: Some(FilterPlugin::RuntimeReady),
        scorer: None,
        default: Some(1),
        ours: true,
    },
    known("NodePorts", Some(FilterPlugin::NodePorts), None),
    known("NodeResourcesFit", Some(FilterPlugin::NodeResourcesFit), Some((Scorer::NodeResourcesFit, 1))),
    known("PodTopologySpread", Some(FilterPlugin::PodTopologySpread), Some((Scorer::PodTopologySpread, 2))),
    known("InterPodAffinity", Some(FilterPlugin::InterPodAffinity), Some((Scorer::InterPodAffinity, 2))),
    known("NodeResourcesBalancedAllocation", None, Some((Scorer::NodeResourcesBalancedAllocation, 1))),
    Known {
        name: "DeviceFit",
        filter: Some(FilterPlugin::DeviceFit),
        scorer: None,
        default: Some(1),
        ours: true,
    },
    Known {
        name: "NumaTopology",
        filter: Some(FilterPlugin::NumaTopology),
        scorer: None,
        default: Some(1),
        ours: true,
    },
    Known { name: "BestFit", filter: None, scorer: Some(Scorer::BestFit), default: None, ours: true },
    Known {
        name: "Fragmentation",
        filter: None,
        scorer: Some(Scorer::Fragmentation),
        default: None,
        ours: true,
    },
];

/// Plugins of kube-scheduler that the engine lacks.
const LACKING: [&str; 9] = [
    "VolumeRestrictions",
    "EBSLimits",
    "GCEPDLimits",
    "AzureDiskLimits",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "DynamicResources",
    "ImageLocality",
];

/// Plugins of kube-scheduler whose work is done around the engine. Every profile must have them, so naming them says
/// nothing.
const AROUND: [&str; 3] = ["PrioritySort", "DefaultBinder", "SchedulingGates"];

/// The plugin of kube-scheduler that has pods of lower priority make way.
const PREEMPTION: &str = "DefaultPreemption";

/// What a name stands for.
pub(super) enum Named {
    /// The index in [`KNOWN`].
    Known(usize),
    Lacking,
    Around,
    Preemption,
}

/// What `name` at `path` stands for.
pub(super) fn named(name: &str, dialect: Dialect, path: &Path<'_>) -> Result<Named, ConfigurationError> {
    if name.is_empty() {
        return Err(ObjectError::Missing { path: path.to_string(), want: "a plugin's name" }.into());
    }
    let usable = |known: &Known| dialect == Dialect::Meridian || !known.ours;
    if let Some(index) = KNOWN.iter().position(|known| known.name == name && usable(known)) {
        return Ok(Named::Known(index));
    }
    if name == PREEMPTION {
        return Ok(Named::Preemption);
    }
    if AROUND.contains(&name) {
        return Ok(Named::Around);
    }
    if LACKING.contains(&name) || (name == "GpuFragmentation" && dialect == Dialect::Meridian) {
        return Ok(Named::Lacking);
    }
    let ours = KNOWN.iter().filter(|known| usable(known)).map(|known| known.name);
    Err(ConfigurationError::UnknownPlugin {
        path: path.to_string(),
        name: quoted(name),
        known: ours.chain(AROUND).chain([PREEMPTION]).chain(LACKING).collect::<Vec<_>>().join(", "),
    })
}

/// The plugins that are enabled and disabled in one place.
#[derive(Default)]
struct Said {
    /// Weights of those enabled.
    enabled: [Option<i64>; KNOWN.len()],
    disabled: [bool; KNOWN.len()],
    all_disabled: bool,
    /// What is said of preemption by its name.
    preempts: Option<bool>,
}

/// A role that can be spoken of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Any,
    Filter,
    Score,
}

/// Which plugins the profile has.
pub(super) fn choose(
    plugins: &Plugins<'_>,
    dialect: Dialect,
    path: &Path<'_>,
) -> Result<Chosen, ConfigurationError> {
    refuse_other_points(plugins, dialect, path)?;
    let multi = said(&plugins.multi_point, Role::Any, dialect, &path.field("multiPoint"))?;
    let filter = said(&plugins.filter, Role::Filter, dialect, &path.field("filter"))?;
    let score = said(&plugins.score, Role::Score, dialect, &path.field("score"))?;
    let in_any = multi.preempts.or((multi.all_disabled).then_some(false)).unwrap_or(true);
    let preempts = said_of_preemption(&plugins.post_filter).unwrap_or(in_any);
    let mut chosen = Chosen { filters: Vec::new(), scores: Vec::new(), preempts };
    for (index, known) in KNOWN.iter().enumerate() {
        let default = known.default.filter(|_| !multi.is_disabled(index));
        let weight = multi.enabled[index].or(default);
        let in_role = |said: &Said| said.enabled[index].or(weight.filter(|_| !said.is_disabled(index)));
        if let Some(plugin) = known.filter.filter(|_| in_role(&filter).is_some()) {
            chosen.filters.push(plugin);
        }
        if let (Some(plugin), Some(weight)) = (known.scorer, in_role(&score)) {
            chosen.scores.push((plugin, weight));
        }
    }
    chosen.filters.sort_unstable();
    Ok(chosen)
}

/// What is said of preemption at its one point.
fn said_of_preemption(set: &PluginSet<'_>) -> Option<bool> {
    let has = |plugins: &[Plugin<'_>], name: &str| plugins.iter().any(|plugin| plugin.name == name);
    match (has(&set.enabled, PREEMPTION), has(&set.disabled, PREEMPTION) || has(&set.disabled, "*")) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

impl Said {
    /// All means all of kube-scheduler's: ours go only by name.
    fn is_disabled(&self, index: usize) -> bool {
        self.disabled[index] || (self.all_disabled && !KNOWN[index].ours)
    }
}

fn said(
    set: &PluginSet<'_>,
    role: Role,
    dialect: Dialect,
    path: &Path<'_>,
) -> Result<Said, ConfigurationError> {
    let mut said = Said::default();
    let list = path.field("disabled");
    refuse_twice(&set.disabled, &list)?;
    for (index, plugin) in set.disabled.iter().enumerate() {
        if plugin.name == "*" {
            said.all_disabled = true;
            continue;
        }
        let path = list.item(index);
        match named(plugin.name, dialect, &path.field("name"))? {
            Named::Known(known) => said.disabled[known] = true,
            Named::Preemption => said.preempts = Some(false),
            Named::Around | Named::Lacking => {}
        }
    }
    let list = path.field("enabled");
    refuse_twice(&set.enabled, &list)?;
    for (index, plugin) in set.enabled.iter().enumerate() {
        let path = list.item(index);
        match named(plugin.name, dialect, &path.field("name"))? {
            Named::Known(known) => {
                refuse_role(&KNOWN[known], role, &path.field("name"))?;
                said.enabled[known] = Some(weight(plugin, role, &path.field("weight"))?);
            }
            Named::Around if role == Role::Any => {}
            Named::Preemption if role == Role::Any => said.preempts = Some(true),
            Named::Around | Named::Lacking | Named::Preemption => {
                let what = format!("plugin {}", plugin.name);
                return Err(ConfigurationError::not_supported(&path.field("name"), what));
            }
        }
    }
    Ok(said)
}

fn refuse_twice(plugins: &[Plugin<'_>], path: &Path<'_>) -> Result<(), ConfigurationError> {
    let mut names = std::collections::BTreeSet::new();
    for (index, plugin) in plugins.iter().enumerate() {
        if !names.insert(plugin.name) {
            return Err(ConfigurationError::twice(&path.item(index).field("name"), plugin.name));
        }
    }
    Ok(())
}

fn refuse_role(known: &Known, role: Role, path: &Path<'_>) -> Result<(), ConfigurationError> {
    let (missing, want) = match role {
        Role::Filter => (known.filter.is_none(), "a plugin that filters"),
        Role::Score => (known.scorer.is_none(), "a plugin that scores"),
        Role::Any => (false, ""),
    };
    if missing { Err(crate::error::invalid(path, known.name, want).into()) } else { Ok(()) }
}

/// A plugin that is enabled without a weight counts once, even one with another weight by default.
fn weight(plugin: &Plugin<'_>, role: Role, path: &Path<'_>) -> Result<i64, ConfigurationError> {
    match plugin.weight {
        None => Ok(1),
        Some(weight) if role == Role::Filter => {
            Err(invalid_number(path, weight, "no weight: filters have none").into())
        }
        Some(weight) if (1..=1_000).contains(&weight) => Ok(weight),
        Some(weight) => Err(invalid_number(path, weight, "1 to 1000").into()),
    }
}

/// Only filters and scores can be chosen. Elsewhere a file may only leave out what we do not have anyway.
fn refuse_other_points(
    plugins: &Plugins<'_>,
    dialect: Dialect,
    path: &Path<'_>,
) -> Result<(), ConfigurationError> {
    for (field, set) in [
        ("preEnqueue", &plugins.pre_enqueue),
        ("queueSort", &plugins.queue_sort),
        ("preFilter", &plugins.pre_filter),
        ("postFilter", &plugins.post_filter),
        ("preScore", &plugins.pre_score),
        ("reserve", &plugins.reserve),
        ("permit", &plugins.permit),
        ("preBind", &plugins.pre_bind),
        ("bind", &plugins.bind),
        ("postBind", &plugins.post_bind),
    ] {
        let path = path.field(field);
        let enabled = path.field("enabled");
        for (index, plugin) in set.enabled.iter().enumerate() {
            let path = enabled.item(index);
            let is_there = match named(plugin.name, dialect, &path.field("name"))? {
                Named::Around => matches!(field, "queueSort" | "bind" | "preEnqueue"),
                Named::Preemption => field == "postFilter",
                Named::Known(_) | Named::Lacking => false,
            };
            if !is_there {
                let what = format!("plugin {} at {field}", plugin.name);
                return Err(ConfigurationError::not_supported(&path.field("name"), what));
            }
        }
        let disabled = path.field("disabled");
        for (index, plugin) in set.disabled.iter().enumerate() {
            let path = disabled.item(index);
            let may_lack = match plugin.name {
                // There is nothing else at this point.
                "*" => field == "postFilter",
                name => {
                    let named = named(name, dialect, &path.field("name"))?;
                    matches!(named, Named::Lacking | Named::Preemption)
                }
            };
            if !may_lack {
                let what = format!("leaving out {} at {field}", quoted(plugin.name));
                return Err(ConfigurationError::not_supported(&path.field("name"), what));
            }
        }
    }
    Ok(())
}
