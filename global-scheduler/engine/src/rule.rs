//! Rules beyond the capacity of single sites: rows that many sites share, and items that keep apart.
//!
//! A [`Row`] limits a weighted sum over pairs of item and site: replicas in a failure domain, traffic on a link. An [`Apart`] keeps
//! two groups of items out of the same domain. They only take plans away, so every bound of the model without them holds with them.
//! Solvers keep to them wherever they ask whether an item fits.

use crate::model::{MOST, Model, ModelError, most};
use crate::state::NOWHERE;

/// A limit on a weighted sum over pairs of item and site. What an item weighs counts in full when the site serves it whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The most that the sum may be.
    pub most: f64,
    /// The pairs that count.
    pub terms: Vec<Term>,
}

/// What a pair of item and site adds to a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// The item.
    pub item: u32,
    /// The site.
    pub site: u32,
    /// Not negative.
    pub weight: f64,
}

/// Two groups of items that no domain may serve both of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// One group.
    pub first: Vec<u32>,
    /// The other; no item is in both.
    pub second: Vec<u32>,
    /// The domain of each site.
    pub domain: Vec<u32>,
}

/// Rules in the form that solvers ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    most: Vec<f64>,
    /// For each item its terms, by site: site, row, weight.
    terms: Vec<Vec<(u32, u32, f64)>>,
    /// For each item where it must keep apart, and on which side it is.
    sides: Vec<Vec<(u32, u8)>>,
    domain: Vec<Vec<u32>>,
    domains: Vec<usize>,
}

impl Rules {
    pub(crate) fn new(
        items: usize,
        sites: usize,
        rows: &[Row],
        aparts: &[Apart],
    ) -> Result<Rules, ModelError> {
        let mut rules =
            Rules { terms: vec![Vec::new(); items], sides: vec![Vec::new(); items], ..Rules::default() };
        for (number, row) in rows.iter().enumerate() {
            let whose = || format!("rows[{number}]");
            in_range("limit", whose, row.most)?;
            rules.most.push(row.most);
            for term in &row.terms {
                in_range("weight", whose, term.weight)?;
                number_of("item", whose, term.item, items)?;
                number_of("site", whose, term.site, sites)?;
                rules.terms[term.item as usize].push((term.site, number as u32, term.weight));
            }
        }
        for terms in &mut rules.terms {
            terms.sort_by_key(|(site, row, _)| (*site, *row));
            // What is said of a pair twice adds up.
            terms.dedup_by(|next, kept| {
                let is_same = (next.0, next.1) == (kept.0, kept.1);
                kept.2 += if is_same { next.2 } else { 0.0 };
                is_same
            });
        }
        for (number, apart) in aparts.iter().enumerate() {
            let whose = || format!("aparts[{number}]");
            if apart.domain.len() != sites {
                let what = format!("domain of {}", whose());
                return Err(ModelError::Length { what, length: apart.domain.len(), want: sites });
            }
            for (side, group) in [(0, &apart.first), (1, &apart.second)] {
                for item in group {
                    number_of("item", whose, *item, items)?;
                    rules.sides[*item as usize].push((number as u32, side));
                }
            }
            rules.domains.push(apart.domain.iter().max().map_or(0, |most| *most as usize + 1));
            rules.domain.push(apart.domain.clone());
        }
        Ok(rules)
    }

    fn terms(&self, item: usize, site: u32) -> &[(u32, u32, f64)] {
        let terms = &self.terms[item];
        let start = terms.partition_point(|term| term.0 < site);
        let length = terms[start..].partition_point(|term| term.0 == site);
        &terms[start..start + length]
    }

    /// The items that keep an item from a site: those of other groups in its domain.
    pub(crate) fn rivals(&self, item: usize, site: usize, sites: &[u32]) -> Vec<u32> {
        let meets = |other: usize| {
            sites[other] != NOWHERE
                && self.sides[other].iter().any(|(apart, side)| {
                    let domain = &self.domain[*apart as usize];
                    self.sides[item].contains(&(*apart, 1 - side))
                        && domain[sites[other] as usize] == domain[site]
                })
        };
        (0..self.sides.len()).filter(|other| meets(*other)).map(|other| other as u32).collect()
    }

    /// The rules as linear constraints: limits, and what weighs how much. Each pair of items that keep apart is one for each
    /// domain, so this is for small models.
    pub(crate) fn constraints(&self) -> Vec<Row> {
        let mut constraints: Vec<Row> =
            self.most.iter().map(|most| Row { most: *most, terms: Vec::new() }).collect();
        for (item, terms) in self.terms.iter().enumerate() {
            for (site, row, weight) in terms {
                let term = Term { item: item as u32, site: *site, weight: *weight };
                constraints[*row as usize].terms.push(term);
            }
        }
        for (apart, domain) in self.domain.iter().enumerate() {
            let group = |side: u8| {
                let sides = self.sides.iter().enumerate();
                sides
                    .filter(move |(_, sides)| sides.contains(&(apart as u32, side)))
                    .map(|(item, _)| item as u32)
            };
            for (first, second) in group(0).flat_map(|first| group(1).map(move |second| (first, second))) {
                for number in 0..self.domains[apart] as u32 {
                    let sites = domain.iter().enumerate().filter(|(_, domain)| **domain == number);
                    let sites = sites.map(|(site, _)| site as u32);
                    let pair = |site| [first, second].map(|item| Term { item, site, weight: 1.0 });
                    constraints.push(Row { most: 1.0, terms: sites.flat_map(pair).collect() });
                }
            }
        }
        constraints
    }

    fn weight(&self, item: usize, site: u32, row: u32) -> f64 {
        let terms = self.terms(item, site).iter().filter(|term| term.1 == row);
        terms.map(|(_, _, weight)| weight).sum()
    }
}

/// What rows carry and who is where, as a plan is made.
#[derive(Clone, Debug)]
pub(crate) struct RuleLoads {
    row: Vec<f64>,
    /// For each pair of groups and each side, the items in each domain.
    here: Vec<[Vec<u32>; 2]>,
}

impl RuleLoads {
    pub(crate) fn new(rules: &Rules) -> RuleLoads {
        let here = rules.domains.iter().map(|domains| [vec![0; *domains], vec![0; *domains]]);
        RuleLoads { row: vec![0.0; rules.most.len()], here: here.collect() }
    }

    /// Whether the item may be served at the site once it has left where it is, and another one has left the site.
    pub(crate) fn allow(
        &self,
        rules: &Rules,
        item: usize,
        now: u32,
        site: usize,
        leaving: Option<usize>,
    ) -> bool {
        let site = site as u32;
        let rows = rules.terms(item, site).iter().all(|(_, row, weight)| {
            let mut load = self.row[*row as usize] + weight;
            if now != NOWHERE {
                load -= rules.weight(item, now, *row);
            }
            if let Some(leaving) = leaving {
                load -= rules.weight(leaving, site, *row);
            }
            load <= most(rules.most[*row as usize])
        });
        rows && rules.sides[item].iter().all(|(apart, side)| {
            let domain = rules.domain[*apart as usize][site as usize] as usize;
            let mut others = self.here[*apart as usize][1 - *side as usize][domain];
            if let Some(leaving) = leaving
                && rules.sides[leaving].contains(&(*apart, 1 - *side))
            {
                others -= 1;
            }
            others == 0
        })
    }

    pub(crate) fn put(&mut self, rules: &Rules, item: usize, site: usize) {
        for (_, row, weight) in rules.terms(item, site as u32) {
            self.row[*row as usize] += weight;
        }
        for (apart, side) in &rules.sides[item] {
            let domain = rules.domain[*apart as usize][site] as usize;
            self.here[*apart as usize][*side as usize][domain] += 1;
        }
    }

    pub(crate) fn take(&mut self, rules: &Rules, item: usize, site: usize) {
        for (_, row, weight) in rules.terms(item, site as u32) {
            self.row[*row as usize] -= weight;
        }
        for (apart, side) in &rules.sides[item] {
            let domain = rules.domain[*apart as usize][site] as usize;
            self.here[*apart as usize][*side as usize][domain] -= 1;
        }
    }
}

/// A rule that an assignment breaks: recomputed from all of its portions.
pub(crate) enum Breach {
    /// A row with what it carries and its limit.
    Row(usize, f64, f64),
    /// Two groups that share a domain.
    Apart(usize, u32),
}

/// All rules that an assignment breaks.
pub(crate) fn breaches(model: &Model, portions: &[Vec<crate::Portion>]) -> Vec<Breach> {
    let Some(rules) = model.rules() else { return Vec::new() };
    let mut row = vec![0.0; rules.most.len()];
    let mut here: Vec<[Vec<bool>; 2]> =
        rules.domains.iter().map(|domains| [vec![false; *domains], vec![false; *domains]]).collect();
    for (item, portions) in portions.iter().enumerate() {
        for portion in portions.iter().filter(|portion| (portion.site as usize) < model.sites()) {
            for (_, number, weight) in rules.terms(item, portion.site) {
                row[*number as usize] += weight * portion.share;
            }
            for (apart, side) in &rules.sides[item] {
                let domain = rules.domain[*apart as usize][portion.site as usize] as usize;
                here[*apart as usize][*side as usize][domain] = true;
            }
        }
    }
    let full = row.iter().zip(&rules.most).enumerate();
    let full = full.filter(|(_, (load, most))| **load > **most + 1e-7 * most.max(1.0));
    let mut breaches: Vec<Breach> = full.map(|(row, (load, most))| Breach::Row(row, *load, *most)).collect();
    for (apart, [first, second]) in here.iter().enumerate() {
        let both = first.iter().zip(second).position(|(first, second)| *first && *second);
        breaches.extend(both.map(|domain| Breach::Apart(apart, domain as u32)));
    }
    breaches
}

fn in_range(what: &'static str, whose: impl Fn() -> String, value: f64) -> Result<(), ModelError> {
    if (0.0..=MOST).contains(&value) {
        return Ok(());
    }
    Err(ModelError::OutOfRange { what, whose: whose(), value, want: "0 to 1e12" })
}

fn number_of(
    what: &'static str,
    whose: impl Fn() -> String,
    number: u32,
    count: usize,
) -> Result<(), ModelError> {
    if (number as usize) < count {
        return Ok(());
    }
    let want = "the number of one that is there, from 0";
    Err(ModelError::OutOfRange { what, whose: whose(), value: f64::from(number), want })
}
