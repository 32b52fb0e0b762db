//! The contracts of who answers: who may connect, who may listen and speak, and what serves.
//!
//! Generated handler traits name these types; `ws-runtime` drives them.

mod app;
mod parts;
mod principal;
mod snapshot;

pub use app::Serve;
pub use parts::{Broken, Parts};
pub use principal::Principal;
pub use snapshot::{Snapshot, Snapshots};

use crate::{
    address::AddressError,
    codec::{EncodeError, Format},
    fault::{Fault, Secret},
    frame::ClientInfo,
    ids::{MessageId, Position},
    message::{Call, Channel, ChannelSet, EncodedEvent, Payload, RequestSet},
    raw::Raw,
};
use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task,
};

/// What a client shows to say who it is. Every place a credential can travel in is here; which
/// of them count is the application's decision.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Credentials {
    /// The token of the hello.
    pub token: Option<Secret>,
    /// The token of the sub-protocol `wsp.bearer.<base64url>`, decoded.
    pub bearer: Option<Secret>,
    /// The `Authorization` header of the upgrade.
    pub authorization: Option<Secret>,
    /// The `Cookie` header of the upgrade. A cookie alone proves nothing about the page that
    /// opened the connection; the origin was checked before.
    pub cookie: Option<Secret>,
    /// The other end of the connection, where the transport has one.
    pub remote: Option<SocketAddr>,
    /// What the client says it is.
    pub client: Option<ClientInfo>,
    /// The negotiated version of the application's protocol.
    pub version: u32,
}

/// Who may connect. Mandatory: a public server has to say so.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who may connect",
    label = "no `Authenticate` for this type",
    note = "add `impl Authenticate for {Self}` (a public server returns `Ok(())`)"
)]
pub trait Authenticate: Send + Sync + 'static {
    /// Typed state of the connection, available to every handler.
    type Principal: Principal;

    /// Decides. A fault refuses the connection with close code 4600.
    ///
    /// Asked again when a client brings another token over a living connection: `token` is then
    /// the new one, `bearer` and `authorization` are absent, and the rest is as it was. The
    /// identity must be the same; a fault leaves the connection as it is, until the credentials
    /// before expire.
    fn authenticate(
        &self,
        credentials: &Credentials,
    ) -> impl Future<Output = Result<Self::Principal, Fault>> + Send;
}

/// What somebody wants with a channel.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a, C> {
    /// Listen to it.
    Subscribe(&'a C),
    /// Publish to it; asked only for channels declared `publish = client`.
    Publish(&'a C),
}

/// Who may listen and who may speak. Mandatory and exhaustive: a `match` on the channel enum
/// stops compiling when a channel is added.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who may use the channels of `{Channels}`",
    label = "no `Authorize<{Channels}>` for this type",
    note = "add `impl Authorize<{Channels}> for {Self}` and match on every channel"
)]
pub trait Authorize<Channels: ChannelSet>: Authenticate {
    /// Decides. A fault is the answer to the subscribe or publish.
    fn authorize(
        &self,
        caller: &Caller<'_, Self::Principal>,
        access: Access<'_, Channels>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// What serves the requests. Implemented by `#[derive(Requests)]` for every type that implements
/// the generated handler trait.
#[diagnostic::on_unimplemented(
    message = "`{App}` does not serve `{Self}`",
    label = "no handler for these requests",
    note = "implement the handler trait that `#[derive(Requests)]` made of `{Self}`: one async \
            method per variant"
)]
pub trait Dispatch<App: Serve>: RequestSet {
    /// Runs the handler of this request.
    fn dispatch(
        self,
        app: &App,
        caller: &Caller<'_, App::Principal>,
    ) -> impl Future<Output = Answer> + Send;
}

impl<App: Serve> Dispatch<App> for crate::message::NoRequests {
    async fn dispatch(self, _: &App, _: &Caller<'_, App::Principal>) -> Answer {
        match self {}
    }
}

/// The runtime behind a [`Caller`]. Implemented by `ws-runtime`; applications never see it.
#[doc(hidden)]
pub trait Link: Send + Sync + 'static {
    fn format(&self) -> Format;
    fn version(&self) -> u32;
    fn session(&self) -> &str;
    fn message(&self) -> MessageId;
    fn publish(&self, address: crate::Address, event: EncodedEvent) -> Publishing;
    fn poll_cancelled(&self, cx: &mut task::Context<'_>) -> task::Poll<()>;
    /// Ready when one more stream item may be sent; `Err` when nobody waits for it any more.
    fn poll_item(&self, cx: &mut task::Context<'_>) -> task::Poll<Result<(), Cancelled>>;
    fn send_item(&self, item: Raw);
    /// What else the runtime keeps for this caller; `None` where there is nothing.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
    /// Ready with the next part of an upload; `None` after the last. `Err` when no more will come.
    fn poll_part(&self, _: &mut task::Context<'_>) -> task::Poll<Option<Result<Raw, Cancelled>>> {
        task::Poll::Ready(None)
    }
    /// A part is not what its type says: this answers the request, whatever its handler says.
    fn refuse_part(&self, _: Fault) {}
}

/// Nobody waits for the answer any more: it was cancelled, or its deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request was cancelled")]
pub struct Cancelled;

/// Why an event did not enter its channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The channel's fields make no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The event cannot be expressed on the wire.
    #[error("the event cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The event is larger than a message may be.
    #[error("the event has {bytes} bytes; a message may have {limit}")]
    TooLarge {
        /// Bytes of the encoded event.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The channel needs a log, and no other can be forgotten for it.
    #[error("no more channels can be kept")]
    Full,
    /// The server no longer runs.
    #[error("the server has stopped")]
    Stopped,
    /// The caller is the server, which a client answers: there is no log here.
    #[error("there is no log here: a client publishes with `Client::publish`")]
    NoLog,
}

/// A publication on its way into the log; awaiting it gives the event's position, `None` on a
/// best-effort channel.
#[must_use = "the event may not stand in the log until this is awaited"]
pub struct Publishing(PublishingState);

type Published = Result<Option<Position>, PublishError>;

enum PublishingState {
    Ready(Option<Published>),
    Pending(Pin<Box<dyn Future<Output = Published> + Send>>),
}

impl Publishing {
    /// Already decided.
    #[doc(hidden)]
    pub const fn ready(published: Published) -> Self {
        Self(PublishingState::Ready(Some(published)))
    }

    /// Decided by a future.
    #[doc(hidden)]
    pub fn pending(published: impl Future<Output = Published> + Send + 'static) -> Self {
        Self(PublishingState::Pending(Box::pin(published)))
    }
}

impl Future for Publishing {
    type Output = Published;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<Published> {
        match &mut self.0 {
            // A future is not polled after it was ready.
            PublishingState::Ready(published) => {
                task::Poll::Ready(published.take().unwrap_or(Err(PublishError::Stopped)))
            }
            PublishingState::Pending(published) => published.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Publishing")
    }
}

/// Who asks: the connection behind a request or an access.
pub struct Caller<'a, P> {
    principal: &'a P,
    link: &'a Arc<dyn Link>,
}

impl<'a, P> Caller<'a, P> {
    #[doc(hidden)]
    pub const fn new(principal: &'a P, link: &'a Arc<dyn Link>) -> Self {
        Self { principal, link }
    }

    /// What [`Authenticate`] made of the connection.
    #[must_use]
    pub const fn principal(&self) -> &'a P {
        self.principal
    }

    /// The negotiated version of the protocol.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.link.version()
    }

    /// The id of the session, for logs.
    #[must_use]
    pub fn session(&self) -> &str {
        self.link.session()
    }

    /// The `id` of the message that is being worked on.
    #[must_use]
    pub fn message(&self) -> MessageId {
        self.link.message()
    }

    /// Publishes an event; its type follows from the channel.
    pub fn publish<Set, C>(&self, channel: C, event: &C::Event) -> Publishing
    where
        Set: ChannelSet,
        C: Channel<Set>,
    {
        match encode_publication::<Set, C>(channel, event) {
            Ok((address, event)) => self.link.publish(address, event),
            Err(error) => Publishing::ready(Err(error)),
        }
    }

    /// Waits until nobody waits for the answer any more. Handlers run to their end unless they
    /// look at this, or their request is declared `cancel`.
    pub async fn cancelled(&self) {
        poll_fn(|cx| self.link.poll_cancelled(cx)).await;
    }

    #[doc(hidden)]
    #[must_use]
    pub fn format(&self) -> Format {
        self.link.format()
    }

    #[doc(hidden)]
    #[must_use]
    pub fn items<T: Payload>(&self) -> Items<T> {
        Items { link: Arc::clone(self.link), item: PhantomData }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn link(&self) -> &'a dyn Link {
        &**self.link
    }

    #[doc(hidden)]
    #[must_use]
    pub fn parts<T: Payload>(&self) -> Parts<T> {
        Parts::new(Arc::clone(self.link))
    }
}

impl<P> Clone for Caller<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Caller<'_, P> {}

impl<P> fmt::Debug for Caller<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("session", &self.session()).finish_non_exhaustive()
    }
}

/// The address and the encoded event of a publication.
#[doc(hidden)]
pub fn encode_publication<Set, C>(
    channel: C,
    event: &C::Event,
) -> Result<(crate::Address, EncodedEvent), PublishError>
where
    Set: ChannelSet,
    C: Channel<Set>,
{
    let event = EncodedEvent::new(C::KIND, event)?;
    let address = channel.into().address()?;
    Ok((address, event))
}

/// The way for the items of a streaming request.
pub struct Items<T> {
    link: Arc<dyn Link>,
    item: PhantomData<fn(T)>,
}

impl<T: Payload> Items<T> {
    /// Sends one item as soon as the caller has room for it.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] when the caller no longer waits. An item that cannot be encoded is the
    /// server's fault and ends the stream as `internal` when the handler returns.
    pub async fn send(&mut self, item: &T) -> Result<(), Cancelled> {
        poll_fn(|cx| self.link.poll_item(cx)).await?;
        let raw = item.to_raw(self.link.format()).map_err(|_| Cancelled)?;
        self.link.send_item(raw);
        Ok(())
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Items")
    }
}

/// What a handler answered, already encoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// `join.ok`.
    Ok(Raw),
    /// `join.err`: the typed error.
    Err(Raw),
    /// `$err`: the framework could not bring an answer.
    Fault(Fault),
}

impl Answer {
    /// Encodes the result of a handler.
    #[must_use]
    pub fn of<T: Payload, E: Payload>(format: Format, result: &Result<T, E>) -> Self {
        let encoded = match result {
            Ok(reply) => reply.to_raw(format).map(Self::Ok),
            Err(error) => error.to_raw(format).map(Self::Err),
        };
        encoded.unwrap_or_else(|error| {
            Self::Fault(Fault::internal(format!("the answer cannot be encoded: {error}")))
        })
    }
}

/// Where the answer to one request goes: the runtime's half of [`Reply`].
pub struct ReplySlot {
    format: Format,
    link: Arc<dyn Link>,
    answer: Option<Box<dyn FnOnce(Answer) + Send>>,
}

impl ReplySlot {
    /// A slot that hands the answer to `answer`.
    #[must_use]
    pub fn new(link: Arc<dyn Link>, answer: Box<dyn FnOnce(Answer) + Send>) -> Self {
        Self { format: link.format(), link, answer: Some(answer) }
    }

    fn fill(&mut self, answer: Answer) {
        if let Some(take) = self.answer.take() {
            take(answer);
        }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn items<T: Payload>(&self) -> Items<T> {
        Items { link: Arc::clone(&self.link), item: PhantomData }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn parts<T: Payload>(&self) -> Parts<T> {
        Parts::new(Arc::clone(&self.link))
    }
}

impl fmt::Debug for ReplySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplySlot")
    }
}

/// The slot for the typed answer, in the call enum. Dropping it unanswered is a fault that the
/// client sees.
#[must_use = "answer the request with `.ok(..)`, `.err(..)` or `.with(..)`"]
pub struct Reply<Set: RequestSet, R: Call<Set>> {
    slot: ReplySlot,
    request: PhantomData<fn() -> (Set, R)>,
}

impl<Set: RequestSet, R: Call<Set>> Reply<Set, R> {
    #[doc(hidden)]
    pub const fn new(slot: ReplySlot) -> Self {
        Self { slot, request: PhantomData }
    }

    /// Answers with success.
    pub fn ok(self, reply: R::Reply) {
        self.with(Ok(reply));
    }

    /// Answers with the typed error.
    pub fn err(self, error: R::Error) {
        self.with(Err(error));
    }

    /// Answers with either.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn with(mut self, result: Result<R::Reply, R::Error>) {
        self.slot.fill(Answer::of(self.slot.format, &result));
    }
}

impl<Set: RequestSet, R: Call<Set>> Drop for Reply<Set, R> {
    fn drop(&mut self) {
        let kind = R::SPEC.kind;
        self.slot.fill(Answer::Fault(Fault::internal(format!("`{kind}` was not answered"))));
    }
}

impl<Set: RequestSet, R: Call<Set>> fmt::Debug for Reply<Set, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", R::SPEC.kind)
    }
}
