//! What became of one pod of a trace, and why.

use std::fmt;

use meridian_engine::{Choice, Explanation, Scheduler};

/// The attempts to place one pod, in order.
#[derive(Clone, Debug)]
pub struct Story {
    /// The pod's name.
    pub pod: String,
    /// What the times of the attempts count.
    pub clock: String,
    /// At arrival, at placement if that was later, and at the end if the pod was never placed.
    pub attempts: Vec<Attempt>,
}

/// How the hosts looked to a pod at some moment, and what was chosen.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When, in the story's clock.
    pub time: u64,
    /// All hosts against the pod.
    pub explanation: Explanation,
    /// Host and device mask that the pod got, if any.
    pub placed: Option<(String, u64)>,
}

impl Attempt {
    pub(crate) fn new(
        time: u64,
        explanation: Explanation,
        choice: Option<Choice>,
        scheduler: &Scheduler,
    ) -> Attempt {
        let placed = choice.and_then(|choice| {
            scheduler.cell().name(choice.host).map(|name| (name.to_owned(), choice.devices))
        });
        Attempt { time, explanation, placed }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "pod {}", self.pod)?;
        for attempt in &self.attempts {
            writeln!(out, "\n{} {}:", self.clock, attempt.time)?;
            write!(out, "{attempt}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.placed {
            Some((host, 0)) => writeln!(out, "  placed on {host}")?,
            Some((host, devices)) => {
                let numbers: Vec<String> =
                    (0..64).filter(|bit| devices >> bit & 1 == 1).map(|bit: u32| bit.to_string()).collect();
                writeln!(out, "  placed on {host}, device {}", numbers.join(", "))?;
            }
            None => writeln!(out, "  not placed")?,
        }
        writeln!(out, "  {}", self.explanation)?;
        for (rank, candidate) in self.explanation.ranked.iter().enumerate() {
            let points = |score: i64| score as f64 / self.explanation.unit as f64;
            write!(out, "  {}. {} score {:.2}", rank + 1, candidate.name, points(candidate.score))?;
            for (number, part) in candidate.parts.iter().enumerate() {
                let lead = if number == 0 { " = " } else { " + " };
                write!(out, "{lead}{} {} x {:.2}", part.plugin, part.weight, points(part.score))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
