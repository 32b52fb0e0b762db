//! Credentials that expire while the connection lives, and the others that follow them
//! (`docs/protocol.md`, section 11).
//!
//! None of this is in the session stream: what a lost connection leaves undone, the hello of the
//! next one does.

use super::{
    Session, Side, Time,
    command::{Misuse, Ticket},
    earliest,
    event::{Event, Initiator},
    millis,
};
use std::time::Duration;
use ws_proto::{
    CloseCode, Fault, FaultCode, Frame, Head, MessageId, Secret,
    frame::{AuthGrant, AuthRequired, AuthToken},
};

/// Server: how long after a `$auth` the next one is decided about.
const PACE: Duration = Duration::from_secs(1);
/// Client: how long after a `$auth` the next one is sent at the earliest, whatever the server says.
const SPACING: Duration = Duration::from_secs(2);
/// Client: how long after a refusal the application is asked again.
const AGAIN: Duration = Duration::from_secs(5);
/// Client: how long before the end credentials are renewed; a tenth of their time if that is more,
/// and half of it at most.
const EARLY: Duration = Duration::from_secs(30);

/// What a side knows about the credentials of this connection.
#[derive(Debug, Default)]
pub(super) struct Renewing {
    /// Server: when they expire.
    expire: Option<Time>,
    /// Server: they have, and the client was told.
    is_told: bool,
    /// Server: the `$auth` that the application decides about. Nothing ends meanwhile.
    asked: Option<(Ticket, MessageId)>,
    /// Client: when the application is to be asked for others.
    due: Option<Time>,
    /// Client: it was.
    is_wanted: bool,
    /// Client: the `$auth` that is not answered.
    sent: Option<MessageId>,
    /// No `$auth` is taken, or sent, before.
    not_before: Time,
}

impl Renewing {
    /// Server: when there is something to tell, or to end.
    fn end(&self, grace: Duration) -> Option<Time> {
        let expire = self.expire.filter(|_| self.asked.is_none())?;
        Some(if self.is_told { expire + grace } else { expire })
    }

    /// When [`Session::check_renewing`] has something to do.
    pub(super) fn due(&self, grace: Duration) -> Option<Time> {
        earliest([self.end(grace), self.due])
    }

    /// Server: the client showed credentials that expire, or do not.
    pub(super) fn granted(&mut self, expires_in: Option<Duration>, now: Time) {
        self.expire = expires_in.map(|expires| now + expires);
        self.is_told = false;
    }

    /// Client: the server says how long ours last.
    pub(super) fn learned(&mut self, grant: Option<AuthGrant>, now: Time) {
        let life = grant.and_then(|grant| grant.expires_in_ms).map(Duration::from_millis);
        self.due = life.map(|life| {
            let early = EARLY.max(life / 10).min(life / 2);
            self.not_before.max(now + life.saturating_sub(early))
        });
    }
}

impl Session {
    /// Does what is due about credentials.
    pub(super) fn check_renewing(&mut self) {
        if !self.state.is_open() {
            return;
        }
        let (now, grace) = (self.now, self.config.auth_grace);
        if self.renewing.due.is_some_and(|due| due <= now) {
            self.renewing.due = None;
            self.renewing.is_wanted = true;
            self.events.push_back(Event::AuthRequired);
        }
        let Some(expire) = self.renewing.expire else { return };
        if self.renewing.asked.is_some() || expire > now {
            return;
        }
        if expire + grace <= now {
            let reason = "the credentials expired and were not renewed".to_owned();
            self.end(Initiator::Session, CloseCode::TOKEN_EXPIRED, reason);
        } else if !self.renewing.is_told {
            self.renewing.is_told = true;
            let within_ms = millis(expire + grace - now);
            self.push_urgent(Frame::AuthRequired(AuthRequired { within_ms }), |_| {});
        }
    }

    /// Server: the client brings other credentials.
    pub(super) fn on_auth(&mut self, head: &Head, token: Secret) {
        let renewing = &mut self.renewing;
        if renewing.asked.is_some() || self.now < renewing.not_before {
            let text = "credentials are renewed one at a time, and not all the time";
            let fault = Fault::new(FaultCode::RateLimited, text).after_ms(millis(PACE));
            return self.push_fault(head.id, fault);
        }
        renewing.not_before = self.now + PACE;
        let ticket = self.channels.next_ticket();
        renewing.asked = Some((ticket, head.id));
        self.events.push_back(Event::Auth(ticket, token));
    }

    /// Server: the application has decided about them.
    pub(super) fn renewed(
        &mut self,
        ticket: Ticket,
        decision: Result<Option<Duration>, Fault>,
    ) -> Result<(), Misuse> {
        self.expect_side(Side::Server)?;
        let asked = self.renewing.asked.take_if(|(asked, _)| *asked == ticket);
        // A connection that is about to end answers nothing.
        let asked = asked.filter(|_| self.state.is_open());
        let (_, re) = asked.ok_or(Misuse::UnknownTicket)?;
        match decision {
            Ok(expires_in) => {
                self.renewing.granted(expires_in, self.now);
                let grant = AuthGrant { expires_in_ms: expires_in.map(millis) };
                self.push_urgent(Frame::AuthOk(grant), |head| head.re = Some(re));
            }
            Err(fault) => self.push_fault(re, fault),
        }
        // Whatever was put off until the decision.
        self.check_renewing();
        Ok(())
    }

    /// Client: the application has other credentials.
    pub(super) fn auth(&mut self, token: Secret) -> Result<(), Misuse> {
        self.expect_side(Side::Client)?;
        if !self.state.is_open() || self.renewing.sent.is_some() {
            return Err(Misuse::CannotRenew);
        }
        let envelope = self.control(Frame::Auth(AuthToken { token }), |_| {});
        let renewing = &mut self.renewing;
        renewing.sent = Some(envelope.head.id);
        (renewing.due, renewing.is_wanted) = (None, false);
        renewing.not_before = self.now + SPACING;
        self.urgent.push_back(Box::new(envelope));
        Ok(())
    }

    /// Client: the server awaits other credentials.
    pub(super) fn on_auth_required(&mut self) {
        let renewing = &mut self.renewing;
        // Those that are on their way, or that the application is asked for, will do.
        if renewing.sent.is_none() && !renewing.is_wanted {
            let soon = renewing.not_before.max(self.now);
            renewing.due = Some(renewing.due.map_or(soon, |due| due.min(soon)));
            self.check_renewing();
        }
    }

    /// Client: ours count.
    pub(super) fn on_auth_ok(&mut self, re: MessageId, grant: AuthGrant) {
        if self.renewing.sent.take_if(|sent| *sent == re).is_none() {
            self.counters.strays += 1;
            return;
        }
        self.renewing.learned(Some(grant), self.now);
        self.events.push_back(Event::Renewed);
    }

    /// Client: ours do not count, if it is them that the fault is about.
    pub(super) fn on_auth_refused(&mut self, re: MessageId, fault: &Fault) -> bool {
        let is_ours = self.renewing.sent.take_if(|sent| *sent == re).is_some();
        if is_ours {
            let after = Duration::from_millis(fault.after_ms.unwrap_or_default());
            let again = self.now + AGAIN.max(after);
            // Nor earlier where the server says meanwhile that they have expired.
            self.renewing.not_before = again;
            self.renewing.due = Some(again);
            self.events.push_back(Event::NotRenewed(fault.clone()));
        }
        is_ours
    }
}
