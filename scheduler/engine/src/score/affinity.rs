//! `NodeAffinity`: the weights of the preferred terms that match.

use super::{MAX_POINTS, Points, Score, View, fixed};
use crate::cell::block_of;
use crate::constraint::total_preferred;
use crate::profile::Arithmetic;

pub(super) struct NodeAffinity {
    pub(super) arithmetic: Arithmetic,
}

impl Score for NodeAffinity {
    fn score(&self, view: &View<'_>, block: usize, mask: u64, points: &mut Points) {
        points.fill(0);
        let Some(preferred) = &view.set.preferred else { return };
        let preferred = block_of(preferred, block);
        let most = i64::from(view.extremes.preferred);
        let total = total_preferred(&view.set.key.constraints.preferred) as f32;
        for bit in crate::mask::bits(mask) {
            points[bit] = match self.arithmetic {
                Arithmetic::Kubernetes if most == 0 => 0,
                Arithmetic::Kubernetes => (MAX_POINTS * i64::from(preferred[bit]) / most) as i32,
                Arithmetic::Meridian => fixed(100.0 * preferred[bit] as f32 / total),
            };
        }
    }
}
