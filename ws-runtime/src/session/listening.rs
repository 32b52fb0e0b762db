//! The client's subscriptions: what is asked for, where each stands in its channel, and what was
//! consumed (`docs/protocol.md`, section 8).

use super::{
    Session, Side, Time,
    command::Misuse,
    event::{Delivered, Event},
    fault::PeerFault,
    receive::channel,
};
use std::{collections::BTreeMap, time::Duration};
use ws_proto::{
    Address, Fault, Frame, Head, MessageId, Position, Raw,
    frame::{Done, Gap, GapReason, Subscribe, Unsubscribed},
};

/// A bare `$ack` of consumed events follows after this long ..
const ACK_DELAY: Duration = Duration::from_millis(250);
/// .. or this many events of a channel, whichever is first.
const ACK_EVENTS: u64 = 16;
/// Bytes of one channel's place in an `$ack`, besides its address.
const ENTRY_SIZE: usize = 24;
/// Bytes that an `$ack` leaves free: its header, and one more channel.
const MAX_ENTRY: usize = 768;
/// Nobody knows what of a best-effort channel was lost with a connection.
const MISSED: Gap = Gap { reason: GapReason::Slow, after: None, until: None, dropped: None };

#[derive(Debug, Default)]
pub(super) struct Listening {
    by_address: BTreeMap<Address, Subscription>,
    /// Consumed and not yet told.
    consumed: BTreeMap<Address, u64>,
    ack_due: Option<Time>,
    ack_now: bool,
}

#[derive(Debug)]
struct Subscription {
    stage: Stage,
    /// The last event taken; `None` on a channel without positions, and before the first answer.
    at: Option<Position>,
    told: u64,
    /// The last `$sub`.
    sub: Option<MessageId>,
    /// The snapshot that came before the answer to it.
    snapshot: Option<Raw>,
    /// A connection was lost before the answer came: events that followed it may have been, too.
    has_missed: bool,
}

#[derive(Debug)]
enum Stage {
    /// To be asked for on the next connection.
    Wanted,
    /// `$sub` is out.
    Asking(MessageId),
    Live,
    /// `$unsub` is out; with `again`, to be asked for anew behind the barrier.
    Leaving {
        id: MessageId,
        again: bool,
    },
}

impl Session {
    pub(super) fn subscribe(
        &mut self,
        address: &Address,
        since: Option<Position>,
    ) -> Result<(), Misuse> {
        self.expect_side(Side::Client)?;
        if let Some(subscription) = self.listening.by_address.get_mut(address) {
            return match &mut subscription.stage {
                Stage::Leaving { again, .. } if !*again => {
                    *again = true;
                    subscription.at = since;
                    Ok(())
                }
                _ => Err(Misuse::AlreadySubscribed),
            };
        }
        if !self.outbox.has_room() {
            return Err(Misuse::OutboxFull);
        }
        let subscription = Subscription::new(since);
        self.listening.by_address.insert(address.clone(), subscription);
        if self.state.is_open() || self.may_speak_early() {
            self.ask(address);
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, address: &Address) -> Result<(), Misuse> {
        self.expect_side(Side::Client)?;
        let subscription =
            self.listening.by_address.get_mut(address).ok_or(Misuse::NotSubscribed)?;
        match &mut subscription.stage {
            Stage::Leaving { again, .. } => *again = false,
            Stage::Wanted => {
                self.listening.forget(address);
                self.events.push_back(Event::Unsubscribed(address.clone()));
            }
            Stage::Asking(_) | Stage::Live => {
                let ch = address.text().clone();
                let frame = self.control(Frame::Unsubscribe, |head| head.ch = Some(ch));
                if let Some(subscription) = self.listening.by_address.get_mut(address) {
                    subscription.stage = Stage::Leaving { id: frame.head.id, again: false };
                }
                self.listening.consumed.remove(address);
                self.outbox.push(frame, None);
            }
        }
        Ok(())
    }

    pub(super) fn consumed(&mut self, address: &Address, off: u64) -> Result<(), Misuse> {
        self.expect_side(Side::Client)?;
        // A subscription that ended while its events were still being consumed acknowledges
        // nothing any more.
        let Some(subscription) = self.listening.by_address.get_mut(address) else {
            return Ok(());
        };
        // A position above the last event belongs to an earlier history of the channel.
        let is_here = subscription.at.as_ref().is_some_and(|at| off <= at.off);
        if is_here && off > subscription.told && matches!(subscription.stage, Stage::Live) {
            self.listening.ack_now |= off - subscription.told >= ACK_EVENTS;
            let consumed = self.listening.consumed.entry(address.clone()).or_default();
            *consumed = off.max(*consumed);
            self.listening.ack_due.get_or_insert(self.now + ACK_DELAY);
        }
        Ok(())
    }

    /// A new session, or a fresh connection: everything that is wanted is asked for.
    pub(super) fn ask_again(&mut self) {
        let wanted = |(address, subscription): (&Address, &Subscription)| {
            matches!(subscription.stage, Stage::Wanted).then(|| address.clone())
        };
        let addresses: Vec<_> = self.listening.by_address.iter().filter_map(wanted).collect();
        for address in addresses {
            self.ask(&address);
        }
    }

    pub(super) fn listening_done(&mut self, re: MessageId, done: Done) {
        let Some((address, subscription)) = self.listening.by_message(re) else {
            self.counters.strays += 1;
            return;
        };
        match &subscription.stage {
            Stage::Asking(_) => {
                subscription.stage = Stage::Live;
                subscription.at = match (&done.epoch, done.off) {
                    (Some(epoch), Some(off)) => Some(Position { epoch: epoch.clone(), off }),
                    _ => None,
                };
                subscription.told = done.off.unwrap_or_default();
                let has_missed = std::mem::take(&mut subscription.has_missed) && done.off.is_none();
                if let Some(state) = subscription.snapshot.take() {
                    self.events.push_back(Event::Snapshot(address.clone(), state));
                }
                self.events.push_back(Event::Subscribed(address.clone(), done));
                if has_missed {
                    self.events.push_back(Event::Gap(address, MISSED));
                }
            }
            _ => self.left(&address),
        }
    }

    pub(super) fn listening_refused(&mut self, re: MessageId, fault: Fault) {
        let Some((address, subscription)) = self.listening.by_message(re) else {
            self.counters.strays += 1;
            return;
        };
        match subscription.stage {
            Stage::Asking(_) => {
                self.listening.forget(&address);
                self.events.push_back(Event::NotSubscribed(address, fault));
            }
            _ => self.left(&address),
        }
    }

    pub(super) fn on_unsubscribed(&mut self, address: &Address, why: Unsubscribed) {
        match self.listening.by_address.get(address).map(|subscription| &subscription.stage) {
            Some(Stage::Live | Stage::Asking(_)) => {
                self.listening.forget(address);
                self.events.push_back(Event::SubscriptionEnded(address.clone(), why));
            }
            // The barrier of our own unsubscribe is still to come.
            Some(Stage::Leaving { .. } | Stage::Wanted) | None => self.counters.strays += 1,
        }
    }

    pub(super) fn on_event(&mut self, head: &mut Head, payload: Raw) -> Result<(), PeerFault> {
        let (kind, ch) = (std::mem::take(&mut head.kind), head.ch.take());
        let Head { id, ts, off, prev, .. } = *head;
        let address =
            Address::parse(ch.ok_or(PeerFault::MissingField)?).map_err(|_| PeerFault::Malformed)?;
        let Some(subscription) = self.listening.live(&address) else {
            self.counters.strays += 1;
            return Ok(());
        };
        let mut hole = None;
        if let Some(at) = &mut subscription.at {
            let off = off.ok_or(PeerFault::MissingField)?;
            let prev = prev.ok_or(PeerFault::MissingField)?;
            if off <= at.off {
                self.counters.duplicates += 1;
                self.listening.tell_again(&address, off, self.now);
                return Ok(());
            }
            if prev != at.off {
                hole = Some(Gap {
                    reason: GapReason::Trimmed,
                    after: Some(at.off),
                    until: Some(prev),
                    dropped: None,
                });
            }
            at.off = off;
        }
        if let Some(gap) = hole {
            self.events.push_back(Event::Gap(address.clone(), gap));
        }
        let delivered = Delivered { address, id, kind, ts, off, payload };
        self.events.push_back(Event::Delivered(Box::new(delivered)));
        Ok(())
    }

    pub(super) fn on_gap(&mut self, address: &Address, mut gap: Gap) {
        let Some(subscription) = self.listening.live(address) else {
            self.counters.strays += 1;
            return;
        };
        if let (Some(at), Some(until)) = (&mut subscription.at, gap.until) {
            if until <= at.off {
                self.counters.duplicates += 1;
                self.listening.tell_again(address, until, self.now);
                return;
            }
            // After a resume the server counts from what was consumed, we from what came. What lies
            // between was in a gap whose word was lost with a connection.
            let hole = gap.after.filter(|after| *after > at.off).map(|after| Gap {
                reason: GapReason::Trimmed,
                after: Some(at.off),
                until: Some(after),
                dropped: None,
            });
            gap.after = gap.after.map(|after| after.max(at.off));
            at.off = until;
            if let Some(hole) = hole {
                self.events.push_back(Event::Gap(address.clone(), hole));
            }
        }
        self.events.push_back(Event::Gap(address.clone(), gap));
    }

    pub(super) fn on_live(&mut self, address: &Address, off: u64) {
        if self.listening.live(address).is_some() {
            self.events.push_back(Event::Live(address.clone(), off));
        } else {
            self.counters.strays += 1;
        }
    }

    /// The state of a channel: the answer to its `$sub` follows, or the events after `off` do.
    pub(super) fn on_snapshot(
        &mut self,
        head: &Head,
        re: MessageId,
        state: Raw,
    ) -> Result<(), PeerFault> {
        let (address, off) = (channel(head)?, head.off.ok_or(PeerFault::MissingField)?);
        let is_snapshot = head.kind.strip_prefix(address.kind()) == Some(".snapshot");
        let subscription = self.listening.by_address.get_mut(&address);
        let Some(subscription) = subscription.filter(|it| is_snapshot && it.sub == Some(re)) else {
            self.counters.strays += 1;
            return Ok(());
        };
        match (&subscription.stage, &mut subscription.at) {
            (Stage::Asking(_), _) => subscription.snapshot = Some(state),
            (Stage::Live, Some(at)) if off > at.off => {
                let after = std::mem::replace(&mut at.off, off);
                let gap = Gap {
                    reason: GapReason::Trimmed,
                    after: Some(after),
                    until: Some(off),
                    dropped: None,
                };
                self.events.push_back(Event::Snapshot(address.clone(), state));
                self.events.push_back(Event::Gap(address, gap));
            }
            // Everything that the state shows came already.
            (Stage::Live, Some(_)) => {
                self.counters.duplicates += 1;
                self.listening.tell_again(&address, off, self.now);
            }
            (Stage::Live | Stage::Leaving { .. } | Stage::Wanted, _) => self.counters.strays += 1,
        }
        Ok(())
    }

    fn ask(&mut self, address: &Address) {
        let since = self.listening.by_address.get(address).and_then(|sub| sub.at.clone());
        let ch = address.text().clone();
        let frame = self.control(Frame::Subscribe(Subscribe { since }), |head| head.ch = Some(ch));
        if let Some(subscription) = self.listening.by_address.get_mut(address) {
            subscription.stage = Stage::Asking(frame.head.id);
            subscription.sub = Some(frame.head.id);
            subscription.snapshot = None;
        }
        self.outbox.push(frame, None);
    }

    /// The barrier of an unsubscribe came.
    fn left(&mut self, address: &Address) {
        self.events.push_back(Event::Unsubscribed(address.clone()));
        let again = self.listening.by_address.get_mut(address).is_some_and(|subscription| {
            matches!(subscription.stage, Stage::Leaving { again: true, .. })
        });
        if again {
            self.ask(address);
        } else {
            self.listening.forget(address);
        }
    }
}

impl Subscription {
    fn new(since: Option<Position>) -> Self {
        Self {
            stage: Stage::Wanted,
            at: since,
            told: 0,
            sub: None,
            snapshot: None,
            has_missed: false,
        }
    }
}

impl Listening {
    /// What `$ack` has to say, in a message that a peer takes whose bound is `peer_frame` bytes.
    /// The rest follows in the next one.
    pub(super) fn tell(&mut self, peer_frame: usize) -> BTreeMap<String, u64> {
        let mut said = BTreeMap::new();
        let mut size = 0;
        while let Some((address, off)) = self.consumed.pop_first() {
            if let Some(subscription) = self.by_address.get_mut(&address) {
                subscription.told = subscription.told.max(off);
            }
            size += address.as_str().len() + ENTRY_SIZE;
            said.insert(address.to_string(), off);
            if size + MAX_ENTRY > peer_frame {
                break;
            }
        }
        self.ack_due = None;
        self.ack_now = !self.consumed.is_empty();
        said
    }

    /// Whether a bare `$ack` leaves next.
    pub(super) fn is_pressing(&self) -> bool {
        self.ack_now && !self.consumed.is_empty()
    }

    pub(super) fn check(&mut self, now: Time) {
        if self.ack_due.is_some_and(|due| due <= now) {
            self.ack_due = None;
            self.ack_now = true;
        }
    }

    pub(super) fn ack_due(&self) -> Option<Time> {
        self.ack_due
    }

    /// The session goes on over another connection. Of best-effort channels nobody knows what was
    /// missed meanwhile.
    pub(super) fn resumed(&mut self) -> Vec<(Address, Gap)> {
        let mut missed = Vec::new();
        for (address, subscription) in &mut self.by_address {
            match subscription.stage {
                Stage::Live if subscription.at.is_none() => missed.push((address.clone(), MISSED)),
                Stage::Asking(_) => subscription.has_missed = true,
                Stage::Live | Stage::Wanted | Stage::Leaving { .. } => {}
            }
        }
        missed
    }

    /// The session is lost: what is live or asked for is wanted again in the next one. Gives the
    /// subscriptions that we had left: the loss is their barrier.
    pub(super) fn session_lost(&mut self) -> Vec<Address> {
        self.consumed.clear();
        self.ack_due = None;
        self.ack_now = false;
        let mut left = Vec::new();
        self.by_address.retain(|address, subscription| {
            subscription.has_missed = false;
            let stage = std::mem::replace(&mut subscription.stage, Stage::Wanted);
            let Stage::Leaving { again, .. } = stage else { return true };
            left.push(address.clone());
            again
        });
        left
    }

    /// An event came again: if it was consumed, the word of that was lost with a connection.
    fn tell_again(&mut self, address: &Address, off: u64, now: Time) {
        if self.by_address.get(address).is_some_and(|subscription| off <= subscription.told) {
            let consumed = self.consumed.entry(address.clone()).or_default();
            *consumed = off.max(*consumed);
            self.ack_due.get_or_insert(now + ACK_DELAY);
        }
    }

    fn live(&mut self, address: &Address) -> Option<&mut Subscription> {
        self.by_address
            .get_mut(address)
            .filter(|subscription| matches!(subscription.stage, Stage::Live))
    }

    fn by_message(&mut self, re: MessageId) -> Option<(Address, &mut Subscription)> {
        self.by_address.iter_mut().find_map(|(address, subscription)| match subscription.stage {
            Stage::Asking(id) | Stage::Leaving { id, .. } if id == re => {
                Some((address.clone(), subscription))
            }
            _ => None,
        })
    }

    fn forget(&mut self, address: &Address) {
        self.by_address.remove(address);
        self.consumed.remove(address);
    }
}
