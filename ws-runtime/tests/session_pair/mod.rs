//! Two sessions under random applications, peers and networks.

mod act;
mod asking;
mod kept;
mod quiet;
mod uploads;
mod setup;

pub(crate) use crate::greeting::{acceptance, hello, null};
use act::{Act, foreign_frame};
pub(crate) use act::{acts, honest_acts, upload_acts};
use asking::Asked;
use bytestring::ByteString;
use kept::{Kept, Log, Places};
pub(crate) use quiet::delivering_acts;
pub(crate) use setup::config;
use setup::{number, numbered, room};
use std::{collections::BTreeMap, time::Duration};
use uploads::Uploads;
use ws_proto::{
    Answer, CloseCode, Envelope, Fault, Format, Frame, Head, IdSource, MessageId, Position,
    frame::{Done, Hello, Unsubscribed},
};
use ws_runtime::session::{
    Call, CallId, Command, Drain, Event, Outcome, Publish, Reply, Session, Side, Ticket, Time,
    Transmit, WorkId,
};

/// Two sessions, what is between them, and what was seen.
pub(crate) struct Pair {
    client: Session,
    server: Session,
    now: Time,
    ids: IdSource,
    connections: u64,
    calls: u64,
    /// How often each call was answered.
    pub(crate) answers: BTreeMap<CallId, u32>,
    /// How often each request of this connection was answered for good.
    terminal: BTreeMap<MessageId, u32>,
    /// What each side sent in this session, by `seq`.
    places: [Places; 2],
    works: BTreeMap<WorkId, u64>,
    uploads: Uploads,
    tickets: Vec<Ticket>,
    /// What the server asks.
    pub(crate) asked: Asked,
    hello: Option<Hello>,
    /// How often each call was started or asked about.
    started: BTreeMap<u64, u32>,
    /// Sessions that lost their connection, if the server keeps them.
    kept: Option<Kept>,
    log: Log,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self {
            client: Session::new(Side::Client, config(1), Time::ZERO),
            server: Session::new(Side::Server, config(2), Time::ZERO),
            now: Time::ZERO,
            ids: IdSource::new(3),
            connections: 0,
            calls: 0,
            answers: BTreeMap::new(),
            terminal: BTreeMap::new(),
            places: Default::default(),
            works: BTreeMap::new(),
            uploads: Uploads::default(),
            tickets: Vec::new(),
            asked: Asked::default(),
            hello: None,
            started: BTreeMap::new(),
            kept: None,
            log: Log::default(),
        }
    }

    /// With a server that keeps its sessions.
    pub(crate) fn keeping() -> Self {
        Self { kept: Some(Kept::default()), ..Self::new() }
    }

    /// Misuse is one of the outcomes of a random command: it must change nothing, and not panic.
    pub(crate) fn act(&mut self, act: &Act) {
        match *act {
            Act::Connect => self.connect(),
            Act::Accept(resumes) => self.accept(resumes),
            Act::Call { kind, ttl_ms, credit } => self.call(kind, ttl_ms, credit),
            Act::Ask(ttl_ms) => self.ask(ttl_ms),
            Act::CancelAsked(call) => self.tell_server(Command::Cancel(CallId(call))),
            Act::AnswerAsked(turn) => self.answer_asked(turn),
            Act::Publish => self.publish(),
            Act::Cancel(call) => self.tell_client(Command::Cancel(CallId(call))),
            Act::Grant(call) => self.tell_client(Command::Credit(CallId(call), 2)),
            Act::Subscribe(off) => {
                let since = (off > 0).then(|| Position { epoch: "e1".to_owned(), off });
                self.tell_client(Command::Subscribe(room(), since));
            }
            Act::Unsubscribe => self.tell_client(Command::Unsubscribe(room())),
            Act::Consumed(off) => self.tell_client(Command::Consumed(room(), off)),
            Act::Answer(work) => {
                let work = WorkId(work);
                let answer = Answer::Ok(numbered(self.works.get(&work).copied().unwrap_or(0)));
                self.tell_server(Command::Answer(work, answer));
            }
            Act::Part(call) => self.part(call),
            Act::Read(work, n) => self.read(work, n),
            Act::End(call) => self.end(call),
            Act::Item(work) => self.tell_server(Command::Item(WorkId(work), null())),
            Act::Decide(ticket, yes) => {
                let decision = if yes { Ok(self.done()) } else { Err(Fault::forbidden("no")) };
                // Mostly a question that is open, else one that never was.
                let can_decide = self.kept.as_ref().is_none_or(|kept| kept.current.is_some());
                let is_open = can_decide && !self.tickets.is_empty();
                let open = is_open.then(|| self.tickets.remove(0));
                self.decide(open.unwrap_or(Ticket(ticket)), decision);
            }
            Act::EndSubscription => {
                let Fault { code, message, retry, .. } = Fault::forbidden("no");
                let why = Unsubscribed { code, reason: message, retry };
                self.tell_server(Command::EndSubscription(room(), why));
            }
            Act::Drain => self.tell_server(Command::Drain(Drain {
                retry_after: (Duration::ZERO, Duration::from_secs(1)),
                endpoint: None,
                patience: Duration::from_secs(1),
            })),
            Act::Close(by_client) => {
                let close = Command::Close(CloseCode::INTERNAL, "as told".to_owned());
                if by_client { self.tell_client(close) } else { self.tell_server(close) }
            }
            Act::Carry(up, down) => {
                self.carry_up(up);
                self.carry_down(down);
            }
            Act::Inject { to_server, frame, seq, ack } => self.inject(to_server, frame, seq, ack),
            Act::Wait(ms) => self.wait(Duration::from_millis(ms)),
            Act::Lose => self.lose(),
            Act::LoseLate(late) => self.lose_late(late),
            Act::Deliver(count) => (0..count).for_each(|_| self.deliver()),
        }
        self.take_events();
    }

    fn connect(&mut self) {
        let greet = Command::Connect(Box::new(hello()));
        if self.client.handle_command(greet, self.now).is_ok() {
            self.connections += 1;
            let fresh = Session::new(Side::Server, config(2 + self.connections), self.now);
            let before = std::mem::replace(&mut self.server, fresh);
            self.hello = None;
            if let Some(kept) = &mut self.kept {
                kept.keep(before);
            } else {
                self.begin();
            }
        }
    }

    /// A new session of the server: nothing of the one before means anything to it.
    fn begin(&mut self) {
        self.terminal.clear();
        self.places[1] = Places::default();
        self.works.clear();
        self.uploads.begin();
        self.tickets.clear();
        self.asked.begin();
        self.log.at = None;
    }

    fn accept(&mut self, resumes: bool) {
        let Some(hello) = self.hello.take() else { return };
        if resumes && self.resume(&hello) {
            return;
        }
        if hello.resume.is_some() {
            self.places[0] = Places::default();
        }
        self.begin();
        let mut acceptance = acceptance();
        acceptance.session = self.connections.to_string();
        if let Some(kept) = &mut self.kept {
            kept.session = None;
            kept.current = Some(self.connections);
        }
        let accept = Command::Accept(Box::new(acceptance));
        self.server.handle_command(accept, self.now).expect("there was a hello");
    }

    fn call(&mut self, kind: usize, ttl_ms: Option<u64>, credit: u32) {
        let call = CallId(self.calls);
        let kind = ["join", "say", "save", "dance", "import"].get(kind).copied().unwrap_or("join");
        if kind == "import" {
            self.uploads.calls.push(call);
        }
        let command = Command::Call(Box::new(Call {
            call,
            kind: ByteString::from_static(kind),
            payload: numbered(call.0),
            ttl: ttl_ms.map(Duration::from_millis),
            key: None,
            versions: (1, None),
            credit,
        }));
        self.count_call(call, command);
    }

    fn publish(&mut self) {
        let call = CallId(self.calls);
        let command = Command::Publish(Box::new(Publish {
            call,
            address: room(),
            kind: ByteString::from_static("room.said"),
            payload: numbered(call.0),
            ttl: None,
            key: None,
        }));
        self.count_call(call, command);
    }

    fn count_call(&mut self, call: CallId, command: Command) {
        if self.client.handle_command(command, self.now).is_ok() {
            self.calls += 1;
            self.answers.insert(call, 0);
        }
    }

    fn tell_client(&mut self, command: Command) {
        // Misuse is allowed here, see `act`.
        let _ = self.client.handle_command(command, self.now);
    }

    fn tell_server(&mut self, command: Command) {
        let _ = self.server.handle_command(command, self.now);
    }

    fn decide(&mut self, ticket: Ticket, decision: Result<Done, Fault>) {
        let was = self.server.subscriptions().len();
        self.tell_server(Command::Decide(ticket, decision));
        if self.server.subscriptions().len() > was {
            self.log.begin();
        }
    }

    fn carry_up(&mut self, count: usize) {
        for _ in 0..count {
            let Some(Transmit::Envelope(envelope)) = self.client.poll_transmit(self.now) else {
                return;
            };
            self.check_place(0, &envelope);
            self.server.handle_frame(*envelope, self.now);
        }
    }

    fn carry_down(&mut self, count: usize) {
        for _ in 0..count {
            let Some(transmit) = self.server.poll_transmit(self.now) else { return };
            let envelope = opened(transmit);
            let is_new = self.check_place(1, &envelope);
            let is_terminal = match &envelope.frame {
                Frame::Fault(_) | Frame::Done(_) => true,
                Frame::Message(_) => !envelope.head.kind.ends_with(".item"),
                _ => false,
            };
            if let Some(re) = envelope.head.re.filter(|_| is_new && is_terminal) {
                let count = self.terminal.entry(re).or_default();
                *count += 1;
                assert_eq!(*count, 1, "a second terminal answer: {envelope:?}");
            }
            self.client.handle_frame(envelope, self.now);
        }
    }

    fn check_place(&mut self, side: usize, envelope: &Envelope) -> bool {
        // The hello of a new session begins the places of the client anew.
        if matches!(&envelope.frame, Frame::Hello(hello) if hello.resume.is_none()) {
            self.places[side] = Places::default();
        }
        self.places[side].check(envelope)
    }

    fn inject(&mut self, to_server: bool, frame: usize, seq: u64, ack: Option<u64>) {
        let frame = foreign_frame(frame);
        let kind = frame.control_type().unwrap_or("join");
        let id = self.ids.next(self.now.as_millis());
        let mut head = Head::new(ByteString::from_static(kind), id, 0);
        head.seq = Some(seq);
        head.ack = ack;
        head.re = seq.is_multiple_of(2).then_some(id);
        head.ch = seq.is_multiple_of(3).then(|| ByteString::from_static("room/lobby"));
        let session = if to_server { &mut self.server } else { &mut self.client };
        session.handle_frame(Envelope { head, frame }, self.now);
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        let kept = self.kept.as_mut().and_then(Kept::session_mut);
        for session in [&mut self.client, &mut self.server].into_iter().chain(kept) {
            session.handle_timeout(self.now);
        }
    }

    /// After a timeout and all outputs, nothing is due any more: a driver never spins.
    pub(crate) fn expect_rest(&mut self) {
        self.settle();
        self.wait(Duration::ZERO);
        self.settle();
        for session in [&self.client, &self.server] {
            let due = session.poll_timeout();
            assert!(due.is_none_or(|due| due > self.now), "due at {due:?}, now {}", self.now);
        }
    }

    fn lose(&mut self) {
        let lost = Command::Disconnected(None, "lost".to_owned());
        self.tell_client(lost.clone());
        self.tell_server(lost);
    }

    fn settle(&mut self) {
        for _ in 0..8 {
            self.carry_up(usize::MAX);
            self.carry_down(usize::MAX);
            self.take_events();
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Answered(call, reply) => self.check_answer(call, &reply),
                Event::Request(request) => self.asked.start(&request),
                Event::Welcome(welcome) if welcome.session.resumed => {
                    self.places[0].go_on_after(welcome.recv);
                }
                event => self.log.check(&event),
            }
        }
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Hello(hello, _) => self.hello = Some(*hello),
                Event::Answered(call, _) => self.asked.answered(call),
                Event::Request(request) => {
                    let call = number(&request.payload);
                    self.works.insert(request.work, call);
                    self.start(call);
                }
                Event::Part(work, part) => {
                    let call = self.works.get(&work).copied();
                    self.uploads.arrived(work, call, number(&part));
                }
                Event::End(work) => self.uploads.ended(work),
                Event::Subscribe(ticket, ..) => self.tickets.push(ticket),
                Event::Publish(ticket, incoming) => {
                    self.start(number(&incoming.payload));
                    self.tickets.push(ticket);
                }
                Event::Unsubscribe(_) => self.log.at = None,
                Event::Consumed(_, off) => self.log.consumed(off),
                _ => {}
            }
        }
    }

    fn check_answer(&mut self, call: CallId, reply: &Reply) {
        let count = self.answers.get_mut(&call).expect("an answer to a call of ours");
        *count += 1;
        assert_eq!(*count, 1, "{call:?} was answered twice, now with {reply:?}");
        if self.kept.is_none() {
            return;
        }
        let started = self.started.get(&call.0).copied().unwrap_or_default();
        match reply {
            Reply::Ok(payload) => {
                assert_eq!(number(payload), call.0, "the answer to another call");
                assert_eq!(started, 1, "{call:?} was answered and started {started} times");
            }
            Reply::Err(_) => assert_eq!(started, 1, "{call:?} was answered but not started"),
            Reply::Timeout(Outcome::NotSent) | Reply::Fault(_, Outcome::NotSent) => {
                assert_eq!(started, 0, "{call:?} had left: {reply:?}");
            }
            _ => {}
        }
    }

    fn start(&mut self, call: u64) {
        let count = self.started.entry(call).or_default();
        *count += 1;
        assert!(self.kept.is_none() || *count == 1, "call {call} was started twice");
    }

    fn done(&self) -> Done {
        let off = Some(self.log.head);
        Done { epoch: Some("e1".to_owned()), off, recovered: None, reason: None }
    }

    /// The first connection stands.
    pub(crate) fn open(&mut self) {
        self.connect();
        self.settle();
        self.accept(false);
        self.settle();
    }

    /// The connection ends, another one comes, and a well-behaved server answers everything.
    pub(crate) fn finish(&mut self) {
        self.lose();
        self.take_events();
        self.connect();
        self.settle();
        self.accept(true);
        for _ in 0..400 {
            if self.answers.values().all(|count| *count == 1) && self.is_all_answered() {
                return;
            }
            self.settle();
            for work in std::mem::take(&mut self.works).into_keys() {
                self.tell_server(Command::Answer(work, Answer::Err(null())));
            }
            self.answer_asked(0);
            for ticket in std::mem::take(&mut self.tickets) {
                let done = self.done();
                self.decide(ticket, Ok(done));
            }
            self.wait(Duration::from_millis(100));
        }
        self.settle();
    }
}

fn opened(transmit: Transmit) -> Envelope {
    match transmit {
        Transmit::Envelope(envelope) => *envelope,
        Transmit::Batch(_) => panic!("events are delivered one by one here"),
        Transmit::Shared(publication) => {
            let message = publication.bytes(Format::Json);
            Envelope::decode(Format::Json, message).expect("made by the log")
        }
    }
}
