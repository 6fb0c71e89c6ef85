//! What a host would have if all pods up to a priority went: how bad preemption there is at the least.
//!
//! Each host has a row: the room of pods that are being stopped, then that and the room of all up to the first level of
//! priorities, up to the second, and so on. Pods under exhausted disruption budgets are left out, for they cost a
//! violation, and come last. A bound read off a row is never worse than the host's mark, and costs a few comparisons.

use super::registry::{Registry, Tracked};
use super::trial::Mark;
use crate::cell::{BLOCK, Cell};
use crate::resource::ResourceId;

/// Levels told apart; where there are more priorities, several are one level.
const MAX_LEVELS: usize = 16;

/// What some pods of a host have together.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    cpu: i64,
    memory: i64,
    pods: i64,
    /// The most that one of them has.
    largest_cpu: i64,
    largest_memory: i64,
    /// When the one that started last did, of the last level.
    last_start: i64,
}

impl Room {
    fn add(&mut self, pod: &Tracked) {
        let (cpu, memory) = (pod.request(ResourceId::CPU), pod.request(ResourceId::MEMORY));
        self.cpu += cpu;
        self.memory += memory;
        self.pods += 1;
        self.largest_cpu = self.largest_cpu.max(cpu);
        self.largest_memory = self.largest_memory.max(memory);
        self.last_start = self.last_start.max(pod.running.start);
    }

    fn covers(&self, short: &Short) -> bool {
        self.cpu >= short.cpu && self.memory >= short.memory && self.pods >= short.pods
    }
}

/// What a pod lacks on a host; negative where there is more than enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short {
    pub(crate) cpu: i64,
    pub(crate) memory: i64,
    pub(crate) pods: i64,
}

/// The rows of all hosts at a version of the cell.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// The lowest priority of each level, ascending.
    lowest: Vec<i32>,
    /// Per slot `lowest.len() + 2`.
    rows: Vec<Room>,
    version: u64,
    /// When the levels were drawn, and of which generation of priorities.
    drawn: u64,
    generation: u64,
}

impl Levels {
    /// Catches up with the cell.
    pub(crate) fn sync(&mut self, cell: &Cell, registry: &Registry) {
        let version = cell.journal.version();
        let slots = cell.blocks() * BLOCK;
        let known = self.lowest.first();
        let is_below = registry.lowest().is_some_and(|lowest| known.is_none_or(|known| lowest < *known));
        let is_new =
            is_below || (self.generation != registry.generation() && version - self.drawn > slots as u64);
        if is_new || self.rows.len() != slots * self.width() {
            self.lowest = draw(registry);
            (self.drawn, self.generation) = (version, registry.generation());
            self.rows.clear();
            self.rows.resize(slots * self.width(), Room::default());
            (0..slots).for_each(|slot| self.refresh(slot, registry));
        } else if !cell.journal.changed_slots_since(self.version, |slot| self.refresh(slot, registry)) {
            cell.journal.changed_since(self.version, |block| {
                (block * BLOCK..(block + 1) * BLOCK).for_each(|slot| self.refresh(slot, registry));
            });
        }
        self.version = version;
    }

    /// At least how bad it is to get what is short on a host for a pod of a priority.
    pub(crate) fn bound(&self, slot: usize, short: &Short, priority: i32) -> Mark {
        let width = self.width();
        let Some((leaving, levels)) =
            self.rows.get(slot * width..(slot + 1) * width).and_then(<[Room]>::split_first)
        else {
            return Mark::BEST;
        };
        if leaving.covers(short) {
            return Mark::BEST;
        }
        for (room, lowest) in levels.iter().zip(&self.lowest) {
            if *lowest >= priority {
                break;
            }
            if room.covers(short) {
                let beyond = [
                    (short.cpu - leaving.cpu, room.largest_cpu),
                    (short.memory - leaving.memory, room.largest_memory),
                    (short.pods - leaving.pods, 1),
                ];
                let victims = beyond.into_iter().map(|(short, most)| pieces(short, most)).max().unwrap_or(1);
                return Mark::at_least(*lowest, victims, self.lowest[0], room.last_start);
            }
        }
        match levels.last() {
            Some(all) if all.covers(short) => Mark::VIOLATING,
            _ => Mark::WORST,
        }
    }

    fn width(&self) -> usize {
        self.lowest.len() + 2
    }

    fn refresh(&mut self, slot: usize, registry: &Registry) {
        let width = self.width();
        let Some(row) = self.rows.get_mut(slot * width..(slot + 1) * width) else { return };
        let pods = registry.pods(slot);
        let mut room = Room { last_start: i64::MIN, ..Room::default() };
        pods.iter().filter(|pod| pod.leaves()).for_each(|pod| room.add(pod));
        row[0] = room;
        let mut rising = pods.iter().rev().peekable();
        for (level, place) in row[1..width - 1].iter_mut().enumerate() {
            room.last_start = i64::MIN;
            let above = self.lowest.get(level + 1).copied();
            while let Some(pod) = rising.next_if(|pod| above.is_none_or(|above| pod.running.priority < above))
            {
                if pod.may_go() && !registry.is_exhausted(pod) {
                    room.add(pod);
                }
            }
            *place = room;
        }
        pods.iter().filter(|pod| pod.may_go() && registry.is_exhausted(pod)).for_each(|pod| room.add(pod));
        row[width - 1] = room;
    }
}

/// The levels: each priority one, or as many pods in each as in any other.
fn draw(registry: &Registry) -> Vec<i32> {
    let priorities = registry.priorities();
    if priorities.len() <= MAX_LEVELS {
        return priorities.keys().copied().collect();
    }
    let share = priorities.values().map(|pods| u64::from(*pods)).sum::<u64>() / MAX_LEVELS as u64 + 1;
    let mut lowest = Vec::new();
    let mut before = 0;
    for (priority, pods) in priorities {
        if before >= share * lowest.len() as u64 {
            lowest.push(*priority);
        }
        before += u64::from(*pods);
    }
    lowest
}

/// How many pieces of at most `most` make up what is short, at least one.
fn pieces(short: i64, most: i64) -> u32 {
    if short <= most { 1 } else { u32::try_from((short - 1) / most.max(1) + 1).unwrap_or(u32::MAX) }
}
