//! The store's integration tests: the conformance suite on each storage, and the crash test with its mutants.

mod crash;
mod damage;
mod files;
mod lane;
mod meta;
