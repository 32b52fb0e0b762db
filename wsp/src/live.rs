//! A connection whose protocol is known only while the program runs: a pure session of the client's
//! side, and the transport that feeds it. It does not come back by itself when it is lost.

use crate::{
    contract::Contract as Known,
    documents::{self, Failure},
};
use clap::{Args, ValueEnum};
use std::{
    future::poll_fn,
    path::PathBuf,
    task::{Context, Poll},
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Sleep, sleep_until};
use ws_proto::{
    CloseCode, Envelope, Format, Secret, VersionRange,
    frame::{AuthToken, ClientInfo, Hello, Reject, Welcome},
};
use ws_runtime::{
    session::{Closed, Command, Config, Contract, Event, PeerFault, Session, Side, Time, Transmit},
    transport::{
        Received, Transport,
        connect::{ConnectError, Target, connect},
    },
};

/// Messages that are read before those that answer them are written.
const BATCH: u32 = 32;

/// Where to connect, and as whom.
#[derive(Clone, Debug, Args)]
pub(crate) struct Door {
    /// `ws://host:port/path`.
    pub(crate) url: String,
    /// The contract of the protocol. Without it the server is asked for the name and the versions,
    /// and payloads are not checked.
    #[arg(long, value_name = "FILE")]
    pub(crate) contract: Option<PathBuf>,
    /// The credentials. They stand in the process list: use `WSP_TOKEN` instead where that matters.
    #[arg(long, env = "WSP_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The wire format.
    #[arg(long, value_enum, default_value_t = Wire::Json)]
    format: Wire,
}

/// A wire format, by the word of the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Wire {
    Json,
    Msgpack,
}

/// What a hello names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoken {
    pub(crate) protocol: &'static str,
    versions: VersionRange,
}

/// Bytes of the WebSocket messages of one session, without their headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// One session that was welcomed, and its connection while there is one.
pub(crate) struct Live {
    transport: Option<Box<dyn Transport>>,
    session: Session,
    /// What the server said about the connection.
    welcome: Option<Box<Welcome>>,
    started: Instant,
    timer: std::pin::Pin<Box<Sleep>>,
    traffic: Traffic,
    /// Messages read since the last write.
    unanswered: u32,
    scratch: Vec<u8>,
}

impl Wire {
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Msgpack => Format::MessagePack,
        }
    }
}

impl Door {
    /// The wire format.
    pub(crate) const fn format(&self) -> Format {
        self.format.format()
    }

    /// The contract, read.
    pub(crate) fn known(&self) -> Result<Option<Known>, Failure> {
        let document = self.contract.as_deref().map(documents::read).transpose()?;
        Ok(document.map(Known::new))
    }

    /// The same place, as somebody else.
    pub(crate) fn with_token(&self, change: impl FnOnce(&str) -> String) -> Self {
        Self { token: self.token.as_deref().map(change), ..self.clone() }
    }

    /// Connects, and waits for the welcome.
    pub(crate) async fn open(&self, known: Option<&Known>) -> Result<Live, Failure> {
        self.open_as(self.spoken(known).await?).await
    }

    /// What the contract says, or without one the server.
    pub(crate) async fn spoken(&self, known: Option<&Known>) -> Result<Spoken, Failure> {
        // A session keeps the name for as long as the program runs; it is made once.
        let spoken = |name: &str, versions| Spoken { protocol: name.to_owned().leak(), versions };
        if let Some((name, versions)) = known.and_then(Known::spoken) {
            return Ok(spoken(name, versions));
        }
        // Whoever names another protocol is told the server's.
        let nobody = spoken("?", VersionRange::new(1, 1));
        match self.greet(nobody).await? {
            Ok(live) => {
                live.close().await;
                Ok(nobody)
            }
            Err(reject) if reject.close == CloseCode::VERSION => {
                Ok(spoken(&reject.protocol, reject.supported))
            }
            Err(reject) => Err(refused(&reject)),
        }
    }

    /// Connects, and waits for the welcome.
    pub(crate) async fn open_as(&self, spoken: Spoken) -> Result<Live, Failure> {
        self.greet(spoken).await?.map_err(|reject| refused(&reject))
    }

    /// A transport without a session.
    pub(crate) async fn transport(&self) -> Result<Box<dyn Transport>, ConnectError> {
        let mut target = Target::new(&self.url);
        target.formats = vec![self.format.format()];
        connect(&target).await
    }

    /// One attempt, and what the server said where it refused.
    async fn greet(&self, spoken: Spoken) -> Result<Result<Live, Box<Reject>>, Failure> {
        let transport = self.transport().await.map_err(|error| Failure::Live(error.to_string()))?;
        let Spoken { protocol: name, versions } = spoken;
        let contract = Contract { name, versions, requests: &[] };
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let config = Config { wall_ms, seed: random(), ..Config::new(contract) };
        let session = Session::new(Side::Client, config, Time::ZERO);
        let mut live = Live::new(session);
        live.connected(transport, self.hello(spoken))?;
        match live.next().await {
            Event::Welcome(_) => Ok(Ok(live)),
            Event::Rejected(reject) => Ok(Err(reject)),
            Event::Closed(closed) => Err(ended(&closed)),
            other => Err(Failure::Live(format!("the server began with {other:?}"))),
        }
    }

    /// The credentials.
    pub(crate) fn secret(&self) -> Option<Secret> {
        self.token.clone().map(Secret::new)
    }

    /// What a new connection begins with.
    pub(crate) fn hello(&self, spoken: Spoken) -> Hello {
        let version_of_this = env!("CARGO_PKG_VERSION").to_owned();
        Hello {
            client: Some(ClientInfo { name: "wsp".to_owned(), version: version_of_this }),
            auth: self.secret().map(|token| AuthToken { token }),
            ..Hello::new(spoken.protocol, spoken.versions)
        }
    }
}

impl Live {
    fn new(session: Session) -> Self {
        Self {
            transport: None,
            session,
            welcome: None,
            started: Instant::now(),
            timer: Box::pin(sleep_until(tokio::time::Instant::now())),
            traffic: Traffic::default(),
            unanswered: 0,
            scratch: Vec::new(),
        }
    }

    /// Goes on over this connection, from the hello on.
    pub(crate) fn connected(
        &mut self,
        transport: Box<dyn Transport>,
        hello: Hello,
    ) -> Result<(), Failure> {
        self.transport = Some(transport);
        self.tell(Command::Connect(Box::new(hello)))
    }

    /// The connection is over, and said so.
    pub(crate) fn disconnected(&mut self) {
        self.transport = None;
    }

    /// What the server said about this connection, or the last.
    pub(crate) fn welcome(&self) -> Option<&Welcome> {
        self.welcome.as_deref()
    }

    /// What was sent and received since the session was made.
    pub(crate) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether a command that sends finds room.
    pub(crate) fn has_room(&self) -> bool {
        self.session.has_room()
    }

    /// Tells the session what to do.
    pub(crate) fn tell(&mut self, command: Command) -> Result<(), Failure> {
        let now = self.now();
        let told = self.session.handle_command(command, now);
        told.map_err(|misuse| Failure::Live(misuse.to_string()))
    }

    /// What happens next. After [`Event::Closed`] only deadlines pass.
    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Ends the session, and waits until the server knows.
    pub(crate) async fn close(mut self) {
        if self.tell(Command::Close(CloseCode::NORMAL, "done".to_owned())).is_err() {
            return;
        }
        while !matches!(self.next().await, Event::Closed(_)) {}
        let Some(mut transport) = self.transport.take() else { return };
        let goodbye = poll_fn(|cx| {
            let _ = transport.poll_flush(cx);
            transport.poll_close(cx, Some((CloseCode::NORMAL, "done")))
        });
        // The other half of the handshake is a courtesy.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), goodbye).await;
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.session.poll_event() {
                if let Event::Welcome(welcome) = &event {
                    self.welcome = Some(welcome.clone());
                }
                return Poll::Ready(event);
            }
            if self.unanswered < BATCH && self.read(cx) {
                self.unanswered += 1;
                continue;
            }
            let mut is_moving = std::mem::take(&mut self.unanswered) > 0;
            let now = self.now();
            if self.session.poll_timeout().is_some_and(|due| due <= now) {
                self.session.handle_timeout(now);
                is_moving = true;
            }
            is_moving |= self.write(cx);
            if is_moving {
                continue;
            }
            let Some(due) = self.session.poll_timeout() else { return Poll::Pending };
            let due = self.started + due.since_start();
            self.timer.as_mut().reset(due.into());
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Takes one message; true where there was one.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.now();
        let Some(transport) = &mut self.transport else { return false };
        if self.session.is_ending() {
            return false;
        }
        let Poll::Ready(received) = transport.poll_recv(cx) else { return false };
        let session = &mut self.session;
        match received {
            Received::Message(message) => {
                self.traffic.received += message.len() as u64;
                match Envelope::decode(transport.format(), &message) {
                    Ok(envelope) => session.handle_frame(envelope, now),
                    Err(_) => session.handle_fault(PeerFault::Malformed, now),
                }
            }
            Received::Activity => session.handle_activity(now),
            Received::WrongKind => session.handle_fault(PeerFault::WrongFormat, now),
            Received::TooLarge => session.handle_fault(PeerFault::TooLarge, now),
            Received::Malformed { .. } => session.handle_fault(PeerFault::Malformed, now),
            Received::Closed { code, reason } => lost(session, code, reason, now),
            Received::Lost(reason) => lost(session, None, reason, now),
        }
        true
    }

    /// Writes what there is; true where there was anything.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.now();
        let Some(transport) = &mut self.transport else { return false };
        let mut any = false;
        while let Poll::Ready(Ok(())) = transport.poll_ready(cx) {
            let Some(Transmit::Envelope(envelope)) = self.session.poll_transmit(now) else { break };
            self.scratch.clear();
            let is_sent = envelope.encode(transport.format(), &mut self.scratch).is_ok()
                && transport.start_send(&self.scratch).is_ok();
            if is_sent {
                self.traffic.sent += self.scratch.len() as u64;
            } else {
                lost(&mut self.session, None, "nothing can be sent".to_owned(), now);
            }
            any = true;
        }
        if let Poll::Ready(Err(error)) = transport.poll_flush(cx)
            && !self.session.is_ending()
        {
            lost(&mut self.session, None, error.to_string(), now);
            any = true;
        }
        any
    }

    fn now(&self) -> Time {
        Time::new(self.started.elapsed())
    }
}

/// Why a connection ended, in one sentence.
pub(crate) fn ended(closed: &Closed) -> Failure {
    let name = closed.code.name().map(|name| format!(" ({name})")).unwrap_or_default();
    let Closed { by, code, reason, .. } = closed;
    Failure::Live(format!("the connection ended with {code}{name}, by the {by:?}: {reason}"))
}

/// A number that nobody can foresee: for ids and delays.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(())
}

fn refused(reject: &Reject) -> Failure {
    Failure::Live(format!("the server refused with {}: {}", reject.close, reject.error))
}

fn lost(session: &mut Session, code: Option<CloseCode>, reason: String, now: Time) {
    // A client takes this command at any time.
    let _ = session.handle_command(Command::Disconnected(code, reason), now);
}
