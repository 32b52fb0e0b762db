//! Other credentials for a living connection (`docs/protocol.md`, section 11).

use super::connect::TokenSource;
use crate::session::Event;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::task::JoinHandle;
use ws_proto::Secret;

/// Asks the application for a token while the connection goes on.
pub(super) struct Renewing {
    source: Option<TokenSource>,
    /// In a task of its own: what the application does about it holds up nobody.
    asked: Option<JoinHandle<Secret>>,
}

impl Renewing {
    pub(super) fn new(source: Option<TokenSource>) -> Self {
        Self { source, asked: None }
    }

    /// What the session says about credentials.
    pub(super) fn tell(&mut self, event: &Event) {
        match event {
            Event::AuthRequired => self.ask(),
            // It asks again by itself.
            Event::NotRenewed(fault) => tracing::info!(code = %fault.code, "not renewed"),
            _ => {}
        }
    }

    /// Asks, unless that is under way. Without a source the connection ends when its credentials
    /// do.
    fn ask(&mut self) {
        if let Some(source) = &self.source
            && self.asked.is_none()
        {
            self.asked = Some(tokio::spawn(source()));
        }
    }

    /// The connection is over: the next attempt asks for itself, and one at a time.
    pub(super) fn forget(&mut self) {
        if let Some(asked) = self.asked.take() {
            asked.abort();
        }
    }

    /// Ready with the token.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Secret> {
        let Some(asked) = &mut self.asked else { return Poll::Pending };
        let token = ready!(Pin::new(asked).poll(cx));
        self.asked = None;
        match token {
            Ok(token) => Poll::Ready(token),
            Err(error) => {
                tracing::error!(panicked = error.is_panic(), "no token for the renewal");
                Poll::Pending
            }
        }
    }
}

impl Drop for Renewing {
    fn drop(&mut self) {
        self.forget();
    }
}
