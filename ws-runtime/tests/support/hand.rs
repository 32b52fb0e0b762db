//! A client made by hand, without a socket: it sends whatever a test wants and hides nothing that
//! comes back.

use crate::support::Lab;
use serde_json::{Value, json};
use std::{future::poll_fn, time::Duration};
use tokio::task::yield_now;
use ws_proto::{Credentials, Format, Limits};
use ws_runtime::{
    Server,
    transport::{Received, Transport, memory},
};

/// A client made by hand.
pub(crate) struct Hand(memory::Memory);

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
        let (ours, theirs) = memory::pair(Format::Json, &Limits::default());
        let newest = || server.connections().iter().map(|info| info.id).max();
        let (serving, before) = (server.clone(), newest());
        tokio::spawn(async move { serving.serve(Box::new(theirs), Credentials::default()).await });
        while newest() <= before {
            yield_now().await;
        }
        Self(ours)
    }

    pub(crate) fn send(&mut self, kind: &str, set: Value, payload: &Value) {
        let id = uuid::Uuid::new_v4();
        let mut message = json!({"type": kind, "id": id, "ts": 0, "payload": payload});
        let Value::Object(set) = set else { panic!("header fields") };
        message.as_object_mut().unwrap().extend(set);
        self.0.start_send(message.to_string().as_bytes()).unwrap();
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

    async fn next(&mut self) -> Received {
        poll_fn(|cx| self.0.poll_recv(cx)).await
    }

    pub(crate) async fn message(&mut self) -> Value {
        match self.next().await {
            Received::Message(message) => serde_json::from_slice(&message).unwrap(),
            other => panic!("no message but {other:?}"),
        }
    }

    pub(crate) async fn welcome(&mut self) -> Grant {
        let mut welcome = self.message().await;
        assert_eq!(welcome["type"], "$welcome", "{welcome}");
        let session = &mut welcome["payload"]["session"];
        let is_resumed = session["resumed"] == true;
        Grant { session: session["id"].take(), ticket: session["ticket"].take(), is_resumed }
    }

    /// The code of `$close`, whatever comes before it.
    pub(crate) async fn closed(&mut self) -> u64 {
        loop {
            let message = self.message().await;
            if message["type"] == "$close" {
                return message["payload"]["code"].as_u64().unwrap();
            }
        }
    }

    /// Whether the server answers.
    pub(crate) async fn is_alive(&mut self) -> bool {
        self.said().await.is_empty()
    }

    /// The types of what came, up to the answer to a ping that leaves now.
    pub(crate) async fn said(&mut self) -> Vec<String> {
        // What is on its way inside the server has arrived.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.send("$ping", json!({}), &json!({"t": 1}));
        let mut said = Vec::new();
        loop {
            let kind = self.message().await["type"].as_str().unwrap().to_owned();
            if kind == "$pong" {
                return said;
            }
            said.push(kind);
        }
    }
}
