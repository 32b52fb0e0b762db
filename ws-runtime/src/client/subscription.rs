//! A subscription: the events of one channel, and what is to be said about them, as one stream.

use super::{
    core::Note,
    error::SubscribeError,
    feed::{Feed, Item},
};
use futures_util::{Stream, future::BoxFuture};
use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::mpsc;
use ws_proto::{
    Address, DecodeError, EventSet, Fault, Payload, Raw, UnknownEvent, delivery,
    frame::{NotRecovered, Unsubscribed},
    snapshot,
};

/// What happened to the events of a subscription instead of their coming. Loss is an item of the
/// stream, never silence (`docs/protocol.md`, section 8).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Gap {
    /// The connection was lost and is back; nothing is missing.
    Resumed,
    /// Events in between may be missing: the connection was lost and is back, or the application
    /// was too slow for the log. On a channel with a snapshot the new state is there: replace what
    /// you have by [`Subscription::snapshot`]. On another one, fetch the state again. The reason is
    /// absent on a best-effort channel.
    Restarted(Option<NotRecovered>),
    /// Nothing after the position `after` up to and including `until` will come.
    Lost {
        /// The last position before the gap.
        after: Option<u64>,
        /// The last position of the gap.
        until: Option<u64>,
    },
    /// So many events of a best-effort channel were dropped, because somebody was too slow.
    Dropped(u64),
    /// An event that this build does not know, on a channel without an `#[event(unknown)]`.
    UnknownEvent(UnknownEvent),
    /// An event whose payload is not what its type says.
    Undecodable {
        /// The event's kind.
        kind: String,
        /// What is wrong with it.
        error: String,
    },
    /// After a reconnect the server refused the subscription; nothing more comes.
    Refused(Fault),
    /// The server ended the subscription; nothing more comes.
    Ended(Unsubscribed),
}

/// A subscription under way, from [`Client::subscribe`](super::Client::subscribe).
#[must_use = "a subscription is made when this is awaited"]
pub struct Subscribing<E, D, S = snapshot::Absent> {
    run: BoxFuture<'static, Result<Listener, SubscribeError>>,
    read: ReadEvent<E>,
    modes: PhantomData<fn() -> (D, S)>,
}

/// How a kind and a payload become an event. Chosen where the channel is known, so that a type that
/// is no event enum is an error at its channel and not at every use of it.
type ReadEvent<E> = fn(&str, &Raw) -> Result<E, DecodeError>;

impl<E: EventSet, D, S> Subscribing<E, D, S> {
    pub(super) fn new(
        run: impl Future<Output = Result<Listener, SubscribeError>> + Send + 'static,
    ) -> Self {
        Self { run: Box::pin(run), read: E::decode, modes: PhantomData }
    }
}

impl<E, D, S> Future for Subscribing<E, D, S> {
    type Output = Result<Subscription<E, D, S>, SubscribeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let listener = ready!(self.run.as_mut().poll(cx));
        let (read, taken, modes) = (self.read, None, PhantomData);
        Poll::Ready(listener.map(|listener| Subscription { listener, read, taken, modes }))
    }
}

impl<E, D, S> fmt::Debug for Subscribing<E, D, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscribing")
    }
}

/// The events of one channel. Dropping it unsubscribes.
///
/// An event is acknowledged when the application comes back for the next one; see
/// [`Subscription::manual_ack`] for the other way.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription<E, D, S = snapshot::Absent> {
    listener: Listener,
    read: ReadEvent<E>,
    /// The position to acknowledge when the application comes back.
    taken: Option<u64>,
    modes: PhantomData<fn() -> (D, S)>,
}

/// An event or a gap, and the position that it reaches.
type Reached<E> = (Result<E, Gap>, Option<u64>);

/// Where a subscription is registered; dropping it unsubscribes.
pub(super) struct Listener {
    pub(super) address: Address,
    pub(super) kind: &'static str,
    pub(super) feed: Arc<Feed>,
    pub(super) notes: mpsc::UnboundedSender<Note>,
    /// False when the channel is somebody else's: dropping this leaves it alone.
    pub(super) owns_channel: bool,
    /// The state at this point of the stream, until it is taken or the stream goes on.
    snapshot: Option<Raw>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.owns_channel {
            // Without a driver there is nothing to unsubscribe from.
            let _ = self.notes.send(Note::Unsubscribe(self.address.clone()));
        }
    }
}

impl Listener {
    pub(super) fn new(
        address: Address,
        kind: &'static str,
        feed: Arc<Feed>,
        notes: mpsc::UnboundedSender<Note>,
    ) -> Self {
        Self { address, kind, feed, notes, owns_channel: true, snapshot: None }
    }

    /// A listener that starts from this state.
    pub(super) fn with(mut self, snapshot: Option<Raw>) -> Self {
        self.snapshot = snapshot;
        self
    }

    fn take_snapshot<S: snapshot::Mode>(&mut self) -> Result<Option<S::State>, DecodeError> {
        self.snapshot.take().map(|state| S::State::from_raw(&state)).transpose()
    }

    fn acknowledge(&self, off: u64) {
        let _ = self.notes.send(Note::Consumed(self.address.clone(), off));
    }

    /// The next event or gap, with the position that it reaches.
    fn poll<E>(&mut self, read: ReadEvent<E>, cx: &Context<'_>) -> Poll<Option<Reached<E>>> {
        loop {
            let Some(item) = ready!(self.feed.poll(cx)) else { return Poll::Ready(None) };
            // It would be older than what the application is given now.
            self.snapshot = None;
            return Poll::Ready(Some(match item {
                Item::Event { kind, off, payload } => (self.decode(read, &kind, &payload), off),
                Item::Gap(gap, until) => (Err(gap), until),
                Item::Snapshot(gap, until, state) => {
                    self.snapshot = Some(state);
                    (Err(gap), until)
                }
                Item::Ended(why) => (Err(Gap::Ended(why)), None),
                Item::Live => continue,
                Item::Skipped(off) => {
                    self.acknowledge(off);
                    continue;
                }
            }));
        }
    }

    fn decode<E>(&self, read: ReadEvent<E>, kind: &str, payload: &Raw) -> Result<E, Gap> {
        let own = kind.strip_prefix(self.kind).and_then(|kind| kind.strip_prefix('.'));
        let own = own.unwrap_or(kind);
        read(own, payload).map_err(|error| match error {
            DecodeError::UnknownKind(_) => {
                Gap::UnknownEvent(UnknownEvent { kind: own.to_owned(), payload: payload.clone() })
            }
            error => Gap::Undecodable { kind: own.to_owned(), error: error.to_string() },
        })
    }
}

impl<E, D, S: snapshot::Mode> Subscription<E, D, S> {
    /// The next event, or what happened instead; `None` when nothing more comes.
    pub async fn next(&mut self) -> Option<Result<E, Gap>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The state of the channel at this point of the stream: what the next events follow. There
    /// once after the subscription was made, unless the events after a position of ours follow, and
    /// once after each [`Gap::Restarted`]. Take it before [`Subscription::next`] is called again:
    /// then it would be older than what the application has.
    ///
    /// Some of the next events may be part of the state already.
    ///
    /// # Errors
    ///
    /// When what the server sent is not what the type says.
    pub fn snapshot(&mut self) -> Result<Option<S::State>, DecodeError>
    where
        S: snapshot::Present,
    {
        self.listener.take_snapshot::<S>()
    }

    /// Acknowledges by hand from here on: only for channels that are delivered at least once.
    pub fn manual_ack(self) -> ManualSubscription<E, S>
    where
        D: delivery::Acked,
    {
        ManualSubscription { listener: self.listener, read: self.read, mode: PhantomData }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<Result<E, Gap>>> {
        if let Some(off) = self.taken.take() {
            self.listener.acknowledge(off);
        }
        let Some((item, off)) = ready!(self.listener.poll(self.read, cx)) else {
            return Poll::Ready(None);
        };
        self.taken = off;
        Poll::Ready(Some(item))
    }
}

impl<E, D, S: snapshot::Mode> Stream for Subscription<E, D, S> {
    type Item = Result<E, Gap>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl<E, D, S> Unpin for Subscription<E, D, S> {}

impl<E, D, S> fmt::Debug for Subscription<E, D, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.listener.address)
    }
}

/// A subscription whose events are acknowledged by hand.
#[must_use = "dropping a subscription ends it"]
pub struct ManualSubscription<E, S = snapshot::Absent> {
    listener: Listener,
    read: ReadEvent<E>,
    mode: PhantomData<fn() -> S>,
}

/// An event that is not acknowledged yet. At most a window of them is out at once.
#[derive(Debug)]
#[must_use = "acknowledge the event with `.ack()`, or no more will come"]
pub struct Held<E> {
    /// The event.
    pub event: E,
    /// Its position.
    pub off: u64,
    address: Address,
    notes: mpsc::UnboundedSender<Note>,
}

impl<E> Held<E> {
    /// The application is done with this event, and with all before it.
    pub fn ack(self) {
        // Without a driver there is nobody to tell.
        let _ = self.notes.send(Note::Consumed(self.address, self.off));
    }
}

impl<E, S: snapshot::Mode> ManualSubscription<E, S> {
    /// The next event, or what happened instead; `None` when nothing more comes. A gap needs no
    /// acknowledgement: the next one covers it.
    pub async fn next(&mut self) -> Option<Result<Held<E>, Gap>> {
        let (item, off) = poll_fn(|cx| self.listener.poll(self.read, cx)).await?;
        Some(item.map(|event| Held {
            event,
            off: off.unwrap_or_default(),
            address: self.listener.address.clone(),
            notes: self.listener.notes.clone(),
        }))
    }

    /// The state of the channel, as [`Subscription::snapshot`].
    ///
    /// # Errors
    ///
    /// When what the server sent is not what the type says.
    pub fn snapshot(&mut self) -> Result<Option<S::State>, DecodeError>
    where
        S: snapshot::Present,
    {
        self.listener.take_snapshot::<S>()
    }
}

impl<E, S> fmt::Debug for ManualSubscription<E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualSubscription({})", self.listener.address)
    }
}
