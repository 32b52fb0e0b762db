//! The hubs of this node, and the way of an event from its publisher to the mailboxes.

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
    Address, AddressError, ChannelSpec, EncodedEvent, Fault, FaultCode, IdSource, MessageId,
    Position, frame::Done, serve::PublishError,
};

/// Channels are spread over this many hubs, so that publishers seldom wait for each other.
const SHARDS: usize = 16;

/// Every channel of this node.
pub(crate) struct Hubs {
    specs: &'static [ChannelSpec],
    clock: Clock,
    shards: Vec<Mutex<Shard>>,
}

struct Shard {
    hub: Hub,
    ids: IdSource,
    mailboxes: HashMap<ConnectionId, Arc<Mailbox>>,
}

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
            })
        };
        Self { specs, clock: Clock::start(), shards: (0..SHARDS as u64).map(shard).collect() }
    }

    /// Publishes an event of this server.
    pub(crate) fn publish(
        &self,
        address: &Address,
        event: &EncodedEvent,
    ) -> Result<Option<Position>, PublishError> {
        self.publish_as(address, event, None)
    }

    /// Publishes an event, for a client if it came from one.
    pub(crate) fn publish_as(
        &self,
        address: &Address,
        event: &EncodedEvent,
        from: Option<FromClient>,
    ) -> Result<Option<Position>, PublishError> {
        let spec = self.spec(address).ok_or(AddressError::UnknownKind)?;
        let ts = Clock::wall_ms();
        let mut shard = self.shard(address);
        let (id, key) = match from {
            Some(from) => (from.id, from.key),
            None => (shard.ids.next(ts), None),
        };
        let published = shard.hub.publish(address, spec, Stamp { id, ts, key }, event)?;
        // Still under the lock, so that every subscriber sees the same order.
        for who in &published.wake {
            let Some(mailbox) = shard.mailboxes.get(who) else { continue };
            match &published.fan_out {
                Some(event) => mailbox.pass(address, event),
                None => mailbox.tell_news(address),
            }
        }
        Ok(published.position)
    }

    /// Bytes that the log of one channel may cost at most.
    pub(crate) fn worst_case_log(&self, max_frame: usize) -> usize {
        self.specs.iter().map(|spec| spec.worst_case_log(max_frame)).max().unwrap_or_default()
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

    /// What a subscriber is to be sent now.
    pub(crate) fn next(&self, who: ConnectionId, address: &Address) -> Option<Outgoing> {
        self.shard(address).hub.next(who, address)
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

    pub(crate) fn disconnect(&self, who: ConnectionId) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            if shard.mailboxes.remove(&who).is_some() {
                shard.hub.disconnect(who);
            }
        }
    }

    fn shard(&self, address: &Address) -> MutexGuard<'_, Shard> {
        let mut hasher = DefaultHasher::new();
        address.hash(&mut hasher);
        // The remainder is below `SHARDS`.
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or_default();
        let mut shard = lock(&self.shards[index]);
        shard.hub.advance(self.clock.now().since_start());
        shard
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // The hub is never left half changed: no code of the application runs under this lock.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
