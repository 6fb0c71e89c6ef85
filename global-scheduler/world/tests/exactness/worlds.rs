//! Random worlds: few sites, locations and workloads, small whole numbers, any policies.

use meridian_global_world::{
    Apart, Capacity, Data, LatencyBound, Link, Location, Prices, Replicas, Site, Spread, Workload, World,
};
use proptest::prelude::*;

/// A random world of two or three sites, two locations, and one or two workloads.
pub(crate) fn any() -> impl Strategy<Value = World> {
    (2..=3_usize, 1..=2_usize).prop_flat_map(|(sites, workloads)| {
        let links = prop::collection::vec(
            (1..40_u32, 0..3_u32, prop::option::weighted(0.1, 0..4_u32)),
            sites * 2 + sites - 1,
        );
        (
            prop::collection::vec(site(), sites),
            links,
            prop::collection::vec(workload(sites), workloads),
            0..4_u32,
        )
            .prop_map(move |(mut sites, links, mut workloads, apart)| {
                let count = sites.len();
                for (number, site) in sites.iter_mut().enumerate() {
                    site.name = format!("s{number}");
                }
                for (number, workload) in workloads.iter_mut().enumerate() {
                    workload.name = format!("w{number}");
                }
                if apart == 0 && workloads.len() == 2 {
                    let over = if count == 3 { "zone" } else { "site" };
                    workloads[1].apart = vec![Apart { workload: "w0".into(), over: over.into() }];
                }
                let is_alone = workloads.len() == 1;
                let links = links.into_iter().enumerate().map(|(number, (latency, price, bandwidth))| {
                    // Each location to each site, then a chain of sites.
                    let (from, to) = match number {
                        number if number < 2 * count => {
                            (format!("l{}", number / count), format!("s{}", number % count))
                        }
                        number => {
                            (format!("s{}", number - 2 * count), format!("s{}", number - 2 * count + 1))
                        }
                    };
                    // Flows of several workloads over one link are too many for the reference.
                    let bandwidth = bandwidth.filter(|_| is_alone).map(f64::from);
                    Link {
                        from,
                        to,
                        latency: latency.into(),
                        price: price.into(),
                        bandwidth,
                        down: latency > 37,
                    }
                });
                World {
                    prices: Prices { latency: 0.1, unserved: 50.0, horizon: 10.0 },
                    links: links.collect(),
                    sites,
                    locations: ["l0", "l1"].map(|name| Location { name: name.into(), position: None }).into(),
                    workloads,
                    ..World::default()
                }
            })
    })
}

fn site() -> impl Strategy<Value = Site> {
    (0..20_u32, (0..7_u32, 1..5_u32), (2..9_u32, 0..2_u32), 0..2_u32, 0..2_u32, 0..12_u32).prop_map(
        |(opening, (cpu, price), (memory, memory_price), zone, law, down)| Site {
            opening: opening.into(),
            domains: [("zone".to_owned(), format!("z{zone}"))].into(),
            jurisdiction: Some(["eu", "us"][law as usize].to_owned()),
            capacity: [
                ("cpu".to_owned(), Capacity { amount: cpu.into(), price: price.into() }),
                ("memory".to_owned(), Capacity { amount: memory.into(), price: memory_price.into() }),
                ("disk".to_owned(), Capacity { amount: 1e3, price: 0.0 }),
            ]
            .into(),
            down: down == 0,
            ..Site::default()
        },
    )
}

fn workload(sites: usize) -> impl Strategy<Value = Workload> {
    let sizes = (1..3_u32, 0..3_u32, 1..3_u32, 0..3_u32, 0..3_u32);
    let counts = (prop::option::weighted(0.3, 1..3_u32), prop::option::weighted(0.2, 2..4_u32));
    let bound = prop::option::weighted(0.4, (5..40_u32, prop::sample::select(vec![100.0, 100.0, 60.0])));
    let places = (
        prop::option::weighted(0.2, 0..sites),
        prop::option::weighted(0.2, 0..sites),
        prop::option::weighted(0.2, (0..sites, 10..60_u32)),
    );
    let spread =
        prop::option::weighted(0.3, (any_over(), prop::option::of(1..3_u32), prop::option::of(1..3_u32)));
    let flags = (
        prop::bool::weighted(0.4),
        prop::bool::weighted(0.25),
        0..3_u8,
        prop::option::weighted(0.2, 1..9_u32),
    );
    (sizes, counts, bound, places, spread, flags).prop_map(
        |(
            (cpu, memory, rate, first, second),
            (least, most),
            bound,
            (allowed, forbidden, data),
            spread,
            flags,
        )| {
            let (whole, survives, priority, ceiling) = flags;
            let least = if first + second == 0 { least.or(Some(1)) } else { least };
            let least = least.unwrap_or(0);
            Workload {
                usage: [
                    ("cpu".to_owned(), cpu.into()),
                    ("memory".to_owned(), memory.into()),
                    ("disk".to_owned(), 1.0),
                ]
                .into(),
                rate: rate.into(),
                replicas: Replicas { least, most: most.filter(|most| *most >= least) },
                whole,
                demand: [("l0".to_owned(), first.into()), ("l1".to_owned(), second.into())].into(),
                traffic: 0.5,
                latency: bound.map(|(most, percentile)| LatencyBound { most: most.into(), percentile }),
                allowed: allowed.map(|site| format!("s{site}")).into_iter().collect(),
                forbidden: forbidden.map(|site| format!("s{site}")).into_iter().collect(),
                data: data
                    .map(|(site, within)| Data {
                        site: format!("s{site}"),
                        traffic: 1.0,
                        calls: 0.5,
                        within: Some(within.into()),
                    })
                    .into_iter()
                    .collect(),
                spread: spread
                    .filter(|(_, most, least)| most.is_some() || least.is_some())
                    .map(|(over, most, least)| Spread { over, most, least })
                    .into_iter()
                    .collect(),
                survives_site_loss: survives,
                price_ceiling: ceiling.map(f64::from),
                priority,
                move_cost: 5.0,
                ..Workload::default()
            }
        },
    )
}

fn any_over() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["zone".to_owned(), "site".to_owned()])
}
