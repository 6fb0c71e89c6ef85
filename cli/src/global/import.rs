//! `meridian global import`: a world of tables of sites and users.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use meridian_global_format::{SiteOptions, read_sites, read_users};
use meridian_global_world::{Capacity, Distance, Workload, World};

use super::files;
use crate::output;

/// Make a world of tables of sites and users, with one workload that serves all users. Latency is that of the distance.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// CSV of sites: SITE_ID, ID or NAME, LATITUDE, LONGITUDE, and STATE if there is one.
    #[arg(long, value_name = "FILE")]
    sites: PathBuf,
    /// CSV of users: LATITUDE, LONGITUDE.
    #[arg(long, value_name = "FILE")]
    users: PathBuf,
    /// Degrees of the cells in which users are put together.
    #[arg(long, value_name = "DEGREES", default_value_t = 0.002, allow_negative_numbers = true)]
    grid: f64,
    /// CPUs of each site.
    #[arg(long, value_name = "NUMBER", default_value_t = 16.0, allow_negative_numbers = true)]
    cpu: f64,
    /// Money for a CPU used for an hour.
    #[arg(long, value_name = "MONEY", default_value_t = 0.04, allow_negative_numbers = true)]
    price: f64,
    /// Money for using a site for an hour.
    #[arg(long, value_name = "MONEY", default_value_t = 0.1, allow_negative_numbers = true)]
    opening: f64,
    /// Users that one replica of one CPU serves.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, allow_negative_numbers = true)]
    rate: f64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !(1e-4..=90.0).contains(&arguments.grid) {
        bail!("--grid is {}, want 0.0001 to 90 degrees", arguments.grid);
    }
    let capacity = Capacity { amount: arguments.cpu, price: arguments.price };
    let options = SiteOptions { capacity: [("cpu".to_owned(), capacity)].into(), opening: arguments.opening };
    let sites = files::read(&arguments.sites, |text| read_sites(text, &options))?;
    let users = files::read(&arguments.users, |text| read_users(text, arguments.grid))?;
    let demand: BTreeMap<String, f64> =
        users.iter().map(|(location, users)| (location.name.clone(), *users)).collect();
    let world = World {
        distance: Some(Distance::default()),
        sites,
        locations: users.into_iter().map(|(location, _)| location).collect(),
        workloads: vec![Workload {
            name: "app".to_owned(),
            usage: [("cpu".to_owned(), 1.0)].into(),
            rate: arguments.rate,
            demand,
            latency_price: Some(1e-3),
            ..Workload::default()
        }],
        ..World::default()
    };
    world.validate()?;
    output::print(&serde_json::to_string_pretty(&world)?)
}
