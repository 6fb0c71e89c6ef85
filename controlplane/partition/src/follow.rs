//! The task that follows the store's history for the actor.

use meridian_api::{FollowError, Registry};
use meridian_schema::Home;
use tokio::sync::{mpsc, oneshot};

use crate::actor::Input;

/// Follows until the registry or the partition is gone, anew where too much happened meanwhile.
pub(crate) async fn follow(registry: Registry, inputs: mpsc::Sender<Input>) {
    loop {
        // The actor marks what it has before the account of what there is begins, so that nothing it learns in between is
        // taken for gone.
        let (answer, answered) = oneshot::channel();
        if inputs.send(Input::Restart(answer)).await.is_err() || answered.await.is_err() {
            return;
        }
        let mut follow = registry.follow(Home::Tenants);
        let ended = loop {
            let next = tokio::select! {
                next = follow.next() => next,
                () = inputs.closed() => return,
            };
            match next {
                Ok(changes) => {
                    if inputs.send(Input::Changes(changes)).await.is_err() {
                        return;
                    }
                }
                Err(error) => break error,
            }
        };
        match ended {
            FollowError::FellBehind => tracing::warn!("fell behind the store's history: following anew"),
            FollowError::Closed => {
                tracing::info!("the registry is shut down: nothing is followed any more");
                return;
            }
        }
    }
}
