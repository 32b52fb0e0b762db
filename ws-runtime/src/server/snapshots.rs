//! How a subscriber gets the state of a channel (`docs/protocol.md`, section 8).
//!
//! The hub fixes the position first, the application reads the state second, and nothing of the
//! channel is sent in between. So the state shows every event up to the position, and perhaps some
//! of those that follow: an event may be seen twice but is never missed.

use super::{
    connection::{Connection, denied, nil},
    deciding::decide,
    mailbox::Letter,
    rights::refusal,
};
use crate::session::{Command, Misuse, Session, Ticket, Time};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
};
use ws_proto::{
    Address, Fault, FaultCode, Raw,
    frame::{Done, Unsubscribed},
};

/// The snapshots that are made for one connection.
pub(super) struct Snapshots {
    /// Nothing is sent of these channels until their snapshot stands.
    under_way: BTreeMap<Address, UnderWay>,
    /// Bounds how many are made, or wait to be sent, at once.
    seats: Arc<Semaphore>,
    started: u64,
}

struct UnderWay {
    number: u64,
    purpose: Purpose,
    /// Absent while the subscriber has no connection.
    task: Option<Task>,
}

enum Purpose {
    /// A subscriber waits for its answer.
    Enter(Ticket, Done),
    /// A subscriber goes on from this position, since events before it are no longer kept.
    Restart(u64),
}

/// Dropping it stops it.
struct Task(AbortHandle);

/// What the application made.
pub(crate) struct Made {
    address: Address,
    number: u64,
    state: Result<Raw, Fault>,
    /// Taken until the state is handed to the session, which counts it then.
    seat: Option<OwnedSemaphorePermit>,
}

impl Snapshots {
    pub(super) fn new(at_once: usize) -> Self {
        let seats = Arc::new(Semaphore::new(at_once));
        Self { under_way: BTreeMap::new(), seats, started: 0 }
    }

    pub(super) fn is_under_way(&self, address: &Address) -> bool {
        self.under_way.contains_key(address)
    }

    /// Channels that a subscriber waits to enter, without a snapshot so far.
    pub(super) fn entering(&self) -> Vec<Address> {
        let all = self.under_way.keys();
        all.filter(|address| self.is_entering(address)).cloned().collect()
    }

    pub(super) fn is_entering(&self, address: &Address) -> bool {
        let under_way = self.under_way.get(address);
        under_way.is_some_and(|it| matches!(it.purpose, Purpose::Enter(..)))
    }

    /// The channels whose subscribers wait for a snapshot.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Address> {
        self.under_way.keys().cloned()
    }

    /// The subscription ended.
    pub(super) fn forget(&mut self, address: &Address) {
        self.under_way.remove(address);
    }

    /// The subscribers go on over another connection: what they may see is asked anew first.
    pub(super) fn pause(&mut self) {
        for under_way in self.under_way.values_mut() {
            if matches!(under_way.purpose, Purpose::Restart(_)) {
                under_way.task = None;
            }
        }
    }

    /// What a snapshot was made for, unless that is over.
    fn finish(&mut self, address: &Address, number: u64) -> Option<Purpose> {
        let under_way = self.under_way.get(address)?;
        if under_way.number != number || under_way.task.is_none() {
            return None;
        }
        self.under_way.remove(address).map(|under_way| under_way.purpose)
    }
}

impl Connection {
    /// Lets a subscriber in, with a snapshot where it does not know what was before.
    pub(super) fn let_in(
        &mut self,
        ticket: Ticket,
        address: Address,
        decision: Result<Done, Fault>,
        session: &mut Session,
        now: Time,
    ) {
        match decision {
            Ok(done) if self.has_snapshot(&address) && done.recovered != Some(true) => {
                self.make_snapshot(address, Purpose::Enter(ticket, done));
            }
            decision => {
                let entered = decision.is_ok();
                self.apply(Command::Decide(ticket, decision), session, now);
                if entered {
                    self.behind.insert(address);
                }
            }
        }
    }

    /// Gives a subscriber a fresh state: events that it was not sent are no longer kept.
    pub(super) fn restart(&mut self, address: Address) {
        self.behind.remove(&address);
        if let Some(off) = self.shared.hubs.leap(self.id, &address) {
            self.make_snapshot(address, Purpose::Restart(off));
        }
    }

    /// The right to listen was taken away: the snapshot is of no interest any more.
    pub(super) fn revoke_snapshot(
        &mut self,
        address: &Address,
        why: &Unsubscribed,
        session: &mut Session,
        now: Time,
    ) {
        let under_way = self.snapshots.under_way.remove(address);
        if let Some(UnderWay { purpose: Purpose::Enter(ticket, _), .. }) = under_way {
            self.apply(Command::Decide(ticket, Err(refusal(why))), session, now);
        }
    }

    pub(super) fn has_snapshot(&self, address: &Address) -> bool {
        self.shared.hubs.spec(address).is_some_and(|spec| spec.snapshot.is_some())
    }

    /// The application has made a snapshot, or refused to.
    pub(super) fn snapshot_made(&mut self, made: Made, session: &mut Session, now: Time) {
        let Made { address, number, state, seat } = made;
        if session.version().is_none() {
            self.snapshots.pause();
        }
        let Some(purpose) = self.snapshots.finish(&address, number) else { return };
        let off = match &purpose {
            Purpose::Enter(_, done) => done.off.unwrap_or_default(),
            Purpose::Restart(off) => *off,
        };
        // Revoked since the commands were taken.
        let revoked = self.mailbox.revokes(&address).map(|why| refusal(&why));
        let handed = revoked.map_or(state, Err).and_then(|state| {
            let snapshot = Command::Snapshot(address.clone(), off, state);
            session.handle_command(snapshot, now).map_err(unsendable)
        });
        drop(seat);
        if handed.is_ok() {
            // Whoever is on trial goes on when that is over.
            if !self.on_trial.contains_key(&address) {
                self.behind.insert(address.clone());
            }
        } else {
            self.shared.hubs.unsubscribe(self.id, &address);
        }
        let decided = match (purpose, handed) {
            (Purpose::Enter(ticket, done), handed) => {
                Command::Decide(ticket, handed.map(|()| done))
            }
            (Purpose::Restart(_), Err(fault)) => Command::EndSubscription(address, denied(fault)),
            (Purpose::Restart(_), Ok(())) => return,
        };
        self.apply(decided, session, now);
    }

    fn make_snapshot(&mut self, address: Address, purpose: Purpose) {
        let (Some(guest), Some(link)) = (self.guest.clone(), self.link(None, nil(), 0)) else {
            return;
        };
        self.snapshots.started += 1;
        let number = self.snapshots.started;
        let (seats, mailbox) = (Arc::clone(&self.snapshots.seats), Arc::clone(&self.mailbox));
        let limit = self.shared.config.limits.max_frame;
        let patience = self.shared.config.decision_timeout;
        let of = address.clone();
        let task = tokio::spawn(async move {
            // The seats are never closed.
            let seat = seats.acquire_owned().await.ok();
            let state = decide("snapshot", guest.snapshot(of.clone(), link), patience).await;
            // What cannot be sent does not wait either.
            let state = state.and_then(|state| {
                if state.bytes().len() > limit { Err(too_large()) } else { Ok(state) }
            });
            let made = Made { address: of, number, state, seat };
            mailbox.put(Letter::Snapshot(Box::new(made)));
        });
        let task = Some(Task(task.abort_handle()));
        self.snapshots.under_way.insert(address, UnderWay { number, purpose, task });
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn unsendable(misuse: Misuse) -> Fault {
    match misuse {
        Misuse::SnapshotTooLarge => too_large(),
        other => Fault::internal(other.to_string()),
    }
}

fn too_large() -> Fault {
    let text = "the snapshot of this channel is larger than a message may be: the server must give \
                less of the state, and the rest by requests";
    Fault::new(FaultCode::TooLarge, text)
}
