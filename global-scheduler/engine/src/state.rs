//! A plan under construction: every item whole at one site or nowhere, with the loads that follow.

use crate::assignment::Assignment;
use crate::model::{Model, most};
use crate::rule::RuleLoads;

/// No site: the item is unserved.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Who serves what, and what each site gives. Items that may be divided are whole here too.
#[derive(Clone, Debug)]
pub(crate) struct State<'m> {
    model: &'m Model,
    site: Vec<u32>,
    /// The items at each site, in no particular order, and where each item stands there.
    members: Vec<Vec<u32>>,
    place: Vec<u32>,
    load: Vec<f64>,
    cost: f64,
    rules: Option<RuleLoads>,
}

impl<'m> State<'m> {
    /// Nothing is served.
    pub(crate) fn empty(model: &'m Model) -> State<'m> {
        State {
            model,
            site: vec![NOWHERE; model.items()],
            members: vec![Vec::new(); model.sites()],
            place: vec![0; model.items()],
            load: vec![0.0; model.sites() * model.resources()],
            cost: (0..model.items()).map(|item| model.unserved(item)).sum(),
            rules: model.rules().map(RuleLoads::new),
        }
    }

    /// Each item where it was, as far as it may and fits.
    pub(crate) fn from_sites(model: &'m Model, sites: &[u32]) -> State<'m> {
        let mut state = State::empty(model);
        for (item, site) in sites.iter().enumerate() {
            if *site != NOWHERE
                && model.cost(item, *site as usize).is_finite()
                && state.fits(item, *site as usize)
            {
                state.put(item, *site as usize);
            }
        }
        state
    }

    pub(crate) fn model(&self) -> &'m Model {
        self.model
    }

    pub(crate) fn cost(&self) -> f64 {
        self.cost
    }

    pub(crate) fn site(&self, item: usize) -> u32 {
        self.site[item]
    }

    pub(crate) fn sites(&self) -> &[u32] {
        &self.site
    }

    pub(crate) fn members(&self, site: usize) -> &[u32] {
        &self.members[site]
    }

    pub(crate) fn is_open(&self, site: usize) -> bool {
        !self.members[site].is_empty()
    }

    pub(crate) fn load(&self, site: usize) -> &[f64] {
        let resources = self.model.resources();
        &self.load[site * resources..(site + 1) * resources]
    }

    /// What it costs now to have the item where it is.
    pub(crate) fn cost_of(&self, item: usize) -> f64 {
        match self.site[item] {
            NOWHERE => self.model.unserved(item),
            site => self.model.cost(item, site as usize),
        }
    }

    /// What is saved at its site when the item leaves: the opening cost, if it is alone.
    pub(crate) fn closing_gain(&self, item: usize) -> f64 {
        match self.site[item] {
            NOWHERE => 0.0,
            site if self.members[site as usize].len() == 1 => self.model.opening(site as usize),
            _ => 0.0,
        }
    }

    /// What the site costs to open; nothing if it is open.
    pub(crate) fn opening_cost(&self, site: usize) -> f64 {
        if self.is_open(site) { 0.0 } else { self.model.opening(site) }
    }

    /// Whether there is room for the item.
    pub(crate) fn fits(&self, item: usize, site: usize) -> bool {
        let room = self.load(site).iter().zip(self.model.capacity(site));
        self.model.usage(item, site).iter().zip(room).all(|(usage, (load, has))| load + usage <= most(*has))
            && self.obeys(item, site, None)
    }

    /// Whether no rule speaks against the item at the site, once another one has left it.
    fn obeys(&self, item: usize, site: usize, leaving: Option<usize>) -> bool {
        match (self.model.rules(), &self.rules) {
            (Some(rules), Some(loads)) => loads.allow(rules, item, self.site[item], site, leaving),
            _ => true,
        }
    }

    /// Whether there is room for the item once another one has left.
    pub(crate) fn fits_without(&self, item: usize, site: usize, leaving: usize) -> bool {
        let room = self.load(site).iter().zip(self.model.capacity(site));
        let usage = self.model.usage(item, site).iter().zip(self.model.usage(leaving, site));
        usage.zip(room).all(|((usage, less), (load, has))| load - less + usage <= most(*has))
            && self.obeys(item, site, Some(leaving))
    }

    /// Serves an unserved item.
    pub(crate) fn put(&mut self, item: usize, site: usize) {
        debug_assert_eq!(self.site[item], NOWHERE);
        self.cost += self.model.cost(item, site) - self.model.unserved(item) + self.opening_cost(site);
        self.site[item] = site as u32;
        self.place[item] = self.members[site].len() as u32;
        self.members[site].push(item as u32);
        let resources = self.model.resources();
        for (load, usage) in self.load[site * resources..].iter_mut().zip(self.model.usage(item, site)) {
            *load += usage;
        }
        if let (Some(rules), Some(loads)) = (self.model.rules(), &mut self.rules) {
            loads.put(rules, item, site);
        }
    }

    /// Leaves an item unserved.
    pub(crate) fn take(&mut self, item: usize) {
        let site = self.site[item];
        if site == NOWHERE {
            return;
        }
        self.cost += self.model.unserved(item) - self.cost_of(item) - self.closing_gain(item);
        let site = site as usize;
        let place = self.place[item] as usize;
        self.members[site].swap_remove(place);
        if let Some(moved) = self.members[site].get(place) {
            self.place[*moved as usize] = place as u32;
        }
        self.site[item] = NOWHERE;
        let resources = self.model.resources();
        let is_empty = self.members[site].is_empty();
        for (load, usage) in self.load[site * resources..].iter_mut().zip(self.model.usage(item, site)) {
            // An empty site carries no rounding along.
            *load = if is_empty { 0.0 } else { *load - usage };
        }
        if let (Some(rules), Some(loads)) = (self.model.rules(), &mut self.rules) {
            loads.take(rules, item, site);
        }
    }

    /// Exchanges two items, unless a rule about both of their sites says otherwise. Both must fit without the other.
    pub(crate) fn try_swap(&mut self, item: usize, other: usize) -> bool {
        let (from, to) = (self.site[item] as usize, self.site[other] as usize);
        self.take(item);
        self.take(other);
        if self.fits(item, to) {
            self.put(item, to);
            if self.fits(other, from) {
                self.put(other, from);
                return true;
            }
            self.take(item);
        }
        self.put(item, from);
        self.put(other, to);
        false
    }

    pub(crate) fn shift(&mut self, item: usize, site: usize) {
        self.take(item);
        self.put(item, site);
    }

    pub(crate) fn assignment(&self) -> Assignment {
        let sites: Vec<Option<u32>> =
            self.site.iter().map(|site| (*site != NOWHERE).then_some(*site)).collect();
        Assignment::whole(&sites)
    }
}
