//! Which pods are typical for a trace: the shapes that most of its pods have.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use meridian_engine::TypicalPod;
use meridian_trace::TracePod;

/// The share of all pods that the typical shapes cover (Weng et al., USENIX ATC 2023).
pub const TYPICAL_COVERAGE: f64 = 0.95;

/// What makes two pods of one shape: CPU, devices, thousandths of each, acceptable models.
pub(crate) type Shape = (i64, u32, u32, Vec<String>);

pub(crate) fn shape(pod: &TracePod) -> Shape {
    (pod.cpu_milli, pod.device_count, pod.device_milli, pod.device_models.clone())
}

/// The most frequent shapes, as many as cover [`TYPICAL_COVERAGE`] of the pods; their shares sum to 1.
pub fn typical_pods<P: Borrow<TracePod>>(pods: impl IntoIterator<Item = P>) -> Vec<TypicalPod> {
    let mut counts: BTreeMap<Shape, u64> = BTreeMap::new();
    for pod in pods {
        *counts.entry(shape(pod.borrow())).or_default() += 1;
    }
    from_counts(counts)
}

pub(crate) fn from_counts(counts: impl IntoIterator<Item = (Shape, u64)>) -> Vec<TypicalPod> {
    let mut counts: Vec<(Shape, u64)> = counts.into_iter().collect();
    counts.sort_by(|one, other| (Reverse(one.1), &one.0).cmp(&(Reverse(other.1), &other.0)));
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut covered = 0;
    let mut last = 0;
    for (_, count) in &counts {
        if covered as f64 >= TYPICAL_COVERAGE * all as f64 {
            break;
        }
        covered += count;
        last += 1;
    }
    counts.truncate(last);
    counts
        .into_iter()
        .map(|((cpu_milli, device_count, device_milli, models), count)| TypicalPod {
            cpu_milli,
            device_count,
            device_milli,
            models,
            share: count as f64 / covered as f64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::typical_pods;
    use meridian_trace::TracePod;

    #[test]
    fn the_rarest_shapes_are_left_out_and_shares_sum_to_one() {
        let pod = |cpu_milli| TracePod { cpu_milli, ..TracePod::default() };
        let mut pods: Vec<TracePod> = (0..90).map(|_| pod(1)).collect();
        pods.extend((0..6).map(|_| pod(2)));
        pods.extend((10..14).map(pod));
        let typical = typical_pods(&pods);
        assert_eq!(typical.iter().map(|pod| pod.cpu_milli).collect::<Vec<_>>(), [1, 2]);
        assert!((typical.iter().map(|pod| pod.share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(typical_pods::<TracePod>([]).is_empty());
    }
}
