//! The checker: what a plan costs, whether it may be, and what a certificate proves, from first principles.
//!
//! It shares nothing with the solvers but the model and walks over all pairs of items and sites. Every test ends with it.

use crate::assignment::Assignment;
use crate::certificate::{Certificate, Fixing, Multipliers};
use crate::model::{Model, TOLERANCE};
use crate::rule::{Breach, breaches};

/// What the checker found about a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Money: serving, opening, and the price of what is unserved.
    pub objective: f64,
    /// Every rule that is broken; none if the plan is feasible.
    pub violations: Vec<Violation>,
    /// Shares of items that nobody serves, added up.
    pub unserved: f64,
}

impl Checked {
    /// Whether no rule is broken.
    pub fn is_feasible(&self) -> bool {
        self.violations.is_empty()
    }
}

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The assignment is not one of this model.
    #[error("the plan has {found} items, the model {want}")]
    Items {
        /// In the plan.
        found: usize,
        /// In the model.
        want: usize,
    },
    /// A site that is not there, or may not serve the item.
    #[error("item {item} is served by site {site}, which may not serve it")]
    NotACandidate {
        /// The item.
        item: usize,
        /// The site.
        site: u32,
    },
    /// A share that is no share, or shares of more than the whole.
    #[error("item {item} is served {share} times, want 0 to 1")]
    Share {
        /// The item.
        item: usize,
        /// The share.
        share: f64,
    },
    /// Shares of an item that cannot be divided.
    #[error("item {item} is divided, and is to be served whole")]
    Divided {
        /// The item.
        item: usize,
    },
    /// An item that must be served.
    #[error("item {item} must be served, and {share} of it is not")]
    Unserved {
        /// The item.
        item: usize,
        /// What is not served.
        share: f64,
    },
    /// A row that carries more than it may.
    #[error("row {row} carries {load}, and may carry {most}")]
    Row {
        /// The row.
        row: usize,
        /// What it carries.
        load: f64,
        /// What it may.
        most: f64,
    },
    /// Two groups of items that are to keep apart.
    #[error("domain {domain} serves items of both groups of apart {apart}")]
    Together {
        /// The number of the rule.
        apart: usize,
        /// The domain that serves both.
        domain: u32,
    },
    /// A site that gives more than it has.
    #[error("site {site} gives {used} of resource {resource}, and has {capacity}")]
    Overloaded {
        /// The site.
        site: usize,
        /// The resource.
        resource: usize,
        /// What it gives.
        used: f64,
        /// What it has.
        capacity: f64,
    },
}

/// Recomputes what a plan costs and looks for rules that it breaks.
pub fn check(model: &Model, assignment: &Assignment) -> Checked {
    let mut violations = Vec::new();
    if assignment.portions.len() != model.items() {
        violations.push(Violation::Items { found: assignment.portions.len(), want: model.items() });
        return Checked { objective: f64::INFINITY, violations, unserved: 0.0 };
    }
    let mut used = vec![0.0; model.sites() * model.resources()];
    let mut is_open = vec![false; model.sites()];
    let (mut objective, mut unserved) = (0.0, 0.0);
    for (item, portions) in assignment.portions.iter().enumerate() {
        let mut served = 0.0;
        for portion in portions {
            let site = portion.site as usize;
            if site >= model.sites() || !model.cost(item, site).is_finite() {
                violations.push(Violation::NotACandidate { item, site: portion.site });
                continue;
            }
            if !(portion.share > 0.0 && portion.share <= 1.0 + TOLERANCE) {
                violations.push(Violation::Share { item, share: portion.share });
                continue;
            }
            served += portion.share;
            objective += portion.share * model.cost(item, site);
            is_open[site] = true;
            for (resource, usage) in model.usage(item, site).iter().enumerate() {
                used[site * model.resources() + resource] += portion.share * usage;
            }
        }
        if served > 1.0 + 1e-7 {
            violations.push(Violation::Share { item, share: served });
        }
        let lacking = if served > 1.0 - 1e-7 { 0.0 } else { 1.0 - served };
        if model.is_whole(item) && (portions.len() > 1 || (served > 0.0 && lacking > 0.0)) {
            violations.push(Violation::Divided { item });
        }
        if model.is_required(item) && lacking > 0.0 {
            violations.push(Violation::Unserved { item, share: lacking });
        }
        objective += lacking * model.unserved(item);
        unserved += lacking;
    }
    objective +=
        (0..model.sites()).filter(|site| is_open[*site]).map(|site| model.opening(site)).sum::<f64>();
    for site in 0..model.sites() {
        for (resource, capacity) in model.capacity(site).iter().enumerate() {
            let used = used[site * model.resources() + resource];
            if used > capacity + 1e-7 * capacity.max(1.0) {
                violations.push(Violation::Overloaded { site, resource, used, capacity: *capacity });
            }
        }
    }
    violations.extend(breaches(model, &assignment.portions).into_iter().map(|breach| match breach {
        Breach::Row(row, load, most) => Violation::Row { row, load, most },
        Breach::Apart(apart, domain) => Violation::Together { apart, domain },
    }));
    Checked { objective, violations, unserved }
}

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Prices for another model.
    #[error("there are {found} prices of {what}, want {want}")]
    Length {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        want: usize,
    },
    /// A price that is not finite, or a negative one of a resource.
    #[error(
        "the price {place} of {what} is {value}, want a finite number, and of a resource not a negative one"
    )]
    Price {
        /// Of what.
        what: &'static str,
        /// Which.
        place: usize,
        /// What it is.
        value: f64,
    },
    /// A branch on a site that is not there, or that an earlier branch has decided.
    #[error("a case is about site {0}, which is not there or is decided already")]
    Site(u32),
}

/// Recomputes the lower bound that a certificate proves.
pub fn bound(model: &Model, certificate: &Certificate) -> Result<f64, CertificateError> {
    let mut fixings = vec![Fixing::Free; model.sites()];
    // Depth first, without recursion, since a tree may be deep: a case to enter, or a site to free again.
    enum Step<'a> {
        Enter(&'a Certificate),
        Fix(u32, Fixing),
    }
    let mut least = f64::INFINITY;
    let mut steps = vec![Step::Enter(certificate)];
    while let Some(step) = steps.pop() {
        match step {
            Step::Fix(site, fixing) => fixings[site as usize] = fixing,
            Step::Enter(Certificate::Prices(prices)) => {
                least = least.min(prices_prove(model, prices, &fixings)?);
            }
            Step::Enter(Certificate::Branch { site, closed, open }) => {
                if fixings.get(*site as usize) != Some(&Fixing::Free) {
                    return Err(CertificateError::Site(*site));
                }
                steps.push(Step::Fix(*site, Fixing::Free));
                steps.push(Step::Enter(open));
                steps.push(Step::Fix(*site, Fixing::Open));
                steps.push(Step::Enter(closed));
                steps.push(Step::Fix(*site, Fixing::Closed));
            }
        }
    }
    Ok(least)
}

fn prices_prove(model: &Model, prices: &Multipliers, fixings: &[Fixing]) -> Result<f64, CertificateError> {
    let resources = model.resources();
    expect_prices("items", &prices.item, model.items(), f64::NEG_INFINITY)?;
    expect_prices("resources", &prices.site, model.sites() * resources, 0.0)?;
    let mut bound = 0.0;
    for (item, price) in prices.item.iter().enumerate() {
        bound += price.min(model.unserved(item));
    }
    for (site, fixing) in fixings.iter().enumerate() {
        if *fixing == Fixing::Closed {
            continue;
        }
        let of_site = &prices.site[site * resources..(site + 1) * resources];
        let worth = |amounts: &[f64]| -> f64 {
            of_site.iter().zip(amounts).map(|(price, amount)| price * amount).sum()
        };
        let mut value = model.opening(site) - worth(model.capacity(site));
        for (item, price) in prices.item.iter().enumerate() {
            let cost = model.cost(item, site);
            if cost.is_finite() {
                value += (cost + worth(model.usage(item, site)) - price).min(0.0);
            }
        }
        bound += if *fixing == Fixing::Open { value } else { value.min(0.0) };
    }
    Ok(bound)
}

fn expect_prices(
    what: &'static str,
    prices: &[f64],
    want: usize,
    least: f64,
) -> Result<(), CertificateError> {
    if prices.len() != want {
        return Err(CertificateError::Length { what, found: prices.len(), want });
    }
    match prices.iter().position(|price| !price.is_finite() || *price < least) {
        Some(place) => Err(CertificateError::Price { what, place, value: prices[place] }),
        None => Ok(()),
    }
}
