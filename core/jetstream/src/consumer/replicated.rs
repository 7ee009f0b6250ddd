//! A consumer's replicated state: what every replica knows, and a new leader starts from.

use std::collections::BTreeMap;

use super::seq_set::SeqSet;
use super::start::LastList;
use crate::command::{Progress, SettleReason};
use crate::id::Position;
use crate::limits::SPENT_RUNS_MAX;
use crate::mutant;

/// Changed only by applied commands. Which messages are pending follows from it: those in the stream that match,
/// above the floor, at or below `delivered`, and not settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replicated {
    /// How far the leader said it had delivered. It may have been further when it crashed.
    pub(crate) delivered: Position,
    /// Everything up to here is settled.
    pub(crate) floor: Position,
    /// Settled above the floor.
    pub(crate) settled: SeqSet,
    /// Delivered `max_deliver` times and never acknowledged. They are settled for delivery; but a stream that waits for
    /// acks keeps them, and a late ack still counts.
    pub(crate) spent: SeqSet,
    /// Delivery counts of two or more (or one, if `max_deliver` is 1), of what is not settled.
    pub(crate) counts: BTreeMap<u64, u32>,
    /// For `last_per_subject`.
    pub(crate) last_list: Option<LastList>,
}

impl Replicated {
    /// True if the message needs no (further) delivery.
    pub(crate) fn is_settled(&self, seq: u64) -> bool {
        seq <= self.floor.sseq || self.settled.contains(seq)
    }

    /// No message up to here waits for this consumer's ack.
    pub(crate) fn acked_through(&self) -> u64 {
        self.spent.iter().next().map_or(self.floor.sseq, |(first, _)| self.floor.sseq.min(first - 1))
    }

    pub(crate) fn apply_progress(&mut self, progress: &Progress) {
        self.delivered = match mutant::active(mutant::OLD_REPORT_COUNTS) {
            true => progress.delivered,
            false => self.delivered.max(progress.delivered),
        };
        if progress.floor.sseq >= self.floor.sseq {
            self.floor = self.floor.max(progress.floor);
            self.settled.forget_through(self.floor.sseq);
            if self.counts.first_key_value().is_some_and(|(seq, _)| *seq <= self.floor.sseq) {
                self.counts = self.counts.split_off(&(self.floor.sseq + 1));
            }
        }
    }

    /// Clients acknowledged or terminated these.
    pub(crate) fn apply_acked(&mut self, runs: &[(u64, u64)]) {
        runs.iter().for_each(|(first, last)| self.spent.remove_run(*first, *last));
        self.settle(runs);
    }

    /// These need no delivery any more, though nobody acknowledged them.
    pub(crate) fn apply_settled(&mut self, reason: SettleReason, runs: &[(u64, u64)]) {
        if reason == SettleReason::GaveUp && !mutant::active(mutant::GIVEN_UP_AS_ACKED) {
            // What was settled before is no news: a repeated command must not take a late ack back.
            let fresh = runs.iter().flat_map(|(first, last)| *first..=*last).filter(|seq| !self.is_settled(*seq));
            let fresh: Vec<u64> = fresh.collect();
            fresh.into_iter().for_each(|seq| self.spent.insert(seq, seq));
            self.spent.keep_runs(SPENT_RUNS_MAX);
        }
        self.settle(runs);
    }

    fn settle(&mut self, runs: &[(u64, u64)]) {
        for (first, last) in runs {
            let first = (*first).max(self.floor.sseq + 1);
            if first > *last {
                continue;
            }
            self.settled.insert(first, *last);
            while let Some(seq) = self.counts.range(first..=*last).next().map(|(seq, _)| *seq) {
                self.counts.remove(&seq);
            }
        }
    }

    pub(crate) fn apply_marks(&mut self, marks: &[(u64, u32)]) {
        for (seq, count) in marks {
            if !self.is_settled(*seq) {
                let have = self.counts.entry(*seq).or_default();
                *have = (*have).max(*count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cseq: u64, sseq: u64) -> Position {
        Position { cseq, sseq }
    }

    #[test]
    fn commands_may_be_applied_twice() {
        let mut state = Replicated::default();
        let progress = Progress { delivered: at(9, 9), floor: at(2, 2) };
        for _ in 0..2 {
            state.apply_acked(&[(1, 2), (5, 6)]);
            state.apply_marks(&[(3, 2), (5, 2)]);
            state.apply_progress(&progress);
        }
        assert_eq!((state.delivered, state.floor), (at(9, 9), at(2, 2)));
        assert_eq!(state.settled.iter().collect::<Vec<_>>(), [(5, 6)]);
        assert_eq!(state.counts.into_iter().collect::<Vec<_>>(), [(3, 2)]);
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn mutants_are_found() {
        assert!(mutant::is_found_by(mutant::OLD_REPORT_COUNTS, an_old_report_takes_nothing_back));
        let test = a_late_ack_ends_what_was_given_up_and_a_repeated_report_does_not_bring_it_back;
        assert!(mutant::is_found_by(mutant::GIVEN_UP_AS_ACKED, test));
    }

    #[test]
    fn an_old_report_takes_nothing_back() {
        let mut state = Replicated::default();
        state.apply_progress(&Progress { delivered: at(9, 9), floor: at(5, 5) });
        state.apply_acked(&[(2, 7)]);
        state.apply_progress(&Progress { delivered: at(4, 4), floor: at(1, 1) });
        assert_eq!((state.delivered, state.floor), (at(9, 9), at(5, 5)));
        assert!(state.is_settled(7) && !state.is_settled(8));
    }

    #[test]
    fn a_late_ack_ends_what_was_given_up_and_a_repeated_report_does_not_bring_it_back() {
        let mut state = Replicated::default();
        state.apply_settled(SettleReason::GaveUp, &[(2, 4)]);
        state.apply_settled(SettleReason::Skipped, &[(5, 5)]);
        state.apply_acked(&[(3, 3)]);
        for _ in 0..2 {
            assert_eq!(state.spent.iter().collect::<Vec<_>>(), [(2, 2), (4, 4)]);
            state.apply_settled(SettleReason::GaveUp, &[(2, 4)]);
        }
        state.apply_progress(&Progress { delivered: at(9, 9), floor: at(5, 5) });
        assert_eq!(state.spent.len(), 2, "the floor says nothing about acks");
    }
}
