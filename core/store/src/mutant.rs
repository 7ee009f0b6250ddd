//! Deliberate defects that the crash test has to find: a test that cannot fail proves nothing. Each has a row in
//! `docs/reliability.md`.
//!
//! Without the feature `mutants` every question is answered "no" at compile time.

/// The lane reports a group as durable before it writes it.
pub const ACK_BEFORE_SYNC: &str = "ack before sync";
/// The lane's writes are not made durable.
pub const NO_SYNC: &str = "no sync";
/// New names are not made durable.
pub const NO_FOLDER_SYNC: &str = "no folder sync";
/// A collected segment is reused before the checkpoints know that it was emptied.
pub const FREE_BEFORE_CHECKPOINT: &str = "free a segment before its checkpoint";

/// All of them.
pub const ALL: [&str; 4] = [ACK_BEFORE_SYNC, NO_SYNC, NO_FOLDER_SYNC, FREE_BEFORE_CHECKPOINT];

#[cfg(feature = "mutants")]
mod chosen {
    use std::cell::Cell;

    thread_local! {
        /// Per thread, so that tests with and without a defect run side by side; the crash test drives the store inline.
        static CHOSEN: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Chooses the defect of this thread.
    pub fn choose(name: Option<&'static str>) {
        CHOSEN.with(|c| c.set(name));
    }

    pub(crate) fn is(name: &str) -> bool {
        CHOSEN.with(|c| c.get() == Some(name))
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

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn each_mutant_stands_in_the_table() {
        let table = include_str!("../../../docs/reliability.md");
        for name in ALL {
            assert!(table.contains(&format!("| {name} |")), "docs/reliability.md has no row for {name:?}");
        }
    }
}
