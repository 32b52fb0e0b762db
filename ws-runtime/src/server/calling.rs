//! Calling the clients (`docs/protocol.md`, section 7).
//!
//! A call goes through a bounded queue to the driver of its connection, and stays here until the
//! session says its outcome. It outlives the connection as long as the session does.

use super::link::RequestLink;
use crate::{
    asking::{CallBuilder, CallOrder, Line, Plan, remaining},
    session::{CallId, Command, Outcome, Reply, Session, Time},
};
use futures_util::future::BoxFuture;
use std::{
    collections::HashMap,
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use ws_proto::{Call, Caller, Format, Protocol, shape};

/// Calls that wait for the driver of one connection; past it the caller waits.
const ORDERS: usize = 16;

/// One client of a server, to be asked the protocol's `callbacks`. Cheap to clone, and it keeps
/// nothing alive: it names one session, and once that is over its calls end with
/// [`CallError::Disconnected`](super::CallError::Disconnected).
///
/// While the connection is away and the session is kept, calls wait and their time runs.
pub struct ClientHandle<P> {
    line: Arc<CallLine>,
    protocol: PhantomData<fn(P)>,
}

impl<P: Protocol> ClientHandle<P> {
    /// The client that asks, inside a handler. `P` is the protocol of the server: a client that
    /// speaks another one answers `unimplemented`.
    #[must_use]
    pub fn of<Who>(caller: &Caller<'_, Who>) -> Self {
        let request = caller.link().as_any().and_then(|any| any.downcast_ref::<RequestLink>());
        let line = request.map(|request| Arc::clone(&request.connection.mailbox.calls));
        // A caller that is no client of a server, as in a test of a handler, is nobody to be asked.
        Self::new(line.unwrap_or_else(|| Asking::new(caller.format(), None, 0).1))
    }

    /// Asks the client a request; the answer's type follows from it.
    #[expect(clippy::needless_pass_by_value, reason = "a request is given away")]
    pub fn call<R>(&self, request: R) -> CallBuilder<R::Reply, R::Error, R::Retry>
    where
        R: Call<P::Callbacks>,
        R::Shape: shape::Single,
    {
        let line = Arc::clone(&self.line);
        let (payload, ttl) = (request.to_raw(line.format), line.timeout);
        CallBuilder::new(Plan { line, spec: R::SPEC, payload, ttl, retries: 0, key: None })
    }

    pub(super) fn new(line: Arc<CallLine>) -> Self {
        Self { line, protocol: PhantomData }
    }
}

impl<P> Clone for ClientHandle<P> {
    fn clone(&self) -> Self {
        Self { line: Arc::clone(&self.line), protocol: PhantomData }
    }
}

impl<P: Protocol> fmt::Debug for ClientHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_over = self.line.orders.is_closed();
        f.debug_struct("ClientHandle")
            .field("protocol", &P::NAME)
            .field("is_over", &is_over)
            .finish_non_exhaustive()
    }
}

/// The way from the handles of one client to the driver of its connection.
#[derive(Debug)]
pub(crate) struct CallLine {
    orders: mpsc::Sender<CallOrder>,
    /// Bounded by the calls that are open.
    cancels: mpsc::UnboundedSender<CallId>,
    next: AtomicU64,
    format: Format,
    timeout: Option<Duration>,
}

impl Line for CallLine {
    fn name(&self) -> CallId {
        CallId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn place(&self, order: CallOrder) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.orders.send(order).await.is_ok() })
    }

    fn cancel(&self, call: CallId) {
        // Without a driver there is nothing to cancel.
        let _ = self.cancels.send(call);
    }
}

/// The driver's half: the calls of one session that have no outcome yet.
pub(crate) struct Asking {
    orders: mpsc::Receiver<CallOrder>,
    cancels: mpsc::UnboundedReceiver<CallId>,
    /// A call that nobody waits for stays: the client still owes its answer.
    open: HashMap<CallId, oneshot::Sender<Reply>>,
    max_open: usize,
}

impl Asking {
    pub(crate) fn new(
        format: Format,
        timeout: Option<Duration>,
        max_open: usize,
    ) -> (Self, Arc<CallLine>) {
        let (to_orders, orders) = mpsc::channel(ORDERS);
        let (to_cancels, cancels) = mpsc::unbounded_channel();
        let line = CallLine {
            orders: to_orders,
            cancels: to_cancels,
            next: AtomicU64::default(),
            format,
            timeout,
        };
        (Self { orders, cancels, open: HashMap::new(), max_open }, Arc::new(line))
    }

    /// Hands to the session what it has room for.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, session: &mut Session, now: Time) {
        while let Poll::Ready(Some(call)) = self.cancels.poll_recv(cx) {
            // Never misuse.
            let _ = session.handle_command(Command::Cancel(call), now);
        }
        while session.has_room()
            && self.open.len() < self.max_open
            && let Poll::Ready(Some(order)) = self.orders.poll_recv(cx)
        {
            self.take(order, session, now);
        }
    }

    /// A call has its outcome.
    pub(crate) fn answered(&mut self, call: CallId, reply: Reply) {
        if let Some(to) = self.open.remove(&call) {
            // A caller that no longer waits has sent a cancel.
            let _ = to.send(reply);
        }
    }

    /// The session is over: everything that waits has its outcome.
    pub(crate) fn settle(&mut self, session: &Session) {
        self.orders.close();
        while let Ok(order) = self.orders.try_recv() {
            let _ = order.to.send(Reply::Lost(Outcome::NotSent));
        }
        for (call, to) in self.open.drain() {
            let has_left = session.has_left(call);
            let outcome = if has_left { Outcome::Unknown } else { Outcome::NotSent };
            let _ = to.send(Reply::Lost(outcome));
        }
    }

    fn take(&mut self, order: CallOrder, session: &mut Session, now: Time) {
        let CallOrder { mut call, deadline, to } = order;
        if to.is_closed() {
            return;
        }
        let Ok(ttl) = remaining(deadline) else {
            let _ = to.send(Reply::Timeout(Outcome::NotSent));
            return;
        };
        call.ttl = ttl;
        let id = call.call;
        match session.handle_command(Command::Call(call), now) {
            Ok(()) => {
                self.open.insert(id, to);
            }
            // Room was asked for before, and names are not given twice.
            Err(misuse) => tracing::error!(%misuse, "call of a client"),
        }
    }
}
