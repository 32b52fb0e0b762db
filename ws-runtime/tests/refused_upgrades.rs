//! What stands before a server, or in its place, may answer an upgrade with any HTTP status: the
//! client says which one it was, and comes back only where that can help.
#![cfg(all(feature = "client", feature = "server"))]

use crate::support::Lab;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use ws_runtime::{
    Client, ConnState,
    client::{Backoff, ConnectError},
    transport::connect::{self, Target},
};

/// Longer than any machine needs; only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

/// Statuses, and whether a client comes back after them.
const STATUSES: [(u16, bool); 12] = [
    (200, false),
    (204, false),
    (301, false),
    (307, false),
    (401, false),
    (403, false),
    (404, false),
    (426, false),
    (429, true),
    (500, true),
    (502, true),
    (503, true),
];

/// An HTTP answerer that gives every request the same status, and counts.
struct Answerer {
    address: SocketAddr,
    requests: Arc<AtomicU32>,
}

impl Answerer {
    async fn start(status: u16, headers: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<AtomicU32>::default();
        let counted = Arc::clone(&requests);
        // A redirect that is followed would be counted as one more request.
        let answer = format!(
            "HTTP/1.1 {status} Whatever\r\nLocation: http://{address}/elsewhere\r\n{headers}\
             Content-Length: 18\r\n\r\nsorry, it is {status}\n\n"
        );
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(give(stream, answer.clone()));
            }
        });
        Self { address, requests }
    }

    fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Answers each request of a connection.
async fn give(mut stream: TcpStream, answer: String) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            // A client that left needs no answer.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}

fn backoff(max_attempts: u32) -> Backoff {
    let mut quick = Backoff::default();
    quick.base = Duration::from_millis(1);
    quick.max = Duration::from_millis(2);
    quick.max_attempts = max_attempts;
    quick
}

/// How a client ends that connects behind its handle.
async fn end(url: String, backoff: Backoff) -> ConnectError {
    let client = Client::<Lab>::builder(url).reconnect(backoff).connect_lazy();
    let mut state = client.state();
    let is_over = |state: &ConnState| matches!(state, ConnState::Closed(_));
    let over = timeout(HANG, state.wait_for(is_over)).await.expect("the client never ends");
    let ConnState::Closed(Some(error)) = over.unwrap().clone() else { panic!("no reason") };
    error
}

#[tokio::test]
async fn every_status_is_said_as_it_is() {
    for (status, _) in STATUSES {
        let answerer = Answerer::start(status, "").await;
        let error = connect::connect(&Target::new(answerer.url())).await.map(drop).unwrap_err();
        let connect::ConnectError::Refused { status: said, message, .. } = error else {
            panic!("{status}: {error}")
        };
        assert_eq!((said, message), (status, format!("sorry, it is {status}")));
        let first = Client::<Lab>::builder(answerer.url()).connect().await.map(drop).unwrap_err();
        let message = format!("sorry, it is {status}");
        assert_eq!(first, ConnectError::Refused { status, message });
        assert_eq!(answerer.requests(), 2, "{status}: a redirect was followed");
    }
}

#[tokio::test]
async fn a_client_comes_back_only_after_what_may_pass() {
    for (status, is_passing) in STATUSES {
        let answerer = Answerer::start(status, "").await;
        let error = end(answerer.url(), backoff(3)).await;
        if is_passing {
            let ConnectError::GaveUp { attempts: 3, last } = &error else {
                panic!("{status}: {error}")
            };
            assert!(last.contains(&format!("HTTP {status}")), "{last}");
            assert_eq!(answerer.requests(), 4, "{status}");
        } else {
            assert!(
                matches!(error, ConnectError::Refused { status: said, .. } if said == status),
                "{status}: {error}"
            );
            assert_eq!(answerer.requests(), 1, "{status}");
        }
    }
}

#[tokio::test]
async fn a_client_that_is_told_when_to_come_back_waits_for_longer() {
    let answerer = Answerer::start(503, "Retry-After: 100\r\n").await;
    let client = Client::<Lab>::builder(answerer.url()).reconnect(backoff(3)).connect_lazy();
    let mut state = client.state();
    let waits = |state: &ConnState| matches!(state, ConnState::Waiting { .. });
    let waiting = timeout(HANG, state.wait_for(waits)).await.expect("it never waits").unwrap();
    let ConnState::Waiting { delay, .. } = &*waiting else { panic!("{waiting:?}") };
    assert!((100..=101).contains(&delay.as_secs()), "{delay:?}");
}
