//! Whose a session is when several connections want it, and what ends it.

mod support;

use serde_json::{Value, json};
use std::future::poll_fn;
use support::{App, Lab};
use ws_proto::{CloseCode, Credentials, Format, Limits};
use ws_runtime::{
    Server,
    transport::{Received, Transport, memory},
};

/// A client made by hand.
struct Hand(memory::Memory);

/// What a welcome says about the session.
#[derive(Clone)]
struct Grant {
    session: Value,
    ticket: Value,
    is_resumed: bool,
}

impl Hand {
    /// A connection that the server has accepted, and that says nothing yet.
    async fn accepted(server: &Server<Lab>) -> Self {
        let (ours, theirs) = memory::pair(Format::Json, &Limits::default());
        let newest = || server.connections().iter().map(|info| info.id).max();
        let (serving, before) = (server.clone(), newest());
        tokio::spawn(async move { serving.serve(Box::new(theirs), Credentials::default()).await });
        while newest() <= before {
            tokio::task::yield_now().await;
        }
        Self(ours)
    }

    fn send(&mut self, kind: &str, set: Value, payload: &Value) {
        let id = uuid::Uuid::new_v4();
        let mut message = json!({"type": kind, "id": id, "ts": 0, "payload": payload});
        let Value::Object(set) = set else { panic!("header fields") };
        message.as_object_mut().unwrap().extend(set);
        self.0.start_send(message.to_string().into()).unwrap();
    }

    fn hello(&mut self, grant: Option<&Grant>) {
        let mut hello = json!({"protocol": "lab", "version": [3, 3], "auth": {"token": "ann"}});
        if let Some(Grant { session, ticket, .. }) = grant {
            hello["resume"] = json!({"session": session, "ticket": ticket, "recv": 0});
        }
        self.send("$hello", json!({}), &hello);
    }

    async fn next(&mut self) -> Received {
        poll_fn(|cx| self.0.poll_recv(cx)).await
    }

    async fn message(&mut self) -> Value {
        match self.next().await {
            Received::Message(message) => serde_json::from_slice(&message).unwrap(),
            other => panic!("no message but {other:?}"),
        }
    }

    async fn welcome(&mut self) -> Grant {
        let mut welcome = self.message().await;
        assert_eq!(welcome["type"], "$welcome", "{welcome}");
        let session = &mut welcome["payload"]["session"];
        let is_resumed = session["resumed"] == true;
        Grant { session: session["id"].take(), ticket: session["ticket"].take(), is_resumed }
    }

    /// The code of `$close`, whatever comes before it.
    async fn closed(&mut self) -> u64 {
        loop {
            let message = self.message().await;
            if message["type"] == "$close" {
                return message["payload"]["code"].as_u64().unwrap();
            }
        }
    }

    /// Whether the server answers.
    async fn is_alive(&mut self) -> bool {
        self.send("$ping", json!({}), &json!({"t": 1}));
        self.message().await["type"] == "$pong"
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_connection_does_not_take_a_session_from_a_newer_one() {
    let server = Server::<Lab>::new(App::default());
    let mut first = Hand::accepted(&server).await;
    first.hello(None);
    let grant = first.welcome().await;

    let mut older = Hand::accepted(&server).await;
    let mut newer = Hand::accepted(&server).await;
    newer.hello(Some(&grant));
    assert!(newer.welcome().await.is_resumed);
    assert_eq!(first.closed().await, u64::from(CloseCode::TAKEN_OVER.0));

    // Nothing was heard of the client since: its ticket counts, were it not for the connection.
    older.hello(Some(&grant));
    assert_eq!(older.closed().await, u64::from(CloseCode::TAKEN_OVER.0));
    assert!(newer.is_alive().await);
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_takes_a_session_whose_welcome_was_lost() {
    let server = Server::<Lab>::new(App::default());
    let mut first = Hand::accepted(&server).await;
    first.hello(None);
    let grant = first.welcome().await;
    for _ in 0..3 {
        let mut newer = Hand::accepted(&server).await;
        newer.hello(Some(&grant));
        assert!(newer.welcome().await.is_resumed);
        first = newer;
    }
    assert!(first.is_alive().await);
}
