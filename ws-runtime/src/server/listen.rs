//! Listening alone, and being mounted into somebody else's HTTP server.

use super::{
    Server, ServerConfig, Shared,
    opening::{self, Opening, Wish},
    seats::{NoSeat, Seat},
    watching,
};
use crate::transport::{
    Transport,
    upgrade::{self, Head, Refusal, Upgrade, UpgradePolicy},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    future::poll_fn,
    io::{self, Cursor},
    mem,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, join},
    net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep, timeout},
};
use ws_proto::{Credentials, Protocol};

/// How long to wait when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system completes before we take them. Clients that come back all at once
/// would find a short queue full, and their next attempts are seconds apart. The system caps it.
const BACKLOG: u32 = 4096;

/// Connections beyond the bound that are told so at once; the others are dropped without a word.
const OVERFLOW: usize = 64;

/// When those may come again, in seconds: spread, for they all read this at once.
const COME_AGAIN: std::ops::RangeInclusive<u16> = 1..=10;

/// Where a server says how it is.
pub(super) const HEALTH: &str = "/healthz";

/// Whether the option of a listener is that of the connections it accepts, so that it need not be
/// set for each.
const IS_INHERITED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What a TCP connection holds until an upgrade takes it along.
enum Hold {
    Seat(Seat),
    /// It is beyond the bound, and told why.
    Overflow(NoSeat, #[expect(dead_code, reason = "held")] OwnedSemaphorePermit),
    /// It becomes a connection when the answer is written.
    Upgrade(Box<Upgrade<()>>, Seat),
    /// An upgrade takes the seat along.
    Taken,
}

/// A request becomes a connection and takes a seat, or is answered otherwise.
type Judgement<S> = Result<(Upgrade<S>, Seat), Box<Response<Full<Bytes>>>>;

/// What a TCP connection has become.
struct Upgraded {
    transport: Box<dyn Transport>,
    credentials: Box<Credentials>,
    seat: Seat,
}

/// A server that has its address and does not serve yet.
#[derive(Debug)]
#[must_use = "call `.serve()` to take connections"]
pub struct Bound<P: Protocol> {
    server: Server<P>,
    listener: TcpListener,
}

impl<P: Protocol> Bound<P> {
    /// The address, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes connections until [`Server::drain`] has ended the last one.
    ///
    /// Any path becomes a connection but `/healthz`, which answers 200, or 503 while draining.
    pub async fn serve(self) {
        let Self { server, listener } = self;
        let mut drain = server.shared.drain.subscribe();
        let overflow = Arc::new(Semaphore::new(OVERFLOW));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // The sender lives in the server: waiting cannot fail.
                _ = drain.wait_for(Option::is_some) => break,
            };
            match accepted {
                Ok((stream, remote)) => {
                    if let Some(hold) = Hold::take(&server.shared, remote, &overflow) {
                        tokio::spawn(serve_tcp(server.clone(), stream, remote, hold));
                    }
                }
                Err(error) => {
                    // No room for another file, or a client that left at once.
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        server.shared.seats.are_free().await;
    }
}

impl<P: Protocol> Server<P> {
    /// Takes an address without serving yet.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    pub async fn bind(&self, address: impl ToSocketAddrs) -> io::Result<Bound<P>> {
        Ok(Bound { server: self.clone(), listener: bind(address).await? })
    }

    /// Listens alone in a task of its own, and gives the address.
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    pub async fn spawn(&self, address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
        let bound = self.bind(address).await?;
        let address = bound.local_addr()?;
        tokio::spawn(bound.serve());
        Ok(address)
    }

    /// Listens alone, until [`Server::drain`].
    ///
    /// # Errors
    ///
    /// When the address is taken or not ours.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.bind(address).await?.serve().await;
        Ok(())
    }

    /// Makes a connection of an HTTP request, in any server on hyper 1: bare, or axum 0.8. Return
    /// the response as it is; the connection then lives in a task of its own.
    ///
    /// `remote` is the other end, where the HTTP server knows it.
    pub fn upgrade<B>(
        &self,
        request: &mut Request<B>,
        remote: Option<SocketAddr>,
    ) -> Response<Full<Bytes>> {
        let address = remote.map(|remote| remote.ip());
        let seat = || Seat::try_take(&self.shared, address);
        let agree = |policy: &_| upgrade::upgrade(request, policy);
        let (mut upgrade, seat) = match self.judge(agree, remote, seat) {
            Ok(judged) => judged,
            Err(refusal) => return *refusal,
        };
        let response = upgrade.response();
        let server = self.clone();
        tokio::spawn(async move {
            let credentials = Box::new(mem::take(&mut upgrade.credentials));
            let patience = server.shared.config.handshake_timeout;
            // In memory of its own, which is given back before the conversation begins.
            let upgraded = Box::pin(timeout(patience, upgrade.transport())).await;
            match upgraded {
                Ok(Ok(transport)) => server.serve_seated(seat, transport, credentials).await,
                Ok(Err(lost)) => tracing::debug!(%lost, "the client left during the upgrade"),
                Err(_) => tracing::debug!("the upgrade took too long"),
            }
        });
        response
    }

    /// Whether a request becomes a connection. The seat is taken only for one that does.
    fn judge<S>(
        &self,
        agree: impl FnOnce(&UpgradePolicy) -> Result<Upgrade<S>, Refusal>,
        remote: Option<SocketAddr>,
        seat: impl FnOnce() -> Result<Seat, NoSeat>,
    ) -> Judgement<S> {
        if self.is_draining() {
            return Err(Box::new(no_room(NoSeat::Server)));
        }
        let mut upgrade = agree(&self.shared.config.upgrade).map_err(|refusal| {
            tracing::debug!(status = %refusal.status, "no upgrade: {}", refusal.message);
            Box::new(refusal.response())
        })?;
        upgrade.credentials.remote = remote;
        let seat = seat().map_err(|why| Box::new(no_room(why)))?;
        Ok((upgrade, seat))
    }
}

/// Takes the first of the addresses that can be taken.
async fn bind(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut result = Err(io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on"));
    for address in lookup_host(address).await? {
        result = listen_on(address);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server must not wait for connections of the one before. Elsewhere than on Unix
    // the option would let two servers share the address.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    if IS_INHERITED {
        socket.set_nodelay(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Hold {
    /// `None` when there is no room even for a refusal.
    fn take(shared: &Arc<Shared>, remote: SocketAddr, overflow: &Arc<Semaphore>) -> Option<Self> {
        match Seat::try_take(shared, Some(remote.ip())) {
            Ok(seat) => Some(Self::Seat(seat)),
            Err(why) => {
                let permit = Arc::clone(overflow).try_acquire_owned().ok();
                let is_told = permit.is_some();
                tracing::debug!(%remote, ?why, is_told, "no room for another connection");
                permit.map(|permit| Self::Overflow(why, permit))
            }
        }
    }

    /// The seat, for the connection that an upgrade makes.
    fn take_along(&mut self) -> Result<Seat, NoSeat> {
        match mem::replace(self, Self::Taken) {
            Self::Seat(seat) => Ok(seat),
            Self::Taken => Err(NoSeat::Server),
            upgrade @ Self::Upgrade(..) => {
                *self = upgrade;
                Err(NoSeat::Server)
            }
            overflow @ Self::Overflow(why, _) => {
                *self = overflow;
                Err(why)
            }
        }
    }
}

/// One TCP connection: what it begins with, and what becomes of it. Both in one task and each in
/// memory of its own: what is spawned is moved several times, and what began is over soon.
fn serve_tcp<P: Protocol>(
    server: Server<P>,
    stream: TcpStream,
    remote: SocketAddr,
    hold: Hold,
) -> impl Future<Output = ()> + Send {
    let begun = Box::pin(begin(server.clone(), stream, remote, hold));
    async move {
        if let Some(Upgraded { transport, credentials, seat }) = begun.await {
            Box::pin(server.serve_seated(seat, transport, credentials)).await;
        }
    }
}

/// A few HTTP requests at most, then an upgrade or the end. All of them have the time of one
/// handshake, however slowly the client writes and reads.
async fn begin<P: Protocol>(
    server: Server<P>,
    mut stream: TcpStream,
    remote: SocketAddr,
    mut hold: Hold,
) -> Option<Upgraded> {
    if !IS_INHERITED && let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the client left before it asked");
        return None;
    }
    let mut deadline = pin!(sleep(server.shared.config.handshake_timeout));
    let mut read = Bytes::new();
    if let Hold::Seat(_) = hold {
        let mut drain = server.shared.drain.subscribe();
        let opening = tokio::select! {
            biased;
            opening = poll_fn(|cx| opening::poll(&server, &mut stream, remote, cx)) => opening,
            () = &mut deadline => return None,
            // The sender lives in the server: waiting cannot fail.
            _ = drain.wait_for(Option::is_some) => return None,
        };
        match opening {
            Err(error) => {
                tracing::debug!(%error, "the client left before it asked");
                return None;
            }
            Ok(Opening::Upgrade(wish)) => {
                let seat = hold.take_along().ok()?;
                let Wish { mut upgrade, read } = *wish;
                let credentials = Box::new(mem::take(&mut upgrade.credentials));
                let answer = upgrade.answer();
                // It waits for nothing, and would have a place of its size here for that.
                let transport = upgrade.over(stream, &read, &answer).now_or_never()?;
                return Some(Upgraded { transport, credentials, seat });
            }
            Ok(Opening::Other(bytes)) => read = bytes,
        }
    }
    // Few come here.
    Box::pin(serve_http(server, (read, stream), remote, hold, deadline)).await
}

/// The same by the HTTP server, for a client that has said this much.
async fn serve_http<P: Protocol>(
    server: Server<P>,
    (read, stream): (Bytes, TcpStream),
    remote: SocketAddr,
    hold: Hold,
    deadline: Pin<&mut Sleep>,
) -> Option<Upgraded> {
    let ServerConfig { handshake_timeout, .. } = server.shared.config;
    let mut drain = server.shared.drain.subscribe();
    let is_overflow = matches!(hold, Hold::Overflow(..));
    let hold = Mutex::new(hold);
    // Nothing under this lock can panic.
    let locked = || hold.lock().unwrap_or_else(PoisonError::into_inner);
    let service = service_fn(|request: Request<Incoming>| {
        let page = watching::page(&server, &request, remote);
        let response = match (page, request.uri().path()) {
            (Some(page), _) => page,
            (None, HEALTH) => health(&server),
            _ => {
                let agree = |policy: &_| upgrade::agree(&Head::of(&request), policy);
                match server.judge(agree, Some(remote), || locked().take_along()) {
                    Ok((upgrade, seat)) => {
                        let response = upgrade.response();
                        *locked() = Hold::Upgrade(Box::new(upgrade), seat);
                        response
                    }
                    Err(refusal) => *refusal,
                }
            }
        };
        async move { Ok::<_, Infallible>(response) }
    });
    let (reading, writing) = stream.into_split();
    let stream = join(Cursor::new(read).chain(reading), writing);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(deadline.deadline().saturating_duration_since(Instant::now()))
        .max_buf_size(16 * 1024)
        .keep_alive(!is_overflow)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        // What was read is answered, whatever else there is.
        biased;
        ended = &mut connection => Ok(ended),
        () = deadline => Err(()),
        // The sender lives in the server: waiting cannot fail.
        _ = drain.wait_for(Option::is_some) => Err(()),
    };
    let ended = if let Ok(ended) = ended {
        Ok(ended)
    } else {
        // The answer that is under way is the last one.
        Pin::new(&mut connection).graceful_shutdown();
        timeout(handshake_timeout, &mut connection).await
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, "no HTTP request");
            return None;
        }
        Err(_) => {
            tracing::debug!("the client takes no answer");
            return None;
        }
    }
    let end = mem::replace(&mut *locked(), Hold::Taken);
    let Hold::Upgrade(mut upgrade, seat) = end else { return None };
    let credentials = Box::new(mem::take(&mut upgrade.credentials));
    let parts = connection.into_parts();
    let (reading, writing) = parts.io.into_inner().into_inner();
    let stream = reading.into_inner().1.reunite(writing).ok()?;
    let transport = upgrade.over(stream, &parts.read_buf, &[]).await;
    Some(Upgraded { transport, credentials, seat })
}

fn no_room(why: NoSeat) -> Response<Full<Bytes>> {
    let (status, sentence) = match why {
        NoSeat::Server => {
            (StatusCode::SERVICE_UNAVAILABLE, "no room for another connection now; try again later")
        }
        NoSeat::Address => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many connections from this address; try again later (a server behind a proxy sets \
             `max_connections_per_address` to `None`)",
        ),
    };
    let mut response = Refusal::new(status, sentence).response();
    let seconds = HeaderValue::from(fastrand::u16(COME_AGAIN));
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

fn health<P: Protocol>(server: &Server<P>) -> Response<Full<Bytes>> {
    let (status, text) = if server.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_sends_without_delay_without_being_told() {
        let listener = listen_on(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.nodelay().unwrap(), IS_INHERITED);
    }
}
