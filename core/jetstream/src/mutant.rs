//! Deliberate defects that the model tests have to find: a test that cannot fail proves nothing.
//!
//! Without the feature `mutants` every question is answered "no" at compile time.

/// Message ids are forgotten at once.
pub const DEDUPE_WINDOW_NOT_KEPT: &str = "dedupe window not kept";
/// Acks are believed by the leader and never logged.
pub const ACKS_NOT_LOGGED: &str = "acks not logged";
/// A NAK settles its message.
pub const NAK_SETTLES: &str = "a NAK settles";

/// What plugins made of one message is handed to the lane in parts.
pub const EMITS_SPLIT: &str = "emits split";

/// All of them.
pub const ALL: [&str; 4] = [DEDUPE_WINDOW_NOT_KEPT, ACKS_NOT_LOGGED, NAK_SETTLES, EMITS_SPLIT];

#[cfg(feature = "mutants")]
mod chosen {
    use std::cell::Cell;

    thread_local! {
        /// Per thread, so that tests with and without a defect run side by side.
        static CHOSEN: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Chooses the defect of this thread.
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
#[inline]
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
