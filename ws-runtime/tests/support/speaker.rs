//! One end of a connection, spoken by hand: it sends whatever a test wants and hides nothing that
//! comes back.

use serde_json::{Value, json};
use std::{future::poll_fn, time::Duration};
use ws_proto::{Credentials, Format, Limits, Protocol};
use ws_runtime::{
    Server,
    transport::{Received, Transport, memory},
};

/// The client's end of a connection without a socket.
pub(crate) struct Speaker(memory::Memory);

impl Speaker {
    /// The other end is served from now on.
    pub(crate) fn connect<P: Protocol>(server: &Server<P>, upgrade: Credentials) -> Self {
        let (ours, theirs) = memory::pair(Format::Json, &Limits::default());
        let server = server.clone();
        tokio::spawn(async move { server.serve(Box::new(theirs), upgrade).await });
        Self(ours)
    }

    /// Sends a message; gives its id.
    pub(crate) fn send(&mut self, kind: &str, set: Value, payload: &Value) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let mut message = json!({"type": kind, "id": id, "ts": 0, "payload": payload});
        let Value::Object(set) = set else { panic!("header fields") };
        message.as_object_mut().unwrap().extend(set);
        self.0.start_send(message.to_string().as_bytes()).unwrap();
        id
    }

    pub(crate) async fn next(&mut self) -> Received {
        poll_fn(|cx| self.0.poll_recv(cx)).await
    }

    pub(crate) async fn message(&mut self) -> Value {
        match self.next().await {
            Received::Message(message) => serde_json::from_slice(&message).unwrap(),
            other => panic!("no message but {other:?}"),
        }
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
