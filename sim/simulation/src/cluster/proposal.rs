//! What a rebalancing proposes, as a value and as text.

use std::fmt;

use serde::Serialize;

use super::model::Utilization;
use super::table;
use super::whatif::{Waits, write_rest, write_waits};

/// How many moves are printed; JSON has all.
const PRINTED: usize = 20;

/// Moves, and what comes of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Proposal {
    /// The policy by which hosts were chosen.
    pub policy: String,
    /// The moves, in their order.
    pub moves: Vec<ProposedMove>,
    /// Hosts that are to take no more pods, since they are to be emptied for maintenance.
    pub drained: Vec<String>,
    /// Hosts that the moves leave without pods, but for those that belong to their host.
    pub emptied: Vec<String>,
    /// Pods that should move and cannot, and why.
    pub stuck: Vec<Waits>,
    /// Pods that should move as well, but that are more than may be moved now.
    pub left_over: usize,
    /// How much is in use now.
    pub before: Utilization,
    /// How much would be in use.
    pub after: Utilization,
    /// What is left out or not looked at, one sentence each.
    pub notes: Vec<String>,
}

/// A pod that is to be evicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProposedMove {
    /// The pod's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its unique id; another pod of the same name is not meant.
    pub uid: String,
    /// Where it is.
    pub from: String,
    /// Where its successor would go now.
    pub to: String,
    /// What for.
    pub why: MoveReason,
}

/// What a move is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoveReason {
    /// Its host is to be emptied for maintenance.
    Drain,
    /// Its host does not admit it any more.
    Correct,
    /// Its host can do without pods then.
    Consolidate,
}

impl fmt::Display for MoveReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            MoveReason::Drain => "its host is to be emptied",
            MoveReason::Correct => "its host does not admit it any more",
            MoveReason::Consolidate => "its host can be emptied",
        })
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Proposal { policy, moves, emptied, stuck, left_over, before, after, .. } = self;
        writeln!(out, "policy {policy}\n")?;
        let counts = [
            ("pods to be moved", moves.len()),
            ("pods that should move and cannot", stuck.len()),
            ("pods left for another time", *left_over),
            ("hosts emptied to save them", emptied.len()),
        ];
        table::write(out, &counts.map(|(what, count)| [what.to_owned(), count.to_string()]))?;
        if !moves.is_empty() {
            writeln!(out)?;
            let mut rows = vec![["pod", "from", "to", "because"].map(str::to_owned)];
            rows.extend(moves.iter().take(PRINTED).map(|one| {
                let pod = format!("{}/{}", one.namespace, one.name);
                [pod, one.from.clone(), one.to.clone(), one.why.to_string()]
            }));
            table::write(out, &rows)?;
            write_rest(out, moves.len())?;
        }
        if !emptied.is_empty() {
            writeln!(out, "\nemptied: {}", emptied.join(", "))?;
        }
        write_waits(out, stuck)?;
        writeln!(out)?;
        table::utilization(out, before, after)
    }
}
