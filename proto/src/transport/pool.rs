//! Connections to one server, as many as its streams need.
//!
//! A server takes only so many streams on one HTTP/2 connection, and a stream beyond them waits in silence until another
//! ends. A process with thousands of hosts would wait for ever.

use std::sync::{Arc, Mutex, PoisonError};

use tonic::transport::{Channel, Endpoint};

/// Streams on one connection. RFC 9113, section 6.5.2, asks servers to allow at least a hundred.
const STREAMS: usize = 100;

/// A place on a connection, free again when it is dropped.
pub(super) struct Held(#[expect(dead_code, reason = "held, and never looked at")] Arc<()>);

/// The connections to one server. They are made when they are first used, and again when they have broken.
pub(super) struct Pool {
    endpoint: Endpoint,
    connections: Mutex<Vec<Connection>>,
}

struct Connection {
    channel: Channel,
    /// Shared by all that hold a place on it.
    places: Arc<()>,
}

impl Connection {
    fn held(&self) -> usize {
        Arc::strong_count(&self.places) - 1
    }
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connections: Mutex::default() }
    }

    /// A connection with a free place, and the place.
    pub(super) fn channel(&self) -> (Channel, Held) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let index = match connections.iter().position(|connection| connection.held() < STREAMS) {
            Some(index) => index,
            None => {
                let channel = self.endpoint.connect_lazy();
                connections.push(Connection { channel, places: Arc::default() });
                connections.len() - 1
            }
        };
        // Streams gather on the first connections: an idle one at the end is closed, but for a spare.
        let used = connections.iter().rposition(|connection| connection.held() > 0).unwrap_or(0).max(index);
        connections.truncate(used + 2);
        let connection = &connections[index];
        (connection.channel.clone(), Held(Arc::clone(&connection.places)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn streams_share_connections_up_to_what_every_server_takes() {
        let pool = Pool::new(Endpoint::from_static("http://localhost:1"));
        let connections = |pool: &Pool| pool.connections.lock().unwrap().len();
        let mut held: Vec<Held> = (0..STREAMS).map(|_| pool.channel().1).collect();
        assert_eq!(connections(&pool), 1);
        let beyond = pool.channel().1;
        assert_eq!(connections(&pool), 2);
        held.pop();
        held.push(pool.channel().1);
        assert_eq!(connections(&pool), 2, "a place that became free is taken first");
        held.extend((0..2 * STREAMS).map(|_| pool.channel().1));
        assert_eq!(connections(&pool), 4);
        drop(held);
        drop(beyond);
        let _one = pool.channel();
        assert_eq!(connections(&pool), 2, "connections that nobody uses are closed");
    }
}
