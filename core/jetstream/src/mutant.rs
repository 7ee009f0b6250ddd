//! Deliberate defects that the tests have to find: a test that cannot fail proves nothing. Each has a row in
//! `docs/reliability.md`.
//!
//! Without the feature `mutants` every question is answered "no" at compile time.

/// Message ids are forgotten at once.
pub const DEDUPE_WINDOW_NOT_KEPT: &str = "dedupe window not kept";
/// A checkpoint has no message ids.
pub const IDS_NOT_IN_CHECKPOINT: &str = "message ids not in the checkpoint";
/// A checkpoint does not say which messages live for ever.
pub const TTLS_NOT_IN_CHECKPOINT: &str = "TTLs not in the checkpoint";
/// A body that the collector moved is looked for at its old place.
pub const MOVED_BODY_NOT_NOTED: &str = "a moved body is not noted";
/// Replicas compare digests that do not tell where one part of a message ends.
pub const DIGEST_WITHOUT_BORDERS: &str = "a digest without the borders of parts";
/// Acks are believed by the leader and never logged.
pub const ACKS_NOT_LOGGED: &str = "acks not logged";
/// A NAK settles its message.
pub const NAK_SETTLES: &str = "a NAK settles";
/// A redelivery is sent before its count is durable.
pub const SENT_BEFORE_ITS_COUNT: &str = "sent before its count is durable";
/// With `max_deliver` 1, a delivery is sent before it is durable.
pub const FIRST_SENT_UNLOGGED: &str = "the only delivery is sent before it is durable";
/// A durable without acks never says where it is.
pub const POSITION_NOT_LOGGED: &str = "the position of a durable without acks not logged";
/// What was delivered `max_deliver` times is forgotten with the leader.
pub const GIVEN_UP_NOT_LOGGED: &str = "given up and not logged";
/// What was given up counts as acknowledged.
pub const GIVEN_UP_AS_ACKED: &str = "given up counts as acknowledged";
/// An older report of a consumer's position replaces a newer one.
pub const OLD_REPORT_COUNTS: &str = "an old report takes positions back";
/// A new leader refuses acks for what only the former one knew to be delivered.
pub const AHEAD_ACKS_REFUSED: &str = "acks of the former leader's deliveries refused";
/// A stream's update is not held against the config of its turn.
pub const UPDATE_NOT_CHECKED: &str = "an update is not checked when it is applied";
/// The subjects of a stream are given away before its shard has taken the update that frees them.
pub const SUBJECTS_NOT_HELD: &str = "subjects not held until the shard has decided";
/// A shard that missed an update in a crash is not told of it.
pub const MISSED_UPDATE_NOT_TOLD: &str = "a missed update is not told again";
/// A deleted stream's shard is told once only.
pub const DELETION_NOT_REMEMBERED: &str = "a deletion is not remembered until it is done";

/// All of them.
pub const ALL: [&str; 18] = [
    DEDUPE_WINDOW_NOT_KEPT,
    IDS_NOT_IN_CHECKPOINT,
    TTLS_NOT_IN_CHECKPOINT,
    MOVED_BODY_NOT_NOTED,
    DIGEST_WITHOUT_BORDERS,
    ACKS_NOT_LOGGED,
    NAK_SETTLES,
    SENT_BEFORE_ITS_COUNT,
    FIRST_SENT_UNLOGGED,
    POSITION_NOT_LOGGED,
    GIVEN_UP_NOT_LOGGED,
    GIVEN_UP_AS_ACKED,
    OLD_REPORT_COUNTS,
    AHEAD_ACKS_REFUSED,
    UPDATE_NOT_CHECKED,
    SUBJECTS_NOT_HELD,
    MISSED_UPDATE_NOT_TOLD,
    DELETION_NOT_REMEMBERED,
];

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

/// Runs a test under a defect; true if the test fails, as it should.
#[cfg(all(test, feature = "mutants"))]
pub(crate) fn is_found_by(name: &'static str, test: fn()) -> bool {
    choose(Some(name));
    let found = std::panic::catch_unwind(test).is_err();
    choose(None);
    found
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
