//! What a connection costs a server while nothing happens, counted by the allocator.

#[path = "support/frames.rs"]
mod frames;
#[path = "support/peer.rs"]
mod peer;
mod support;

use peak_alloc::PeakAlloc;
use peer::{HANG, Peer, Seen};
use serde_json::json;
use std::net::{SocketAddr, TcpStream};
use support::{App, Lab};
use tokio::{io::AsyncWriteExt, time::timeout};
use ws_proto::{Format, Frame};
use ws_runtime::{Server, ServerConfig};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;
/// Connections that are weighed together: what their tables grow by is shared among them.
const COUNT: usize = 200;
/// Connections before them: what is made once, on first use, and what a thread has for all of its
/// connections belongs to none.
const FIRST: usize = 200;
/// Bytes of one with a session and a subscription: those of its structures, and a little more. The
/// feature `inspect`, which other tests of a build may ask for, has 32 of them.
const IDLE: usize = 6_330;
/// The codec keeps a buffer for one message like the last.
const BUSY: usize = IDLE + LAST;
const LAST: usize = 1_000;

/// Bytes of each of many connections that did this, and then nothing.
async fn weigh(format: Format, busy: bool) -> usize {
    let config = ServerConfig {
        max_connections_per_address: None,
        max_sessions_per_principal: None,
        ..ServerConfig::default()
    };
    let server = Server::<Lab>::with_config(App::default(), config).unwrap();
    let address = server.spawn("127.0.0.1:0").await.unwrap();
    let mut open = Vec::with_capacity(FIRST + COUNT);
    let mut before = 0;
    for n in 1..=FIRST + COUNT {
        let mut peer = idle(address, format).await;
        if busy {
            for letters in [60_000, 10, 5_000, 40, LAST] {
                echo(&mut peer, letters).await;
            }
            settle(&mut peer).await;
        }
        open.push(release(peer).await);
        if n == FIRST {
            before = HEAP.current_usage();
        }
    }
    (HEAP.current_usage() - before) / COUNT
}

/// A client that listens to a channel and has acknowledged everything.
async fn idle(address: SocketAddr, format: Format) -> Peer {
    let mut peer = Peer::welcomed(address, format).await;
    let sub = peer.placed("$sub", &json!({}), |head| head.ch = Some("hall/quiet".into()));
    peer.send(&sub).await;
    peer.acknowledge_done(1).await;
    settle(&mut peer).await;
    peer
}

/// Waits until the server has worked on everything, and rests.
async fn settle(peer: &mut Peer) {
    let ping = peer.message("$ping", &json!({"t": 77}), |_| {});
    peer.send(&ping).await;
    loop {
        match peer.next().await {
            Seen::Envelope(envelope) if matches!(envelope.frame, Frame::Pong(_)) => return,
            Seen::Envelope(_) => {}
            Seen::Closed(code) => panic!("closed with {code}"),
            Seen::Lost => panic!("closed"),
        }
    }
}

/// The connection without anything of the client's on the heap.
async fn release(peer: Peer) -> TcpStream {
    let stream = peer.stream.into_std().unwrap();
    // What the runtime had for it is given back when it looks for news again.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    stream
}

/// Asks for an echo of so many letters, and acknowledges the answer.
async fn echo(peer: &mut Peer, letters: usize) {
    let text = "x".repeat(letters);
    let request = peer.placed("echo", &json!({"text": text}), |_| {});
    let frame = peer.framed(&request);
    timeout(HANG, peer.stream.write_all(&frame)).await.unwrap().unwrap();
    loop {
        let Seen::Envelope(envelope) = peer.next().await else { panic!("closed") };
        if let Some(seq) = envelope.head.seq {
            let ack = peer.message("$ack", &json!({}), |head| head.ack = Some(seq));
            return peer.send(&ack).await;
        }
    }
}

/// All in one test: others would count too.
#[test]
fn an_idle_connection_costs_its_structures_and_no_more_whatever_it_did_before() {
    for format in Format::ALL {
        for busy in [false, true] {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            let each = runtime.block_on(weigh(format, busy));
            let bound = if busy { BUSY } else { IDLE };
            assert!(each <= bound, "{each} bytes in {format} (busy before: {busy}), not {bound}");
        }
    }
}
