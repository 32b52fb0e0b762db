//! Listening alone, and being mounted into somebody else's HTTP server.

use super::{Seat, Server, ServerConfig};
use crate::transport::upgrade::{self, Refusal};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use ws_proto::Protocol;

/// How long to wait when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system completes before we take them. Clients that come back all at once
/// would find a short queue full, and their next attempts are seconds apart. The system caps it.
const BACKLOG: u32 = 4096;

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
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // The sender lives in the server: waiting cannot fail.
                _ = drain.wait_for(Option::is_some) => break,
            };
            match accepted {
                Ok((stream, remote)) => {
                    tokio::spawn(serve_http(server.clone(), stream, remote));
                }
                Err(error) => {
                    // No room for another file, or a client that left at once.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let mut count = server.shared.count.subscribe();
        let _ = count.wait_for(|count| *count == 0).await;
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
        let seat = Seat::try_take(&self.shared).filter(|_| !self.is_draining());
        let Some(seat) = seat else {
            let sentence = "no room for another connection now; try again later";
            return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence).response();
        };
        let upgrade = match upgrade::upgrade(request, &self.shared.config.upgrade) {
            Ok(upgrade) => upgrade,
            Err(refusal) => {
                tracing::debug!(status = %refusal.status, "no upgrade: {}", refusal.message);
                return refusal.response();
            }
        };
        let response = upgrade.response();
        let server = self.clone();
        tokio::spawn(async move {
            let mut credentials = upgrade.credentials.clone();
            credentials.remote = remote;
            let patience = server.shared.config.handshake_timeout;
            match tokio::time::timeout(patience, upgrade.transport()).await {
                Ok(Ok(transport)) => server.serve_seated(seat, transport, credentials).await,
                Ok(Err(lost)) => tracing::debug!(%lost, "the client left during the upgrade"),
                Err(_) => tracing::debug!("the upgrade took too long"),
            }
        });
        response
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

/// One TCP connection: at most a few HTTP requests, then an upgrade or the end.
async fn serve_http<P: Protocol>(server: Server<P>, stream: TcpStream, remote: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the client left before it asked");
        return;
    }
    let ServerConfig { handshake_timeout, .. } = server.shared.config;
    let service = service_fn(move |mut request: Request<Incoming>| {
        let response = match request.uri().path() {
            "/healthz" => health(&server),
            _ => server.upgrade(&mut request, Some(remote)),
        };
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(handshake_timeout)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "no HTTP request");
    }
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
