//! A connection whose protocol is known only while the program runs: a pure session of the client's
//! side, and the transport that feeds it. It does not come back when it is lost.

use crate::documents::Failure;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::{
    future::poll_fn,
    path::PathBuf,
    task::{Context, Poll},
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Sleep, sleep_until};
use ws_proto::{
    CloseCode, Envelope, Format, Secret, VersionRange,
    frame::{AuthToken, ClientInfo, Hello, Reject},
};
use ws_runtime::{
    session::{Closed, Command, Config, Contract, Event, PeerFault, Session, Side, Time, Transmit},
    transport::{
        Received, Transport,
        connect::{Target, connect},
    },
};

/// Where to connect, and as whom.
#[derive(Debug, Args)]
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

/// One connection that was welcomed.
pub(crate) struct Live {
    transport: Box<dyn Transport>,
    session: Session,
    started: Instant,
    timer: std::pin::Pin<Box<Sleep>>,
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

    /// Connects, and waits for the welcome.
    pub(crate) async fn open(&self, document: Option<&Value>) -> Result<Live, Failure> {
        let known = document.and_then(spoken);
        match known {
            Some((name, versions)) => {
                self.greet(name, versions).await?.map_err(|reject| refused(&reject))
            }
            // Whoever names another protocol is told the server's.
            None => match self.greet("?".to_owned(), VersionRange::new(1, 1)).await? {
                Ok(live) => Ok(live),
                Err(reject) if reject.close == CloseCode::VERSION => {
                    let versions = reject.supported;
                    self.greet(reject.protocol, versions).await?.map_err(|reject| refused(&reject))
                }
                Err(reject) => Err(refused(&reject)),
            },
        }
    }

    /// One attempt, and what the server said where it refused.
    async fn greet(
        &self,
        name: String,
        versions: VersionRange,
    ) -> Result<Result<Live, Box<Reject>>, Failure> {
        let mut target = Target::new(&self.url);
        target.formats = vec![self.format.format()];
        let transport = connect(&target).await.map_err(|error| Failure::Live(error.to_string()))?;
        // A session keeps the name for as long as the program runs; it is made twice at most.
        let contract = Contract { name: name.clone().leak(), versions, requests: &[] };
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let seed = {
            use std::hash::{BuildHasher, RandomState};
            RandomState::new().hash_one(wall_ms)
        };
        let config = Config { wall_ms, seed, ..Config::new(contract) };
        let session = Session::new(Side::Client, config, Time::ZERO);
        let timer = Box::pin(sleep_until(tokio::time::Instant::now()));
        let mut live = Live { transport, session, started: Instant::now(), timer };
        live.tell(Command::Connect(Box::new(self.hello(name, versions))))?;
        match live.next().await {
            Event::Welcome(_) => Ok(Ok(live)),
            Event::Rejected(reject) => Ok(Err(reject)),
            Event::Closed(closed) => Err(ended(&closed)),
            other => Err(Failure::Live(format!("the server began with {other:?}"))),
        }
    }

    fn hello(&self, protocol: String, version: VersionRange) -> Hello {
        let version_of_this = env!("CARGO_PKG_VERSION").to_owned();
        Hello {
            protocol,
            version,
            fingerprint: String::new(),
            client: Some(ClientInfo { name: "wsp".to_owned(), version: version_of_this }),
            auth: self.token.clone().map(|token| AuthToken { token: Secret::new(token) }),
            resume: None,
            caps: Vec::new(),
            limits: None,
        }
    }
}

impl Live {
    /// Tells the session what to do.
    pub(crate) fn tell(&mut self, command: Command) -> Result<(), Failure> {
        let now = self.now();
        let told = self.session.handle_command(command, now);
        told.map_err(|misuse| Failure::Live(misuse.to_string()))
    }

    /// What happens next. After [`Event::Closed`] nothing does.
    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Ends the session, and waits until the server knows.
    pub(crate) async fn close(mut self) {
        if self.tell(Command::Close(CloseCode::NORMAL, "done".to_owned())).is_err() {
            return;
        }
        while !matches!(self.next().await, Event::Closed(_)) {}
        let goodbye = poll_fn(|cx| {
            let _ = self.transport.poll_flush(cx);
            self.transport.poll_close(cx, Some((CloseCode::NORMAL, "done")))
        });
        // The other half of the handshake is a courtesy.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), goodbye).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.session.poll_event() {
                return Poll::Ready(event);
            }
            let mut is_moving = self.read(cx);
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
        if self.session.is_ending() {
            return false;
        }
        let Poll::Ready(received) = self.transport.poll_recv(cx) else { return false };
        let now = self.now();
        let session = &mut self.session;
        match received {
            Received::Message(message) => {
                match Envelope::decode(self.transport.format(), &message) {
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
        let mut any = false;
        while let Poll::Ready(Ok(())) = self.transport.poll_ready(cx) {
            let now = self.now();
            let Some(Transmit::Envelope(envelope)) = self.session.poll_transmit(now) else { break };
            let mut message = Vec::new();
            let is_sent = envelope.encode(self.transport.format(), &mut message).is_ok()
                && self.transport.start_send(&message).is_ok();
            if !is_sent {
                lost(&mut self.session, None, "nothing can be sent".to_owned(), now);
            }
            any = true;
        }
        if let Poll::Ready(Err(error)) = self.transport.poll_flush(cx) {
            let now = self.now();
            if !self.session.is_ending() {
                lost(&mut self.session, None, error.to_string(), now);
                any = true;
            }
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

fn refused(reject: &Reject) -> Failure {
    Failure::Live(format!("the server refused with {}: {}", reject.close, reject.error))
}

fn lost(session: &mut Session, code: Option<CloseCode>, reason: String, now: Time) {
    // A client takes this command at any time.
    let _ = session.handle_command(Command::Disconnected(code, reason), now);
}

/// The name and the versions of a contract.
fn spoken(document: &Value) -> Option<(String, VersionRange)> {
    let facts = document.get("x-ws-protocol")?;
    let number = |name: &str| u32::try_from(facts.get(name)?.as_u64()?).ok();
    let versions = VersionRange::new(number("min_version")?, number("version")?);
    Some((facts.get("name")?.as_str()?.to_owned(), versions))
}
