//! Everything that compares subjects.
//!
//! # What
//! Subjects and filters as bytes: their rules ([`subject`]), their tokens ([`token`]), whether a filter matches a
//! subject or overlaps another filter ([`filter`]), and who is interested in a subject ([`sublist::Sublist`]).
//!
//! # Boundary
//! Pure: no clock, no I/O, no locks. Bytes in, answers out; a subject need not be UTF-8.
//!
//! # Invariants
//! - [`sublist::Sublist::matches`] names exactly the subscriptions whose filter matches, each once.
//! - Removing what was inserted leaves no node behind.
//!
//! # Not here (and where instead)
//! Wire grammar (`forebay-protocol`), accounts and delivery (`forebay-broker`), which subjects exist in a stream
//! (`forebay-store`).

pub mod filter;
pub mod hash;
pub mod limits;
pub mod subject;
pub mod sublist;
pub mod token;

pub use filter::{filter_matches, filters_overlap, is_subset_of};
pub use subject::{is_literal, is_valid_filter, is_valid_literal};
pub use sublist::Sublist;
