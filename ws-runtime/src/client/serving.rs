//! Answering what the server asks (`docs/protocol.md`, section 7): each request is a task of its own
//! and outlives the connection that brought it.

use crate::{
    answering::{AnswerGuard, ask_loop, undecodable},
    session::{Request, WorkId},
    wakers::Wakers,
};
use bytestring::ByteString;
use futures_util::future::BoxFuture;
use std::{
    collections::BTreeMap,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::{sync::mpsc, task::AbortHandle};
use ws_proto::{
    Address, Answer, Caller, Dispatch, EncodedEvent, Format, MessageId, Protocol, Raw, RequestSet,
    Serve,
    frame::Welcome,
    serve::{Cancelled, Link, PublishError, Publishing},
};

/// Tasks of one handler that may wait on its link at once; more than this is a loop that leaks.
const WAITING: usize = 64;

/// What answers the callbacks of a protocol, without its type.
pub(super) trait Desk: Send + Sync + 'static {
    fn serve(
        self: Arc<Self>,
        kind: ByteString,
        payload: Raw,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Answer>;

    /// Whether the handler of this request is dropped when nobody waits for it.
    fn is_dropped(&self, kind: &str) -> bool;
}

/// Callbacks go to the methods of the generated handler trait.
pub(super) struct Methods<P, A> {
    pub(super) app: A,
    pub(super) protocol: PhantomData<fn(P)>,
}

/// Callbacks go, with a slot for the answer, to a loop that owns its state.
pub(super) struct Loop<P: Protocol>(pub(super) mpsc::Sender<<P::Callbacks as RequestSet>::Call>);

/// The requests of the server that are worked on.
pub(super) struct Serving {
    desk: Option<Arc<dyn Desk>>,
    format: Format,
    version: u32,
    session: Arc<str>,
    running: BTreeMap<WorkId, Running>,
    /// Bounded by the requests in flight.
    answers: mpsc::UnboundedReceiver<(WorkId, Answer)>,
    to_answers: mpsc::UnboundedSender<(WorkId, Answer)>,
}

struct Running {
    link: Arc<CallbackLink>,
    /// Present when the handler is dropped on cancel.
    abort: Option<AbortHandle>,
}

impl Serving {
    pub(super) fn new(desk: Option<Arc<dyn Desk>>, format: Format) -> Self {
        let (to_answers, answers) = mpsc::unbounded_channel();
        let (running, session) = (BTreeMap::new(), Arc::from(""));
        Self { desk, format, version: 0, session, running, answers, to_answers }
    }

    /// The session that the next requests belong to.
    pub(super) fn welcomed(&mut self, welcome: &Welcome) {
        self.version = welcome.version;
        self.session = Arc::from(&*welcome.session.id);
    }

    pub(super) fn start(&mut self, request: Request) {
        let Request { work, id, kind, payload, .. } = request;
        let to = self.to_answers.clone();
        // Without a driver nobody waits for the answer.
        let guard = AnswerGuard::new(move |answer| drop(to.send((work, answer))));
        // Without a desk the session serves nothing, and the guard says no.
        let Some(desk) = self.desk.clone() else { return };
        // It waits for its task, and must not keep the message that it came in.
        let payload = payload.detached();
        let link = Arc::new(CallbackLink {
            format: self.format,
            version: self.version,
            session: Arc::clone(&self.session),
            message: id,
            waiting: Mutex::default(),
        });
        let is_dropped = desk.is_dropped(&kind);
        let erased: Arc<dyn Link> = Arc::clone(&link) as Arc<dyn Link>;
        let span = tracing::debug_span!("callback", kind = &*kind, %id, session = &*self.session);
        let task = tokio::spawn(tracing::Instrument::instrument(
            async move {
                let answer = desk.serve(kind, payload, erased).await;
                guard.answer(answer);
            },
            span,
        ));
        let abort = is_dropped.then(|| task.abort_handle());
        self.running.insert(work, Running { link, abort });
    }

    /// Nobody waits for the answer any more.
    pub(super) fn stop(&self, work: WorkId) {
        if let Some(running) = self.running.get(&work) {
            running.stop();
        }
    }

    /// The next answer of a handler.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<(WorkId, Answer)> {
        match self.answers.poll_recv(cx) {
            Poll::Ready(Some((work, answer))) => {
                self.running.remove(&work);
                Poll::Ready((work, answer))
            }
            // A sender lives here: the queue does not end.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.running.values().for_each(Running::stop);
    }
}

impl Running {
    fn stop(&self) {
        self.link.cancel();
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

impl<P, A> Desk for Methods<P, A>
where
    P: Protocol<Callbacks: Dispatch<A>>,
    A: Serve<Principal = ()>,
{
    fn serve(
        self: Arc<Self>,
        kind: ByteString,
        payload: Raw,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            match P::Callbacks::decode(&kind, &payload) {
                Ok(request) => {
                    // The bytes may be large and the handler slow.
                    drop(payload);
                    request.dispatch(&self.app, &Caller::new(&(), &link)).await
                }
                Err(error) => Answer::Fault(undecodable(&kind, &error)),
            }
        })
    }

    fn is_dropped(&self, kind: &str) -> bool {
        P::Callbacks::spec(kind).is_some_and(|spec| spec.cancel)
    }
}

impl<P: Protocol> Desk for Loop<P> {
    fn serve(
        self: Arc<Self>,
        kind: ByteString,
        payload: Raw,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            match P::Callbacks::decode(&kind, &payload) {
                Ok(request) => {
                    drop(payload);
                    ask_loop(&self.0, request, &link).await
                }
                Err(error) => Answer::Fault(undecodable(&kind, &error)),
            }
        })
    }

    fn is_dropped(&self, kind: &str) -> bool {
        P::Callbacks::spec(kind).is_some_and(|spec| spec.cancel)
    }
}

/// What a handler's `Caller` reaches.
struct CallbackLink {
    format: Format,
    version: u32,
    session: Arc<str>,
    message: MessageId,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    cancelled: bool,
    wakers: Wakers<WAITING>,
}

impl CallbackLink {
    fn cancel(&self) {
        let mut waiting = self.lock();
        waiting.cancelled = true;
        let wakers = waiting.wakers.take();
        drop(waiting);
        wakers.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for CallbackLink {
    fn format(&self) -> Format {
        self.format
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn session(&self) -> &str {
        &self.session
    }

    fn message(&self) -> MessageId {
        self.message
    }

    fn publish(&self, _: Address, _: EncodedEvent) -> Publishing {
        Publishing::ready(Err(PublishError::NoLog))
    }

    fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.lock();
        if waiting.cancelled {
            return Poll::Ready(());
        }
        waiting.wakers.remember(cx);
        Poll::Pending
    }

    fn poll_item(&self, _: &mut Context<'_>) -> Poll<Result<(), Cancelled>> {
        // No callback streams: the derive refuses it.
        Poll::Ready(Err(Cancelled))
    }

    fn send_item(&self, _: Raw) {}
}
