//! What a session has for each of its channels. Most have one or two, and the smallest tree has
//! room for eleven: these stand in a row, in order.

use std::ptr;
use ws_proto::Address;

#[derive(Debug)]
pub(super) struct Few<T>(Vec<(Address, Box<T>)>);

impl<T> Few<T> {
    pub(super) fn get(&self, address: &Address) -> Option<&T> {
        let at = self.find(address).ok()?;
        Some(&self.0[at].1)
    }

    pub(super) fn get_mut(&mut self, address: &Address) -> Option<&mut T> {
        let at = self.find(address).ok()?;
        Some(&mut self.0[at].1)
    }

    /// What there is for a channel, which shares the memory of this address from here on: what many
    /// sessions look at is at hand.
    pub(super) fn get_shared(&mut self, address: &Address) -> Option<&mut T> {
        let at = self.find(address).ok()?;
        let (own, it) = &mut self.0[at];
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

    /// In the order of the addresses.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Address, &T)> {
        self.0.iter().map(|(address, it)| (address, &**it))
    }

    fn find(&self, address: &Address) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(address))
    }
}

impl<T: Default> Few<T> {
    /// What there is for a channel, made if there is nothing.
    pub(super) fn or_default(&mut self, address: &Address) -> &mut T {
        let at = self.find(address).unwrap_or_else(|at| {
            if self.0.is_empty() {
                self.0.reserve_exact(1);
            }
            self.0.insert(at, (address.clone(), Box::default()));
            at
        });
        &mut self.0[at].1
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_and_all_are_in_order() {
        let address = |text: &'static str| Address::parse(text).unwrap();
        let mut few = Few::<u32>::default();
        for (count, text) in (1..).zip(["c/1", "a/1", "b/2", "b/1", "a/1"]) {
            *few.or_default(&address(text)) += count;
        }
        *few.get_mut(&address("b/1")).unwrap() += 100;
        few.remove(&address("c/1"));
        few.remove(&address("c/2"));
        let all: Vec<_> = few.iter().map(|(address, n)| (address.as_str(), *n)).collect();
        assert_eq!(all, [("a/1", 7), ("b/1", 104), ("b/2", 3)]);
        assert_eq!((few.get(&address("b/2")), few.get(&address("c/1"))), (Some(&3), None));
        for text in ["a/1", "b/1", "b/2"] {
            few.remove(&address(text));
        }
        assert_eq!(few.0.capacity(), 0, "without channels it keeps no memory");
    }
}
