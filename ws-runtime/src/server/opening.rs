//! How nearly all connections begin: the first read has a whole request, which is an upgrade with
//! which nothing is wrong. Such a request is answered here, and costs a fraction of an HTTP server
//! that is made for it. Nothing is refused here: every other client goes to that server, with what
//! was read of it, as if nobody had looked.

use super::{Server, listen::HEALTH, watching};
use crate::transport::upgrade::{self, Upgrade};
use bytes::Bytes;
use std::{
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};
use ws_proto::Protocol;

/// Bytes of the first read: more than the heads of nearly all requests have, and on the stack.
const READ: usize = 4 * 1024;

/// What a client has said first.
pub(super) enum Opening {
    /// A request that becomes a connection.
    Upgrade(Box<Wish>),
    /// This, which is for the HTTP server.
    Other(Bytes),
}

/// An upgrade that nothing speaks against.
pub(super) struct Wish {
    pub(super) upgrade: Upgrade<()>,
    /// What was read after the request.
    pub(super) read: Bytes,
}

/// Reads once, and looks what it is.
pub(super) fn poll<P: Protocol>(
    server: &Server<P>,
    stream: &mut TcpStream,
    remote: SocketAddr,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Opening>> {
    let mut bytes = [MaybeUninit::uninit(); READ];
    let mut read = ReadBuf::uninit(&mut bytes);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    let wish = wish(server, read.filled(), remote);
    let other = || Opening::Other(Bytes::copy_from_slice(read.filled()));
    Poll::Ready(Ok(wish.map_or_else(other, |wish| Opening::Upgrade(Box::new(wish)))))
}

fn wish<P: Protocol>(server: &Server<P>, read: &[u8], remote: SocketAddr) -> Option<Wish> {
    upgrade::read_head(read, |head, path, size| {
        if server.is_draining() || path == HEALTH || watching::is_page(server, path) {
            return None;
        }
        let mut upgrade = upgrade::agree(head, &server.shared.config.upgrade).ok()?;
        upgrade.credentials.remote = Some(remote);
        Some(Wish { upgrade, read: Bytes::copy_from_slice(&read[size..]) })
    })
}
