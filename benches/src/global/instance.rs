//! Instances of capacitated facility location after Cornuejols, Sridharan and Thizy (1991): sites and workloads at random places
//! of a square, opening costs that grow with the root of the capacity, serving costs with demand and distance.

use meridian_global_engine::{Item, Model, Site, Usage};

use crate::global::mersenne::Mersenne;
use crate::parameters::BenchError;

/// The shape of an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) sites: usize,
    pub(crate) workloads: usize,
    /// How many times the demand all sites could serve.
    pub(crate) ratio: f64,
    pub(crate) seed: u64,
    /// Whether each workload is served by one site.
    pub(crate) whole: bool,
}

/// Numbers of an instance, as its file would have them.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Capacity and opening cost of each site.
    pub(crate) sites: Vec<(f64, f64)>,
    /// Demand of each workload, and the cost of all of it at each site.
    pub(crate) workloads: Vec<(f64, Vec<f64>)>,
}

impl Instance {
    /// The instance that the usual script makes of the same shape and seed: numbers are drawn in its order.
    pub(crate) fn new(shape: Shape) -> Instance {
        let mut random = Mersenne::new(shape.seed);
        let place = |random: &mut Mersenne| (random.random(), random.random());
        let site_at: Vec<(f64, f64)> = (0..shape.sites).map(|_| place(&mut random)).collect();
        let workload_at: Vec<(f64, f64)> = (0..shape.workloads).map(|_| place(&mut random)).collect();
        let demand: Vec<f64> = (0..shape.workloads).map(|_| f64::from(random.whole(5, 35))).collect();
        let size: Vec<f64> = (0..shape.sites).map(|_| random.uniform(10.0, 160.0)).collect();
        let scale = shape.ratio * demand.iter().sum::<f64>() / size.iter().sum::<f64>();
        let capacity = size.iter().map(|size| (size * scale).round_ties_even());
        let sites = capacity.map(|capacity| {
            let fixed = random.uniform(0.0, 90.0) + random.uniform(100.0, 110.0) * capacity.sqrt();
            (capacity, fixed.round_ties_even())
        });
        let sites: Vec<(f64, f64)> = sites.collect();
        let workloads = demand.into_iter().zip(workload_at).map(|(demand, at)| {
            let cost = |site: &(f64, f64)| thousandths(10.0 * demand * (site.0 - at.0).hypot(site.1 - at.1));
            (demand, site_at.iter().map(cost).collect())
        });
        Instance { sites, workloads: workloads.collect() }
    }

    pub(crate) fn model(self, whole: bool) -> Result<Model, BenchError> {
        let sites: Vec<Site> = self
            .sites
            .iter()
            .map(|(capacity, opening)| Site { opening: *opening, capacity: vec![*capacity] })
            .collect();
        let usage = self.workloads.iter().map(|(demand, _)| *demand).collect();
        // More than any workload could cost, so that nobody leaves one.
        let dearest = self.workloads.iter().flat_map(|(_, cost)| cost).copied().fold(0.0, f64::max);
        let opening = self.sites.iter().map(|(_, opening)| *opening).fold(0.0, f64::max);
        let unserved = 4.0 * (dearest + opening) + 1.0;
        let items = self
            .workloads
            .into_iter()
            .map(|(_, cost)| Item { whole, unserved, required: true, cost })
            .collect();
        Model::new(1, &sites, items, Usage::ByItem(usage))
            .map_err(|error| BenchError::Setup(error.to_string()))
    }
}

/// A number rounded to thousandths, as if written with three decimals and read again.
fn thousandths(value: f64) -> f64 {
    let scaled = value * 1000.0;
    // Near the middle of two the product may have been rounded to the wrong side.
    if (scaled.fract() - 0.5).abs() < 1e-6 {
        return format!("{value:.3}").parse().unwrap_or(value);
    }
    scaled.round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the script writes for `4 6 5 1`.
    #[test]
    fn instances_are_those_of_the_script() {
        let shape = Shape { sites: 4, workloads: 6, ratio: 5.0, seed: 1, whole: true };
        let instance = Instance::new(shape);
        assert_eq!(instance.sites, [(213.0, 1543.0), (135.0, 1234.0), (232.0, 1577.0), (45.0, 732.0)]);
        let demands: Vec<f64> = instance.workloads.iter().map(|(demand, _)| *demand).collect();
        assert_eq!(demands, [5.0, 25.0, 22.0, 5.0, 35.0, 33.0]);
        assert_eq!(instance.workloads[0].1, [41.004, 35.362, 29.096, 47.15]);
        assert_eq!(instance.workloads[5].1, [369.78, 86.897, 192.509, 263.418]);
    }

    /// All numbers of an instance of some size against the script's own file, where the folder with it is at hand.
    #[test]
    fn a_larger_instance_is_the_file_that_the_script_writes() {
        let Some(data) = std::env::var_os("MERIDIAN_DATA") else { return };
        let script = std::path::Path::new(&data).join("gen_cflp.py");
        let ran = std::process::Command::new("python3").arg(script).args(["60", "90", "7", "12"]).output();
        let Ok(output) = ran else { return };
        if !output.status.success() {
            return;
        }
        let text = String::from_utf8(output.stdout).expect("the script writes numbers");
        let written: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let instance = Instance::new(Shape { sites: 60, workloads: 90, ratio: 7.0, seed: 12, whole: true });
        let mut made = vec![60.0, 90.0];
        made.extend(instance.sites.iter().flat_map(|(capacity, opening)| [*capacity, *opening]));
        for (demand, cost) in &instance.workloads {
            made.push(*demand);
            made.extend(cost);
        }
        assert_eq!(made, written);
    }
}
