//! Events of a log, taken many at a time: most subscribers take the same ones.

use super::{Channel, ChannelId, ConnectionId, Hub, Outgoing, log::Log};
use std::sync::Arc;
use ws_proto::{Address, Batch};

impl Hub {
    /// As [`Hub::next`], for up to `most` events that follow each other, as long as they are no
    /// more bytes than one message may be. Also says whether to ask again before the next word
    /// about this channel: false stands for the `None` that would follow.
    pub fn next_many(
        &mut self,
        who: ConnectionId,
        address: &Address,
        most: usize,
    ) -> Option<(Outgoing, bool)> {
        let max_bytes = self.config.max_frame;
        let channel = self.channel(who, address)?;
        let most = most.clamp(1, Batch::MAX) as u64;
        let mut taken = channel.taken.take();
        let both = channel.change(who, |cursor, log| {
            let take = |first, room: u64| take(log, first, room.min(most), max_bytes, &mut taken);
            let outgoing = cursor.next(log, take);
            (outgoing, cursor.doze(log))
        });
        channel.taken = taken;
        let (outgoing, is_asleep) = both?;
        if is_asleep {
            channel.sleeps(who);
        }
        outgoing.map(|outgoing| (outgoing, !is_asleep))
    }

    /// The address of a channel, in memory that all share who have to do with it; `None` where
    /// nobody has.
    #[must_use]
    pub fn shared(&self, channel: ChannelId) -> Option<&Address> {
        self.channels.get(channel).map(|channel| &channel.address)
    }

    /// Who is to be sent an event of a `best_effort` channel.
    pub fn listeners(&self, channel: ChannelId) -> impl Iterator<Item = ConnectionId> {
        let known = self.channels.get(channel);
        known.into_iter().flat_map(|channel| channel.subscribers.keys().copied())
    }

    /// Where a connection stands in each channel that it listens to: how many events of the log
    /// were not sent to it, and how many were and are not consumed; zero where there is no log.
    pub fn standings(&self, who: ConnectionId) -> impl Iterator<Item = (&Address, u64, u64)> {
        let own = self.by_connection.get(&who).into_iter().flatten();
        own.filter_map(move |id| {
            let channel = self.channels.get(*id)?;
            let (cursor, log) = (channel.subscribers.get(&who)?, channel.log.as_ref());
            let (behind, unconsumed) = log.map(|log| cursor.standing(log)).unwrap_or_default();
            Some((&channel.address, behind, unconsumed))
        })
    }
}

impl Channel {
    /// A subscriber has taken everything it could.
    pub(super) fn sleeps(&mut self, who: ConnectionId) {
        self.sleepers.insert(who);
        self.forget_taken();
    }

    /// What was taken last is kept for others only, and as long as there may be some.
    pub(super) fn forget_taken(&mut self) {
        if self.sleepers.len() >= self.subscribers.len() {
            self.taken = None;
        }
    }
}

/// Takes events from a log: those that another subscriber took if they are the ones.
fn take(
    log: &Log,
    first: u64,
    most: u64,
    max_bytes: usize,
    taken: &mut Option<(u64, Arc<Batch>)>,
) -> Option<(Outgoing, u64)> {
    if let Some((of, batch)) = taken.as_ref().filter(|(of, _)| *of == first) {
        let count = batch.events().len() as u64;
        debug_assert_eq!(batch.events().first().and_then(|event| event.head.off), Some(*of));
        if count <= most {
            return Some((Outgoing::Events(Arc::clone(batch)), count));
        }
    }
    let mut bytes = 0;
    let run = (first..first + most).map_while(|off| log.get(off)).take_while(|event| {
        bytes += event.size();
        bytes <= max_bytes
    });
    let events: Vec<_> = run.cloned().collect();
    let count = events.len() as u64;
    if count < 2 {
        // No event of a log is larger than a message may be.
        return Some((Outgoing::Event(Arc::clone(log.get(first)?)), 1));
    }
    let batch = Arc::new(Batch::new(events));
    *taken = Some((first, Arc::clone(&batch)));
    Some((Outgoing::Events(batch), count))
}
