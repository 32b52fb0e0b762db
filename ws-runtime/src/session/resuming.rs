//! What becomes of a session when its connection is over, and how it goes on over another
//! (`docs/protocol.md`, section 6).
//!
//! Nothing is sent again by a timer: each side keeps what the other has not acknowledged, and sends
//! it again, unchanged, after the welcome of a resumed session. Events of channels are not among
//! it: their place is in the log, and subscribers go on from what they consumed.

use super::{
    Session, Side,
    command::{Misuse, Resumption},
    event::Event,
    fault::PeerFault,
    inbox::Inbox,
    line::Line,
    pace::Pace,
    renewing::Renewing,
    state::State,
};
use ws_proto::{
    Address, Advice, CloseCode, Secret,
    frame::{NotResumed, Resume, SessionGrant},
};

/// A client's right to go on with its session, used once.
#[derive(Debug)]
pub(super) struct Grant {
    session: String,
    ticket: Secret,
}

impl Grant {
    pub(super) fn of(grant: &SessionGrant) -> Self {
        Self { session: grant.id.clone(), ticket: grant.ticket.clone() }
    }
}

/// Whether a session may go on after a close with this code; the range says so.
#[must_use]
pub fn outlives(code: CloseCode) -> bool {
    match code.advice() {
        Advice::Resume | Advice::NewCredentials | Advice::Delay => true,
        Advice::FreshSession | Advice::Stop => false,
    }
}

impl Session {
    /// Server: whether this session, without a connection now, can go on with a client that speaks
    /// `version` and misses nothing up to `recv`.
    ///
    /// # Errors
    ///
    /// The reason for the welcome of a new session.
    pub fn can_resume(&self, version: u32, recv: u64) -> Result<(), NotResumed> {
        if self.agreed != Some(version) {
            return Err(NotResumed::VersionChanged);
        }
        if self.outbox.can_replay_after(recv) { Ok(()) } else { Err(NotResumed::Overrun) }
    }

    /// Server: the channels that the client listens to.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Address> {
        self.channels.subscriptions()
    }

    pub(super) fn resume(&mut self, resumption: Resumption) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        let Resumption { acceptance, recv, limits } = resumption;
        let is_away = matches!(self.state, State::Over) && self.agreed.is_some();
        if !is_away || !self.outbox.can_replay_after(recv) {
            return Err(Misuse::CannotResume);
        }
        let own = &self.config.limits;
        let theirs = limits.map_or(own.max_frame, |limits| limits.max_frame as usize);
        self.peer_frame = own.max_frame.min(theirs);
        self.pace = Pace::new(own.rate_per_s, own.rate_burst, self.now);
        self.excess = 0;
        self.outbox.acked(recv);
        self.inbox.resumed();
        self.welcome(acceptance, true);
        // Requests that waited for room for their answers.
        self.start_work();
        Ok(())
    }

    /// Client: what the next hello says about the session.
    pub(super) fn resume_wish(&self) -> Option<Resume> {
        // Kept until the next welcome: this connection may be lost before it comes.
        let Grant { session, ticket } = self.grant.as_ref()?;
        let (session, ticket) = (session.clone(), ticket.clone());
        Some(Resume { session, ticket, recv: self.inbox.last() })
    }

    /// Client: the session goes on. What the server has is forgotten; the rest is sent again.
    pub(super) fn go_on(&mut self, version: u32, recv: u64) -> Result<(), PeerFault> {
        // Whatever is wrong with this resume, the next one would fail in the same way.
        let was_asked = self.grant.take().is_some();
        if !was_asked || self.agreed != Some(version) {
            return Err(PeerFault::Malformed);
        }
        if !self.outbox.can_replay_after(recv) {
            return Err(PeerFault::CannotResume);
        }
        self.outbox.acked(recv);
        self.inbox.resumed();
        for (address, gap) in self.listening.resumed() {
            self.events.push_back(Event::Gap(address, gap));
        }
        Ok(())
    }

    /// Client: a new session. Positions start anew, and what was under way is settled.
    pub(super) fn start_over(&mut self) {
        self.outbox.restart();
        self.inbox = Inbox::default();
        self.settle_lost_calls();
        self.abandon_work();
        self.leave_listening();
    }

    /// The connection is over, with this code.
    pub(super) fn after_connection(&mut self, code: CloseCode) {
        self.urgent = Line::default();
        self.renewing = Renewing::default();
        self.outbox.rewind();
        // A server's session may go on whatever the code: a client that took it over did so with
        // the code of an end. Its application knows, and settles the calls.
        if outlives(code) || self.side == Side::Server {
            return;
        }
        // Nobody waits for a welcome to be told that the session is gone.
        self.grant = None;
        self.settle_lost_calls();
        self.abandon_work();
        self.leave_listening();
    }

    fn leave_listening(&mut self) {
        for address in self.listening.session_lost() {
            self.events.push_back(Event::Unsubscribed(address));
        }
    }
}
