//! Attempts at a gang: members placed one by one, within a domain or anywhere, and taken back.

use std::sync::Arc;

use super::topology::Domain;
use super::{Gang, PlacedMember};
use crate::cell::BLOCK;
use crate::class::ClassId;
use crate::index::Best;
use crate::placement::Seat;
use crate::plugins::{Context, Key, NONE, lane_of, score_of};
use crate::scheduler::{Choice, Scheduler};
use crate::score::Extremes;
use crate::topology::Grouped;

/// What has been placed of a gang, in order: the log by which it is undone.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) members: Vec<PlacedMember>,
    /// The class of the first member that found no host.
    pub(super) refused: Option<ClassId>,
}

impl From<Vec<PlacedMember>> for Attempt {
    fn from(members: Vec<PlacedMember>) -> Attempt {
        Attempt { members, refused: None }
    }
}

impl Attempt {
    fn score(&self) -> i64 {
        self.members.iter().map(|member| member.score).sum()
    }

    /// Where members went.
    pub(super) fn choices(&self) -> Vec<(ClassId, Choice)> {
        let choice = |PlacedMember { class, placement, score }: &PlacedMember| {
            let Seat { devices, numa } = placement.seat();
            (*class, Choice { host: placement.host(), devices, numa, score: *score })
        };
        self.members.iter().map(choice).collect()
    }
}

impl Scheduler {
    /// Places members in order, each on the best host of a domain or of all. A class of which one finds no host waits until
    /// all others have been tried: where members want to be beside each other, these may have made a place for it. Stops
    /// early where `least` cannot be reached any more.
    pub(super) fn attempt(&mut self, gang: &Gang, domain: Option<&Domain>, least: usize) -> Attempt {
        let mut attempt = Attempt::default();
        let mut missing = gang.members.clone();
        // Only terms between pods let a pod in where another was placed.
        let may_open = gang.members.iter().any(|(class, _)| matches!(self.reshape(*class), Some(Some(_))));
        loop {
            let before = attempt.members.len();
            let mut left: usize = missing.iter().map(|(_, count)| *count).sum();
            for (class, count) in &mut missing {
                left -= *count;
                *count -= self.place_members(&mut attempt, *class, *count, domain);
                if !may_open && attempt.members.len() + left < least {
                    break;
                }
            }
            missing.retain(|(_, count)| *count > 0);
            if !may_open || missing.is_empty() || attempt.members.len() == before {
                break;
            }
        }
        attempt.refused = missing.first().map(|(class, _)| *class);
        attempt
    }

    /// Places up to so many members of a class and returns how many found a host.
    fn place_members(
        &mut self,
        attempt: &mut Attempt,
        class: ClassId,
        count: usize,
        domain: Option<&Domain>,
    ) -> usize {
        let mut within = domain.map(Within::new);
        for placed in 0..count {
            let choice = match &mut within {
                Some(within) => self.decide_within(class, within),
                None => self.find(class),
            };
            let placement = choice.and_then(|choice| {
                Some((choice.score, self.try_place(class, choice.host, choice.seat()).ok()?))
            });
            let Some((score, placement)) = placement else { return placed };
            attempt.members.push(PlacedMember { class, placement, score });
        }
        count
    }

    /// Takes an attempt back, the last member first.
    pub(super) fn undo(&mut self, attempt: Attempt) {
        for member in attempt.members.into_iter().rev() {
            let released = self.release(member.placement);
            debug_assert!(released.is_ok(), "a host of an attempt is still there: {released:?}");
        }
    }

    /// Places what has been tried before.
    pub(super) fn commit(&mut self, choices: &[(ClassId, Choice)]) -> Option<Attempt> {
        let mut attempt = Attempt::default();
        for (class, choice) in choices {
            match self.try_place(*class, choice.host, choice.seat()) {
                Ok(placement) => {
                    attempt.members.push(PlacedMember { class: *class, placement, score: choice.score });
                }
                Err(error) => {
                    debug_assert!(false, "what fitted and was undone fits again: {error}");
                    self.undo(attempt);
                    return None;
                }
            }
        }
        Some(attempt)
    }

    /// The domain of a key that holds the most members, at least `least`; of these the one with the highest sum of scores,
    /// then the one whose first host comes first. With where members go there.
    pub(super) fn best_domain(
        &mut self,
        gang: &Gang,
        key: &str,
        least: usize,
    ) -> Option<(Domain, Vec<(ClassId, Choice)>)> {
        let domains = self.domains.of(&self.cell, key);
        let mut best: Option<Attempted> = None;
        for (number, domain) in domains.iter().enumerate() {
            // What cannot hold as many members as the best so far is not tried.
            let wanted = best.as_ref().map_or(least, |best| least.max(best.choices.len()));
            let mut could = 0;
            for (class, count) in &gang.members {
                could += self.at_most(*class, *count, Some(domain));
            }
            if could < wanted {
                continue;
            }
            let attempt = self.attempt(gang, Some(domain), wanted);
            let (members, score) = (attempt.members.len(), attempt.score());
            let is_better =
                best.as_ref().is_none_or(|best| (members, score) > (best.choices.len(), best.score));
            if members >= wanted && is_better {
                best = Some(Attempted { number, score, choices: attempt.choices() });
            }
            self.undo(attempt);
        }
        let Attempted { number, choices, .. } = best?;
        Some((domains[number].clone(), choices))
    }

    /// The best host of a domain for a pod of a class.
    fn decide_within(&mut self, class: ClassId, within: &mut Within<'_>) -> Option<Choice> {
        let shape = self.reshape(class)?;
        let entry = self.classes.refresh(class, &self.cell)?;
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let ask = Arc::clone(&entry.ask);
        let context = Context { cell: &self.cell, plugins: &self.plugins, ask: &ask, set };
        let best = match shape {
            Some(shape) => Grouped::best_among(&context, self.shapes.rules(shape), &within.domain.blocks)?,
            None => within.best(&context)?,
        };
        Some(self.choice(best, &ask))
    }
}

/// What a domain was found to hold.
struct Attempted {
    number: usize,
    score: i64,
    choices: Vec<(ClassId, Choice)>,
}

/// The best host of each block of a domain for one class, as far as it is of the domain.
struct Within<'a> {
    domain: &'a Domain,
    keys: Vec<Key>,
    version: Option<u64>,
}

impl<'a> Within<'a> {
    fn new(domain: &'a Domain) -> Within<'a> {
        Within { domain, keys: Vec::new(), version: None }
    }

    /// Catches up with the cell and names the best host.
    fn best(&mut self, context: &Context<'_>) -> Option<Best> {
        let blocks = &self.domain.blocks;
        let journal = &context.cell.journal;
        let feasible = |(block, mask): (u32, u64)| context.feasible(block as usize) & mask;
        match self.version {
            // Where scores are normalised, each may depend on what is feasible elsewhere in the domain.
            Some(version) if !context.normalises() => {
                let view = context.view(Extremes::default());
                journal.changed_since(version, |block| {
                    let Ok(place) = blocks.binary_search_by_key(&(block as u32), |(block, _)| *block) else {
                        return;
                    };
                    self.keys[place] = context.best(&view, block, feasible(blocks[place]));
                });
            }
            _ => {
                let mut extremes = Extremes::default();
                if context.normalises() {
                    for entry in blocks {
                        extremes = extremes.max(context.extremes(entry.0 as usize, feasible(*entry)));
                    }
                }
                let view = context.view(extremes);
                let best = |entry: &(u32, u64)| context.best(&view, entry.0 as usize, feasible(*entry));
                self.keys = blocks.iter().map(best).collect();
            }
        }
        self.version = Some(journal.version());
        let mut best = (0, NONE);
        for (place, key) in self.keys.iter().enumerate() {
            if score_of(*key) > score_of(best.1) {
                best = (place, *key);
            }
        }
        let (place, key) = best;
        let block = blocks.get(place)?.0 as usize;
        (key != NONE).then(|| Best { slot: block * BLOCK + lane_of(key), score: score_of(key) })
    }
}
