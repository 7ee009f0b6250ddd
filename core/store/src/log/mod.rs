//! The log: its byte layout, the commit lane that writes it, and what reads it back.

pub(crate) mod buffer;
pub mod collect;
pub mod footer;
pub mod format;
pub mod group;
pub mod lane;
pub mod live;
pub mod record;
pub mod recover;
pub(crate) mod scan;
pub mod segment;
pub(crate) mod stock;
pub mod submit;
pub mod tail;
pub(crate) mod waiting;
