//! `TaintToleration`: few `PreferNoSchedule` taints that are not tolerated.

use super::{MAX_POINTS, Points, Score, View, fixed};
use crate::cell::block_of;
use crate::profile::Arithmetic;

pub(super) struct TaintToleration {
    pub(super) arithmetic: Arithmetic,
}

impl Score for TaintToleration {
    fn score(&self, view: &View<'_>, block: usize, mask: u64, points: &mut Points) {
        let none = match self.arithmetic {
            Arithmetic::Kubernetes => MAX_POINTS as i32,
            Arithmetic::Meridian => fixed(100.0),
        };
        points.fill(none);
        let Some(discouraged) = &view.set.discouraged else { return };
        let discouraged = block_of(discouraged, block);
        let most = i64::from(view.extremes.discouraged);
        for bit in crate::mask::bits(mask) {
            points[bit] = match self.arithmetic {
                Arithmetic::Kubernetes if most == 0 => none,
                Arithmetic::Kubernetes => {
                    (MAX_POINTS - MAX_POINTS * i64::from(discouraged[bit]) / most) as i32
                }
                Arithmetic::Meridian => fixed(100.0 / (1.0 + f32::from(discouraged[bit]))),
            };
        }
    }
}
