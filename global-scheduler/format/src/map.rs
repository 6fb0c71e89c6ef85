//! A plan as a map: sites with their load, locations with their demand, and who is served from where. One page that loads nothing.

use std::collections::BTreeMap;
use std::fmt::Write;

use meridian_global_world::{Kind, Plan, Position, Site, World};

/// The size of the map in pixels.
const WIDTH: f64 = 1_100.0;
const HEIGHT: f64 = 680.0;
const MARGIN: f64 = 40.0;

/// The most flows that are drawn, the largest first.
const MOST_FLOWS: usize = 2_000;

const STYLE: &str = "body{font:14px system-ui,sans-serif;margin:24px;color:#1d2733;background:#fff}\
svg{border:1px solid #d5dde5;background:#f7f9fb;max-width:100%;height:auto}\
table{border-collapse:collapse;margin-top:16px}td,th{padding:3px 12px 3px 0;text-align:left;border-bottom:1px solid #e3e8ee}\
td.n{text-align:right;font-variant-numeric:tabular-nums}.key{color:#5b6876;margin:8px 0}";

/// Draws a plan. Text in it is escaped, whatever names say.
pub fn map(world: &World, plan: &Plan, title: &str) -> String {
    let load = load(world, plan);
    let places = Places::new(world);
    let title = escaped(title);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n"
    );
    let left_off = flows(&mut page, plan, &places);
    locations(&mut page, world, plan, &places);
    for (number, site) in world.sites.iter().enumerate() {
        draw_site(&mut page, site, &load[number], places.of_site[number]);
    }
    page.push_str("</svg>\n<p class=\"key\">Squares are regions and circles edge sites, filled from blue to red by what they use most of; \
         hollow ones run nothing, and crossed ones are down. Dots are client locations, red where demand is left. Lines are demand served, \
         the thicker the more.");
    if left_off > 0 {
        let _ = write!(page, " The {left_off} smallest flows are left off.");
    }
    page.push_str("</p>\n");
    table(&mut page, world, &load);
    page.push_str("</html>\n");
    page
}

/// What runs at a site.
#[derive(Clone, Debug, Default)]
struct Load {
    replicas: u64,
    used: BTreeMap<String, f64>,
    /// The fullest resource, as a share.
    fullest: f64,
}

fn load(world: &World, plan: &Plan) -> Vec<Load> {
    let numbers: BTreeMap<&str, usize> =
        world.sites.iter().enumerate().map(|(number, site)| (site.name.as_str(), number)).collect();
    let mut load = vec![Load::default(); world.sites.len()];
    for workload in &world.workloads {
        let Some(placement) = plan.workloads.get(&workload.name) else { continue };
        for (site, count) in &placement.replicas {
            let Some(number) = numbers.get(site.as_str()) else { continue };
            load[*number].replicas += u64::from(*count);
            for (resource, usage) in &workload.usage {
                *load[*number].used.entry(resource.clone()).or_default() += usage * f64::from(*count);
            }
        }
    }
    for (site, load) in world.sites.iter().zip(&mut load) {
        let share = |(resource, used): (&String, &f64)| {
            let has = site.capacity.get(resource).map_or(0.0, |capacity| capacity.amount);
            if has > 0.0 { used / has } else { 0.0 }
        };
        load.fullest = load.used.iter().map(share).fold(0.0, f64::max);
    }
    load
}

/// Where things are on the map.
struct Places<'w> {
    of_site: Vec<(f64, f64)>,
    by_name: BTreeMap<&'w str, (f64, f64)>,
}

impl<'w> Places<'w> {
    fn new(world: &'w World) -> Places<'w> {
        let sites = world.sites.iter().map(|site| (site.name.as_str(), site.position));
        let locations = world.locations.iter().map(|location| (location.name.as_str(), location.position));
        let all: Vec<(&str, Option<Position>)> = sites.chain(locations).collect();
        let known: Vec<Position> = all.iter().filter_map(|(_, position)| *position).collect();
        let ends = |of: fn(&Position) -> f64| {
            let values = known.iter().map(of);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |ends, value| {
                (ends.0.min(value), ends.1.max(value))
            })
        };
        let (south, north) = ends(|position| position.latitude);
        let (west, east) = ends(|position| position.longitude);
        // A degree of longitude is shorter the farther it is from the equator.
        let shrink = (f64::midpoint(south, north)).to_radians().cos().max(0.1);
        let across = ((east - west) * shrink).max(1e-6);
        let up = (north - south).max(1e-6);
        let scale = ((WIDTH - 2.0 * MARGIN) / across).min((HEIGHT - 2.0 * MARGIN) / up);
        let (left, top) = ((WIDTH - across * scale) / 2.0, (HEIGHT - up * scale) / 2.0);
        let count = all.len().max(1) as f64;
        let place = |(number, (_, position)): (usize, &(&str, Option<Position>))| match position {
            Some(at) => (left + (at.longitude - west) * shrink * scale, top + (north - at.latitude) * scale),
            // Without coordinates: around the edge, in the order of the file.
            None => {
                let angle = std::f64::consts::TAU * number as f64 / count;
                let (x, y) = ((WIDTH - MARGIN) / 2.0 * angle.cos(), (HEIGHT - MARGIN) / 2.0 * angle.sin());
                (WIDTH / 2.0 + x, HEIGHT / 2.0 + y)
            }
        };
        let points: Vec<(f64, f64)> = all.iter().enumerate().map(place).collect();
        let by_name = all.iter().zip(&points).map(|((name, _), point)| (*name, *point)).collect();
        Places { of_site: points[..world.sites.len()].to_vec(), by_name }
    }
}

/// Draws who is served from where; returns how many flows are left off.
fn flows(page: &mut String, plan: &Plan, places: &Places<'_>) -> usize {
    let mut sums: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for flow in plan.workloads.values().flat_map(|placement| &placement.flows) {
        *sums.entry((&flow.location, &flow.site)).or_default() += flow.amount;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let most = sums.first().map_or(1.0, |(_, amount)| *amount).max(1e-300);
    for ((location, site), amount) in sums.iter().take(MOST_FLOWS) {
        let (Some(a), Some(b)) = (places.by_name.get(location), places.by_name.get(site)) else { continue };
        let width = 0.5 + 5.5 * (amount / most).sqrt();
        let _ = writeln!(
            page,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#3b82c4\" stroke-opacity=\".35\" \
             stroke-width=\"{width:.2}\"><title>{} to {}: {}</title></line>",
            a.0,
            a.1,
            b.0,
            b.1,
            escaped(location),
            escaped(site),
            number(*amount)
        );
    }
    sums.len().saturating_sub(MOST_FLOWS)
}

fn locations(page: &mut String, world: &World, plan: &Plan, places: &Places<'_>) {
    let mut demand: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for workload in &world.workloads {
        for (location, amount) in &workload.demand {
            demand.entry(location).or_default().0 += amount;
        }
    }
    for flow in plan.workloads.values().flat_map(|placement| &placement.flows) {
        demand.entry(&flow.location).or_default().1 += flow.amount;
    }
    let most = demand.values().map(|(amount, _)| *amount).fold(1e-300, f64::max);
    for (name, (amount, served)) in demand {
        let Some((x, y)) = places.by_name.get(name) else { continue };
        let colour = if served < amount * (1.0 - 1e-6) { "#c0392b" } else { "#5b6876" };
        let radius = 1.5 + 5.0 * (amount / most).sqrt();
        let _ = writeln!(
            page,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"{colour}\" fill-opacity=\".7\"><title>{}: {} asked, {} \
             served</title></circle>",
            escaped(name),
            number(amount),
            number(served)
        );
    }
}

fn draw_site(page: &mut String, site: &Site, load: &Load, (x, y): (f64, f64)) {
    let fill = if load.replicas == 0 { "#ffffff".to_owned() } else { colour(load.fullest) };
    let shape = match site.kind {
        Kind::Region => {
            format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"18\" height=\"18\" rx=\"3\"", x - 9.0, y - 9.0)
        }
        Kind::Edge => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\""),
    };
    let end = if site.kind == Kind::Region { "</rect>" } else { "</circle>" };
    let _ = writeln!(
        page,
        "{shape} fill=\"{fill}\" stroke=\"#1d2733\" stroke-width=\"1.2\"><title>{}: {} replicas, {:.0} % of the fullest \
         resource</title>{end}",
        escaped(&site.name),
        load.replicas,
        100.0 * load.fullest
    );
    if site.down {
        let _ = writeln!(
            page,
            "<path d=\"M{:.1} {:.1}l16 16m0 -16l-16 16\" stroke=\"#c0392b\" stroke-width=\"2.5\"/>",
            x - 8.0,
            y - 8.0
        );
    }
}

fn table(page: &mut String, world: &World, load: &[Load]) {
    page.push_str("<table><tr><th>site</th><th>replicas</th><th>used</th></tr>\n");
    for (site, load) in world.sites.iter().zip(load).filter(|(site, load)| load.replicas > 0 || site.down) {
        let used = load.used.iter().map(|(resource, used)| {
            let has = site.capacity.get(resource).map_or(0.0, |capacity| capacity.amount);
            format!("{} {} of {}", escaped(resource), number(*used), number(has))
        });
        let used: Vec<String> = used.collect();
        let _ = writeln!(
            page,
            "<tr><td>{}{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escaped(&site.name),
            if site.down { " (down)" } else { "" },
            load.replicas,
            used.join(", ")
        );
    }
    page.push_str("</table>\n");
}

/// From blue, empty, to red, full.
fn colour(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    format!("hsl({:.0} 70% 55%)", 210.0 * (1.0 - share))
}

fn number(value: f64) -> String {
    let rounded = (value * 1_000.0).round() / 1_000.0;
    rounded.to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use meridian_global_world::{Capacity, Flow, Link, Location, Placement, Workload};

    use super::*;

    #[test]
    fn names_are_escaped_and_nothing_is_loaded() {
        let world = World {
            sites: vec![Site {
                name: "<script>\"".into(),
                capacity: [("cpu".into(), Capacity { amount: 4.0, price: 1.0 })].into(),
                ..Site::default()
            }],
            locations: vec![Location { name: "l".into(), position: None }],
            links: vec![Link { from: "l".into(), to: "<script>\"".into(), latency: 1.0, ..Link::default() }],
            workloads: vec![Workload {
                name: "w".into(),
                usage: [("cpu".into(), 1.0)].into(),
                demand: [("l".into(), 2.0)].into(),
                ..Workload::default()
            }],
            ..World::default()
        };
        let flow = Flow { location: "l".into(), site: "<script>\"".into(), amount: 2.0 };
        let placement = Placement { replicas: [("<script>\"".into(), 2)].into(), flows: vec![flow] };
        let plan = Plan { workloads: [("w".into(), placement)].into() };
        let page = map(&world, &plan, "a & b");
        assert!(page.contains("&lt;script&gt;&quot;") && !page.contains("<script"), "{page}");
        assert!(page.contains("a &amp; b") && page.contains("cpu 2 of 4") && !page.contains("NaN"), "{page}");
        assert!(!page.contains("://") && !page.contains("url("), "{page}");
    }
}
