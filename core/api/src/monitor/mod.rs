//! The shapes of nats-server's monitoring endpoints, one file each.

pub mod healthz;
pub mod routez;
pub mod varz;
