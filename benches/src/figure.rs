//! What a bench found.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Whether more or less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// At least the goal.
    AtLeast,
    /// At most the goal.
    AtMost,
}

/// What a figure should reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// Which way.
    pub direction: Direction,
    /// The bound, in the figure's unit.
    pub bound: f64,
}

impl Goal {
    /// Whether a value reaches the goal.
    pub fn is_met(&self, value: f64) -> bool {
        match self.direction {
            Direction::AtLeast => value >= self.bound,
            Direction::AtMost => value <= self.bound,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.direction {
            Direction::AtLeast => write!(out, ">= {}", self.bound),
            Direction::AtMost => write!(out, "<= {}", self.bound),
        }
    }
}

impl Serialize for Goal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The result of a bench.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The bench's name.
    pub name: &'static str,
    /// What was measured.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it should reach.
    pub goal: Goal,
    /// What it was measured with, and figures beside the main one.
    pub parameters: BTreeMap<&'static str, Value>,
    /// The largest resident memory of the process so far; 0 where the system does not tell.
    pub peak_rss_bytes: u64,
}

impl Figure {
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str, goal: Goal) -> Figure {
        Figure {
            name,
            value,
            unit,
            goal,
            parameters: BTreeMap::new(),
            peak_rss_bytes: crate::process::peak_resident_bytes(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Figure {
        self.parameters.insert(name, value.into());
        self
    }
}
