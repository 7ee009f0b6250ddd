//! The store's threads: the lane's, the one that prepares segments, the readers', and sled's owner.

pub mod lane_thread;
pub mod meta_thread;
pub mod prepare_thread;
pub mod reader;
