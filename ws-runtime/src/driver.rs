//! THE loop: transport <-> session <-> application. One, shared by client and server.
//!
//! One turn reads what is ready, takes the application's commands, does what is due, tells the
//! application, and writes until the transport is full; everything is flushed once, when nothing
//! is left to do. A full transport stops the taking of frames and nothing else. Messages go through
//! the steps together, step by step: what they run through is more code than a processor keeps at
//! hand.

mod stall;
mod timer;

use crate::{
    session::{
        Closed, Command, Event, Initiator, Leaving, PeerFault, Session, Time, Transmit, Workspace,
    },
    transport::{Lost, Received, Transport},
};
use bytes::Bytes;
use stall::Stall;
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use timer::Timer;
use tokio::time::Instant;
use ws_proto::{CloseCode, Envelope};

/// Messages read in one turn, so that a fast peer does not keep a worker to itself.
const BATCH: usize = Workspace::BATCH;
/// Messages that take each step together.
const STAGE: usize = Workspace::STAGE;
/// How long the closing handshake of the transport may take.
const CLOSING: Duration = Duration::from_secs(2);

/// Memory for encoding that is larger than this is given back.
const KEPT: usize = 64 * 1024;

thread_local! {
    /// What a message is encoded into, for all connections of a thread.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// What was received and is not taken yet; empty between two readings.
    static ARRIVED: Cell<Vec<Received>> = const { Cell::new(Vec::new()) };
    /// What sessions work in.
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// What stands behind a session: the server's or the client's half that the application uses.
pub(crate) trait Application: Unpin {
    /// Takes what the application wants to send, as far as the session has room, and remembers
    /// whom to wake when there is more.
    fn poll_commands(&mut self, cx: &mut Context<'_>, session: &mut Session, now: Time);

    /// Takes one event.
    fn on_event(&mut self, event: Event, session: &mut Session, now: Time);

    /// A turn is over, and this is how it leaves the session.
    fn on_rest(&mut self, _: &Session) {}

    /// Whether the connection belongs to somebody else from here on.
    fn is_handed_over(&self) -> bool {
        false
    }
}

/// The time that drivers tell their sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        Time::new(self.start.elapsed())
    }

    /// The wall clock now, in milliseconds since the Unix epoch: information only.
    pub(crate) fn wall_ms() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn instant(&self, time: Time) -> Instant {
        self.start + time.since_start()
    }
}

/// How driving ended.
pub(crate) enum End {
    /// The connection is over, but for its goodbye.
    Closed(Box<Closed>, Goodbye),
    /// The connection goes on with somebody else.
    HandedOver(Box<dyn Transport>),
}

/// What is still to be said on a transport, and heard.
pub(crate) struct Goodbye(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Goodbye {
    /// Says it in a task of its own. What the connection holds is given back after it.
    pub(crate) fn linger(self, held: impl Send + 'static) {
        if let Some(goodbye) = self.0 {
            tokio::spawn(async move {
                goodbye.await;
                drop(held);
            });
        }
    }
}

/// Drives a session over one transport until the connection is over.
pub(crate) async fn drive(
    session: &mut Session,
    application: &mut impl Application,
    transport: Box<dyn Transport>,
    clock: Clock,
) -> End {
    let mut turn = Turn::new(clock, transport);
    let Some(closed) = poll_fn(|cx| turn.poll(cx, session, application)).await else {
        return End::HandedOver(turn.transport);
    };
    // The session must not wait for a courtesy: it may be about to go on elsewhere.
    let words = closed.clone();
    let mut goodbye: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(async move { turn.close_transport(&words).await });
    // Begun at once, so that what says why is on its way when the end is told: the process may be
    // about to exit.
    let is_said = poll_fn(|cx| Poll::Ready(goodbye.as_mut().poll(cx).is_ready())).await;
    End::Closed(closed, Goodbye((!is_said).then_some(goodbye)))
}

/// Keeps a session without a transport going, until a moment: deadlines pass and commands queue.
pub(crate) async fn idle(
    session: &mut Session,
    application: &mut impl Application,
    clock: Clock,
    until: impl Future<Output = ()>,
) {
    let mut timer = Timer::new(clock);
    let mut until = std::pin::pin!(until);
    poll_fn(|cx| {
        loop {
            application.poll_commands(cx, session, clock.now());
            let now = clock.now();
            run_due(session, now);
            timer.arm(cx, session.poll_timeout(), now);
            let mut told = false;
            while let Some(event) = session.poll_event() {
                application.on_event(event, session, clock.now());
                told = true;
            }
            if !told {
                break;
            }
        }
        application.on_rest(session);
        until.as_mut().poll(cx)
    })
    .await;
}

struct Turn {
    clock: Clock,
    transport: Box<dyn Transport>,
    timer: Timer,
    stall: Stall,
    /// The session works in memory of the thread.
    is_lent: bool,
    /// Boxed, for a turn lasts as long as its connection.
    closed: Option<Box<Closed>>,
}

impl Turn {
    fn new(clock: Clock, transport: Box<dyn Transport>) -> Self {
        let (timer, stall) = (Timer::new(clock), Stall::new());
        Self { clock, transport, timer, stall, is_lent: false, closed: None }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        application: &mut impl Application,
    ) -> Poll<Option<Box<Closed>>> {
        let polled = self.turn(cx, session, application);
        if self.is_lent {
            self.exchange(session);
        }
        polled
    }

    /// Lends the session what sessions work in, or takes it back.
    fn exchange(&mut self, session: &mut Session) {
        self.is_lent = !self.is_lent;
        WORKSPACE.with_borrow_mut(|workspace| session.exchange(workspace));
    }

    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        application: &mut impl Application,
    ) -> Poll<Option<Box<Closed>>> {
        let unwritten = self.transport.unwritten();
        // One moment for the whole batch: it was there when the reading began.
        let mut now = self.clock.now();
        // Once: what comes during the turn wakes the next one.
        let is_held_back = !session.wants_frames();
        let more_to_read = self.read(cx, session, application, now);
        // Answers to pings are queued below us.
        self.stall.added(unwritten, self.transport.unwritten());
        loop {
            application.poll_commands(cx, session, now);
            if application.is_handed_over() {
                return Poll::Ready(None);
            }
            if !self.timer.stands(cx, session, now) {
                run_due(session, now);
            }
            // What leaves makes room for what the application holds back. Where it holds nothing
            // back, another look would find nothing: what it gives later wakes the next turn.
            let is_full = !(session.has_room() && session.wants_deliveries());
            let written = self.write(cx, session, now);
            let told = self.tell(session, application, now);
            if let Some(closed) = self.closed.take() {
                return Poll::Ready(Some(closed));
            }
            let stands = self.timer.stands(cx, session, now);
            let due = if stands { None } else { session.poll_timeout() };
            let is_due = due.is_some_and(|due| due <= now);
            let has_changed = told || (written.any && (is_full || is_due));
            if !more_to_read && has_changed {
                now = self.clock.now();
                continue;
            }
            if self.flush(cx, session, written.blocked) {
                now = self.clock.now();
                if self.tell(session, application, now) {
                    continue;
                }
            }
            if !stands {
                self.timer.arm(cx, due, now);
            }
            application.on_rest(session);
            if more_to_read || (is_held_back && session.wants_frames()) {
                // A fast peer: let others have the worker, and go on after them.
                cx.waker().wake_by_ref();
            } else {
                session.rest();
            }
            return Poll::Pending;
        }
    }

    /// Reads one batch; true when there may be more.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
        application: &mut impl Application,
        now: Time,
    ) -> bool {
        // Taken, so that a transport that drives another session finds none.
        let mut arrived = ARRIVED.take();
        let mut may_be_more = true;
        for _ in 0..BATCH / STAGE {
            may_be_more = self.receive(cx, session, &mut arrived);
            // A turn that only delivers needs none of it.
            if !self.is_lent && !arrived.is_empty() {
                self.exchange(session);
            }
            for received in arrived.drain(..) {
                self.take(received, session, now);
            }
            self.tell(session, application, now);
            if !may_be_more {
                break;
            }
        }
        ARRIVED.set(arrived);
        may_be_more
    }

    /// Receives as much as is worked on together; false when there is no more for now.
    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        arrived: &mut Vec<Received>,
    ) -> bool {
        if session.is_ending() || !session.wants_frames() {
            return false;
        }
        // Until the session is open, what a message leads to decides whether another is wanted.
        let most = if session.version().is_some() { STAGE } else { 1 };
        for _ in 0..most {
            let Poll::Ready(received) = self.transport.poll_recv(cx) else { return false };
            let is_last = received.is_last();
            arrived.push(received);
            if is_last {
                return false;
            }
        }
        true
    }

    fn take(&self, received: Received, session: &mut Session, now: Time) {
        match received {
            Received::Message(message) => self.take_message(&message, session, now),
            Received::Activity => session.handle_activity(now),
            Received::WrongKind => session.handle_fault(PeerFault::WrongFormat, now),
            Received::TooLarge => session.handle_fault(PeerFault::TooLarge, now),
            Received::Malformed { what, .. } => {
                tracing::debug!(what, "the peer broke the WebSocket protocol");
                session.handle_fault(PeerFault::Malformed, now);
            }
            Received::Closed { code, reason } => lost(session, code, reason, now),
            Received::Lost(reason) => lost(session, None, reason, now),
        }
    }

    fn take_message(&self, message: &Bytes, session: &mut Session, now: Time) {
        match &mut Envelope::decode(self.transport.format(), message) {
            Ok(envelope) => session.handle_frame_in_place(envelope, now),
            Err(error) => {
                tracing::debug!(%error, "the peer sent what is no envelope");
                session.handle_fault(PeerFault::Malformed, now);
            }
        }
    }

    /// Writes until the session has nothing or the transport is full.
    fn write(&mut self, cx: &mut Context<'_>, session: &mut Session, now: Time) -> Written {
        // Taken, so that a transport that drives another session finds none.
        let mut scratch = SCRATCH.take();
        let written = self.write_with(cx, &mut scratch, session, now);
        if scratch.capacity() <= KEPT {
            SCRATCH.set(scratch);
        }
        written
    }

    fn write_with(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Vec<u8>,
        session: &mut Session,
        now: Time,
    ) -> Written {
        let mut any = false;
        loop {
            match self.transport.poll_ready(cx) {
                Poll::Pending => return Written { any, blocked: true },
                Poll::Ready(Err(error)) => {
                    lost(session, None, error.to_string(), now);
                    return Written { any, blocked: false };
                }
                Poll::Ready(Ok(())) => {}
            }
            let Some(sent) = self.send(scratch, session, now) else {
                return Written { any, blocked: false };
            };
            any |= sent;
        }
    }

    /// Gives one message, or one batch, to the transport; false when it cannot be encoded, and
    /// `None` when there is none.
    fn send(&mut self, scratch: &mut Vec<u8>, session: &mut Session, now: Time) -> Option<bool> {
        let unwritten = self.transport.unwritten();
        let sent = match session.poll_leaving(now, self.transport.format(), scratch)? {
            Leaving::Encoded => Some(self.transport.start_send(scratch)),
            Leaving::Given(Transmit::Envelope(envelope)) => self.start_encoded(&envelope, scratch),
            Leaving::Given(Transmit::Shared(event)) => {
                Some(self.transport.start_send(event.bytes(self.transport.format())))
            }
            Leaving::Given(Transmit::Batch(batch)) => Some(self.transport.start_send_batch(&batch)),
        };
        let Some(sent) = sent else {
            // A place in the session stream is given: without this frame the peer would wait for
            // it, so the connection cannot go on.
            let close = Command::Close(CloseCode::INTERNAL, "internal error".into());
            let _ = session.handle_command(close, now);
            return Some(false);
        };
        if let Err(error) = sent {
            lost(session, None, error.to_string(), now);
        }
        self.stall.added(unwritten, self.transport.unwritten());
        Some(true)
    }

    /// Encodes a message in the place of another, and gives it to the transport; `None` when it
    /// cannot be encoded.
    fn start_encoded(
        &mut self,
        envelope: &Envelope,
        scratch: &mut Vec<u8>,
    ) -> Option<Result<(), Lost>> {
        scratch.clear();
        if let Err(error) = envelope.encode(self.transport.format(), scratch) {
            tracing::error!(kind = %envelope.head.kind, %error, "cannot encode a frame");
            return None;
        }
        Some(self.transport.start_send(scratch))
    }

    /// Hands over what is queued; true when the connection is over, for it is lost or its peer
    /// reads nothing for too long.
    fn flush(&mut self, cx: &mut Context<'_>, session: &mut Session, blocked: bool) -> bool {
        let blocked = match self.transport.poll_flush(cx) {
            Poll::Ready(Ok(())) => blocked,
            Poll::Ready(Err(error)) => {
                lost(session, None, error.to_string(), self.clock.now());
                return true;
            }
            Poll::Pending => true,
        };
        if self.stall.end(cx, blocked, self.transport.unwritten()).is_pending() {
            return false;
        }
        let now = self.clock.now();
        session.handle_fault(PeerFault::TooSlow, now);
        // What says so cannot be delivered either.
        while session.poll_transmit(now).is_some() {}
        true
    }

    /// Tells the application everything there is to tell; true when there was anything.
    fn tell(
        &mut self,
        session: &mut Session,
        application: &mut impl Application,
        now: Time,
    ) -> bool {
        let mut told = false;
        while let Some(event) = session.poll_event() {
            if let Event::Closed(closed) = &event {
                self.closed = Some(Box::new(closed.clone()));
            }
            application.on_event(event, session, now);
            told = true;
        }
        told
    }

    /// Says goodbye on the transport; what is in flight may still arrive.
    async fn close_transport(&mut self, closed: &Closed) {
        if self.stall.is_over {
            // Not even a goodbye gets through.
            return;
        }
        // A peer that closed without a code is answered without one; a lost transport is ready.
        let words = (closed.by != Initiator::Network).then_some((closed.code, &*closed.reason));
        let goodbye = poll_fn(|cx| {
            if ready!(self.transport.poll_flush(cx)).is_err() {
                return Poll::Ready(());
            }
            self.transport.poll_close(cx, words)
        });
        // The peer's half of the handshake is a courtesy: without it the transport is dropped. One
        // that is silent already is not waited for.
        let patience =
            if closed.code == CloseCode::HEARTBEAT_MISSED { Duration::ZERO } else { CLOSING };
        let _ = tokio::time::timeout(patience, goodbye).await;
    }
}

fn lost(session: &mut Session, code: Option<CloseCode>, reason: String, now: Time) {
    // `Disconnected` is never misuse.
    let _ = session.handle_command(Command::Disconnected(code, reason), now);
}

/// What a round of writing came to.
struct Written {
    any: bool,
    /// The transport takes no more for now.
    blocked: bool,
}

/// Does what is due.
fn run_due(session: &mut Session, now: Time) {
    if is_due(session, now) {
        session.handle_timeout(now);
    }
}

fn is_due(session: &Session, now: Time) -> bool {
    session.poll_timeout().is_some_and(|due| due <= now)
}
