//! Credentials that expire on a living connection, and the others that follow them.

mod bank;

use crate::steps::steps;
use bank::{App, Bank, Book, Hand, Note, config, server, token_source};
use serde_json::json;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::{Instant, sleep};
use ws_proto::{CloseCode, Credentials, Secret};
use ws_runtime::{ConnState, Server, testing};

const GRACE: u64 = 25;

fn seconds(begin: Instant) -> u64 {
    begin.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_client_renews_before_its_credentials_expire_and_keeps_its_connection() {
    let (server, app) = server();
    let (source, asked) = token_source(|_| Some("ann 60 all"));
    let client = testing::builder(&server).token(source).connect().await.unwrap();
    let mut book = client.subscribe(Book { name: "a".to_owned() }).await.unwrap();
    let mut state = client.state();
    state.mark_unchanged();
    sleep(Duration::from_secs(615)).await;
    server.publish(Book { name: "a".to_owned() }, &Note::of("still here")).await.unwrap();
    assert_eq!(book.next().await.unwrap().unwrap(), Note::of("still here"));
    assert!(!state.has_changed().unwrap(), "{:?}", state.borrow());
    // One for the hello, and one each 30 s.
    assert_eq!(asked.times.load(Ordering::Relaxed), 21);
    assert_eq!(app.0.authenticated.load(Ordering::Relaxed), 21);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_other_credentials_is_closed_and_comes_back_with_new_ones() {
    let (server, app) = server();
    // The second time it is asked, the application does not answer.
    let (source, asked) = token_source(|time| match time {
        1 => Some("ann 10 all"),
        2 => None,
        _ => Some("ann 1000 all"),
    });
    let begin = Instant::now();
    let client = testing::builder(&server).token(source).connect().await.unwrap();
    let id = server.connections()[0].id;
    let mut state = client.state();
    let waiting = state.wait_for(|it| matches!(it, ConnState::Waiting { .. })).await.unwrap();
    let ConnState::Waiting { last, .. } = &*waiting else { panic!("{waiting:?}") };
    assert!(last.starts_with("4200"), "{last}");
    drop(waiting);
    assert_eq!(seconds(begin), 10 + GRACE);
    state.wait_for(|it| matches!(it, ConnState::Ready { .. })).await.unwrap();
    assert_eq!(asked.times.load(Ordering::Relaxed), 3);
    assert_eq!(asked.dropped.load(Ordering::Relaxed), 1, "one at a time");
    assert_eq!(app.0.authenticated.load(Ordering::Relaxed), 2);
    assert!(server.client(id).is_some(), "the session is the one before");
}

#[tokio::test(start_paused = true)]
async fn the_server_asks_when_the_credentials_expire_and_closes_after_the_grace() {
    // A client that says nothing may be closed after 34 s otherwise, before the grace is over.
    let config =
        ws_runtime::ServerConfig { heartbeat_interval: Duration::from_secs(60), ..config() };
    let server = Server::<Bank>::with_config(App::default(), config).unwrap();
    let begin = Instant::now();
    let mut hand = Hand::welcomed(&server, "ann 10 all").await;
    let required = hand.message().await;
    assert_eq!(required["type"], "$auth_required");
    assert_eq!(required["payload"]["within_ms"], 25_000);
    assert_eq!(seconds(begin), 10);
    assert_eq!(hand.closed().await, u64::from(CloseCode::TOKEN_EXPIRED.0));
    assert_eq!(seconds(begin), 10 + GRACE);
}

#[tokio::test(start_paused = true)]
async fn without_a_grace_credentials_end_when_they_say() {
    let app = App::default();
    let config = ws_runtime::ServerConfig { auth_grace: Duration::ZERO, ..config() };
    let server = Server::<Bank>::with_config(app, config).unwrap();
    let begin = Instant::now();
    let mut hand = Hand::welcomed(&server, "ann 10 all").await;
    assert_eq!(hand.message().await["payload"]["code"], CloseCode::TOKEN_EXPIRED.0);
    assert_eq!(seconds(begin), 10);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_under_way_when_the_time_is_up_keeps_the_connection() {
    let (server, app) = server();
    let begin = Instant::now();
    let mut hand = Hand::welcomed(&server, "ann 1 all").await;
    sleep(Duration::from_secs(25)).await;
    let id = hand.auth("slow ann 100 all");
    app.0.waiting.notified().await;
    sleep(Duration::from_secs(9)).await;
    assert!(seconds(begin) > 1 + GRACE);
    app.0.go_on.notify_one();
    let renewed = hand.answer(&id).await;
    assert_eq!(renewed["type"], "$auth_ok");
    assert!(renewed["payload"]["expires_in_ms"].as_u64() > Some(99_000), "{renewed}");
    assert!(hand.is_alive().await);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_not_decided_in_time_ends_an_expired_connection() {
    let (server, app) = server();
    let begin = Instant::now();
    let mut hand = Hand::welcomed(&server, "ann 1 all").await;
    sleep(Duration::from_secs(25)).await;
    hand.auth("slow ann 100 all");
    assert_eq!(hand.closed().await, u64::from(CloseCode::TOKEN_EXPIRED.0));
    assert_eq!(seconds(begin), 35, "after `decision_timeout`");
    app.0.dropped.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_acknowledges_nothing_does_not_put_off_the_end() {
    let (server, _) = server();
    let begin = Instant::now();
    let mut hand = Hand::welcomed(&server, "ann 1 all").await;
    for seq in 1..=100 {
        hand.send("$unsub", json!({"seq": seq, "ch": "book/a"}), &json!(null));
    }
    sleep(Duration::from_secs(25)).await;
    hand.auth("wrong");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(hand.closed().await, u64::from(CloseCode::TOKEN_EXPIRED.0));
    assert_eq!(seconds(begin), 27);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_changes_nothing_until_the_credentials_expire() {
    let (server, app) = server();
    let mut hand = Hand::welcomed(&server, "ann 8 all").await;
    for token in ["wrong", "panic"] {
        sleep(Duration::from_secs(2)).await;
        let id = hand.auth(token);
        assert_eq!(hand.answer(&id).await["type"], "$err");
        assert!(hand.is_alive().await);
    }
    assert_eq!(app.0.authenticated.load(Ordering::Relaxed), 3);
    assert_eq!(hand.closed().await, u64::from(CloseCode::TOKEN_EXPIRED.0));
}

#[tokio::test(start_paused = true)]
async fn the_token_of_somebody_else_ends_the_connection_and_the_session() {
    let (server, _) = server();
    let mut hand = Hand::welcomed(&server, "ann 60 all").await;
    let grant = hand.grant.clone();
    hand.auth("bob 60 all");
    assert_eq!(hand.closed().await, u64::from(CloseCode::PRINCIPAL_CHANGED.0));
    for name in ["ann", "bob"] {
        let again = Hand::resuming(&server, &format!("{name} 60 all"), &grant).await;
        assert!(!again.is_resumed, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn fewer_rights_end_what_they_do_not_cover_and_nothing_else() {
    let (server, _) = server();
    let mut hand = Hand::welcomed(&server, "ann 60 a,b,c").await;
    for (seq, name) in [(1, "a"), (2, "b"), (3, "c")] {
        hand.send("$sub", json!({"seq": seq, "ch": format!("book/{name}")}), &json!({}));
    }
    assert_eq!(hand.said().await, ["$ok", "$ok", "$ok"]);
    publish(&server, "before").await;
    assert_eq!(hand.said().await, ["book.note", "book.note", "book.note"]);
    hand.auth("ann 60 b");
    assert_eq!(hand.said().await, ["$auth_ok", "$unsubbed", "$unsubbed"]);
    publish(&server, "after").await;
    let heard = hand.message().await;
    assert_eq!((&heard["ch"], &heard["prev"]), (&json!("book/b"), &json!(1)), "no gap: {heard}");
    assert_eq!(hand.said().await, [""; 0], "of the others nothing is heard");
}

async fn publish(server: &Server<Bank>, text: &str) {
    for name in ["a", "b", "c"] {
        server.publish(Book { name: name.to_owned() }, &Note::of(text)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_while_the_rights_shrink_is_not_heard_whatever_comes_first() {
    for moment in 0..40 {
        let (server, _) = server();
        let mut hand = Hand::welcomed(&server, "ann 60 a").await;
        hand.send("$sub", json!({"seq": 1, "ch": "book/a"}), &json!({}));
        steps(moment).await;
        hand.auth("ann 60 b");
        let mut said = hand.said().await;
        publish(&server, "secret").await;
        said.extend(hand.said().await);
        assert!(!said.contains(&"book.note".to_owned()), "at {moment}: {said:?}");
        assert!(said.iter().any(|it| it == "$unsubbed" || it == "$err"), "at {moment}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_takes_the_place_of_those_of_the_upgrade() {
    let (server, _) = server();
    for place in 0..2 {
        let mut upgrade = Credentials::default();
        let token = Some(Secret::new("ann 60 a"));
        *[&mut upgrade.bearer, &mut upgrade.authorization][place] = token;
        let mut hand = Hand::upgraded(&server, upgrade).await;
        hand.send("$sub", json!({"seq": 1, "ch": "book/a"}), &json!({}));
        assert_eq!(hand.said().await, ["$ok"]);
        hand.auth("ann 60 b");
        assert_eq!(hand.said().await, ["$auth_ok", "$unsubbed"], "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_tokens_is_decided_about_one_at_a_time() {
    let (server, app) = server();
    let mut hand = Hand::welcomed(&server, "ann 60 all").await;
    for _ in 0..60 {
        hand.auth("slow ann 60 all");
    }
    let said = hand.said().await;
    assert_eq!(said, vec!["$err"; 59], "all but the first");
    sleep(Duration::from_secs(2)).await;
    hand.auth("slow ann 60 all");
    assert_eq!(hand.said().await, ["$err"], "the first one is still decided about");
    assert_eq!(app.0.authenticated.load(Ordering::Relaxed), 2, "the hello, and one");
    app.0.go_on.notify_one();
    assert_eq!(hand.said().await, ["$auth_ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_ends_when_its_client_leaves() {
    let (server, app) = server();
    let mut hand = Hand::welcomed(&server, "ann 60 all").await;
    hand.auth("slow ann 60 all");
    app.0.waiting.notified().await;
    let begin = Instant::now();
    drop(hand);
    app.0.dropped.notified().await;
    assert_eq!(seconds(begin), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_repeated_to_nobody() {
    let (server, _) = server();
    let secret = "xyzzy";
    for token in ["wrong xyzzy", "bob 60 xyzzy", "ann 60 xyzzy"] {
        let mut hand = Hand::welcomed(&server, "ann 60 all").await;
        hand.auth(token);
        let heard = hand.everything().await;
        assert!(!heard.is_empty());
        assert!(!heard.contains(secret), "{heard}");
    }
}
