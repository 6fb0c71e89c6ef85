//! Policies by name, so that a refusal or a conflict can say which one it was.

use std::fmt;

use crate::world::Workload;

/// A rule about where a workload may run. Displayed as the field that states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Policy {
    /// The site has not failed.
    Up,
    /// The site's capacity is known well enough to give it something new.
    Fresh,
    /// A replica fits into the empty site.
    Capacity,
    /// There is a way to the users.
    Network,
    /// `allowed`.
    Allowed,
    /// `forbidden`.
    Forbidden,
    /// `residency`.
    Residency,
    /// `priceCeiling`.
    PriceCeiling,
    /// `latency`.
    Latency,
    /// An entry of `data`.
    Data(usize),
    /// An entry of `spread`.
    Spread(usize),
    /// An entry of `apart`.
    Apart(usize),
    /// `survivesSiteLoss`.
    SurvivesSiteLoss,
    /// `replicas`.
    Replicas,
    /// `whole`.
    Whole,
}

impl Policy {
    /// The policies that speak of single sites, whoever the users are.
    pub(crate) fn of_site(workload: &Workload) -> impl Iterator<Item = Policy> + use<> {
        let stated = [
            (true, Policy::Up),
            (true, Policy::Fresh),
            (true, Policy::Capacity),
            (!workload.allowed.is_empty(), Policy::Allowed),
            (!workload.forbidden.is_empty(), Policy::Forbidden),
            (!workload.residency.is_empty(), Policy::Residency),
            (workload.price_ceiling.is_some(), Policy::PriceCeiling),
        ];
        let listed = (0..workload.data.len()).map(Policy::Data);
        let spread = (0..workload.spread.len()).map(Policy::Spread);
        stated
            .into_iter()
            .filter(|(is_stated, _)| *is_stated)
            .map(|(_, policy)| policy)
            .chain(listed)
            .chain(spread)
    }

    /// All policies that a workload states or that hold for each.
    pub(crate) fn all(workload: &Workload) -> Vec<Policy> {
        let mut policies: Vec<Policy> = Policy::of_site(workload).collect();
        policies.push(Policy::Network);
        let stated = [
            (workload.latency.is_some(), Policy::Latency),
            (workload.survives_site_loss, Policy::SurvivesSiteLoss),
            (workload.replicas.least > 0 || workload.replicas.most.is_some(), Policy::Replicas),
            (workload.whole, Policy::Whole),
        ];
        policies.extend(stated.into_iter().filter(|(is_stated, _)| *is_stated).map(|(_, policy)| policy));
        policies
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Up => f.write_str("the site is down"),
            Policy::Fresh => f.write_str("staleAfter"),
            Policy::Capacity => f.write_str("capacity"),
            Policy::Network => f.write_str("links"),
            Policy::Allowed => f.write_str("allowed"),
            Policy::Forbidden => f.write_str("forbidden"),
            Policy::Residency => f.write_str("residency"),
            Policy::PriceCeiling => f.write_str("priceCeiling"),
            Policy::Latency => f.write_str("latency"),
            Policy::Data(number) => write!(f, "data[{number}]"),
            Policy::Spread(number) => write!(f, "spread[{number}]"),
            Policy::Apart(number) => write!(f, "apart[{number}]"),
            Policy::SurvivesSiteLoss => f.write_str("survivesSiteLoss"),
            Policy::Replicas => f.write_str("replicas"),
            Policy::Whole => f.write_str("whole"),
        }
    }
}
