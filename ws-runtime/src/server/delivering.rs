//! What a subscriber is sent: events of logs as its window allows, best-effort events as they come.

use super::{connection::Connection, guest::is_in, mailbox::Passing};
use crate::{
    hub::Outgoing,
    session::{Command, Delivery, Session, Time},
};
use std::ops::Bound::{Excluded, Unbounded};
use ws_proto::{
    Address,
    frame::{Gap, GapReason},
};

impl Connection {
    /// Takes events from the logs as long as the session wants more: one of each channel in turn,
    /// so that a busy one does not hold up the others.
    pub(super) fn serve_logs(&mut self, session: &mut Session, now: Time) {
        let Some(version) = session.version() else { return };
        while session.wants_deliveries()
            && let Some(address) = self.next_behind()
        {
            match self.shared.hubs.next(self.id, &address) {
                None => {
                    self.behind.remove(&address);
                }
                Some(Outgoing::Gap(_)) if self.has_snapshot(&address) => {
                    self.restart(address.clone());
                }
                Some(outgoing) => {
                    let delivery = self.delivery(&address, outgoing, version);
                    self.apply(Command::Deliver(address.clone(), delivery), session, now);
                }
            }
            self.served = Some(address);
        }
    }

    /// The channel after the one that was served last.
    fn next_behind(&self) -> Option<Address> {
        let last = self.served.as_ref();
        let after = last.and_then(|last| self.behind.range((Excluded(last), Unbounded)).next());
        after.or_else(|| self.behind.first()).cloned()
    }

    /// An event that the negotiated version does not have becomes a gap in which nothing is
    /// missing.
    fn delivery(&self, address: &Address, outgoing: Outgoing, version: u32) -> Delivery {
        match outgoing {
            Outgoing::Gap(gap) => Delivery::Gap(gap),
            Outgoing::Live { off } => Delivery::Live(off),
            Outgoing::Event(event) if self.is_event_in(address, &event.head.kind, version) => {
                Delivery::Kept(event)
            }
            Outgoing::Event(event) => Delivery::Gap(Gap {
                reason: GapReason::Version,
                after: event.head.prev,
                until: event.head.off,
                dropped: None,
            }),
        }
    }

    fn is_event_in(&self, address: &Address, kind: &str, version: u32) -> bool {
        let Some(spec) = self.shared.hubs.spec(address) else { return false };
        let kind = kind.strip_prefix(spec.kind).and_then(|kind| kind.strip_prefix('.'));
        let event = spec.events.iter().find(|event| Some(event.kind) == kind);
        // An event without an entry was passed on by somebody who did not know it either.
        event.is_none_or(|event| is_in(version, event.since, event.removed))
    }

    pub(super) fn pass_on(&self, passing: Passing, session: &mut Session, now: Time) {
        // Nobody counts what a client without a connection misses: it is told when it is back.
        let Some(version) = session.version() else { return };
        for (address, dropped) in passing.dropped {
            if self.is_silent(&address) {
                continue;
            }
            let gap =
                Gap { reason: GapReason::Slow, after: None, until: None, dropped: Some(dropped) };
            self.apply(Command::Deliver(address, Delivery::Gap(gap)), session, now);
        }
        for (address, event) in passing.events {
            let may_listen = !self.is_silent(&address);
            if may_listen && self.is_event_in(&address, &event.head.kind, version) {
                self.apply(Command::Deliver(address, Delivery::Passing(event)), session, now);
            }
        }
    }
}
