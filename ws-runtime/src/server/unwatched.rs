//! What stands in for `inspecting` where the feature `inspect` is off: nothing, in no memory.

use super::Server;
use crate::{hub::ConnectionId, session::Session, transport::Transport};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::{net::SocketAddr, time::Duration};
use ws_proto::{Credentials, Protocol, frame::ClientInfo};

/// Nobody can look at this server.
#[derive(Debug, Default)]
pub(super) struct Watching(());

/// What would be counted of one transport.
#[derive(Debug, Default)]
pub(super) struct Line(());

/// What would be known about one connection.
#[derive(Debug, Default)]
pub(super) struct Watch(());

#[expect(clippy::unused_self, reason = "as where there is something to watch")]
impl Watching {
    pub(super) fn line(
        &self,
        transport: Box<dyn Transport>,
        _: &Credentials,
    ) -> (Box<dyn Transport>, Line) {
        (transport, Line(()))
    }

    pub(super) fn begin(&self, _: ConnectionId, _: &Line) -> Watch {
        Watch(())
    }
}

#[expect(clippy::unused_self, reason = "as where there is something to watch")]
impl Watch {
    pub(super) fn said_hello(&self, _: Option<&ClientInfo>) {}

    pub(super) fn took_in(&self, _: &str, _: u32) {}

    pub(super) fn report(&self, _: &Session) {}

    pub(super) fn lose(&self, _: Duration) {}

    pub(super) fn go_on(&self, _: &Line) {}
}

/// There is no page.
pub(super) fn is_page<P: Protocol>(_: &Server<P>, _: &str) -> bool {
    false
}

/// There is no page.
pub(super) fn page<P: Protocol, B>(
    _: &Server<P>,
    _: &Request<B>,
    _: SocketAddr,
) -> Option<Response<Full<Bytes>>> {
    None
}
