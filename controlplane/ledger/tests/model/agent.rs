//! A host's agent, by its rules and no more.

use std::collections::{BTreeMap, VecDeque};

use crate::world::Cid;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    Run(usize, Cid),
    Stop(usize),
    Forget(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Agent {
    /// The highest epoch obeyed.
    pub(crate) highest: u64,
    /// Its pods, and whether they have stopped.
    pub(crate) pods: BTreeMap<usize, bool>,
    /// Per epoch of the host partition, what is on its way over the link to it.
    pub(crate) links: BTreeMap<u64, VecDeque<Command>>,
}

impl Agent {
    pub(crate) fn running(&self) -> impl Iterator<Item = usize> {
        self.pods.iter().filter(|(_, stopped)| !**stopped).map(|(pod, _)| *pod)
    }

    /// Takes the next command off a link, and obeys it unless a later epoch has been obeyed.
    pub(crate) fn obey(&mut self, he: u64) {
        let Some(command) = self.links.get_mut(&he).and_then(VecDeque::pop_front) else { return };
        if he < self.highest {
            return;
        }
        self.highest = he;
        match command {
            Command::Run(pod, _) => {
                self.pods.entry(pod).or_insert(false);
            }
            Command::Stop(pod) => {
                self.pods.insert(pod, true);
            }
            Command::Forget(pod) => {
                self.pods.remove(&pod);
            }
        }
    }
}
