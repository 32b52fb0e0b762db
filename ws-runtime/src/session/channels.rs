//! The server's half of channels: questions to the application, one at a time per channel and in
//! the order of `seq`, and what subscribers are sent (`docs/protocol.md`, section 8).

use super::{
    Session, Side, Transmit,
    calling::too_large,
    command::{Delivery, Misuse, Ticket},
    event::{Event, Incoming},
    fault::PeerFault,
    few::Few,
    flat::Flat,
    resting::relieve,
    serving::copied,
};
use std::collections::VecDeque;
use ws_proto::{
    Address, AddressError, Envelope, Fault, FaultCode, Frame, Head, MessageId, Position, Raw,
    frame::{Done, Unsubscribed},
};

#[derive(Debug, Default)]
pub(super) struct Channels {
    by_address: Few<Channel>,
    tickets: Flat<Ticket, Address>,
    subscribed: usize,
    waiting: usize,
    /// Bytes of the events that wait, or that the application thinks about.
    bytes: usize,
    next: u64,
}

/// One channel that this client has to do with.
#[derive(Debug, Default)]
struct Channel {
    subscribed: bool,
    /// The `$sub` that the subscription stands on.
    sub: Option<MessageId>,
    asking: Option<Asking>,
    queue: VecDeque<Question>,
    /// The highest position sent: nothing above it can have been consumed.
    sent: u64,
}

#[derive(Debug)]
enum Asking {
    Subscribe(MessageId),
    /// And how many bytes the event has.
    Publish(MessageId, usize),
}

#[derive(Debug)]
enum Question {
    Subscribe(MessageId, Option<Position>),
    Unsubscribe(MessageId),
    Publish(Box<Incoming>),
}

impl Session {
    pub(super) fn on_subscribe(
        &mut self,
        head: &Head,
        since: Option<Position>,
    ) -> Result<(), PeerFault> {
        self.queue_question(head, |_, _| Question::Subscribe(head.id, since))
    }

    pub(super) fn on_unsubscribe(&mut self, head: &Head) -> Result<(), PeerFault> {
        self.queue_question(head, |_, _| Question::Unsubscribe(head.id))
    }

    pub(super) fn on_publish(&mut self, head: &Head, payload: &Raw) -> Result<(), PeerFault> {
        self.queue_question(head, |head, address| {
            Question::Publish(Box::new(Incoming {
                id: head.id,
                address,
                kind: copied(&head.kind),
                // As with a request: a slice would keep more than is counted.
                payload: payload.detached(),
                key: head.key.as_ref().map(copied),
            }))
        })
    }

    pub(super) fn on_consumed(&mut self, address: Address, off: u64) -> Result<(), PeerFault> {
        match self.channels.by_address.get(&address).filter(|channel| channel.subscribed) {
            // The acknowledgement of a subscription that has just ended.
            None => self.counters.strays += 1,
            Some(channel) if off > channel.sent => return Err(PeerFault::ConsumedAboveSent),
            Some(_) => self.events.push_back(Event::Consumed(address, off)),
        }
        Ok(())
    }

    pub(super) fn decided(
        &mut self,
        ticket: Ticket,
        decision: Result<Done, Fault>,
    ) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        let address = self.channels.tickets.remove(ticket).ok_or(Misuse::UnknownTicket)?;
        let Some(channel) = self.channels.by_address.get_mut(&address) else { return Ok(()) };
        let Some(asked) = channel.asking.take() else { return Ok(()) };
        let (re, is_subscribe) = match asked {
            Asking::Subscribe(re) => (re, true),
            Asking::Publish(re, bytes) => {
                self.channels.bytes -= bytes;
                (re, false)
            }
        };
        match decision {
            Err(fault) => {
                self.channels.subscribed -= usize::from(is_subscribe);
                self.push_fault(re, fault);
            }
            Ok(done) => {
                if is_subscribe {
                    channel.subscribed = true;
                    channel.sub = Some(re);
                    channel.sent = done.off.unwrap_or_default();
                }
                let ch = address.text().clone();
                self.push(Frame::Done(done), |head| {
                    head.re = Some(re);
                    head.ch = Some(ch);
                });
            }
        }
        self.ask_next(&address);
        Ok(())
    }

    pub(super) fn snapshot(
        &mut self,
        address: &Address,
        off: u64,
        state: Raw,
    ) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        let sub = self.channels.snapshot_of(address, off).ok_or(Misuse::NotSubscribed)?;
        let mut head = self.head(format!("{}.snapshot", address.kind()));
        head.re = Some(sub);
        head.ch = Some(address.text().clone());
        head.off = Some(off);
        let envelope = Envelope { head, frame: Frame::Message(state) };
        if too_large(&envelope, self.peer_frame).is_some() {
            return Err(Misuse::SnapshotTooLarge);
        }
        self.outbox.push(envelope, None);
        Ok(())
    }

    /// How many more events of logs should be delivered now; zero where
    /// [`Session::wants_deliveries`] is false.
    #[must_use]
    pub fn delivery_room(&self) -> usize {
        if self.state.is_open() { self.outbox.delivery_room() } else { 0 }
    }

    pub(super) fn deliver(&mut self, address: Address, delivery: Delivery) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        let channel = self.channels.by_address.get_shared(&address);
        let Some(channel) = channel.filter(|channel| channel.subscribed) else {
            return Err(Misuse::NotSubscribed);
        };
        let reaches = match &delivery {
            Delivery::Kept(event) => event.head.off,
            Delivery::KeptBatch(batch) => batch.events().last().and_then(|event| event.head.off),
            Delivery::Gap(gap) => gap.until,
            Delivery::Live(off) => Some(*off),
            Delivery::Passing(_) | Delivery::PassingBatch(_) => None,
        };
        channel.sent = channel.sent.max(reaches.unwrap_or_default());
        self.outbox.deliver(address, delivery);
        Ok(())
    }

    pub(super) fn end_subscription(
        &mut self,
        address: &Address,
        why: Unsubscribed,
    ) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        let channel = self.channels.by_address.get_mut(address).filter(|it| it.subscribed);
        channel.ok_or(Misuse::NotSubscribed)?.subscribed = false;
        self.channels.subscribed -= 1;
        self.outbox.forget_channel(address);
        let ch = address.text().clone();
        self.push(Frame::Unsubscribed(why), |head| head.ch = Some(ch));
        self.forget_if_idle(address);
        Ok(())
    }

    pub(super) fn transmit_delivery(&mut self, address: &Address, delivery: Delivery) -> Transmit {
        let (frame, off) = match delivery {
            Delivery::Kept(event) | Delivery::Passing(event) => return Transmit::Shared(event),
            Delivery::KeptBatch(batch) | Delivery::PassingBatch(batch) => {
                return Transmit::Batch(batch);
            }
            Delivery::Gap(gap) => (Frame::Gap(gap), None),
            Delivery::Live(off) => (Frame::Live, Some(off)),
        };
        let envelope = self.control(frame, |head| {
            head.ch = Some(address.text().clone());
            head.off = off;
        });
        Transmit::Envelope(Box::new(envelope))
    }

    fn queue_question(
        &mut self,
        head: &Head,
        question: impl FnOnce(&Head, Address) -> Question,
    ) -> Result<(), PeerFault> {
        // A copy: a slice of the message would keep all of it in memory, as long as the channel.
        let text: &str = head.ch.as_ref().ok_or(PeerFault::MissingField)?;
        let address = match Address::parse(text) {
            Ok(address) => address,
            Err(error) => {
                self.push_fault(head.id, bad_address(error));
                return Ok(());
            }
        };
        let question = question(head, address.clone());
        // Those that the application thinks about hold their payload, too.
        let waiting = self.channels.waiting + self.channels.tickets.count();
        let is_full = waiting >= self.config.limits.max_queued;
        if is_full && !self.channels.is_needed(&question, &address) {
            let text = "too many channel commands of this connection wait for their turn";
            self.push_fault(head.id, Fault::new(FaultCode::Overloaded, text));
            return Ok(());
        }
        if let Question::Publish(incoming) = &question {
            let bytes = incoming.payload.bytes().len();
            if let Err(fault) = self.inbound_room(bytes) {
                self.push_fault(head.id, fault);
                return Ok(());
            }
            self.channels.bytes += bytes;
        }
        self.channels.waiting += 1;
        self.channels.by_address.or_default(&address).queue.push_back(question);
        self.ask_next(&address);
        Ok(())
    }

    /// Asks the application, or answers by ourselves, until a question waits for its decision.
    fn ask_next(&mut self, address: &Address) {
        while let Some(question) = self.channels.next_question(address) {
            match question {
                Question::Subscribe(id, since) => self.ask_subscribe(address, id, since),
                Question::Publish(incoming) => {
                    let asking = Asking::Publish(incoming.id, incoming.payload.bytes().len());
                    let ticket = self.channels.ask(address, asking);
                    self.events.push_back(Event::Publish(ticket, incoming));
                }
                Question::Unsubscribe(id) => {
                    if self.channels.leave(address) {
                        self.outbox.forget_channel(address);
                        self.events.push_back(Event::Unsubscribe(address.clone()));
                    }
                    let ch = address.text().clone();
                    self.push(Frame::Done(Done::default()), |head| {
                        head.re = Some(id);
                        head.ch = Some(ch);
                    });
                }
            }
        }
        self.forget_if_idle(address);
    }

    fn ask_subscribe(&mut self, address: &Address, id: MessageId, since: Option<Position>) {
        let is_subscribed =
            self.channels.by_address.get(address).is_some_and(|channel| channel.subscribed);
        let bound = self.config.limits.max_subs;
        if is_subscribed {
            self.push_fault(id, Fault::invalid("already subscribed to this channel"));
        } else if self.channels.subscribed >= bound {
            let text = "this connection has as many subscriptions as it may have";
            let fault = Fault::new(FaultCode::Overloaded, text).detail("limit", bound);
            self.push_fault(id, fault.retry(ws_proto::Retry::Safe));
        } else {
            // Counted from here on, so that questions under way cannot pass the bound.
            self.channels.subscribed += 1;
            let ticket = self.channels.ask(address, Asking::Subscribe(id));
            self.events.push_back(Event::Subscribe(ticket, address.clone(), since));
        }
    }

    fn forget_if_idle(&mut self, address: &Address) {
        let idle = self.channels.by_address.get(address).is_some_and(|channel| {
            !channel.subscribed && channel.asking.is_none() && channel.queue.is_empty()
        });
        if idle {
            self.channels.by_address.remove(address);
        }
    }
}

impl Channels {
    pub(super) fn rest(&mut self, kept: usize) {
        self.tickets.rest(kept);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn subscriptions(&self) -> Vec<Address> {
        let subscribed = self.by_address.iter().filter(|(_, channel)| channel.subscribed);
        subscribed.map(|(address, _)| address.clone()).collect()
    }

    /// Whether a question is taken in however many wait. A client that was refused an `$unsub`
    /// would go on being sent what it does not want. One behind another says nothing new, so at
    /// most one for each open question passes the bound.
    fn is_needed(&self, question: &Question, address: &Address) -> bool {
        let last = self.by_address.get(address).and_then(|channel| channel.queue.back());
        matches!(question, Question::Unsubscribe(_))
            && !matches!(last, Some(Question::Unsubscribe(_)))
    }

    /// The `$sub` that a snapshot of this channel belongs to, whose events now follow `off`.
    pub(super) fn snapshot_of(&mut self, address: &Address, off: u64) -> Option<MessageId> {
        let channel = self.by_address.get_mut(address)?;
        if let Some(Asking::Subscribe(sub)) = channel.asking {
            return Some(sub);
        }
        channel.sent = channel.sent.max(off);
        channel.sub.filter(|_| channel.subscribed)
    }

    fn next_question(&mut self, address: &Address) -> Option<Question> {
        let channel = self.by_address.get_mut(address)?;
        if channel.asking.is_some() {
            return None;
        }
        let question = channel.queue.pop_front()?;
        relieve(&mut channel.queue, 0);
        self.waiting -= 1;
        Some(question)
    }

    pub(super) fn next_ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    fn ask(&mut self, address: &Address, asking: Asking) -> Ticket {
        let ticket = self.next_ticket();
        // Tickets grow.
        self.tickets.push(ticket, address.clone());
        if let Some(channel) = self.by_address.get_mut(address) {
            channel.asking = Some(asking);
        }
        ticket
    }

    /// True when there was a subscription.
    fn leave(&mut self, address: &Address) -> bool {
        let Some(channel) = self.by_address.get_mut(address) else { return false };
        let was = std::mem::take(&mut channel.subscribed);
        self.subscribed -= usize::from(was);
        was
    }
}

fn bad_address(error: AddressError) -> Fault {
    Fault::invalid(error.to_string())
}
