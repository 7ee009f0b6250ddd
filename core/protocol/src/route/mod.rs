//! What servers of one cluster say to each other: our own versioned frames, one kind a file.
//!
//! A frame is a fixed header ([`frame`]) and a body. A connection serves one [`Lane`], said in its [`hello`]; the lane
//! bounds its frames, and a length is checked against the bound before anything is kept for it.
//!
//! ```text
//!  0        4      5       6          8
//!  | length | kind | flags | reserved | body: `length` bytes |      integers are little-endian
//! ```

pub mod call;
pub mod error;
pub mod frame;
pub mod gossip;
pub mod hello;
pub mod interest;
pub mod message;
pub mod ping;
pub mod proof;
pub mod refuse;

pub use error::RouteError;
pub use frame::{Frame, Header, Kind};
pub use hello::Hello;

/// What a connection between two servers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Clients' messages and the interest in them.
    Route,
    /// Small calls that must not wait: votes, heartbeats.
    Control,
    /// Calls that carry the log's entries.
    Append,
    /// Calls that carry much.
    Bulk,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Route, Self::Control, Self::Append, Self::Bulk];

    /// Its number, as it stands in a proof.
    pub fn number(self) -> u8 {
        match self {
            Self::Route => 0,
            Self::Control => 1,
            Self::Append => 2,
            Self::Bulk => 3,
        }
    }

    /// Its name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Control => "control",
            Self::Append => "append",
            Self::Bulk => "bulk",
        }
    }
}
