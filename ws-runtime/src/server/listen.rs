//! Listening alone, and being mounted into somebody else's HTTP server.

use super::{
    Server, ServerConfig, Shared,
    seats::{NoSeat, Seat},
    watching,
};
use crate::transport::{
    Transport,
    upgrade::{self, Refusal, Upgrade},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io, mem,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
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

/// What a TCP connection holds until an upgrade takes it along.
enum Hold {
    Seat(Seat),
    /// It is beyond the bound, and told why.
    Overflow(NoSeat, #[expect(dead_code, reason = "held")] OwnedSemaphorePermit),
    /// It becomes a connection when the answer is written.
    Upgrade(Box<Upgrade>, Seat),
    /// An upgrade takes the seat along.
    Taken,
}

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
        let (mut upgrade, seat) = match self.judge(request, remote, seat) {
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
    fn judge<B>(
        &self,
        request: &mut Request<B>,
        remote: Option<SocketAddr>,
        seat: impl FnOnce() -> Result<Seat, NoSeat>,
    ) -> Result<(Upgrade, Seat), Box<Response<Full<Bytes>>>> {
        if self.is_draining() {
            return Err(Box::new(no_room(NoSeat::Server)));
        }
        let upgrade = upgrade::upgrade(request, &self.shared.config.upgrade);
        let mut upgrade = upgrade.map_err(|refusal| {
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

/// One TCP connection: a few HTTP requests, and what an upgrade makes of it. Both in one task, the
/// requests in memory of their own, which is given back before the conversation begins.
fn serve_tcp<P: Protocol>(
    server: Server<P>,
    stream: TcpStream,
    remote: SocketAddr,
    hold: Hold,
) -> impl Future<Output = ()> + Send {
    let asked = Box::pin(serve_http(server.clone(), stream, remote, hold));
    async move {
        let upgraded = asked.await;
        if let Some(Upgraded { transport, credentials, seat }) = upgraded {
            server.serve_seated(seat, transport, credentials).await;
        }
    }
}

/// At most a few HTTP requests, then an upgrade or the end. All of them have the time of one
/// handshake, however slowly the client writes and reads.
async fn serve_http<P: Protocol>(
    server: Server<P>,
    stream: TcpStream,
    remote: SocketAddr,
    hold: Hold,
) -> Option<Upgraded> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the client left before it asked");
        return None;
    }
    let ServerConfig { handshake_timeout, .. } = server.shared.config;
    let mut drain = server.shared.drain.subscribe();
    let is_overflow = matches!(hold, Hold::Overflow(..));
    let hold = Mutex::new(hold);
    // Nothing under this lock can panic.
    let locked = || hold.lock().unwrap_or_else(PoisonError::into_inner);
    let service = service_fn(|mut request: Request<Incoming>| {
        let page = watching::page(&server, &request, remote);
        let response = match (page, request.uri().path()) {
            (Some(page), _) => page,
            (None, "/healthz") => health(&server),
            _ => match server.judge(&mut request, Some(remote), || locked().take_along()) {
                Ok((upgrade, seat)) => {
                    let response = upgrade.response();
                    *locked() = Hold::Upgrade(Box::new(upgrade), seat);
                    response
                }
                Err(refusal) => *refusal,
            },
        };
        async move { Ok::<_, Infallible>(response) }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(handshake_timeout)
        .max_buf_size(16 * 1024)
        .keep_alive(!is_overflow)
        .serve_connection(TokioIo::new(stream), service);
    let asked = async {
        tokio::select! {
            ended = &mut connection => return ended,
            () = sleep(handshake_timeout) => {}
            // The sender lives in the server: waiting cannot fail.
            _ = drain.wait_for(Option::is_some) => {}
        }
        // The answer that is under way is the last one.
        Pin::new(&mut connection).graceful_shutdown();
        (&mut connection).await
    };
    match timeout(handshake_timeout.saturating_mul(2), asked).await {
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
    let transport = upgrade.over(parts.io.into_inner(), &parts.read_buf).await;
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
