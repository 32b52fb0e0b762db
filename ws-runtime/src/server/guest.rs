//! The application behind a server, without its type: so that `Server<P>` fits in any state.

use crate::answering::{ask_loop, undecodable};
use bytestring::ByteString;
use futures_util::future::BoxFuture;
use std::{marker::PhantomData, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use ws_proto::{
    Access, Address, AddressError, Answer, Authenticate, Authorize, Caller, ChannelSet,
    ChannelSpec, Credentials, Dispatch, EncodedEvent, Fault, FaultCode, Principal, Protocol, Raw,
    RequestSet, Secret, Snapshots, serve::Link,
};

/// Who may come in.
pub(crate) trait Host: Send + Sync + 'static {
    fn authenticate(
        self: Arc<Self>,
        credentials: Credentials,
    ) -> BoxFuture<'static, Result<Arc<dyn Guest>, Fault>>;
}

/// Somebody who came in: what the application says to everything that they ask.
pub(crate) trait Guest: Send + Sync + 'static {
    /// The identity of the principal.
    fn id(&self) -> &str;

    /// For how long their credentials hold, from now on, if not for ever.
    fn expires_in(&self) -> Option<Duration>;

    /// Who shows this token, over the same connection.
    fn renew(self: Arc<Self>, token: Secret) -> BoxFuture<'static, Result<Arc<dyn Guest>, Fault>>;

    /// Works on a request.
    fn serve(
        self: Arc<Self>,
        kind: ByteString,
        payload: Raw,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Answer>;

    /// May they listen to this channel?
    fn may_subscribe(
        self: Arc<Self>,
        address: Address,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Result<&'static ChannelSpec, Fault>>;

    /// May they publish this event? If so, the event as its type says it.
    fn may_publish(
        self: Arc<Self>,
        wish: Wish,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Result<(&'static ChannelSpec, EncodedEvent), Fault>>;

    /// The state of a channel that they may listen to.
    fn snapshot(
        self: Arc<Self>,
        address: Address,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Result<Raw, Fault>>;
}

/// An event that a client wants to publish.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) address: Address,
    pub(crate) kind: ByteString,
    pub(crate) payload: Raw,
}

/// How the requests of a protocol reach the application.
pub(crate) trait Desk<P: Protocol, A: Authenticate>: Send + Sync + 'static {
    fn answer(
        &self,
        request: P::Requests,
        app: &A,
        principal: &A::Principal,
        link: &Arc<dyn Link>,
    ) -> impl Future<Output = Answer> + Send;
}

/// Requests go to the methods of the generated handler trait.
#[derive(Debug)]
pub(crate) struct Methods;

impl<P, A> Desk<P, A> for Methods
where
    P: Protocol<Requests: Dispatch<A>>,
    A: Authenticate,
{
    async fn answer(
        &self,
        request: P::Requests,
        app: &A,
        principal: &A::Principal,
        link: &Arc<dyn Link>,
    ) -> Answer {
        request.dispatch(app, &Caller::new(principal, link)).await
    }
}

/// Requests go, with a slot for the answer, to a loop that owns its state.
#[derive(Debug)]
pub(crate) struct Loop<C>(pub(crate) mpsc::Sender<C>);

impl<P, A, C> Desk<P, A> for Loop<C>
where
    P: Protocol<Requests: RequestSet<Call = C>>,
    A: Authenticate,
    C: Send + 'static,
{
    async fn answer(
        &self,
        request: P::Requests,
        _: &A,
        _: &A::Principal,
        link: &Arc<dyn Link>,
    ) -> Answer {
        ask_loop(&self.0, request, link).await
    }
}

/// An application with its type.
pub(crate) struct Typed<P, A, D> {
    pub(crate) app: A,
    pub(crate) desk: D,
    pub(crate) protocol: PhantomData<fn(P)>,
}

struct TypedGuest<P, A: Authenticate, D> {
    host: Arc<Typed<P, A, D>>,
    principal: A::Principal,
    id: String,
    /// When their credentials expire.
    expire: Option<Instant>,
    /// What they showed, but for the tokens: others take their place.
    credentials: Credentials,
}

impl<P, A, D> Host for Typed<P, A, D>
where
    P: Protocol<Channels: Snapshots<A>>,
    A: Authorize<P::Channels>,
    D: Desk<P, A>,
{
    fn authenticate(
        self: Arc<Self>,
        credentials: Credentials,
    ) -> BoxFuture<'static, Result<Arc<dyn Guest>, Fault>> {
        Box::pin(async move {
            let principal = self.app.authenticate(&credentials).await?;
            let id = principal.id();
            // What no clock can say is for ever.
            let expire = principal.expires_in().and_then(|it| Instant::now().checked_add(it));
            let mut credentials = credentials;
            credentials.token = None;
            credentials.bearer = None;
            credentials.authorization = None;
            let guest = TypedGuest { host: self, principal, id, expire, credentials };
            let guest: Arc<dyn Guest> = Arc::new(guest);
            Ok(guest)
        })
    }
}

impl<P, A, D> Guest for TypedGuest<P, A, D>
where
    P: Protocol<Channels: Snapshots<A>>,
    A: Authorize<P::Channels>,
    D: Desk<P, A>,
{
    fn id(&self) -> &str {
        &self.id
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expire.map(|expire| expire.saturating_duration_since(Instant::now()))
    }

    fn renew(self: Arc<Self>, token: Secret) -> BoxFuture<'static, Result<Arc<dyn Guest>, Fault>> {
        let mut credentials = self.credentials.clone();
        credentials.token = Some(token);
        Arc::clone(&self.host).authenticate(credentials)
    }

    fn serve(
        self: Arc<Self>,
        kind: ByteString,
        payload: Raw,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            match P::Requests::decode(&kind, &payload) {
                Ok(request) => {
                    // The bytes may be large and the handler slow.
                    drop(payload);
                    self.host.desk.answer(request, &self.host.app, &self.principal, &link).await
                }
                Err(error) => Answer::Fault(undecodable(&kind, &error)),
            }
        })
    }

    fn may_subscribe(
        self: Arc<Self>,
        address: Address,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Result<&'static ChannelSpec, Fault>> {
        Box::pin(async move {
            let channel = parse::<P>(&address, link.version())?;
            let caller = Caller::new(&self.principal, &link);
            self.host.app.authorize(&caller, Access::Subscribe(&channel)).await?;
            Ok(channel.spec())
        })
    }

    fn may_publish(
        self: Arc<Self>,
        wish: Wish,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Result<(&'static ChannelSpec, EncodedEvent), Fault>> {
        Box::pin(async move {
            let channel = parse::<P>(&wish.address, link.version())?;
            let spec = channel.spec();
            if !spec.client_publish {
                return Err(Fault::forbidden("clients may not publish to this channel"));
            }
            let caller = Caller::new(&self.principal, &link);
            self.host.app.authorize(&caller, Access::Publish(&channel)).await?;
            let kind = wish.kind.strip_prefix(spec.kind).and_then(|rest| rest.strip_prefix('.'));
            let kind = kind.filter(|kind| event_exists(spec, kind, link.version()));
            let event = kind.ok_or_else(|| {
                let text = format!("no event `{}` on this channel", wish.kind);
                Fault::new(FaultCode::Unimplemented, text)
            })?;
            channel
                .check_event(event, &wish.payload)
                .map(|event| (spec, event))
                .map_err(|error| undecodable(&wish.kind, &error))
        })
    }

    fn snapshot(
        self: Arc<Self>,
        address: Address,
        link: Arc<dyn Link>,
    ) -> BoxFuture<'static, Result<Raw, Fault>> {
        Box::pin(async move {
            let channel = parse::<P>(&address, link.version())?;
            let caller = Caller::new(&self.principal, &link);
            channel.snapshot(&self.host.app, &caller).await
        })
    }
}

/// Whether the negotiated version has something that came and went with these versions.
pub(crate) fn is_in(version: u32, since: u32, removed: Option<u32>) -> bool {
    version >= since && removed.is_none_or(|removed| version < removed)
}

fn event_exists(spec: &ChannelSpec, kind: &str, version: u32) -> bool {
    spec.events.iter().any(|event| event.kind == kind && is_in(version, event.since, event.removed))
}

fn parse<P: Protocol>(address: &Address, version: u32) -> Result<P::Channels, Fault> {
    let channel = P::Channels::parse(address).map_err(|error| match error {
        AddressError::UnknownKind => Fault::not_found(error.to_string()),
        _ => Fault::invalid(error.to_string()),
    })?;
    let spec = channel.spec();
    if is_in(version, spec.since, spec.removed) {
        Ok(channel)
    } else {
        Err(Fault::not_found(format!("no channel `{}` in version {version}", spec.kind)))
    }
}
