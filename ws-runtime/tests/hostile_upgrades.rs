//! HTTP requests that never end, end too slowly, or are far too large, before there is any
//! connection: each is cut by the deadline or refused at a bounded cost, and others are served.
#![cfg(all(feature = "client", feature = "server"))]

#[path = "support/frames.rs"]
mod frames;
#[path = "support/peer.rs"]
#[expect(dead_code, reason = "a peer can do more than be taken in")]
mod peer;
mod support;

use futures_util::future::join_all;
use peak_alloc::PeakAlloc;
use peer::{HANG, Peer};
use std::{net::SocketAddr, time::Duration};
use support::{App, Lab};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use ws_proto::Format;
use ws_runtime::{
    Client, ConnState, Server, ServerConfig,
    client::Backoff,
    transport::connect::{ConnectError, Target, connect},
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;
/// One at a time: the allocator counts for all of them.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: wsp1.json\r\n";
/// What a server that is in a hurry gives an upgrade and a hello.
const HURRY: Duration = Duration::from_millis(500);

async fn server(handshake_timeout: Duration) -> SocketAddr {
    let config = ServerConfig { handshake_timeout, ..ServerConfig::default() };
    let server = Server::<Lab>::with_config(App::default(), config).unwrap();
    server.spawn("127.0.0.1:0").await.unwrap()
}

/// What the server says before it closes or resets the connection.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = timeout(HANG, stream.read_to_end(&mut answer)).await.expect("never closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_that_stands_still_is_closed() {
    let _turn = TURN.lock().await;
    let server = server(HURRY).await;
    let unfinished = ["", "G", "GET / HTTP/1.1\r\n", UPGRADE];
    join_all(unfinished.map(|request| async move {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let said = answer(&mut stream).await;
        assert!(!said.starts_with("HTTP/1.1 1"), "{request:?}: {said}");
    }))
    .await;
}

#[tokio::test]
async fn a_connection_that_asks_once_and_stays_is_closed() {
    let _turn = TURN.lock().await;
    let mut stream = TcpStream::connect(server(HURRY).await).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n").await.unwrap();
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 426"));
}

#[tokio::test]
async fn a_request_in_drips_is_cut_by_the_deadline() {
    let _turn = TURN.lock().await;
    let mut stream = TcpStream::connect(server(HURRY).await).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reading, mut writing) = stream.split();
    let drips = async {
        // Each byte is a sign of life, and the request would take longer than any deadline.
        for byte in UPGRADE.bytes().chain(std::iter::repeat(b'x')) {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(HURRY / 20).await;
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        () = drips => {}
        ended = timeout(HANG, reading.read_to_end(&mut said)) => {
            // A reset is an end too.
            let _ = ended.expect("kept alive by drips");
        }
    }
    let said = String::from_utf8_lossy(&said);
    assert!(!said.starts_with("HTTP/1.1 1"), "{said}");
}

#[tokio::test]
async fn a_header_of_a_mebibyte_is_refused_at_a_bounded_cost() {
    let _turn = TURN.lock().await;
    let server = server(Duration::from_secs(60)).await;
    // What is made once is not what is measured.
    drop(Peer::upgraded(server, Format::Json).await);
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    stream.write_all(b"X-Long: ").await.unwrap();
    let piece = [b'x'; 4096];
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let (mut reading, mut writing) = stream.split();
    let write = async {
        for _ in 0..256 {
            if writing.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    let mut said = [0; 12];
    let (read, ()) = tokio::join!(timeout(HANG, reading.read(&mut said)), write);
    // The answer is lost where what was not read resets the connection.
    if read.expect("neither refused nor closed").is_ok_and(|read| read > 0) {
        assert_eq!(&said, b"HTTP/1.1 431");
    }
    let cost = HEAP.peak_usage() - before;
    assert!(cost < 64 * 1024, "{cost} bytes for a header that was refused");
    drop(Peer::welcomed(server, Format::Json).await);
}

#[tokio::test]
async fn a_hundred_and_twenty_five_headers_are_refused() {
    let _turn = TURN.lock().await;
    let server = server(Duration::from_secs(60)).await;
    let headers = "X-One: more\r\n".repeat(125);
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(format!("{UPGRADE}{headers}\r\n").as_bytes()).await.unwrap();
    let said = answer(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    drop(Peer::welcomed(server, Format::Json).await);
}

/// A server that reads one request of each connection and answers with these bytes, over and over
/// where they are to be repeated, and then stands still.
async fn answering(head: &'static str, repeated: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let repeated = repeated.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.is_ok_and(|read| read == 0) {
                        return;
                    }
                }
                let mut is_heard = stream.write_all(head.as_bytes()).await.is_ok();
                while let (true, Some(more)) = (is_heard, &repeated) {
                    is_heard = stream.write_all(more.as_bytes()).await.is_ok();
                }
                // Until the client gives up.
                let _ = stream.read_buf(&mut request).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_client_gives_up_an_upgrade_that_stands_still_and_tries_again() {
    let _turn = TURN.lock().await;
    for head in ["", "H", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"] {
        let mut quick = Backoff::default();
        quick.base = Duration::from_millis(1);
        let client = Client::<Lab>::builder(format!("ws://{}/", answering(head, None).await))
            .attempt_timeout(Duration::from_millis(100))
            .reconnect(quick)
            .connect_lazy();
        let mut state = client.state();
        let second = |state: &ConnState| matches!(state, ConnState::Connecting { attempt: 3 });
        let tried = timeout(HANG, state.wait_for(second)).await;
        tried.expect("it waits for ever").unwrap();
    }
}

#[tokio::test]
async fn a_client_refuses_endless_answers_at_a_bounded_cost() {
    let _turn = TURN.lock().await;
    let endless = [
        ("HTTP/1.1 101 Switching Protocols\r\nX-Long: ", "x".repeat(4096)),
        ("HTTP/1.1 101 Switching Protocols\r\n", "X-Many: y\r\n".repeat(125)),
        ("HTTP/1.1 503 No\r\n\r\n", "a body for ever ".repeat(256)),
    ];
    for (head, more) in endless {
        let target = Target::new(format!("ws://{}/", answering(head, Some(more)).await));
        HEAP.reset_peak_usage();
        let before = HEAP.current_usage();
        let error = timeout(HANG, connect(&target)).await.expect(head).map(drop).unwrap_err();
        let cost = HEAP.peak_usage() - before;
        // And once the 64 KiB that all connections of a thread read into.
        assert!(cost < (256 + 64) * 1024, "{cost} bytes: {error}");
        assert!(!matches!(error, ConnectError::Target(_)), "{error}");
    }
}
