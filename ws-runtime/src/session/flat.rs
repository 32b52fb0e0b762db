//! A map for few entries whose keys come nearly in order, as numbers and moments do: a sorted ring.
//!
//! It keeps its room when it is empty, so that what comes and goes at once allocates nothing, and
//! adds at the end and takes from the front without moving anything. Elsewhere it moves the
//! shorter half, which the bounds on requests keep small.

use super::resting::{at_the_start, relieve};
use std::collections::VecDeque;

/// Room that an empty map may keep; more is given back.
const KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Flat<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Flat<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: Copy + Ord, V> Flat<K, V> {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Puts an entry in; false, and nothing is changed, where there is one of that key.
    pub(super) fn insert(&mut self, key: K, value: V) -> bool {
        match self.place(key) {
            Ok(_) => return false,
            Err(place) if place == self.0.len() => self.0.push_back((key, value)),
            Err(place) => self.0.insert(place, (key, value)),
        }
        true
    }

    /// Puts an entry in whose key is above all others, as the caller knows.
    pub(super) fn push(&mut self, key: K, value: V) {
        debug_assert!(self.0.back().is_none_or(|(last, _)| *last < key), "keys grow");
        self.0.push_back((key, value));
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.place(key).ok().map(|place| &self.0[place].1)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.place(key).ok().map(|place| &mut self.0[place].1)
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let (_, value) = match self.place(key).ok()? {
            0 => self.0.pop_front(),
            place => self.0.remove(place),
        }?;
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0 = VecDeque::new();
        }
        at_the_start(&mut self.0);
        Some(value)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<K> {
        self.0.front().map(|(key, _)| *key)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (*key, value))
    }

    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    /// Gives back room that nothing uses, but for so many entries.
    pub(super) fn rest(&mut self, kept: usize) {
        relieve(&mut self.0, kept);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, key: K) -> Result<usize, usize> {
        // What is looked for is most often the oldest, the only one, or a new one.
        match (self.0.front(), self.0.back()) {
            (Some((first, _)), _) if *first == key => Ok(0),
            (_, Some((last, _))) if *last >= key => {
                self.0.binary_search_by(|(other, _)| other.cmp(&key))
            }
            _ => Err(self.0.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_the_map_of_the_standard_library(
            steps in prop::collection::vec((any::<bool>(), 0u8..200), 0..400),
        ) {
            let (mut flat, mut map) = (Flat::new(), BTreeMap::new());
            for (at, (puts, key)) in steps.into_iter().enumerate() {
                if puts {
                    prop_assert_eq!(flat.insert(key, at), !map.contains_key(&key));
                    map.entry(key).or_insert(at);
                } else {
                    prop_assert_eq!(flat.get(key), map.get(&key));
                    prop_assert_eq!(flat.get_mut(key), map.get_mut(&key));
                    prop_assert_eq!(flat.remove(key), map.remove(&key));
                }
                prop_assert_eq!(flat.first(), map.first_key_value().map(|(key, _)| *key));
                let both = flat.iter_mut().map(|(key, value)| (key, *value));
                prop_assert!(both.eq(map.iter().map(|(key, value)| (*key, *value))));
                prop_assert_eq!(flat.is_empty(), map.is_empty());
            }
        }
    }

    #[test]
    fn an_empty_map_keeps_little_room() {
        let mut flat = Flat::new();
        (0..1000).for_each(|key| flat.push(key, ()));
        (0..1000).for_each(|key| assert_eq!(flat.remove(key), Some(())));
        assert!(flat.0.capacity() <= KEPT);
        flat.insert(1, ());
        flat.remove(1);
        assert!(flat.0.capacity() > 0, "the next one allocates nothing");
    }
}
