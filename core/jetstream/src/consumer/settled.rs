//! Which sequences above the ack floor are settled: inclusive runs, few as long as acks come roughly in order.

use std::collections::BTreeMap;

/// A set of sequences as disjoint runs that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// First sequence of a run → its last.
    runs: BTreeMap<u64, u64>,
}

impl Settled {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
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
            self.runs.remove(&start);
        }
        self.runs.insert(first, last);
    }

    /// Forgets everything up to `seq`: the floor passed it.
    pub(crate) fn forget_through(&mut self, seq: u64) {
        while let Some((start, end)) = self.runs.first_key_value().map(|(start, end)| (*start, *end)) {
            if start > seq {
                break;
            }
            self.runs.remove(&start);
            if end > seq {
                self.runs.insert(seq + 1, end);
                break;
            }
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.runs.iter().map(|(first, last)| (*first, *last))
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
            let (mut runs, mut model) = (Settled::default(), BTreeSet::new());
            for (at, len, forget) in ops {
                if forget && len < 2 {
                    runs.forget_through(at);
                    model = model.split_off(&(at + 1));
                } else {
                    runs.insert(at, at + len);
                    model.extend(at..=at + len);
                }
                let have: BTreeSet<u64> = runs.iter().flat_map(|(first, last)| first..=last).collect();
                prop_assert_eq!(&have, &model);
                for seq in 0..90 {
                    prop_assert_eq!(runs.contains(seq), model.contains(&seq));
                }
                let list: Vec<_> = runs.iter().collect();
                prop_assert!(list.windows(2).all(|w| w[0].1 + 1 < w[1].0), "runs do not touch");
            }
        }
    }
}
