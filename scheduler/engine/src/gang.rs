//! Gangs: pods that are placed all or none, if need be within one rack or zone.
//!
//! A gang's members are placed one after the other, each on the best host of all, and where fewer than the minimum find
//! one, all is undone: an attempt that fails leaves nothing behind but newer versions of blocks in the journal. Nothing is
//! held while anything is waited for, so two gangs can never hold what the other needs. A gang that cannot fit is refused by
//! counting (`bound`), before anything is placed.
//!
//! Where a gang wants to be packed within a domain, the hosts that share the value of a label, every domain that may hold
//! it is tried (`topology`, `attempt`), and the best is taken: the one that holds the most members, then the one with the
//! highest sum of scores, then the one whose first host comes first.

mod attempt;
mod bound;
mod explain;
mod topology;

pub use self::explain::{GangExplanation, RefusedMember};
pub(crate) use self::topology::Domains;
pub use self::topology::{Topology, TopologyDomain};

use self::attempt::Attempt;
use crate::class::ClassId;
use crate::placement::Placement;
use crate::resource::Resources;
use crate::scheduler::{Choice, Scheduler};

/// The most members of a gang.
pub const MAX_GANG: usize = 1 << 20;

/// Pods that are placed all or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gang {
    /// Classes of members, with how many there are of each, in the order in which they are placed.
    pub members: Vec<(ClassId, usize)>,
    /// How many have to find a host, at least 1. Of the others as many are placed as fit.
    pub minimum: usize,
    /// What has to be free over all hosts, before members are looked at.
    pub resources: Resources,
    /// Where members are to be together.
    pub topology: Topology,
}

/// Why a gang was refused at the border.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GangError {
    /// A class that has been forgotten.
    #[error("a class of the gang has been forgotten")]
    UnknownClass,
    /// A minimum that no number of hosts could meet, or none.
    #[error("the gang's minimum is {minimum}, want 1 to {members}, the number of its members")]
    MinimumOutOfRange {
        /// What was given.
        minimum: usize,
        /// How many members there are.
        members: usize,
    },
    /// More members than are placed at once.
    #[error("the gang has {members} members, want at most {MAX_GANG}")]
    TooManyMembers {
        /// How many there are.
        members: usize,
    },
    /// A quantity that is negative or absurdly large.
    #[error("the gang's {resource} is {quantity}, want 0 to {}", crate::resource::MAX_QUANTITY)]
    QuantityOutOfRange {
        /// The resource's name.
        resource: String,
        /// What was given.
        quantity: i64,
    },
}

/// A gang that has been placed.
#[derive(Debug)]
#[must_use = "placements hold resources until they are released"]
pub struct PlacedGang {
    /// Members in the order in which they were placed, at least as many as the minimum.
    pub members: Vec<PlacedMember>,
    /// The domain that holds them all, where the gang wanted one and there is one.
    pub domain: Option<TopologyDomain>,
}

/// A member that has been placed.
#[derive(Debug)]
pub struct PlacedMember {
    /// Its class.
    pub class: ClassId,
    /// What it holds.
    pub placement: Placement,
    /// Its host's score when it was chosen, in the profile's unit.
    pub score: i64,
}

/// Where a gang would be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GangPlan {
    /// Members in the order in which they would be placed: classes and choices.
    pub members: Vec<(ClassId, Choice)>,
    /// The domain that would hold them all.
    pub domain: Option<TopologyDomain>,
}

impl Gang {
    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Scheduler {
    /// Places a gang, or nothing: `None` where fewer than its minimum find a host now.
    pub fn schedule_gang(&mut self, gang: &Gang) -> Result<Option<PlacedGang>, GangError> {
        self.validate_gang(gang)?;
        let placed = self.place_gang(gang);
        for member in placed.iter().flat_map(|placed| &placed.members) {
            self.count(member.class);
        }
        Ok(placed)
    }

    /// Where a gang would go now, all of it. Takes nothing.
    pub fn plan_gang(&mut self, gang: &Gang) -> Result<Option<GangPlan>, GangError> {
        self.validate_gang(gang)?;
        let Some(PlacedGang { members, domain }) = self.place_gang(gang) else { return Ok(None) };
        let attempt = Attempt::from(members);
        let planned = attempt.choices();
        self.undo(attempt);
        Ok(Some(GangPlan { members: planned, domain }))
    }

    fn validate_gang(&self, gang: &Gang) -> Result<(), GangError> {
        let members = gang.len();
        if members > MAX_GANG {
            return Err(GangError::TooManyMembers { members });
        }
        if !(1..=members).contains(&gang.minimum) {
            return Err(GangError::MinimumOutOfRange { minimum: gang.minimum, members });
        }
        if let Some((resource, quantity)) = gang.resources.out_of_range() {
            return Err(GangError::QuantityOutOfRange { resource, quantity });
        }
        if gang.members.iter().any(|(class, _)| self.demand(*class).is_none()) {
            return Err(GangError::UnknownClass);
        }
        Ok(())
    }

    fn place_gang(&mut self, gang: &Gang) -> Option<PlacedGang> {
        if self.lacking(gang).next().is_some() || !self.could_fit(gang) {
            return None;
        }
        for key in &gang.topology.keys {
            if let Some((domain, choices)) = self.best_domain(gang, key, gang.minimum) {
                // What was tried and undone fits again.
                let attempt = self.commit(&choices)?;
                let domain = TopologyDomain { key: key.clone(), value: domain.value.to_string() };
                return Some(PlacedGang { members: attempt.members, domain: Some(domain) });
            }
        }
        if gang.topology.is_required() {
            return None;
        }
        let attempt = self.attempt(gang, None, gang.minimum);
        if attempt.members.len() < gang.minimum {
            self.undo(attempt);
            return None;
        }
        Some(PlacedGang { members: attempt.members, domain: None })
    }
}
