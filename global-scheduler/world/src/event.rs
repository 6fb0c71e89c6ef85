//! What could happen to a world: a site fails, a price changes, a site is built.

use crate::problem::{Problem, key, quoted};
use crate::world::{Site, World};

/// Something that changes a world.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A site fails.
    SiteDown(String),
    /// A site is back.
    SiteUp(String),
    /// The link between two places fails; all of them, if there are several.
    LinkDown(String, String),
    /// A resource of a site has another price.
    Price {
        /// The site.
        site: String,
        /// The resource.
        resource: String,
        /// Money for a unit used for an hour.
        price: f64,
    },
    /// A site is built.
    NewSite(Site),
    /// All demand, or that of one workload, is multiplied.
    Demand {
        /// The workload; all if there is none.
        workload: Option<String>,
        /// What demand is multiplied by.
        factor: f64,
    },
}

impl Event {
    /// Changes the world. Whether it is a world still is for the survey to say.
    pub fn apply(&self, world: &mut World) -> Result<(), Problem> {
        match self {
            Event::SiteDown(name) => site(world, name)?.down = true,
            Event::SiteUp(name) => site(world, name)?.down = false,
            Event::LinkDown(from, to) => {
                let is_it = |a: &String, b: &String| (a == from && b == to) || (a == to && b == from);
                let mut found = false;
                for link in world.links.iter_mut().filter(|link| is_it(&link.from, &link.to)) {
                    link.down = true;
                    found = true;
                }
                if !found {
                    let problem =
                        format!("none is between {} and {}, want the ends of one", quoted(from), quoted(to));
                    return Err(Problem::new("links", problem));
                }
            }
            Event::Price { site: name, resource, price } => {
                let site = site(world, name)?;
                let Some(capacity) = site.capacity.get_mut(resource) else {
                    let path = format!("sites{}.capacity{}", key(name), key(resource));
                    return Err(Problem::new(path, "the site has no such resource, want one that it has"));
                };
                capacity.price = *price;
            }
            Event::NewSite(site) => world.sites.push(site.clone()),
            Event::Demand { workload, factor } => {
                let is_meant = |name: &String| workload.as_ref().is_none_or(|workload| workload == name);
                let mut found = false;
                for workload in world.workloads.iter_mut().filter(|workload| is_meant(&workload.name)) {
                    workload.demand.values_mut().for_each(|demand| *demand *= factor);
                    found = true;
                }
                if let (false, Some(workload)) = (found, workload) {
                    let problem = format!("none is called {}, want the name of one", quoted(workload));
                    return Err(Problem::new("workloads", problem));
                }
            }
        }
        Ok(())
    }
}

fn site<'w>(world: &'w mut World, name: &str) -> Result<&'w mut Site, Problem> {
    let problem = || Problem::new("sites", format!("none is called {}, want the name of one", quoted(name)));
    world.sites.iter_mut().find(|site| site.name == name).ok_or_else(problem)
}
