//! Who listens to what on this node, and the history of each channel. Pure: no I/O, no clock, no
//! randomness, no task, no lock (`docs/protocol.md`, section 8).
//!
//! A subscriber of an `at_least_once` channel is a cursor into the channel's [`Log`]: publishing
//! appends once and says whom to wake; each subscriber then takes what its window allows with
//! [`Hub::next`]. A slow subscriber costs its cursor and nothing else. A `best_effort` event has no
//! place in any log: it is handed out once, to be passed on.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod log;

use bytestring::ByteString;
use log::Log;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use ws_proto::{
    Address, ChannelSpec, Delivery, EncodedEvent, Head, MessageId, Position, Publication,
    frame::{Done, Gap, GapReason},
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
    /// Logs kept. Past it, those without subscribers are forgotten, least recently published
    /// first.
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
    /// The idempotency key: an event with the key of one still kept is the same event, whatever
    /// else it says.
    pub key: Option<ByteString>,
}

/// What became of a publish.
#[derive(Clone, Debug)]
pub struct Published {
    /// Where the event stands; `None` on a best-effort channel.
    pub position: Option<Position>,
    /// It stood there already.
    pub duplicate: bool,
    /// Who has something to take with [`Hub::next`], or, with `fan_out`, who is to be sent it.
    pub wake: Vec<ConnectionId>,
    /// The event of a best-effort channel.
    pub fan_out: Option<Arc<Publication>>,
}

/// What a subscriber is to be sent.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// The next event.
    Event(Arc<Publication>),
    /// Events that were forgotten before they could be sent.
    Gap(Gap),
    /// The replay is over.
    Live {
        /// The last position replayed.
        off: u64,
    },
}

/// The connection listens to this channel already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection listens to this channel already")]
pub struct AlreadySubscribed;

/// A position was acknowledged that was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position was acknowledged that was never sent")]
pub struct Misplaced;

/// The channels of one node, or of one shard of it.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    channels: BTreeMap<Address, Channel>,
    by_connection: BTreeMap<ConnectionId, BTreeSet<Address>>,
    /// Logs without subscribers, by when they were last published to.
    idle: BTreeMap<u64, Address>,
    logs: usize,
    epochs: u64,
    /// Counts publishes: the age of logs.
    turn: u64,
}

#[derive(Debug)]
struct Channel {
    log: Option<Log>,
    subscribers: BTreeMap<ConnectionId, Cursor>,
    /// The turn of the last publish.
    touched: u64,
}

/// Where one subscriber stands in a log.
#[derive(Debug)]
struct Cursor {
    sent: u64,
    acked: u64,
    window: u64,
    /// To be told at this position that the replay is over.
    live_at: Option<u64>,
    /// It has taken everything it could; the next publish wakes it.
    asleep: bool,
}

impl Hub {
    /// A hub without channels.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self {
            config,
            channels: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            idle: BTreeMap::new(),
            logs: 0,
            epochs: 0,
            turn: 0,
        }
    }

    /// A connection listens to a channel from here on: after the position `since` if everything
    /// after it is still kept, else after the last event. Gives what to answer; replayed and live
    /// events are then taken with [`Hub::next`].
    ///
    /// # Errors
    ///
    /// [`AlreadySubscribed`].
    pub fn subscribe(
        &mut self,
        who: ConnectionId,
        address: &Address,
        spec: &'static ChannelSpec,
        since: Option<&Position>,
        window: u32,
    ) -> Result<Done, AlreadySubscribed> {
        if self.by_connection.get(&who).is_some_and(|channels| channels.contains(address)) {
            return Err(AlreadySubscribed);
        }
        self.ensure(address, spec);
        self.by_connection.entry(who).or_default().insert(address.clone());
        let Some(channel) = self.channels.get_mut(address) else { return Ok(Done::default()) };
        if channel.log.is_some() {
            self.idle.remove(&channel.touched);
        }
        let (done, cursor) = channel.enter(since, window);
        channel.subscribers.insert(who, cursor);
        Ok(done)
    }

    /// A connection no longer listens; false when it did not.
    pub fn unsubscribe(&mut self, who: ConnectionId, address: &Address) -> bool {
        let Some(channels) = self.by_connection.get_mut(&who) else { return false };
        let was = channels.remove(address);
        if channels.is_empty() {
            self.by_connection.remove(&who);
        }
        if was {
            self.leave(who, address);
        }
        was
    }

    /// A connection is gone: nothing of it is left behind.
    pub fn disconnect(&mut self, who: ConnectionId) {
        for address in self.by_connection.remove(&who).unwrap_or_default() {
            self.leave(who, &address);
        }
    }

    /// Gives an event its place, and says who has to hear of it.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: the event is too large, or cannot be encoded. Nothing was changed.
    pub fn publish(
        &mut self,
        address: &Address,
        spec: &'static ChannelSpec,
        stamp: Stamp,
        event: &EncodedEvent,
    ) -> Result<Published, PublishError> {
        if spec.delivery == Delivery::BestEffort {
            return self.pass(address, stamp, event);
        }
        self.ensure(address, spec);
        self.turn += 1;
        let turn = self.turn;
        let max_frame = self.config.max_frame;
        let Some(channel) = self.channels.get_mut(address) else {
            return Err(PublishError::Stopped);
        };
        let Some(log) = &mut channel.log else { return Err(PublishError::Stopped) };
        if let Some(off) = log.find(&stamp) {
            let position = Some(log.position(off));
            return Ok(Published { position, duplicate: true, wake: Vec::new(), fan_out: None });
        }
        let off = log.append(address, stamp, event, max_frame)?;
        let position = Some(log.position(off));
        if channel.subscribers.is_empty() {
            self.idle.remove(&channel.touched);
            self.idle.insert(turn, address.clone());
        }
        channel.touched = turn;
        let ready = channel.subscribers.iter_mut().filter_map(|(who, cursor)| {
            (cursor.has_room() && std::mem::take(&mut cursor.asleep)).then_some(*who)
        });
        Ok(Published { position, duplicate: false, wake: ready.collect(), fan_out: None })
    }

    /// What a subscriber is to be sent now; `None` when there is nothing, or its window is full.
    pub fn next(&mut self, who: ConnectionId, address: &Address) -> Option<Outgoing> {
        let channel = self.channels.get_mut(address)?;
        let cursor = channel.subscribers.get_mut(&who)?;
        channel.log.as_ref()?.next(cursor)
    }

    /// A subscriber is done with the events up to a position; true when there is more for it.
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
        let Some(channel) = self.channels.get_mut(address) else { return Ok(false) };
        let Some(cursor) = channel.subscribers.get_mut(&who) else { return Ok(false) };
        if off > cursor.sent {
            return Err(Misplaced);
        }
        cursor.acked = cursor.acked.max(off);
        let head = channel.log.as_ref().map_or(0, Log::head);
        let more = cursor.has_room() && cursor.sent < head;
        cursor.asleep &= !more;
        Ok(more)
    }

    /// How many channels are known: those with subscribers, and those with history.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.by_connection.values().map(BTreeSet::len).sum()
    }

    /// How many events a channel keeps.
    #[must_use]
    pub fn kept(&self, address: &Address) -> usize {
        self.channels.get(address).and_then(|channel| channel.log.as_ref()).map_or(0, Log::len)
    }

    fn pass(
        &mut self,
        address: &Address,
        stamp: Stamp,
        event: &EncodedEvent,
    ) -> Result<Published, PublishError> {
        let mut head = Head::new(event.kind.clone(), stamp.id, stamp.ts);
        head.ch = Some(address.text().clone());
        let publication = sized(Publication::new(head, event)?, self.config.max_frame)?;
        let subscribers = self.channels.get(address).map(|channel| &channel.subscribers);
        let wake = subscribers.map(|all| all.keys().copied().collect()).unwrap_or_default();
        let fan_out = Some(Arc::new(publication));
        Ok(Published { position: None, duplicate: false, wake, fan_out })
    }

    /// Makes the channel, and its log if it has one, and keeps to the bound on logs.
    fn ensure(&mut self, address: &Address, spec: &'static ChannelSpec) {
        if self.channels.contains_key(address) {
            return;
        }
        let has_log = spec.delivery == Delivery::AtLeastOnce;
        let log = has_log.then(|| {
            self.epochs += 1;
            Log::new(format!("{:x}-{:x}", self.config.epoch_seed, self.epochs), spec.history)
        });
        if has_log {
            if self.logs >= self.config.max_logs
                && let Some((_, forgotten)) = self.idle.pop_first()
            {
                self.channels.remove(&forgotten);
                self.logs -= 1;
            }
            self.logs += 1;
            self.turn += 1;
            self.idle.insert(self.turn, address.clone());
        }
        let channel = Channel { log, subscribers: BTreeMap::new(), touched: self.turn };
        self.channels.insert(address.clone(), channel);
    }

    fn leave(&mut self, who: ConnectionId, address: &Address) {
        let Some(channel) = self.channels.get_mut(address) else { return };
        channel.subscribers.remove(&who);
        if !channel.subscribers.is_empty() {
            return;
        }
        if channel.log.as_ref().is_some_and(|log| log.head() > 0) {
            self.idle.insert(channel.touched, address.clone());
        } else {
            // Nothing was ever published: there is no history to keep.
            self.logs -= usize::from(channel.log.is_some());
            self.channels.remove(address);
        }
    }
}

impl Channel {
    fn enter(&self, since: Option<&Position>, window: u32) -> (Done, Cursor) {
        let Some(log) = &self.log else {
            return (Done::default(), Cursor::at(0, window, None));
        };
        let recovery = since.map(|since| log.can_recover(since).map(|()| since.off));
        let (from, live_at) = match recovery {
            Some(Ok(off)) => (off, Some(log.head())),
            Some(Err(_)) | None => (log.head(), None),
        };
        let done = Done {
            epoch: Some(log.epoch.clone()),
            off: Some(from),
            recovered: recovery.map(|recovery| recovery.is_ok()),
            reason: recovery.and_then(Result::err),
        };
        (done, Cursor::at(from, window, live_at))
    }
}

impl Cursor {
    fn at(off: u64, window: u32, live_at: Option<u64>) -> Self {
        Self { sent: off, acked: off, window: u64::from(window.max(1)), live_at, asleep: true }
    }

    fn has_room(&self) -> bool {
        self.sent - self.acked < self.window
    }
}

impl Log {
    fn next(&self, cursor: &mut Cursor) -> Option<Outgoing> {
        if let Some(off) = cursor.live_at.filter(|off| cursor.sent >= *off) {
            cursor.live_at = None;
            return Some(Outgoing::Live { off });
        }
        if cursor.sent >= self.head() || !cursor.has_room() {
            cursor.asleep = true;
            return None;
        }
        cursor.asleep = false;
        if cursor.sent < self.floor() {
            let (after, until) = (cursor.sent, self.floor());
            cursor.sent = until;
            return Some(Outgoing::Gap(Gap {
                reason: GapReason::Trimmed,
                after: Some(after),
                until: Some(until),
                dropped: None,
            }));
        }
        let event = Arc::clone(self.get(cursor.sent + 1)?);
        cursor.sent += 1;
        Some(Outgoing::Event(event))
    }
}

/// A publication that fits into a message.
fn sized(publication: Publication, limit: usize) -> Result<Publication, PublishError> {
    let bytes = publication.size();
    if bytes > limit { Err(PublishError::TooLarge { bytes, limit }) } else { Ok(publication) }
}
