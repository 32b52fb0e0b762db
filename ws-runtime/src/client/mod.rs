//! A typed client: calls, streams, uploads, subscriptions and publishes over a connection that
//! comes back by itself.
//!
//! Start at [`Client`]; `core` is the half behind the handles, `connect` the loop that connects.

mod builder;
mod connect;
mod core;
mod error;
mod feed;
mod reconnect;
mod renewing;
mod serving;
mod streaming;
mod subscription;
mod uploading;
mod ways;

pub use crate::asking::{CallBuilder, CallError, Calling};
pub use builder::ClientBuilder;
pub use error::{ConnState, ConnectError, SubscribeError};
pub use reconnect::Backoff;
pub use streaming::ItemStream;
pub use subscription::{Gap, Held, ManualSubscription, Subscribing, Subscription};
pub use uploading::Upload;
pub use ways::PublishCall;

use self::core::{Note, Order};
use crate::{
    asking::Plan,
    session::{CallId, Publish},
};
use feed::Feed;
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};
use subscription::Listener;
use tokio::sync::{oneshot, watch};
use ways::Ways;
use ws_proto::{Call, Channel, ClientPublish, EventSet, Format, Position, Protocol, shape};

/// A client of the protocol `P`. Cheap to clone; the connection ends with the last clone.
pub struct Client<P> {
    shared: Arc<Shared>,
    protocol: PhantomData<fn(P)>,
}

struct Shared {
    ways: Ways,
    state: watch::Receiver<ConnState>,
    format: Format,
    call_timeout: Option<Duration>,
    stream_credit: u32,
}

impl<P: Protocol> Client<P> {
    /// A client of the server at `url` (`ws://host:port/path`).
    pub fn builder(url: impl Into<String>) -> ClientBuilder<P> {
        ClientBuilder::new(url.into())
    }

    /// Asks a request; the answer's type follows from it.
    #[expect(clippy::needless_pass_by_value, reason = "a request is given away")]
    pub fn call<R>(&self, request: R) -> CallBuilder<R::Reply, R::Error, R::Retry>
    where
        R: Call<P::Requests>,
        R::Shape: shape::Single + shape::Whole,
    {
        CallBuilder::new(self.plan(&request))
    }

    /// Asks a request that streams items before it answers.
    #[expect(clippy::needless_pass_by_value, reason = "a request is given away")]
    pub fn stream<R>(&self, request: R) -> ItemStream<R::Item, R::Reply, R::Error>
    where
        R: Call<P::Requests>,
        R::Shape: shape::Streaming,
    {
        ItemStream::new(self.plan(&request), self.shared.ways.clone(), self.shared.stream_credit)
    }

    /// Asks a request whose parts follow, as many as the server takes. Parts are kept by nobody
    /// once they are sent: an upload survives a resumed session, and no other loss.
    #[expect(clippy::needless_pass_by_value, reason = "a request is given away")]
    pub fn upload<R>(&self, request: R) -> Upload<R::Part, R::Reply, R::Error>
    where
        R: Call<P::Requests>,
        R::Shape: shape::Uploading,
    {
        Upload::new(self.plan(&request), self.shared.ways.clone(), self.shared.format)
    }

    /// Listens to a channel. The subscription survives reconnects; what could not be delivered is
    /// said in its stream.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the client is closed.
    pub fn subscribe<C>(&self, channel: C) -> Subscribing<C::Event, C::Delivery, C::Snapshot>
    where
        C: Channel<P::Channels>,
    {
        self.subscribe_since(channel, None)
    }

    /// Listens to a channel, after a position kept from earlier.
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`].
    pub fn subscribe_since<C>(
        &self,
        channel: C,
        since: Option<Position>,
    ) -> Subscribing<C::Event, C::Delivery, C::Snapshot>
    where
        C: Channel<P::Channels>,
    {
        let address = ws_proto::ChannelSet::address(&channel.into());
        let ways = self.shared.ways.clone();
        Subscribing::new(async move {
            let address = address?;
            let feed = Arc::<Feed>::default();
            let (ready, subscribed) = oneshot::channel();
            let (to, feeding) = (address.clone(), Arc::clone(&feed));
            let order = Order::Subscribe { address: to, since, feed: feeding, ready };
            ways.orders.send(order).await.map_err(|_| SubscribeError::Closed)?;
            let notes = ways.notes;
            // From here on, dropping this future unsubscribes.
            let mut listener = Listener::new(address, C::KIND, feed, notes);
            let subscribed = subscribed.await.unwrap_or(Err(SubscribeError::Closed));
            listener.owns_channel = subscribed != Err(SubscribeError::AlreadySubscribed);
            subscribed.map(|snapshot| listener.with(snapshot))
        })
    }

    /// Publishes an event to a channel that clients may publish to. Gives its position, `None` on
    /// a best-effort channel.
    ///
    /// # Errors
    ///
    /// When the server refuses, or the outcome is unknown.
    pub fn publish<C>(&self, channel: C, event: &C::Event) -> PublishCall
    where
        C: ClientPublish<P::Channels>,
    {
        let invalid = |text: String| {
            CallError::Fault(ws_proto::Fault::invalid(text), crate::session::Outcome::NotSent)
        };
        let kind = format!("{}.{}", C::KIND, event.kind()).into();
        let payload = event.encode(self.shared.format).map_err(|e| invalid(e.to_string()));
        let address = ws_proto::ChannelSet::address(&channel.into())
            .map_err(|error| invalid(error.to_string()));
        let (ways, ttl) = (self.shared.ways.clone(), self.shared.call_timeout);
        PublishCall::new(async move {
            let (call, payload, address) = (CallId(0), payload?, address?);
            let publish = Publish { call, address, kind, payload, ttl: None, key: None };
            ways::publish(ways, publish, ttl).await
        })
    }

    /// The state of the connection, now and as it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ConnState> {
        self.shared.state.clone()
    }

    /// Ends the session and the connection, also for other clones. Resolves when it is over.
    pub async fn close(self) {
        // Without a driver the client is closed already.
        let _ = self.shared.ways.notes.send(Note::Close);
        let mut state = self.shared.state.clone();
        let _ = state.wait_for(|state| matches!(state, ConnState::Closed(_))).await;
    }

    fn plan<R: Call<P::Requests>>(&self, request: &R) -> Plan {
        Plan {
            line: Arc::new(self.shared.ways.clone()),
            spec: R::SPEC,
            payload: request.to_raw(self.shared.format),
            ttl: self.shared.call_timeout,
            retries: 0,
            key: None,
        }
    }
}

impl<P> Clone for Client<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), protocol: PhantomData }
    }
}

impl<P: Protocol> fmt::Debug for Client<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("protocol", &P::NAME)
            .field("state", &*self.shared.state.borrow())
            .finish_non_exhaustive()
    }
}
