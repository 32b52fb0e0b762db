//! How a client is taken in, and how its session changes the connection
//! (`docs/protocol.md`, sections 4 and 6).

use super::{
    connection::{Connection, denied, nil},
    deciding::decide,
    guest::Guest,
    handler::begin,
    keeping::{Ask, Denied, HandOver, Handed, Keeping},
    link::ConnectionFacts,
    mailbox::{Greeting, Letter},
    seats::Seat,
};
use crate::{
    session::{Acceptance, Closed, Command, Resumption, Session, Time, outlives},
    transport::Transport,
};
use futures_util::future::{BoxFuture, ready};
use std::sync::Arc;
use tokio::task::AbortHandle;
use ws_proto::{
    Address, CloseCode, Fault, FaultCode,
    frame::{ClientLimits, Hello, NotResumed, Resume},
};

impl Connection {
    pub(super) fn on_hello(
        &mut self,
        hello: Hello,
        version: u32,
        session: &mut Session,
        now: Time,
    ) {
        let mut credentials = *self.credentials.take().unwrap_or_default();
        credentials.token = hello.auth.map(|auth| auth.token);
        self.watch.said_hello(hello.client.as_ref());
        credentials.client = hello.client;
        credentials.version = version;
        let ours = &self.shared.fingerprint;
        if !hello.fingerprint.is_empty() && hello.fingerprint != *ours {
            tracing::info!(version, theirs = hello.fingerprint, %ours, "contracts differ");
        }
        let (resume, limits) = (hello.resume, hello.limits);
        self.shared.guests().ask(self.id);
        let mut question = Arc::clone(&self.shared.host).authenticate(credentials);
        let failed = || Err(Fault::internal("the authentication failed"));
        match begin(&mut question, failed) {
            Some(decision) if resume.is_none() || decision.is_err() => {
                let greeting = Greeting { decision, version, resumption: None, recv: 0, limits };
                self.greeted(greeting, session, now);
            }
            Some(decision) => self.ask_who(Box::pin(ready(decision)), version, resume, limits),
            None => self.ask_who(question, version, resume, limits),
        }
    }

    /// Waits in a task for who the client is, and for whether the session that it names goes on.
    fn ask_who(
        &mut self,
        question: BoxFuture<'static, Result<Arc<dyn Guest>, Fault>>,
        version: u32,
        resume: Option<Resume>,
        limits: Option<ClientLimits>,
    ) {
        let recv = resume.as_ref().map_or(0, |resume| resume.recv);
        let (from, format) = (self.id, self.format);
        let (mailbox, shared) = (self.mailbox.clone(), self.shared.clone());
        let asked = tokio::spawn(async move {
            let patience = shared.config.decision_timeout;
            let decision = decide("authentication", question, patience).await;
            let resumption = match (&decision, resume) {
                (Ok(guest), Some(resume)) => {
                    let principal = guest.id().to_owned();
                    Some(shared.kept.ask(from, resume, principal, (version, format)).await)
                }
                _ => None,
            };
            let greeting = Greeting { decision, version, resumption, recv, limits };
            mailbox.put(Letter::Greeted(Box::new(greeting)));
        });
        self.asked_who = Some(asked.abort_handle());
    }

    pub(super) fn greeted(&mut self, greeting: Greeting, session: &mut Session, now: Time) {
        let Greeting { decision, version, resumption, recv, limits } = greeting;
        // The handle would keep the memory of a task that is done.
        self.asked_who = None;
        let guest = match decision {
            Ok(guest) => guest,
            Err(fault) => {
                let refusal = Command::Refuse(refusal_code(&fault), fault);
                return self.apply(refusal, session, now);
            }
        };
        let not_resumed = match resumption {
            Some(Ok(claim)) => {
                self.handing_over = Some(HandOver { claim, guest, recv, limits });
                return;
            }
            Some(Err(Denied::Late)) => {
                let reason = "a newer connection of this session came first".to_owned();
                let close = Command::Close(CloseCode::TAKEN_OVER, reason);
                return self.apply(close, session, now);
            }
            Some(Err(Denied::Anew(reason))) => Some(reason),
            None => None,
        };
        let admitted = self.shared.guests().admit(self.id, guest.id());
        if let Err((code, fault)) = admitted {
            return self.apply(Command::Refuse(code, fault), session, now);
        }
        let keeping = Keeping::new(self.id);
        self.shared.kept.insert(keeping.session.clone(), &self.mailbox);
        self.take_in(guest, version, keeping.session.clone(), limits);
        let acceptance = self.acceptance(&keeping, not_resumed);
        self.keeping = Some(keeping);
        self.apply(Command::Accept(Box::new(acceptance)), session, now);
    }

    /// Whether the session goes on after its connection ended like this.
    pub(super) fn is_kept(&self, closed: &Closed) -> bool {
        let can_wait = !self.shared.config.session_ttl.is_zero();
        can_wait && self.keeping.as_ref().is_some_and(|keeping| keeping.lives_on(closed))
    }

    /// Gives the connection to the session that the client named.
    pub(crate) fn hand_over(mut self, transport: Box<dyn Transport>, seat: Seat) {
        if let Some(hand_over) = self.handing_over.take() {
            hand_over.complete(transport, seat);
        }
    }

    /// Goes on with the session over the connection that was handed over. What the client listens
    /// to is authorized anew before anything of it is sent.
    pub(crate) fn go_on(
        &mut self,
        handed: Handed,
        session: &mut Session,
        now: Time,
    ) -> (Box<dyn Transport>, Seat) {
        let Handed { transport, seat, guest, recv, limits } = handed;
        let (Some(facts), Some(keeping)) = (&self.facts, &mut self.keeping) else {
            return (transport, seat);
        };
        let (version, id) = (facts.version, keeping.session.clone());
        keeping.renew_ticket(session);
        self.watch.go_on(&seat.line);
        self.shared.guests().find_again(self.id);
        self.take_in(guest, version, id, limits);
        let acceptance = self.keeping.as_ref().map(|keeping| self.acceptance(keeping, None));
        if let Some(acceptance) = acceptance {
            let resumption = Box::new(Resumption { acceptance, recv, limits });
            self.apply(Command::Resume(resumption), session, now);
        }
        self.snapshots.pause();
        // What was asked on the connection before is of no interest any more.
        std::mem::take(&mut self.on_trial).values().for_each(AbortHandle::abort);
        let listened = session.subscriptions().into_iter().chain(self.snapshots.entering());
        for address in listened {
            self.ask_again(address, session, now);
        }
        self.behind.retain(|address| !self.on_trial.contains_key(address));
        (transport, seat)
    }

    fn take_in(
        &mut self,
        guest: Arc<dyn Guest>,
        version: u32,
        session: String,
        limits: Option<ClientLimits>,
    ) {
        let own = self.shared.config.limits.window;
        self.window = limits.map_or(own, |limits| own.min(limits.window.max(1)));
        self.watch.took_in(guest.id(), version);
        self.guest = Some(guest);
        self.facts = Some(Arc::new(ConnectionFacts {
            hubs: Arc::clone(&self.shared.hubs),
            mailbox: Arc::clone(&self.mailbox),
            format: self.format,
            version,
            session,
        }));
    }

    fn acceptance(&self, keeping: &Keeping, not_resumed: Option<NotResumed>) -> Acceptance {
        Acceptance {
            session: keeping.session.clone(),
            ticket: keeping.ticket(),
            ttl: self.shared.config.session_ttl,
            node: self.shared.config.node.clone(),
            not_resumed,
            expires_in: self.guest.as_ref().and_then(|guest| guest.expires_in()),
        }
    }

    fn ask_again(&mut self, address: Address, session: &mut Session, now: Time) {
        let (Some(guest), Some(link)) = (self.guest.clone(), self.link(None, nil(), 0)) else {
            return;
        };
        let channel = address.clone();
        let asked = self.ask(guest.may_subscribe(address.clone(), link), move |decision| {
            Letter::Reauthorized(channel, decision.map(|_| ()))
        });
        self.on_trial.insert(address.clone(), asked);
        self.apply(Command::Withhold(address), session, now);
    }

    pub(super) fn reauthorized(
        &mut self,
        address: Address,
        decision: Result<(), Fault>,
        session: &mut Session,
        now: Time,
    ) {
        // Left meanwhile.
        if self.on_trial.remove(&address).is_none() {
            return;
        }
        match decision {
            Ok(()) => {
                self.apply(Command::Release(address.clone()), session, now);
                self.shared.hubs.rewind(self.id, &address);
                // Whoever waits to enter goes on when the snapshot is made.
                if self.snapshots.is_entering(&address) {
                    return;
                }
                if self.snapshots.is_under_way(&address) {
                    self.restart(address);
                } else {
                    self.behind.insert(address);
                }
            }
            Err(fault) => {
                let why = denied(fault);
                self.revoke_snapshot(&address, &why, session, now);
                self.shared.hubs.unsubscribe(self.id, &address);
                self.apply(Command::EndSubscription(address.clone(), why), session, now);
                self.apply(Command::Release(address), session, now);
            }
        }
    }

    pub(super) fn urged(&mut self, command: Command, session: &mut Session, now: Time) {
        if let Command::Close(code, _) = &command
            && !outlives(*code)
            && let Some(keeping) = &mut self.keeping
        {
            keeping.end();
        }
        match command {
            Command::EndSubscription(address, why) => self.revoked(address, why, session, now),
            command => self.apply(command, session, now),
        }
    }

    /// A client wants to go on with this session over another connection.
    pub(super) fn asked(&mut self, ask: Ask, session: &mut Session, now: Time) {
        let (Some(keeping), Some(guest)) = (&mut self.keeping, &self.guest) else { return };
        if keeping.decide(ask, (guest.id(), self.format), session) && !session.is_ending() {
            let reason = "a newer connection of this session took over".to_owned();
            self.apply(Command::Close(CloseCode::TAKEN_OVER, reason), session, now);
        }
    }
}

fn refusal_code(fault: &Fault) -> CloseCode {
    match fault.code {
        FaultCode::Forbidden => CloseCode::FORBIDDEN,
        FaultCode::Overloaded | FaultCode::RateLimited => CloseCode::OVERLOADED,
        FaultCode::Internal => CloseCode::INTERNAL,
        _ => CloseCode::BAD_CREDENTIALS,
    }
}
