//! One question to a cluster: when it is sent, how long it may take, and what it may be repeated after.
//!
//! Nothing is repeated by the library: it repeats writes that may have been done. Here a 429 is repeated for
//! every verb, as the server did not begin with it; what failed or got no answer only where asking twice
//! changes nothing.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use hyper::{Request, body::Bytes};
use kube::{Client, client::Body, core::Status};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::{
    fault::Fault,
    gate::Gate,
    pace::{Sign, Sort},
};

/// Pauses between repetitions of what got no answer.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
/// The first pause after a refusal that names none, and the longest. They are drawn, so that those who were
/// refused together do not come back together.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(8));
/// How long a request may be refused for having come at a bad time.
const BUSY: Duration = Duration::from_secs(60);
/// Characters of what is not a Status, such as the page of a proxy.
const WORDS: usize = 200;

/// What a request may be repeated after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Anything: asking twice changes nothing.
    Free,
    /// Nothing but that the server did not begin with it.
    Refused,
}

/// How a question is asked.
#[derive(Clone, Debug)]
pub(super) struct How {
    /// Verb and kind, to compare latencies.
    pub(super) sort: Sort,
    pub(super) repeat: Repeat,
    /// How long it may take. Waiting for a turn does not count, nor do pauses that the server wants.
    pub(super) limit: Duration,
}

/// Not an answer, or not the one that was hoped for.
struct Reply {
    error: kube::Error,
    /// How long the server wants to be left alone.
    pause: Option<Duration>,
}

/// Asks in turn, and again where that is right.
pub(super) async fn ask<T: DeserializeOwned>(
    client: &Client,
    gate: &std::sync::Arc<Gate>,
    how: &How,
    make: impl Fn() -> Result<Request<Vec<u8>>, Fault>,
) -> Result<T, Fault> {
    let bytes = bytes(client, gate, how, make).await?;
    serde_json::from_slice(&bytes).map_err(|e| Fault::from(kube::Error::SerdeError(e)))
}

/// Like [`ask`], for what is no JSON.
pub(super) async fn bytes(
    client: &Client,
    gate: &std::sync::Arc<Gate>,
    how: &How,
    make: impl Fn() -> Result<Request<Vec<u8>>, Fault>,
) -> Result<Bytes, Fault> {
    let (mut left, mut busy) = (how.limit, BUSY);
    let (mut silent, mut back_off) = (0, BACK_OFF.0);
    loop {
        let seat = gate.enter(how.sort.clone()).await;
        let begun = Instant::now();
        let sent = timeout(left, send(client, make()?)).await;
        left = left.saturating_sub(begun.elapsed());
        let reply = match sent {
            Ok(Ok(bytes)) => {
                seat.leave(Sign::Good);
                return Ok(bytes);
            }
            Ok(Err(reply)) => reply,
            Err(_) => {
                seat.leave(Sign::Failed);
                return Err(Fault::Unreachable(format!("no answer within {} s", how.limit.as_secs())));
            }
        };
        let (code, words) = match &reply.error {
            kube::Error::Api(status) => (status.code, status.message.clone()),
            _ => (0, String::new()),
        };
        let fault = Fault::from(reply.error);
        let unanswered = fault.is_unanswered();
        seat.leave(match code {
            429 => Sign::Refused,
            _ if unanswered => Sign::Failed,
            // A webhook, not the server.
            500.. => Sign::Unsaid,
            _ => Sign::Good,
        });
        let pause = if code == 429 {
            let drawn = drawn(back_off);
            back_off = (back_off * 2).min(BACK_OFF.1);
            let pause = reply.pause.map_or(drawn, |wanted| wanted + drawn / 4);
            if pause > busy {
                return Err(Fault::Refused(code, words));
            }
            busy -= pause;
            sleep(pause).await;
            continue;
        } else if unanswered && how.repeat == Repeat::Free && may_pass(code, &words) {
            // A server that answers may well be asked more often than one that does not.
            if code == 0 && silent == PAUSES.len() {
                return Err(fault);
            }
            silent += 1;
            let pause = PAUSES.get(silent - 1).copied().unwrap_or_else(|| drawn(BACK_OFF.1 / 4));
            reply.pause.map_or(pause, |wanted| wanted.max(pause))
        } else {
            return Err(fault);
        };
        if pause >= left {
            return Err(fault);
        }
        left -= pause;
        sleep(pause).await;
    }
}

/// Whether a failure is one of the moment.
fn may_pass(code: u16, words: &str) -> bool {
    code != 500 || words.contains("etcd") || words.contains("timed out") || words.contains("timeout")
}

/// From half of it to all of it.
fn drawn(pause: Duration) -> Duration {
    // Each is seeded anew by the standard library.
    let number = RandomState::new().build_hasher().finish() % 1_000;
    pause / 2 + pause / 2 * u32::try_from(number).unwrap_or(0) / 1_000
}

async fn send(client: &Client, request: Request<Vec<u8>>) -> Result<Bytes, Reply> {
    let none = |error| Reply { error, pause: None };
    let answer = client.send(request.map(Body::from)).await.map_err(none)?;
    let code = answer.status();
    let after = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.trim().parse().ok());
    let body = answer.into_body().collect().await.map_err(none)?.to_bytes();
    if !code.is_client_error() && !code.is_server_error() {
        return Ok(body);
    }
    let status = serde_json::from_slice::<Status>(&body).ok().filter(|s| s.code == code.as_u16());
    let status = status.unwrap_or_else(|| {
        let text: String = String::from_utf8_lossy(&body).split_whitespace().collect::<Vec<_>>().join(" ");
        let words = if text.is_empty() { code.canonical_reason().unwrap_or("no reason given") } else { text.as_str() };
        Status::failure(&words.chars().take(WORDS).collect::<String>(), "Unknown").with_code(code.as_u16())
    });
    let said = status.details.as_ref().map(|d| u64::from(d.retry_after_seconds)).filter(|s| *s > 0);
    let pause = after.or(said).map(Duration::from_secs);
    Err(Reply { error: kube::Error::Api(status.boxed()), pause })
}

#[cfg(test)]
mod tests;
