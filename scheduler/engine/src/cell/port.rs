//! Ports bound on hosts. Few hosts have any, so they are kept by host and not in columns.

use rustc_hash::FxHashMap;

use super::BLOCK;
use crate::demand::HostPort;

/// The bound ports of the hosts that have any.
#[derive(Clone, Debug, Default)]
pub(crate) struct PortTable {
    bound: FxHashMap<u32, Vec<HostPort>>,
}

impl PortTable {
    /// Whether all of `ports` can be bound.
    pub(crate) fn admits(&self, slot: usize, ports: &[HostPort]) -> bool {
        if ports.is_empty() {
            return true;
        }
        let Some(bound) = self.bound.get(&(slot as u32)) else { return true };
        !ports.iter().any(|port| bound.iter().any(|taken| taken.conflicts(port)))
    }

    /// The hosts of a block, among those of `mask`, where all of `ports` can be bound.
    pub(crate) fn admitting(&self, block: usize, mut mask: u64, ports: &[HostPort]) -> u64 {
        if ports.is_empty() || self.bound.is_empty() {
            return mask;
        }
        for bit in crate::mask::bits(mask) {
            if !self.admits(block * BLOCK + bit, ports) {
                mask &= !(1 << bit);
            }
        }
        mask
    }

    pub(crate) fn bind(&mut self, slot: usize, ports: &[HostPort]) {
        if !ports.is_empty() {
            self.bound.entry(slot as u32).or_default().extend_from_slice(ports);
        }
    }

    pub(crate) fn unbind(&mut self, slot: usize, ports: &[HostPort]) {
        if ports.is_empty() {
            return;
        }
        if let Some(bound) = self.bound.get_mut(&(slot as u32)) {
            for port in ports {
                if let Some(position) = bound.iter().position(|taken| taken == port) {
                    bound.swap_remove(position);
                }
            }
            if bound.is_empty() {
                self.bound.remove(&(slot as u32));
            }
        }
    }

    pub(crate) fn clear(&mut self, slot: usize) {
        self.bound.remove(&(slot as u32));
    }

    pub(crate) fn bound(&self, slot: usize) -> &[HostPort] {
        self.bound.get(&(slot as u32)).map_or(&[], Vec::as_slice)
    }
}
