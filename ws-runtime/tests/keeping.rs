//! Whose a session is when several connections want it, and what ends it.

use crate::hand::{Grant, Hand};
use crate::steps::steps;
use crate::support::{App, Hall, HallEvent, Lab};
use serde_json::json;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::{task::yield_now, time::Instant};
use ws_proto::{CloseCode, Fault};
use ws_runtime::{Server, ServerConfig, session::Drain};

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

fn gone() -> Hall {
    Hall { name: "gone".to_owned() }
}

fn revoke(server: &Server<Lab>, app: &App) -> usize {
    app.0.is_gone.store(true, Ordering::Relaxed);
    server.unsubscribe("ann", gone(), Fault::forbidden("it is gone")).unwrap()
}

async fn say(server: &Server<Lab>) {
    server.publish(gone(), &HallEvent::Said { text: "secret".to_owned() }).await.unwrap();
}

/// A client that is taken in and asks to listen.
async fn listener(server: &Server<Lab>) -> (Hand, Grant) {
    let mut hand = Hand::accepted(server).await;
    hand.hello(None);
    let grant = hand.welcome().await;
    hand.send("$sub", json!({"seq": 1, "ch": "hall/gone"}), &json!({}));
    (hand, grant)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_heard_after_a_revocation_at_any_moment_of_a_subscription() {
    for moment in 0..40 {
        tokio::spawn(revoked_at(moment)).await.unwrap();
    }
}

async fn revoked_at(moment: usize) {
    let app = App::default();
    let server = Server::<Lab>::new(app.clone());
    let (mut hand, _) = listener(&server).await;
    steps(moment).await;
    revoke(&server, &app);
    say(&server).await;
    let mut said = hand.said().await;
    say(&server).await;
    said.extend(hand.said().await);
    assert!(!said.contains(&"hall.said".to_owned()), "at {moment}: {said:?}");
    let last = said.last().map(String::as_str);
    assert!(matches!(last, Some("$unsubbed" | "$err")), "at {moment}: {said:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_heard_after_a_revocation_while_away() {
    let app = App::default();
    let server = Server::<Lab>::new(app.clone());
    let (mut hand, grant) = listener(&server).await;
    assert_eq!(hand.said().await, ["$ok"]);
    drop(hand);
    while !server.connections().is_empty() {
        yield_now().await;
    }
    assert_eq!(revoke(&server, &app), 1);
    say(&server).await;
    let mut back = Hand::accepted(&server).await;
    back.hello(Some(&grant));
    assert!(back.welcome().await.is_resumed);
    assert_eq!(back.said().await, ["$ok", "$unsubbed"], "the first one is sent again");
}

#[tokio::test(start_paused = true)]
async fn a_principal_that_logged_out_is_closed_and_its_session_is_over() {
    let server = Server::<Lab>::new(App::default());
    let (mut hand, grant) = listener(&server).await;
    assert_eq!(server.log_out("ann"), 1);
    assert_eq!(hand.closed().await, u64::from(CloseCode::LOGGED_OUT.0));
    let mut again = Hand::accepted(&server).await;
    again.hello(Some(&grant));
    assert!(!again.welcome().await.is_resumed);
}

#[tokio::test(start_paused = true)]
async fn a_drain_at_any_moment_of_a_take_over_leaves_nobody_behind() {
    for moment in 0..40 {
        tokio::spawn(drained_at(moment)).await.unwrap();
    }
}

async fn drained_at(moment: usize) {
    let server = Server::<Lab>::new(App::default());
    let (_old, grant) = listener(&server).await;
    let mut hand = Hand::accepted(&server).await;
    hand.hello(Some(&grant));
    steps(moment).await;
    let begin = Instant::now();
    let (low, high) = (Duration::ZERO, Duration::ZERO);
    let patience = Duration::from_secs(1);
    server.drain(Drain { retry_after: (low, high), endpoint: None, patience }).await;
    assert!(begin.elapsed() < Duration::from_secs(3), "at {moment}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_authentication_is_refused_in_time() {
    let decision_timeout = Duration::from_secs(3);
    let config = ServerConfig { decision_timeout, ..ServerConfig::default() };
    let app = App::default();
    let server = Server::<Lab>::with_config(app.clone(), config).unwrap();
    let mut hand = Hand::accepted(&server).await;
    let begin = Instant::now();
    hand.hello_of("slow", None);
    let reject = hand.message().await;
    assert_eq!(reject["type"], "$reject", "{reject}");
    assert_eq!(reject["payload"]["error"]["code"], "internal");
    assert_eq!(begin.elapsed().as_secs(), 3);
    app.0.cancelled.notified().await;
}

#[tokio::test(start_paused = true)]
async fn an_authentication_ends_when_its_client_leaves() {
    let app = App::default();
    let server = Server::<Lab>::new(app.clone());
    let mut hand = Hand::accepted(&server).await;
    hand.hello_of("slow", None);
    app.0.waiting.notified().await;
    let begin = Instant::now();
    drop(hand);
    app.0.cancelled.notified().await;
    assert_eq!(begin.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_authorization_is_denied_in_time_and_holds_up_nobody() {
    let server = Server::<Lab>::new(App::default());
    let mut hand = Hand::accepted(&server).await;
    hand.hello(None);
    hand.welcome().await;
    hand.send("hall.said", json!({"seq": 1, "ch": "hall/slow"}), &json!({"text": "x"}));
    hand.send("echo", json!({"seq": 2}), &json!({"text": "x"}));
    assert_eq!(hand.said().await, ["echo.ok"]);
    let begin = Instant::now();
    let denied = loop {
        let message = hand.message().await;
        if message["type"] == "$err" {
            break message;
        }
    };
    assert_eq!(denied["payload"]["code"], "internal");
    assert!(begin.elapsed() <= Duration::from_secs(10));
}
