//! A client that waited for its welcome in vain still has the ticket before.
#![cfg(all(feature = "client", feature = "server"))]

use crate::ledger::{Books, Ledger};
use serde_json::{Value, json};
use std::future::poll_fn;
use ws_proto::{Credentials, Envelope, Format, Frame, Head, IdSource, Limits, Raw};
use ws_runtime::{
    Server,
    transport::{Received, Transport, memory},
};

#[tokio::test]
async fn a_farewell_without_a_welcome_costs_no_session() {
    let server = Server::<Ledger>::new(Books::default());
    let (first, grant) = greet(&server, None).await;
    drop(first);
    let resume = json!({"session": grant["id"], "ticket": grant["ticket"], "recv": 0});
    // As if the welcome had not arrived: the next attempt shows the same ticket.
    for _ in 0..3 {
        let (mut client, again) = greet(&server, Some(resume.clone())).await;
        assert_eq!(again["resumed"], true);
        send(&mut client, "$close", &json!({"code": 4303, "reason": "too long"}));
        while let Received::Message(_) = poll_fn(|cx| client.poll_recv(cx)).await {}
    }
}

/// A hello and what the welcome says of the session.
async fn greet(server: &Server<Ledger>, resume: Option<Value>) -> (memory::Memory, Value) {
    let (mut ours, theirs) = memory::pair(Format::Json, &Limits::default());
    let server = server.clone();
    tokio::spawn(async move {
        server.serve(Box::new(theirs), Credentials::default()).await;
    });
    let mut hello = json!({"protocol": "ledger", "version": [1, 1], "auth": {"token": "ann"}});
    if let Some(resume) = resume {
        hello["resume"] = resume;
    }
    send(&mut ours, "$hello", &hello);
    let Received::Message(welcome) = poll_fn(|cx| ours.poll_recv(cx)).await else {
        panic!("no welcome")
    };
    let welcome: Value = serde_json::from_slice(&welcome).unwrap();
    assert_eq!(welcome["type"], "$welcome");
    (ours, welcome["payload"]["session"].clone())
}

fn send(transport: &mut memory::Memory, kind: &str, payload: &Value) {
    let head = Head::new(kind.into(), IdSource::new(1).next(0), 0);
    let frame = Frame::Message(Raw::encode(Format::Json, payload).unwrap());
    let mut message = Vec::new();
    Envelope { head, frame }.encode(Format::Json, &mut message).unwrap();
    transport.start_send(&message).unwrap();
}
