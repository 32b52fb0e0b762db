//! Every transport passes the suite; sockets carry both formats.
#![cfg(all(feature = "client", feature = "server"))]

use std::{future::poll_fn, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use ws_proto::{Format, Limits};
use ws_runtime::transport::{Received, Transport, memory, suite, tungstenite::WebSocket};

// Longer than any machine needs; only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn memory_passes_the_suite() {
    let all = suite::run(async |format, limits| memory::pair(format, &limits));
    tokio::time::timeout(HANG, all).await.unwrap();
}

#[tokio::test]
async fn websocket_over_a_tiny_pipe_passes_the_suite() {
    let all = suite::run(async |format, limits| {
        let (client, server) = tokio::io::duplex(997);
        let client = WebSocket::client(client, format, &limits).await;
        (client, WebSocket::server(server, format, &limits).await)
    });
    tokio::time::timeout(HANG, all).await.unwrap();
}

#[tokio::test]
async fn websocket_over_tcp_passes_the_suite() {
    let all = suite::run(async |format, limits| {
        let (client, server) = sockets().await;
        let client = WebSocket::client(client, format, &limits).await;
        (client, WebSocket::server(server, format, &limits).await)
    });
    tokio::time::timeout(HANG, all).await.unwrap();
}

#[tokio::test]
async fn a_frame_of_the_other_kind_is_wrong_and_not_the_end() {
    for (mine, other) in [(Format::Json, Format::MessagePack), (Format::MessagePack, Format::Json)]
    {
        let (client, server) = tokio::io::duplex(4096);
        let limits = Limits::default();
        let mut client = WebSocket::client(client, other, &limits).await;
        let mut server = WebSocket::server(server, mine, &limits).await;
        for _ in 0..2 {
            client.start_send(b"{}").unwrap();
            poll_fn(|cx| client.poll_flush(cx)).await.unwrap();
            assert_eq!(poll_fn(|cx| server.poll_recv(cx)).await, Received::WrongKind);
        }
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    (client, server)
}
