//! openraft behind a facade: its traits are implemented here, and nothing of it leaves this folder.
//!
//! One set of types serves all groups, so that openraft's code is compiled once: the log, the network and the state
//! machine are behind trait objects, and what a proposer attached travels in a slot of `dyn Any`.

pub(crate) mod codec;
pub(crate) mod entry;
pub(crate) mod flush;
mod group;
mod groups;
mod log;
mod network;
mod pump;
mod record;
mod recover;
mod state_machine;
mod status;
mod table;

pub use group::{ChangeError, Group};
pub use groups::{Groups, GroupsConfig, OpenError, Spawn};
pub use recover::{LogOptions, LogRecovery, RaftLogs};
pub use status::{GroupMetrics, GroupStatus, MemberStatus, RoleName};

#[cfg(test)]
mod suite;
