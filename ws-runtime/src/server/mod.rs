//! A typed server: it authenticates clients, authorizes what they listen to and publish, and gives
//! their requests to the application.
//!
//! Start at [`Server`]; `connection` is where a session's events become calls of the
//! application, `publishing` the way of an event to its subscribers.

mod calling;
mod config;
mod guest;
mod guests;
mod handler;
mod seats;
mod connection;
mod greeting;
mod resting;
mod deciding;
mod delivering;
mod snapshots;
mod working;
mod keeping;
mod mailbox;
mod passing;
mod link;
mod publishing;
mod results;
mod rights;
mod renewing;
mod listen;
mod opening;
#[cfg(feature = "inspect")]
mod inspecting;
#[cfg(not(feature = "inspect"))]
mod unwatched;

#[cfg(feature = "inspect")]
use inspecting::watching;
#[cfg(not(feature = "inspect"))]
use unwatched as watching;

pub use crate::asking::{CallBuilder, CallError, Calling};
pub use calling::ClientHandle;
pub use config::{ConfigError, ServerConfig};
#[cfg(feature = "inspect")]
pub use inspecting::{Inspect, Looking};
pub use listen::Bound;

use crate::{
    driver::{Clock, End, drive},
    hub::ConnectionId,
    session::{Command, Config, Contract, Drain, Session, Side},
    transport::Transport,
};
use connection::Connection;
use guest::{Desk, Host, Loop, Methods, Typed};
use guests::Guests;
use keeping::{Kept, park};
use publishing::Hubs;
use results::{Bounds, Results};
use seats::{Seat, Seats};
use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use watching::Watching;
use ws_proto::{
    Authorize, Channel, ChannelSet, Credentials, Dispatch, Protocol, RequestSet, RequestSpec,
    Resend, Snapshots, schema,
    serve::{Publishing, encode_publication},
};

/// What part of the heartbeat interval differs between clients.
const SPREAD: f64 = 0.1;
/// Clients are asked for life at multiples of this. A server whose clients do nothing wakes up for
/// many of them together: waking, and what a processor forgot meanwhile, costs more than a ping.
const STEP: Duration = Duration::from_millis(250);

/// A server of the protocol `P`. Cheap to clone; fits in any state.
///
/// It listens alone ([`Server::listen`]), or is mounted into an HTTP server
/// ([`Server::upgrade`]).
pub struct Server<P> {
    shared: Arc<Shared>,
    protocol: PhantomData<fn(P)>,
}

/// What all connections of a server share.
pub(crate) struct Shared {
    host: Arc<dyn Host>,
    hubs: Arc<Hubs>,
    config: ServerConfig,
    contract: Contract,
    requests: &'static [RequestSpec],
    fingerprint: String,
    guests: Mutex<Guests>,
    seats: Seats,
    next: AtomicU64,
    /// That of all sessions: what is due in steps is due together.
    clock: Clock,
    kept: Kept,
    /// Sessions without a connection.
    waiting: AtomicUsize,
    results: Arc<Results>,
    drain: watch::Sender<Option<Drain>>,
    watching: Watching,
}

/// The place of one session among those that may wait for a connection.
struct Place(Arc<Shared>);

/// One connection, as [`Server::connections`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Unique in this process.
    pub id: ConnectionId,
    /// Whose it is; `None` until the client is authenticated.
    pub principal: Option<String>,
}

impl<P: Protocol> Server<P> {
    /// A server with the default configuration. Does not compile while a request has no handler
    /// or the channels have no authorizer, or a snapshot that nothing makes.
    ///
    /// # Panics
    ///
    /// Never: the defaults are sound.
    #[must_use]
    pub fn new<A>(app: A) -> Self
    where
        A: Authorize<P::Channels>,
        P::Channels: Snapshots<A>,
        P::Requests: Dispatch<A>,
    {
        Self::assemble(app, Methods, ServerConfig::default())
    }

    /// A server with another configuration.
    ///
    /// # Errors
    ///
    /// When a value makes no sense.
    pub fn with_config<A>(app: A, config: ServerConfig) -> Result<Self, ConfigError>
    where
        A: Authorize<P::Channels>,
        P::Channels: Snapshots<A>,
        P::Requests: Dispatch<A>,
    {
        Self::check(&config)?;
        Ok(Self::assemble(app, Methods, config))
    }

    /// A server whose requests go to a loop that owns its state: the call enum that the derive
    /// made, one value per request, each with the slot for its answer.
    ///
    /// # Errors
    ///
    /// When a value of the configuration makes no sense.
    pub fn with_loop<A>(
        app: A,
        calls: mpsc::Sender<<P::Requests as RequestSet>::Call>,
        config: ServerConfig,
    ) -> Result<Self, ConfigError>
    where
        A: Authorize<P::Channels>,
        P::Channels: Snapshots<A>,
    {
        Self::check(&config)?;
        Ok(Self::assemble(app, Loop(calls), config))
    }

    fn check(config: &ServerConfig) -> Result<(), ConfigError> {
        config.check()?;
        let keeps = P::Requests::SPECS.iter().any(|spec| spec.resend == Resend::Dedup);
        if keeps { config.check_dedup() } else { Ok(()) }
    }

    fn assemble<A, D>(app: A, desk: D, config: ServerConfig) -> Self
    where
        A: Authorize<P::Channels>,
        P::Channels: Snapshots<A>,
        D: Desk<P, A>,
    {
        let specs = <P::Channels as ChannelSet>::SPECS;
        let hubs = Hubs::new(specs, config.limits.max_frame, config.max_logs);
        // A principal that holds nothing is everybody.
        let is_somebody = size_of::<A::Principal>() > 0;
        let most = config.max_sessions_per_principal.filter(|_| is_somebody);
        let shared = Shared {
            host: Arc::new(Typed { app, desk, protocol: PhantomData::<fn(P)> }),
            hubs: Arc::new(hubs),
            contract: Contract::of::<P>(),
            requests: P::Requests::SPECS,
            fingerprint: schema::fingerprint::<P>(),
            guests: Mutex::new(Guests::new(most)),
            seats: Seats::new(&config),
            next: AtomicU64::new(1),
            clock: Clock::start(),
            kept: Kept::default(),
            waiting: AtomicUsize::new(0),
            results: Arc::new(Results::new(Bounds {
                window: config.dedup_window,
                entries: config.max_results,
                bytes: config.max_result_bytes,
                answer: config.limits.max_frame,
            })),
            drain: watch::Sender::new(None),
            watching: Watching::default(),
            config,
        };
        tracing::info!(
            protocol = P::NAME,
            worst_case_bytes = shared.config.limits.worst_case(),
            max_connections = shared.config.max_connections,
            worst_case_log_bytes = shared.hubs.worst_case_log(shared.config.limits.max_frame),
            max_logs = shared.config.max_logs,
            max_result_bytes = shared.config.max_result_bytes,
            "a connection and the log of a channel cost at most their worst case"
        );
        Self { shared: Arc::new(shared), protocol: PhantomData }
    }

    /// Publishes an event from anywhere in the process; its type follows from the channel. It has
    /// its place at once. Subscribers hear of it, and of all else that the task publishes, when
    /// that task lets others have the thread.
    pub fn publish<C: Channel<P::Channels>>(&self, channel: C, event: &C::Event) -> Publishing {
        Publishing::ready(
            encode_publication(channel, event)
                .and_then(|(address, event)| self.shared.hubs.publish(&address, &event)),
        )
    }

    /// Serves one client over a transport, until its connection is over.
    pub async fn serve(&self, transport: Box<dyn Transport>, credentials: Credentials) {
        let seat = Seat::take(&self.shared);
        self.serve_seated(seat, transport, Box::new(credentials)).await;
    }

    // Not an `async fn`: it would hold what it is given twice, for as long as the session lives.
    fn serve_seated(
        &self,
        mut seat: Seat,
        transport: Box<dyn Transport>,
        credentials: Box<Credentials>,
    ) -> impl Future<Output = ()> + Send + use<P> {
        let shared = Arc::clone(&self.shared);
        let clock = shared.clock;
        let id = ConnectionId(shared.next.fetch_add(1, Ordering::Relaxed));
        let mut session = Session::new(Side::Server, shared.session_config(), clock.now());
        let (transport, counted) = shared.watching.line(transport, &credentials);
        let mut connection =
            Connection::new(id, Arc::clone(&shared), transport.format(), credentials);
        connection.watch = shared.watching.begin(id, &counted);
        seat.line = counted;
        shared.guests().arrive(id, &connection.mailbox);
        // Looked at after the arrival: a drain that begins in between reaches the mailbox.
        if let Some(drain) = shared.drain.borrow().clone() {
            connection.mailbox.urge(Command::Drain(drain));
        }
        let mut link = (transport, seat);
        async move {
            loop {
                let (transport, seat) = link;
                let end = drive(&mut session, &mut connection, transport, clock).await;
                let (closed, goodbye) = match end {
                    End::Closed(closed, goodbye) => (closed, goodbye),
                    End::HandedOver(transport) => return connection.hand_over(transport, seat),
                };
                let place = Place::try_take(&shared).filter(|_| connection.is_kept(&closed));
                let Some(_place) = place else {
                    connection.asking.settle(&session);
                    drop(connection);
                    return goodbye.linger(seat);
                };
                // A session without a connection takes no connection's place; its goodbye still does.
                goodbye.linger(seat);
                connection.watch.lose(shared.config.session_ttl);
                // Most sessions never wait.
                let parked = Box::pin(park(&mut connection, &mut session, clock, &closed));
                let handed = parked.await;
                let Some(handed) = handed else {
                    return connection.asking.settle(&session);
                };
                link = connection.go_on(handed, &mut session, clock.now());
                // It was told before that the server stops, if at all.
                if let Some(drain) = shared.drain.borrow().clone() {
                    connection.mailbox.urge(Command::Drain(drain));
                }
            }
        }
    }

    /// The connections of this node.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        let guests = self.shared.guests();
        let present = guests.all().filter(|(_, entry)| entry.is_present());
        present
            .map(|(id, entry)| ConnectionInfo { id, principal: entry.principal.clone() })
            .collect()
    }

    /// A client of this node, to be asked; the id is one of [`Server::connections`] and keeps its
    /// meaning while the session waits for another connection. `None` when there is no such client,
    /// or it is not authenticated yet.
    #[must_use]
    pub fn client(&self, id: ConnectionId) -> Option<ClientHandle<P>> {
        let guests = self.shared.guests();
        let entry = guests.get(id).filter(|entry| entry.principal.is_some())?;
        Some(ClientHandle::new(Arc::clone(&entry.mailbox.calls)))
    }

    /// Takes leave: no new connections, every client is told when to come back, running requests
    /// have `patience` to end. Resolves when the last connection is over.
    pub async fn drain(&self, drain: Drain) {
        let patience = drain.patience;
        self.shared.drain.send_replace(Some(drain.clone()));
        for (_, entry) in self.shared.guests().all() {
            entry.mailbox.urge(Command::Drain(drain.clone()));
        }
        // A client that does not close its end is dropped by its driver a little later.
        let grace = patience + Duration::from_secs(5);
        let _ = tokio::time::timeout(grace, self.shared.seats.are_free()).await;
    }

    /// Whether [`Server::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.drain.borrow().is_some()
    }

    /// Bytes that one connection may cost at most: the sum of its bounds.
    #[must_use]
    pub fn worst_case_bytes(&self) -> usize {
        self.shared.config.limits.worst_case()
    }

    /// Bytes that the log of one channel may cost at most, of the kind that may cost most. There
    /// are at most [`ServerConfig::max_logs`] of them.
    #[must_use]
    pub fn worst_case_log_bytes(&self) -> usize {
        self.shared.hubs.worst_case_log(self.shared.config.limits.max_frame)
    }
}

impl Shared {
    fn session_config(&self) -> Config {
        let ServerConfig { heartbeat_interval, heartbeat_timeout, .. } = self.config;
        Config {
            limits: self.config.limits,
            // Those who connected together must not be asked all at once.
            heartbeat_interval: heartbeat_interval.mul_f64(1.0 - SPREAD * fastrand::f64()),
            heartbeat_lag: (heartbeat_timeout / 2).min(heartbeat_interval / 4),
            heartbeat_step: STEP.min(heartbeat_interval / 16),
            heartbeat_timeout,
            handshake_timeout: self.config.handshake_timeout,
            auth_grace: self.config.auth_grace,
            fingerprint: self.fingerprint.clone(),
            wall_ms: Clock::wall_ms().saturating_sub(self.clock.now().as_millis()),
            seed: fastrand::u64(..),
            ..Config::new(self.contract.clone())
        }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// `None` when as many sessions wait as may.
    fn try_take(shared: &Arc<Shared>) -> Option<Self> {
        let max = shared.config.max_kept_sessions;
        let more = |count: usize| (count < max).then_some(count + 1);
        let taken = shared.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self(Arc::clone(shared)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<P> Clone for Server<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), protocol: PhantomData }
    }
}

impl<P: Protocol> fmt::Debug for Server<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("protocol", &P::NAME)
            .field("connections", &self.shared.seats.taken())
            .finish_non_exhaustive()
    }
}
