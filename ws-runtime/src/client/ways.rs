//! The ways from the handles to the driver, and publishing through them.

use super::core::{Answers, Note, Order};
use crate::{
    asking::{CallError, CallOrder, Line, send},
    session::{CallId, Publish, Reply},
};
use futures_util::future::BoxFuture;
use std::{
    fmt,
    future::Future,
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
    time::Instant,
};
use ws_proto::{Never, Position};

/// The ways from a handle to the driver.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) notes: mpsc::UnboundedSender<Note>,
    pub(super) next: Arc<AtomicU64>,
}

impl Line for Ways {
    fn name(&self) -> CallId {
        CallId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn place(&self, order: CallOrder) -> BoxFuture<'_, bool> {
        let CallOrder { call, deadline, to } = order;
        let order = Order::Call { call, deadline, to: Answers::Once(to) };
        Box::pin(async move { self.orders.send(order).await.is_ok() })
    }

    fn cancel(&self, call: CallId) {
        // Without a driver there is nothing to cancel.
        let _ = self.notes.send(Note::Cancel(call));
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
    let placed = async { ways.orders.send(order).await.is_ok() };
    match send(&ways, call, placed, answer, deadline).await {
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
