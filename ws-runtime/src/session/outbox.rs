//! What waits to be sent, and what was sent and is not acknowledged
//! (`docs/protocol.md`, section 6).
//!
//! One queue for everything but the urgent frames, so that the answer to a subscribe precedes its
//! events and nothing of a channel follows its barrier. A place in the session stream is given when
//! a frame leaves, so that a request whose time ran out while it waited leaves no hole.

mod dropping;
mod figures;
mod kept;
#[cfg(test)]
mod tests;
mod withheld;

use super::{
    command::{CallId, Delivery},
    line::Line,
};
use bytestring::ByteString;
use kept::Kept;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};
use ws_proto::{
    Address, Envelope, Format, Frame, Limits, Publication,
    frame::{Gap, GapReason},
};

/// Events of any kind that wait for one connection before no more are taken from the logs.
const DELIVERIES: usize = 64;
/// A header's share of a message's size, roughly: bounds need no exact figure.
const HEAD_SIZE: usize = 160;

#[derive(Debug)]
pub(super) struct Outbox {
    queue: Line<Queued>,
    queued_frames: usize,
    deliveries: usize,
    passing: usize,
    passing_bytes: usize,
    /// Best-effort events that were dropped and not yet spoken of, by channel.
    dropped: BTreeMap<Address, u64>,
    /// The events behind [`Queued::Latest`]: there is one for each.
    latest: BTreeMap<(Address, ByteString), Arc<Publication>>,
    sent: Kept,
    /// How many of `sent` were sent on this connection; the rest is to be sent again.
    replayed: usize,
    last_seq: u64,
    /// Channels whose snapshots wait for a decision.
    withheld: BTreeSet<Address>,
    /// Bytes of queued and sent frames together.
    bytes: usize,
    /// A frame was left out: nobody can go on from here.
    is_broken: bool,
    frames_max: usize,
    bytes_max: usize,
    passing_bytes_max: usize,
}

#[derive(Debug)]
pub(super) enum Queued {
    Frame(Box<Envelope>, Option<CallId>),
    Delivery(Address, Delivery),
    /// The place of a best-effort event; what stands in it is the newest that says the same thing.
    Latest(Address, ByteString),
}

/// What leaves next.
#[derive(Debug)]
pub(super) enum Next {
    /// A frame whose place is not yet given: take it with [`Outbox::place`] or drop it.
    Frame(Box<Envelope>, Option<CallId>),
    /// A frame that was sent before, on a lost connection; `None` when what is kept of it is no
    /// message, which the peer has refused and will refuse.
    Again(Option<Box<Envelope>>),
    /// An event, or what is to be said about events.
    Delivery(Address, Delivery),
}

impl Outbox {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            queue: Line::default(),
            queued_frames: 0,
            deliveries: 0,
            passing: 0,
            passing_bytes: 0,
            dropped: BTreeMap::new(),
            latest: BTreeMap::new(),
            sent: Kept::default(),
            replayed: 0,
            last_seq: 0,
            withheld: BTreeSet::new(),
            bytes: 0,
            is_broken: false,
            frames_max: limits.outbox_frames,
            bytes_max: limits.outbox_bytes,
            passing_bytes_max: limits.write_buffer,
        }
    }

    /// Gives back memory of the queue that nothing uses, but for so many frames.
    pub(super) fn rest_queue(&mut self, kept: usize) {
        self.queue.rest(kept);
    }

    /// Exchanges the memory of the queue, where nothing uses it.
    pub(super) fn exchange_queue(&mut self, queue: &mut Line<Queued>) {
        self.queue.exchange(queue);
    }

    /// The same for what is kept until it is acknowledged.
    pub(super) fn rest(&mut self, kept: usize) {
        self.sent.rest(kept);
    }

    /// Whether the application may send more.
    pub(super) fn has_room(&self) -> bool {
        self.queued_frames + self.sent.len() < self.frames_max && self.bytes < self.bytes_max
    }

    /// Whether the peer acknowledges so little that even refusals no longer fit.
    pub(super) fn is_flooded(&self) -> bool {
        self.queued_frames + self.sent.len() >= 2 * self.frames_max
            || self.bytes >= 2 * self.bytes_max
    }

    /// Whether more events may be taken from the logs.
    pub(super) fn wants_deliveries(&self) -> bool {
        self.delivery_room() > 0
    }

    /// How many more events may be taken from the logs.
    pub(super) fn delivery_room(&self) -> usize {
        DELIVERIES.saturating_sub(self.deliveries)
    }

    pub(super) fn push(&mut self, envelope: Envelope, call: Option<CallId>) {
        self.push_boxed(Box::new(envelope), call);
    }

    pub(super) fn push_boxed(&mut self, envelope: Box<Envelope>, call: Option<CallId>) {
        self.queued_frames += 1;
        self.bytes += size_of(&envelope);
        self.queue.push_back(Queued::Frame(envelope, call));
    }

    pub(super) fn deliver(&mut self, address: Address, delivery: Delivery) {
        if let Some((count, bytes)) = delivery.passing() {
            self.passing_bytes += bytes;
            if let Delivery::Passing(event) = &delivery
                && let Some(key) = event.latest().cloned()
            {
                return self.deliver_latest(address, key, Arc::clone(event));
            }
            self.passing += count;
        }
        self.deliveries += delivery.messages();
        self.queue.push_back(Queued::Delivery(address, delivery));
        self.drop_passing();
    }

    /// An event takes the place of an older one that waits, or a new one. Its bytes are counted.
    fn deliver_latest(&mut self, address: Address, key: ByteString, event: Arc<Publication>) {
        if let Some(older) = self.latest.insert((address.clone(), key.clone()), event) {
            self.passing_bytes -= older.size();
            *self.dropped.entry(address).or_default() += 1;
        } else {
            self.passing += 1;
            self.deliveries += 1;
            self.queue.push_back(Queued::Latest(address, key));
        }
        self.drop_passing();
    }

    /// What leaves next; the caller decides whether it really does.
    pub(super) fn next(&mut self) -> Option<Next> {
        if self.is_withheld() {
            return None;
        }
        if self.replayed < self.sent.len() {
            let again = self.sent.get(self.replayed).map(Box::new);
            self.replayed += 1;
            return Some(Next::Again(again));
        }
        let next = if self.is_held() { self.passing_frame()? } else { 0 };
        let Some(queued) = self.queue.remove(next) else {
            // Loss is said also when nothing of that channel follows.
            let (address, dropped) = self.dropped.pop_first()?;
            return Some(Next::Delivery(address, Delivery::Gap(slow(dropped))));
        };
        match queued {
            Queued::Frame(envelope, call) => {
                self.queued_frames -= 1;
                self.bytes -= size_of(&envelope);
                Some(Next::Frame(envelope, call))
            }
            Queued::Delivery(ref address, _) | Queued::Latest(ref address, _) => {
                if let Some(dropped) = self.dropped.remove(address) {
                    let address = address.clone();
                    self.queue.push_front(queued);
                    return Some(Next::Delivery(address, Delivery::Gap(slow(dropped))));
                }
                let (address, delivery) = self.take_delivery(queued)?;
                Some(Next::Delivery(address, delivery))
            }
        }
    }

    /// The frame that is to leave next, if that is one of a new session.
    pub(super) fn first(&self) -> Option<&Envelope> {
        match self.queue.front() {
            Some(Queued::Frame(envelope, _)) => Some(envelope),
            _ => None,
        }
    }

    /// The place of the last frame that left.
    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Whether everything left.
    pub(super) fn is_empty(&self) -> bool {
        self.replayed >= self.sent.len() && self.queue.is_empty() && self.dropped.is_empty()
    }

    /// Whether anything may leave now.
    pub(super) fn has_next(&self) -> bool {
        let is_held = self.is_held() && self.passing_frame().is_none();
        self.replayed < self.sent.len() || (!self.is_empty() && !is_held)
    }

    /// Gives a frame its place: it is to be kept next, as it leaves.
    pub(super) fn place(&mut self, envelope: &mut Envelope) {
        self.last_seq += 1;
        envelope.head.seq = Some(self.last_seq);
    }

    /// Keeps a message until it is acknowledged. It leaves now.
    pub(super) fn keep(&mut self, message: &[u8], format: Format) {
        self.bytes += message.len();
        self.sent.push(message, format);
        self.replayed = self.sent.len();
    }

    /// The peer has everything up to `seq`; false when that was never sent.
    pub(super) fn acked(&mut self, seq: u64) -> bool {
        if seq > self.last_seq {
            return false;
        }
        // Places rise by one.
        let rest = usize::try_from(self.last_seq - seq).unwrap_or(usize::MAX);
        let count = self.sent.len().saturating_sub(rest);
        self.bytes -= self.sent.bytes();
        self.sent.forget(count);
        self.bytes += self.sent.bytes();
        self.replayed = self.replayed.saturating_sub(count);
        true
    }

    /// A frame finds no room and is left out: what follows it is not what the peer must get.
    pub(super) fn give_up(&mut self) {
        self.is_broken = true;
    }

    /// Whether everything after `seq` is still kept.
    pub(super) fn can_replay_after(&self, seq: u64) -> bool {
        if self.is_broken {
            return false;
        }
        let before_first = self.last_seq - self.sent.len() as u64;
        (before_first..=self.last_seq).contains(&seq)
    }

    /// The connection was lost: what was not acknowledged is sent again if the session resumes.
    /// Events of logs are taken from there again. Those of best-effort channels are gone: nothing
    /// of a channel is sent before it was authorized again, and the client takes some for missed.
    pub(super) fn rewind(&mut self) {
        self.replayed = 0;
        self.withheld.clear();
        self.dropped.clear();
        self.retain(|queued| matches!(queued, Queued::Frame(..)));
    }

    /// The session is lost: what was sent is gone, and of what waits only calls still mean
    /// anything to a new session.
    pub(super) fn restart(&mut self) {
        self.sent.clear();
        self.replayed = 0;
        self.last_seq = 0;
        self.is_broken = false;
        self.retain(|queued| matches!(queued, Queued::Frame(_, Some(_))));
    }

    /// Takes a call that has not left out of the queue; false when it has.
    pub(super) fn withdraw(&mut self, call: CallId) -> bool {
        let before = self.queue.len();
        self.retain(|queued| !matches!(queued, Queued::Frame(_, Some(other)) if *other == call));
        self.queue.len() < before
    }

    /// Drops what is queued for a subscription that has ended.
    pub(super) fn forget_channel(&mut self, address: &Address) {
        self.dropped.remove(address);
        self.withdraw_withheld(address);
        self.retain(|queued| {
            !matches!(queued, Queued::Delivery(other, _) | Queued::Latest(other, _)
                if other == address)
        });
    }

    /// Credit that is queued becomes more; false when none is.
    pub(super) fn add_credit(&mut self, call: CallId, more: u32) -> bool {
        for queued in self.queue.iter_mut() {
            if let Queued::Frame(envelope, Some(other)) = queued
                && *other == call
                && let Frame::Credit(credit) = &mut envelope.frame
            {
                credit.n = credit.n.saturating_add(more);
                return true;
            }
        }
        false
    }

    /// The first frame that does not wait for acknowledgements: a request acknowledged when handled
    /// may end, and so be acknowledged, only by it. Nothing grows: it was queued below twice the
    /// bound, like every frame.
    fn passing_frame(&self) -> Option<usize> {
        self.queue.iter().position(|queued| match queued {
            Queued::Frame(envelope, _) => {
                matches!(envelope.frame, Frame::Credit(_) | Frame::Cancel)
            }
            Queued::Delivery(..) | Queued::Latest(..) => false,
        })
    }

    /// Whether the next frame waits until the peer acknowledges some that were sent.
    fn is_held(&self) -> bool {
        let is_frame = matches!(self.queue.front(), Some(Queued::Frame(..)));
        is_frame && self.sent.len() >= self.frames_max
    }

    fn retain(&mut self, keep: impl Fn(&Queued) -> bool) {
        self.queue.retain(keep);
        self.queued_frames = 0;
        self.deliveries = 0;
        self.passing = 0;
        self.passing_bytes = 0;
        self.bytes = self.sent.bytes();
        let mut latest = mem::take(&mut self.latest);
        for queued in self.queue.iter() {
            match queued {
                Queued::Frame(envelope, _) => {
                    self.queued_frames += 1;
                    self.bytes += size_of(envelope);
                }
                Queued::Delivery(_, delivery) => {
                    self.deliveries += delivery.messages();
                    if let Some((count, bytes)) = delivery.passing() {
                        self.passing += count;
                        self.passing_bytes += bytes;
                    }
                }
                Queued::Latest(address, key) => {
                    if let Some((place, event)) =
                        latest.remove_entry(&(address.clone(), key.clone()))
                    {
                        self.deliveries += 1;
                        self.passing += 1;
                        self.passing_bytes += event.size();
                        self.latest.insert(place, event);
                    }
                }
            }
        }
    }

    /// What is to be delivered of something that was taken out of the queue.
    fn take_delivery(&mut self, queued: Queued) -> Option<(Address, Delivery)> {
        let (address, delivery) = match queued {
            Queued::Frame(..) => return None,
            Queued::Delivery(address, delivery) => (address, delivery),
            Queued::Latest(address, key) => {
                let ((address, _), event) = self.latest.remove_entry(&(address, key))?;
                (address, Delivery::Passing(event))
            }
        };
        self.deliveries -= delivery.messages();
        if let Some((count, bytes)) = delivery.passing() {
            self.passing -= count;
            self.passing_bytes -= bytes;
        }
        Some((address, delivery))
    }
}

impl Queued {
    /// A best-effort event.
    fn is_passing(&self) -> bool {
        match self {
            Self::Frame(..) => false,
            Self::Latest(..) => true,
            Self::Delivery(_, delivery) => delivery.passing().is_some(),
        }
    }
}

fn slow(dropped: u64) -> Gap {
    Gap { reason: GapReason::Slow, after: None, until: None, dropped: Some(dropped) }
}

fn size_of(envelope: &Envelope) -> usize {
    HEAD_SIZE
        + match &envelope.frame {
            Frame::Message(raw) | Frame::Unknown(raw) => raw.bytes().len(),
            _ => 0,
        }
}
