//! Addresses: a host's own, and those of its pods.

use std::net::Ipv4Addr;

/// How many addresses a host has for its pods, the first and the last of which are no pod's: more than Kubernetes' 110 pods.
const SIZE: u32 = 128;

/// The addresses of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostAddresses {
    /// The host's own.
    pub host: Ipv4Addr,
    /// The first of the 128 for its pods.
    pub pods: Ipv4Addr,
}

impl HostAddresses {
    /// How many hosts can be told apart: as many as there are ranges in 10.0.0.0/8.
    pub const HOSTS: u32 = (1 << 24) / SIZE;

    /// The addresses of the host of a number below [`HostAddresses::HOSTS`], no two of which are the same: its own in
    /// 100.64.0.0/10, its pods' in 10.0.0.0/8.
    #[must_use]
    pub fn of(number: u32) -> Self {
        let number = number % Self::HOSTS;
        Self {
            host: Ipv4Addr::from_bits(Ipv4Addr::new(100, 64, 0, 1).to_bits() + number),
            pods: Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number * SIZE),
        }
    }

    /// The range of the pods' addresses, as Node objects name it.
    #[must_use]
    pub fn range(&self) -> String {
        format!("{}/25", self.pods)
    }
}

/// What a pod's status says about addresses; none for a pod that could not be given one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodAddresses {
    pub(crate) host: String,
    pub(crate) pod: Option<String>,
}

/// Which of a host's addresses are taken.
#[derive(Debug)]
pub(super) struct Addresses {
    host: HostAddresses,
    taken: u128,
}

/// No address of a pod: the network itself, its gateway, and the last.
const RESERVED: u128 = 0b11 | (1 << (SIZE - 1));

/// Where all are taken, as they are by more pods than a host is said to run.
const NONE: u32 = SIZE;

impl Addresses {
    pub(super) fn new(host: HostAddresses) -> Self {
        Self { host, taken: RESERVED }
    }

    /// A free one. The lowest: addresses come again soon, as users know it.
    pub(super) fn take(&mut self) -> u32 {
        let free = self.taken.trailing_ones();
        self.give(free);
        free.min(NONE)
    }

    /// One that is known to be a pod's.
    pub(super) fn give(&mut self, address: u32) {
        self.taken |= 1_u128.checked_shl(address).unwrap_or_default();
    }

    pub(super) fn give_back(&mut self, address: u32) {
        self.taken &= !1_u128.checked_shl(address).unwrap_or_default() | RESERVED;
    }

    pub(super) fn clear(&mut self) {
        self.taken = RESERVED;
    }

    /// The addresses in words; 0 is the host's own.
    pub(super) fn of(&self, address: u32) -> PodAddresses {
        let host = self.host.host.to_string();
        let pod = match address {
            0 => Some(host.clone()),
            1..SIZE => Some(Ipv4Addr::from_bits(self.host.pods.to_bits() + address).to_string()),
            _ => None,
        };
        PodAddresses { host, pod }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_address_is_given_twice() {
        let mut addresses = Addresses::new(HostAddresses::of(3));
        let taken: Vec<u32> = (0..125).map(|_| addresses.take()).collect();
        let mut words: BTreeSet<String> = taken.iter().filter_map(|taken| addresses.of(*taken).pod).collect();
        assert_eq!(words.len(), 125);
        assert!(words.contains("10.0.1.130") && words.contains("10.0.1.254"), "{words:?}");
        // Full: no address, and nothing breaks.
        let none = addresses.take();
        assert_eq!(addresses.of(none).pod, None);
        addresses.give_back(none);
        addresses.give_back(taken[7]);
        addresses.give_back(0);
        assert_eq!(addresses.take(), taken[7]);
        // Hosts do not share.
        let mut other = Addresses::new(HostAddresses::of(4));
        let first = other.take();
        assert!(words.insert(other.of(first).pod.unwrap()));
        assert_ne!(other.of(0).host, addresses.of(0).host);
        let last = HostAddresses::of(HostAddresses::HOSTS - 1);
        assert_eq!((last.range(), last.host.to_string()), ("10.255.255.128/25".into(), "100.66.0.0".into()));
    }
}
