//! Room that is taken before those who have it are gone.

use std::sync::Arc;

use super::{Cell, HostId};
use crate::ask::Ask;
use crate::placement::{PlaceError, Placement, Seat};

impl Cell {
    /// Takes what `ask` takes from a host though it may not be free: what is free goes below zero until others leave.
    pub(crate) fn hold(&mut self, ask: &Arc<Ask>, host: HostId, seat: Seat) -> Result<Placement, PlaceError> {
        if !self.has(host) {
            return Err(PlaceError::Gone);
        }
        if let Some(resource) = ask.unknown.first() {
            return Err(PlaceError::Insufficient { resource: resource.clone() });
        }
        let slot = host.index();
        let is_offered =
            |(resource, request): &_| crate::fit::admits(self.columns.allocatable(*resource, slot), *request);
        if let Some((resource, _)) = ask.at(self, slot).requests.iter().find(|request| !is_offered(request)) {
            return Err(PlaceError::Insufficient { resource: self.resources.name(*resource).to_owned() });
        }
        self.numa.check(slot, ask, seat, false)?;
        self.devices.hold(slot, ask.devices.as_ref(), seat.devices)?;
        self.numa.take(slot, ask, seat.numa);
        self.take(slot, ask);
        let mut placement = Placement::new(host, seat, Arc::clone(ask));
        placement.is_nomination = true;
        Ok(placement)
    }

    /// Whether the room that a nomination holds has become free: nothing that it takes is short on its host.
    pub(crate) fn is_seated(&self, placement: &Placement) -> bool {
        let (slot, ask) = (placement.host().index(), placement.ask());
        self.has(placement.host())
            && ask.requests.iter().all(|(resource, _)| self.columns.free(*resource, slot) >= 0)
            && ask.ports.iter().all(|port| {
                let own = ask.ports.iter().filter(|other| port.conflicts(other)).count();
                self.ports.bound(slot).iter().filter(|taken| port.conflicts(taken)).count() == own
            })
            && self.devices.is_seated(slot, placement.devices())
            && self.numa.is_seated(slot, ask, placement.seat())
    }
}
