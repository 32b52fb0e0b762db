//! Silence and standstill are noticed in time, by both sides. The clock is a virtual one, which
//! goes on when nobody has anything to do.

use crate::support::{App, Echo, Lab, Tick, Ticks};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use ws_proto::{CloseCode, Credentials, Envelope, Format, Frame, Head, IdSource, Limits, Raw};
use ws_runtime::{
    Client, ConnState, Server, ServerConfig,
    transport::{
        Received, Transport,
        memory::{self, Memory},
    },
};

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Nothing read for so long is too slow.
const STALL: Duration = Duration::from_secs(10);

/// One end in the hands of a test.
struct Peer {
    transport: Memory,
    ids: IdSource,
    seq: u64,
}

impl Peer {
    const fn new(transport: Memory, ids: IdSource) -> Self {
        Self { transport, ids, seq: 0 }
    }

    /// In conversation with a server, whose end of the connection is done when it is over.
    async fn welcomed(server: &Server<Lab>, limits: &Limits) -> (Self, JoinHandle<()>) {
        let (mut peer, serving) = Self::connected(server, limits);
        peer.greet();
        let Some(Frame::Welcome(_)) = peer.hear().await else { panic!("no welcome") };
        (peer, serving)
    }

    fn connected(server: &Server<Lab>, limits: &Limits) -> (Self, JoinHandle<()>) {
        let (ours, theirs) = memory::pair(Format::Json, limits);
        let server = server.clone();
        let serving = tokio::spawn(async move {
            server.serve(Box::new(theirs), Credentials::default()).await;
        });
        (Self::new(ours, IdSource::new(1)), serving)
    }

    fn greet(&mut self) {
        let hello = json!({"protocol": "lab", "version": [1, 3], "auth": {"token": "eve"}});
        self.say("$hello", &hello, |_| {});
    }

    fn say(&mut self, kind: &str, payload: &Value, set: impl FnOnce(&mut Head)) {
        let mut head = Head::new(kind.into(), self.ids.next(0), 0);
        set(&mut head);
        let frame = Frame::Message(Raw::encode(Format::Json, payload).unwrap());
        let mut message = Vec::new();
        Envelope { head, frame }.encode(Format::Json, &mut message).unwrap();
        self.transport.start_send(&message).unwrap();
    }

    fn subscribe(&mut self, ch: &'static str) {
        self.seq += 1;
        let seq = self.seq;
        self.say("$sub", &json!({}), |head| {
            head.seq = Some(seq);
            head.ch = Some(ch.into());
        });
    }

    /// The next message; `None` at the end.
    async fn hear(&mut self) -> Option<Frame> {
        match poll_fn(|cx| self.transport.poll_recv(cx)).await {
            Received::Message(message) => Some(frame(&message)),
            _ => None,
        }
    }

    /// Hears everything to the end, without a word; gives the reason of the end.
    async fn listen_to_the_end(&mut self) -> Option<CloseCode> {
        let mut told = None;
        while let Some(frame) = self.hear().await {
            if let Frame::Close(close) = frame {
                told = Some(close.code);
            }
        }
        told
    }
}

fn frame(message: &Bytes) -> Frame {
    Envelope::decode(Format::Json, message).unwrap().frame
}

/// A server that keeps no sessions, so that the end of a connection is all there is to wait for.
fn server() -> Server<Lab> {
    let config = ServerConfig { session_ttl: Duration::ZERO, ..ServerConfig::default() };
    Server::with_config(App::default(), config).unwrap()
}

/// So small that a few messages fill it.
fn tiny() -> Limits {
    let mut limits = Limits::default();
    limits.write_buffer = 4096;
    limits
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_says_hello_is_closed_after_five_seconds() {
    let (mut peer, serving) = Peer::connected(&server(), &Limits::default());
    let begun = Instant::now();
    assert_eq!(peer.listen_to_the_end().await, Some(CloseCode::HANDSHAKE_TIMEOUT));
    assert_eq!(begun.elapsed().as_secs(), 5);
    drop(peer);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_notices_a_silent_client_within_interval_and_timeout() {
    let (mut peer, serving) = Peer::welcomed(&server(), &Limits::default()).await;
    let begun = Instant::now();
    assert_eq!(peer.listen_to_the_end().await, Some(CloseCode::HEARTBEAT_MISSED));
    // Without waiting for a goodbye of somebody who may be gone.
    serving.await.unwrap();
    let noticed = begun.elapsed();
    assert!(noticed <= INTERVAL + TIMEOUT + Duration::from_millis(1), "{noticed:?}");
    assert!(noticed + Duration::from_millis(250) >= INTERVAL * 9 / 10 + TIMEOUT, "{noticed:?}");
}

#[tokio::test(start_paused = true)]
async fn clients_that_came_together_are_not_asked_all_at_once() {
    let server = server();
    let mut asked = BTreeMap::<_, u32>::new();
    for _ in 0..100 {
        let begun = Instant::now();
        let (mut peer, _serving) = Peer::welcomed(&server, &Limits::default()).await;
        let Some(Frame::Ping(_)) = peer.hear().await else { panic!("not a ping") };
        *asked.entry(begun.elapsed().as_secs()).or_default() += 1;
    }
    let (least, most) = (*asked.first_key_value().unwrap().0, *asked.last_key_value().unwrap().0);
    assert!((26..=27).contains(&least) && (28..30).contains(&most), "{asked:?}");
    assert!(asked.values().all(|count| *count < 60), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn clients_that_came_apart_are_asked_at_few_moments() {
    let config = ServerConfig { max_sessions_per_principal: None, ..ServerConfig::default() };
    let server = Server::with_config(App::default(), config).unwrap();
    let begun = Instant::now();
    let mut listening = Vec::new();
    for _ in 0..100 {
        let (mut peer, _serving) = Peer::welcomed(&server, &Limits::default()).await;
        listening.push(tokio::spawn(async move {
            let Some(Frame::Ping(_)) = peer.hear().await else { panic!("not a ping") };
            begun.elapsed().as_millis()
        }));
        sleep(Duration::from_millis(9)).await;
    }
    let mut moments = BTreeSet::new();
    for peer in listening {
        moments.insert(peer.await.unwrap());
    }
    // Asked within a tenth of the interval and what passed between the first and the last of them.
    assert!(moments.len() <= 3_900 / 250 + 2, "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn the_ping_of_the_server_comes_before_the_client_would_ask() {
    let server = server();
    let (mut peer, serving) = Peer::connected(&server, &Limits::default());
    peer.greet();
    let Some(Frame::Welcome(welcome)) = peer.hear().await else { panic!("no welcome") };
    let told = Duration::from_millis(welcome.heartbeat.interval_ms);
    for _ in 0..50 {
        let silent_since = Instant::now();
        let Some(Frame::Ping(ping)) = peer.hear().await else { panic!("not a ping") };
        assert!(silent_since.elapsed() + TIMEOUT / 4 < told, "{:?}", silent_since.elapsed());
        peer.say("$pong", &json!({"t": ping.t, "now": 0}), |_| {});
    }
    assert!(!serving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_is_answered_and_need_not_be_asked() {
    let (mut peer, serving) = Peer::welcomed(&server(), &Limits::default()).await;
    for n in 0..50 {
        sleep(INTERVAL / 2).await;
        peer.say("$ping", &json!({"t": n}), |_| {});
        let Some(Frame::Pong(pong)) = peer.hear().await else { panic!("the server asked, too") };
        assert_eq!(pong.t, n);
    }
    assert!(!serving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_and_says_nothing_else_is_kept() {
    let server = server();
    let (mut peer, _serving) = Peer::welcomed(&server, &Limits::default()).await;
    for _ in 0..200 {
        let Some(Frame::Ping(ping)) = peer.hear().await else { panic!("not a ping") };
        peer.say("$pong", &json!({"t": ping.t, "now": 0}), |_| {});
    }
    assert_eq!(server.connections().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_notices_a_silent_server_within_interval_and_timeout() {
    let far_ends = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&far_ends);
    let client = Client::<Lab>::builder("ws://memory")
        .connector(move |format| {
            let (ours, theirs) = memory::pair(format, &Limits::default());
            keep.lock().unwrap().push(theirs);
            let transport: Box<dyn Transport> = Box::new(ours);
            Box::pin(std::future::ready(Ok(transport)))
        })
        .connect_lazy();
    let mut state = client.state();
    let far_end = loop {
        if let Some(far_end) = far_ends.lock().unwrap().pop() {
            break far_end;
        }
        tokio::task::yield_now().await;
    };
    let mut peer = Peer::new(far_end, IdSource::new(2));
    let Some(Frame::Hello(_)) = peer.hear().await else { panic!("no hello") };
    let welcome = json!({
        "version": 3, "recv": 0,
        "session": {"id": "s", "ticket": "t", "ttl_ms": 0, "resumed": false},
        "heartbeat": {"interval_ms": 30_000, "timeout_ms": 10_000},
        "limits": {"max_frame": 65_536, "max_in_flight": 64, "max_subs": 128, "window": 256,
            "rate": {"per_s": 200, "burst": 400}},
        "server": {"node": "a", "now": 1},
    });
    peer.say("$welcome", &welcome, |_| {});
    state.wait_for(|state| matches!(state, ConnState::Ready { .. })).await.unwrap();
    let begun = Instant::now();
    state.wait_for(|state| !matches!(state, ConnState::Ready { .. })).await.unwrap();
    let noticed = begun.elapsed();
    assert!(noticed <= INTERVAL + TIMEOUT + Duration::from_millis(1), "{noticed:?}");
    assert!(noticed > INTERVAL, "{noticed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_is_given_up_within_the_stall_bound() {
    let server = server();
    let (mut peer, serving) = Peer::welcomed(&server, &tiny()).await;
    peer.subscribe("ticks");
    peer.hear().await;
    let note = Tick::Noted { text: "x".repeat(2000) };
    for _ in 0..10 {
        server.publish(Ticks, &note).await.unwrap();
    }
    let begun = Instant::now();
    serving.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), STALL.as_secs());
    assert!(server.connections().is_empty());
}

#[tokio::test(start_paused = true)]
async fn commands_and_words_of_the_peer_do_not_put_off_the_stall_bound() {
    let server = server();
    let (mut peer, serving) = Peer::welcomed(&server, &tiny()).await;
    peer.subscribe("ticks");
    peer.hear().await;
    let begun = Instant::now();
    let note = Tick::Noted { text: "x".repeat(2000) };
    while !serving.is_finished() {
        server.publish(Ticks, &note).await.unwrap();
        if !serving.is_finished() {
            peer.say("$pong", &json!({"t": 1, "now": 0}), |_| {});
        }
        sleep(Duration::from_secs(1)).await;
    }
    // Full after three of them.
    assert!(begun.elapsed() <= STALL + Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_a_little_at_a_time_is_kept() {
    let server = server();
    let (mut peer, serving) = Peer::welcomed(&server, &tiny()).await;
    peer.subscribe("ticks");
    let note = Tick::Noted { text: "x".repeat(2000) };
    for _ in 0..60 {
        for _ in 0..4 {
            server.publish(Ticks, &note).await.unwrap();
        }
        sleep(STALL / 2).await;
        assert!(peer.hear().await.is_some(), "closed");
        peer.say("$pong", &json!({"t": 1, "now": 0}), |_| {});
    }
    assert!(!serving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_and_an_idle_server_stay_together() {
    let server = server();
    let client = ws_runtime::testing::connect(&server, Some("ann"), Format::Json).await.unwrap();
    let mut state = client.state();
    state.mark_unchanged();
    sleep(Duration::from_secs(3600)).await;
    assert!(!state.has_changed().unwrap());
    assert_eq!(client.call(Echo { text: "still here".into() }).await.unwrap(), "still here");
}
