//! Groups of several nodes in one process, and logs under power cuts.
#![allow(clippy::disallowed_methods)]

mod cluster;
mod crash;
mod membership;
mod waiting;
