//! The hubs of this node, and the way of an event from its publisher to the mailboxes.

#[cfg(test)]
mod tests;

use super::mailbox::Mailbox;
use crate::{
    driver::Clock,
    hub::{ConnectionId, Hub, HubConfig, Outgoing, Stamp, SubscribeError},
};
use bytestring::ByteString;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use ws_proto::{
    Address, AddressError, Batch, ChannelSpec, EncodedEvent, Fault, FaultCode, IdSource, MessageId,
    Position, Publication, frame::Done, serve::PublishError,
};

/// Channels are spread over this many hubs, so that publishers seldom wait for each other.
const SHARDS: usize = 16;
/// Batches of best-effort events that one of them keeps before they are sent off.
const UNSENT: usize = 32;

/// Every channel of this node.
pub(crate) struct Hubs {
    specs: &'static [ChannelSpec],
    max_frame: usize,
    clock: Clock,
    shards: Vec<Mutex<Shard>>,
}

struct Shard {
    hub: Hub,
    ids: IdSource,
    mailboxes: HashMap<ConnectionId, Arc<Mailbox>>,
    /// Best-effort events that their publishers did not send off so far, in their order.
    unsent: Vec<Unsent>,
}

/// Events of one channel that leave together: no more bytes than one message may have.
struct Unsent {
    address: Address,
    events: Vec<Arc<Publication>>,
    bytes: usize,
}

/// Says which events of a publisher are not sent off: see [`Hubs::send_off`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held(u32);

/// What a client's publish brings along.
#[derive(Debug)]
pub(crate) struct FromClient {
    pub(crate) id: MessageId,
    pub(crate) key: Option<ByteString>,
}

impl Hubs {
    pub(crate) fn new(specs: &'static [ChannelSpec], max_frame: usize, max_logs: usize) -> Self {
        let shard = |seed: u64| {
            let epoch_seed = fastrand::u64(..) ^ seed;
            let config = HubConfig { epoch_seed, max_logs: max_logs.div_ceil(SHARDS), max_frame };
            Mutex::new(Shard {
                hub: Hub::new(config),
                ids: IdSource::new(fastrand::u64(..)),
                mailboxes: HashMap::new(),
                unsent: Vec::new(),
            })
        };
        Self {
            specs,
            max_frame,
            clock: Clock::start(),
            shards: (0..SHARDS as u64).map(shard).collect(),
        }
    }

    /// Publishes an event of this server.
    pub(crate) fn publish(
        &self,
        address: &Address,
        event: &EncodedEvent,
    ) -> Result<Option<Position>, PublishError> {
        let mut held = Held::default();
        let published = self.publish_as(address, event, None, &mut held);
        self.send_off(&mut held);
        published
    }

    /// Publishes an event, for a client if it came from one. A best-effort event may stay here
    /// until [`Hubs::send_off`]: whoever publishes many visits each subscriber once for all.
    pub(crate) fn publish_as(
        &self,
        address: &Address,
        event: &EncodedEvent,
        from: Option<FromClient>,
        held: &mut Held,
    ) -> Result<Option<Position>, PublishError> {
        let spec = self.spec(address).ok_or(AddressError::UnknownKind)?;
        let ts = Clock::wall_ms();
        let index = index_of(address);
        let mut shard = self.shard_at(index);
        let (id, key) = match from {
            Some(from) => (from.id, from.key),
            None => (shard.ids.next(ts), None),
        };
        let published = shard.hub.publish(address, spec, Stamp { id, ts, key }, event)?;
        // Still under the lock, so that every subscriber sees the same order.
        for who in &published.wake {
            if let Some(mailbox) = shard.mailboxes.get(who) {
                mailbox.tell_news(address);
            }
        }
        if let Some(event) = published.fan_out {
            shard.hold(address, event, self.max_frame);
            held.0 |= 1 << index;
        }
        Ok(published.position)
    }

    /// Sends off the best-effort events that were published with `held`: before whoever published
    /// them lets anybody else have the thread.
    pub(crate) fn send_off(&self, held: &mut Held) {
        // As it is in almost every turn of a driver.
        if held.0 == 0 {
            return;
        }
        for index in 0..SHARDS {
            if held.0 & 1 << index != 0 {
                lock(&self.shards[index]).send_off();
            }
        }
        *held = Held::default();
    }

    /// Bytes that the log of one channel may cost at most.
    pub(crate) fn worst_case_log(&self, max_frame: usize) -> usize {
        let logs = self.specs.iter().map(|spec| spec.worst_case_log(max_frame));
        // Its subscribers share what one of them took last, though the log may forget it: events
        // and their frames, in both formats.
        let with_batch = |log: usize| log.saturating_add(4 * max_frame);
        logs.filter(|log| *log > 0).map(with_batch).max().unwrap_or_default()
    }

    pub(crate) fn spec(&self, address: &Address) -> Option<&'static ChannelSpec> {
        self.specs.iter().find(|spec| spec.kind == address.kind())
    }

    pub(crate) fn subscribe(
        &self,
        who: ConnectionId,
        mailbox: &Arc<Mailbox>,
        address: &Address,
        since: Option<&Position>,
        window: u32,
    ) -> Result<Done, Fault> {
        let spec = self.spec(address).ok_or_else(|| Fault::not_found("no such channel"))?;
        let mut shard = self.shard(address);
        // What was published before is not for this one.
        shard.send_off();
        let entered = shard.hub.subscribe(who, address, spec, since, window);
        let done = entered.map_err(|error| match error {
            SubscribeError::AlreadySubscribed => Fault::invalid(error.to_string()),
            SubscribeError::Full => Fault::new(FaultCode::Overloaded, error.to_string()),
        })?;
        shard.mailboxes.insert(who, Arc::clone(mailbox));
        Ok(done)
    }

    /// A connection no longer listens; false when it did not.
    pub(crate) fn unsubscribe(&self, who: ConnectionId, address: &Address) -> bool {
        self.shard(address).hub.unsubscribe(who, address)
    }

    /// What a subscriber is to be sent now, and whether to ask again: see [`Hub::next_many`].
    pub(crate) fn next_many(
        &self,
        who: ConnectionId,
        address: &Address,
        most: usize,
    ) -> Option<(Outgoing, bool)> {
        self.shard(address).hub.next_many(who, address, most)
    }

    /// A subscriber goes on over another connection.
    pub(crate) fn rewind(&self, who: ConnectionId, address: &Address) {
        self.shard(address).hub.rewind(who, address);
    }

    /// A subscriber goes on after the last event, whose position this gives.
    pub(crate) fn leap(&self, who: ConnectionId, address: &Address) -> Option<u64> {
        self.shard(address).hub.leap(who, address)
    }

    /// A subscriber has consumed events; true when there may be more for it.
    pub(crate) fn consumed(&self, who: ConnectionId, address: &Address, off: u64) -> bool {
        // The session has checked that this was sent.
        self.shard(address).hub.consumed(who, address, off).unwrap_or(false)
    }

    /// A connection is gone; what it published is not.
    pub(crate) fn disconnect(&self, who: ConnectionId) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.send_off();
            if shard.mailboxes.remove(&who).is_some() {
                shard.hub.disconnect(who);
            }
        }
    }

    /// See [`Hub::standings`].
    #[cfg(feature = "inspect")]
    pub(super) fn standings(&self, who: ConnectionId) -> Vec<(Address, u64, u64)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let standings = shard.hub.standings(who);
            all.extend(standings.map(|(address, behind, out)| (address.clone(), behind, out)));
        }
        all
    }

    fn shard(&self, address: &Address) -> MutexGuard<'_, Shard> {
        self.shard_at(index_of(address))
    }

    fn shard_at(&self, index: usize) -> MutexGuard<'_, Shard> {
        let mut shard = lock(&self.shards[index]);
        shard.hub.advance(self.clock.now().since_start());
        shard
    }
}

impl Shard {
    /// Keeps an event for [`Shard::send_off`].
    fn hold(&mut self, address: &Address, event: Arc<Publication>, max_bytes: usize) {
        let bytes = event.size();
        // What one replaces is looked for event by event.
        let is_single = event.latest().is_some();
        if let Some(last) = self.unsent.last_mut()
            && last.address == *address
            && last.events.len() < Batch::MAX
            && last.bytes + bytes <= max_bytes
            && !is_single
        {
            last.bytes += bytes;
            return last.events.push(event);
        }
        if self.unsent.len() >= UNSENT {
            self.send_off();
        }
        self.unsent.push(Unsent { address: address.clone(), events: vec![event], bytes });
    }

    /// Still under the lock, so that every subscriber sees the same order.
    fn send_off(&mut self) {
        for Unsent { address, mut events, .. } in self.unsent.drain(..) {
            let mailboxes = self.hub.listeners(&address).filter_map(|who| self.mailboxes.get(&who));
            if events.len() > 1 {
                let batch = Arc::new(Batch::new(events));
                mailboxes.for_each(|mailbox| mailbox.pass_batch(&address, &batch));
            } else if let Some(event) = events.pop() {
                mailboxes.for_each(|mailbox| mailbox.pass(&address, &event));
            }
        }
    }
}

fn index_of(address: &Address) -> usize {
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    // The remainder is below `SHARDS`.
    usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default()
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // The hub is never left half changed: no code of the application runs under this lock.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
