//! Calls: builders that become futures. They name the outcome's types only, never the request, so
//! that one mistake gives one error.

use super::{CallOrder, Line, error::CallError};
use crate::session::{Call, CallId, Outcome, Reply};
use bytestring::ByteString;
use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use ws_proto::{
    DecodeError, EncodeError, Fault, FaultCode, Payload, Raw, RequestSpec, Resend, retry,
};

/// Names types without holding values of them.
type Types<T> = PhantomData<fn() -> T>;

/// A call that is not sent yet; await it.
#[must_use = "a call is sent when it is awaited"]
pub struct CallBuilder<T, E, R> {
    plan: Plan,
    read: Read<T, E>,
    may_retry: Types<R>,
}

/// How the bytes of an outcome become its types. Chosen where the request is known, so that a type
/// that cannot travel is an error at its request and not at every call.
pub(crate) struct Read<T, E> {
    reply: fn(&Raw) -> Result<T, DecodeError>,
    error: fn(&Raw) -> Result<E, DecodeError>,
}

impl<T: Payload, E: Payload> Read<T, E> {
    pub(crate) const fn new() -> Self {
        Self { reply: T::from_raw, error: E::from_raw }
    }
}

impl<T, E> Read<T, E> {
    pub(crate) fn typed(&self, result: Result<Raw, CallError<Raw>>) -> Result<T, CallError<E>> {
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
pub(crate) struct Plan {
    pub(crate) line: Arc<dyn Line>,
    pub(crate) spec: RequestSpec,
    pub(crate) payload: Result<Raw, EncodeError>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) key: Option<ByteString>,
}

impl<T: Payload, E: Payload, R> CallBuilder<T, E, R> {
    pub(crate) const fn new(plan: Plan) -> Self {
        Self { plan, read: Read::new(), may_retry: PhantomData }
    }
}

impl<T, E, R> CallBuilder<T, E, R> {
    /// How long the answer is worth waiting for, retries and time offline included. The other side
    /// is told, and stops working on it then.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.ttl = Some(timeout);
        self
    }

    /// The key under which the other side knows this request again; the same in every retry.
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
        let may_run_twice = self.spec.resend != Resend::Never;
        if (may_run_twice || self.retries > 0) && self.key.is_none() {
            self.key = Some(uuid::Uuid::new_v4().to_string().into());
        }
        let payload = self.payload.clone().map_err(|error| unencodable(&error))?;
        let mut may_have_run = false;
        loop {
            let error = match self.attempt(payload.clone(), deadline).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            // The session was lost with the request: whoever may run it twice need not know.
            let was_lost = matches!(error, CallError::Disconnected(Outcome::Unknown));
            if !(was_lost && may_run_twice) {
                if self.retries == 0 || !error.is_worth_retrying(may_run_twice) {
                    return Err(error.after(may_have_run));
                }
                self.retries -= 1;
            }
            may_have_run |= error.outcome() == Outcome::Unknown;
            if let CallError::Fault(Fault { after_ms: Some(after_ms), .. }, _) = error {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
            }
        }
    }

    async fn attempt(
        &self,
        payload: Raw,
        deadline: Option<Instant>,
    ) -> Result<Raw, CallError<Raw>> {
        let (to, answer) = oneshot::channel();
        let call = self.request(payload);
        let id = call.call;
        let placed = self.line.place(CallOrder { call: Box::new(call), deadline, to });
        let reply = send(&*self.line, id, placed, answer, deadline).await;
        outcome(self.spec, reply)
    }

    /// The call under a name of its own.
    pub(crate) fn request(&self, payload: Raw) -> Call {
        Call {
            call: self.line.name(),
            kind: ByteString::from_static(self.spec.kind),
            payload,
            // Set from the deadline when the session takes it.
            ttl: None,
            key: self.key.clone(),
            versions: (self.spec.since, self.spec.removed),
            credit: 0,
        }
    }
}

/// Waits until an order is with the driver, and for its reply; cancels it when dropped.
pub(crate) async fn send(
    line: &dyn Line,
    call: CallId,
    placed: impl Future<Output = bool>,
    answer: oneshot::Receiver<Reply>,
    deadline: Option<Instant>,
) -> Reply {
    let placed = match deadline {
        None => placed.await,
        Some(deadline) => match timeout_at(deadline, placed).await {
            Ok(placed) => placed,
            Err(_) => return Reply::Timeout(Outcome::NotSent),
        },
    };
    if !placed {
        return Reply::Lost(Outcome::NotSent);
    }
    let mut cancel = CancelOnDrop { line, call: Some(call) };
    let reply = answer.await.unwrap_or(Reply::Lost(Outcome::Unknown));
    cancel.call = None;
    reply
}

struct CancelOnDrop<'a> {
    line: &'a dyn Line,
    call: Option<CallId>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.line.cancel(call);
        }
    }
}

pub(crate) fn outcome(spec: RequestSpec, reply: Reply) -> Result<Raw, CallError<Raw>> {
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

pub(crate) fn unencodable(error: &EncodeError) -> CallError<Raw> {
    let text = format!("the request cannot be encoded: {error}");
    CallError::Fault(Fault::new(FaultCode::Invalid, text), Outcome::NotSent)
}
