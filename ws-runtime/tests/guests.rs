//! Who may have a session, and what it hears when it comes back.

use crate::hand::{Grant, Hand};
use crate::support::{App, Board, HallEvent, Lab, Tick, Ticks};
use serde_json::json;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::task::yield_now;
use ws_proto::{CloseCode, Fault};
use ws_runtime::{Server, ServerConfig};

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
    ended.hello(Some(&of_newer));
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

/// A client that listens to a channel, is lost, and is back; the application still thinks about
/// what it may hear.
async fn back_on_trial(server: &Server<Lab>, app: &App, ch: &str) -> Hand {
    let (mut hand, grant) = welcomed(server, "ann", None).await;
    hand.send("$sub", json!({"seq": 1, "ch": ch}), &json!({}));
    assert_eq!(hand.said().await.last().map(String::as_str), Some("$ok"));
    lost(server, hand).await;
    app.0.is_undecided.store(true, Ordering::Relaxed);
    let (back, grant) = welcomed(server, "ann", Some(&grant)).await;
    assert!(grant.is_resumed);
    back
}

#[tokio::test(start_paused = true)]
async fn best_effort_events_that_were_dropped_are_not_told_before_the_channel_is_allowed_again() {
    let app = App::default();
    let server = Server::<Lab>::new(app.clone());
    let mut back = back_on_trial(&server, &app, "ticks").await;
    assert_eq!(back.said().await, ["$ok"], "sent again");
    for n in 0..2_000 {
        server.publish(Ticks, &Tick::Ticked { n }).await.unwrap();
    }
    assert!(back.said().await.is_empty(), "that there were events is of the channel, too");
    app.0.decided.notify_one();
    assert!(back.said().await.is_empty());
    server.publish(Ticks, &Tick::Ticked { n: 1 }).await.unwrap();
    assert_eq!(back.said().await, ["ticks.ticked"]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_not_sent_again_before_the_channel_is_allowed_again() {
    for is_gone in [false, true] {
        let app = App::default();
        let server = Server::<Lab>::new(app.clone());
        let mut back = back_on_trial(&server, &app, "board/gone").await;
        back.send("echo", json!({"seq": 2}), &json!({"text": "x"}));
        let pinned = HallEvent::Said { text: "secret".to_owned() };
        server.publish(Board { name: "gone".to_owned() }, &pinned).await.unwrap();
        assert!(back.said().await.is_empty(), "and nothing passes it");
        app.0.is_gone.store(is_gone, Ordering::Relaxed);
        app.0.decided.notify_one();
        let said = back.said().await;
        if is_gone {
            assert_eq!(said, ["$cancel", "$ok", "echo.ok", "$unsubbed"], "its place is kept");
        } else {
            assert_eq!(said, ["board.snapshot", "$ok", "echo.ok", "board.said", "$live"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_made_over_a_loss_waits_until_the_channel_is_allowed_again() {
    for is_gone in [false, true] {
        let app = App::default();
        let server = Server::<Lab>::new(app.clone());
        let (mut hand, grant) = welcomed(&server, "ann", None).await;
        let name = if is_gone { "gone" } else { "slow" };
        app.0.is_slow.store(true, Ordering::Relaxed);
        hand.send("$sub", json!({"seq": 1, "ch": format!("board/{name}")}), &json!({}));
        app.0.waiting.notified().await;
        lost(&server, hand).await;
        app.0.is_undecided.store(true, Ordering::Relaxed);
        app.0.is_gone.store(is_gone, Ordering::Relaxed);
        let (mut back, _) = welcomed(&server, "ann", Some(&grant)).await;
        app.0.go_on.notify_one();
        assert!(back.said().await.is_empty(), "it is made, and waits");
        app.0.decided.notify_one();
        let said = back.said().await;
        if is_gone {
            assert!(!said.contains(&"board.snapshot".to_owned()), "{said:?}");
            assert_eq!(said.last().map(String::as_str), Some("$unsubbed"), "{said:?}");
        } else {
            assert_eq!(said, ["board.snapshot", "$ok", "$live"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_was_refused_while_on_trial_may_ask_anew() {
    let app = App::default();
    let server = Server::<Lab>::new(app.clone());
    let (mut hand, grant) = welcomed(&server, "ann", None).await;
    hand.send("$sub", json!({"seq": 1, "ch": "board/slow"}), &json!({}));
    app.0.waiting.notified().await;
    lost(&server, hand).await;
    app.0.is_undecided.store(true, Ordering::Relaxed);
    let (mut back, _) = welcomed(&server, "ann", Some(&grant)).await;
    let board = Board { name: "slow".to_owned() };
    server.unsubscribe("ann", board, Fault::forbidden("not now")).unwrap();
    assert_eq!(back.said().await, ["$err"]);
    app.0.is_undecided.store(false, Ordering::Relaxed);
    back.send("$sub", json!({"seq": 2, "ch": "board/slow"}), &json!({}));
    app.0.waiting.notified().await;
    app.0.go_on.notify_waiters();
    assert_eq!(back.said().await, ["board.snapshot", "$ok"]);
}
