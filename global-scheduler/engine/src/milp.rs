//! A model as a mixed-integer programme, for models small enough to be solved exactly or nearly so.
//!
//! Capacities are rows that a site's opening is part of (`sum of usages <= capacity * open`): with one row a site and resource,
//! back ends end nearer to the bound in the same time than with a row for each pair. Pairs without usage have rows of their own.

use good_lp::solvers::{SolverModel, WithMipGap, WithTimeLimit};
use good_lp::{Expression, ProblemVariables, Solution, Variable, constraint, microlp, variable};

use crate::model::Model;
use crate::rule::Rules;
use crate::state::{NOWHERE, State};

/// The library that solves mixed-integer programmes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// microlp, which is built in.
    #[default]
    Microlp,
    /// HiGHS.
    #[cfg(feature = "highs")]
    Highs,
}

/// Why there is no such back end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No back end has this name.
    #[error("back end {0:?} is unknown, want microlp or highs")]
    Unknown(String),
    /// There is such a back end, and this program does not hold it.
    #[error("this program was built without HiGHS, want microlp, or a build with the cargo feature highs")]
    NotBuilt,
}

impl std::str::FromStr for Backend {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Backend, BackendError> {
        match name {
            "microlp" => Ok(Backend::Microlp),
            #[cfg(feature = "highs")]
            "highs" => Ok(Backend::Highs),
            #[cfg(not(feature = "highs"))]
            "highs" => Err(BackendError::NotBuilt),
            _ => Err(BackendError::Unknown(name.chars().take(40).collect())),
        }
    }
}

impl Backend {
    /// All that this program holds.
    pub const BUILT: &[Backend] = &[
        Backend::Microlp,
        #[cfg(feature = "highs")]
        Backend::Highs,
    ];

    /// Its name, from which it can be parsed.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Microlp => "microlp",
            #[cfg(feature = "highs")]
            Backend::Highs => "highs",
        }
    }

    /// The most pairs of item and candidate with which a programme is worth trying.
    pub(crate) fn most_pairs(self) -> usize {
        match self {
            Backend::Microlp => 60,
            #[cfg(feature = "highs")]
            Backend::Highs => 2_000,
        }
    }
}

/// The number of pairs of item and candidate.
pub(crate) fn pairs(model: &Model) -> usize {
    (0..model.items()).map(|item| model.candidates(item).len()).sum()
}

/// The best sites for whole items that the back end finds within seconds, starting from a plan.
pub(crate) fn solve(
    model: &Model,
    start: &State<'_>,
    backend: Backend,
    seconds: Option<f64>,
) -> Option<Vec<u32>> {
    let programme = Programme::new(model, start);
    match backend {
        Backend::Microlp => programme.solve(model, microlp, seconds),
        #[cfg(feature = "highs")]
        Backend::Highs => programme.solve(
            model,
            |problem| {
                let mut solver = good_lp::highs(problem);
                solver.set_verbose(false);
                solver.set_option("threads", 1)
            },
            seconds,
        ),
    }
}

struct Programme {
    variables: ProblemVariables,
    cost: Expression,
    /// For each item and candidate, in order, whether it serves.
    serves: Vec<Vec<Variable>>,
    left: Vec<Variable>,
    opens: Vec<Option<Variable>>,
}

impl Programme {
    fn new(model: &Model, start: &State<'_>) -> Programme {
        let mut variables = ProblemVariables::new();
        let mut cost = Expression::from(0.0);
        let mut opens = vec![None; model.sites()];
        for (site, opens) in opens.iter_mut().enumerate() {
            if model.opening(site) > 0.0 {
                let is_open = f64::from(u8::from(start.is_open(site)));
                let open = variables.add(variable().binary().initial(is_open));
                cost += open * model.opening(site);
                *opens = Some(open);
            }
        }
        let (mut serves, mut left) = (Vec::new(), Vec::new());
        for item in 0..model.items() {
            let is_left = f64::from(u8::from(start.site(item) == NOWHERE));
            let nowhere = variables.add(variable().binary().initial(is_left));
            cost += nowhere * model.unserved(item);
            left.push(nowhere);
            let mut of_item = Vec::new();
            for site in model.candidates(item) {
                let is_there = f64::from(u8::from(start.site(item) == *site));
                let there = variables.add(variable().binary().initial(is_there));
                cost += there * model.cost(item, *site as usize);
                of_item.push(there);
            }
            serves.push(of_item);
        }
        Programme { variables, cost, serves, left, opens }
    }

    fn solve<S: SolverModel + WithTimeLimit + WithMipGap>(
        self,
        model: &Model,
        solver: impl FnOnce(good_lp::variable::UnsolvedProblem) -> S,
        seconds: Option<f64>,
    ) -> Option<Vec<u32>> {
        let Programme { variables, cost, serves, left, opens } = self;
        let mut problem = solver(variables.minimise(cost));
        if let Some(seconds) = seconds {
            problem = problem.with_time_limit(seconds);
        }
        let resources = model.resources();
        let mut load = vec![Expression::from(0.0); model.sites() * resources];
        for (item, of_item) in serves.iter().enumerate() {
            let mut served = Expression::from(left[item]);
            for (there, site) in of_item.iter().zip(model.candidates(item)) {
                let site = *site as usize;
                served += *there;
                let usage = model.usage(item, site);
                for (resource, usage) in usage.iter().enumerate().filter(|(_, usage)| **usage > 0.0) {
                    load[site * resources + resource] += *there * *usage;
                }
                if let Some(open) = opens[site].filter(|_| usage.iter().all(|usage| *usage <= 0.0)) {
                    problem = problem.with(constraint!(*there <= open));
                }
            }
            problem = problem.with(constraint!(served == 1.0));
        }
        for (place, load) in load.into_iter().enumerate() {
            let (site, resource) = (place / resources, place % resources);
            let capacity = model.capacity(site)[resource];
            problem = match opens[site] {
                Some(open) => problem.with(constraint!(load <= open * capacity)),
                None => problem.with(constraint!(load <= capacity)),
            };
        }
        for row in model.rules().map_or_else(Vec::new, Rules::constraints) {
            let mut sum = Expression::from(0.0);
            for term in row.terms {
                let candidates = model.candidates(term.item as usize);
                if let Some(place) = candidates.iter().position(|candidate| *candidate == term.site) {
                    sum += serves[term.item as usize][place] * term.weight;
                }
            }
            problem = problem.with(constraint!(sum <= row.most));
        }
        // A back end that finds nothing in time leaves the plan as it is.
        let solution = problem.solve().ok()?;
        let site = |(item, of_item): (usize, &Vec<Variable>)| {
            let found = of_item.iter().position(|there| solution.value(*there) > 0.5);
            found.map_or(NOWHERE, |place| model.candidates(item)[place])
        };
        Some(serves.iter().enumerate().map(site).collect())
    }
}
