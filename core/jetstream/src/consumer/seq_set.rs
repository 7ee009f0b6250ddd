//! A set of stream sequences: inclusive runs, few as long as they come roughly in order. What is settled above the ack
//! floor is one, what was given up is another.

use std::collections::BTreeMap;

/// A set of sequences as disjoint runs that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeqSet {
    /// First sequence of a run → its last.
    runs: BTreeMap<u64, u64>,
    /// How many sequences that is.
    count: u64,
}

impl SeqSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// How many sequences are in it.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    pub(crate) fn contains(&self, seq: u64) -> bool {
        self.runs.range(..=seq).next_back().is_some_and(|(_, last)| *last >= seq)
    }

    /// Adds an inclusive run.
    pub(crate) fn insert(&mut self, first: u64, last: u64) {
        debug_assert!(first <= last);
        let (mut first, mut last) = (first, last);
        if let Some((start, end)) = self.runs.range(..=first).next_back()
            && end.saturating_add(1) >= first
        {
            first = *start;
            last = last.max(*end);
        }
        while let Some((start, end)) = self.runs.range(first..).next().map(|(start, end)| (*start, *end)) {
            if start > last.saturating_add(1) {
                break;
            }
            last = last.max(end);
            self.take_run(start);
        }
        self.put_run(first, last);
    }

    /// Takes one sequence out; false if it was not there.
    pub(crate) fn remove(&mut self, seq: u64) -> bool {
        let before = self.count;
        self.remove_run(seq, seq);
        self.count < before
    }

    /// Takes an inclusive run out.
    pub(crate) fn remove_run(&mut self, from: u64, to: u64) {
        while let Some((first, last)) = self.runs.range(..=to).next_back().map(|(first, last)| (*first, *last)) {
            if last < from {
                return;
            }
            self.take_run(first);
            if to < last {
                self.put_run(to + 1, last);
            }
            if first < from {
                return self.put_run(first, from - 1);
            }
        }
    }

    /// Forgets the lowest runs until there are at most so many.
    pub(crate) fn keep_runs(&mut self, most: usize) {
        while self.runs.len() > most
            && let Some(first) = self.runs.first_key_value().map(|(first, _)| *first)
        {
            self.take_run(first);
        }
    }

    /// Forgets everything up to `seq`: the floor passed it.
    pub(crate) fn forget_through(&mut self, seq: u64) {
        while let Some((start, end)) = self.runs.first_key_value().map(|(start, end)| (*start, *end)) {
            if start > seq {
                break;
            }
            self.take_run(start);
            if end > seq {
                self.put_run(seq + 1, end);
                break;
            }
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.runs.iter().map(|(first, last)| (*first, *last))
    }

    fn put_run(&mut self, first: u64, last: u64) {
        self.count += last - first + 1;
        self.runs.insert(first, last);
    }

    fn take_run(&mut self, first: u64) {
        if let Some(last) = self.runs.remove(&first) {
            self.count -= last - first + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_a_set(ops in proptest::collection::vec((0u64..80, 0u64..9, any::<bool>()), 0..60)) {
            let (mut runs, mut model) = (SeqSet::default(), BTreeSet::new());
            for (at, len, forget) in ops {
                if forget && len < 2 {
                    runs.forget_through(at);
                    model = model.split_off(&(at + 1));
                } else if forget && len < 4 {
                    prop_assert_eq!(runs.remove(at), model.remove(&at));
                } else if forget && len < 6 {
                    runs.remove_run(at, at + 3 * len);
                    model.retain(|seq| !(at..=at + 3 * len).contains(seq));
                } else {
                    runs.insert(at, at + len);
                    model.extend(at..=at + len);
                }
                let have: BTreeSet<u64> = runs.iter().flat_map(|(first, last)| first..=last).collect();
                prop_assert_eq!(&have, &model);
                prop_assert_eq!(runs.len(), model.len() as u64);
                for seq in 0..90 {
                    prop_assert_eq!(runs.contains(seq), model.contains(&seq));
                }
                let list: Vec<_> = runs.iter().collect();
                prop_assert!(list.windows(2).all(|w| w[0].1 + 1 < w[1].0), "runs do not touch");
            }
            let rest: Vec<_> = runs.iter().collect();
            runs.keep_runs(2);
            prop_assert_eq!(runs.iter().collect::<Vec<_>>(), &rest[rest.len().saturating_sub(2)..]);
        }
    }
}
