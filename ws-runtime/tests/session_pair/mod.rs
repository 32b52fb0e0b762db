//! Two sessions under random applications, peers and networks.

mod act;
mod setup;

pub(crate) use act::acts;
use act::{Act, foreign_frame};
use bytestring::ByteString;
use setup::room;
pub(crate) use setup::{acceptance, config, hello, null};
use std::{collections::BTreeMap, time::Duration};
use ws_proto::{
    Answer, CloseCode, Envelope, Fault, Frame, Head, IdSource, MessageId, Position,
    frame::{Done, Unsubscribed},
};
use ws_runtime::session::{
    Call, CallId, Command, Drain, Event, Publish, Session, Side, Ticket, Time, Transmit, WorkId,
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
    /// The last `seq` that each side sent on this connection.
    sent: [u64; 2],
    works: Vec<WorkId>,
    tickets: Vec<Ticket>,
    greeted: bool,
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
            sent: [0, 0],
            works: Vec::new(),
            tickets: Vec::new(),
            greeted: false,
        }
    }

    /// Misuse is one of the outcomes of a random command: it must change nothing, and not panic.
    pub(crate) fn act(&mut self, act: &Act) {
        match *act {
            Act::Connect => self.connect(),
            Act::Accept => self.accept(),
            Act::Call { kind, ttl_ms, credit } => self.call(kind, ttl_ms, credit),
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
                self.tell_server(Command::Answer(WorkId(work), Answer::Ok(null())));
            }
            Act::Item(work) => self.tell_server(Command::Item(WorkId(work), null())),
            Act::Decide(ticket, yes) => {
                let decision = if yes { Ok(done()) } else { Err(Fault::forbidden("no")) };
                self.tell_server(Command::Decide(Ticket(ticket), decision));
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
        }
        self.take_events();
    }

    fn connect(&mut self) {
        let greet = Command::Connect(Box::new(hello()));
        if self.client.handle_command(greet, self.now).is_ok() {
            self.connections += 1;
            self.server = Session::new(Side::Server, config(2 + self.connections), self.now);
            self.terminal.clear();
            self.sent = [0, 0];
            self.works.clear();
            self.tickets.clear();
            self.greeted = false;
        }
    }

    fn accept(&mut self) {
        if std::mem::take(&mut self.greeted) {
            let accept = Command::Accept(Box::new(acceptance()));
            self.server.handle_command(accept, self.now).expect("there was a hello");
        }
    }

    fn call(&mut self, kind: usize, ttl_ms: Option<u64>, credit: u32) {
        let call = CallId(self.calls);
        let kind = ["join", "say", "save", "dance"].get(kind).copied().unwrap_or("join");
        let command = Command::Call(Box::new(Call {
            call,
            kind: ByteString::from_static(kind),
            payload: null(),
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
            payload: null(),
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

    fn carry_up(&mut self, count: usize) {
        for _ in 0..count {
            let Some(Transmit::Envelope(envelope)) = self.client.poll_transmit() else { return };
            self.check_place(0, &envelope);
            self.server.handle_frame(envelope, self.now);
        }
    }

    fn carry_down(&mut self, count: usize) {
        for _ in 0..count {
            let Some(Transmit::Envelope(envelope)) = self.server.poll_transmit() else { return };
            self.check_place(1, &envelope);
            let is_terminal = match &envelope.frame {
                Frame::Fault(_) | Frame::Done(_) => true,
                Frame::Message(_) => !envelope.head.kind.ends_with(".item"),
                _ => false,
            };
            if let Some(re) = envelope.head.re.filter(|_| is_terminal) {
                let count = self.terminal.entry(re).or_default();
                *count += 1;
                assert_eq!(*count, 1, "a second terminal answer: {envelope:?}");
            }
            self.client.handle_frame(envelope, self.now);
        }
    }

    /// The places of the session stream rise by one, from one on each new session.
    fn check_place(&mut self, side: usize, envelope: &Envelope) {
        if let Some(seq) = envelope.head.seq {
            let last = &mut self.sent[side];
            assert_eq!(seq, *last + 1, "a hole in the session stream: {envelope:?}");
            *last = seq;
        }
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
        for session in [&mut self.client, &mut self.server] {
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
            if let Event::Answered(call, reply) = event {
                let count = self.answers.get_mut(&call).expect("an answer to a call of ours");
                *count += 1;
                assert_eq!(*count, 1, "{call:?} was answered twice, now with {reply:?}");
            }
        }
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Hello(..) => self.greeted = true,
                Event::Request(request) => self.works.push(request.work),
                Event::Subscribe(ticket, ..) | Event::Publish(ticket, _) => {
                    self.tickets.push(ticket);
                }
                _ => {}
            }
        }
    }

    /// The connection ends, another one comes, and a well-behaved server answers everything.
    pub(crate) fn finish(&mut self) {
        self.lose();
        self.take_events();
        self.connect();
        self.settle();
        self.accept();
        for _ in 0..400 {
            if self.answers.values().all(|count| *count == 1) {
                return;
            }
            self.settle();
            for work in std::mem::take(&mut self.works) {
                self.tell_server(Command::Answer(work, Answer::Err(null())));
            }
            for ticket in std::mem::take(&mut self.tickets) {
                self.tell_server(Command::Decide(ticket, Ok(done())));
            }
            self.wait(Duration::from_millis(100));
        }
        self.settle();
    }
}

fn done() -> Done {
    Done { epoch: Some("e1".to_owned()), off: Some(3), recovered: None, reason: None }
}
