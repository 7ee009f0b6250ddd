//! The stories; each test has a server of its own.

mod core;
mod filters;
mod guest;
mod jetstream;
mod reading;
mod transforms;
