//! Pods counted by topology domain, kept as pods come and go.

use rustc_hash::FxHashMap;

use super::domain::NO_VALUE;
use super::table::Id;

/// Counts are kept in pages of so many domains, made when they are first used.
const PAGE: usize = 64;

/// What is counted where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CounterKey {
    pub(crate) domains: Id,
    pub(crate) subject: Subject,
}

/// Which pods are counted, and what each counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// Pods that a matcher matches, one each.
    Matching {
        matcher: Id,
        /// Whether those count that have been told to stop.
        terminating: bool,
    },
    /// Pods with a term that matches as the matcher does, one for each such term, or its weight.
    Carrying { matcher: Id, kind: Carried },
}

impl Subject {
    pub(crate) fn matcher(&self) -> Id {
        match self {
            Subject::Matching { matcher, .. } | Subject::Carrying { matcher, .. } => *matcher,
        }
    }
}

/// What kind of term pods carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Carried {
    Affinity,
    AntiAffinity,
    Preferred,
}

/// Counts by domain.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    /// Where: domains, and the column and the scope that these are made of.
    pub(crate) domains: Id,
    pub(crate) column: Id,
    pub(crate) scope: Id,
    pages: Vec<Option<Box<[i64; PAGE]>>>,
    /// The sum of all counts.
    pub(crate) total: i64,
    /// How many domains that exist have each count.
    levels: FxHashMap<i64, u32>,
    /// The least count of a domain that exists; 0 where none does.
    least: i64,
    /// Whether levels are kept.
    pub(crate) is_ranked: bool,
    /// When a count or the domains last changed.
    pub(crate) changed: u64,
}

impl Counter {
    pub(crate) fn new(domains: Id, column: Id, scope: Id, is_ranked: bool) -> Counter {
        let (pages, levels) = (Vec::new(), FxHashMap::default());
        Counter { domains, column, scope, pages, total: 0, levels, least: 0, is_ranked, changed: 0 }
    }

    /// The count of a domain.
    #[inline]
    pub(crate) fn count(&self, value: u32) -> i64 {
        if value == NO_VALUE {
            return 0;
        }
        match self.pages.get(value as usize / PAGE) {
            Some(Some(page)) => page[value as usize % PAGE],
            Some(None) | None => 0,
        }
    }

    /// All counts but those of nothing, by domain.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u32, i64)> + '_ {
        let pages = self.pages.iter().enumerate().filter_map(|(number, page)| Some((number, page.as_ref()?)));
        pages.flat_map(|(number, page)| {
            let counted = page.iter().enumerate().filter(|(_, count)| **count != 0);
            counted.map(move |(place, count)| ((number * PAGE + place) as u32, *count))
        })
    }

    /// The least count of a domain that exists.
    pub(crate) fn least(&self) -> i64 {
        self.least
    }

    /// Adds to a domain that exists.
    pub(crate) fn add(&mut self, value: u32, amount: i64) {
        let page = value as usize / PAGE;
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        let page = self.pages[page].get_or_insert_with(|| Box::new([0; PAGE]));
        let count = &mut page[value as usize % PAGE];
        let old = *count;
        *count += amount;
        self.total += amount;
        if self.is_ranked && amount != 0 {
            let new = *count;
            self.lower(old);
            self.raise(new);
            self.settle(old);
        }
    }

    /// A domain without pods has come into existence.
    pub(crate) fn appear(&mut self) {
        if self.is_ranked {
            let is_first = self.levels.is_empty();
            self.raise(0);
            if is_first {
                self.least = 0;
            }
        }
    }

    /// A domain without pods is no more.
    pub(crate) fn disappear(&mut self) {
        if self.is_ranked {
            self.lower(0);
            self.settle(0);
        }
    }

    fn raise(&mut self, level: i64) {
        *self.levels.entry(level).or_default() += 1;
        self.least = self.least.min(level);
    }

    fn lower(&mut self, level: i64) {
        if let Some(domains) = self.levels.get_mut(&level) {
            *domains -= 1;
            if *domains == 0 {
                self.levels.remove(&level);
            }
        }
    }

    /// Finds the least count anew where the domains that had it may be gone.
    fn settle(&mut self, left: i64) {
        if left > self.least || self.levels.contains_key(&self.least) {
            return;
        }
        self.least = if self.levels.contains_key(&(left + 1)) {
            left + 1
        } else {
            self.levels.keys().copied().min().unwrap_or(0)
        };
    }
}
