//! Tenants: what they are entitled to, what they hold, and whose turn it is.

use std::collections::BTreeSet;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::entry::{QueueError, TenantId};
use super::settings::{TenantSettings, WHOLE};
use super::share::{Capacity, Held, ONE};
use super::unit::Head;
use crate::ask::Ask;
use crate::cell::Cell;

/// The most tenants that are kept apart.
pub(super) const MAX_TENANTS: usize = 1 << 20;

/// Whose turn it is: the least goes first. Whether the tenant has what is guaranteed to it, its weighted dominant share,
/// its number, its slot. What it would try does not count, so that it makes no difference what has been tried in vain.
type Turn = (bool, u64, TenantId, u32);

/// How a tenant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantStatus {
    /// Which.
    pub tenant: TenantId,
    /// What it is entitled to.
    pub settings: TenantSettings,
    /// How many of its pods wait.
    pub waiting: usize,
    /// When the one of them came that has waited for the longest time.
    pub oldest: Option<Duration>,
    /// Its dominant share, in millionths of the cell.
    pub share_millionths: u64,
}

#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) id: TenantId,
    pub(super) settings: TenantSettings,
    pub(super) held: Held,
    /// How many of its pods wait.
    pub(super) waiting: usize,
    /// What it may try, but for what is above all tenants.
    heads: BTreeSet<Head>,
    turn: Option<Turn>,
}

impl Tenant {
    /// Whether nothing is lost when the tenant is forgotten.
    fn is_idle(&self) -> bool {
        self.waiting == 0
            && self.heads.is_empty()
            && self.held.is_empty()
            && self.settings == TenantSettings::default()
    }

    fn turn(&self, slot: u32) -> Option<Turn> {
        self.heads.first()?;
        let share = self.held.dominant();
        let guaranteed = u64::from(self.settings.guaranteed_millionths) * (ONE / u64::from(WHOLE));
        // At most 8 * 2^40 * 2^20: fits.
        let weighted = (share << 20) / u64::from(self.settings.weight);
        Some((share >= guaranteed, weighted, self.id, slot))
    }

    pub(super) fn share_millionths(&self) -> u64 {
        (u128::from(self.held.dominant()) * u128::from(WHOLE) / u128::from(ONE)) as u64
    }
}

/// All tenants that wait, hold something or have settings of their own.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    slots: Vec<Option<Tenant>>,
    unused: Vec<u32>,
    ids: FxHashMap<TenantId, u32>,
    turns: BTreeSet<Turn>,
    capacity: Capacity,
    guaranteed: u64,
}

impl Tenants {
    /// The slot of a tenant, new if need be.
    pub(super) fn slot(&mut self, id: TenantId) -> Result<u32, QueueError> {
        if let Some(slot) = self.ids.get(&id) {
            return Ok(*slot);
        }
        if self.ids.len() >= MAX_TENANTS {
            return Err(QueueError::Tenants);
        }
        let tenant = Some(Tenant {
            id,
            settings: TenantSettings::default(),
            held: Held::default(),
            waiting: 0,
            heads: BTreeSet::new(),
            turn: None,
        });
        let slot = match self.unused.pop() {
            Some(slot) => {
                self.slots[slot as usize] = tenant;
                slot
            }
            None => {
                self.slots.push(tenant);
                self.slots.len() as u32 - 1
            }
        };
        self.ids.insert(id, slot);
        Ok(slot)
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Tenant> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Tenant)> {
        self.slots.iter().enumerate().filter_map(|(slot, tenant)| Some((slot as u32, tenant.as_ref()?)))
    }

    /// Changes a tenant, gives it its turn anew, and forgets it where nothing is left to know.
    fn change(&mut self, slot: u32, change: impl FnOnce(&mut Tenant, &Capacity)) {
        let Some(Some(tenant)) = self.slots.get_mut(slot as usize) else { return };
        change(tenant, &self.capacity);
        let turn = tenant.turn(slot);
        if turn != tenant.turn {
            if let Some(former) = tenant.turn {
                self.turns.remove(&former);
            }
            self.turns.extend(turn);
            tenant.turn = turn;
        }
        if tenant.is_idle() {
            self.ids.remove(&tenant.id);
            self.slots[slot as usize] = None;
            self.unused.push(slot);
        }
    }

    /// Counts pods that wait, more or less.
    pub(super) fn wait(&mut self, slot: u32, pods: isize) {
        self.change(slot, |tenant, _| tenant.waiting = tenant.waiting.saturating_add_signed(pods));
    }

    pub(super) fn list(&mut self, slot: u32, head: Head) {
        self.change(slot, |tenant, _| {
            tenant.heads.insert(head);
        });
    }

    pub(super) fn unlist(&mut self, slot: u32, head: &Head) {
        self.change(slot, |tenant, _| {
            tenant.heads.remove(head);
        });
    }

    /// What the tenant whose turn it is tries.
    pub(super) fn first(&self) -> Option<Head> {
        let (_, _, _, slot) = self.turns.first()?;
        self.get(*slot)?.heads.first().copied()
    }

    /// Counts what a tenant's placement holds, or counts it no more.
    pub(super) fn count(&mut self, id: TenantId, ask: &Ask, comes: bool) -> Result<(), QueueError> {
        let slot = self.slot(id)?;
        self.change(slot, |tenant, capacity| tenant.held.count(ask, comes, capacity));
        Ok(())
    }

    /// Counts all shares anew where the cell offers something else now.
    pub(super) fn adopt(&mut self, cell: &Cell) {
        if !self.capacity.adopt(cell) {
            return;
        }
        for slot in 0..self.slots.len() as u32 {
            self.change(slot, |tenant, capacity| tenant.held.refresh(capacity));
        }
    }

    /// Settles what a tenant is entitled to.
    pub(super) fn settle(&mut self, id: TenantId, settings: TenantSettings) -> Result<u32, QueueError> {
        settings.validate()?;
        let slot = self.slot(id)?;
        let former = self.get(slot).map_or(0, |tenant| tenant.settings.guaranteed_millionths);
        let guaranteed = self.guaranteed - u64::from(former) + u64::from(settings.guaranteed_millionths);
        if guaranteed > u64::from(WHOLE) && settings.guaranteed_millionths > former {
            self.change(slot, |_, _| {});
            return Err(QueueError::Guarantees { millionths: guaranteed });
        }
        self.guaranteed = guaranteed;
        self.change(slot, |tenant, _| tenant.settings = settings);
        Ok(slot)
    }

    /// Forgets all that waits; what is held and settled stays.
    pub(super) fn clear_waiting(&mut self) {
        for slot in 0..self.slots.len() as u32 {
            self.change(slot, |tenant, _| {
                tenant.waiting = 0;
                tenant.heads.clear();
            });
        }
    }
}
