//! Whose a session is when several connections want it, and what ends it.

mod support;

use serde_json::{Value, json};
use std::{future::poll_fn, sync::atomic::Ordering, task::Poll, time::Duration};
use support::{App, Hall, HallEvent, Lab};
use tokio::{task::yield_now, time::Instant};
use ws_proto::{CloseCode, Credentials, Fault, Format, Limits};
use ws_runtime::{
    Server, ServerConfig,
    session::Drain,
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
            yield_now().await;
        }
        Self(ours)
    }

    fn send(&mut self, kind: &str, set: Value, payload: &Value) {
        let id = uuid::Uuid::new_v4();
        let mut message = json!({"type": kind, "id": id, "ts": 0, "payload": payload});
        let Value::Object(set) = set else { panic!("header fields") };
        message.as_object_mut().unwrap().extend(set);
        self.0.start_send(message.to_string().as_bytes()).unwrap();
    }

    fn hello(&mut self, grant: Option<&Grant>) {
        self.hello_of("ann", grant);
    }

    fn hello_of(&mut self, name: &str, grant: Option<&Grant>) {
        let mut hello = json!({"protocol": "lab", "version": [3, 3], "auth": {"token": name}});
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
        self.said().await.is_empty()
    }

    /// The types of what came, up to the answer to a ping that leaves now.
    async fn said(&mut self) -> Vec<String> {
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

/// Lets what is ready run a number of times, unlike `yield_now`, which waits until all rest. For
/// tasks that were spawned.
async fn steps(count: usize) {
    for _ in 0..count {
        let mut has_run = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut has_run, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
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

/// A server whose principals have two sessions at most.
fn small(app: &App) -> Server<Lab> {
    let max_sessions_per_principal = Some(2);
    let config = ServerConfig { max_sessions_per_principal, ..ServerConfig::default() };
    Server::with_config(app.clone(), config).unwrap()
}

async fn welcomed(server: &Server<Lab>, name: &str, grant: Option<&Grant>) -> (Hand, Grant) {
    let mut hand = Hand::accepted(server).await;
    hand.hello_of(name, grant);
    let grant = hand.welcome().await;
    (hand, grant)
}

/// Leaves without a word, and the server has noticed.
async fn lost(server: &Server<Lab>, hand: Hand) {
    let before = server.connections().len();
    drop(hand);
    while server.connections().len() == before {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_principal_whose_sessions_are_all_connected_is_refused_another_one() {
    let server = small(&App::default());
    let (mut first, _) = welcomed(&server, "ann", None).await;
    let (mut second, _) = welcomed(&server, "ann", None).await;
    let mut third = Hand::accepted(&server).await;
    third.hello_of("ann", None);
    let reject = third.message().await;
    assert_eq!(reject["payload"]["close"], CloseCode::OVERLOADED.0, "{reject}");
    assert_eq!(reject["payload"]["error"]["code"], "overloaded", "{reject}");
    let (mut other, _) = welcomed(&server, "bert", None).await;
    for hand in [&mut first, &mut second, &mut other] {
        assert!(hand.is_alive().await);
    }
    assert_eq!(server.kick("ann", "enough"), 2);
    assert_eq!(second.closed().await, u64::from(CloseCode::KICKED.0));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(welcomed(&server, "ann", None).await.0.is_alive().await, "both places are free");
}

#[tokio::test(start_paused = true)]
async fn a_session_beyond_the_bound_takes_the_place_of_the_one_that_was_lost_first() {
    let server = small(&App::default());
    let (older, of_older) = welcomed(&server, "ann", None).await;
    let (newer, of_newer) = welcomed(&server, "ann", None).await;
    lost(&server, newer).await;
    lost(&server, older).await;
    // The one that was lost first is not the one that began first.
    let (_third, _) = welcomed(&server, "ann", None).await;
    let (_older, of_older) = welcomed(&server, "ann", Some(&of_older)).await;
    assert!(of_older.is_resumed, "it was lost last");
    let mut ended = Hand::accepted(&server).await;
    ended.hello_of("ann", Some(&of_newer));
    let reject = ended.message().await;
    assert_eq!(reject["payload"]["close"], CloseCode::OVERLOADED.0, "it is gone: {reject}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_takes_no_second_place() {
    let server = small(&App::default());
    let (mut first, _) = welcomed(&server, "ann", None).await;
    let (mut second, mut grant) = welcomed(&server, "ann", None).await;
    for _ in 0..4 {
        lost(&server, second).await;
        (second, grant) = welcomed(&server, "ann", Some(&grant)).await;
        assert!(grant.is_resumed);
    }
    assert!(first.is_alive().await && second.is_alive().await);
}

#[tokio::test(start_paused = true)]
async fn a_log_out_reaches_who_is_being_authenticated() {
    let app = App::default();
    let server = Server::<Lab>::new(app.clone());
    for code in [CloseCode::LOGGED_OUT, CloseCode::KICKED] {
        let mut late = Hand::accepted(&server).await;
        late.hello_of("late", None);
        app.0.waiting.notified().await;
        let dismissed = match code {
            CloseCode::KICKED => server.kick("late", "go"),
            _ => server.log_out("late"),
        };
        assert_eq!((dismissed, server.log_out("somebody else")), (0, 0));
        app.0.go_on.notify_one();
        let reject = late.message().await;
        assert_eq!(reject["type"], "$reject", "{reject}");
        assert_eq!(reject["payload"]["close"], code.0, "{reject}");
    }
    let mut later = Hand::accepted(&server).await;
    later.hello_of("late", None);
    app.0.waiting.notified().await;
    assert_eq!(server.log_out("somebody else"), 0);
    app.0.go_on.notify_one();
    later.welcome().await;
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_holds_its_place_until_it_is_over() {
    let server = Server::<Lab>::new(App::default());
    let (mut hand, _) = welcomed(&server, "ann", None).await;
    assert_eq!(server.kick("ann", "go"), 1);
    hand.closed().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(server.connections().is_empty());
    let taken = || format!("{server:?}");
    assert!(taken().contains("connections: 1"), "{}", taken());
    drop(hand);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(taken().contains("connections: 0"), "{}", taken());
}
