//! Uploads of a typed client to a typed server, in memory and in simulated time.

use crate::support::{App, Echo, Hoard, Lab, Refusal, Signs, Sum};
use std::{sync::Arc, time::Duration};
use ws_proto::{Credentials, FaultCode, Format, Limits};
use ws_runtime::{
    CallError, Client, Outcome, Server, testing,
    transport::{Transport, memory},
};

fn lab() -> (Server<Lab>, Arc<Signs>) {
    let app = App::default();
    let signs = Arc::clone(&app.0);
    (Server::new(app), signs)
}

async fn connect(server: &Server<Lab>, format: Format) -> Client<Lab> {
    testing::connect(server, Some("ann"), format).await.expect("the server takes ann in")
}

#[tokio::test(start_paused = true)]
async fn every_part_arrives_once_and_in_order_and_the_answer_follows_the_end() {
    let (server, _) = lab();
    for format in Format::ALL {
        let client = connect(&server, format).await;
        let mut upload = client.upload(Sum { until: None });
        for n in 1..=500 {
            upload.send(&n).await.unwrap();
        }
        assert_eq!(upload.finish().await.unwrap(), 500 * 501 / 2);
        assert_eq!(client.upload(Sum { until: None }).finish().await.unwrap(), 0, "no part at all");
    }
}

#[tokio::test(start_paused = true)]
async fn several_uploads_of_one_client_run_beside_each_other() {
    let (server, _) = lab();
    let client = connect(&server, Format::MessagePack).await;
    let sums = (1..=20).map(|times| {
        let mut upload = client.upload(Sum { until: None });
        async move {
            for _ in 0..100 {
                upload.send(&times).await.unwrap();
            }
            upload.finish().await.unwrap()
        }
    });
    let sums = futures_util::future::join_all(sums).await;
    assert_eq!(sums, (1..=20).map(|times| times * 100).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_answer_before_the_end_is_told_to_the_sender() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    let mut upload = client.upload(Sum { until: Some(5) });
    let mut sent = 0;
    while !upload.is_over() {
        sent += 1;
        upload.send(&5).await.unwrap();
    }
    assert!(sent <= 17, "{sent} parts went to a request that was answered");
    assert_eq!(upload.finish().await.unwrap(), 5);
}

#[tokio::test]
async fn a_typed_error_before_the_end_stops_the_sender_and_is_said_again_at_the_end() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    let mut upload = client.upload(Sum { until: Some(0) });
    let error = loop {
        if let Err(error) = upload.send(&0).await {
            break error;
        }
    };
    let refused = CallError::Rejected(Refusal { why: "zero".into() });
    assert_eq!(error, refused);
    assert_eq!(upload.send(&0).await, Err(refused.clone()));
    assert_eq!(upload.finish().await, Err(refused));
}

#[tokio::test]
async fn an_upload_that_is_dropped_ends_for_its_handler() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let mut upload = client.upload(Sum { until: None });
    upload.send(&1).await.unwrap();
    drop(upload);
    signs.cancelled.notified().await;
}

#[tokio::test]
async fn a_lost_client_ends_its_upload_for_the_handler() {
    let app = App::default();
    let signs = Arc::clone(&app.0);
    let config = ws_runtime::ServerConfig {
        session_ttl: Duration::ZERO,
        ..ws_runtime::ServerConfig::default()
    };
    let server = Server::<Lab>::with_config(app, config).unwrap();
    let client = connect(&server, Format::Json).await;
    let mut upload = client.upload(Sum { until: None });
    upload.send(&1).await.unwrap();
    client.close().await;
    signs.cancelled.notified().await;
    let error = upload.finish().await.unwrap_err();
    assert_eq!(error, CallError::Disconnected(Outcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_an_upload_on_both_sides() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let mut upload = client.upload(Sum { until: None }).timeout(Duration::from_millis(100));
    upload.send(&1).await.unwrap();
    signs.cancelled.notified().await;
    let error = upload.finish().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_read_stops_the_sender_and_nothing_else() {
    let (server, signs) = lab();
    let client = connect(&server, Format::Json).await;
    let mut upload = client.upload(Hoard {}).timeout(Duration::from_secs(300));
    let mut sent = 0;
    let error = loop {
        match upload.send(&"x".repeat(10_000)).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        if sent == 1 {
            signs.waiting.notified().await;
            let echoed = client.call(Echo { text: "beside it".into() }).await;
            assert_eq!(echoed.unwrap(), "beside it");
        }
    };
    // One was read, and the window holds eight.
    assert!(sent <= 9, "{sent} parts were taken");
    // The connection has lived through many heartbeats.
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    assert_eq!(client.call(Echo { text: "after it".into() }).await.unwrap(), "after it");
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test]
async fn a_part_that_is_too_large_is_a_fault_and_the_connection_lives() {
    let (server, _) = lab();
    let client = connect(&server, Format::Json).await;
    let mut upload = client.upload(Hoard {});
    upload.send(&"x".repeat(70_000)).await.unwrap();
    let error = upload.finish().await.unwrap_err();
    let CallError::Fault(fault, Outcome::Unknown) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::TooLarge);
    assert_eq!(client.call(Echo { text: "still here".into() }).await.unwrap(), "still here");
}

/// The same request, but other parts.
mod newer {
    use ws_proto::{Protocol, Requests};

    #[derive(Protocol)]
    #[protocol(name = "lab", version = 3, requests = NewerRequest)]
    pub(crate) struct Newer;

    #[derive(Debug, Requests)]
    pub(crate) enum NewerRequest {
        #[rpc(reply = u32, upload = String)]
        Sum,
    }
}

#[tokio::test]
async fn a_part_of_another_type_is_the_fault_of_the_client_and_ends_the_upload() {
    let (server, signs) = lab();
    let connector = server.clone();
    let client = Client::<newer::Newer>::builder("ws://memory")
        .token(|| async { "ann".to_owned() })
        .connector(move |format| {
            let server = connector.clone();
            Box::pin(async move {
                let (ours, theirs) = memory::pair(format, &Limits::default());
                let credentials = Credentials::default();
                tokio::spawn(async move { server.serve(Box::new(theirs), credentials).await });
                let ours: Box<dyn Transport> = Box::new(ours);
                Ok(ours)
            })
        })
        .connect()
        .await
        .unwrap();
    let mut upload = client.upload(newer::Sum {});
    upload.send(&"no number".to_owned()).await.unwrap();
    signs.cancelled.notified().await;
    let error = upload.finish().await.unwrap_err();
    let CallError::Fault(fault, Outcome::Unknown) = error else { panic!("{error:?}") };
    assert_eq!(fault.code, FaultCode::Invalid);
}
