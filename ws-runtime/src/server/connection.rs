//! One client of this server: its session's events go to the application, and back.

use super::{
    Shared,
    guest::{Guest, Wish, is_in},
    link::{ConnectionFacts, RequestLink},
    mailbox::{Letter, Mailbox, Passing},
    publishing::FromClient,
};
use crate::{
    driver::Application,
    hub::{ConnectionId, Outgoing},
    session::{
        Acceptance, Command, Delivery, Event, Incoming, Request, Session, Ticket, Time,
        WorkId,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::task::AbortHandle;
use ws_proto::{
    Address, Answer, CloseCode, Credentials, Fault, FaultCode, Format, MessageId, Position, Secret,
    frame::{Done, Gap, GapReason, Hello, NotResumed},
    serve::{Link, PublishError},
};

/// One client of this server.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) format: Format,
    /// What the upgrade brought; completed by the hello.
    pub(crate) credentials: Credentials,
    guest: Option<Arc<dyn Guest>>,
    facts: Option<Arc<ConnectionFacts>>,
    window: u32,
    running: BTreeMap<WorkId, Running>,
    /// Publishes that the application is asked about: what becomes their stamp.
    wishes: BTreeMap<Ticket, FromClient>,
    /// Channels whose log may have events for this client.
    behind: BTreeSet<Address>,
    /// The one of them that had its turn last.
    served: Option<Address>,
}

struct Running {
    link: Arc<RequestLink>,
    /// Present when the handler is dropped on cancel.
    abort: Option<AbortHandle>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        shared: Arc<Shared>,
        format: Format,
        credentials: Credentials,
    ) -> Self {
        let limits = &shared.config.limits;
        let (window, mailbox) = (limits.window, Arc::new(Mailbox::new(limits)));
        Self {
            id,
            shared,
            mailbox,
            format,
            credentials,
            guest: None,
            facts: None,
            window,
            running: BTreeMap::new(),
            wishes: BTreeMap::new(),
            behind: BTreeSet::new(),
            served: None,
        }
    }

    fn on_hello(&mut self, hello: Hello, version: u32) {
        let mut credentials = self.credentials.clone();
        credentials.token = hello.auth.map(|auth| auth.token);
        credentials.client = hello.client;
        credentials.version = version;
        if let Some(limits) = hello.limits {
            self.window = self.window.min(limits.window.max(1));
        }
        let ours = &self.shared.fingerprint;
        if !hello.fingerprint.is_empty() && hello.fingerprint != *ours {
            tracing::info!(version, theirs = hello.fingerprint, %ours, "contracts differ");
        }
        let asked_to_resume = hello.resume.is_some();
        let (mailbox, host) = (Arc::clone(&self.mailbox), Arc::clone(&self.shared.host));
        let session = uuid::Uuid::new_v4().to_string();
        tokio::spawn(async move {
            // In a task of its own, so that a panic is a refusal and nothing more.
            let asked = tokio::spawn(host.authenticate(credentials)).await;
            let decision = asked.unwrap_or_else(|_| Err(Fault::internal("authentication failed")));
            let not_resumed = asked_to_resume.then_some(NotResumed::Unknown);
            mailbox.put(Letter::Greeted { decision, session, not_resumed, version });
        });
    }

    fn greeted(&mut self, greeted: Greeted, session: &mut Session, now: Time) {
        let command = match greeted.decision {
            Ok(guest) => {
                self.shared.greet(self.id, guest.id(), &self.mailbox);
                self.guest = Some(guest);
                self.facts = Some(Arc::new(ConnectionFacts {
                    hubs: Arc::clone(&self.shared.hubs),
                    mailbox: Arc::clone(&self.mailbox),
                    format: self.format,
                    version: greeted.version,
                    session: greeted.session.clone(),
                }));
                Command::Accept(Box::new(Acceptance {
                    session: greeted.session,
                    ticket: Secret::new(uuid::Uuid::new_v4().to_string()),
                    ttl: std::time::Duration::ZERO,
                    node: self.shared.config.node.clone(),
                    not_resumed: greeted.not_resumed,
                    expires_in: None,
                }))
            }
            Err(fault) => Command::Refuse(refusal_code(&fault), fault),
        };
        self.apply(command, session, now);
    }

    fn on_request(&mut self, request: Request, session: &mut Session, now: Time) {
        let Request { work, id, kind, payload, credit, .. } = request;
        let (Some(guest), Some(link)) = (self.guest.clone(), self.link(Some(work), id, credit))
        else {
            let fault = Fault::internal("no session");
            return self.apply(Command::Answer(work, Answer::Fault(fault)), session, now);
        };
        let spec = self.shared.requests.iter().find(|spec| kind == spec.kind);
        let guard = AnswerGuard { mailbox: Arc::clone(&self.mailbox), work, done: false };
        let span = tracing::debug_span!("request", kind = &*kind, %id, session = link.session());
        let erased: Arc<dyn Link> = Arc::clone(&link) as Arc<dyn Link>;
        let task = tokio::spawn(tracing::Instrument::instrument(
            async move {
                let answer = guest.serve(kind, payload, erased).await;
                guard.answer(answer);
            },
            span,
        ));
        let abort = spec.is_some_and(|spec| spec.cancel).then(|| task.abort_handle());
        self.running.insert(work, Running { link, abort });
    }

    fn on_stop(&self, work: WorkId) {
        if let Some(running) = self.running.get(&work) {
            running.link.cancel();
            if let Some(abort) = &running.abort {
                abort.abort();
            }
        }
    }

    fn ask_subscribe(&self, ticket: Ticket, address: Address, since: Option<Position>) {
        let (Some(guest), Some(link)) = (self.guest.clone(), self.link(None, nil(), 0)) else {
            return;
        };
        let mailbox = Arc::clone(&self.mailbox);
        tokio::spawn(async move {
            let asked = tokio::spawn(guest.may_subscribe(address.clone(), link)).await;
            let decision = asked.unwrap_or_else(|_| Err(denied_by_failure())).map(|_| since);
            mailbox.put(Letter::Subscribe(ticket, address, decision));
        });
    }

    fn ask_publish(&mut self, ticket: Ticket, incoming: Incoming) {
        let Incoming { id, address, kind, payload, key } = incoming;
        let (Some(guest), Some(link)) = (self.guest.clone(), self.link(None, id, 0)) else {
            return;
        };
        self.wishes.insert(ticket, FromClient { id, key });
        let mailbox = Arc::clone(&self.mailbox);
        tokio::spawn(async move {
            let wish = Wish { address: address.clone(), kind, payload };
            let asked = tokio::spawn(guest.may_publish(wish, link)).await;
            let decision = asked.unwrap_or_else(|_| Err(denied_by_failure()));
            mailbox.put(Letter::Publish(ticket, address, decision.map(|(_, event)| event)));
        });
    }

    fn link(&self, work: Option<WorkId>, id: MessageId, credit: u32) -> Option<Arc<RequestLink>> {
        let facts = Arc::clone(self.facts.as_ref()?);
        Some(Arc::new(RequestLink::new(facts, work, id, credit)))
    }

    fn take(&mut self, letter: Letter, session: &mut Session, now: Time) {
        match letter {
            Letter::Greeted { decision, session: id, not_resumed, version } => {
                let greeted = Greeted { decision, session: id, not_resumed, version };
                self.greeted(greeted, session, now);
            }
            Letter::Work(command) => {
                if let Command::Answer(work, _) = &command {
                    self.running.remove(work);
                }
                self.apply(command, session, now);
            }
            Letter::Subscribe(ticket, address, decision) => {
                let decision = decision.and_then(|since| self.enter(&address, since.as_ref()));
                let entered = decision.is_ok();
                self.apply(Command::Decide(ticket, decision), session, now);
                if entered {
                    self.behind.insert(address);
                }
            }
            Letter::Publish(ticket, address, decision) => {
                let from = self.wishes.remove(&ticket);
                let published = decision.and_then(|event| {
                    self.shared
                        .hubs
                        .publish_as(&address, &event, from)
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

    fn enter(&self, address: &Address, since: Option<&Position>) -> Result<Done, Fault> {
        let hubs = &self.shared.hubs;
        hubs.subscribe(self.id, &self.mailbox, address, since, self.window)
    }

    /// Takes events from the logs as long as the session wants more: one of each channel in turn,
    /// so that a busy one does not hold up the others.
    fn serve_logs(&mut self, session: &mut Session, now: Time) {
        while session.wants_deliveries()
            && let Some(address) = self.next_behind()
        {
            match self.shared.hubs.next(self.id, &address) {
                None => {
                    self.behind.remove(&address);
                }
                Some(outgoing) => {
                    let delivery = self.delivery(&address, outgoing, session.version());
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
    fn delivery(&self, address: &Address, outgoing: Outgoing, version: Option<u32>) -> Delivery {
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

    fn is_event_in(&self, address: &Address, kind: &str, version: Option<u32>) -> bool {
        let Some(spec) = self.shared.hubs.spec(address) else { return false };
        let kind = kind.strip_prefix(spec.kind).and_then(|kind| kind.strip_prefix('.'));
        let event = spec.events.iter().find(|event| Some(event.kind) == kind);
        // An event without an entry was passed on by somebody who did not know it either.
        event.is_none_or(|event| is_in(version.unwrap_or_default(), event.since, event.removed))
    }

    fn pass_on(&self, passing: Passing, session: &mut Session, now: Time) {
        for (address, dropped) in passing.dropped {
            let gap =
                Gap { reason: GapReason::Slow, after: None, until: None, dropped: Some(dropped) };
            self.apply(Command::Deliver(address, Delivery::Gap(gap)), session, now);
        }
        for (address, event) in passing.events {
            if self.is_event_in(&address, &event.head.kind, session.version()) {
                self.apply(Command::Deliver(address, Delivery::Passing(event)), session, now);
            }
        }
    }

    fn apply(&self, command: Command, session: &mut Session, now: Time) {
        // An event may have been on its way while its subscription ended: that is no misuse of
        // ours but a race that the session settles.
        if let Err(misuse) = session.handle_command(command, now) {
            tracing::debug!(connection = self.id.0, %misuse, "a command came too late");
        }
    }
}

/// The decision about a hello.
struct Greeted {
    decision: Result<Arc<dyn Guest>, Fault>,
    session: String,
    not_resumed: Option<NotResumed>,
    version: u32,
}

impl Application for Connection {
    fn poll_commands(&mut self, cx: &mut Context<'_>, session: &mut Session, now: Time) {
        let mailbox = Arc::clone(&self.mailbox);
        let mut letters = mailbox.open(cx);
        let urgent = std::mem::take(&mut letters.urgent);
        self.behind.append(&mut letters.news);
        let passing = letters.take_passing();
        drop(letters);
        for command in urgent {
            self.apply(command, session, now);
        }
        while session.has_room()
            && let Some(letter) = mailbox.take()
        {
            self.take(letter, session, now);
        }
        self.pass_on(passing, session, now);
        self.serve_logs(session, now);
    }

    fn on_event(&mut self, event: Event, session: &mut Session, now: Time) {
        match event {
            Event::Hello(hello, version) => self.on_hello(*hello, version),
            Event::Request(request) => self.on_request(*request, session, now),
            Event::Stop(work, _) => self.on_stop(work),
            Event::Credit(work, n) => {
                if let Some(running) = self.running.get(&work) {
                    running.link.credit(n);
                }
            }
            Event::Subscribe(ticket, address, since) => self.ask_subscribe(ticket, address, since),
            Event::Publish(ticket, incoming) => self.ask_publish(ticket, *incoming),
            Event::Unsubscribe(address) => {
                self.behind.remove(&address);
                self.shared.hubs.unsubscribe(self.id, &address);
            }
            Event::Consumed(address, off) => {
                if self.shared.hubs.consumed(self.id, &address, off) {
                    self.behind.insert(address);
                    self.serve_logs(session, now);
                }
            }
            Event::Closed(closed) => {
                tracing::debug!(connection = self.id.0, code = %closed.code, reason = closed.reason, "closed");
            }
            // What follows happens on a client's side only.
            Event::Welcome(_)
            | Event::Rejected(_)
            | Event::Answered(..)
            | Event::Item(..)
            | Event::Subscribed(..)
            | Event::NotSubscribed(..)
            | Event::Delivered(_)
            | Event::Gap(..)
            | Event::Live(..)
            | Event::Unsubscribed(_)
            | Event::SubscriptionEnded(..) => {}
        }
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<()> {
        // Requests are bounded by the session; each is its own task.
        Poll::Ready(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.mailbox.close();
        self.shared.hubs.disconnect(self.id);
        self.shared.leave(self.id);
        for running in self.running.values() {
            running.link.cancel();
            if let Some(abort) = &running.abort {
                abort.abort();
            }
        }
    }
}

/// Brings the answer of one handler, also when the handler panics or is dropped.
struct AnswerGuard {
    mailbox: Arc<Mailbox>,
    work: WorkId,
    done: bool,
}

impl AnswerGuard {
    fn answer(mut self, answer: Answer) {
        self.done = true;
        self.mailbox.put(Letter::Work(Command::Answer(self.work, answer)));
    }
}

impl Drop for AnswerGuard {
    fn drop(&mut self) {
        if !self.done {
            let fault = if std::thread::panicking() {
                Fault::internal("the handler failed")
            } else {
                Fault::new(FaultCode::Cancelled, "the handler was dropped")
            };
            let answer = Command::Answer(self.work, Answer::Fault(fault));
            self.mailbox.put(Letter::Work(answer));
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

/// Whoever cannot be asked says no.
fn denied_by_failure() -> Fault {
    Fault::internal("the authorization failed")
}

fn unpublished(error: &PublishError) -> Fault {
    match error {
        PublishError::TooLarge { .. } => Fault::new(FaultCode::TooLarge, error.to_string()),
        PublishError::Stopped => Fault::new(FaultCode::Draining, error.to_string()),
        _ => Fault::new(FaultCode::Overloaded, error.to_string()),
    }
}

fn nil() -> MessageId {
    MessageId(uuid::Uuid::nil())
}
