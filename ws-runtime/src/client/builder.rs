//! How a client is made.

use super::{
    Backoff, Client, ConnState, ConnectError, Shared,
    connect::{Connecting, Connector, TokenSource},
    core::Core,
    renewing::Renewing,
    serving::{Desk, Loop, Methods, Serving},
    ways::Ways,
};
use crate::{
    driver::Clock,
    session::{Config, Contract},
    transport::{
        Transport,
        connect::{self, Target, connect},
    },
};
use futures_util::future::BoxFuture;
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};
use ws_proto::{
    Dispatch, Format, Limits, Protocol, RequestSet, Secret, Serve, frame::ClientInfo, schema,
};

/// Makes a connection for a format.
type FormatConnector = Arc<
    dyn Fn(Format) -> BoxFuture<'static, Result<Box<dyn Transport>, connect::ConnectError>>
        + Send
        + Sync,
>;

/// Orders that wait for the driver; past it the caller waits.
const ORDERS: usize = 64;

/// How a client is made; [`ClientBuilder::connect`] makes it.
#[must_use = "a client is made by `.connect()` or `.connect_lazy()`"]
pub struct ClientBuilder<P> {
    target: Target,
    connector: Option<FormatConnector>,
    token: Option<TokenSource>,
    backoff: Backoff,
    call_timeout: Option<Duration>,
    attempt_timeout: Duration,
    format: Format,
    limits: Limits,
    info: Option<ClientInfo>,
    desk: Option<Arc<dyn Desk>>,
    protocol: PhantomData<fn(P)>,
}

impl<P: Protocol> ClientBuilder<P> {
    pub(super) fn new(url: String) -> Self {
        Self {
            target: Target::new(url),
            connector: None,
            token: None,
            backoff: Backoff::default(),
            call_timeout: Some(Duration::from_secs(30)),
            attempt_timeout: Duration::from_secs(10),
            format: Format::Json,
            limits: Limits::default(),
            info: None,
            desk: None,
            protocol: PhantomData,
        }
    }

    /// Who we are: asked for the token on every attempt to connect, and for another one before it
    /// expires, where the server says when; one at a time.
    ///
    /// A renewed token must name the same principal: with another one the server closes the
    /// connection (4602), and the client does not come back.
    pub fn token<F, T>(mut self, token: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = String> + Send + 'static,
    {
        self.token = Some(Arc::new(move || {
            let token = token();
            Box::pin(async move { Secret::new(token.await) })
        }));
        self
    }

    /// The wire format; default JSON.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// How long a call waits for its answer unless it says otherwise; default 30 s, `None` for
    /// ever.
    pub fn call_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// How long one attempt to connect may take; default 10 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// When to connect again, and when to give up.
    pub fn reconnect(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The bounds of this side: what it takes, and how much it keeps.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What this client is, for the server's logs.
    pub fn info(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.info = Some(ClientInfo { name: name.into(), version: version.into() });
        self
    }

    /// What answers the requests of the server, the protocol's `callbacks`: the handler trait that
    /// the derive made of them. Without it, and without [`ClientBuilder::serve_loop`], each is
    /// answered `unimplemented`.
    ///
    /// Handlers run beside the connection, at most `max_in_flight` of [`Limits`] at once, and are
    /// told when nobody waits for them any more.
    pub fn serve<A>(mut self, app: A) -> Self
    where
        A: Serve<Principal = ()>,
        P::Callbacks: Dispatch<A>,
    {
        self.desk = Some(Arc::new(Methods { app, protocol: PhantomData::<fn(P)> }));
        self
    }

    /// The requests of the server go to a loop that owns its state: the call enum that the derive
    /// made, one value per request, each with the slot for its answer.
    pub fn serve_loop(mut self, calls: mpsc::Sender<<P::Callbacks as RequestSet>::Call>) -> Self {
        self.desk = Some(Arc::new(Loop::<P>(calls)));
        self
    }

    /// What to say at the door besides the token: headers, a bearer sub-protocol.
    pub fn target(mut self, change: impl FnOnce(&mut Target)) -> Self {
        change(&mut self.target);
        self
    }

    /// Other connections than WebSocket to the address: called for every attempt, with the format
    /// that the client speaks.
    pub fn connector<F>(mut self, connector: F) -> Self
    where
        F: Fn(Format) -> BoxFuture<'static, Result<Box<dyn Transport>, connect::ConnectError>>
            + Send
            + Sync
            + 'static,
    {
        self.connector = Some(Arc::new(connector));
        self
    }

    /// Connects, and resolves with the welcome. The first failure is the error; later losses are
    /// followed by reconnects.
    ///
    /// # Errors
    ///
    /// Why there is no connection.
    pub async fn connect(self) -> Result<Client<P>, ConnectError> {
        let client = self.start(true);
        let mut state = client.state();
        let settled =
            |state: &ConnState| matches!(state, ConnState::Ready { .. } | ConnState::Closed(_));
        let closed = match state.wait_for(settled).await.as_deref() {
            Ok(ConnState::Closed(error)) => Some(error.clone()),
            Ok(_) => None,
            Err(_) => Some(None),
        };
        match closed {
            None => Ok(client),
            Some(error) => Err(error
                .unwrap_or_else(|| ConnectError::Unreachable("the client was closed".to_owned()))),
        }
    }

    /// Gives the client at once and connects behind it, with the backoff from the first attempt
    /// on. What is asked meanwhile waits for the connection; the first 16 subscriptions leave with
    /// the hello, and so cost no round trip of their own. Needs a tokio runtime.
    #[must_use]
    pub fn connect_lazy(self) -> Client<P> {
        self.start(false)
    }

    fn start(mut self, fail_fast: bool) -> Client<P> {
        self.target.formats = vec![self.format];
        self.target.limits = self.limits;
        let target = Arc::new(self.target);
        let format = self.format;
        let connector: Connector = match self.connector {
            Some(connector) => Arc::new(move || connector(format)),
            None => Arc::new(move || {
                let target = Arc::clone(&target);
                Box::pin(async move { connect(&target).await })
            }),
        };
        let (orders, taken_orders) = mpsc::channel(ORDERS);
        let (notes, taken_notes) = mpsc::unbounded_channel();
        let (set_state, state) = watch::channel(ConnState::Connecting { attempt: 1 });
        let requests = if self.desk.is_some() { P::Callbacks::SPECS } else { &[] };
        let contract = Contract { requests, ..Contract::of::<P>() };
        let serving = Serving::new(self.desk, self.format);
        let renewing = Renewing::new(self.token.clone());
        let window = self.limits.window;
        let core = Core::new(taken_orders, taken_notes, set_state, window, serving, renewing);
        let stream_credit = self.limits.stream_credit;
        let config = Config {
            limits: self.limits,
            fingerprint: schema::fingerprint::<P>(),
            wall_ms: Clock::wall_ms(),
            seed: fastrand::u64(..),
            ..Config::new(contract)
        };
        let connecting = Connecting {
            connector,
            token: self.token,
            backoff: self.backoff,
            fail_fast,
            config,
            info: self.info,
            attempt_timeout: self.attempt_timeout,
        };
        tokio::spawn(connecting.run(core, Clock::start()));
        let ways = Ways { orders, notes, next: Arc::default() };
        let shared = Shared {
            ways,
            state,
            format: self.format,
            call_timeout: self.call_timeout,
            stream_credit,
        };
        Client { shared: Arc::new(shared), protocol: PhantomData }
    }
}

impl<P: Protocol> fmt::Debug for ClientBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientBuilder({})", P::NAME)
    }
}
