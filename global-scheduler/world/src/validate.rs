//! What must hold of a world before anything is computed from it. The first thing that does not is named, with its path.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::problem::{Problem, key, quoted};
use crate::world::{Link, Location, MOST_PRIORITY, Position, Replicas, SITE, Site, Workload, World};

/// The largest number of anything.
pub const MOST: f64 = 1e12;

/// The most sites, the most locations and the most workloads.
pub const MOST_ENTRIES: usize = 1_000_000;

/// The most replicas of one workload.
pub const MOST_REPLICAS: f64 = 1e9;

/// What names stand for, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names<'w> {
    pub(crate) sites: FxHashMap<&'w str, u32>,
    pub(crate) locations: FxHashMap<&'w str, u32>,
    pub(crate) workloads: FxHashMap<&'w str, u32>,
}

impl World {
    /// Whether all numbers are in range and all names mean something.
    pub fn validate(&self) -> Result<(), Problem> {
        self.names().map(|_| ())
    }

    /// Validates, and says what the names stand for.
    pub(crate) fn names(&self) -> Result<Names<'_>, Problem> {
        amount("prices.latency", self.prices.latency)?;
        amount("prices.unserved", self.prices.unserved)?;
        within("prices.horizon", self.prices.horizon, 1e-3, 1e6)?;
        if let Some(distance) = &self.distance {
            amount("distance.base", distance.base)?;
            amount("distance.perKilometre", distance.per_kilometre)?;
        }
        if let Some(seconds) = self.stale_after {
            amount("staleAfter", seconds)?;
        }
        for (what, length) in [
            ("sites", self.sites.len()),
            ("locations", self.locations.len()),
            ("workloads", self.workloads.len()),
        ] {
            if length > MOST_ENTRIES {
                return Err(Problem::new(what, format!("has {length} entries, want at most {MOST_ENTRIES}")));
            }
        }
        if self.sites.is_empty() {
            return Err(Problem::new("sites", "is empty, want at least one site"));
        }
        let mut names = Names::default();
        for (number, site) in self.sites.iter().enumerate() {
            let path = format!("sites[{number}]");
            named(&path, &site.name)?;
            check_site(&path, site)?;
            if let Some(first) = names.sites.insert(&site.name, number as u32) {
                return Err(twice(&path, &site.name, &format!("sites[{first}]")));
            }
        }
        for (number, location) in self.locations.iter().enumerate() {
            let path = format!("locations[{number}]");
            check_location(&path, location)?;
            if let Some(first) = names.sites.get(location.name.as_str()) {
                return Err(twice(&path, &location.name, &format!("sites[{first}]")));
            }
            if let Some(first) = names.locations.insert(&location.name, number as u32) {
                return Err(twice(&path, &location.name, &format!("locations[{first}]")));
            }
        }
        for (number, link) in self.links.iter().enumerate() {
            check_link(&format!("links[{number}]"), link, &names)?;
        }
        for (number, workload) in self.workloads.iter().enumerate() {
            let path = format!("workloads[{number}]");
            named(&path, &workload.name)?;
            if let Some(first) = names.workloads.insert(&workload.name, number as u32) {
                return Err(twice(&path, &workload.name, &format!("workloads[{first}]")));
            }
        }
        let offered: FxHashSet<&str> =
            self.sites.iter().flat_map(|site| site.capacity.keys()).map(String::as_str).collect();
        for (number, workload) in self.workloads.iter().enumerate() {
            let path = format!("workloads[{number}]");
            self.check_workload(&path, workload, &names, &offered)?;
        }
        Ok(names)
    }

    fn check_workload(
        &self,
        path: &str,
        workload: &Workload,
        names: &Names<'_>,
        offered: &FxHashSet<&str>,
    ) -> Result<(), Problem> {
        check_numbers(path, workload)?;
        for resource in workload.usage.keys() {
            if !offered.contains(resource.as_str()) {
                let path = format!("{path}.usage{}", key(resource));
                return Err(Problem::new(path, "no site has this resource, want a key of sites[].capacity"));
            }
        }
        for location in workload.demand.keys() {
            if !names.locations.contains_key(location.as_str()) {
                let path = format!("{path}.demand{}", key(location));
                return Err(Problem::new(
                    path,
                    "there is no such location, want the name of one in locations",
                ));
            }
        }
        for (what, sites) in [("allowed", &workload.allowed), ("forbidden", &workload.forbidden)] {
            for (place, site) in sites.iter().enumerate() {
                expect_site(|| format!("{path}.{what}[{place}]"), site, names)?;
            }
        }
        for (place, jurisdiction) in workload.residency.iter().enumerate() {
            if !self.sites.iter().any(|site| site.jurisdiction.as_ref() == Some(jurisdiction)) {
                let problem = format!(
                    "no site is in jurisdiction {}, want one that a site is in",
                    quoted(jurisdiction)
                );
                return Err(Problem::new(format!("{path}.residency[{place}]"), problem));
            }
        }
        let has_domain =
            |kind: &str| kind == SITE || self.sites.iter().any(|site| site.domains.contains_key(kind));
        for (place, spread) in workload.spread.iter().enumerate() {
            let path = format!("{path}.spread[{place}]");
            if !has_domain(&spread.over) {
                let problem = format!(
                    "no site is in a domain of kind {}, want `site` or a key of sites[].domains",
                    quoted(&spread.over)
                );
                return Err(Problem::new(format!("{path}.over"), problem));
            }
            for (what, number) in [("most", spread.most), ("least", spread.least)] {
                if number == Some(0) {
                    return Err(Problem::new(format!("{path}.{what}"), "is 0, want at least 1"));
                }
            }
            if spread.most.is_none() && spread.least.is_none() {
                return Err(Problem::new(path, "says neither `most` nor `least`, want one of them"));
            }
        }
        for (place, apart) in workload.apart.iter().enumerate() {
            let path = format!("{path}.apart[{place}]");
            if !names.workloads.contains_key(apart.workload.as_str()) {
                let problem =
                    format!("there is no workload {}, want the name of another one", quoted(&apart.workload));
                return Err(Problem::new(format!("{path}.workload"), problem));
            }
            if apart.workload == workload.name {
                let problem =
                    "is the workload itself, want another one; `spread` keeps replicas of one apart";
                return Err(Problem::new(format!("{path}.workload"), problem));
            }
            if !has_domain(&apart.over) {
                let problem = format!(
                    "no site is in a domain of kind {}, want `site` or a key of sites[].domains",
                    quoted(&apart.over)
                );
                return Err(Problem::new(format!("{path}.over"), problem));
            }
        }
        for (place, data) in workload.data.iter().enumerate() {
            expect_site(|| format!("{path}.data[{place}].site"), &data.site, names)?;
        }
        Ok(())
    }
}

fn check_site(path: &str, site: &Site) -> Result<(), Problem> {
    position(path, site.position.as_ref())?;
    amount(&format!("{path}.opening"), site.opening)?;
    amount(&format!("{path}.age"), site.age)?;
    if site.capacity.is_empty() {
        let problem = "is empty, want at least one resource; an amount may be 0 where nothing is free";
        return Err(Problem::new(format!("{path}.capacity"), problem));
    }
    for (resource, capacity) in &site.capacity {
        let path = format!("{path}.capacity{}", key(resource));
        named_key(&path, resource)?;
        amount(&format!("{path}.amount"), capacity.amount)?;
        amount(&format!("{path}.price"), capacity.price)?;
    }
    for kind in site.domains.keys() {
        if kind == SITE {
            let problem = "`site` is each site by itself, want another word for a kind of domain";
            return Err(Problem::new(format!("{path}.domains.site"), problem));
        }
    }
    Ok(())
}

fn check_location(path: &str, location: &Location) -> Result<(), Problem> {
    named(path, &location.name)?;
    position(path, location.position.as_ref())
}

fn check_link(path: &str, link: &Link, names: &Names<'_>) -> Result<(), Problem> {
    for (what, end) in [("from", &link.from), ("to", &link.to)] {
        if !names.sites.contains_key(end.as_str()) && !names.locations.contains_key(end.as_str()) {
            let problem = format!("there is no site or location {}, want the name of one", quoted(end));
            return Err(Problem::new(format!("{path}.{what}"), problem));
        }
    }
    if link.from == link.to {
        return Err(Problem::new(
            format!("{path}.to"),
            "is where the link begins, want another site or location",
        ));
    }
    amount(&format!("{path}.latency"), link.latency)?;
    amount(&format!("{path}.price"), link.price)?;
    link.bandwidth.map_or(Ok(()), |bandwidth| amount(&format!("{path}.bandwidth"), bandwidth))
}

fn check_numbers(path: &str, workload: &Workload) -> Result<(), Problem> {
    if workload.usage.is_empty() {
        return Err(Problem::new(format!("{path}.usage"), "is empty, want at least one resource"));
    }
    for (resource, usage) in &workload.usage {
        let path = format!("{path}.usage{}", key(resource));
        named_key(&path, resource)?;
        amount(&path, *usage)?;
    }
    within(&format!("{path}.rate"), workload.rate, 1e-9, MOST)?;
    for (location, demand) in &workload.demand {
        amount(&format!("{path}.demand{}", key(location)), *demand)?;
    }
    amount(&format!("{path}.traffic"), workload.traffic)?;
    amount(&format!("{path}.moveCost"), workload.move_cost)?;
    for (what, number) in [
        ("latencyPrice", workload.latency_price),
        ("priceCeiling", workload.price_ceiling),
        ("unservedPrice", workload.unserved_price),
    ] {
        if let Some(number) = number {
            amount(&format!("{path}.{what}"), number)?;
        }
    }
    if let Some(latency) = &workload.latency {
        amount(&format!("{path}.latency.most"), latency.most)?;
        within(&format!("{path}.latency.percentile"), latency.percentile, 1.0, 100.0)?;
    }
    if workload.priority > MOST_PRIORITY {
        let problem = format!("is {}, want 0 to {MOST_PRIORITY}", workload.priority);
        return Err(Problem::new(format!("{path}.priority"), problem));
    }
    for (place, data) in workload.data.iter().enumerate() {
        let path = format!("{path}.data[{place}]");
        amount(&format!("{path}.traffic"), data.traffic)?;
        amount(&format!("{path}.calls"), data.calls)?;
        if let Some(within) = data.within {
            amount(&format!("{path}.within"), within)?;
        }
    }
    let Replicas { least, most } = workload.replicas;
    if let Some(most) = most.filter(|most| *most < least.max(1)) {
        let problem = format!("is {most}, want at least {}: as many as `least`, and one", least.max(1));
        return Err(Problem::new(format!("{path}.replicas.most"), problem));
    }
    let replicas = workload.total_demand() / workload.rate;
    if replicas > MOST_REPLICAS {
        let problem = format!(
            "asks for {replicas:.0} replicas of rate {}, want at most {MOST_REPLICAS}",
            workload.rate
        );
        return Err(Problem::new(format!("{path}.demand"), problem));
    }
    if replicas == 0.0 && least == 0 {
        let problem = "nothing asks for a replica, want demand or `replicas.least`";
        return Err(Problem::new(format!("{path}.demand"), problem));
    }
    Ok(())
}

fn expect_site(path: impl Fn() -> String, site: &str, names: &Names<'_>) -> Result<(), Problem> {
    if names.sites.contains_key(site) {
        return Ok(());
    }
    Err(Problem::new(path(), format!("there is no site {}, want the name of one in sites", quoted(site))))
}

fn named(path: &str, name: &str) -> Result<(), Problem> {
    if (1..=253).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::new(format!("{path}.name"), format!("is {}, want 1 to 253 printable bytes", quoted(name))))
}

fn named_key(path: &str, name: &str) -> Result<(), Problem> {
    if (1..=253).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::new(path, format!("the key is {}, want 1 to 253 printable bytes", quoted(name))))
}

fn twice(path: &str, name: &str, first: &str) -> Problem {
    Problem::new(
        format!("{path}.name"),
        format!("{} is the name of {first} too, want another one", quoted(name)),
    )
}

fn position(path: &str, position: Option<&Position>) -> Result<(), Problem> {
    let Some(position) = position else { return Ok(()) };
    within(&format!("{path}.position.latitude"), position.latitude, -90.0, 90.0)?;
    within(&format!("{path}.position.longitude"), position.longitude, -180.0, 180.0)
}

fn amount(path: &str, value: f64) -> Result<(), Problem> {
    within(path, value, 0.0, MOST)
}

fn within(path: &str, value: f64, least: f64, most: f64) -> Result<(), Problem> {
    // NaN is in no range.
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Problem::new(
        path,
        format!(
            "is {value}, want {least} to {}",
            if most == MOST { "1e12".to_owned() } else { most.to_string() }
        ),
    ))
}
