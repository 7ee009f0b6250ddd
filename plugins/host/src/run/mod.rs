//! The only thread of this crate.

mod ticker;

pub(crate) use ticker::{Ticker, TickerLease};
