//! The subjects of a stream: a small number for each, its first and last message, and how many there are.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// What is known of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectState {
    /// The subject.
    pub name: Box<[u8]>,
    /// Its first sequence.
    pub first: u64,
    /// Its last sequence.
    pub last: u64,
    /// Its number of messages.
    pub count: u64,
    /// Grows each time the id gets another subject, so that cached judgements of the old one end.
    pub(crate) generation: u32,
}

/// The table of a stream. Ids are dense and reused.
#[derive(Debug, Default)]
pub(crate) struct SubjectIndex {
    states: Vec<SubjectState>,
    ids: HashTable<u32>,
    free: Vec<u32>,
}

impl SubjectIndex {
    /// Number of subjects with messages.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn id(&self, name: &[u8]) -> Option<u32> {
        let same = |id: &u32| self.states.get(*id as usize).is_some_and(|s| *s.name == *name);
        self.ids.find(xxh3_64(name), same).copied()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&SubjectState> {
        self.states.get(id as usize).filter(|s| s.count > 0)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut SubjectState> {
        self.states.get_mut(id as usize).filter(|s| s.count > 0)
    }

    /// The generation of an id, for caches.
    pub(crate) fn generation(&self, id: u32) -> u32 {
        self.states.get(id as usize).map_or(0, |s| s.generation)
    }

    /// Counts a message at the end; gives the subject's id and the sequence of the message before it.
    pub(crate) fn push(&mut self, name: &[u8], seq: u64) -> Option<(u32, Option<u64>)> {
        if let Some(id) = self.id(name) {
            let state = self.states.get_mut(id as usize)?;
            let before = std::mem::replace(&mut state.last, seq);
            state.count += 1;
            return Some((id, Some(before)));
        }
        let state = SubjectState { name: name.into(), first: seq, last: seq, count: 1, generation: 0 };
        let id = match self.free.pop() {
            Some(id) => {
                let place = self.states.get_mut(id as usize)?;
                let generation = place.generation.wrapping_add(1);
                *place = SubjectState { generation, ..state };
                id
            }
            None => {
                // The highest number stands for "no message" in slots.
                let id = u32::try_from(self.states.len()).ok().filter(|id| *id < u32::MAX)?;
                self.states.push(state);
                id
            }
        };
        let states = &self.states;
        let hash = |id: &u32| states.get(*id as usize).map_or(0, |s| xxh3_64(&s.name));
        self.ids.insert_unique(xxh3_64(name), id, hash);
        Some((id, None))
    }

    /// Forgets a subject that has no messages any more.
    pub(crate) fn release(&mut self, id: u32) {
        let Some(state) = self.states.get_mut(id as usize) else { return };
        let name = std::mem::take(&mut state.name);
        state.count = 0;
        if let Ok(entry) = self.ids.find_entry(xxh3_64(&name), |other| *other == id) {
            entry.remove();
            self.free.push(id);
        }
    }

    /// All subjects, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &SubjectState)> + '_ {
        (0u32..).zip(&self.states).filter(|(_, s)| s.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_reused_under_another_generation() {
        let mut index = SubjectIndex::default();
        let (a, before) = index.push(b"a", 1).unwrap();
        assert_eq!(before, None);
        assert_eq!(index.push(b"a", 2), Some((a, Some(1))));
        let generation = index.generation(a);
        index.release(a);
        assert_eq!((index.len(), index.id(b"a")), (0, None));
        let (b, _) = index.push(b"b", 3).unwrap();
        assert_eq!(a, b);
        assert_ne!(index.generation(b), generation);
    }
}
