//! What a subscriber is sent: events of logs as its window allows, best-effort events as they come.

use super::{
    connection::Connection,
    guest::is_in,
    passing::{Passed, Passing},
};
use crate::{
    hub::Outgoing,
    session::{Command, Delivery, Session, Time},
};
use std::{
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};
use ws_proto::{
    Address, Batch, Publication,
    frame::{Gap, GapReason},
};

impl Connection {
    /// Takes events from the logs of the channels that are behind, of which this one is to be.
    pub(super) fn catch_up(&mut self, address: Option<Address>, session: &mut Session, now: Time) {
        if self.behind.is_empty() {
            // Most often it is the only one, and has its events before it has its place.
            let Some(address) = address else { return };
            if !self.serve_alone(&address, session, now) {
                return;
            }
            self.behind.insert(address);
        } else {
            self.behind.extend(address);
            self.serve_logs(session, now);
        }
        self.is_stirred = true;
    }

    /// Takes events from the log of one channel as long as the session wants more; true when there
    /// may be more of them.
    fn serve_alone(&mut self, address: &Address, session: &mut Session, now: Time) -> bool {
        let mut may_be_more = true;
        while may_be_more && session.wants_deliveries() {
            let share = session.delivery_room();
            may_be_more = self.serve_log(address, share, session, now);
        }
        may_be_more
    }

    /// Takes events from the logs as long as the session wants more: some of each channel in turn,
    /// so that a busy one does not hold up the others.
    fn serve_logs(&mut self, session: &mut Session, now: Time) {
        while session.wants_deliveries()
            && let Some(address) = self.next_behind()
        {
            let share = session.delivery_room() / self.behind.len().max(1);
            if !self.serve_log(&address, share, session, now) {
                self.behind.remove(&address);
            }
            self.served = Some(address);
        }
    }

    /// Takes up to so many events from the log of one channel; true when there may be more.
    fn serve_log(
        &mut self,
        address: &Address,
        share: usize,
        session: &mut Session,
        now: Time,
    ) -> bool {
        // Where events are wanted, there is a version.
        let Some(version) = session.version() else { return false };
        let Some((outgoing, is_more)) = self.shared.hubs.next_many(self.id, address, share) else {
            return false;
        };
        match outgoing {
            Outgoing::Gap(_) if self.has_snapshot(address) => {
                self.restart(address.clone());
                return false;
            }
            outgoing => self.deliver(address, outgoing, version, session, now),
        }
        is_more
    }

    /// The channel after the one that was served last.
    fn next_behind(&self) -> Option<Address> {
        let last = self.served.as_ref();
        let after = last.and_then(|last| self.behind.range((Excluded(last), Unbounded)).next());
        after.or_else(|| self.behind.first()).cloned()
    }

    fn deliver(
        &self,
        address: &Address,
        outgoing: Outgoing,
        version: u32,
        session: &mut Session,
        now: Time,
    ) {
        let mut apply = |delivery| {
            self.apply(Command::Deliver(address.clone(), delivery), session, now);
        };
        match outgoing {
            Outgoing::Gap(gap) => apply(Delivery::Gap(gap)),
            Outgoing::Live { off } => apply(Delivery::Live(off)),
            Outgoing::Event(event) => apply(self.kept(address, event, version)),
            Outgoing::Events(batch) if self.is_batch_in(address, &batch, version) => {
                apply(Delivery::KeptBatch(batch));
            }
            Outgoing::Events(batch) => {
                let events = batch.events().iter();
                events.for_each(|event| apply(self.kept(address, Arc::clone(event), version)));
            }
        }
    }

    /// An event that the negotiated version does not have becomes a gap in which nothing is
    /// missing.
    fn kept(&self, address: &Address, event: Arc<Publication>, version: u32) -> Delivery {
        if self.is_event_in(address, &event.head.kind, version) {
            return Delivery::Kept(event);
        }
        Delivery::Gap(Gap {
            reason: GapReason::Version,
            after: event.head.prev,
            until: event.head.off,
            dropped: None,
        })
    }

    fn is_batch_in(&self, address: &Address, batch: &Batch, version: u32) -> bool {
        batch.kinds().iter().all(|kind| self.is_event_in(address, kind, version))
    }

    fn is_event_in(&self, address: &Address, kind: &str, version: u32) -> bool {
        let Some(spec) = self.shared.hubs.spec(address) else { return false };
        let kind = kind.strip_prefix(spec.kind).and_then(|kind| kind.strip_prefix('.'));
        let event = spec.events.iter().find(|event| Some(event.kind) == kind);
        // An event without an entry was passed on by somebody who did not know it either.
        event.is_none_or(|event| is_in(version, event.since, event.removed))
    }

    /// Passes best-effort events on, and those that wait behind them as long as the session is not
    /// behind itself: then it writes, and asks again.
    pub(super) fn pass_on(&self, passing: Option<Passing>, session: &mut Session, now: Time) {
        let mut next = passing;
        while let Some(passing) = next {
            self.pass_some(passing, session, now);
            if session.is_behind() {
                return;
            }
            next = self.mailbox.take_passing(false);
        }
    }

    fn pass_some(&self, mut passing: Passing, session: &mut Session, now: Time) {
        // Nobody counts what a client without a connection misses: it is told when it is back.
        let Some(version) = session.version() else { return };
        let mut deliver = |address, delivery| {
            self.apply(Command::Deliver(address, delivery), session, now);
        };
        for (address, dropped) in passing.take_dropped() {
            if self.is_silent(&address) {
                continue;
            }
            let gap =
                Gap { reason: GapReason::Slow, after: None, until: None, dropped: Some(dropped) };
            deliver(address, Delivery::Gap(gap));
        }
        while let Some((address, passed)) = passing.entries.pop_front() {
            if self.is_silent(&address) {
                continue;
            }
            match passed {
                Passed::Batch(batch) if self.is_batch_in(&address, &batch, version) => {
                    deliver(address, Delivery::PassingBatch(batch));
                }
                Passed::Batch(batch) => {
                    let events = batch.events().iter();
                    events
                        .filter(|event| self.is_event_in(&address, &event.head.kind, version))
                        .for_each(|event| {
                            deliver(address.clone(), Delivery::Passing(Arc::clone(event)));
                        });
                }
                Passed::Event(event) if self.is_event_in(&address, &event.head.kind, version) => {
                    deliver(address, Delivery::Passing(event));
                }
                Passed::Event(_) => {}
            }
        }
    }
}
