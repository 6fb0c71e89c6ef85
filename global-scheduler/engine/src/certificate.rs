//! Lower bounds that anyone can recompute.
//!
//! Multipliers are prices: `item[j]` is what serving item j may cost, `site[i, r]` what a unit of resource r at site i is worth. For any
//! of them, with prices of resources not negative,
//!
//! ```text
//! sum_j min(item[j], unserved[j])
//!   + sum_i min(0, opening[i] - sum_r site[i,r] capacity[i,r] + sum_j min(0, cost[j,i] + sum_r site[i,r] usage[j,i,r] - item[j]))
//! ```
//!
//! is at most the cost of every plan, by duality: it is the Lagrangian of the linear relaxation in which a site serves nothing unless
//! it is open. A tree of cases sharpens it: at each branch a site is open in one case and closed in the other, and the
//! bound is the least of all cases.

use std::sync::Arc;

/// Prices of items and of resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Multipliers {
    /// A price for each item.
    pub item: Vec<f64>,
    /// A price for each resource of each site, not negative: `[site * resources + resource]`.
    pub site: Vec<f64>,
}

/// The proof of a lower bound.
#[derive(Clone, Debug, PartialEq)]
pub enum Certificate {
    /// One set of prices.
    Prices(Arc<Multipliers>),
    /// Two cases.
    Branch {
        /// The site in question.
        site: u32,
        /// The proof for the case that it is closed.
        closed: Box<Certificate>,
        /// The proof for the case that it is open.
        open: Box<Certificate>,
    },
}

/// What a case says of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixing {
    /// Nothing.
    Free,
    /// It serves nothing.
    Closed,
    /// It is paid for.
    Open,
}
