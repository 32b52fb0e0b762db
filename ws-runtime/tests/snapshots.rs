//! Subscribers of a channel with a snapshot start from its state, and lose nothing after it.

use crate::support::{App, Board, Echo, HallEvent, Lab, Pins, Signs};
use std::{sync::Arc, time::Duration};
use ws_proto::{Fault, FaultCode, Format, Position};
use ws_runtime::{
    Client, Gap, Server, ServerConfig,
    client::{Held, SubscribeError},
    testing,
};

fn lab() -> (Server<Lab>, Arc<Signs>) {
    let app = App::default();
    let signs = Arc::clone(&app.0);
    (Server::new(app), signs)
}

async fn connect(server: &Server<Lab>, format: Format) -> Client<Lab> {
    testing::connect(server, Some("ann"), format).await.expect("the server takes ann in")
}

fn board(name: &str) -> Board {
    Board { name: name.to_owned() }
}

fn said(text: &str) -> HallEvent {
    HallEvent::Said { text: text.to_owned() }
}

/// As an application does it: the state first, the event second.
async fn pin(server: &Server<Lab>, signs: &Signs, name: &str, text: &str) -> Position {
    signs.pinned.lock().unwrap().push(text.to_owned());
    server.publish(board(name), &said(text)).await.unwrap().expect("boards have positions")
}

fn pins(texts: &[&str]) -> Pins {
    Pins { texts: texts.iter().map(|&text| text.to_owned()).collect() }
}

#[tokio::test]
async fn a_subscriber_starts_from_the_state_and_goes_on_with_events() {
    for format in Format::ALL {
        let (server, signs) = lab();
        let client = connect(&server, format).await;
        pin(&server, &signs, "a", "one").await;
        let mut heard = client.subscribe(board("a")).await.unwrap();
        assert_eq!(heard.snapshot().unwrap(), Some(pins(&["one"])));
        assert_eq!(heard.snapshot().unwrap(), None, "a snapshot is taken once");
        pin(&server, &signs, "a", "two").await;
        assert_eq!(heard.next().await, Some(Ok(said("two"))));
    }
}

#[tokio::test]
async fn a_snapshot_that_was_not_taken_is_gone_with_the_next_event() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let mut heard = client.subscribe(board("a")).await.unwrap().manual_ack();
    pin(&server, &signs, "a", "one").await;
    assert_eq!(heard.next().await.unwrap().unwrap().event, said("one"));
    assert_eq!(heard.snapshot().unwrap(), None, "it is older than the event");
}

#[tokio::test]
async fn events_published_while_the_snapshot_is_made_follow_it_all() {
    for format in Format::ALL {
        let (server, signs) = lab();
        let client = connect(&server, format).await;
        pin(&server, &signs, "slow", "before").await;
        let subscribing = tokio::spawn(client.subscribe(board("slow")));
        signs.waiting.notified().await;
        pin(&server, &signs, "slow", "meanwhile").await;
        pin(&server, &signs, "slow", "and then").await;
        client.call(Echo { text: "a flight".into() }).await.unwrap();
        assert!(!subscribing.is_finished(), "the answer waits for the snapshot");
        signs.go_on.notify_one();
        let mut heard = subscribing.await.unwrap().unwrap();
        let state = heard.snapshot().unwrap();
        assert_eq!(state, Some(pins(&["before", "meanwhile", "and then"])), "read second");
        pin(&server, &signs, "slow", "after").await;
        for text in ["meanwhile", "and then", "after"] {
            assert_eq!(heard.next().await, Some(Ok(said(text))));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_snapshot_there_is_no_subscription() {
    let (server, signs) = lab();
    let client = connect(&server, Format::MessagePack).await;
    for (name, code) in [
        ("empty", FaultCode::Forbidden),
        ("broken", FaultCode::Internal),
        ("stuck", FaultCode::Internal),
        ("huge", FaultCode::TooLarge),
    ] {
        let refused = client.subscribe(board(name)).await.unwrap_err();
        let SubscribeError::Refused(fault) = refused else { panic!("{refused:?}") };
        assert_eq!(fault.code, code, "{name}");
    }
    // None of them is left behind.
    pin(&server, &signs, "empty", "one").await;
    let mut heard = client.subscribe(board("empty")).await.unwrap();
    assert_eq!(heard.snapshot().unwrap(), Some(pins(&["one"])));
    pin(&server, &signs, "empty", "two").await;
    assert_eq!(heard.next().await, Some(Ok(said("two"))));
}

#[tokio::test]
async fn leaving_while_the_snapshot_is_made_leaves_nothing_behind() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let subscribing = tokio::spawn(client.subscribe(board("slow")));
    signs.waiting.notified().await;
    subscribing.abort();
    assert!(subscribing.await.unwrap_err().is_cancelled());
    signs.go_on.notify_one();
    let again = tokio::spawn(client.subscribe(board("slow")));
    signs.waiting.notified().await;
    pin(&server, &signs, "slow", "one").await;
    signs.go_on.notify_one();
    let mut heard = again.await.unwrap().unwrap();
    assert_eq!(heard.snapshot().unwrap(), Some(pins(&["one"])));
    assert_eq!(heard.next().await, Some(Ok(said("one"))));
}

#[tokio::test]
async fn a_right_that_is_taken_away_while_the_snapshot_is_made_refuses_the_subscription() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let subscribing = tokio::spawn(client.subscribe(board("slow")));
    signs.waiting.notified().await;
    server.unsubscribe("ann", board("slow"), Fault::forbidden("not any more")).unwrap();
    let refused = subscribing.await.unwrap().unwrap_err();
    assert_eq!(refused, SubscribeError::Refused(Fault::forbidden("not any more")));
}

#[tokio::test]
async fn what_goes_on_after_a_position_needs_no_snapshot() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let at = pin(&server, &signs, "a", "one").await;
    pin(&server, &signs, "a", "two").await;
    let mut heard = client.subscribe_since(board("a"), Some(at.clone())).await.unwrap();
    assert_eq!(heard.snapshot().unwrap(), None);
    assert_eq!(heard.next().await, Some(Ok(said("two"))));
    drop(heard);
    for text in ["three", "four", "five", "six", "seven"] {
        pin(&server, &signs, "a", text).await;
    }
    let mut heard = client.subscribe_since(board("a"), Some(at)).await.unwrap();
    let state = heard.snapshot().unwrap().expect("the log no longer has everything");
    assert_eq!(state.texts.len(), 7);
}

#[tokio::test]
async fn a_subscriber_too_slow_for_the_log_goes_on_from_a_fresh_snapshot() {
    for format in Format::ALL {
        let (server, signs) = lab();
        let mut config = ws_proto::Limits::default();
        config.window = 2;
        let builder = testing::builder(&server).format(format).limits(config);
        let client = builder.token(|| async { "ann".to_owned() }).connect().await.unwrap();
        let mut heard = client.subscribe(board("a")).await.unwrap().manual_ack();
        let mut held = Vec::new();
        for text in ["0", "1"] {
            pin(&server, &signs, "a", text).await;
            held.push(heard.next().await.unwrap().unwrap());
        }
        // The window is full, and the log forgets what waits behind it.
        for n in 2..20 {
            pin(&server, &signs, "a", &n.to_string()).await;
        }
        held.into_iter().for_each(Held::ack);
        let gap = heard.next().await.unwrap().unwrap_err();
        assert!(matches!(gap, Gap::Restarted(Some(_))), "{gap:?}");
        let state = heard.snapshot().unwrap().expect("the state in place of what is lost");
        assert_eq!(state.texts.len(), 20);
        pin(&server, &signs, "a", "after").await;
        assert_eq!(heard.next().await.unwrap().unwrap().event, said("after"));
    }
}

#[tokio::test]
async fn as_many_snapshots_as_the_limit_are_made_at_once_and_the_rest_wait() {
    let app = App::default();
    let mut config = ServerConfig::default();
    config.limits.max_snapshots = 1;
    config.decision_timeout = Duration::from_secs(3600);
    let server = Server::<Lab>::with_config(app.clone(), config).unwrap();
    let client = connect(&server, Format::Json).await;
    let slow = tokio::spawn(client.subscribe(board("slow")));
    app.0.waiting.notified().await;
    let next = tokio::spawn(client.subscribe(board("a")));
    client.call(Echo { text: "a flight".into() }).await.unwrap();
    assert!(!next.is_finished(), "one is under way");
    app.0.go_on.notify_one();
    let _slow = slow.await.unwrap().unwrap();
    let mut heard = next.await.unwrap().unwrap();
    assert_eq!(heard.snapshot().unwrap(), Some(pins(&[])));
}
