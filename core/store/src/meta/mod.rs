//! Databases under the meta store.

pub mod sled;
