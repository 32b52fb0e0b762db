//! How connections begin on a server that listens alone. A whole upgrade in the first read is
//! answered without the HTTP server, and nobody can tell: each request is asked in one piece and in
//! two, of which the first is too short for that, and both are answered alike.
#![cfg(all(feature = "client", feature = "server"))]

use crate::{
    peer::{self, HANG, Peer},
    support::{App, Lab},
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
    time::timeout,
};
use ws_proto::Format;
use ws_runtime::{Server, ServerConfig, session::Drain, transport::upgrade::Origins};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wsp1.json\r\n";
/// Rounds of the runtime, in which the server reads what is there.
const ROUNDS: usize = 8;

async fn server() -> SocketAddr {
    Server::<Lab>::new(App::default()).spawn("127.0.0.1:0").await.unwrap()
}

/// Sends a request, cut at these places, and gives the status of the answer.
async fn asked(server: SocketAddr, request: &[u8], cuts: &[usize]) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut begin = 0;
    for end in cuts.iter().copied().chain([request.len()]) {
        // What is refused before its end may be reset.
        let _ = stream.write_all(&request[begin..end]).await;
        for _ in 0..ROUNDS {
            yield_now().await;
        }
        begin = end;
    }
    let mut status = [0; 12];
    timeout(HANG, stream.read_exact(&mut status)).await.expect("no answer").unwrap();
    String::from_utf8_lossy(&status).into_owned()
}

#[tokio::test]
async fn a_request_is_answered_alike_in_one_piece_and_in_two() {
    let server = server().await;
    let with = |lines: &str| format!("{UPGRADE}{lines}\r\n");
    let but = |from: &str, to: &str| with("").replace(from, to);
    let cases = [
        (101, with("")),
        (101, with("Content-Length: 0\r\n")),
        (101, with("Origin: http://lab\r\n")),
        (101, with(&"X-One: more\r\n".repeat(94))),
        // Longer than the first read.
        (101, with(&format!("Cookie: a={}\r\n", "x".repeat(6_000)))),
        (101, but("GET /ws", "GET http://lab/ws?x=1#y")),
        (400, with("Content-Length: 5\r\n") + "smugg"),
        (400, with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        (400, but("Host: lab\r\n", "")),
        (400, with("Host: lab\r\n")),
        (400, with("no colon\r\n")),
        (400, but("wsp1.json", "wsp2.json")),
        (400, but("ZQ==", "")),
        (403, with("Origin: http://evil.example\r\n")),
        (405, but("GET", "POST")),
        (426, but("Version: 13", "Version: 12")),
        (426, but("websocket", "h2c")),
        (431, with(&"X-One: more\r\n".repeat(95))),
        (431, with(&format!("Cookie: a={}\r\n", "x".repeat(20_000)))),
        (505, but("HTTP/1.1", "HTTP/1.0")),
        (200, but("/ws", "/healthz")),
    ];
    for (status, request) in cases {
        for cuts in [&[][..], &[1], &[request.len() - 1]] {
            let answer = asked(server, request.as_bytes(), cuts).await;
            let version = if status == 505 { "HTTP/1.0" } else { "HTTP/1.1" };
            assert_eq!(answer, format!("{version} {status}"), "cut at {cuts:?}: {request:.300}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_may_be_cut_anywhere() {
    let server = server().await;
    let request = format!("{UPGRADE}\r\n");
    for cut in 1..request.len() {
        assert_eq!(asked(server, request.as_bytes(), &[cut]).await, "HTTP/1.1 101", "at {cut}");
    }
}

#[tokio::test]
async fn frames_that_come_with_the_request_are_the_first_frames() {
    let server = server().await;
    for cuts in [&[][..], &[1], &[UPGRADE.len() + 10]] {
        // Only its frames are of use.
        let mut peer = Peer::upgraded(server, Format::Json).await;
        let hello = peer.hello();
        let request = [UPGRADE.as_bytes(), b"\r\n", &peer.framed(&hello)].concat();
        peer.stream = TcpStream::connect(server).await.unwrap();
        peer.stream.set_nodelay(true).unwrap();
        let mut begin = 0;
        for end in cuts.iter().copied().chain([request.len()]) {
            peer.stream.write_all(&request[begin..end]).await.unwrap();
            for _ in 0..ROUNDS {
                yield_now().await;
            }
            begin = end;
        }
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(timeout(HANG, peer.stream.read_u8()).await.unwrap().unwrap());
        }
        let peer::Seen::Envelope(envelope) = peer.next().await else { panic!("no welcome") };
        assert_eq!(envelope.head.kind, "$welcome", "{cuts:?}");
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_outlive_the_drain() {
    let config = ServerConfig { handshake_timeout: 2 * HANG, ..ServerConfig::default() };
    let server = Server::<Lab>::with_config(App::default(), config).unwrap();
    let address = server.spawn("127.0.0.1:0").await.unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    for _ in 0..ROUNDS {
        yield_now().await;
    }
    let drain =
        Drain { retry_after: (Duration::ZERO, HANG), endpoint: None, patience: Duration::ZERO };
    timeout(HANG, server.drain(drain)).await.expect("it waits for a client that says nothing");
    let end = timeout(HANG, silent.read(&mut [0; 1])).await.expect("it stays");
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn the_policy_of_the_server_holds_for_whole_requests() {
    let mut config = ServerConfig::default();
    config.upgrade.origins = Origins::listed(["https://app.example"]).unwrap();
    config.upgrade.allow_missing_origin = false;
    config.upgrade.hosts = vec!["lab".to_owned()];
    let server = Server::<Lab>::with_config(App::default(), config).unwrap();
    let server = server.spawn("127.0.0.1:0").await.unwrap();
    let ours = format!("{UPGRADE}Origin: https://app.example\r\n\r\n");
    for (status, request) in [
        (101, ours.clone()),
        (403, format!("{UPGRADE}\r\n")),
        (403, format!("{UPGRADE}Origin: http://lab\r\n\r\n")),
        (421, ours.replace("Host: lab", "Host: elsewhere")),
    ] {
        let answer = asked(server, request.as_bytes(), &[]).await;
        assert_eq!(answer, format!("HTTP/1.1 {status}"), "{request}");
    }
}
