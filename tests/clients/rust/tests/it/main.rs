//! The stories; each test has a server of its own.

mod core;
mod jetstream;
mod reading;
