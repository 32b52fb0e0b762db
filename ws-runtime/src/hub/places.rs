//! Where the channels of a hub stand: found once by address, and by name from then on.

use super::Channel;
use hashbrown::HashTable;
use std::hash::{DefaultHasher, Hasher};
use ws_proto::Address;

/// Names a channel of a hub; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelId {
    /// How many channels were made before it, and it.
    pub(super) number: u64,
    /// Where it stands, if it is still there.
    hash: u64,
}

/// Every channel of a hub.
///
/// A tree of addresses has to be compared with a dozen of them, each in memory of its own that no
/// cache has at hand where channels are many. Nothing depends on the order in a table: nobody goes
/// through it.
#[derive(Debug)]
pub(super) struct Places {
    table: HashTable<Box<Channel>>,
    /// Whoever does not know it cannot choose addresses that stand in each other's way.
    seed: u64,
    /// Channels ever made.
    made: u64,
}

impl Places {
    pub(super) const fn new(seed: u64) -> Self {
        Self { table: HashTable::new(), seed, made: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&self, address: &Address) -> Option<&Channel> {
        let found = self.table.find(self.hash(address), |channel| channel.address == *address);
        found.map(|channel| &**channel)
    }

    pub(super) fn find_mut(&mut self, address: &Address) -> Option<&mut Channel> {
        let is_it = |channel: &Box<Channel>| channel.address == *address;
        self.table.find_mut(self.hash(address), is_it).map(|channel| &mut **channel)
    }

    pub(super) fn get(&self, id: ChannelId) -> Option<&Channel> {
        self.table.find(id.hash, |channel| channel.id == id).map(|channel| &**channel)
    }

    pub(super) fn get_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.table.find_mut(id.hash, |channel| channel.id == id).map(|channel| &mut **channel)
    }

    /// The name of the next channel, which is to have this address.
    pub(super) fn name(&mut self, address: &Address) -> ChannelId {
        self.made += 1;
        ChannelId { number: self.made, hash: self.hash(address) }
    }

    /// Puts a channel in whose address no other has.
    pub(super) fn insert(&mut self, channel: Channel) {
        self.table.insert_unique(channel.id.hash, Box::new(channel), |other| other.id.hash);
    }

    pub(super) fn remove(&mut self, id: ChannelId) {
        if let Ok(found) = self.table.find_entry(id.hash, |channel| channel.id == id) {
            found.remove();
        }
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Channel> {
        self.table.iter().map(|channel| &**channel)
    }

    /// Addresses are chosen by clients: the standard library's hash is made for such keys, and what
    /// it takes first nobody knows.
    fn hash(&self, address: &Address) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write(address.as_str().as_bytes());
        hasher.finish()
    }
}
