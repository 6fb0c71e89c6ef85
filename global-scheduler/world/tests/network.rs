//! Ways of random networks against a reference that relaxes all links until nothing changes.

use meridian_global_world::{Capacity, Distance, Link, Location, Position, Site, Survey, World, kilometres};
use proptest::prelude::*;

fn site(name: String, down: bool) -> Site {
    let capacity = [("cpu".to_owned(), Capacity { amount: 1.0, price: 0.0 })].into();
    Site { name, capacity, down, ..Site::default() }
}

/// The least latency from a site to every place, and the least price at that latency, by rounds over all links.
fn reference(world: &World, from: usize) -> Vec<(f64, f64)> {
    let names: Vec<&str> = world
        .sites
        .iter()
        .map(|site| site.name.as_str())
        .chain(world.locations.iter().map(|location| location.name.as_str()))
        .collect();
    let number = |name: &str| names.iter().position(|other| *other == name).expect("links name places");
    let is_down = |place: usize| world.sites.get(place).is_some_and(|site| site.down);
    let mut best = vec![(f64::INFINITY, 0.0); names.len()];
    if is_down(from) {
        return best;
    }
    best[from] = (0.0, 0.0);
    for _ in 0..names.len() {
        for link in world.links.iter().filter(|link| !link.down) {
            for (a, b) in [(&link.from, &link.to), (&link.to, &link.from)] {
                let (a, b) = (number(a), number(b));
                // Clients pass nothing on.
                if is_down(a) || is_down(b) || a >= world.sites.len() {
                    continue;
                }
                let way = (best[a].0 + link.latency, best[a].1 + link.price);
                if way.0 < best[b].0 || way.0 == best[b].0 && way.1 < best[b].1 {
                    best[b] = way;
                }
            }
        }
    }
    best
}

proptest! {
    #[test]
    fn the_shortest_ways_are_found_and_the_cheapest_of_them(
        downs in prop::collection::vec(prop::bool::weighted(0.2), 4),
        links in prop::collection::vec((0..7_usize, 0..7_usize, 1..6_u32, 0..4_u32, prop::bool::weighted(0.2)), 0..16),
    ) {
        let name = |place: usize| if place < 4 { format!("s{place}") } else { format!("l{}", place - 4) };
        let links = links.into_iter().filter(|(from, to, ..)| from != to).map(|(from, to, latency, price, down)| Link {
            from: name(from),
            to: name(to),
            latency: latency.into(),
            price: price.into(),
            bandwidth: None,
            down,
        });
        let world = World {
            sites: downs.iter().enumerate().map(|(number, down)| site(name(number), *down)).collect(),
            locations: (4..7).map(|place| Location { name: name(place), position: None }).collect(),
            links: links.collect(),
            ..World::default()
        };
        let survey = Survey::new(&world).expect("the world is valid");
        for from in 0..4 {
            let want = reference(&world, from);
            for (place, want) in want.iter().enumerate() {
                let (latency, price) = match place {
                    0..4 => (survey.network().to_site(from, place), survey.network().price_to_site(from, place)),
                    _ => (survey.network().to_location(from, place - 4), survey.network().price_to_location(from, place - 4)),
                };
                prop_assert_eq!(latency, want.0);
                if latency.is_finite() {
                    prop_assert_eq!(price, want.1);
                }
            }
        }
    }
}

#[test]
fn distance_stands_in_for_what_was_never_measured_and_not_for_what_failed() {
    let at = |latitude, longitude| Some(Position { latitude, longitude });
    let mut world = World {
        distance: Some(Distance { base: 1.0, per_kilometre: 0.02 }),
        sites: vec![
            Site { position: at(50.11, 8.68), ..site("frankfurt".into(), false) },
            Site { position: at(52.52, 13.40), ..site("berlin".into(), false) },
        ],
        locations: vec![
            Location { name: "hamburg".into(), position: at(53.55, 9.99) },
            Location { name: "nowhere".into(), position: None },
        ],
        ..World::default()
    };
    let far = kilometres(&world.sites[0].position.unwrap(), &world.locations[0].position.unwrap());
    assert!((far - 393.0).abs() < 2.0, "{far}");
    let network = Survey::new(&world).unwrap().network().clone();
    assert!((network.to_location(0, 0) - (1.0 + 0.02 * far)).abs() < 1e-9);
    assert_eq!(network.to_location(0, 1), f64::INFINITY);
    assert_eq!(network.to_site(0, 0), 0.0);
    // One measured way: the other end keeps its distances to those that nothing was measured of.
    world.links = vec![Link { from: "hamburg".into(), to: "berlin".into(), latency: 9.0, ..Link::default() }];
    let network = Survey::new(&world).unwrap().network().clone();
    assert_eq!(network.to_location(1, 0), 9.0);
    assert!(network.to_location(0, 0) < 9.0);
    world.links[0].down = true;
    let network = Survey::new(&world).unwrap().network().clone();
    assert_eq!(network.to_location(1, 0), f64::INFINITY);
}
