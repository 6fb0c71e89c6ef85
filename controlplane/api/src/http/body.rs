//! Reading a request's body into memory: only so much, and only so long.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use meridian_environment::Clock;

use super::refuse;
use crate::Failure;

/// How much of a body that is refused is read and thrown away, so that a client that writes before it reads gets to see
/// why.
const DRAINED: u64 = 256 << 20;

/// The body, if it is no larger than `limit` and arrives within `patience`.
pub(super) async fn read(
    version: Version,
    headers: &HeaderMap,
    body: Incoming,
    limit: usize,
    patience: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<Bytes, Failure> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        // A client that asks first has sent nothing yet, and on HTTP/2 a stream is reset without harm to its connection.
        if version < Version::HTTP_2 && !headers.contains_key(EXPECT) {
            drain(body, patience, Arc::clone(clock));
        }
        return Err(refuse::too_large(limit));
    }
    let mut body = body;
    let outcome = tokio::select! {
        biased;
        outcome = collect(&mut body, limit) => outcome,
        () = clock.wait_until(clock.now() + patience) => Err(refuse::too_slow(patience.as_secs())),
    };
    if outcome.as_ref().is_err_and(|failure| failure.code == 413) && version < Version::HTTP_2 {
        drain(body, patience, Arc::clone(clock));
    }
    outcome
}

async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, Failure> {
    let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(refuse::too_large(limit));
    }
    // Most bodies come in one piece, which is then not copied.
    let Some(second) = next(body).await? else { return Ok(first) };
    let mut whole = BytesMut::with_capacity(first.len() + second.len());
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > limit {
            return Err(refuse::too_large(limit));
        }
        whole.extend_from_slice(&bytes);
        piece = next(body).await?;
    }
    Ok(whole.freeze())
}

/// The next piece of data; trailers are of no interest.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) => return Err(refuse::broken_off(&error)),
        }
    }
    Ok(None)
}

fn drain(mut body: Incoming, patience: Duration, clock: Arc<dyn Clock>) {
    tokio::spawn(async move {
        let all = async {
            let mut read = 0_u64;
            while let Ok(Some(piece)) = next(&mut body).await {
                read += piece.len() as u64;
                if read > DRAINED {
                    break;
                }
            }
        };
        tokio::select! {
            () = all => {}
            () = clock.wait_until(clock.now() + patience) => {}
        }
    });
}
