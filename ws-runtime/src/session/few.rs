//! What a session has for each of its channels. Most have one or two, and the smallest tree has
//! room for eleven: these stand in a row, ordered by how their addresses end, and by the addresses
//! where that is the same. Most differ there, and an end stands in the row: whoever looks for one
//! of many reads a single address, and not one in memory of its own for each step.

use std::ptr;
use ws_proto::Address;

#[derive(Debug)]
pub(super) struct Few<T>(Vec<Entry<T>>);

#[derive(Debug)]
struct Entry<T> {
    end: u64,
    address: Address,
    it: Box<T>,
}

impl<T> Few<T> {
    pub(super) fn get(&self, address: &Address) -> Option<&T> {
        let at = self.find(address).ok()?;
        Some(&self.0[at].it)
    }

    pub(super) fn get_mut(&mut self, address: &Address) -> Option<&mut T> {
        let at = self.find(address).ok()?;
        Some(&mut self.0[at].it)
    }

    /// What there is for a channel, which shares the memory of this address from here on: what many
    /// sessions look at is at hand.
    pub(super) fn get_shared(&mut self, address: &Address) -> Option<&mut T> {
        let at = self.find(address).ok()?;
        let Entry { address: own, it, .. } = &mut self.0[at];
        if !ptr::eq(own.as_str(), address.as_str()) {
            *own = address.clone();
        }
        Some(it)
    }

    pub(super) fn remove(&mut self, address: &Address) {
        if let Ok(at) = self.find(address) {
            self.0.remove(at);
        }
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    /// In the same order, whenever each came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Address, &T)> {
        self.0.iter().map(|Entry { address, it, .. }| (address, &**it))
    }

    fn find(&self, address: &Address) -> Result<usize, usize> {
        let end = end_of(address);
        self.0
            .binary_search_by(|other| other.end.cmp(&end).then_with(|| other.address.cmp(address)))
    }
}

impl<T: Default> Few<T> {
    /// What there is for a channel, made if there is nothing.
    pub(super) fn or_default(&mut self, address: &Address) -> &mut T {
        let at = self.find(address).unwrap_or_else(|at| {
            if self.0.is_empty() {
                self.0.reserve_exact(1);
            }
            let (end, address) = (end_of(address), address.clone());
            self.0.insert(at, Entry { end, address, it: Box::default() });
            at
        });
        &mut self.0[at].it
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The last bytes, as one number.
fn end_of(address: &Address) -> u64 {
    let text = address.as_str().as_bytes();
    text.last_chunk().map_or(0, |end| u64::from_le_bytes(*end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own() {
        let address = |text: &'static str| Address::parse(text).unwrap();
        let mut few = Few::<u32>::default();
        let texts =
            ["c/1", "a/1", "b/2", "b/1", "a/1", "long/1111111", "lang/1111111", "other/222"];
        for (count, text) in (1..).zip(texts) {
            *few.or_default(&address(text)) += count;
        }
        *few.get_mut(&address("b/1")).unwrap() += 100;
        few.remove(&address("c/1"));
        few.remove(&address("c/2"));
        let all: Vec<_> = few.iter().map(|(address, n)| (address.as_str(), *n)).collect();
        let long = [("lang/1111111", 7), ("long/1111111", 6), ("other/222", 8)];
        assert_eq!(all, [&[("a/1", 7), ("b/1", 104), ("b/2", 3)][..], &long].concat());
        assert_eq!((few.get(&address("b/2")), few.get(&address("c/1"))), (Some(&3), None));
        for text in texts {
            few.remove(&address(text));
        }
        assert_eq!(few.0.capacity(), 0, "without channels it keeps no memory");
    }
}
