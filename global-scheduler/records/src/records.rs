//! The world and the plan in the store.

use meridian_global_world::{Event, Plan, Problem, Survey, World, check, repair};
use meridian_store::{
    Compare, KeyRange, KeyValue, Op, OpResult, RangeRequest, Relation, Revision, Store, Target, Tenant, Txn,
    WatchRequest,
};

use crate::blob::{self, Blob};
use crate::error::{Error, Kind};
use crate::watch::PlanWatch;

/// The versions that somebody's work is based on; 0: there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Based {
    /// Of the world.
    pub world: u64,
    /// Of the plan.
    pub plan: u64,
}

/// A plan that was committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// The plan.
    pub plan: Plan,
    /// Its version.
    pub version: u64,
    /// The version of the world that it was checked against.
    pub world: u64,
    /// When it was committed. A watch that was told of it goes on after this.
    pub revision: Revision,
}

/// World and plan as of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The world, if there is one.
    pub world: Option<World>,
    /// Its version, and the plan's.
    pub versions: Based,
    /// The plan that was committed last.
    pub plan: Option<Committed>,
    /// As of when. A watch after this is told of every later plan.
    pub revision: Revision,
}

/// The global scheduler's world and plan in a store. Handles share the store.
#[derive(Clone, Debug)]
pub struct Records {
    store: Store,
    tenant: Tenant,
}

impl Records {
    /// The records in a store. They are kept under the tenant `system`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, tenant: Tenant::system() }
    }

    /// The world and the plan, as of one moment.
    ///
    /// # Errors
    ///
    /// [`Error::Unreadable`], [`Error::Store`].
    pub async fn state(&self) -> Result<State, Error> {
        let request = RangeRequest::new(KeyRange::prefix(&self.tenant, "global/"));
        let found = self.store.range(&request).await?;
        let tenant = self.tenant.clone();
        blocking(move || {
            let of = |kind| {
                let range = blob::keys(&tenant, kind);
                let kvs: Vec<&KeyValue> = found.kvs.iter().filter(|kv| range.contains(&kv.key)).collect();
                kvs
            };
            let world = blob::read::<World>(Kind::World, &tenant, &of(Kind::World))?;
            let kvs = of(Kind::Plan);
            let head = blob::head_key(&tenant, Kind::Plan);
            let written = kvs.iter().find(|kv| kv.key == head).map(|kv| kv.modified);
            let plan = blob::read::<Plan>(Kind::Plan, &tenant, &kvs)?.zip(written);
            let versions = Based {
                world: world.as_ref().map_or(0, |found| found.version),
                plan: plan.as_ref().map_or(0, |(found, _)| found.version),
            };
            let plan = plan.map(|(found, revision)| Committed {
                plan: found.value,
                version: found.version,
                world: found.world,
                revision,
            });
            Ok(State { world: world.map(|found| found.value), versions, plan, revision: found.revision })
        })
        .await
    }

    /// Stores a world in place of version `expected`, and returns its version. The plan stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Problem`] where it means nothing, [`Error::Conflict`], [`Error::TooLarge`], [`Error::Store`].
    pub async fn put_world(&self, world: World, expected: u64) -> Result<u64, Error> {
        let blob = blocking(move || store_world(&world).map(|(blob, _)| blob)).await?;
        let txn = Txn::new(&self.tenant).when(self.is_at(Kind::World, expected));
        let txn = blob.put(&self.tenant, 0, txn)?;
        self.write(txn, &[(Kind::World, expected)]).await?;
        Ok(expected + 1)
    }

    /// Commits a plan, if world and plan still have the versions that it is based on.
    ///
    /// # Errors
    ///
    /// [`Error::Infeasible`] where it breaks a rule of the world, [`Error::Problem`] where it is none, [`Error::NoWorld`],
    /// [`Error::Conflict`], [`Error::TooLarge`], [`Error::Store`].
    pub async fn commit(&self, plan: Plan, based: Based) -> Result<Committed, Error> {
        let state = self.state().await?;
        // Before it is checked, so that a plan for an older world is not told what is wrong with it in this one.
        unchanged(Kind::World, based.world, state.versions.world)?;
        unchanged(Kind::Plan, based.plan, state.versions.plan)?;
        let world = state.world.ok_or(Error::NoWorld)?;
        let running = state.plan.map(|committed| committed.plan);
        let (blob, plan) = blocking(move || {
            let survey = Survey::new(&world)?;
            store_plan(&survey, &plan, running.as_ref())
        })
        .await?;
        let txn = Txn::new(&self.tenant)
            .when(self.is_at(Kind::World, based.world))
            .when(self.is_at(Kind::Plan, based.plan));
        let txn = blob.put(&self.tenant, based.world, txn)?;
        let revision = self.write(txn, &[(Kind::World, based.world), (Kind::Plan, based.plan)]).await?;
        Ok(Committed { plan, version: based.plan + 1, world: based.world, revision })
    }

    /// Changes the world by an event, and the running plan by what has to move for it: both, or neither. Returns the repaired
    /// plan; none where no plan was committed yet.
    ///
    /// # Errors
    ///
    /// As for [`Records::put_world`] and [`Records::commit`].
    pub async fn apply(&self, event: Event, expected: u64) -> Result<Option<Committed>, Error> {
        let state = self.state().await?;
        unchanged(Kind::World, expected, state.versions.world)?;
        let mut world = state.world.ok_or(Error::NoWorld)?;
        let running = state.plan.map(|committed| committed.plan);
        let (changed, repaired) = blocking(move || {
            event.apply(&mut world)?;
            let (blob, world) = store_world(&world)?;
            let Some(running) = running else {
                return Ok((blob, None));
            };
            let survey = Survey::new(&world)?;
            let plan = repair(&survey, &running)?;
            Ok((blob, Some(store_plan(&survey, &plan, Some(&running))?)))
        })
        .await?;
        let based = state.versions;
        let txn = Txn::new(&self.tenant)
            .when(self.is_at(Kind::World, based.world))
            .when(self.is_at(Kind::Plan, based.plan));
        let mut txn = changed.put(&self.tenant, 0, txn)?;
        let world = based.world + 1;
        if let Some((blob, _)) = &repaired {
            txn = blob.put(&self.tenant, world, txn)?;
        }
        let revision = self.write(txn, &[(Kind::World, based.world), (Kind::Plan, based.plan)]).await?;
        Ok(repaired.map(|(_, plan)| Committed { plan, version: based.plan + 1, world, revision }))
    }

    /// Watches plans that are committed after a revision: that of a [`State`] or of the plan that was heard of last.
    ///
    /// # Errors
    ///
    /// [`Error::Compacted`] where plans after it may be missing, [`Error::Store`] where the revision is not reached yet.
    pub async fn watch(&self, after: Revision) -> Result<PlanWatch, Error> {
        let current = self.store.revision().await?;
        if after > current {
            return Err(meridian_store::Error::FutureRevision { asked: after, current }.into());
        }
        let request = WatchRequest::new(blob::keys(&self.tenant, Kind::Plan)).from(after.next());
        Ok(PlanWatch::new(self.tenant.clone(), self.store.watch(request).await?))
    }

    fn is_at(&self, kind: Kind, version: u64) -> Compare {
        Compare::new(&blob::head_key(&self.tenant, kind), Relation::Equal, Target::Version(version))
    }

    /// Does a transaction, or says which of the versions it was based on is another now.
    async fn write(&self, mut txn: Txn, based: &[(Kind, u64)]) -> Result<Revision, Error> {
        for (kind, _) in based {
            txn = txn.otherwise(Op::get(&blob::head_key(&self.tenant, *kind)));
        }
        let result = self.store.txn(txn).await?;
        if result.succeeded {
            return Ok(result.revision);
        }
        for (&(kind, expected), found) in based.iter().zip(&result.results) {
            if let OpResult::Range(found) = found {
                unchanged(kind, expected, found.kvs.first().map_or(0, |kv| kv.version))?;
            }
        }
        // The compares and the reads are of the same moment, so that one of them differs.
        let what = "a transaction was refused and its versions are unchanged".to_owned();
        Err(meridian_store::Error::Invalid { what }.into())
    }
}

fn unchanged(kind: Kind, expected: u64, present: u64) -> Result<(), Error> {
    if expected == present { Ok(()) } else { Err(Error::Conflict { kind, expected, present }) }
}

/// A world for the store, if it means something.
fn store_world(world: &World) -> Result<(Blob, World), Error> {
    world.validate()?;
    let (blob, kept) = Blob::new(Kind::World, world)?;
    Survey::new(&kept)?;
    Ok((blob, kept))
}

/// A plan for the store, if it breaks no rule.
fn store_plan(survey: &Survey<'_>, plan: &Plan, running: Option<&Plan>) -> Result<(Blob, Plan), Error> {
    for (name, placement) in &plan.workloads {
        for (number, flow) in placement.flows.iter().enumerate() {
            if !flow.amount.is_finite() {
                let name: String = name.chars().take(80).collect();
                return Err(Error::Problem(Problem {
                    path: format!("workloads[{name:?}].flows[{number}].amount"),
                    problem: format!("is {}, want a finite number", flow.amount),
                }));
            }
        }
    }
    let (blob, kept) = Blob::new(Kind::Plan, plan)?;
    let checked = check(survey, &kept, running);
    if !checked.is_feasible() {
        return Err(Error::Infeasible(checked.violations));
    }
    Ok((blob, kept))
}

/// Does what takes a processor long elsewhere than where futures are polled.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Stopping),
    }
}
