//! A connection on which nothing moves any more, wherever it stands still: in the hello, in a
//! frame, in a message, in the goodbye. Each has its own deadline, on both sides. The bytes are
//! those of WebSocket; the clock is a virtual one.

use crate::frames::masked;
use crate::support::{App, Lab};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};
use ws_proto::{Credentials, Envelope, Format, Frame, Head, IdSource, Limits, Raw};
use ws_runtime::{
    Client, ConnState, Server, ServerConfig,
    client::Backoff,
    transport::{Transport, tungstenite::WebSocket},
};

const HELLO: Duration = Duration::from_secs(5);
/// Interval and timeout of the heartbeat.
const SILENCE: Duration = Duration::from_secs(40);
/// The same with the shortest interval that a server tells its clients.
const SHORTEST: Duration = Duration::from_secs(34);
/// What the other side's half of a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What one direction of a connection holds.
const STREAM: usize = 8 * 1024;

/// One end of a connection, byte by byte.
struct Peer {
    stream: DuplexStream,
    since: Instant,
}

impl Peer {
    fn new(stream: DuplexStream) -> Self {
        Self { stream, since: Instant::now() }
    }

    /// A client of a server that keeps no sessions. The task ends when nothing is left of the
    /// connection.
    async fn of_server(server: &Server<Lab>) -> (Self, JoinHandle<()>) {
        let (ours, theirs) = duplex(STREAM);
        let transport = WebSocket::server(theirs, Format::Json, &Limits::default()).await;
        let server = server.clone();
        let serving = tokio::spawn(async move {
            server.serve(Box::new(transport), Credentials::default()).await;
        });
        (Self::new(ours), serving)
    }

    /// The same after the welcome.
    async fn welcomed(server: &Server<Lab>) -> (Self, JoinHandle<()>) {
        let (mut peer, serving) = Self::of_server(server).await;
        let hello = json!({"protocol": "lab", "version": [1, 3], "auth": {"token": "eve"}});
        peer.write(&masked(0x81, &message("$hello", &hello))).await;
        assert!(peer.read_until("$welcome").await);
        (peer, serving)
    }

    /// What follows stands still from here on.
    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.since = Instant::now();
    }

    /// Reads until a text was there; false when the stream ends before.
    async fn read_until(&mut self, text: &str) -> bool {
        let mut all = Vec::new();
        while self.stream.read_buf(&mut all).await.unwrap() > 0 {
            if all.windows(text.len()).any(|window| window == text.as_bytes()) {
                return true;
            }
        }
        false
    }

    /// Reads all that comes, answers nothing, and gives the time from the last word to the end.
    async fn end(&mut self) -> (Duration, String) {
        let mut all = Vec::new();
        // The other side may be gone with what it could not say.
        let _ = self.stream.read_to_end(&mut all).await;
        (self.since.elapsed(), String::from_utf8_lossy(&all).into_owned())
    }
}

fn message(kind: &str, payload: &Value) -> Vec<u8> {
    let head = Head::new(kind.into(), IdSource::new(1).next(0), 0);
    let frame = Frame::Message(Raw::encode(Format::Json, payload).unwrap());
    let mut message = Vec::new();
    Envelope { head, frame }.encode(Format::Json, &mut message).unwrap();
    message
}

/// A frame as a server writes it.
fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 126];
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload);
    frame
}

fn server() -> Server<Lab> {
    let config = ServerConfig { session_ttl: Duration::ZERO, ..ServerConfig::default() };
    Server::with_config(App::default(), config).unwrap()
}

/// What begins a message and does not end it, in the frames of one side.
fn beginnings(frame: impl Fn(u8, &[u8]) -> Vec<u8>) -> [(&'static str, Vec<u8>); 4] {
    let whole = frame(0x81, &[b' '; 200]);
    let half = whole[..whole.len() / 2].to_vec();
    let fragment = frame(0x01, b"{\"type\":");
    [
        ("one byte of a header", whole[..1].to_vec()),
        ("a header without its payload", whole[..8].to_vec()),
        ("half a payload", half),
        ("a fragment without the rest", fragment),
    ]
}

#[tokio::test(start_paused = true)]
async fn half_a_hello_is_given_up_after_five_seconds() {
    for (what, bytes) in beginnings(masked) {
        let (mut peer, serving) = Peer::of_server(&server()).await;
        peer.write(&bytes).await;
        let (time, said) = peer.end().await;
        assert!(said.contains("4303"), "{what}: {said}");
        assert!((HELLO..=HELLO + GOODBYE).contains(&time), "{what}: {time:?}");
        serving.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_gives_up_half_a_message_after_interval_and_timeout() {
    for (what, bytes) in beginnings(masked) {
        let (mut peer, serving) = Peer::welcomed(&server()).await;
        peer.write(&bytes).await;
        let (time, said) = peer.end().await;
        assert!(said.contains("4002"), "{what}: {said}");
        let seconds = SHORTEST.as_secs()..=SILENCE.as_secs();
        assert!(seconds.contains(&time.as_secs()), "{what}: {time:?}");
        serving.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_does_not_wait_for_a_goodbye_for_ever() {
    // The beginning of a close frame is as good as none.
    for begun in [&[][..], &[0x88][..], &[0x88, 0x82, 1, 2, 3, 4, 0x03][..]] {
        let server = server();
        let (mut peer, serving) = Peer::welcomed(&server).await;
        peer.write(begun).await;
        assert_eq!(server.kick("eve", "enough"), 1);
        let (time, said) = peer.end().await;
        assert!(said.contains("4701"), "{said}");
        assert_eq!(time.as_secs(), GOODBYE.as_secs(), "{begun:?}");
        serving.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_lets_go_of_a_client_that_said_goodbye_and_stays() {
    let (mut peer, serving) = Peer::welcomed(&server()).await;
    peer.write(&masked(0x88, &1000_u16.to_be_bytes())).await;
    let (time, _) = peer.end().await;
    assert!(time <= GOODBYE, "{time:?}");
    serving.await.unwrap();
}

/// A client, and the other ends of its connections as they are made.
fn client() -> (Client<Lab>, mpsc::UnboundedReceiver<Peer>) {
    let (made, connections) = mpsc::unbounded_channel();
    let client = Client::builder("ws://memory")
        .reconnect(Backoff::default())
        .connector(move |format| {
            let (ours, theirs) = duplex(STREAM);
            // A test that has seen enough takes no more of them.
            let _ = made.send(Peer::new(theirs));
            Box::pin(async move {
                let transport = WebSocket::client(ours, format, &Limits::default()).await;
                let transport: Box<dyn Transport> = Box::new(transport);
                Ok(transport)
            })
        })
        .connect_lazy();
    (client, connections)
}

/// Takes a client in.
async fn welcome(peer: &mut Peer) {
    let welcome = json!({
        "version": 3, "recv": 0,
        "session": {"id": "s", "ticket": "t", "ttl_ms": 0, "resumed": false},
        "heartbeat": {"interval_ms": 30_000, "timeout_ms": 10_000},
        "limits": {"max_frame": 65_536, "max_in_flight": 64, "max_subs": 128, "window": 256,
                   "rate": {"per_s": 200, "burst": 400}},
        "server": {"node": "n", "now": 0},
    });
    peer.write(&plain(0x81, &message("$welcome", &welcome))).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_gives_up_half_a_welcome_after_five_seconds() {
    for (what, bytes) in beginnings(plain) {
        let (_client, mut connections) = client();
        let mut peer = connections.recv().await.unwrap();
        peer.write(&bytes).await;
        let (time, _) = peer.end().await;
        assert!((HELLO..=HELLO + GOODBYE).contains(&time), "{what}: {time:?}");
        assert!(connections.recv().await.is_some(), "{what}: it does not come back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_gives_up_half_a_message_after_interval_and_timeout() {
    for (what, bytes) in beginnings(plain) {
        let (client, mut connections) = client();
        let mut state = client.state();
        let mut peer = connections.recv().await.unwrap();
        welcome(&mut peer).await;
        state.wait_for(|state| matches!(state, ConnState::Ready { .. })).await.unwrap();
        peer.write(&bytes).await;
        let (time, _) = peer.end().await;
        assert_eq!(time.as_secs(), SILENCE.as_secs(), "{what}");
        assert!(connections.recv().await.is_some(), "{what}: it does not come back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_wait_for_a_goodbye_for_ever() {
    for begun in [&[][..], &[0x88][..], &[0x88, 0x02, 0x03][..]] {
        let (client, mut connections) = client();
        let mut state = client.state();
        let mut peer = connections.recv().await.unwrap();
        welcome(&mut peer).await;
        state.wait_for(|state| matches!(state, ConnState::Ready { .. })).await.unwrap();
        peer.write(begun).await;
        client.close().await;
        // The application does not wait at all.
        assert!(peer.since.elapsed() < GOODBYE, "{begun:?}");
        let (time, _) = peer.end().await;
        assert_eq!(time.as_secs(), GOODBYE.as_secs(), "{begun:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_nobody_reads_ends_too() {
    let server = server();
    let (mut peer, serving) = Peer::welcomed(&server).await;
    // The answers are more than the stream holds.
    for _ in 0..(2 * STREAM / 100) {
        peer.write(&masked(0x81, &message("$ping", &json!({"t": 1})))).await;
    }
    assert_eq!(server.kick("eve", "enough"), 1);
    serving.await.unwrap();
    // What is written goes nowhere, until the other end is gone.
    while peer.stream.write_all(&[0; 64]).await.is_ok() {}
    assert_eq!(peer.since.elapsed().as_secs(), GOODBYE.as_secs());
}
