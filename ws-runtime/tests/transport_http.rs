//! Real sockets: a bare hyper server and an axum server, and a client that asks them.
#![cfg(all(feature = "client", feature = "server"))]

use axum::{Router, extract::Request, routing};
use http::Response;
use http_body_util::Full;
use hyper::{body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, future::poll_fn, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use ws_proto::{CloseCode, Format, Secret};
use ws_runtime::transport::{
    Received, Transport,
    connect::{ConnectError, Target, connect},
    upgrade::{UpgradePolicy, upgrade},
};

// Longer than any machine needs; only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_bare_hyper_server_echoes_both_formats() {
    let address = hyper_server().await;
    for format in Format::ALL {
        assert_eq!(echoed(&target(address), format).await, format);
    }
}

#[tokio::test]
async fn an_axum_server_echoes_both_formats() {
    let address = axum_server().await;
    for format in Format::ALL {
        assert_eq!(echoed(&target(address), format).await, format);
    }
}

#[tokio::test]
async fn both_sides_agree_on_the_client_s_first_format() {
    let address = hyper_server().await;
    let mut target = target(address);
    target.formats = vec![Format::MessagePack, Format::Json];
    let transport = connect(&target).await.unwrap();
    assert_eq!(transport.format(), Format::MessagePack);
}

#[tokio::test]
async fn credentials_reach_the_server() {
    let mut target = target(hyper_server().await);
    target.bearer = Some(Secret::new("ünsagbar"));
    target.authorization = Some(Secret::new("Basic abc"));
    target.cookie = Some(Secret::new("sid=1"));
    let mut transport = connect(&target).await.unwrap();
    transport.start_send(b"who").unwrap();
    poll_fn(|cx| transport.poll_flush(cx)).await.unwrap();
    let answer = poll_fn(|cx| transport.poll_recv(cx)).await;
    assert_eq!(answer, Received::Message("ünsagbar|Basic abc|sid=1".into()));
}

#[tokio::test]
async fn a_refusal_is_an_http_answer_with_its_sentence() {
    let mut target = target(hyper_server().await);
    target.origin = Some("https://evil.example".to_owned());
    let error = connect(&target).await.map(|_| ()).unwrap_err();
    let ConnectError::Refused { status, message, retry_after } = error else { panic!("{error}") };
    assert_eq!((status, retry_after), (403, None));
    assert!(message.contains("origin"), "{message}");
}

#[tokio::test]
async fn a_plain_get_is_told_what_to_do() {
    let mut stream = TcpStream::connect(hyper_server().await).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(HANG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("This address speaks WebSocket"), "{answer}");
}

#[tokio::test]
async fn frames_behind_the_request_are_the_first_frames() {
    let mut stream = TcpStream::connect(hyper_server().await).await.unwrap();
    let request = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: wsp1.json\r\n\r\n\x81\x82\0\0\0\0{}";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x02{}") {
        let read = timeout(HANG, stream.read_buf(&mut answer)).await.unwrap().unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

#[tokio::test]
async fn a_target_that_cannot_work_is_refused_before_connecting() {
    let refused = |url: &'static str| async move {
        connect(&Target::new(url)).await.map(|_| ()).unwrap_err()
    };
    assert_eq!(refused("wss://chat.example").await, ConnectError::NoTls);
    for url in ["http://chat.example", "chat.example", "ws://", "", "ws://me:secret@chat.example"] {
        let error = refused(url).await;
        assert!(matches!(error, ConnectError::Target(_)), "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let mut no_format = Target::new("ws://chat.example");
    no_format.formats.clear();
    assert!(matches!(connect(&no_format).await, Err(ConnectError::Target(_))));
}

#[tokio::test]
async fn a_server_that_chooses_what_was_not_offered_is_not_believed() {
    for chosen in ["", "Sec-WebSocket-Protocol: wsp1.msgpack\r\n", "Sec-WebSocket-Protocol: x\r\n"]
    {
        let address = scripted(chosen).await;
        let mut target = target(address);
        target.formats = vec![Format::Json];
        let error = connect(&target).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, ConnectError::Protocol(_)), "{chosen}: {error}");
    }
}

#[test]
fn a_target_shows_no_secret() {
    let mut target = Target::new("ws://chat.example/ws?token=token-1");
    target.bearer = Some(Secret::new("token-2"));
    target.cookie = Some(Secret::new("token-3"));
    let shown = format!("{target:?}");
    assert!(shown.contains("ws://chat.example/ws") && !shown.contains("token-"), "{shown}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(&target(address)).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
}

fn target(address: SocketAddr) -> Target {
    Target::new(format!("ws://{address}/ws"))
}

/// Talks to an echo server in one format and closes; the format that was agreed.
async fn echoed(target: &Target, format: Format) -> Format {
    let mut target = target.clone();
    target.formats = vec![format];
    let mut transport = timeout(HANG, connect(&target)).await.unwrap().unwrap();
    for size in [0, 2, 300, target.limits.max_frame] {
        let message = Bytes::from(vec![b'x'; size]);
        poll_fn(|cx| transport.poll_ready(cx)).await.unwrap();
        transport.start_send(&message).unwrap();
        poll_fn(|cx| transport.poll_flush(cx)).await.unwrap();
        let answer = timeout(HANG, poll_fn(|cx| transport.poll_recv(cx))).await.unwrap();
        assert_eq!(answer, Received::Message(message), "{size} bytes");
    }
    let bye = Some((CloseCode::NORMAL, "bye"));
    timeout(HANG, poll_fn(|cx| transport.poll_close(cx, bye))).await.unwrap();
    transport.format()
}

async fn hyper_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(|mut request: http::Request<Incoming>| async move {
                Ok::<Response<Full<Bytes>>, Infallible>(answer(&mut request))
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    address
}

async fn axum_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ws = async |mut request: Request| answer::<_, axum::body::Body>(&mut request);
    let app = Router::new().route("/ws", routing::get(ws));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// A server that upgrades everything, with these headers.
async fn scripted(headers: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        let request = String::from_utf8(request).unwrap();
        let key = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
        let key =
            key.or_else(|| request.lines().find_map(|l| l.strip_prefix("Sec-WebSocket-Key: ")));
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(
            key.expect("a client sends a key").as_bytes(),
        );
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Until the client gives up.
        stream.read_buf(&mut Vec::new()).await.unwrap();
    });
    address
}

fn answer<B, R: Default + From<String>>(request: &mut http::Request<B>) -> Response<R> {
    match upgrade(request, &UpgradePolicy::default()) {
        Err(refusal) => refusal.response(),
        Ok(upgrade) => {
            let response = upgrade.response();
            let seen = upgrade.credentials.clone();
            let who = [seen.bearer, seen.authorization, seen.cookie]
                .map(|secret| secret.unwrap_or_default().expose().to_owned())
                .join("|");
            tokio::spawn(async move { echo(upgrade.transport().await.unwrap(), who.into()).await });
            response
        }
    }
}

async fn echo(mut transport: Box<dyn Transport>, who: Bytes) {
    while let Received::Message(message) = poll_fn(|cx| transport.poll_recv(cx)).await {
        let answer = if message == "who" { who.clone() } else { message };
        poll_fn(|cx| transport.poll_ready(cx)).await.unwrap();
        transport.start_send(&answer).unwrap();
        poll_fn(|cx| transport.poll_flush(cx)).await.unwrap();
    }
    poll_fn(|cx| transport.poll_close(cx, None)).await;
}
