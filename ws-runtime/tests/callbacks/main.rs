//! A server asks its clients: the same outcomes, whoever asks.

mod lab;

use crate::scissors::Scissors;
use futures_util::future::join_all;
use lab::{
    AskBack, Asking, AskingOnce, Busy, Confirm, Delete, Flaky, Gated, Greet, Guest,
    GuestRequestCall, House, Newer, Wait, WaitUnlessCancelled, builder, connected, only,
};
use std::{future::IntoFuture, sync::atomic::Ordering, time::Duration};
use tokio::sync::mpsc;
use ws_proto::{FaultCode, Format};
use ws_runtime::{
    CallError, Client, ConnState, Outcome, Server, ServerConfig, session::Drain, testing,
};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_handler_asks_its_caller_in_both_formats() {
    let server = Server::<Asking>::new(House);
    for format in Format::ALL {
        let (client, _, _) = connected(&server, &Guest::new(), format).await;
        assert_eq!(client.call(Delete { what: "a line".into() }).await, Ok(true));
        assert_eq!(client.call(Delete { what: "everything".into() }).await, Ok(false));
        client.close().await;
    }
}

#[tokio::test]
async fn a_server_asks_from_outside_and_gets_typed_answers() {
    let server = Server::<Asking>::new(House);
    let (_client, handle, _) = connected(&server, &Guest::new(), Format::MessagePack).await;
    assert_eq!(handle.call(Confirm { text: "go on?".into() }).await, Ok(true));
    let refused = handle.call(Confirm { text: "busy".into() }).await.unwrap_err();
    assert_eq!(refused, CallError::Rejected(Busy { why: "not now".into() }));
    assert_eq!(refused.outcome(), Outcome::Processed);
}

#[tokio::test]
async fn both_sides_ask_while_they_are_asked() {
    let server = Server::<Asking>::new(House);
    let guest = Guest::new();
    let (client, handle, _) = connected(&server, &guest, Format::Json).await;
    guest.signs.client.set(client).expect("set once");
    assert_eq!(handle.call(AskBack {}).await, Ok(true));
}

#[tokio::test]
async fn a_client_that_serves_nothing_says_so_and_the_connection_lives() {
    let server = Server::<Asking>::new(House);
    let client = testing::connect(&server, Some("ann"), Format::Json).await.unwrap();
    let error = only(&server).call(Confirm { text: "go on?".into() }).await.unwrap_err();
    let CallError::Fault(fault, Outcome::NotProcessed) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::Unimplemented);
    assert_eq!(client.call(Delete { what: "a line".into() }).await, Ok(false));
}

#[tokio::test]
async fn a_loop_serves_as_methods_do() {
    let server = Server::<Asking>::new(House);
    let (calls, mut asked) = mpsc::channel(1);
    let _client = testing::builder(&server)
        .token(|| async { "ann".to_owned() })
        .serve_loop(calls)
        .connect()
        .await
        .unwrap();
    let serving = tokio::spawn(async move {
        let Some(GuestRequestCall::Confirm(confirm, reply)) = asked.recv().await else {
            panic!("something else was asked")
        };
        reply.ok(confirm.text == "go on?");
    });
    let handle = only(&server);
    assert_eq!(handle.call(Confirm { text: "go on?".into() }).await, Ok(true));
    serving.await.unwrap();
    let error = handle.call(Confirm { text: "still there?".into() }).await.unwrap_err();
    let CallError::Fault(fault, Outcome::Unknown) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::Internal, "the loop has ended");
}

#[tokio::test]
async fn what_the_version_does_not_have_is_not_sent() {
    let server = Server::<Asking>::new(House);
    let other = server.clone();
    let _old = Client::<AskingOnce>::builder("ws://memory")
        .token(|| async { "ann".to_owned() })
        .connector(move |format| {
            let server = other.clone();
            Box::pin(async move {
                let (ours, theirs) =
                    ws_runtime::transport::memory::pair(format, &ws_proto::Limits::default());
                let credentials = ws_proto::Credentials::default();
                tokio::spawn(async move { server.serve(Box::new(theirs), credentials).await });
                let transport: Box<dyn ws_runtime::transport::Transport> = Box::new(ours);
                Ok(transport)
            })
        })
        .connect()
        .await
        .unwrap();
    let error = only(&server).call(Newer {}).await.unwrap_err();
    assert_eq!(error, CallError::Unsupported { kind: "newer", since: 2, negotiated: 1 });
}

#[tokio::test]
async fn a_request_that_failed_is_asked_again_where_that_is_safe() {
    let server = Server::<Asking>::new(House);
    let guest = Guest::new();
    let (_client, handle, _) = connected(&server, &guest, Format::Json).await;
    let error = handle.call(Flaky {}).await.unwrap_err();
    let CallError::Fault(fault, Outcome::Unknown) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::Internal);
    guest.signs.asked.store(0, Ordering::Relaxed);
    assert_eq!(handle.call(Flaky {}).retry(1).await, Ok(2));
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_at_the_client() {
    let server = Server::<Asking>::new(House);
    let guest = Guest::new();
    let (_client, handle, _) = connected(&server, &guest, Format::Json).await;
    let call = tokio::spawn(handle.call(Wait {}).into_future());
    guest.signs.waiting.notified().await;
    call.abort();
    guest.signs.cancelled.notified().await;
    let call = tokio::spawn(handle.call(WaitUnlessCancelled {}).into_future());
    guest.signs.waiting.notified().await;
    call.abort();
    guest.signs.cancelled.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_ends_on_both_sides() {
    let server = Server::<Asking>::new(House);
    let guest = Guest::new();
    let (_client, handle, _) = connected(&server, &guest, Format::Json).await;
    let error = handle.call(Wait {}).timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    guest.signs.cancelled.notified().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_not_sent() {
    let server = Server::<Asking>::new(House);
    let (_client, handle, _) = connected(&server, &Guest::new(), Format::Json).await;
    let error = handle.call(Confirm { text: "x".repeat(70_000) }).await.unwrap_err();
    let CallError::Fault(fault, Outcome::NotSent) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::TooLarge);
    assert_eq!(handle.call(Confirm { text: "go on?".into() }).await, Ok(true));
}

#[tokio::test]
async fn as_many_calls_are_out_as_the_limit_says_and_the_rest_waits() {
    let mut config = ServerConfig::default();
    config.limits.max_in_flight = 2;
    let server = Server::<Asking>::with_config(House, config).unwrap();
    let guest = Guest::new();
    let (client, handle, _) = connected(&server, &guest, Format::Json).await;
    let calls: Vec<_> =
        (0..50).map(|_| tokio::spawn(handle.call(Gated {}).into_future())).collect();
    while guest.signs.asked.load(Ordering::Relaxed) < 2 {
        guest.signs.waiting.notified().await;
    }
    // Whatever the server had sent is there before the answer to what it is asked now.
    assert_eq!(client.call(Greet {}).await, Ok(()));
    assert_eq!(guest.signs.asked.load(Ordering::Relaxed), 2);
    guest.gate.add_permits(50);
    let mut seen: Vec<_> =
        join_all(calls).await.into_iter().map(|it| it.unwrap().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=50).collect::<Vec<_>>(), "each was worked on once");
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_is_answered_once_after_a_resume() {
    for format in Format::ALL {
        let server = Server::<Asking>::new(House);
        let guest = Guest::new();
        let (_client, handle, scissors) = connected(&server, &guest, format).await;
        let call = tokio::spawn(handle.call(Gated {}).timeout(MINUTE).into_future());
        guest.signs.waiting.notified().await;
        scissors.cut();
        // Asked while the client is away, or just back.
        assert_eq!(handle.call(Confirm { text: "back?".into() }).timeout(MINUTE).await, Ok(true));
        guest.gate.add_permits(1);
        assert_eq!(call.await.unwrap(), Ok(1));
        assert_eq!(guest.signs.asked.load(Ordering::Relaxed), 1, "worked on once");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_survive_any_number_of_cuts() {
    let server = Server::<Asking>::new(House);
    let guest = Guest::new();
    guest.gate.add_permits(200);
    let (_client, handle, scissors) = connected(&server, &guest, Format::MessagePack).await;
    let cutting = tokio::spawn(async move {
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(7)).await;
            scissors.cut();
        }
    });
    let calls = (0..200).map(|n| {
        let handle = handle.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(n)).await;
            handle.call(Gated {}).timeout(MINUTE).await.unwrap()
        }
    });
    let mut seen = join_all(calls).await;
    seen.sort_unstable();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>(), "each was worked on once");
    cutting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_ends_its_calls_with_what_is_known() {
    let config = ServerConfig { session_ttl: Duration::from_millis(5), ..Default::default() };
    let server = Server::<Asking>::with_config(House, config).unwrap();
    let guest = Guest::new();
    let (client, handle, scissors) = connected(&server, &guest, Format::Json).await;
    let under_way = tokio::spawn(handle.call(Wait {}).into_future());
    guest.signs.waiting.notified().await;
    let mut state = client.state();
    scissors.cut();
    state.wait_for(|state| matches!(state, ConnState::Waiting { .. })).await.unwrap();
    let waiting = handle.call(Wait {}).await.unwrap_err();
    assert_eq!(waiting, CallError::Disconnected(Outcome::NotSent));
    let under_way = under_way.await.unwrap().unwrap_err();
    assert_eq!(under_way, CallError::Disconnected(Outcome::Unknown));
    // The client learns from the next welcome that nobody waits for the answer.
    guest.signs.cancelled.notified().await;
    assert_eq!(handle.call(Wait {}).await, Err(CallError::Disconnected(Outcome::NotSent)));
    assert_eq!(only(&server).call(Confirm { text: "new?".into() }).await, Ok(true));
}

#[tokio::test]
async fn a_client_that_closes_ends_the_calls_and_its_handlers() {
    let server = Server::<Asking>::new(House);
    let guest = Guest::new();
    let (client, handle, _) = connected(&server, &guest, Format::Json).await;
    let call = tokio::spawn(handle.call(Wait {}).into_future());
    guest.signs.waiting.notified().await;
    client.close().await;
    assert_eq!(call.await.unwrap(), Err(CallError::Disconnected(Outcome::Unknown)));
    guest.signs.cancelled.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_for_answers_as_long_as_its_patience() {
    for opens in [true, false] {
        let server = Server::<Asking>::new(House);
        let guest = Guest::new();
        let (_client, handle, _) = connected(&server, &guest, Format::Json).await;
        let call = tokio::spawn(handle.call(Gated {}).timeout(MINUTE).into_future());
        guest.signs.waiting.notified().await;
        let patience = Duration::from_secs(2);
        let retry_after = (patience, patience);
        let stopping = server.clone();
        let stopping = tokio::spawn(async move {
            stopping.drain(Drain { retry_after, endpoint: None, patience }).await;
        });
        guest.gate.add_permits(usize::from(opens));
        let answer = call.await.unwrap();
        if opens {
            assert_eq!(answer, Ok(1));
        } else {
            assert_eq!(answer, Err(CallError::Disconnected(Outcome::Unknown)));
        }
        stopping.await.unwrap();
    }
}

#[tokio::test]
async fn a_kicked_client_is_not_waited_for() {
    let server = Server::<Asking>::new(House);
    let guest = Guest::new();
    let scissors = Scissors::default();
    let _client =
        builder(&server, &scissors, Format::Json).serve(guest.clone()).connect().await.unwrap();
    let call = tokio::spawn(only(&server).call(Wait {}).into_future());
    guest.signs.waiting.notified().await;
    assert_eq!(server.kick("ann", "enough"), 1);
    assert_eq!(call.await.unwrap(), Err(CallError::Disconnected(Outcome::Unknown)));
    guest.signs.cancelled.notified().await;
}
