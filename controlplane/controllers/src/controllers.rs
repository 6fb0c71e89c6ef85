//! Starting and ending the controllers.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use meridian_api::{Failure, RecorderOptions, Registry};
use meridian_environment::{Clock, Ids};
use tokio::task::{JoinHandle, JoinSet};

use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::recorder::Recorder;
use crate::world::World;
use crate::{deployment, disruption, garbage, namespace, replica_set};

/// What the controllers are lent.
#[derive(Debug)]
pub struct ControllersOptions {
    /// The objects they look after, of every tenant.
    pub registry: Registry,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Names for events.
    pub ids: Arc<Ids>,
    /// Where their counters go.
    pub metrics: prometheus::Registry,
}

/// The running controllers.
#[derive(Debug)]
pub struct Controllers {
    world: Arc<World>,
    follower: JoinHandle<()>,
    workers: JoinSet<()>,
}

/// The kinds of controllers, with their names in metrics and in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Deployment,
    ReplicaSet,
    Disruption,
    Namespace,
    Garbage,
}

/// Each with the number of keys it works on at once.
const CONTROLLERS: [(Controller, usize); 5] = [
    (Controller::Deployment, 4),
    (Controller::ReplicaSet, 8),
    (Controller::Disruption, 2),
    (Controller::Namespace, 2),
    (Controller::Garbage, 16),
];

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::ReplicaSet => "replica-set",
            Self::Disruption => "disruption",
            Self::Namespace => "namespace",
            Self::Garbage => "garbage",
        }
    }

    fn queue(self, world: &World) -> &Queue<ObjectKey> {
        match self {
            Self::Deployment => &world.deployments,
            Self::ReplicaSet => &world.replica_sets,
            Self::Disruption => &world.budgets,
            Self::Namespace => &world.namespaces,
            Self::Garbage => &world.garbage,
        }
    }

    async fn reconcile(self, world: &World, key: &ObjectKey) -> Result<(), Failure> {
        match self {
            Self::Deployment => deployment::reconcile(world, key).await,
            Self::ReplicaSet => replica_set::reconcile(world, key).await,
            Self::Disruption => disruption::reconcile(world, key).await,
            Self::Namespace => namespace::reconcile(world, key).await,
            Self::Garbage => garbage::reconcile(world, key).await,
        }
    }

    async fn work(self, world: Arc<World>) {
        let queue = self.queue(&world);
        while let Some(key) = queue.next().await {
            // A panic is a defect; it costs the key a delay and not everybody the controller.
            let outcome = AssertUnwindSafe(Box::pin(self.reconcile(&world, &key))).catch_unwind().await;
            let label = match &outcome {
                Ok(Ok(())) => "done",
                Ok(Err(failure)) if failure.is_conflict() => {
                    tracing::debug!(controller = self.name(), %key, %failure, "again");
                    "conflict"
                }
                Ok(Err(failure)) => {
                    tracing::warn!(controller = self.name(), %key, %failure, "a pass failed");
                    "failed"
                }
                Err(_) => {
                    tracing::error!(controller = self.name(), %key, "a pass panicked");
                    "panicked"
                }
            };
            world.metrics.passes.with_label_values(&[self.name(), label]).inc();
            queue.done(key, matches!(outcome, Ok(Ok(()))));
            world
                .metrics
                .waiting
                .with_label_values(&[self.name()])
                .set(i64::try_from(queue.len()).unwrap_or(i64::MAX));
        }
    }
}

impl Controllers {
    /// Starts all of them.
    ///
    /// # Errors
    ///
    /// When the metrics registry has counters of these names already.
    pub fn start(options: ControllersOptions) -> Result<Self, prometheus::Error> {
        let ControllersOptions { registry, clock, ids, metrics } = options;
        let metrics = Metrics::new(&metrics)?;
        let recorder = Recorder::new(RecorderOptions {
            registry: registry.clone(),
            clock: clock.clone(),
            ids,
            instance: None,
            counts: metrics.events.clone(),
        });
        let world = Arc::new(World::new(registry, clock, recorder, metrics));
        let follower = tokio::spawn({
            let world = world.clone();
            async move { world.follow().await }
        });
        let mut workers = JoinSet::new();
        for (controller, count) in CONTROLLERS {
            for _ in 0..count {
                workers.spawn(controller.work(world.clone()));
            }
        }
        Ok(Self { world, follower, workers })
    }

    /// Ends all of them, each after the key it is at.
    pub async fn shutdown(mut self) {
        self.world.close();
        while self.workers.join_next().await.is_some() {}
        self.world.recorder.finish().await;
        self.follower.abort();
        // Aborted on purpose.
        let _ = self.follower.await;
    }
}
