//! A client made by hand, without a socket, and what it is granted.

use crate::speaker::Speaker;
use crate::support::Lab;
use serde_json::{Value, json};
use std::ops::{Deref, DerefMut};
use tokio::task::yield_now;
use ws_proto::Credentials;
use ws_runtime::Server;

/// A client made by hand.
pub(crate) struct Hand(Speaker);

/// What a welcome says about the session.
#[derive(Clone)]
pub(crate) struct Grant {
    session: Value,
    ticket: Value,
    pub(crate) is_resumed: bool,
}

impl Hand {
    /// A connection that the server has accepted, and that says nothing yet.
    pub(crate) async fn accepted(server: &Server<Lab>) -> Self {
        let newest = || server.connections().iter().map(|info| info.id).max();
        let before = newest();
        let speaker = Speaker::connect(server, Credentials::default());
        while newest() <= before {
            yield_now().await;
        }
        Self(speaker)
    }

    pub(crate) fn hello(&mut self, grant: Option<&Grant>) {
        self.hello_of("ann", grant);
    }

    pub(crate) fn hello_of(&mut self, name: &str, grant: Option<&Grant>) {
        let mut hello = json!({"protocol": "lab", "version": [3, 3], "auth": {"token": name}});
        if let Some(Grant { session, ticket, .. }) = grant {
            hello["resume"] = json!({"session": session, "ticket": ticket, "recv": 0});
        }
        self.send("$hello", json!({}), &hello);
    }

    pub(crate) async fn welcome(&mut self) -> Grant {
        let mut welcome = self.message().await;
        assert_eq!(welcome["type"], "$welcome", "{welcome}");
        let session = &mut welcome["payload"]["session"];
        let is_resumed = session["resumed"] == true;
        Grant { session: session["id"].take(), ticket: session["ticket"].take(), is_resumed }
    }

    /// Whether the server answers, and says nothing else.
    pub(crate) async fn is_alive(&mut self) -> bool {
        self.said().await.is_empty()
    }
}

impl Deref for Hand {
    type Target = Speaker;

    fn deref(&self) -> &Speaker {
        &self.0
    }
}

impl DerefMut for Hand {
    fn deref_mut(&mut self) -> &mut Speaker {
        &mut self.0
    }
}
