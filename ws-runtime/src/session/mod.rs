//! One end of the conversation. Pure: no I/O, no clock, no randomness, no task, no lock.
//!
//! > **The contract.** Three inputs: [`Session::handle_frame`], [`Session::handle_command`],
//! > [`Session::handle_timeout`]. Three outputs: [`Session::poll_transmit`],
//! > [`Session::poll_event`], [`Session::poll_timeout`]. After any input, poll the outputs until
//! > each is empty; the order of the polls is free; time never goes back.
//!
//! Three polls and not one queue, so that a full socket blocks neither events nor timers. The same
//! type serves both sides; what differs is in [`Side`]. Implements `docs/protocol.md`, sections 4
//! to 10.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod command;
mod event;
mod flat;
mod config;
mod time;
mod state;
mod fault;
mod handshake;
mod receive;
mod resuming;
mod outbox;
mod leaving;
mod inbox;
mod calls;
mod calling;
mod work;
mod serving;
mod uploading;
mod renewing;
mod listening;
mod channels;
mod few;
pub(crate) mod line;
mod alive;
mod pace;
mod resting;
mod workspace;
mod counters;

pub use command::{
    Acceptance, Call, CallId, Command, Delivery, Drain, Misuse, Publish, Resumption, Ticket,
};
pub use config::{Config, Contract, Side};
pub use counters::{Counters, Figures};
pub use event::{Closed, Delivered, Event, Incoming, Initiator, Outcome, Reply, Request, Stop};
pub use fault::PeerFault;
pub use leaving::{Leaving, Transmit};
pub use resuming::outlives;
pub use time::Time;
pub use work::WorkId;
pub use workspace::Workspace;

use alive::{Alive, Pulse};
use bytestring::ByteString;
use calls::Calls;
use channels::Channels;
use inbox::Inbox;
use line::Line;
use listening::Listening;
use outbox::Outbox;
use pace::Pace;
use renewing::Renewing;
use resting::at_the_start;
use resuming::Grant;
use state::State;
use std::collections::VecDeque;
use time::{earliest, millis};
use work::Work;
use workspace::Spare;
use ws_proto::{
    Answer, CloseCode, Envelope, Fault, Frame, Head, IdSource,
    frame::{Close, Ping},
};

/// One end of the conversation; see the module's contract.
#[derive(Debug)]
pub struct Session {
    side: Side,
    config: Config,
    state: State,
    now: Time,
    ids: IdSource,
    /// Frames outside the session stream: they pass everything else.
    urgent: Line<Box<Envelope>>,
    outbox: Outbox,
    inbox: Inbox,
    calls: Calls,
    work: Work,
    listening: Listening,
    channels: Channels,
    alive: Alive,
    /// How long the credentials of this connection last.
    renewing: Renewing,
    /// Server: what the client may send. Client: what the server said we may send.
    pace: Pace,
    events: VecDeque<Event>,
    /// Memory of what is done with; a driver lends it: [`Session::exchange`].
    spare: Spare,
    counters: Counters,
    /// Requests of the peer came since the last rest.
    was_asked: bool,
    /// Messages above the rate; it falls with each that keeps to it.
    excess: u32,
    /// Bytes of the largest message that the peer takes.
    peer_frame: usize,
    /// The version that both sides agreed on when the session began.
    agreed: Option<u32>,
    /// Client: how to go on with the session over another connection.
    grant: Option<Grant>,
    /// Anything but a delivery came or left since the last rest.
    is_stirred: bool,
}

impl Session {
    /// A session without a connection (client), or one that awaits a hello (server).
    #[must_use]
    pub fn new(side: Side, config: Config, now: Time) -> Self {
        let state = match side {
            Side::Client => State::Idle,
            Side::Server => State::Expecting { until: now + config.handshake_timeout },
        };
        let limits = &config.limits;
        Self {
            side,
            state,
            now,
            ids: IdSource::new(config.seed),
            urgent: Line::default(),
            outbox: Outbox::new(limits),
            inbox: Inbox::default(),
            calls: Calls::default(),
            work: Work::new(limits),
            listening: Listening::default(),
            channels: Channels::default(),
            alive: Alive::of(&config, now),
            renewing: Renewing::default(),
            pace: Pace::new(limits.rate_per_s, limits.rate_burst, now),
            events: VecDeque::new(),
            spare: Spare::default(),
            counters: Counters::default(),
            was_asked: false,
            excess: 0,
            peer_frame: limits.max_frame,
            agreed: None,
            grant: None,
            is_stirred: true,
            config,
        }
    }

    /// Takes one decoded message of the peer. Whatever the peer does, this cannot fail: a bad
    /// frame becomes a close and one [`Event::Closed`].
    pub fn handle_frame(&mut self, mut envelope: Envelope, now: Time) {
        self.handle_frame_in_place(&mut envelope, now);
    }

    /// The same, and what is left of the message is nobody's: to move it costs more than to take
    /// what is in it.
    pub fn handle_frame_in_place(&mut self, envelope: &mut Envelope, now: Time) {
        self.advance(now);
        if !self.state.is_connected() {
            return;
        }
        self.counters.received += 1;
        self.alive.heard(now);
        if let Err(fault) = self.receive(envelope) {
            self.handle_fault(fault, now);
        }
    }

    /// The transport saw life below the envelopes: it counts as heard, and towards the rate.
    pub fn handle_activity(&mut self, now: Time) {
        self.advance(now);
        self.alive.heard(now);
        if self.side == Side::Client {
            return;
        }
        if self.pace.take(now) {
            self.excess = self.excess.saturating_sub(1);
        } else {
            self.excess += 1;
            if self.excess > self.config.limits.rate_burst {
                self.handle_fault(PeerFault::RateExceeded, now);
            }
        }
    }

    /// The peer broke the protocol below the session: what it sent is no envelope.
    pub fn handle_fault(&mut self, fault: PeerFault, now: Time) {
        self.advance(now);
        self.end(Initiator::Session, fault.into(), fault.to_string());
    }

    /// Takes one command of the application.
    ///
    /// # Errors
    ///
    /// [`Misuse`]: the application broke the rules; nothing was changed.
    pub fn handle_command(&mut self, command: Command, now: Time) -> Result<(), Misuse> {
        self.tell_time(now);
        self.is_stirred |= !matches!(command, Command::Deliver(..));
        match command {
            Command::Connect(hello) => self.connect(*hello),
            Command::Disconnected(code, reason) => {
                self.disconnected(code, reason);
                Ok(())
            }
            Command::Accept(acceptance) => self.accept(*acceptance),
            Command::Refuse(code, fault) => self.refuse(code, fault),
            Command::Resume(resumption) => self.resume(*resumption),
            Command::Auth(token) => self.auth(token),
            Command::Renewed(ticket, decision) => self.renewed(ticket, decision),
            Command::Close(code, reason) => {
                self.end(Initiator::Application, code, reason);
                Ok(())
            }
            Command::Drain(drain) => self.drain(drain),
            Command::Call(call) => self.call(*call),
            Command::Cancel(call) => {
                self.cancel(call);
                Ok(())
            }
            Command::Credit(call, n) => {
                self.grant(call, n);
                Ok(())
            }
            Command::Answer(work, answer) => {
                self.answer(work, answer);
                Ok(())
            }
            Command::Item(work, item) => self.item(work, item),
            Command::Part(call, part) => self.part(call, part),
            Command::End(call) => {
                self.end_parts(call);
                Ok(())
            }
            Command::Read(work, n) => {
                self.parts_read(work, n);
                Ok(())
            }
            Command::Subscribe(address, since) => self.subscribe(&address, since),
            Command::Unsubscribe(address) => self.unsubscribe(&address),
            Command::Publish(publish) => self.publish(*publish),
            Command::Consumed(address, off) => self.consumed(&address, off),
            Command::Decide(ticket, decision) => self.decided(ticket, decision),
            Command::Snapshot(address, off, state) => self.snapshot(&address, off, state),
            Command::Deliver(address, delivery) => self.deliver(address, delivery),
            Command::Withhold(address) => {
                self.outbox.withhold(address);
                Ok(())
            }
            Command::Release(address) => {
                self.outbox.release(&address);
                Ok(())
            }
            Command::EndSubscription(address, why) => self.end_subscription(&address, why),
        }
    }

    /// Takes [`Command::Answer`], which most commands of a server are, without its detour.
    pub fn handle_answer(&mut self, work: WorkId, answer: Answer, now: Time) {
        self.advance(now);
        self.answer(work, answer);
    }

    /// Does what is due. A call too early or too often is harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        if self.state.until().is_some_and(|until| until <= now) {
            self.state_overdue();
        }
        while let Some(call) = self.calls.expired(now) {
            self.call_expired(call);
        }
        // Requests run on while the connection is away, and so does their time.
        while let Some(ended) = self.work.expire(now) {
            self.work_expired(ended);
        }
        if !self.state.is_open() {
            return;
        }
        self.pace.refill(now);
        self.inbox.check(now);
        self.listening.check(now);
        match self.alive.check(now) {
            Pulse::Quiet => {}
            Pulse::Ask => {
                let ping = Ping { t: now.as_millis() };
                self.push_urgent(Frame::Ping(ping), |_| {});
            }
            Pulse::Dead => self.handle_fault(PeerFault::Silent, now),
        }
        self.check_renewing();
    }

    /// The next thing to tell the application.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            at_the_start(&mut self.events);
            return Some(event);
        }
        // The end is told when everything before it was told and `$close` has left.
        if self.urgent.is_empty() {
            return self.state.finish().map(|closed| {
                self.after_connection(closed.code);
                Event::Closed(closed)
            });
        }
        None
    }

    /// When [`Session::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let of_requests = earliest([self.calls.due(), self.work.due()]);
        if !self.state.is_open() {
            return earliest([self.state.until(), of_requests]);
        }
        let is_held_back = self.side == Side::Client && self.outbox.has_next();
        let held_back = self.pace.due().filter(|_| is_held_back);
        earliest([
            self.state.until(),
            of_requests,
            self.inbox.due(),
            self.listening.ack_due(),
            Some(self.alive.due()),
            self.renewing.due(self.config.auth_grace),
            held_back,
        ])
    }

    /// Whether the application may send more: ask before each command that sends. While there is
    /// no room, the sender waits (`docs/protocol.md`, section 6).
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// Whether more events of logs may be delivered now.
    #[must_use]
    pub fn wants_deliveries(&self) -> bool {
        self.state.is_open() && self.outbox.wants_deliveries()
    }

    /// Whether a call without an outcome has left. When a server gives its session up, the outcome
    /// of those that have is unknown, and the others were not sent.
    #[must_use]
    pub fn has_left(&self, call: CallId) -> bool {
        self.calls.is_sent(call)
    }

    /// The negotiated version, while the session is open.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.state.version()
    }

    /// Whether the connection is over or about to be.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.state.is_ending()
    }

    /// What happened so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The wall clock now, in milliseconds since the Unix epoch.
    fn wall_ms(&self) -> u64 {
        self.config.wall_ms + self.now.as_millis()
    }

    fn head(&mut self, kind: impl Into<ByteString>) -> Head {
        let ts = self.wall_ms();
        Head::new(kind.into(), self.ids.next(ts), ts)
    }

    fn control(&mut self, frame: Frame, set: impl FnOnce(&mut Head)) -> Envelope {
        let mut head = self.head(ByteString::from_static(frame.control_type().unwrap_or_default()));
        set(&mut head);
        Envelope { head, frame }
    }

    fn push_urgent(&mut self, frame: Frame, set: impl FnOnce(&mut Head)) {
        let envelope = self.control(frame, set);
        self.urgent.push_back(Box::new(envelope));
    }

    /// Queues a control frame of the session stream, unless the peer acknowledges nothing.
    fn push(&mut self, frame: Frame, set: impl FnOnce(&mut Head)) {
        self.push_for(None, frame, set);
    }

    /// The same, for a frame that is withdrawn with its call.
    fn push_for(&mut self, call: Option<CallId>, frame: Frame, set: impl FnOnce(&mut Head)) {
        if self.outbox.is_flooded() {
            self.leave_out();
            self.handle_fault(PeerFault::TooSlow, self.now);
        } else {
            let envelope = self.control(frame, set);
            self.outbox.push(envelope, call);
        }
    }

    /// A session that leaves out a frame cannot go on: the next one begins anew.
    fn leave_out(&mut self) {
        self.outbox.give_up();
        self.grant = None;
    }

    /// Answers a message of the peer with a fault.
    fn push_fault(&mut self, re: ws_proto::MessageId, fault: Fault) {
        self.push(Frame::Fault(fault), |head| head.re = Some(re));
    }

    /// Ends the connection with a code and a reason, unless it is ending already.
    fn end(&mut self, by: Initiator, code: CloseCode, reason: String) {
        let closed = Closed { by, code, reason, retry_after: None, endpoint: None };
        self.close_with(closed);
    }

    fn close_with(&mut self, closed: Closed) {
        if self.state.is_ending() || matches!(self.state, State::Idle) {
            return;
        }
        let close = Close {
            code: closed.code,
            reason: closed.reason.clone(),
            retry_after_ms: closed.retry_after.map(|(low, high)| (millis(low), millis(high))),
            endpoint: closed.endpoint.clone(),
        };
        self.push_urgent(Frame::Close(close), |_| {});
        self.state.close(closed);
    }
}
