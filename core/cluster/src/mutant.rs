//! Deliberate defects that the crash tests have to find: a test that cannot fail proves nothing.
//!
//! Without the feature `mutants` every question is answered "no" at compile time. The choice is made on the thread
//! that builds the logs or the groups, and stays with what it built.

/// A vote is answered before it is on the disk.
pub const VOTE_NOT_SYNCED: &str = "vote not synced";
/// An append is reported to raft before the lane has written it.
pub const APPEND_BEFORE_DURABLE: &str = "append reported before durable";
/// A follower confirms entries that it has only heard of, which makes an ack of less than a majority.
pub const ACK_BEFORE_MAJORITY: &str = "ack before the majority";

/// All of them.
pub const ALL: [&str; 3] = [VOTE_NOT_SYNCED, APPEND_BEFORE_DURABLE, ACK_BEFORE_MAJORITY];

#[cfg(feature = "mutants")]
mod chosen {
    use std::cell::Cell;

    thread_local! {
        /// Per thread, so that tests with and without a defect run side by side.
        static CHOSEN: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Chooses the defect of what this thread builds from now on.
    pub fn choose(name: Option<&'static str>) {
        CHOSEN.with(|chosen| chosen.set(name));
    }

    pub(crate) fn is(name: &str) -> bool {
        CHOSEN.with(|chosen| chosen.get() == Some(name))
    }
}

#[cfg(feature = "mutants")]
pub use chosen::choose;

/// Whether the defect is switched on.
#[must_use]
pub fn active(name: &str) -> bool {
    #[cfg(feature = "mutants")]
    return chosen::is(name);
    #[cfg(not(feature = "mutants"))]
    {
        let _ = name;
        false
    }
}
