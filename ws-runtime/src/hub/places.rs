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
    /// The one that was found last: the subscribers of a channel come for its events one after the
    /// other.
    last: Option<ChannelId>,
}

impl Places {
    pub(super) const fn new(seed: u64) -> Self {
        Self { table: HashTable::new(), seed, made: 0, last: None }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&self, address: &Address) -> Option<&Channel> {
        let found = self.table.find(self.hash(address), |channel| channel.address == *address);
        found.map(|channel| &**channel)
    }

    pub(super) fn find_mut(&mut self, address: &Address) -> Option<&mut Channel> {
        let is_it = |channel: &Channel| channel.address == *address;
        let last = self.last.filter(|last| self.get(*last).is_some_and(is_it));
        self.last = last.or_else(|| self.find(address).map(|channel| channel.id));
        self.get_mut(self.last?)
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

#[cfg(test)]
mod tests {
    use super::super::{ConnectionId, Hub, HubConfig, tests::ROOM};
    use ws_proto::{Address, ChannelSpec, Delivery};

    static TYPING: ChannelSpec = ChannelSpec { delivery: Delivery::BestEffort, ..ROOM };

    #[test]
    fn each_of_many_channels_is_found_by_its_address_and_its_name() {
        let mut hub = hub();
        let address = |number| Address::parse(format!("typing/{number}")).unwrap();
        let listen = |hub: &mut Hub, number| {
            hub.subscribe(ConnectionId(number), &address(number), &TYPING, None, 4).unwrap();
            hub.channels.find(&address(number)).unwrap().id
        };
        let ids: Vec<_> = (0..1000).map(|number| listen(&mut hub, number)).collect();
        for (number, id) in (0..).zip(&ids) {
            assert_eq!(hub.shared(*id), Some(&address(number)));
            assert_eq!(hub.listeners(*id).collect::<Vec<_>>(), [ConnectionId(number)]);
        }
        (0..500).for_each(|number| hub.disconnect(ConnectionId(number)));
        assert_eq!(hub.channels(), 500);
        assert!(ids[..500].iter().all(|id| hub.shared(*id).is_none()));
        assert!(ids[500..].iter().all(|id| hub.shared(*id).is_some()));
    }

    #[test]
    fn the_name_of_a_channel_that_is_gone_finds_none_that_has_its_address_now() {
        let mut hub = hub();
        let here = Address::parse("typing/here").unwrap();
        let ids = [1, 2].map(|who| {
            hub.subscribe(ConnectionId(who), &here, &TYPING, None, 4).unwrap();
            let id = hub.channels.find(&here).unwrap().id;
            hub.disconnect(ConnectionId(who));
            id
        });
        hub.subscribe(ConnectionId(3), &here, &TYPING, None, 4).unwrap();
        assert!(ids.iter().all(|id| hub.listeners(*id).next().is_none()));
    }

    fn hub() -> Hub {
        Hub::new(HubConfig { epoch_seed: 1, address_seed: 7, max_logs: 1, max_frame: 1024 })
    }
}
