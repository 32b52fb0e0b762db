//! What is known about each connection for those who look: its traffic, counted around its
//! transport, and how it stands, told by its own task.

use super::{Inspector, Server, tail::Tail};
use crate::{
    hub::ConnectionId,
    session::{Figures, Session},
    transport::{Lost, Received, Transport},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use ws_proto::{Batch, CloseCode, Credentials, Format, Protocol, frame::ClientInfo};

/// Who may look at this server, if anybody.
#[derive(Default)]
pub(in crate::server) struct Watching(OnceLock<Arc<Inspector>>);

/// What is counted of one transport, if anything.
#[derive(Clone, Default)]
pub(in crate::server) struct Line(Option<Arc<Traffic>>);

/// What is known about one connection, if anything; forgotten when it is dropped.
#[derive(Default)]
pub(in crate::server) struct Watch(Option<Box<(Arc<Inspector>, Arc<Entry>)>>);

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    FromClient,
    FromServer,
}

/// One transport.
pub(super) struct Traffic {
    pub(super) format: Format,
    pub(super) remote: Option<SocketAddr>,
    from_client: Count,
    from_server: Count,
    is_tailed: AtomicBool,
    tail: Mutex<Option<Arc<Tail>>>,
}

/// Messages and their bytes. One task adds to it, so that adding needs no other processor's word.
#[derive(Default)]
struct Count {
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// What passed so far, one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// One session and the connection that it has now.
pub(super) struct Entry {
    pub(super) id: ConnectionId,
    facts: Mutex<Facts>,
}

pub(super) struct Facts {
    pub(super) traffic: Arc<Traffic>,
    /// What passed over the connections before: from the client, from the server.
    before: [Totals; 2],
    pub(super) principal: Option<String>,
    pub(super) version: Option<u32>,
    pub(super) client: Option<String>,
    pub(super) since_ms: u64,
    /// Until when its session waits, while it has no connection.
    pub(super) kept_until: Option<Instant>,
    pub(super) reconnects: u32,
    pub(super) figures: Option<Figures>,
    tail: Option<Arc<Tail>>,
    pub(super) rates: Rates,
}

/// How much passed in each second of late.
#[derive(Clone, Copy, Default)]
pub(super) struct Rates {
    measured: Option<(Instant, [Totals; 2])>,
    /// Messages and bytes per second: from the client, from the server.
    pub(super) per_s: Option<[(f64, f64); 2]>,
}

/// A transport whose messages are counted, and shown while somebody looks.
struct Watched {
    inner: Box<dyn Transport>,
    traffic: Arc<Traffic>,
}

impl Watching {
    /// Lets somebody look; false when that was decided before.
    pub(super) fn set(&self, inspector: Inspector) -> bool {
        self.0.set(Arc::new(inspector)).is_ok()
    }

    pub(super) fn inspector(&self) -> Option<&Arc<Inspector>> {
        self.0.get()
    }

    pub(in crate::server) fn line(
        &self,
        transport: Box<dyn Transport>,
        credentials: &Credentials,
    ) -> (Box<dyn Transport>, Line) {
        if self.0.get().is_none() {
            return (transport, Line(None));
        }
        let traffic = Arc::new(Traffic {
            format: transport.format(),
            remote: credentials.remote,
            from_client: Count::default(),
            from_server: Count::default(),
            is_tailed: AtomicBool::new(false),
            tail: Mutex::new(None),
        });
        let watched = Watched { inner: transport, traffic: Arc::clone(&traffic) };
        (Box::new(watched), Line(Some(traffic)))
    }

    pub(in crate::server) fn begin(&self, id: ConnectionId, line: &Line) -> Watch {
        let (Some(inspector), Some(traffic)) = (self.0.get(), &line.0) else { return Watch(None) };
        let entry = Arc::new(Entry::new(id, Arc::clone(traffic)));
        inspector.entries().insert(id.0, Arc::clone(&entry));
        Watch(Some(Box::new((Arc::clone(inspector), entry))))
    }
}

impl Watch {
    pub(in crate::server) fn said_hello(&self, client: Option<&ClientInfo>) {
        self.change(|facts| {
            facts.client = client.map(|it| format!("{} {}", it.name, it.version));
        });
    }

    /// The client is who it says, and speaks this version.
    pub(in crate::server) fn took_in(&self, principal: &str, version: u32) {
        self.change(|facts| {
            facts.principal = Some(principal.to_owned());
            facts.version = Some(version);
        });
    }

    /// How the session stands after a turn. While nobody looks this is one load.
    pub(in crate::server) fn report(&self, session: &Session) {
        let looked_at = self.0.as_ref().filter(|watched| watched.0.is_looked_at());
        if let Some(watched) = looked_at {
            watched.1.facts().figures = Some(session.figures());
        }
    }

    /// The connection is lost, and the session waits so long for another one.
    pub(in crate::server) fn lose(&self, patience: Duration) {
        self.change(|facts| {
            facts.kept_until = Some(Instant::now() + patience);
            facts.note("the connection was lost");
        });
    }

    /// The session has another connection.
    pub(in crate::server) fn go_on(&self, line: &Line) {
        let Some(traffic) = &line.0 else { return };
        self.change(|facts| {
            facts.before = facts.totals();
            facts.traffic = Arc::clone(traffic);
            facts.traffic.show(facts.tail.clone());
            facts.kept_until = None;
            facts.reconnects += 1;
            facts.note("the session goes on over another connection");
        });
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        if let Some(watched) = &self.0 {
            change(&mut watched.1.facts());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(watched) = &self.0 {
            let (inspector, entry) = &**watched;
            entry.facts().note("the session is over");
            inspector.entries().remove(&entry.id.0);
        }
    }
}

impl Traffic {
    /// Shows what passes from here on, or nothing.
    fn show(&self, tail: Option<Arc<Tail>>) {
        let mut own = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_tailed.store(tail.is_some(), Ordering::Relaxed);
        *own = tail;
    }

    fn passes(&self, way: Way, message: &[u8]) {
        let count = match way {
            Way::FromClient => &self.from_client,
            Way::FromServer => &self.from_server,
        };
        count.add(message.len());
        if self.is_tailed.load(Ordering::Relaxed) {
            self.push(way, message);
        }
    }

    fn push(&self, way: Way, message: &[u8]) {
        let mut own = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match own.take_if(|tail| tail.is_forgotten(now)) {
            Some(_) => self.is_tailed.store(false, Ordering::Relaxed),
            None => own.iter().for_each(|tail| tail.push(way, self.format, message, now)),
        }
    }
}

impl Count {
    fn add(&self, bytes: usize) {
        let add = |to: &AtomicU64, more: u64| {
            to.store(to.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        };
        add(&self.messages, 1);
        add(&self.bytes, bytes as u64);
    }

    fn totals(&self) -> Totals {
        let read = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Totals { messages: read(&self.messages), bytes: read(&self.bytes) }
    }
}

impl Entry {
    fn new(id: ConnectionId, traffic: Arc<Traffic>) -> Self {
        let facts = Facts {
            traffic,
            before: <[Totals; 2]>::default(),
            principal: None,
            version: None,
            client: None,
            since_ms: crate::driver::Clock::wall_ms(),
            kept_until: None,
            reconnects: 0,
            figures: None,
            tail: None,
            rates: Rates::default(),
        };
        Self { id, facts: Mutex::new(facts) }
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        // No code of the application runs under this lock.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// What passed so far: from the client, from the server.
    pub(super) fn totals(&self) -> [Totals; 2] {
        let own = [self.traffic.from_client.totals(), self.traffic.from_server.totals()];
        let add = |at: usize| Totals {
            messages: self.before[at].messages + own[at].messages,
            bytes: self.before[at].bytes + own[at].bytes,
        };
        [add(0), add(1)]
    }

    /// Shows the frames that pass from here on, on this connection and those that follow it.
    pub(super) fn show(&mut self, tail: Option<Arc<Tail>>) {
        self.traffic.show(tail.clone());
        self.tail = tail;
    }

    fn note(&self, what: &'static str) {
        if let Some(tail) = &self.tail {
            tail.note(what);
        }
    }
}

impl Rates {
    /// What is measured again at most so often, whoever asks.
    const STEP: Duration = Duration::from_millis(900);
    /// What was measured longer ago says nothing about now.
    const LATE: Duration = Duration::from_secs(10);

    pub(super) fn measure(&mut self, totals: [Totals; 2], now: Instant) {
        let Some((at, before)) = self.measured else {
            self.measured = Some((now, totals));
            return;
        };
        let elapsed = now - at;
        if elapsed < Self::STEP {
            return;
        }
        let seconds = elapsed.as_secs_f64();
        let rate = |way: usize| {
            let since = |now: u64, before: u64| {
                let more = u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
                f64::from(more) / seconds
            };
            let (now, before) = (totals[way], before[way]);
            (since(now.messages, before.messages), since(now.bytes, before.bytes))
        };
        self.per_s = (elapsed <= Self::LATE).then(|| [rate(0), rate(1)]);
        self.measured = Some((now, totals));
    }
}

impl Transport for Watched {
    fn format(&self) -> Format {
        self.inner.format()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let received = self.inner.poll_recv(cx);
        if let Poll::Ready(Received::Message(message)) = &received {
            self.traffic.passes(Way::FromClient, message);
        }
        received
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.inner.poll_ready(cx)
    }

    fn start_send(&mut self, message: &[u8]) -> Result<(), Lost> {
        self.traffic.passes(Way::FromServer, message);
        self.inner.start_send(message)
    }

    fn start_send_batch(&mut self, batch: &Batch) -> Result<(), Lost> {
        for event in batch.events() {
            self.traffic.passes(Way::FromServer, event.bytes(self.traffic.format));
        }
        self.inner.start_send_batch(batch)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.inner.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, close: Option<(CloseCode, &str)>) -> Poll<()> {
        self.inner.poll_close(cx, close)
    }

    fn unwritten(&self) -> usize {
        self.inner.unwritten()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

/// Whether the page stands at this path.
pub(in crate::server) fn is_page<P: Protocol>(server: &Server<P>, path: &str) -> bool {
    let inspector = server.shared.watching.inspector();
    inspector.is_some_and(|inspector| path == inspector.inspect.path())
}

/// The answer to a request for the page or its data; `None` to any other.
pub(in crate::server) fn page<P: Protocol, B>(
    server: &Server<P>,
    request: &Request<B>,
    remote: SocketAddr,
) -> Option<Response<Full<Bytes>>> {
    is_page(server, request.uri().path()).then(|| server.look(request, Some(remote)))
}
