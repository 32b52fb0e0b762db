//! One client of this server: its session's events go to the application, and back.

use super::{
    Shared,
    calling::Asking,
    deciding::decided_at_once,
    guest::{Guest, Wish},
    keeping::{HandOver, Keeping},
    link::{ConnectionFacts, RequestLink},
    mailbox::{Letter, Mailbox},
    publishing::{FromClient, Held},
    rights::refusal,
    snapshots::Snapshots,
    watching::Watch,
    working::Running,
};
use crate::{
    driver::Application,
    hub::ConnectionId,
    session::{Command, Event, Incoming, Session, Ticket, Time, WorkId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Context,
};
use tokio::task::AbortHandle;
use ws_proto::{
    Address, Credentials, Fault, FaultCode, Format, MessageId, Position,
    frame::{Done, Unsubscribed},
    serve::PublishError,
};

/// One client of this server.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    /// What the application asks of the client.
    pub(super) asking: Asking,
    pub(crate) format: Format,
    /// What the upgrade brought, until the hello completes it.
    pub(super) credentials: Option<Box<Credentials>>,
    pub(super) guest: Option<Arc<dyn Guest>>,
    pub(super) facts: Option<Arc<ConnectionFacts>>,
    /// The link of the last request that was answered at once, for the next one.
    pub(super) spare: Option<Arc<RequestLink>>,
    pub(super) window: u32,
    pub(super) running: BTreeMap<WorkId, Running>,
    held: Held,
    /// What the application is asked about channels, and does not know yet.
    pub(super) questions: BTreeMap<Ticket, Question>,
    /// Who the client is: the question under way.
    pub(super) asked_who: Option<AbortHandle>,
    /// It is about a token that the client brought later.
    pub(super) renewing: Option<Ticket>,
    /// Whether the client still may listen, since it showed that token.
    pub(super) reviews: Vec<AbortHandle>,
    /// Publishes that the application is asked about: what becomes their stamp.
    pub(super) wishes: BTreeMap<Ticket, FromClient>,
    /// Channels whose log may have events for this client.
    pub(super) behind: BTreeSet<Address>,
    /// The one of them that had its turn last.
    pub(super) served: Option<Address>,
    /// Channels that the client listened to before a resume, until the application has said that
    /// it still may.
    pub(super) on_trial: BTreeMap<Address, AbortHandle>,
    pub(super) snapshots: Snapshots,
    /// Present once the client is taken in.
    pub(crate) keeping: Option<Keeping>,
    /// The connection belongs to the session that the client named.
    pub(super) handing_over: Option<HandOver>,
    /// What those who look are told.
    pub(super) watch: Watch,
    /// What may be empty now may have held something: see [`Connection::give_back`].
    pub(super) is_stirred: bool,
}

/// A question about a channel.
pub(super) struct Question {
    asked: AbortHandle,
    /// The channel that the client wants to listen to.
    pub(super) subscribes: Option<Address>,
    /// The right was taken away meanwhile, whatever the decision is.
    pub(super) revoked: Option<Fault>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        shared: Arc<Shared>,
        format: Format,
        credentials: Box<Credentials>,
    ) -> Self {
        let limits = &shared.config.limits;
        let (asking, line) = Asking::new(format, shared.config.call_timeout, limits.max_in_flight);
        let (window, mailbox) = (limits.window, Arc::new(Mailbox::new(limits, line)));
        let snapshots = Snapshots::new(limits.max_snapshots);
        Self {
            id,
            shared,
            mailbox,
            asking,
            format,
            credentials: Some(credentials),
            guest: None,
            facts: None,
            spare: None,
            window,
            running: BTreeMap::new(),
            held: Held::default(),
            questions: BTreeMap::new(),
            asked_who: None,
            renewing: None,
            reviews: Vec::new(),
            wishes: BTreeMap::new(),
            behind: BTreeSet::new(),
            served: None,
            on_trial: BTreeMap::new(),
            snapshots,
            keeping: None,
            handing_over: None,
            watch: Watch::default(),
            is_stirred: false,
        }
    }

    fn ask_subscribe(
        &mut self,
        (ticket, address, since): (Ticket, Address, Option<Position>),
        session: &mut Session,
        now: Time,
    ) {
        let (Some(guest), Some(link)) = (self.guest.clone(), self.link(None, nil(), 0)) else {
            return;
        };
        let mut question = guest.may_subscribe(address.clone(), link);
        if let Some(decision) = decided_at_once(&mut question, session) {
            let letter = Letter::Subscribe(ticket, address, decision.map(|_| since));
            return self.take(letter, session, now);
        }
        let subscribes = Some(address.clone());
        let asked = self.ask(question, move |decision| {
            Letter::Subscribe(ticket, address, decision.map(|_| since))
        });
        self.questions.insert(ticket, Question { asked, subscribes, revoked: None });
    }

    fn ask_publish(
        &mut self,
        ticket: Ticket,
        incoming: Incoming,
        session: &mut Session,
        now: Time,
    ) {
        let Incoming { id, address, kind, payload, key } = incoming;
        let (Some(guest), Some(link)) = (self.guest.clone(), self.link(None, id, 0)) else {
            return;
        };
        // A key counts for its principal only: nobody keeps out what somebody else publishes.
        let key = key.map(|key| format!("{}\0{key}", guest.id()).into());
        self.wishes.insert(ticket, FromClient { id, key });
        let wish = Wish { address: address.clone(), kind, payload };
        let mut question = guest.may_publish(wish, link);
        if let Some(decision) = decided_at_once(&mut question, session) {
            let event = decision.map(|(_, event)| event);
            return self.take(Letter::Publish(ticket, address, event), session, now);
        }
        let asked = self.ask(question, move |decision| {
            Letter::Publish(ticket, address, decision.map(|(_, event)| event))
        });
        self.questions.insert(ticket, Question { asked, subscribes: None, revoked: None });
    }

    pub(super) fn link(
        &self,
        work: Option<WorkId>,
        id: MessageId,
        credit: u32,
    ) -> Option<Arc<RequestLink>> {
        let facts = Arc::clone(self.facts.as_ref()?);
        Some(Arc::new(RequestLink::new(facts, work, id, credit)))
    }

    fn take(&mut self, letter: Letter, session: &mut Session, now: Time) {
        match letter {
            Letter::Greeted(greeting) => self.greeted(*greeting, session, now),
            Letter::Reauthorized(address, decision) => {
                self.reauthorized(address, decision, session, now);
            }
            Letter::Work(command) => {
                if let Command::Answer(work, _) = &command {
                    self.running.remove(work);
                }
                self.apply(command, session, now);
            }
            Letter::Subscribe(ticket, address, decision) => {
                let question = self.questions.remove(&ticket);
                let revoked = question.and_then(|question| question.revoked);
                let decision = revoked.map_or(decision, Err);
                let decision = decision.and_then(|since| self.enter(&address, since.as_ref()));
                self.let_in(ticket, address, decision, session, now);
            }
            Letter::Snapshot(made) => self.snapshot_made(*made, session, now),
            Letter::Publish(ticket, address, decision) => {
                self.questions.remove(&ticket);
                let from = self.wishes.remove(&ticket);
                let published = decision.and_then(|event| {
                    self.shared
                        .hubs
                        .publish_as(&address, &event, from, &mut self.held)
                        .map_err(|error| unpublished(&error))
                });
                let decision = published.map(|position| Done {
                    epoch: position.as_ref().map(|position| position.epoch.clone()),
                    off: position.map(|position| position.off),
                    ..Done::default()
                });
                self.apply(Command::Decide(ticket, decision), session, now);
            }
        }
    }

    /// Takes what does not wait for the session to have room.
    #[cold]
    fn take_pressing(&mut self, session: &mut Session, now: Time) {
        let (urgent, renewals, asks) = self.mailbox.take_pressing();
        for command in urgent {
            self.urged(command, session, now);
        }
        for renewal in renewals {
            self.renewed(renewal, session, now);
        }
        for ask in asks {
            self.asked(ask, session, now);
        }
    }

    fn take_regular(&mut self, session: &mut Session, now: Time) {
        while session.has_room()
            && let Some(letter) = self.mailbox.take()
        {
            self.take(letter, session, now);
        }
        self.shared.hubs.send_off(&mut self.held);
    }

    fn enter(&self, address: &Address, since: Option<&Position>) -> Result<Done, Fault> {
        let hubs = &self.shared.hubs;
        let done = hubs.subscribe(self.id, &self.mailbox, address, since, self.window)?;
        // Revoked since the commands were taken: whoever did it may not have found it in the hub.
        let Some(why) = self.mailbox.revokes(address) else { return Ok(done) };
        hubs.unsubscribe(self.id, address);
        Err(refusal(&why))
    }

    /// Whether nothing of a channel is sent for now. What it misses is there when that is over.
    pub(super) fn is_silent(&self, address: &Address) -> bool {
        self.on_trial.contains_key(address) || self.snapshots.is_under_way(address)
    }

    pub(super) fn apply(&self, command: Command, session: &mut Session, now: Time) {
        // An event may have been on its way while its subscription ended: that is no misuse of
        // ours but a race that the session settles.
        if let Err(misuse) = session.handle_command(command, now) {
            tracing::debug!(connection = self.id.0, %misuse, "a command came too late");
        }
    }
}

impl Application for Connection {
    fn poll_commands(&mut self, cx: &mut Context<'_>, session: &mut Session, now: Time) {
        self.shared.hubs.send_off(&mut self.held);
        let mut letters = self.mailbox.open(cx);
        let (is_pressing, has_regular) = (letters.is_pressing(), letters.has_regular());
        let mut news = letters.news.pop().filter(|address| !self.is_silent(address));
        while let Some(address) = letters.news.pop() {
            if !self.is_silent(&address) {
                self.behind.insert(address);
            }
        }
        let is_behind = session.is_behind() || session.version().is_none();
        let passing = letters.take_passing(is_behind);
        drop(letters);
        if is_pressing || has_regular {
            self.behind.extend(news.take());
            self.is_stirred = true;
        }
        if is_pressing {
            self.take_pressing(session, now);
        }
        if has_regular {
            self.take_regular(session, now);
        }
        self.asking.poll(cx, session, now);
        self.pass_on(passing, session, now);
        self.catch_up(news, session, now);
        self.give_back();
    }

    fn on_event(&mut self, event: Event, session: &mut Session, now: Time) {
        self.is_stirred |= !matches!(event, Event::Consumed(..) | Event::Request(_));
        match event {
            Event::Hello(hello, version) => self.on_hello(*hello, version, session, now),
            Event::Auth(ticket, token) => self.on_auth(ticket, token),
            Event::Request(request) => self.on_request(request, session, now),
            Event::Stop(work, _) => self.on_running(work, Running::stop),
            Event::Credit(work, n) => self.on_running(work, |it| it.link.credit(n)),
            Event::Answered(call, reply) => self.asking.answered(call, reply),
            Event::Part(work, part) => self.on_running(work, |it| it.link.part(part)),
            Event::End(work) => self.on_running(work, |it| it.link.parts_end()),
            Event::Subscribe(ticket, address, since) => {
                self.ask_subscribe((ticket, address, since), session, now);
            }
            Event::Publish(ticket, incoming) => self.ask_publish(ticket, *incoming, session, now),
            Event::Unsubscribe(address) => {
                self.behind.remove(&address);
                self.on_trial.remove(&address);
                self.snapshots.forget(&address);
                self.shared.hubs.unsubscribe(self.id, &address);
            }
            Event::Consumed(address, off) => {
                // Of a silent channel nothing is sent, whatever was consumed of it before.
                let more = self.shared.hubs.consumed(self.id, &address, off);
                if more && !self.is_silent(&address) {
                    self.catch_up(Some(address), session, now);
                }
            }
            Event::Closed(closed) => {
                let (code, reason) = (closed.code, closed.reason);
                tracing::debug!(connection = self.id.0, %code, reason, "the connection is over");
                self.forget_renewal();
            }
            // No callback streams.
            Event::Item(..)
            // What follows happens on a client's side only.
            | Event::Welcome(_)
            | Event::Rejected(_)
            | Event::AuthRequired
            | Event::Renewed
            | Event::NotRenewed(_)
            | Event::Snapshot(..)
            | Event::Granted(..)
            | Event::Subscribed(..)
            | Event::NotSubscribed(..)
            | Event::Delivered(_)
            | Event::Gap(..)
            | Event::Live(..)
            | Event::Unsubscribed(_)
            | Event::SubscriptionEnded(..) => {}
        }
    }

    fn on_rest(&mut self, session: &Session) {
        self.watch.report(session);
    }

    fn is_handed_over(&self) -> bool {
        self.handing_over.is_some()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.mailbox.close();
        self.shared.hubs.disconnect(self.id);
        self.shared.guests().leave(self.id);
        if let Some(keeping) = &self.keeping {
            self.shared.kept.remove(&keeping.session);
        }
        // What they are about is as large as a message, and nobody waits for the answer.
        let of_channels = self.questions.values().map(|question| &question.asked);
        let asked = of_channels.chain(self.on_trial.values()).chain(&self.asked_who);
        let asked = asked.chain(&self.reviews);
        asked.for_each(AbortHandle::abort);
        self.running.values().for_each(Running::stop);
    }
}

/// Why a subscription ends.
pub(super) fn denied(fault: Fault) -> Unsubscribed {
    let Fault { code, message, retry, .. } = fault;
    Unsubscribed { code, reason: message, retry }
}

fn unpublished(error: &PublishError) -> Fault {
    match error {
        PublishError::TooLarge { .. } => Fault::new(FaultCode::TooLarge, error.to_string()),
        PublishError::Stopped => Fault::new(FaultCode::Draining, error.to_string()),
        _ => Fault::new(FaultCode::Overloaded, error.to_string()),
    }
}

pub(super) fn nil() -> MessageId {
    MessageId(uuid::Uuid::nil())
}
