//! The hubs of this node, and the way of an event from its publisher to the mailboxes.

#[cfg(test)]
mod tests;

use super::mailbox::Mailbox;
use crate::{
    driver::Clock,
    hub::{ChannelId, ConnectionId, Hub, HubConfig, Outgoing, Stamp, SubscribeError},
};
use bytestring::ByteString;
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, BuildHasherDefault, Hasher},
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};
use tokio::runtime::Handle;
use ws_proto::{
    Address, AddressError, Batch, ChannelSpec, EncodedEvent, Fault, FaultCode, IdSource, MessageId,
    Position, Publication, frame::Done, serve::PublishError,
};

/// Channels are spread over this many hubs, so that publishers seldom wait for each other.
const SHARDS: usize = 16;
/// Batches of best-effort events that one of them keeps before they are sent off.
const UNSENT: usize = 32;

thread_local! {
    /// Its place names the thread.
    static HERE: u8 = const { 0 };
}

/// Every channel of this node.
pub(crate) struct Hubs {
    specs: &'static [ChannelSpec],
    max_frame: usize,
    clock: Clock,
    shards: Vec<Mutex<Shard>>,
    /// Shards with events that a [`Post`] is to send off: a bit for each.
    due: AtomicU32,
    /// The thread whose `Post` was made last.
    posted: AtomicUsize,
}

/// Sends off what is due when it is dropped: whoever made it has let others have the thread, or its
/// runtime ends.
struct Post(Arc<Hubs>);

struct Shard {
    hub: Hub,
    ids: IdSource,
    mailboxes: HashMap<ConnectionId, Arc<Mailbox>, BuildHasherDefault<Spread>>,
    /// Best-effort events that their publishers did not send off so far, in their order.
    unsent: Vec<Unsent>,
    /// Who has not been told so far that a log has events for it.
    untold: Vec<(ChannelId, Vec<ConnectionId>)>,
}

/// Events of one channel that leave together: no more bytes than one message may have.
struct Unsent {
    channel: ChannelId,
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
            // Not of the source of the epochs, which clients are told.
            let address_seed = RandomState::new().hash_one(seed);
            let max_logs = max_logs.div_ceil(SHARDS);
            let config = HubConfig { epoch_seed, address_seed, max_logs, max_frame };
            Mutex::new(Shard {
                hub: Hub::new(config),
                ids: IdSource::new(fastrand::u64(..)),
                mailboxes: HashMap::default(),
                unsent: Vec::new(),
                untold: Vec::new(),
            })
        };
        Self {
            specs,
            max_frame,
            clock: Clock::start(),
            shards: (0..SHARDS as u64).map(shard).collect(),
            due: AtomicU32::new(0),
            posted: AtomicUsize::new(0),
        }
    }

    /// Publishes an event of this server. It leaves together with what else the task publishes
    /// before it lets others have the thread; outside a runtime it leaves at once.
    pub(crate) fn publish(
        self: &Arc<Self>,
        address: &Address,
        event: &EncodedEvent,
    ) -> Result<Option<Position>, PublishError> {
        let mut held = Held::default();
        let published = self.publish_as(address, event, None, &mut held);
        self.post(held);
        published
    }

    /// Publishes an event, for a client if it came from one. Nobody may hear of it until
    /// [`Hubs::send_off`]: whoever publishes many visits each subscriber once for all.
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
        // What nobody has to do with goes nowhere.
        let Some(channel) = published.channel else { return Ok(published.position) };
        if !published.wake.is_empty() {
            shard.untold.push((channel, published.wake));
            held.0 |= 1 << index;
        }
        if let Some(event) = published.fan_out {
            shard.hold(channel, event, self.max_frame);
            held.0 |= 1 << index;
        }
        Ok(published.position)
    }

    /// Sends off what was published with `held`: before whoever published it lets anybody else
    /// have the thread.
    pub(crate) fn send_off(&self, held: &mut Held) {
        while *held != Held::default() {
            let index = held.0.trailing_zeros();
            held.0 &= !(1 << index);
            lock(&self.shards[index as usize]).send_off();
        }
    }

    /// Sends off what was published with `held` as soon as the task that runs lets others have the
    /// thread.
    fn post(self: &Arc<Self>, held: Held) {
        if held == Held::default() {
            return;
        }
        let here = HERE.with(|here| ptr::from_ref(here).addr());
        // One that was made on another thread may have to wait for what runs there.
        let is_own = self.posted.swap(here, Ordering::AcqRel) == here;
        if self.due.fetch_or(held.0, Ordering::AcqRel) != 0 && is_own {
            return;
        }
        let post = Post(Arc::clone(self));
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { drop(post) });
        }
    }

    /// Bytes that the log of one channel may cost at most.
    pub(crate) fn worst_case_log(&self, max_frame: usize) -> usize {
        let logs = self.specs.iter().map(|spec| spec.worst_case_log(max_frame));
        // It holds what a subscriber was not sent, and its subscribers share what one of them took
        // last, though the log may forget it: events and their frames, in both formats.
        let besides = Hub::worst_case_held(max_frame).saturating_add(4 * max_frame);
        let with_batch = |log: usize| log.saturating_add(besides);
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

impl Drop for Post {
    fn drop(&mut self) {
        let mut held = Held(self.0.due.swap(0, Ordering::AcqRel));
        self.0.send_off(&mut held);
    }
}

impl Shard {
    /// Keeps an event for [`Shard::send_off`].
    fn hold(&mut self, channel: ChannelId, event: Arc<Publication>, max_bytes: usize) {
        let bytes = event.size();
        // Only within a channel there is an order.
        let last = self.unsent.iter_mut().rfind(|unsent| unsent.channel == channel);
        if let Some(last) = last
            && last.events.len() < Batch::MAX
            && last.bytes + bytes <= max_bytes
        {
            last.bytes += bytes;
            return last.events.push(event);
        }
        if self.unsent.len() >= UNSENT {
            self.send_off();
        }
        self.unsent.push(Unsent { channel, events: vec![event], bytes });
    }

    /// Still under the lock, so that every subscriber sees the same order.
    fn send_off(&mut self) {
        for (channel, told) in self.untold.drain(..) {
            let Some(address) = self.hub.shared(channel) else { continue };
            let mailboxes = told.iter().filter_map(|who| self.mailboxes.get(who));
            mailboxes.for_each(|mailbox| mailbox.tell_news(address));
        }
        for Unsent { channel, mut events, .. } in self.unsent.drain(..) {
            let Some(address) = self.hub.shared(channel) else { continue };
            let mailboxes = self.hub.listeners(channel).filter_map(|who| self.mailboxes.get(&who));
            let is_batch = events.len() > 1 && events.iter().all(|it| it.latest().is_none());
            if is_batch {
                let batch = Arc::new(Batch::new(events));
                mailboxes.for_each(|mailbox| mailbox.pass_batch(address, &batch));
            } else {
                let replaced = replace_older(&mut events);
                mailboxes.for_each(|mailbox| mailbox.pass(address, &events, replaced));
            }
        }
    }
}

/// Leaves of the events that say the same the newest, in the place of the oldest; gives how many
/// are gone.
fn replace_older(events: &mut Vec<Arc<Publication>>) -> u64 {
    let before = events.len();
    if before < 2 {
        return 0;
    }
    let mut places = HashMap::new();
    let mut newest: Vec<Arc<Publication>> = Vec::with_capacity(before);
    for event in events.drain(..) {
        let end = newest.len();
        let place = event.latest().map(|key| *places.entry(key.clone()).or_insert(end));
        match place.and_then(|place| newest.get_mut(place)) {
            Some(older) => *older = event,
            None => newest.push(event),
        }
    }
    *events = newest;
    (before - events.len()) as u64
}

/// Spreads connections, which this server counts, over a table, and channels over the shards: each
/// subscriber of each event is looked up, and a hash that nobody can foretell costs as much as the
/// rest of it. Who chooses addresses for one shard gains a lock that is busier, and no more.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio: what follows each other lands far apart, also in the highest bits.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn index_of(address: &Address) -> usize {
    let mut hasher = Spread::default();
    hasher.write(address.as_str().as_bytes());
    // The highest bits depend on every byte; the remainder is below `SHARDS`.
    usize::try_from((hasher.finish() >> 32) % SHARDS as u64).unwrap_or_default()
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // The hub is never left half changed: no code of the application runs under this lock.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
