//! Gangs on both schedulers.

use meridian_engine::{Gang, GangExplanation, PlacedGang, TopologyDomain};

use super::{Group, Mismatch, Pair, Result, Running};
use crate::reference;

impl Pair {
    /// Plans and explains a gang on both, and changes nothing.
    pub(crate) fn plan_gang<'a>(
        &mut self,
        group: &Group,
        running: impl Iterator<Item = &'a Running>,
    ) -> Result<GangExplanation> {
        let (gang, expected) = self.gang(group)?;
        let verdict = self.reference.judge_gang(&expected);
        let explanation = match self.scheduler.explain_gang(&gang) {
            Ok(explanation) => explanation,
            Err(error) => return mismatch!("the gang is refused: {error}"),
        };
        let refused = explanation.refused.as_ref().map(|refused| {
            let class = |(class, _): &(_, usize)| *class == refused.class;
            (gang.members.iter().position(class), &refused.explanation.refusals)
        });
        // One class may come twice among the members.
        let wanted = verdict.refused.as_ref().map(|(member, refusals)| {
            let class = gang.members[*member].0;
            (gang.members.iter().position(|(other, _)| *other == class), refusals)
        });
        if (explanation.fit, &domain(explanation.domain.as_ref()), refused, !explanation.lacking.is_empty())
            != (verdict.fit, &verdict.domain, wanted, verdict.lacking)
        {
            return mismatch!("the gang is explained as {explanation:?}, want {verdict:?}");
        }
        if explanation.fit_when_idle < explanation.fit {
            return mismatch!("fewer members fit into an empty cell: {explanation:?}");
        }
        let fits = explanation.fits();
        match self.scheduler.plan_gang(&gang) {
            Ok(Some(plan)) if fits && domain(plan.domain.as_ref()) == verdict.domain => {}
            Ok(None) if !fits => {}
            planned => return mismatch!("the gang is planned as {planned:?}, want {verdict:?}"),
        }
        self.check(running)?;
        Ok(explanation)
    }

    /// Places a gang on both, or nothing of it.
    pub(crate) fn schedule_gang(&mut self, group: &Group) -> Result<Option<Vec<Running>>> {
        let (gang, expected) = self.gang(group)?;
        let placed = match self.scheduler.schedule_gang(&gang) {
            Ok(placed) => placed,
            Err(error) => return mismatch!("the gang is refused: {error}"),
        };
        let started = self.reference.start_gang(&expected);
        let (PlacedGang { members, domain: within }, started) = match (placed, started) {
            (None, None) => return Ok(None),
            (Some(placed), Some(started)) => (placed, started),
            (placed, started) => return mismatch!("the gang is placed as {placed:?}, want {started:?}"),
        };
        let engine: Vec<_> = members
            .iter()
            .map(|member| (member.placement.host().index(), member.placement.seat(), member.score))
            .collect();
        let reference: Vec<_> =
            started.pods.iter().map(|(_, best)| (best.slot, best.seat, best.score)).collect();
        if (engine, domain(within.as_ref())) != (reference, started.domain.clone()) {
            return mismatch!("the gang is placed as {members:?} in {within:?}, want {started:?}");
        }
        let running = members.into_iter().zip(started.pods).map(|(member, (pod, best))| Running {
            placement: member.placement,
            pod,
            slot: best.slot,
            seat: best.seat,
            tracked: None,
        });
        Ok(Some(running.collect()))
    }

    fn gang(&mut self, group: &Group) -> Result<(Gang, reference::Gang)> {
        let mut members = Vec::new();
        for (class, count) in &group.members {
            members.push((self.intern(*class)?, *count));
        }
        let gang = Gang {
            members,
            minimum: group.minimum,
            resources: group.resources.clone(),
            topology: group.topology.clone(),
        };
        let demand = |(class, count): &(usize, usize)| (self.classes[*class].demand.clone(), *count);
        let expected = reference::Gang {
            members: group.members.iter().map(demand).collect(),
            minimum: group.minimum,
            resources: group.resources.clone(),
            keys: group.topology.keys.clone(),
            required: group.topology.required,
        };
        Ok((gang, expected))
    }
}

fn domain(domain: Option<&TopologyDomain>) -> Option<(String, String)> {
    domain.map(|domain| (domain.key.clone(), domain.value.clone()))
}
