//! Calls: builders that become futures. They name the outcome's types only, never the request, so
//! that one mistake gives one error.

use super::{
    core::{Answers, Note, Order, StreamPart},
    error::CallError,
};
use crate::session::{Call, CallId, Outcome, Publish, Reply};
use bytestring::ByteString;
use futures_util::future::BoxFuture;
use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use ws_proto::{
    DecodeError, EncodeError, Fault, FaultCode, Never, Payload, Position, Raw, RequestSpec, Resend,
    retry,
};

/// Names types without holding values of them.
type Types<T> = PhantomData<fn() -> T>;

/// The ways from a handle to the driver.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) notes: mpsc::UnboundedSender<Note>,
    pub(super) next: Arc<AtomicU64>,
}

impl Ways {
    pub(super) fn name(&self) -> CallId {
        CallId(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A call that is not sent yet; await it.
#[must_use = "a call is sent when it is awaited"]
pub struct CallBuilder<T, E, R> {
    plan: Plan,
    read: Read<T, E>,
    may_retry: Types<R>,
}

/// How the bytes of an outcome become its types. Chosen where the request is known, so that a type
/// that cannot travel is an error at its request and not at every call.
struct Read<T, E> {
    reply: fn(&Raw) -> Result<T, DecodeError>,
    error: fn(&Raw) -> Result<E, DecodeError>,
}

impl<T: Payload, E: Payload> Read<T, E> {
    const fn new() -> Self {
        Self { reply: T::from_raw, error: E::from_raw }
    }
}

impl<T, E> Read<T, E> {
    fn typed(&self, result: Result<Raw, CallError<Raw>>) -> Result<T, CallError<E>> {
        let undecodable = |error: DecodeError| CallError::Undecodable(error.to_string());
        match result {
            Ok(raw) => (self.reply)(&raw).map_err(undecodable),
            Err(CallError::Rejected(raw)) => {
                Err((self.error)(&raw).map_or_else(undecodable, CallError::Rejected))
            }
            Err(CallError::Unsupported { kind, since, negotiated }) => {
                Err(CallError::Unsupported { kind, since, negotiated })
            }
            Err(CallError::Fault(fault, outcome)) => Err(CallError::Fault(fault, outcome)),
            Err(CallError::Timeout(outcome)) => Err(CallError::Timeout(outcome)),
            Err(CallError::Disconnected(outcome)) => Err(CallError::Disconnected(outcome)),
            Err(CallError::Undecodable(error)) => Err(CallError::Undecodable(error)),
        }
    }
}

/// Everything about a call but the types of its outcome.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) ways: Ways,
    pub(super) spec: RequestSpec,
    pub(super) payload: Result<Raw, EncodeError>,
    pub(super) ttl: Option<Duration>,
    pub(super) retries: u32,
    pub(super) key: Option<ByteString>,
}

impl<T: Payload, E: Payload, R> CallBuilder<T, E, R> {
    pub(super) const fn new(plan: Plan) -> Self {
        Self { plan, read: Read::new(), may_retry: PhantomData }
    }
}

impl<T, E, R> CallBuilder<T, E, R> {
    /// How long the answer is worth waiting for, retries and time offline included. The server is
    /// told, and stops working on it then.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.ttl = Some(timeout);
        self
    }

    /// The key under which the server knows this request again; the same in every retry.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.plan.key = Some(ByteString::from(key.into()));
        self
    }

    /// Sends the request again, up to `times` times, when it had no answer. Only for requests
    /// that may run twice.
    pub fn retry(mut self, times: u32) -> Self
    where
        R: retry::Allowed,
    {
        self.plan.retries = times;
        self
    }
}

impl<T, E, R> IntoFuture for CallBuilder<T, E, R> {
    type Output = Result<T, CallError<E>>;
    type IntoFuture = Calling<T, E>;

    fn into_future(self) -> Calling<T, E> {
        Calling { run: Box::pin(self.plan.run()), read: self.read }
    }
}

impl<T, E, R> fmt::Debug for CallBuilder<T, E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallBuilder({})", self.plan.spec.kind)
    }
}

/// A call under way. Dropping it cancels the request.
pub struct Calling<T, E> {
    run: Pin<Box<dyn Future<Output = Result<Raw, CallError<Raw>>> + Send>>,
    read: Read<T, E>,
}

impl<T, E> Future for Calling<T, E> {
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.run.as_mut().poll(cx).map(|result| self.read.typed(result))
    }
}

impl<T, E> fmt::Debug for Calling<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calling")
    }
}

impl Plan {
    async fn run(mut self) -> Result<Raw, CallError<Raw>> {
        let deadline = self.ttl.map(|ttl| Instant::now() + ttl);
        if self.retries > 0 && self.key.is_none() {
            self.key = Some(uuid::Uuid::new_v4().to_string().into());
        }
        let payload = self.payload.clone().map_err(|error| unencodable(&error))?;
        loop {
            let result = self.attempt(payload.clone(), deadline).await;
            let Err(error) = &result else { return result };
            // A server that keeps results under their key is needed to repeat a `dedup` request
            // whose outcome is unknown.
            let may_run_twice = self.spec.resend == Resend::Idempotent;
            if self.retries == 0 || !error.is_worth_retrying(may_run_twice) {
                return result;
            }
            self.retries -= 1;
            if let CallError::Fault(Fault { after_ms: Some(after_ms), .. }, _) = error {
                tokio::time::sleep(Duration::from_millis(*after_ms)).await;
            }
        }
    }

    async fn attempt(
        &self,
        payload: Raw,
        deadline: Option<Instant>,
    ) -> Result<Raw, CallError<Raw>> {
        let (to, answer) = oneshot::channel();
        let (call, order) = self.order(payload, deadline, Answers::Once(to), 0);
        let reply = send(&self.ways, call, order, answer, deadline).await;
        outcome(self.spec, reply)
    }

    fn order(
        &self,
        payload: Raw,
        deadline: Option<Instant>,
        to: Answers,
        credit: u32,
    ) -> (CallId, Order) {
        let id = self.ways.name();
        let call = Box::new(Call {
            call: id,
            kind: ByteString::from_static(self.spec.kind),
            payload,
            // Set from the deadline when the session takes it.
            ttl: None,
            key: self.key.clone(),
            versions: (self.spec.since, self.spec.removed),
            credit,
        });
        (id, Order::Call { call, deadline, to })
    }
}

/// A publish on its way, from [`Client::publish`](super::Client::publish). Dropping it cancels the
/// publish, which may still happen.
#[must_use = "an event is published when this is awaited"]
pub struct PublishCall(BoxFuture<'static, Published>);

type Published = Result<Option<Position>, CallError<Never>>;

impl PublishCall {
    pub(super) fn new(run: impl Future<Output = Published> + Send + 'static) -> Self {
        Self(Box::pin(run))
    }
}

impl Future for PublishCall {
    type Output = Published;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Published> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for PublishCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishCall")
    }
}

/// Publishes one event.
pub(super) async fn publish(ways: Ways, mut publish: Publish, ttl: Option<Duration>) -> Published {
    let deadline = ttl.map(|ttl| Instant::now() + ttl);
    let call = ways.name();
    publish.call = call;
    let (to, answer) = oneshot::channel();
    let order = Order::Publish { publish: Box::new(publish), deadline, to };
    match send(&ways, call, order, answer, deadline).await {
        Reply::Published(done) => Ok(match (done.epoch, done.off) {
            (Some(epoch), Some(off)) => Some(Position { epoch, off }),
            _ => None,
        }),
        Reply::Fault(fault, outcome) => Err(CallError::Fault(fault, outcome)),
        Reply::Timeout(outcome) => Err(CallError::Timeout(outcome)),
        Reply::Lost(outcome) => Err(CallError::Disconnected(outcome)),
        Reply::Ok(_) | Reply::Err(_) | Reply::Unsupported { .. } => {
            Err(CallError::Undecodable("a publish is answered with `$ok`".to_owned()))
        }
    }
}

/// Hands an order to the driver and waits for its reply; cancels it when dropped.
async fn send(
    ways: &Ways,
    call: CallId,
    order: Order,
    answer: oneshot::Receiver<Reply>,
    deadline: Option<Instant>,
) -> Reply {
    let handed_over = async { ways.orders.send(order).await };
    let handed_over = match deadline {
        None => handed_over.await.is_ok(),
        Some(deadline) => match timeout_at(deadline, handed_over).await {
            Ok(handed_over) => handed_over.is_ok(),
            Err(_) => return Reply::Timeout(Outcome::NotSent),
        },
    };
    if !handed_over {
        return Reply::Lost(Outcome::NotSent);
    }
    let mut cancel = CancelOnDrop { notes: &ways.notes, call: Some(call) };
    let reply = answer.await.unwrap_or(Reply::Lost(Outcome::Unknown));
    cancel.call = None;
    reply
}

struct CancelOnDrop<'a> {
    notes: &'a mpsc::UnboundedSender<Note>,
    call: Option<CallId>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            // Without a driver there is nothing to cancel.
            let _ = self.notes.send(Note::Cancel(call));
        }
    }
}

/// The items of a streaming request, then its one answer. Dropping it cancels the request.
#[must_use = "a stream brings nothing until it is read"]
pub struct ItemStream<I, T, E> {
    stage: Stage,
    read_item: fn(&Raw) -> Result<I, DecodeError>,
    read: Read<T, E>,
}

enum Stage {
    /// Sent with the first read.
    Planned(Box<Plan>, u32),
    Open(Reading),
    Ended(Option<Result<Raw, CallError<Raw>>>),
}

struct Reading {
    parts: mpsc::UnboundedReceiver<StreamPart>,
    spec: RequestSpec,
    notes: mpsc::UnboundedSender<Note>,
    call: CallId,
    window: u32,
    /// Items read since credit was last granted.
    read: u32,
}

impl<I: Payload, T: Payload, E: Payload> ItemStream<I, T, E> {
    pub(super) fn new(plan: Plan, window: u32) -> Self {
        let stage = Stage::Planned(Box::new(plan), window);
        Self { stage, read_item: I::from_raw, read: Read::new() }
    }
}

impl<I, T, E> ItemStream<I, T, E> {
    /// How long the whole stream is worth waiting for.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Stage::Planned(plan, _) = &mut self.stage {
            plan.ttl = Some(timeout);
        }
        self
    }

    /// The next item; `None` when there are no more and [`ItemStream::finish`] has the answer.
    pub async fn next(&mut self) -> Option<Result<I, CallError<E>>> {
        loop {
            match &mut self.stage {
                Stage::Planned(..) => self.start().await,
                Stage::Ended(_) => return None,
                Stage::Open(reading) => match reading.next().await {
                    Ok(item) => {
                        let item = (self.read_item)(&item);
                        return Some(item.map_err(|e| CallError::Undecodable(e.to_string())));
                    }
                    Err(end) => self.stage = Stage::Ended(Some(end)),
                },
            }
        }
    }

    /// The answer that ends the stream; items that were not read are skipped.
    ///
    /// # Errors
    ///
    /// The typed error of the request, or why there is no answer. Items that came before stay
    /// valid.
    pub async fn finish(mut self) -> Result<T, CallError<E>> {
        while self.next().await.is_some() {}
        match self.stage {
            Stage::Ended(Some(end)) => self.read.typed(end),
            _ => Err(CallError::Disconnected(Outcome::Unknown)),
        }
    }

    async fn start(&mut self) {
        let Stage::Planned(plan, window) = &self.stage else { return };
        let window = *window;
        let payload = match plan.payload.clone() {
            Ok(payload) => payload,
            Err(error) => {
                self.stage = Stage::Ended(Some(Err(unencodable(&error))));
                return;
            }
        };
        let deadline = plan.ttl.map(|ttl| Instant::now() + ttl);
        let (to, parts) = mpsc::unbounded_channel();
        let (call, order) = plan.order(payload, deadline, Answers::Stream(to), window);
        self.stage = if plan.ways.orders.send(order).await.is_ok() {
            let (spec, notes) = (plan.spec, plan.ways.notes.clone());
            Stage::Open(Reading { parts, spec, notes, call, window, read: 0 })
        } else {
            Stage::Ended(Some(Err(CallError::Disconnected(Outcome::NotSent))))
        };
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Raw, Result<Raw, CallError<Raw>>> {
        match self.parts.recv().await {
            Some(StreamPart::Item(item)) => {
                self.read += 1;
                if self.read * 2 >= self.window {
                    // Without a driver the stream ends with the next read.
                    let _ = self.notes.send(Note::Credit(self.call, self.read));
                    self.read = 0;
                }
                Ok(item)
            }
            Some(StreamPart::End(reply)) => Err(outcome(self.spec, reply)),
            None => Err(Err(CallError::Disconnected(Outcome::Unknown))),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Harmless when the stream has ended.
        let _ = self.notes.send(Note::Cancel(self.call));
    }
}

impl<I, T, E> fmt::Debug for ItemStream<I, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ItemStream")
    }
}

fn outcome(spec: RequestSpec, reply: Reply) -> Result<Raw, CallError<Raw>> {
    match reply {
        Reply::Ok(raw) => Ok(raw),
        Reply::Err(raw) => Err(CallError::Rejected(raw)),
        Reply::Fault(fault, outcome) => Err(CallError::Fault(fault, outcome)),
        Reply::Timeout(outcome) => Err(CallError::Timeout(outcome)),
        Reply::Lost(outcome) => Err(CallError::Disconnected(outcome)),
        Reply::Unsupported { negotiated } => {
            Err(CallError::Unsupported { kind: spec.kind, since: spec.since, negotiated })
        }
        Reply::Published(_) => {
            Err(CallError::Undecodable("a request is not answered with `$ok`".to_owned()))
        }
    }
}

fn unencodable(error: &EncodeError) -> CallError<Raw> {
    let text = format!("the request cannot be encoded: {error}");
    CallError::Fault(Fault::new(FaultCode::Invalid, text), Outcome::NotSent)
}
