//! Neighbourhoods and partitions: the sites fall into parts that lie together, each part with its items is a model of its own,
//! parts are improved at the same time, and what is better is put back.
//!
//! This is decomposition in the way of POP (Narayanan et al., 2021), repeated with other borders each time, so that what
//! one partition keeps apart the next one can bring together.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::Model;
use crate::state::{NOWHERE, State};

/// A part: some sites and the items that they serve now, both in ascending order.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) sites: Vec<u32>,
    pub(crate) items: Vec<u32>,
    pub(crate) model: Model,
    /// Where each item of the part is served now, by number within the part.
    pub(crate) start: Vec<u32>,
    pub(crate) seed: u64,
}

/// Cuts the sites into parts of about `size` open ones around random centres, with the closed ones that lie between.
pub(crate) fn partition(state: &State<'_>, size: usize, random: &mut ChaCha8Rng) -> Vec<Part> {
    let model = state.model();
    let mut open: Vec<u32> = (0..model.sites() as u32).filter(|site| state.is_open(*site as usize)).collect();
    open.shuffle(random);
    let mut part_of = vec![u32::MAX; model.sites()];
    let mut parts: Vec<Vec<u32>> = Vec::new();
    for centre in open {
        if part_of[centre as usize] != u32::MAX {
            continue;
        }
        let number = parts.len() as u32;
        let near = nearest(state, centre, size, &part_of);
        for site in &near {
            part_of[*site as usize] = number;
        }
        parts.push(near);
    }
    join_small(&mut parts, size, random);
    add_closed(state, &mut parts);
    let mut built: Vec<Part> = parts.into_iter().map(|sites| build(state, sites, random.random())).collect();
    add_unserved(state, &mut built);
    built
}

/// The open sites that the centre's items would go to next, until there are enough.
fn nearest(state: &State<'_>, centre: u32, size: usize, part_of: &[u32]) -> Vec<u32> {
    let model = state.model();
    let mut near = vec![centre];
    // A few items speak for all of them.
    let members = state.members(centre as usize);
    let speakers: Vec<u32> = members.iter().step_by(members.len().div_ceil(6)).copied().collect();
    let mut rank: Vec<(usize, u32)> = Vec::new();
    let mut seen = vec![0_usize; model.sites()];
    for item in &speakers {
        let open = model.candidates(*item as usize).iter().filter(|site| state.is_open(**site as usize));
        for (place, site) in open.take(4 * size).enumerate() {
            if seen[*site as usize] == 0 {
                rank.push((0, *site));
            }
            seen[*site as usize] += 4 * size - place;
        }
    }
    for (score, site) in &mut rank {
        *score = seen[*site as usize];
    }
    rank.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let free = rank.into_iter().map(|(_, site)| site);
    near.extend(free.filter(|site| *site != centre && part_of[*site as usize] == u32::MAX).take(size - 1));
    near
}

/// Left-overs go together: parts at random, for what lies far apart.
fn join_small(parts: &mut Vec<Vec<u32>>, size: usize, random: &mut ChaCha8Rng) {
    let (mut small, mut large): (Vec<_>, Vec<_>) = parts.drain(..).partition(|part| part.len() * 2 < size);
    small.shuffle(random);
    let mut joined: Vec<u32> = Vec::new();
    for part in small {
        joined.extend(part);
        if joined.len() >= size {
            large.push(std::mem::take(&mut joined));
        }
    }
    if !joined.is_empty() {
        large.push(joined);
    }
    *parts = large;
}

/// Gives each closed site to the part whose items would use it most.
fn add_closed(state: &State<'_>, parts: &mut [Vec<u32>]) {
    let model = state.model();
    let mut part_of = vec![u32::MAX; model.sites()];
    for (number, part) in parts.iter().enumerate() {
        for site in part {
            part_of[*site as usize] = number as u32;
        }
    }
    // By votes of the items: the first few closed sites on their lists.
    let mut votes: Vec<Vec<u32>> = vec![Vec::new(); model.sites()];
    for item in 0..model.items() {
        let at = state.site(item);
        if at == NOWHERE {
            continue;
        }
        let now = model.cost(item, at as usize) + model.opening(at as usize);
        for site in model.candidates(item).iter().take(24) {
            if model.cost(item, *site as usize) > now {
                break;
            }
            if !state.is_open(*site as usize) {
                votes[*site as usize].push(part_of[at as usize]);
            }
        }
    }
    for (site, votes) in votes.iter_mut().enumerate() {
        votes.sort_unstable();
        let most = votes.chunk_by(|a, b| a == b).max_by_key(|run| (run.len(), std::cmp::Reverse(run[0])));
        if let Some(run) = most
            && run[0] != u32::MAX
        {
            parts[run[0] as usize].push(site as u32);
        }
    }
}

fn build(state: &State<'_>, mut sites: Vec<u32>, seed: u64) -> Part {
    let model = state.model();
    sites.sort_unstable();
    let mut items: Vec<u32> = sites.iter().flat_map(|site| state.members(*site as usize)).copied().collect();
    items.sort_unstable();
    part(model, state, sites, items, seed)
}

fn part(model: &Model, state: &State<'_>, sites: Vec<u32>, items: Vec<u32>, seed: u64) -> Part {
    let capacity = sites.iter().flat_map(|site| model.capacity(*site as usize)).copied().collect();
    let opening = sites.iter().map(|site| model.opening(*site as usize)).collect();
    let local = model.part(&sites, &items, capacity, opening);
    let start = items.iter().map(|item| match state.site(*item as usize) {
        NOWHERE => NOWHERE,
        site => sites.binary_search(&site).map_or(NOWHERE, |place| place as u32),
    });
    let start = start.collect();
    Part { sites, items, model: local, start, seed }
}

/// Unserved items join the part that holds most of the sites they could go to.
fn add_unserved(state: &State<'_>, parts: &mut [Part]) {
    let model = state.model();
    let unserved: Vec<u32> =
        (0..model.items() as u32).filter(|item| state.site(*item as usize) == NOWHERE).collect();
    let mut more: Vec<Vec<u32>> = vec![Vec::new(); parts.len()];
    for item in unserved {
        let candidates = model.candidates(item as usize);
        let holds = |part: &Part| {
            candidates.iter().take(32).filter(|site| part.sites.binary_search(site).is_ok()).count()
        };
        if let Some(best) =
            (0..parts.len()).max_by_key(|number| (holds(&parts[*number]), std::cmp::Reverse(*number)))
        {
            more[best].push(item);
        }
    }
    for (number, more) in more.into_iter().enumerate().filter(|(_, more)| !more.is_empty()) {
        let mut items = [parts[number].items.as_slice(), &more].concat();
        items.sort_unstable();
        let sites = std::mem::take(&mut parts[number].sites);
        parts[number] = part(model, state, sites, items, parts[number].seed);
    }
}

/// Puts a part's new plan back.
pub(crate) fn put_back(state: &mut State<'_>, part: &Part, sites: &[u32]) {
    for item in &part.items {
        state.take(*item as usize);
    }
    for (item, site) in part.items.iter().zip(sites) {
        if *site != NOWHERE {
            state.put(*item as usize, part.sites[*site as usize] as usize);
        }
    }
}

/// The source of randomness of a part.
pub(crate) fn random(part: &Part) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(part.seed)
}
