//! A typed client and a typed server, whole: in memory in both formats, and over real sockets.

use crate::support::{
    App, Count, Echo, Hall, HallEvent, Lab, Large, Newer, Panic, Refusal, Refuse, Say, Secret,
    Signs, Tick, Ticks, Wait, WaitUnlessCancelled,
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use ws_proto::{CloseCode, FaultCode, Format};
use ws_runtime::{
    CallError, Client, ConnState, Gap, Outcome, Server, ServerConfig,
    client::{ConnectError, SubscribeError},
    session::Drain,
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

#[tokio::test]
async fn calls_are_answered_in_both_formats() {
    let (server, _) = lab();
    for format in Format::ALL {
        let client = connect(&server, format).await;
        assert_eq!(client.call(Echo { text: "hé\0".into() }).await.unwrap(), "hé\0");
        let refused = client.call(Refuse { why: "no".into() }).await.unwrap_err();
        assert_eq!(refused, CallError::Rejected(Refusal { why: "no".into() }));
        assert_eq!(refused.outcome(), Outcome::Processed);
    }
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_own_call_and_nothing_else() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    let error = client.call(Panic {}).await.unwrap_err();
    let CallError::Fault(fault, Outcome::Unknown) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::Internal);
    assert_eq!(client.call(Echo { text: "still here".into() }).await.unwrap(), "still here");
}

#[tokio::test]
async fn bad_credentials_are_refused_and_the_client_stays_away() {
    let (server, _) = lab();
    for (token, code) in [
        (Some("wrong"), CloseCode::BAD_CREDENTIALS),
        (None, CloseCode::BAD_CREDENTIALS),
        (Some("panic"), CloseCode::INTERNAL),
    ] {
        let error = testing::connect(&server, token, Format::Json).await.unwrap_err();
        let ConnectError::Rejected(reject) = error else { panic!("{error:?}") };
        assert_eq!(reject.close, code);
    }
    assert!(server.connections().iter().all(|connection| connection.principal.is_none()));
}

#[tokio::test]
async fn a_stream_brings_every_item_in_order_and_then_its_answer() {
    let (server, _) = lab();
    for format in Format::ALL {
        let client = connect(&server, format).await;
        let mut items = client.stream(Count { to: 500 });
        let mut seen = Vec::new();
        while let Some(item) = items.next().await {
            seen.push(item.unwrap());
        }
        assert_eq!(seen, (1..=500).collect::<Vec<_>>());
        assert_eq!(items.finish().await.unwrap(), 500);
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_stops_its_handler() {
    let (server, signs) = lab();
    let client = connect(&server, Format::MessagePack).await;
    let mut items = client.stream(Count { to: u32::MAX });
    assert_eq!(items.next().await.unwrap().unwrap(), 1);
    drop(items);
    signs.cancelled.notified().await;
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_at_the_server() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let task = tokio::spawn({
        let client = client.clone();
        async move { client.call(Wait {}).await }
    });
    signs.waiting.notified().await;
    task.abort();
    signs.cancelled.notified().await;

    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call(WaitUnlessCancelled {}).await }
    });
    signs.waiting.notified().await;
    call.abort();
    signs.cancelled.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_times_out_on_both_sides() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let error = client.call(Wait {}).timeout(Duration::from_millis(100)).await.unwrap_err();
    assert!(
        matches!(
            error,
            CallError::Timeout(Outcome::Unknown) | CallError::Fault(_, Outcome::Unknown)
        ),
        "{error:?}"
    );
    signs.cancelled.notified().await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_a_fault_and_the_connection_lives() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    let error = client.call(Large { bytes: 70_000 }).await.unwrap_err();
    let CallError::Fault(fault, _) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::TooLarge);
    let error = client.call(Echo { text: "x".repeat(70_000) }).await.unwrap_err();
    let CallError::Fault(fault, Outcome::NotSent) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::TooLarge);
    assert_eq!(client.call(Large { bytes: 60_000 }).await.unwrap().len(), 60_000);
}

#[tokio::test]
async fn events_reach_every_subscriber_in_one_order() {
    let (server, _) = lab();
    let speakers = join_all(Format::ALL.map(|format| connect(&server, format))).await;
    let mut halls = Vec::new();
    for client in &speakers {
        halls.push(client.subscribe(Hall { name: "a/b ü".into() }).await.unwrap());
    }
    let says = (0..200).map(|n| {
        let client = &speakers[n % 2];
        client.call(Say { hall: "a/b ü".into(), text: n.to_string() }).into_future()
    });
    let (answers, heard) = tokio::join!(join_all(says), async {
        let mut heard = Vec::new();
        for hall in &mut halls {
            let mut texts = Vec::new();
            while texts.len() < 200 {
                match hall.next().await.unwrap() {
                    Ok(HallEvent::Said { text }) => texts.push(text),
                    other => panic!("{other:?}"),
                }
            }
            heard.push(texts);
        }
        heard
    });
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(heard[0], heard[1]);
}

#[tokio::test]
async fn a_slow_subscriber_is_served_from_the_log_and_told_what_it_missed() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    let mut hall = client.subscribe(Hall { name: "x".into() }).await.unwrap().manual_ack();
    // The window is 256 and the log keeps 8.
    for n in 0..400 {
        let said = HallEvent::Said { text: n.to_string() };
        server.publish(Hall { name: "x".into() }, &said).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut last = 0;
    let mut missed = 0;
    while last < 400 {
        match hall.next().await.unwrap() {
            Ok(held) => {
                assert_eq!(held.off, last + 1);
                last = held.off;
                held.ack();
            }
            Err(Gap::Lost { after: Some(after), until: Some(until) }) => {
                assert_eq!(after, last);
                missed += until - after;
                last = until;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(missed > 0, "the log is shorter than what was missed");
}

#[tokio::test]
async fn who_may_not_listen_or_speak_is_told_so() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    let denied = client.subscribe(Secret).await.unwrap_err();
    assert!(matches!(&denied, SubscribeError::Refused(f) if f.code == FaultCode::Forbidden));
    let said = HallEvent::Said { text: "hi".into() };
    let error = client.publish(Hall { name: "shut".into() }, &said).await.unwrap_err();
    assert!(matches!(&error, CallError::Fault(f, _) if f.code == FaultCode::Forbidden));
    let position = client.publish(Hall { name: "open".into() }, &said).await.unwrap();
    assert_eq!(position.unwrap().off, 1);
    let _hall = client.subscribe(Hall { name: "open".into() }).await.unwrap();
    let again = client.subscribe(Hall { name: "open".into() }).await.unwrap_err();
    assert_eq!(again, SubscribeError::AlreadySubscribed);
}

#[tokio::test]
async fn a_dropped_subscription_can_be_made_again() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    for n in 0..20 {
        let mut hall = client.subscribe(Hall { name: "x".into() }).await.unwrap();
        let text = n.to_string();
        let said = HallEvent::Said { text: text.clone() };
        server.publish(Hall { name: "x".into() }, &said).await.unwrap();
        assert_eq!(hall.next().await.unwrap().unwrap(), HallEvent::Said { text });
    }
}

#[tokio::test]
async fn best_effort_events_arrive_when_nobody_is_behind() {
    let (server, _) = lab();
    let client = connect(&server, Format::MessagePack).await;
    let mut ticks = client.subscribe(Ticks).await.unwrap();
    for n in 0..10 {
        server.publish(Ticks, &Tick::Ticked { n }).await.unwrap();
        assert_eq!(ticks.next().await.unwrap().unwrap(), Tick::Ticked { n });
    }
}

#[tokio::test]
async fn clients_come_back_after_a_lost_server_and_subscriptions_go_on() {
    let (server, _) = lab();
    let bound = server.bind("127.0.0.1:0").await.unwrap();
    let address = bound.local_addr().unwrap();
    let serving = tokio::spawn(bound.serve());
    let backoff = ws_runtime::client::Backoff::default();
    let mut quick = backoff.clone();
    quick.base = Duration::from_millis(20);
    let client = Client::<Lab>::builder(format!("ws://{address}/any"))
        .token(|| async { "ann".to_owned() })
        .reconnect(quick)
        .connect()
        .await
        .unwrap();
    let mut hall = client.subscribe(Hall { name: "x".into() }).await.unwrap();
    assert_eq!(client.call(Echo { text: "1".into() }).await.unwrap(), "1");

    let soon = (Duration::ZERO, Duration::from_millis(20));
    let drain = Drain { retry_after: soon, endpoint: None, patience: Duration::from_secs(1) };
    server.drain(drain).await;
    serving.await.unwrap();
    let (second, _) = lab();
    let bound = second.bind(address).await.unwrap();
    let serving = tokio::spawn(bound.serve());
    // Asked while away: it waits for the connection.
    assert_eq!(client.call(Echo { text: "2".into() }).await.unwrap(), "2");
    assert!(matches!(hall.next().await.unwrap(), Err(Gap::Restarted(_))));
    let said = HallEvent::Said { text: "back".into() };
    second.publish(Hall { name: "x".into() }, &said).await.unwrap();
    assert_eq!(hall.next().await.unwrap().unwrap(), said);
    client.close().await;
    serving.abort();
}

#[tokio::test]
async fn an_address_nobody_listens_on_is_said_at_once() {
    let error = Client::<Lab>::builder("ws://127.0.0.1:1/").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn kicked_clients_stay_away() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    assert_eq!(server.kick("ann", "enough"), 1);
    let mut state = client.state();
    let closed = state.wait_for(|state| matches!(state, ConnState::Closed(_))).await.unwrap();
    let ConnState::Closed(Some(ConnectError::Closed(closed))) = &*closed else { panic!() };
    assert_eq!((closed.code, closed.reason.as_str()), (CloseCode::KICKED, "enough"));
}

#[tokio::test]
async fn many_clients_over_real_sockets_in_both_formats() {
    let (server, _) = lab();
    let bound = server.bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", bound.local_addr().unwrap());
    tokio::spawn(bound.serve());
    let clients = (0..40).map(|n| {
        let builder = Client::<Lab>::builder(url.clone()).format(Format::ALL[n % 2]);
        builder.token(move || async move { format!("user-{n}") }).connect()
    });
    let clients: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(server.connections().len(), 40);
    let calls = clients.iter().flat_map(|client| {
        (0..50).map(move |n| client.call(Echo { text: n.to_string() }).into_future())
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let newer = clients[0].call(Newer {}).await;
    assert_eq!(newer, Ok(()));
    join_all(clients.into_iter().map(Client::close)).await;
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_with_the_name_of_the_field() {
    let mut config = ServerConfig::default();
    config.limits.window = 0;
    let error = Server::<Lab>::with_config(App::default(), config).unwrap_err();
    assert_eq!(error.to_string(), "window must be at least 1");
}
