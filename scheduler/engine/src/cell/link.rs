//! Groups of devices that are linked to each other, such as by NVLink.

use crate::demand::Links;

/// Of the devices with enough free (`fitting`), those among which a pod's `count` are chosen; `None` where it gets none.
/// Linked ones come out of the group that has fewest to spare, of equal groups the first.
pub(crate) fn usable(links: Links, groups: &[u64], fitting: u64, count: u32) -> Option<u64> {
    if fitting.count_ones() < count {
        return None;
    }
    if links == Links::Anywhere {
        return Some(fitting);
    }
    let linked = groups.iter().map(|group| group & fitting).filter(|linked| linked.count_ones() >= count);
    match linked.min_by_key(|linked| linked.count_ones()) {
        None if links == Links::Preferred => Some(fitting),
        tightest => tightest,
    }
}
