//! Sessions that outlive their connection (`docs/protocol.md`, section 6).
//!
//! The task of a session lives as long as the session. When its connection is lost it waits,
//! handlers running on, for a client that shows the ticket: the connection of that client is then
//! handed over to it. A client that comes while its old connection still looks alive takes over.

use super::{Shared, connection::Connection, guest::Guest, mailbox::Mailbox, seats::Seat};
use crate::{
    driver::{Clock, idle},
    hub::ConnectionId,
    session::{Closed, Session, outlives},
    transport::Transport,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use subtle::ConstantTimeEq;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until, timeout},
};
use uuid::{Uuid, fmt::Simple};
use ws_proto::{
    Format, Secret,
    frame::{ClientLimits, NotResumed, Resume},
};

/// How long a connection may take to be handed over once its session has agreed.
const HAND_OVER: Duration = Duration::from_secs(5);

/// The sessions of this node that may be resumed, by id.
#[derive(Default)]
pub(crate) struct Kept {
    mailboxes: Mutex<HashMap<String, Arc<Mailbox>>>,
}

/// A client, authenticated, wants to go on with a session.
pub(crate) struct Ask {
    /// The connection that the client came over.
    pub(crate) from: ConnectionId,
    pub(crate) resume: Resume,
    pub(crate) principal: String,
    pub(crate) version: u32,
    pub(crate) format: Format,
    pub(crate) answer: oneshot::Sender<Result<Claim, Denied>>,
}

/// Why a client does not go on with a session.
pub(crate) enum Denied {
    /// It begins a new one, and is told this.
    Anew(NotResumed),
    /// A newer connection of the same client came first: nobody is behind this one any more.
    Late,
}

/// The right to hand one connection over to a session.
pub(crate) struct Claim(oneshot::Sender<Handed>);

/// A connection whose client goes on with the session that agreed.
pub(crate) struct HandOver {
    pub(crate) claim: Claim,
    pub(crate) guest: Arc<dyn Guest>,
    pub(crate) recv: u64,
    pub(crate) limits: Option<ClientLimits>,
}

/// A connection that changes its session.
pub(crate) struct Handed {
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) seat: Seat,
    pub(crate) guest: Arc<dyn Guest>,
    pub(crate) recv: u64,
    pub(crate) limits: Option<ClientLimits>,
}

/// What a session knows about its being kept.
pub(crate) struct Keeping {
    pub(crate) session: String,
    ticket: Secret,
    /// The ticket that the client showed last, until it was heard of after its resume: the welcome
    /// that brought the new one may have been lost, any number of times.
    previous: Option<Secret>,
    /// Frames received when the ticket was made.
    received: u64,
    /// The newest connection that the session was given; ids rise with acceptance.
    newest: ConnectionId,
    /// The ticket of the client that comes now.
    shown: Option<Secret>,
    /// A client has agreed to come.
    claimed: Option<oneshot::Receiver<Handed>>,
    /// The application ended the session while it had no connection.
    ended: bool,
    /// Something of the above has changed.
    changed: Arc<Notify>,
}

impl Kept {
    pub(crate) fn insert(&self, session: String, mailbox: &Arc<Mailbox>) {
        self.lock().insert(session, Arc::clone(mailbox));
    }

    pub(crate) fn remove(&self, session: &str) {
        self.lock().remove(session);
    }

    /// Asks a session whether a client may go on with it.
    pub(crate) async fn ask(
        &self,
        from: ConnectionId,
        resume: Resume,
        principal: String,
        (version, format): (u32, Format),
    ) -> Result<Claim, Denied> {
        let unknown = Denied::Anew(NotResumed::Unknown);
        let mailbox = self.lock().get(&resume.session).cloned();
        let Some(mailbox) = mailbox else { return Err(unknown) };
        let (answer, answered) = oneshot::channel();
        mailbox.ask(Ask { from, resume, principal, version, format, answer });
        answered.await.unwrap_or(Err(unknown))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Mailbox>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HandOver {
    /// Gives the connection away. A session that ended meanwhile drops it: its client tries again.
    pub(crate) fn complete(self, transport: Box<dyn Transport>, seat: Seat) {
        let Self { claim, guest, recv, limits } = self;
        drop(claim.0.send(Handed { transport, seat, guest, recv, limits }));
    }
}

impl Keeping {
    pub(crate) fn new(newest: ConnectionId) -> Self {
        let id = Uuid::new_v4();
        Self {
            session: id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned(),
            newest,
            ticket: new_ticket(),
            previous: None,
            shown: None,
            received: 0,
            claimed: None,
            ended: false,
            changed: Arc::default(),
        }
    }

    pub(crate) fn ticket(&self) -> Secret {
        self.ticket.clone()
    }

    /// Another ticket for a session that goes on.
    pub(crate) fn renew_ticket(&mut self, session: &Session) -> Secret {
        self.ticket = new_ticket();
        self.previous = self.shown.take();
        self.received = session.counters().heard();
        self.ticket.clone()
    }

    /// Decides about a client that wants to go on with this session. True when it may: the
    /// connection that the session still has is then to be closed.
    pub(crate) fn decide(&mut self, ask: Ask, own: (&str, Format), session: &Session) -> bool {
        let decision = self.judge(&ask, own, session);
        let agreed = decision.is_ok();
        let claim = decision.map(|()| {
            let (hand, handed) = oneshot::channel();
            self.claimed = Some(handed);
            self.newest = ask.from;
            self.shown = Some(ask.resume.ticket.clone());
            Claim(hand)
        });
        // A client that left meanwhile hands nothing over, and the session waits on.
        drop(ask.answer.send(claim));
        self.changed.notify_one();
        agreed
    }

    /// Whether the session goes on after its connection ended like this.
    pub(crate) fn lives_on(&self, closed: &Closed) -> bool {
        !self.ended && (self.claimed.is_some() || outlives(closed.code))
    }

    /// The session is not to be resumed any more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.changed.notify_one();
    }

    fn judge(
        &self,
        ask: &Ask,
        (principal, format): (&str, Format),
        session: &Session,
    ) -> Result<(), Denied> {
        let heard = session.counters().heard() > self.received;
        let previous = self.previous.as_ref().filter(|_| !heard);
        let shown = &ask.resume.ticket;
        if !is_same(shown, &self.ticket) && !previous.is_some_and(|it| is_same(shown, it)) {
            return Err(Denied::Anew(NotResumed::Unknown));
        }
        if ask.principal != principal {
            return Err(Denied::Anew(NotResumed::PrincipalChanged));
        }
        if ask.from < self.newest {
            return Err(Denied::Late);
        }
        if self.ended {
            return Err(Denied::Anew(NotResumed::Unknown));
        }
        if ask.format != format {
            // What waits to be sent again is encoded.
            return Err(Denied::Anew(NotResumed::VersionChanged));
        }
        session.can_resume(ask.version, ask.resume.recv).map_err(Denied::Anew)
    }
}

/// Waits, after a connection is over, for a client that goes on with the session; `None` when the
/// session is over too.
pub(crate) async fn park(
    connection: &mut Connection,
    session: &mut Session,
    clock: Clock,
    closed: &Closed,
) -> Option<Handed> {
    let shared: Arc<Shared> = Arc::clone(&connection.shared);
    shared.guests().lose(connection.id);
    let deadline = Instant::now() + shared.config.session_ttl;
    let mut drain = shared.drain.subscribe();
    loop {
        let keeping = connection.keeping.as_mut()?;
        if keeping.ended {
            return None;
        }
        if let Some(coming) = keeping.claimed.take() {
            let mut handed = None;
            let until = async {
                handed = timeout(HAND_OVER, coming).await.ok().and_then(Result::ok);
            };
            idle(session, connection, clock, until).await;
            let is_over = connection.keeping.as_ref().is_none_or(|keeping| keeping.ended);
            if is_over || handed.is_some() {
                return handed.filter(|_| !is_over);
            }
            continue;
        }
        let lives = keeping.lives_on(closed) && drain.borrow().is_none();
        if !lives || Instant::now() >= deadline {
            return None;
        }
        let changed = Arc::clone(&keeping.changed);
        let until = async {
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = changed.notified() => {}
                // The sender lives in `shared`: waiting cannot fail.
                _ = drain.wait_for(Option::is_some) => {}
            }
        };
        idle(session, connection, clock, until).await;
    }
}

/// 244 random bits.
fn new_ticket() -> Secret {
    let mut text = String::with_capacity(2 * Simple::LENGTH);
    for half in [Uuid::new_v4(), Uuid::new_v4()] {
        text.push_str(half.simple().encode_lower(&mut Uuid::encode_buffer()));
    }
    Secret::new(text)
}

/// In a time that says nothing about where they differ.
fn is_same(a: &Secret, b: &Secret) -> bool {
    a.expose().as_bytes().ct_eq(b.expose().as_bytes()).into()
}
