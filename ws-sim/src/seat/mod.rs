//! One session of the model server: what the application does around it.

mod answering;
mod checks;
mod paying;
mod renewing;
mod uploading;

use crate::{
    base::Base,
    client::items_of,
    contract::{LIST, LOAD, PAY, REQUESTS, number},
    net::{End, LinkId},
    node::Floor,
    oracle::{Broken, Checked, ClientNo, broken, hold},
    tap::Tap,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use uploading::Reading;
use ws_proto::{
    Address, Answer, Batch, CloseCode, Fault, FaultCode, Format, MessageId, Position, Publication,
    Secret,
    frame::{ClientLimits, Hello, NotResumed, Resume},
};
use ws_runtime::{
    hub::ConnectionId,
    session::{
        Acceptance, Closed, Command, Delivery, Event, Incoming, Request, Resumption, Session, Side,
        Stop, Ticket, Time, WorkId, outlives,
    },
};

#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: ConnectionId,
    pub(crate) session: Session,
    pub(crate) tap: Tap,
    /// Whose session this is.
    pub(crate) client: ClientNo,
    pub(crate) format: Format,
    pub(crate) link: Option<LinkId>,
    /// A hello that the application has decided about, and whether it was refused.
    pub(crate) greeted: Option<(Box<Hello>, bool)>,
    window: u32,
    running: BTreeMap<WorkId, Running>,
    questions: Vec<(Time, Question)>,
    /// Credentials that the application decides about, and when it has.
    auth: Option<(Time, Ticket)>,
    behind: BTreeSet<Address>,
    on_trial: BTreeSet<Address>,
    kept: Option<Kept>,
    claimed: Option<Handed>,
    /// The last connection that the session was given.
    newest: ConnectionId,
    /// How the connection ended, and until when its client may come back.
    away: Option<(Closed, Time)>,
    /// The last ordered job that started.
    ordered: u64,
    /// The server stops, and waits until then.
    draining: Option<Time>,
    /// Events sent and not acknowledged, by channel.
    flying: BTreeMap<Address, BTreeSet<u64>>,
    /// Channels whose log need not have waited: the window was full, or it all comes again.
    unready: BTreeSet<Address>,
}

/// A link that changes its session.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) from: ConnectionId,
    /// The ticket.
    pub(crate) shown: String,
    pub(crate) link: Option<LinkId>,
    pub(crate) recv: u64,
    pub(crate) limits: Option<ClientLimits>,
}

#[derive(Debug)]
struct Kept {
    session: String,
    ticket: u64,
    /// The ticket that the client showed last, until it is heard of.
    previous: Option<String>,
    received: u64,
}

#[derive(Debug)]
struct Running {
    job: u64,
    kind: usize,
    due: Time,
    credit: u32,
    sent: u64,
    id: MessageId,
    deadline: Option<Time>,
    /// What is kept under its key.
    answer: Option<Answer>,
    /// The parts of its upload.
    reading: Reading,
    /// Why its handler was told to stop.
    stopped: Option<Stop>,
}

#[derive(Debug)]
enum Question {
    Hello(Box<Hello>),
    Subscribe(Ticket, Address, Option<Position>),
    Publish(Ticket, Box<Incoming>),
    Again(Address),
}

impl Seat {
    pub(crate) fn new(
        id: ConnectionId,
        link: LinkId,
        (client, format): (ClientNo, Format),
        base: &mut Base,
    ) -> Self {
        let config = base.server_config();
        let terms = base.terms(End::Server, &config.limits);
        Self {
            id,
            tap: Tap::new(terms),
            session: Session::new(Side::Server, config, base.now),
            client,
            format,
            link: Some(link),
            greeted: None,
            window: base.plan.server.window,
            running: BTreeMap::new(),
            questions: Vec::new(),
            auth: None,
            behind: BTreeSet::new(),
            on_trial: BTreeSet::new(),
            kept: None,
            claimed: None,
            newest: id,
            away: None,
            ordered: 0,
            draining: None,
            flying: BTreeMap::new(),
            unready: BTreeSet::new(),
        }
    }

    pub(crate) fn is_session(&self, name: &str) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.session == name)
    }

    pub(crate) fn give_link(mut self) -> Option<LinkId> {
        self.link.take()
    }

    pub(crate) fn drop_link(&self, base: &mut Base) {
        let handed = self.claimed.as_ref().and_then(|handed| handed.link);
        for link in self.link.into_iter().chain(handed) {
            let at = base.within(200);
            base.net.close(link, End::Server, at);
        }
    }

    pub(crate) fn refuse(&mut self, base: &Base) -> Checked {
        let fault = Fault::new(FaultCode::Overloaded, "come back later");
        self.tell(Command::Refuse(CloseCode::OVERLOADED, fault), base)
    }

    /// Takes the client in with a new session.
    pub(crate) fn welcome(
        &mut self,
        hello: &Hello,
        not_resumed: Option<NotResumed>,
        base: &mut Base,
    ) -> Checked {
        let session = format!("s{}", base.next_seed());
        let ticket = base.next_seed();
        self.kept = Some(Kept { session, ticket, previous: None, received: 0 });
        self.meet(hello.limits, base);
        let acceptance = Box::new(self.acceptance(not_resumed, base));
        self.tell(Command::Accept(acceptance), base)
    }

    /// Whether the client of a connection may go on with this session. An older connection than
    /// the one that has it may not: its hello was delayed past a newer one.
    pub(crate) fn judge(&self, from: ConnectionId, resume: &Resume) -> Result<(), NotResumed> {
        if from < self.newest {
            return Err(NotResumed::Unknown);
        }
        let Some(kept) = &self.kept else { return Err(NotResumed::Unknown) };
        let heard = self.session.counters().heard() > kept.received;
        let previous = kept.previous.as_ref().filter(|_| !heard);
        let shown = resume.ticket.expose();
        if shown != kept.ticket.to_string() && previous.is_none_or(|previous| shown != previous) {
            return Err(NotResumed::Unknown);
        }
        self.session.can_resume(1, resume.recv)
    }

    /// A client that goes on with this session has come.
    pub(crate) fn claim(&mut self, handed: Handed, base: &mut Base) -> Checked {
        self.newest = handed.from;
        if let Some(Handed { link: Some(link), .. }) = self.claimed.replace(handed) {
            let at = base.within(200);
            base.net.close(link, End::Server, at);
        }
        if self.away.is_some() || self.session.is_ending() {
            return Ok(());
        }
        base.hit("take_over");
        self.tell(Command::Close(CloseCode::TAKEN_OVER, "taken over".to_owned()), base)
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    pub(crate) fn lives_on(&self, now: Time) -> bool {
        self.kept.is_some()
            && self
                .away
                .as_ref()
                .is_some_and(|(closed, until)| outlives(closed.code) && now < *until)
    }

    /// Goes on over the link of a client that has come; false when there is none.
    pub(crate) fn go_on(&mut self, base: &mut Base) -> Result<bool, Broken> {
        let Some(Handed { link, shown, recv, limits, .. }) = self.claimed.take() else {
            return Ok(false);
        };
        let ticket = base.next_seed();
        let received = self.session.counters().heard();
        if let Some(kept) = &mut self.kept {
            kept.ticket = ticket;
            kept.previous = Some(shown);
            kept.received = received;
        }
        self.away = None;
        self.link = link;
        self.meet(limits, base);
        self.tap.resumes(recv, base.now);
        let acceptance = self.acceptance(None, base);
        let resumption = Resumption { acceptance, recv, limits };
        self.draining = None;
        self.tell(Command::Resume(Box::new(resumption)), base)?;
        self.on_trial = self.session.subscriptions().into_iter().collect();
        self.behind.retain(|address| !self.on_trial.contains(address));
        for address in self.on_trial.clone() {
            let due = base.within(50);
            self.questions.push((due, Question::Again(address)));
        }
        Ok(true)
    }

    /// A log has news, or a best-effort event was published.
    pub(crate) fn hear(
        &mut self,
        address: Address,
        events: Vec<Arc<Publication>>,
        base: &mut Base,
    ) {
        if self.on_trial.contains(&address) {
            return;
        }
        if events.is_empty() {
            self.behind.insert(address);
        } else if self.session.version().is_some() {
            let deliveries = if base.chance(2) {
                base.hit("passing_batch");
                vec![Delivery::PassingBatch(Arc::new(Batch::new(events)))]
            } else {
                events.into_iter().map(Delivery::Passing).collect()
            };
            for delivery in deliveries {
                // Its subscription may have ended meanwhile.
                let delivery = Command::Deliver(address.clone(), delivery);
                let _ = self.session.handle_command(delivery, base.now);
            }
        }
    }

    /// Takes what arrived, acts on events, answers, sends. True when anything happened.
    pub(crate) fn pump(&mut self, floor: &mut Floor, base: &mut Base) -> Result<bool, Broken> {
        let mut any = false;
        while let Some(link) = self.link
            && let Some(parcel) = base.net.arrive(link, End::Server, base.now)
        {
            any = true;
            match base.open(parcel, self.format)? {
                Some(envelope) => {
                    if !self.session.is_ending() {
                        self.tap.hears(&envelope, base.now);
                    }
                    self.session.handle_frame(envelope, base.now);
                }
                None => self.lost(base)?,
            }
            self.take_events(floor, base)?;
            self.check_cancelled()?;
        }
        if let Some(link) = self.link.filter(|link| !base.net.is_open(*link, End::Server)) {
            base.net.leave(link, End::Server);
            self.lost(base)?;
        }
        any |= self.take_events(floor, base)?;
        any |= self.decide_who(base)?;
        any |= self.answer_due(floor, base)?;
        any |= self.serve_logs(floor, base)?;
        if let Some(link) = self.link {
            self.tap.bar(&self.on_trial);
            let both = (&mut self.session, &mut self.tap);
            any |= base.send(both, (link, End::Server), self.format);
            let has_room = base.net.carried(link, End::Server) < base.plan.pipe;
            self.tap.check(base.now, has_room, self.session.version().is_some())?;
        }
        any |= self.take_events(floor, base)?;
        self.check_deadlines(base.now)?;
        Ok(any)
    }

    /// The transport is gone.
    pub(crate) fn lost(&mut self, base: &mut Base) -> Checked {
        if let Some(link) = self.link {
            base.net.leave(link, End::Server);
        }
        self.tap.is_cut();
        self.tell(Command::Disconnected(None, "lost".to_owned()), base)
    }

    /// The application ends one of the subscriptions.
    pub(crate) fn revoke(&mut self, floor: &mut Floor, base: &Base) {
        let addresses = self.session.subscriptions();
        if let Some(address) = addresses.first() {
            self.deny(address, floor, base);
        }
    }

    pub(crate) fn due(&self, now: Time) -> Option<Time> {
        let running = self.running.values().filter(|work| work.can_go_on()).map(|work| work.due);
        let questions = self.questions.iter().map(|(due, _)| *due);
        // What is overdue waits for room, not for time.
        let letters = running.chain(questions).filter(|due| *due > now);
        let away = self.away.as_ref().map(|(_, until)| *until);
        let away = away.into_iter().chain(self.auth.map(|(due, _)| due));
        letters.chain(self.session.poll_timeout()).chain(away).min()
    }

    fn tell(&mut self, command: Command, base: &Base) -> Checked {
        let id = self.id;
        self.session
            .handle_command(command, base.now)
            .or_else(|misuse| broken("misuse", format!("{id:?}: {misuse}")))
    }

    fn meet(&mut self, limits: Option<ClientLimits>, base: &Base) {
        let own = base.plan.server.window;
        self.window = limits.map_or(own, |limits| own.min(limits.window.max(1)));
    }

    fn acceptance(&mut self, not_resumed: Option<NotResumed>, base: &mut Base) -> Acceptance {
        let expires_in = self.grant(base);
        let kept = self.kept.as_ref();
        Acceptance {
            session: kept.map_or_else(String::new, |kept| kept.session.clone()),
            ticket: Secret::new(kept.map_or(0, |kept| kept.ticket).to_string()),
            ttl: base.plan.ttl,
            node: "node".to_owned(),
            not_resumed,
            expires_in,
        }
    }

    fn take_events(&mut self, floor: &mut Floor, base: &mut Base) -> Result<bool, Broken> {
        let mut any = false;
        while let Some(event) = self.session.poll_event() {
            any = true;
            base.trace.number(self.id.0);
            base.note(format_args!("{:?} hears {event:?}", self.id));
            self.on_event(event, floor, base)?;
        }
        Ok(any)
    }

    fn on_event(&mut self, event: Event, floor: &mut Floor, base: &mut Base) -> Checked {
        let due = base.within(60);
        match event {
            Event::Hello(hello, _) => self.questions.push((due, Question::Hello(hello))),
            Event::Auth(ticket, _) => self.is_shown(ticket, base)?,
            Event::Request(request) => self.start(&request, floor, base)?,
            Event::Stop(work, why) => {
                base.hit("stopped");
                if let Some(running) = self.running.get_mut(&work) {
                    running.stopped = Some(why);
                }
                if self
                    .running
                    .get(&work)
                    .is_some_and(|running| [LIST, LOAD].contains(&running.kind))
                {
                    self.ends(work, base.now);
                    let fault = Fault::new(FaultCode::Cancelled, "dropped");
                    self.tell(Command::Answer(work, Answer::Fault(fault)), base)?;
                }
            }
            Event::Credit(work, n) => {
                if let Some(running) = self.running.get_mut(&work) {
                    running.credit += n;
                    running.due = running.due.max(due);
                }
            }
            Event::Part(work, part) => self.part(work, &part, base)?,
            Event::End(work) => self.parts_end(work, base)?,
            Event::Subscribe(ticket, address, since) => {
                self.questions.push((due, Question::Subscribe(ticket, address, since)));
            }
            Event::Publish(ticket, incoming) => {
                self.questions.push((due, Question::Publish(ticket, incoming)));
            }
            Event::Unsubscribe(address) => {
                self.behind.remove(&address);
                self.on_trial.remove(&address);
                floor.hub.unsubscribe(self.id, &address);
            }
            Event::Consumed(address, off) => {
                if let Some(flying) = self.flying.get_mut(&address) {
                    flying.retain(|flying| *flying > off);
                }
                let more = floor.hub.consumed(self.id, &address, off);
                let more = more.or_else(|error| broken("I9", error.to_string()).map(|()| false))?;
                // Of a channel on trial nothing is sent.
                if more && !self.on_trial.contains(&address) {
                    self.behind.insert(address);
                }
            }
            Event::Closed(closed) => {
                self.tap.ended(&closed, base.now)?;
                self.check_drained(&closed, base.now)?;
                self.check_expired(&closed, base)?;
                if let Some(link) = self.link.take() {
                    let at = base.within(100);
                    base.net.close(link, End::Server, at);
                }
                self.away = Some((closed, base.now + base.plan.ttl));
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, request: &Request, floor: &mut Floor, base: &mut Base) -> Checked {
        let job = number(&request.payload);
        let kind = REQUESTS.iter().position(|spec| request.kind == spec.kind).unwrap_or_default();
        if kind != PAY {
            base.oracle.starts(job)?;
        }
        if REQUESTS[kind].ordered {
            let before = std::mem::replace(&mut self.ordered, job);
            hold("I4", before < job, || format!("job {job} starts after {before}"))?;
        }
        let slow = if base.chance(8) { 8_000 } else { 100 };
        let due = base.within(slow);
        let running = Running {
            job,
            kind,
            due,
            credit: request.credit,
            sent: 0,
            id: request.id,
            deadline: self.tap.deadline_of(request.id),
            answer: None,
            reading: Reading::default(),
            stopped: None,
        };
        self.check_start(&running, base)?;
        self.tap.starts(request.id);
        if kind == PAY {
            return self.pay(request, running, floor, base);
        }
        self.running.insert(request.work, running);
        Ok(())
    }
}

impl Running {
    fn items_left(&self) -> u64 {
        if self.kind == LIST { items_of(self.job) - self.sent } else { 0 }
    }

    fn can_go_on(&self) -> bool {
        match self.kind {
            PAY => self.answer.is_some(),
            LOAD => self.reading.can_go_on() || self.stopped.is_some(),
            _ => self.items_left() == 0 || self.credit > 0,
        }
    }
}
