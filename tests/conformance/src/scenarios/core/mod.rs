//! Core NATS: the wire, subjects, delivery, limits, sign-in.

mod auth;
mod deliver;
mod framing;
mod handshake;
mod headers;
mod limits;
mod publish;
mod request_reply;
mod subscribe;
mod verbose;

use crate::scenario::Scenario;

/// Every core scenario.
pub fn all() -> Vec<Scenario> {
    let topics = [
        handshake::scenarios(),
        verbose::scenarios(),
        framing::scenarios(),
        publish::scenarios(),
        subscribe::scenarios(),
        deliver::scenarios(),
        headers::scenarios(),
        request_reply::scenarios(),
        limits::scenarios(),
        auth::scenarios(),
    ];
    topics.into_iter().flatten().collect()
}
