//! A session goes on over another connection: nothing lost, nothing twice, nothing out of order.

use crate::scissors::Scissors;
use crate::support::{App, Board, Count, Echo, Hall, HallEvent, Lab, Say, Sum, Wait};
use futures_util::future::join_all;
use std::time::Duration;
use ws_proto::Format;
use ws_runtime::{
    CallError, Client, ConnState, Gap, Outcome, Server, ServerConfig, client::Backoff,
};

async fn connect(server: &Server<Lab>, scissors: &Scissors, format: Format) -> Client<Lab> {
    let mut quick = Backoff::default();
    quick.base = Duration::from_millis(10);
    quick.max = Duration::from_millis(20);
    // Each connection counts as one that lived.
    quick.reset_after = Duration::ZERO;
    Client::builder("ws://memory")
        .token(|| async { "ann".to_owned() })
        .format(format)
        .reconnect(quick)
        .connector(scissors.connector(server))
        .connect()
        .await
        .expect("the server takes ann in")
}

fn lab() -> (Server<Lab>, App) {
    let app = App::default();
    (Server::new(app.clone()), app)
}

/// More events than a log holds past its history for who was told of them.
const MISSED: usize = 400;

#[tokio::test(start_paused = true)]
async fn a_call_under_way_is_answered_after_the_resume() {
    for format in Format::ALL {
        let (server, app) = lab();
        let scissors = Scissors::default();
        let client = connect(&server, &scissors, format).await;
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.call(Wait {}).timeout(Duration::from_secs(60)).await }
        });
        app.0.waiting.notified().await;
        scissors.cut();
        assert_eq!(client.call(Echo { text: "again".into() }).await.unwrap(), "again");
        assert!(!call.is_finished(), "the handler runs on while nobody is connected");
        call.abort();
        app.0.cancelled.notified().await;
    }
}

#[tokio::test(start_paused = true)]
async fn events_published_while_away_arrive_once_and_in_order() {
    for format in Format::ALL {
        let (server, _) = lab();
        let scissors = Scissors::default();
        let client = connect(&server, &scissors, format).await;
        let hall = || Hall { name: "x".into() };
        let mut heard = client.subscribe(hall()).await.unwrap();
        for n in 0..200_u32 {
            let text = n.to_string();
            server.publish(hall(), &HallEvent::Said { text: text.clone() }).await.unwrap();
            if n % 3 == 0 {
                scissors.cut();
            }
            assert_eq!(heard.next().await.unwrap(), Ok(HallEvent::Said { text }), "{n}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_and_streams_survive_any_number_of_cuts() {
    let (server, _) = lab();
    let scissors = Scissors::default();
    let client = connect(&server, &scissors, Format::MessagePack).await;
    let hall = || Hall { name: "x".into() };
    let mut heard = client.subscribe(hall()).await.unwrap();
    let says = (0..100).map(|n| {
        let say = Say { hall: "x".into(), text: n.to_string() };
        client.call(say).timeout(Duration::from_secs(60)).into_future()
    });
    let cutting = tokio::spawn({
        let scissors = scissors.clone();
        async move {
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(7)).await;
                scissors.cut();
            }
        }
    });
    let (answers, texts, counted) = tokio::join!(
        join_all(says),
        async {
            let mut texts = Vec::new();
            while texts.len() < 100 {
                match heard.next().await.unwrap() {
                    Ok(HallEvent::Said { text }) => texts.push(text),
                    // The hall keeps eight events.
                    Err(Gap::Lost { after: Some(after), until: Some(until) }) => {
                        texts.extend((after..until).map(|_| "lost".to_owned()));
                    }
                    other => panic!("{other:?}"),
                }
            }
            texts
        },
        async {
            let mut items = client.stream(Count { to: 300 }).timeout(Duration::from_secs(60));
            let mut counted = Vec::new();
            while let Some(item) = items.next().await {
                counted.push(item.unwrap());
            }
            counted
        }
    );
    assert!(answers.iter().all(Result::is_ok), "each call is answered once");
    assert_eq!(texts.len(), 100, "each event is there once, or its loss is");
    assert_eq!(counted, (1..=300).collect::<Vec<_>>());
    cutting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_upload_goes_on_over_many_cuts() {
    let (server, _) = lab();
    let scissors = Scissors::default();
    for format in Format::ALL {
        let client = connect(&server, &scissors, format).await;
        let mut upload = client.upload(Sum { until: None });
        for n in 1..=100 {
            if n % 10 == 0 {
                scissors.cut();
            }
            upload.send(&n).await.unwrap();
        }
        assert_eq!(upload.finish().await.unwrap(), 5050);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_kept_as_long_as_promised_is_gone() {
    let config = ServerConfig { session_ttl: Duration::from_millis(5), ..Default::default() };
    let app = App::default();
    let server = Server::<Lab>::with_config(app.clone(), config).unwrap();
    let scissors = Scissors::default();
    let client = connect(&server, &scissors, Format::Json).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call(Wait {}).timeout(Duration::from_secs(60)).await }
    });
    app.0.waiting.notified().await;
    scissors.cut();
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Disconnected(Outcome::Unknown)), "{error:?}");
    // The handler was told, or dropped.
    app.0.cancelled.notified().await;
    assert_eq!(client.call(Echo { text: "new".into() }).await.unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_kicked_session_does_not_come_back() {
    let (server, _) = lab();
    let scissors = Scissors::default();
    let client = connect(&server, &scissors, Format::Json).await;
    let mut state = client.state();
    scissors.cut();
    state.wait_for(|state| matches!(state, ConnState::Waiting { .. })).await.unwrap();
    assert_eq!(server.kick("ann", "enough"), 1);
    state.wait_for(|state| matches!(state, ConnState::Ready { .. })).await.unwrap();
    // The kick ended the session that waited; the client began another one.
    assert_eq!(client.call(Echo { text: "new".into() }).await.unwrap(), "new");
}

fn board() -> Board {
    Board { name: "x".into() }
}

async fn pin(server: &Server<Lab>, app: &App, text: &str) {
    app.0.pinned.lock().unwrap().push(text.to_owned());
    server.publish(board(), &HallEvent::Said { text: text.to_owned() }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_missed_more_than_the_log_has_goes_on_from_a_fresh_snapshot() {
    // With its session, and without it.
    for ttl in [Duration::from_secs(120), Duration::ZERO] {
        for format in Format::ALL {
            let app = App::default();
            let config = ServerConfig { session_ttl: ttl, ..ServerConfig::default() };
            let server = Server::<Lab>::with_config(app.clone(), config).unwrap();
            let scissors = Scissors::default();
            let client = connect(&server, &scissors, format).await;
            let mut heard = client.subscribe(board()).await.unwrap();
            scissors.cut();
            for n in 0..MISSED {
                pin(&server, &app, &n.to_string()).await;
            }
            let gap = heard.next().await.unwrap().unwrap_err();
            assert!(matches!(gap, Gap::Restarted(Some(_))), "{gap:?}");
            let state = heard.snapshot().unwrap().expect("the state in place of what is lost");
            assert_eq!(state.texts.len(), MISSED);
            pin(&server, &app, "after").await;
            let after = HallEvent::Said { text: "after".into() };
            assert_eq!(heard.next().await, Some(Ok(after)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_whose_snapshot_is_made_while_away_stands_after_the_resume() {
    for format in Format::ALL {
        let (server, app) = lab();
        let scissors = Scissors::default();
        let client = connect(&server, &scissors, format).await;
        let slow = || Board { name: "slow".into() };
        let subscribing = tokio::spawn(client.subscribe(slow()));
        app.0.waiting.notified().await;
        scissors.cut();
        app.0.go_on.notify_one();
        let mut heard = subscribing.await.unwrap().unwrap();
        assert!(heard.snapshot().unwrap().is_some());
        let said = HallEvent::Said { text: "after".into() };
        server.publish(slow(), &said).await.unwrap();
        assert_eq!(heard.next().await, Some(Ok(said)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_snapshot_that_a_second_loss_interrupts_is_made_anew() {
    for format in Format::ALL {
        let (server, app) = lab();
        let scissors = Scissors::default();
        let client = connect(&server, &scissors, format).await;
        let slow = || Board { name: "slow".into() };
        let said = |text: &str| HallEvent::Said { text: text.to_owned() };
        let subscribing = tokio::spawn(client.subscribe(slow()));
        app.0.waiting.notified().await;
        app.0.go_on.notify_one();
        let mut heard = subscribing.await.unwrap().unwrap();
        scissors.cut();
        for n in 0..MISSED {
            server.publish(slow(), &said(&n.to_string())).await.unwrap();
        }
        app.0.waiting.notified().await;
        scissors.cut();
        app.0.waiting.notified().await;
        app.0.go_on.notify_one();
        let gap = heard.next().await.unwrap().unwrap_err();
        assert!(matches!(gap, Gap::Restarted(Some(_))), "{gap:?}");
        assert!(heard.snapshot().unwrap().is_some());
        server.publish(slow(), &said("after")).await.unwrap();
        assert_eq!(heard.next().await, Some(Ok(said("after"))));
    }
}
