//! How many sockets a server takes, and what the others meet.

use crate::support::{App, Lab};
use std::{net::SocketAddr, time::Duration};
#[cfg(target_os = "linux")]
use tokio::net::TcpSocket;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use ws_runtime::{Client, Server, ServerConfig, session::Drain};

/// Longer than any machine needs; only a hang reaches it.
const HANG: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3600);

/// How many sockets beyond the bound are told so.
const OVERFLOW: usize = 64;

async fn serving(config: ServerConfig) -> (Server<Lab>, SocketAddr) {
    let server = Server::<Lab>::with_config(App::default(), config).unwrap();
    let address = server.spawn("127.0.0.1:0").await.unwrap();
    (server, address)
}

fn places(max_connections: usize) -> ServerConfig {
    ServerConfig { max_connections, handshake_timeout: HOUR, ..ServerConfig::default() }
}

/// The answer to a GET, to the end of the connection.
async fn get(stream: TcpStream, path: &str) -> String {
    asked(stream, &format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")).await
}

/// The answer to an upgrade that is refused, to the end of the connection.
async fn refused(stream: TcpStream) -> String {
    let request = "GET / HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: wsp1.json\r\n\r\n";
    asked(stream, request).await
}

async fn asked(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(HANG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

async fn until_free(server: &Server<Lab>) {
    let is_free = async {
        while !format!("{server:?}").contains("connections: 0") {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANG, is_free).await.expect("a place is taken for ever");
}

async fn silent(server: SocketAddr) -> TcpStream {
    TcpStream::connect(server).await.unwrap()
}

/// From an address of this machine that is not the usual one.
#[cfg(target_os = "linux")]
async fn from_elsewhere(server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    socket.connect(server).await.unwrap()
}

#[tokio::test]
async fn sockets_that_say_nothing_take_places_and_the_next_is_told_503() {
    let (_server, address) = serving(places(2)).await;
    let _silent = [silent(address).await, silent(address).await];
    let answer = refused(silent(address).await).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
    let health = get(silent(address).await, "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200 ") && health.ends_with("ok\n"), "{health}");
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed_and_gives_its_place_back() {
    let handshake_timeout = Duration::from_millis(50);
    let (server, address) = serving(ServerConfig { handshake_timeout, ..places(1) }).await;
    for begun in ["", "GET / HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nHost: lab\r\n\r\n"] {
        let mut stream = silent(address).await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        // An answer or none: then the end.
        let mut answer = Vec::new();
        timeout(HANG, stream.read_to_end(&mut answer)).await.expect("it is left open").unwrap();
        until_free(&server).await;
    }
}

#[tokio::test]
async fn a_request_that_drips_is_cut() {
    let handshake_timeout = Duration::from_millis(50);
    let (server, address) = serving(ServerConfig { handshake_timeout, ..places(1) }).await;
    let mut stream = silent(address).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    let drip = async {
        while stream.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(HANG, drip).await.expect("whoever is slow stays for ever");
    until_free(&server).await;
}

#[tokio::test]
async fn beyond_the_few_that_are_told_a_socket_is_dropped() {
    let (_server, address) = serving(places(1)).await;
    let mut held = Vec::new();
    for _ in 0..=OVERFLOW {
        held.push(silent(address).await);
    }
    let mut dropped = silent(address).await;
    let read = timeout(HANG, dropped.read_u8()).await.expect("it neither speaks nor closes");
    assert!(read.is_err(), "it is not told anything");
}

#[tokio::test]
async fn an_upgrade_takes_the_place_of_its_socket_along() {
    let (server, address) = serving(places(1)).await;
    let client = Client::<Lab>::builder(format!("ws://{address}/"))
        .token(|| async { "ann".to_owned() })
        .connect()
        .await
        .unwrap();
    assert!(format!("{server:?}").contains("connections: 1"), "{server:?}");
    let answer = refused(silent(address).await).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    client.close().await;
    until_free(&server).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_storm_from_one_address_keeps_out_nobody_else() {
    let max_connections_per_address = Some(2);
    let config = ServerConfig { max_connections_per_address, ..places(3) };
    let (_server, address) = serving(config).await;
    let _storm = [silent(address).await, silent(address).await];
    let answer = refused(silent(address).await).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
    let health = get(from_elsewhere(address).await, "/healthz").await;
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    let answer = get(from_elsewhere(address).await, "/").await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "it has a place: {answer}");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_who_says_nothing() {
    let (server, address) = serving(places(8)).await;
    let mut silent = silent(address).await;
    while !format!("{server:?}").contains("connections: 1") {
        tokio::task::yield_now().await;
    }
    let (patience, retry_after) = (HOUR, (Duration::ZERO, Duration::ZERO));
    let drained = server.drain(Drain { retry_after, endpoint: None, patience });
    timeout(HANG, drained).await.expect("it waits for a request");
    assert!(silent.read_u8().await.is_err(), "closed");
}
