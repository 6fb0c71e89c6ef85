//! `api/create`: pods created through the API, durable.

use crate::Clock;
use crate::figure::{Direction, Figure, Goal};
use crate::load::{self, Target, failed, p99_milliseconds};
use crate::parameters::{BenchError, Parameters, count};
use crate::region::floor::Floor;
use crate::region::setting::{Setting, block_on};

/// Connections that are kept alive.
const CONNECTIONS: usize = 64;
/// Pods created before the watch is started.
const WARM_UP: usize = 1000;
const PATH: &str = "/api/v1/namespaces/default/pods";

pub(crate) fn create(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let pods = count("pods", parameters.pods, 20_000)? as usize;
    let tls = parameters.tls;
    let (value, floor, p99) = block_on(async move {
        let floor = floor_rate(pods, clock).await?;
        let setting = Setting::control_plane(tls).await?;
        let target = Target { address: setting.address(), tls: setting.client_tls(), path: PATH };
        load::post(target.clone(), CONNECTIONS, load::pods("warm", WARM_UP), clock).await?;
        let bodies = load::pods("pod", pods);
        let before = clock();
        let sent = load::post(target, CONNECTIONS, bodies, clock).await?;
        let rate = per_second(pods, clock() - before);
        setting.end().await;
        Ok((rate, floor, p99_milliseconds(sent.iter().map(|sent| sent.answered - sent.at).collect())))
    })?;
    let bound = if tls { 8_000.0 } else { 10_000.0 };
    let goal = Goal { direction: Direction::AtLeast, bound };
    Ok(Figure::new("api/create", value, "pods/s", goal)
        .with("pods", pods)
        .with("connections", CONNECTIONS)
        .with("tls", tls)
        .with("floor_per_second", floor.round())
        .with("of_floor", (value / floor * 100.0).round() / 100.0)
        .with("p99_milliseconds", (p99 * 100.0).round() / 100.0))
}

/// What the same clients reach without any API work, plain HTTP.
async fn floor_rate(pods: usize, clock: Clock) -> Result<f64, BenchError> {
    let dir = tempfile::tempdir().map_err(failed)?;
    let floor = Floor::start(dir.path()).await?;
    let target = Target { address: floor.address, tls: None, path: "/" };
    load::post(target.clone(), CONNECTIONS, load::pods("warm", WARM_UP), clock).await?;
    let bodies = load::pods("pod", pods);
    let before = clock();
    load::post(target, CONNECTIONS, bodies, clock).await?;
    let rate = per_second(pods, clock() - before);
    floor.end().await;
    Ok(rate)
}

pub(super) fn per_second(count: usize, nanoseconds: u64) -> f64 {
    count as f64 * 1e9 / nanoseconds.max(1) as f64
}
