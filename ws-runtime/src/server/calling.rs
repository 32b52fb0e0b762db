//! Calling the clients (`docs/protocol.md`, section 7).
//!
//! A call goes through a bounded queue to the driver of its connection, and stays here until the
//! session says its outcome. It outlives the connection as long as the session does.

use super::link::RequestLink;
use crate::{
    asking::{CallBuilder, CallOrder, Line, Plan, remaining},
    session::{CallId, Command, Outcome, Reply, Session, Time},
};
use futures_util::{future::BoxFuture, task::AtomicWaker};
use std::{
    collections::HashMap,
    fmt,
    marker::PhantomData,
    mem,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
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
        let is_over = self.line.is_over();
        f.debug_struct("ClientHandle")
            .field("protocol", &P::NAME)
            .field("is_over", &is_over)
            .finish_non_exhaustive()
    }
}

/// The way from the handles of one client to the driver of its connection. Most clients are never
/// asked anything, so its queues are made for the first call.
#[derive(Debug)]
pub(crate) struct CallLine {
    /// `None` when the session was over before the first call.
    queues: OnceLock<Option<Senders>>,
    /// The driver's ends, until it takes them.
    made: Mutex<Option<Receivers>>,
    /// The driver, which waits for the first call.
    driver: AtomicWaker,
    next: AtomicU64,
    format: Format,
    timeout: Option<Duration>,
}

#[derive(Debug)]
struct Senders {
    orders: mpsc::Sender<CallOrder>,
    /// Bounded by the calls that are open.
    cancels: mpsc::UnboundedSender<CallId>,
}

#[derive(Debug)]
struct Receivers {
    orders: mpsc::Receiver<CallOrder>,
    cancels: mpsc::UnboundedReceiver<CallId>,
}

impl CallLine {
    fn is_over(&self) -> bool {
        let queues = self.queues.get();
        queues.is_some_and(|queues| queues.as_ref().is_none_or(|queues| queues.orders.is_closed()))
    }

    /// Makes the queues where there are none, and tells the driver.
    fn senders(&self) -> Option<&Senders> {
        let queues = self.queues.get_or_init(|| {
            let (to_orders, orders) = mpsc::channel(ORDERS);
            let (to_cancels, cancels) = mpsc::unbounded_channel();
            self.put(Some(Receivers { orders, cancels }));
            Some(Senders { orders: to_orders, cancels: to_cancels })
        });
        self.driver.wake();
        queues.as_ref()
    }

    /// The driver's ends, once they are made.
    fn take(&self) -> Option<Receivers> {
        self.queues.get().and_then(|_| self.put(None))
    }

    fn put(&self, receivers: Option<Receivers>) -> Option<Receivers> {
        // Nothing under this lock can panic.
        mem::replace(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner), receivers)
    }
}

impl Line for CallLine {
    fn name(&self) -> CallId {
        CallId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn place(&self, order: CallOrder) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let Some(senders) = self.senders() else { return false };
            senders.orders.send(order).await.is_ok()
        })
    }

    fn cancel(&self, call: CallId) {
        // Without a driver there is nothing to cancel.
        let senders = self.queues.get().and_then(Option::as_ref);
        let _ = senders.map(|senders| senders.cancels.send(call));
    }
}

/// The driver's half: the calls of one session that have no outcome yet.
pub(crate) struct Asking {
    line: Arc<CallLine>,
    /// Present from the first call on.
    queues: Option<Box<Receivers>>,
    /// Who waits for the first call.
    waits: Option<Waker>,
    /// A call that nobody waits for stays: the client still owes its answer.
    open: HashMap<CallId, oneshot::Sender<Reply>>,
    max_open: usize,
}

impl Drop for Asking {
    fn drop(&mut self) {
        // Nobody takes calls any more.
        let _ = self.line.queues.set(None);
        drop(self.line.take());
    }
}

impl Asking {
    pub(crate) fn new(
        format: Format,
        timeout: Option<Duration>,
        max_open: usize,
    ) -> (Self, Arc<CallLine>) {
        let line = Arc::new(CallLine {
            queues: OnceLock::new(),
            made: Mutex::default(),
            driver: AtomicWaker::new(),
            next: AtomicU64::default(),
            format,
            timeout,
        });
        let open = HashMap::new();
        (Self { line: Arc::clone(&line), queues: None, waits: None, open, max_open }, line)
    }

    /// Hands to the session what it has room for.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, session: &mut Session, now: Time) {
        if self.queues.is_none() {
            // Before the look: whoever makes the queues after it finds whom to wake. Nobody wakes
            // who has not made them, so once is enough.
            if !self.waits.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                self.line.driver.register(cx.waker());
                self.waits = Some(cx.waker().clone());
            }
            self.queues = self.line.take().map(Box::new);
            if self.queues.is_none() {
                return;
            }
        }
        while let Some(queues) = &mut self.queues
            && let Poll::Ready(Some(call)) = queues.cancels.poll_recv(cx)
        {
            // Never misuse.
            let _ = session.handle_command(Command::Cancel(call), now);
        }
        while session.has_room()
            && self.open.len() < self.max_open
            && let Some(queues) = &mut self.queues
            && let Poll::Ready(Some(order)) = queues.orders.poll_recv(cx)
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
        // From here on there are none, unless there were before.
        let _ = self.line.queues.set(None);
        if let Some(mut queues) =
            self.queues.take().map_or_else(|| self.line.take(), |it| Some(*it))
        {
            queues.orders.close();
            while let Ok(order) = queues.orders.try_recv() {
                let _ = order.to.send(Reply::Lost(Outcome::NotSent));
            }
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
