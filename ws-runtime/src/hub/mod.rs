//! Who listens to what on this node, and the history of each channel. Pure: no I/O, no clock, no
//! randomness, no task, no lock (`docs/protocol.md`, section 8).
//!
//! A subscriber of an `at_least_once` channel is a cursor into the channel's log: publishing
//! appends once and says whom to wake; each subscriber then takes what its window allows with
//! [`Hub::next`]. A slow subscriber costs its cursor and nothing else. A `best_effort` event has no
//! place in any log: it is handed out once, to be passed on.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod log;
mod cursor;
mod holding;
mod places;
mod taking;
#[cfg(test)]
mod tests;

use bytestring::ByteString;
use cursor::Cursor;
use log::{History, Log};
pub use places::ChannelId;
use places::Places;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use ws_proto::{
    Address, Batch, ChannelSpec, Delivery, EncodedEvent, Head, MessageId, Position, Publication,
    frame::{Done, Gap},
    serve::PublishError,
};

/// Names a connection of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a hub is told when it is made.
#[derive(Clone, Copy, Debug)]
pub struct HubConfig {
    /// Makes the epochs of logs: another seed for every hub, so that a log that was lost is never
    /// taken for the same one.
    pub epoch_seed: u64,
    /// Where channels stand in memory: nothing that anybody is told may lead to it, or a client
    /// could choose addresses whose channels are found slowly.
    pub address_seed: u64,
    /// Logs kept; with 0 no `at_least_once` channel works. Past it, a log without subscribers is
    /// forgotten for each new one: first those without events, then the least recently published.
    pub max_logs: usize,
    /// Bytes of one message.
    pub max_frame: usize,
}

/// What an event brings along besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The message's id: an event with the id of one still kept is the same event.
    pub id: MessageId,
    /// The clock, in milliseconds since the Unix epoch.
    pub ts: u64,
    /// The idempotency key: an event with the key of one still kept is the same event, also when
    /// its kind or payload differs. The first one stands.
    pub key: Option<ByteString>,
}

/// What became of a publish.
#[derive(Clone, Debug)]
pub struct Published {
    /// Where the event stands; `None` on a `best_effort` channel.
    pub position: Option<Position>,
    /// It stood there already, and nobody has to hear of it again.
    pub duplicate: bool,
    /// Who has something to take with [`Hub::next`]: those who had taken everything.
    pub wake: Vec<ConnectionId>,
    /// Where the event goes; `None` where nobody has to do with the channel.
    pub channel: Option<ChannelId>,
    /// The event of a `best_effort` channel, for everybody whom [`Hub::listeners`] names.
    pub fan_out: Option<Arc<Publication>>,
}

/// What a subscriber is to be sent.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// The next event.
    Event(Arc<Publication>),
    /// The next events, from [`Hub::next_many`] only: two or more.
    Events(Arc<Batch>),
    /// Events that were forgotten before they could be sent.
    Gap(Gap),
    /// The replay is over.
    Live {
        /// The last position replayed, or told to be missing.
        off: u64,
    },
}

/// Why a connection cannot listen to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// It does already.
    #[error("the connection listens to this channel already")]
    AlreadySubscribed,
    /// The channel needs a log, and each of [`HubConfig::max_logs`] has subscribers.
    #[error("no more channels can be kept")]
    Full,
}

/// A position was acknowledged that was never sent: the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position was acknowledged that was never sent")]
pub struct Misplaced;

/// The channels of one node, or of one shard of it.
///
/// An address belongs to the same [`ChannelSpec`] in every call.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    channels: Places,
    /// What a connection listens to, in a row, in order: most have one or two, and the smallest
    /// tree has room for eleven.
    by_connection: BTreeMap<ConnectionId, Vec<ChannelId>>,
    /// Logs without subscribers, the first to be forgotten first.
    idle: BTreeSet<(Turn, ChannelId)>,
    logs: usize,
    subscriptions: usize,
    turn: Turn,
    now: Duration,
}

/// Counts publishes: the age of logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Turn(u64);

#[derive(Debug)]
struct Channel {
    id: ChannelId,
    address: Address,
    /// `None` on a `best_effort` channel.
    log: Option<Log>,
    subscribers: BTreeMap<ConnectionId, Cursor>,
    /// Subscribers of the log that may sleep: a publish looks at them and at no others.
    sleepers: BTreeSet<ConnectionId>,
    /// Subscribers that were told of events and have not taken all.
    awake: usize,
    /// What a subscriber took last, and the position of its first event: most take the same.
    taken: Option<(u64, Arc<Batch>)>,
    /// The last publish; zero before the first.
    published: Turn,
}

impl Hub {
    /// A hub without channels.
    #[must_use]
    pub const fn new(config: HubConfig) -> Self {
        Self {
            config,
            channels: Places::new(config.address_seed),
            by_connection: BTreeMap::new(),
            idle: BTreeSet::new(),
            logs: 0,
            subscriptions: 0,
            turn: Turn(0),
            now: Duration::ZERO,
        }
    }

    /// The time since any moment that stays the same; zero until told. Tell it before each publish
    /// and each read of a channel whose history has an age: what is too old is gone by then. Going
    /// back changes nothing.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// A connection listens to a channel from here on: after the position `since` if everything
    /// after it is still kept, else after the last event. Gives what to answer; replayed and live
    /// events are then taken with [`Hub::next`], of which at most `window` (at least one) are
    /// unacknowledged.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]; nothing was changed.
    pub fn subscribe(
        &mut self,
        who: ConnectionId,
        address: &Address,
        spec: &'static ChannelSpec,
        since: Option<&Position>,
        window: u32,
    ) -> Result<Done, SubscribeError> {
        let known = self.channels.find(address);
        if known.is_some_and(|channel| channel.subscribers.contains_key(&who)) {
            return Err(SubscribeError::AlreadySubscribed);
        }
        let known = known.map(|channel| channel.id);
        let id = known.or_else(|| self.make(address, spec)).ok_or(SubscribeError::Full)?;
        let channel = self.channels.get_mut(id).ok_or(SubscribeError::Full)?;
        channel.expire(self.now);
        let (cursor, done) = Cursor::enter(channel.log.as_ref(), since, window);
        channel.enter(who, cursor);
        self.idle.remove(&(channel.published, id));
        let own = self.by_connection.entry(who).or_default();
        if let Err(at) = own.binary_search(&id) {
            own.reserve_exact(usize::from(own.is_empty()));
            own.insert(at, id);
        }
        self.subscriptions += 1;
        Ok(done)
    }

    /// A connection no longer listens; false when it did not.
    pub fn unsubscribe(&mut self, who: ConnectionId, address: &Address) -> bool {
        let Some(id) = self.channels.find(address).map(|channel| channel.id) else { return false };
        let Some(own) = self.by_connection.get_mut(&who) else { return false };
        let Ok(at) = own.binary_search(&id) else { return false };
        own.remove(at);
        if own.is_empty() {
            self.by_connection.remove(&who);
        }
        self.leave(who, id);
        true
    }

    /// A connection is gone: nothing of it is left behind.
    pub fn disconnect(&mut self, who: ConnectionId) {
        for id in self.by_connection.remove(&who).unwrap_or_default() {
            self.leave(who, id);
        }
    }

    /// Gives an event its place, and says who has to hear of it.
    ///
    /// An event with the id or the key of one that the log still keeps is that event: it gets the
    /// first position again and is not appended.
    ///
    /// # Errors
    ///
    /// [`PublishError::TooLarge`], [`PublishError::Encode`], or [`PublishError::Full`]; nothing was
    /// changed.
    pub fn publish(
        &mut self,
        address: &Address,
        spec: &'static ChannelSpec,
        stamp: Stamp,
        event: &EncodedEvent,
    ) -> Result<Published, PublishError> {
        match spec.delivery {
            Delivery::AtLeastOnce => self.append(address, spec, stamp, event),
            Delivery::BestEffort => self.pass(address, spec, &stamp, event),
        }
    }

    /// What a subscriber is to be sent now; `None` when there is nothing, or its window is full.
    /// [`Hub::publish`] and [`Hub::consumed`] say when to ask again.
    pub fn next(&mut self, who: ConnectionId, address: &Address) -> Option<Outgoing> {
        let channel = self.channel(who, address)?;
        let outgoing = channel.change(who, |cursor, log| {
            let one = |first| Some((Outgoing::Event(Arc::clone(log.get(first)?)), 1));
            cursor.next(log, |first, _| one(first))
        });
        let outgoing = outgoing?;
        if outgoing.is_none() {
            channel.sleeps(who);
        }
        outgoing
    }

    /// A subscriber goes on over another connection, after what it had consumed: take what it is to
    /// be sent with [`Hub::next`].
    pub fn rewind(&mut self, who: ConnectionId, address: &Address) {
        self.channel(who, address).map(|channel| channel.change(who, Cursor::rewind));
    }

    /// A subscriber gets a fresh state in place of the events that it has not been sent: it goes on
    /// after the last one, whose position this gives. `None` without a subscription or a log.
    pub fn leap(&mut self, who: ConnectionId, address: &Address) -> Option<u64> {
        self.channel(who, address)?.change(who, Cursor::leap)
    }

    /// A subscriber is done with the events up to a position; true when there is more for it.
    /// Going back changes nothing, and neither does the late word of one that left.
    ///
    /// # Errors
    ///
    /// [`Misplaced`]: nothing above what was sent can have been consumed.
    pub fn consumed(
        &mut self,
        who: ConnectionId,
        address: &Address,
        off: u64,
    ) -> Result<bool, Misplaced> {
        let Some(channel) = self.channel(who, address) else { return Ok(false) };
        if channel.subscribers.get(&who).is_some_and(|cursor| off > cursor.highest()) {
            return Err(Misplaced);
        }
        Ok(channel.change(who, |cursor, log| cursor.consume(off, log)).unwrap_or(false))
    }

    /// How many channels are known: those with subscribers, and those with a log.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// How many subscriptions there are.
    #[must_use]
    pub const fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    /// How many logs there are.
    #[must_use]
    pub const fn logs(&self) -> usize {
        self.logs
    }

    /// How many events a channel keeps. Those that are too old count no more.
    #[must_use]
    pub fn kept(&self, address: &Address) -> usize {
        let channel = self.channels.find(address);
        channel.and_then(|channel| channel.log.as_ref()).map_or(0, |log| log.len(self.now))
    }

    /// A channel that a connection listens to.
    fn channel(&mut self, who: ConnectionId, address: &Address) -> Option<&mut Channel> {
        let channel = self.channels.find_mut(address)?;
        if !channel.subscribers.contains_key(&who) {
            return None;
        }
        channel.expire(self.now);
        Some(channel)
    }

    fn append(
        &mut self,
        address: &Address,
        spec: &'static ChannelSpec,
        stamp: Stamp,
        event: &EncodedEvent,
    ) -> Result<Published, PublishError> {
        let known = self.channels.find_mut(address).map(|channel| {
            channel.expire(self.now);
            &*channel
        });
        let id = known.map(|channel| channel.id);
        let log = known.and_then(|channel| channel.log.as_ref());
        if let Some((log, off)) = log.and_then(|log| Some((log, log.find(&stamp)?))) {
            let position = Some(log.position(off));
            let wake = Vec::new();
            return Ok(Published { position, duplicate: true, wake, channel: id, fan_out: None });
        }
        let address = known.map_or_else(|| owned(address), |channel| channel.address.clone());
        let prev = log.map_or(0, Log::head);
        // Encoded before anything changes, so that an event that does not fit costs nobody a log.
        let publication = self.encode(&address, spec, &stamp, Some(prev), event)?;
        let id = id.or_else(|| self.make(&address, spec)).ok_or(PublishError::Full)?;
        let channel = self.channels.get_mut(id).ok_or(PublishError::Full)?;
        let log = channel.log.as_mut().ok_or(PublishError::Full)?;
        // A slice of the message that the key came in would keep all of that message in memory.
        let off = log.append(publication, stamp.key.map(|key| ByteString::from(&*key)), self.now);
        let position = Some(log.position(off));
        self.turn.0 += 1;
        if self.idle.remove(&(channel.published, id)) {
            self.idle.insert((self.turn, id));
        }
        channel.published = self.turn;
        let wake = channel.wake();
        Ok(Published { position, duplicate: false, wake, channel: Some(id), fan_out: None })
    }

    fn pass(
        &self,
        address: &Address,
        spec: &ChannelSpec,
        stamp: &Stamp,
        event: &EncodedEvent,
    ) -> Result<Published, PublishError> {
        let known = self.channels.find(address);
        let channel = known.map(|channel| channel.id);
        let address = known.map_or(address, |channel| &channel.address);
        let publication = self.encode(address, spec, stamp, None, event)?;
        let fan_out = Some(Arc::new(publication));
        Ok(Published { position: None, duplicate: false, wake: Vec::new(), channel, fan_out })
    }

    /// The event as everybody gets it; `prev` is the position before its own, if it has one.
    fn encode(
        &self,
        address: &Address,
        spec: &ChannelSpec,
        stamp: &Stamp,
        prev: Option<u64>,
        event: &EncodedEvent,
    ) -> Result<Publication, PublishError> {
        let mut head = Head::new(event.kind.clone(), stamp.id, stamp.ts);
        head.ch = Some(address.text().clone());
        head.off = prev.map(|prev| prev + 1);
        head.prev = prev;
        let make = if spec.latest { Publication::latest_of } else { Publication::new };
        let publication = make(head, event)?;
        let (bytes, limit) = (publication.size(), self.config.max_frame);
        if bytes > limit { Err(PublishError::TooLarge { bytes, limit }) } else { Ok(publication) }
    }

    /// Makes the channel of this address; `None` when it needs a log and no other can be forgotten
    /// for it.
    fn make(&mut self, address: &Address, spec: &'static ChannelSpec) -> Option<ChannelId> {
        if spec.delivery == Delivery::AtLeastOnce {
            self.make_room()?;
        }
        let id = self.channels.name(address);
        let log = match spec.delivery {
            Delivery::AtLeastOnce => {
                self.logs += 1;
                self.idle.insert((Turn::default(), id));
                let epoch = format!("{:x}-{:x}", self.config.epoch_seed, id.number);
                Some(Log::new(epoch, History::of(spec), self.config.max_frame))
            }
            Delivery::BestEffort => None,
        };
        self.channels.insert(Channel {
            id,
            address: owned(address),
            log,
            subscribers: BTreeMap::new(),
            sleepers: BTreeSet::new(),
            awake: 0,
            taken: None,
            published: Turn::default(),
        });
        Some(id)
    }

    /// Forgets a log nobody listens to if there are as many as there may be.
    fn make_room(&mut self) -> Option<()> {
        if self.logs >= self.config.max_logs {
            let (_, id) = self.idle.pop_first()?;
            self.channels.remove(id);
            self.logs -= 1;
        }
        Some(())
    }

    fn leave(&mut self, who: ConnectionId, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        if channel.lose(who) {
            self.subscriptions -= 1;
        }
        if !channel.subscribers.is_empty() {
            return;
        }
        if channel.log.is_some() {
            // Also without events: whoever comes back finds its epoch, and missed nothing.
            self.idle.insert((channel.published, id));
        } else {
            self.channels.remove(id);
        }
    }
}

impl Channel {
    fn expire(&mut self, now: Duration) {
        if let Some(log) = &mut self.log {
            log.expire(now);
        }
    }
}

/// A copy of its own: an address of the wire is a slice of the message that it came in, and would
/// keep all of that message in memory.
fn owned(address: &Address) -> Address {
    // What was an address before is one again.
    Address::parse(address.as_str()).unwrap_or_else(|_| address.clone())
}
