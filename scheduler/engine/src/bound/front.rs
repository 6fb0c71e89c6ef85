//! Fronts: the few points of a set of hosts that bound what any of its hosts can score for any class.
//!
//! A point is a host's shares in use and its shares of one unit. A host that another one beats in both sums of which costs
//! are made (see [`bound`](crate::bound)) can be left out: whatever is asked for, the other costs less. Of 64 hosts about
//! five remain, however many kinds of hosts there are. Where more remain than there is room for, neighbours are merged into
//! one point that is at least as good as both.

use super::POINTS;
use crate::cell::BLOCK;
use crate::kernel::{self, Candidates, Dominance};

/// The share of a host that a class asks for, to weigh a difference in shares of one unit.
const TYPICAL: f32 = 0.1;

/// What matters of a host to the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    /// The shares in use, in the profile's order of resources.
    pub(super) load: [f32; 2],
    /// The shares of one unit.
    pub(super) inverse: [f32; 2],
}

impl Point {
    fn of(candidates: Candidates<'_>, place: u8) -> Point {
        let at = |column: &[f32; BLOCK]| column[usize::from(place)];
        Point { load: candidates.load.map(at), inverse: candidates.inverse.map(at) }
    }

    /// A point that costs no more than either, whatever is asked for.
    fn corner(self, other: Point) -> Point {
        let least = |one: [f32; 2], other: [f32; 2]| [one[0].min(other[0]), one[1].min(other[1])];
        Point { load: least(self.load, other.load), inverse: least(self.inverse, other.inverse) }
    }

    /// The two sums of which costs are made.
    fn sums(self, dominance: Dominance) -> [f32; 2] {
        let cost = dominance.cost;
        let [one, other] = self.load;
        [
            (cost.first + cost.difference) * one + (cost.second - cost.difference) * other,
            (cost.first - cost.difference) * one + (cost.second + cost.difference) * other,
        ]
    }
}

/// The points of a set of hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    points: [Point; POINTS],
    length: usize,
    /// Whether the set has hosts for which points do not hold: it may score anything.
    pub(super) is_unbounded: bool,
    /// Whether points stand for other hosts without a margin.
    pub(super) is_coarse: bool,
}

impl Front {
    /// The front of no host.
    pub(super) const EMPTY: Front = Front {
        points: [Point { load: [0.0; 2], inverse: [0.0; 2] }; POINTS],
        length: 0,
        is_unbounded: false,
        is_coarse: false,
    };

    /// The front of hosts for which points do not hold.
    pub(super) const UNBOUNDED: Front = Front { is_unbounded: true, ..Front::EMPTY };

    pub(super) fn points(&self) -> &[Point] {
        &self.points[..self.length]
    }

    /// The front of the candidates, or one that leaves no margin where that has too many points.
    pub(super) fn of(candidates: Candidates<'_>, dominance: Dominance) -> Front {
        Front::fine(candidates, dominance).unwrap_or_else(|| {
            let margin = if dominance.must_keep_margin { dominance.margin } else { 0.0 };
            Front::coarse(candidates, Dominance { margin, ..dominance })
        })
    }

    /// The front, where it has room.
    fn fine(candidates: Candidates<'_>, dominance: Dominance) -> Option<Front> {
        let mut chosen = [0; POINTS + 1];
        let length = kernel::front(candidates, dominance, &mut chosen);
        if length > POINTS {
            return None;
        }
        let mut front = Front { length, ..Front::EMPTY };
        for (point, place) in front.points.iter_mut().zip(&chosen[..length]) {
            *point = Point::of(candidates, *place);
        }
        Some(front)
    }

    /// The front, with points merged where it has too many.
    fn coarse(candidates: Candidates<'_>, dominance: Dominance) -> Front {
        let mut chosen = [0; BLOCK];
        let count = kernel::front(candidates, dominance, &mut chosen);
        let mut points = chosen.map(|place| Point::of(candidates, place));
        if count > POINTS {
            // Merging takes the best of both; where less is not always better, there is no such point.
            if dominance.least > 0.0 {
                return Front::UNBOUNDED;
            }
            merge(&mut points[..count], dominance);
        }
        let mut front = Front { length: count.min(POINTS), is_coarse: true, ..Front::EMPTY };
        front.points.copy_from_slice(&points[..POINTS]);
        front
    }
}

/// Merges neighbours that differ least until [`POINTS`] are left, which are the first then.
fn merge(points: &mut [Point], dominance: Dominance) {
    let loss = |one: Point, other: Point| {
        let sums = [one.sums(dominance), other.sums(dominance)];
        let apart = |number: usize| {
            let (one, other) = (one.inverse[number], other.inverse[number]);
            (one - other).abs() / one.max(other).max(f32::MIN_POSITIVE)
        };
        let scale = TYPICAL * (dominance.cost.first + dominance.cost.second);
        (sums[0][0] - sums[1][0]).abs() + (sums[0][1] - sums[1][1]).abs() + scale * (apart(0) + apart(1))
    };
    points.sort_unstable_by(|one, other| one.sums(dominance)[0].total_cmp(&other.sums(dominance)[0]));
    let mut length = points.len();
    let mut losses = [f32::INFINITY; BLOCK];
    for place in 0..length - 1 {
        losses[place] = loss(points[place], points[place + 1]);
    }
    while length > POINTS {
        let last = length - 1;
        let place =
            (0..last).fold(0, |least, place| if losses[place] < losses[least] { place } else { least });
        points[place] = points[place].corner(points[place + 1]);
        points.copy_within(place + 2..length, place + 1);
        losses.copy_within(place + 1..last, place);
        length = last;
        for near in [place.wrapping_sub(1), place] {
            if near < length - 1 {
                losses[near] = loss(points[near], points[near + 1]);
            }
        }
    }
    // A merged point stands for hosts whose scores were rounded otherwise than its own.
    let shift = dominance.margin / (dominance.cost.first + dominance.cost.second);
    for point in &mut points[..POINTS] {
        point.load = point.load.map(|load| load - shift);
    }
}

#[cfg(test)]
mod tests {
    use super::{Front, Point};
    use crate::bound::{Cost, POINTS};
    use crate::kernel::{Candidates, Dominance};

    const DOMINANCE: Dominance = Dominance {
        cost: Cost { first: 50.0, second: 50.0, difference: 50.0 },
        margin: 0.004,
        must_keep_margin: true,
        near: 1.000_001,
        least: 0.0,
    };

    fn front(hosts: &[Point], dominance: Dominance) -> Front {
        let column = |of: fn(&Point) -> f32| std::array::from_fn(|lane| hosts.get(lane).map_or(0.0, of));
        let load = [column(|point| point.load[0]), column(|point| point.load[1])];
        let inverse = [column(|point| point.inverse[0]), column(|point| point.inverse[1])];
        let keys = std::array::from_fn(|lane| if lane < hosts.len() { 0.0 } else { f32::INFINITY });
        let candidates =
            Candidates { load: [&load[0], &load[1]], inverse: [&inverse[0], &inverse[1]], keys: &keys };
        Front::of(candidates, dominance)
    }

    fn host(one: f32, other: f32) -> Point {
        Point { load: [one, other], inverse: [0.001, 0.002] }
    }

    #[test]
    fn hosts_that_another_beats_in_everything_are_left_out() {
        let larger = Point { load: [0.3, 0.4], inverse: [0.0005, 0.002] };
        let hosts = [host(0.5, 0.5), host(0.2, 0.9), host(0.9, 0.2), host(0.6, 0.6), host(0.5, 0.5), larger];
        assert_eq!(front(&hosts, DOMINANCE).points(), [larger, host(0.2, 0.9), host(0.9, 0.2)]);
        // A larger host does not make others superfluous where smaller shares are not always better.
        let picky = Dominance { least: 0.999_999, ..DOMINANCE };
        assert_eq!(front(&hosts, picky).points(), [larger, host(0.5, 0.5), host(0.2, 0.9), host(0.9, 0.2)]);
    }

    #[test]
    fn too_many_points_are_merged_into_points_that_are_as_good() {
        let hosts: Vec<Point> =
            (0..60).map(|number| host(number as f32 / 100.0, 0.6 - number as f32 / 100.0)).collect();
        let front = front(&hosts, DOMINANCE);
        assert_eq!(front.points().len(), POINTS);
        for host in hosts {
            assert!(front.points().iter().any(|point| {
                (0..2).all(|resource| {
                    point.load[resource] <= host.load[resource]
                        && point.inverse[resource] <= host.inverse[resource]
                })
            }));
        }
    }
}
