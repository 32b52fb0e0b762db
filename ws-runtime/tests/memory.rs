//! What hostile peers cost a server, counted by the allocator: never more than the printed bound.

#[path = "support/frames.rs"]
mod frames;
#[path = "support/peer.rs"]
mod peer;
mod support;

use frames::masked;
use peak_alloc::PeakAlloc;
use peer::{HANG, Peer, Seen};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use support::{App, Lab, Signs, Tick, Ticks};
use tokio::{
    io::AsyncWriteExt,
    sync::{Mutex, MutexGuard},
    time::timeout,
};
use ws_proto::{CloseCode, Format, Frame, Limits, MessageId};
use ws_runtime::{Server, ServerConfig};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;
/// One at a time: the allocator counts for all of them.
static TURN: Mutex<()> = Mutex::const_new(());

/// What may be left of a connection that is gone: the logs of its channels, and the runtime's own.
const REST: usize = 512 * 1024;

/// A server on the scales.
struct Scales {
    _turn: MutexGuard<'static, ()>,
    server: Server<Lab>,
    address: SocketAddr,
    signs: Arc<Signs>,
    before: usize,
}

impl Scales {
    /// Without a limit of the rate, so that what lies behind it is measured.
    async fn set() -> Self {
        let turn = TURN.lock().await;
        let mut config = ServerConfig::default();
        config.limits.rate_burst = u32::MAX;
        // A session that is kept costs what its connection did, until its time is up.
        config.session_ttl = Duration::ZERO;
        // What waits for a decision is to be weighed, however slow the machine is.
        config.decision_timeout = Duration::from_secs(3600);
        let app = App::default();
        let signs = Arc::clone(&app.0);
        let server = Server::<Lab>::with_config(app, config).unwrap();
        let bound = server.bind("127.0.0.1:0").await.unwrap();
        let address = bound.local_addr().unwrap();
        tokio::spawn(bound.serve());
        let mut scales = Self { _turn: turn, server, address, signs, before: 0 };
        // What is made once, on first use, is not the attacker's.
        drop(Peer::welcomed(address, Format::Json).await);
        scales.alone().await;
        HEAP.reset_peak_usage();
        scales.before = HEAP.current_usage();
        scales
    }

    /// The most that was held at once since the scales were set.
    fn cost(&self) -> usize {
        HEAP.peak_usage() - self.before
    }

    /// The peer leaves; what it cost stays within `bound`, and almost all of it comes back.
    async fn weigh(self, peer: Peer, bound: usize) {
        drop(peer);
        self.alone().await;
        let cost = self.cost();
        assert!(cost <= bound, "{cost} bytes, but the bound is {bound}");
        let rest = HEAP.current_usage().saturating_sub(self.before);
        assert!(rest <= REST, "{rest} bytes are left");
    }

    fn bound(&self) -> usize {
        self.server.worst_case_bytes()
    }

    async fn alone(&self) {
        let alone = async {
            while !self.server.connections().is_empty() {
                tokio::task::yield_now().await;
            }
            // What the connection started is dropped by the tasks that run it.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        };
        timeout(HANG, alone).await.expect("a connection outlived its peer");
    }
}

/// Writes until the server has enough; false when it closed before the end.
async fn write(peer: &mut Peer, bytes: &[u8]) -> bool {
    timeout(HANG, peer.stream.write_all(bytes)).await.expect("the server stopped reading").is_ok()
}

/// Reads until everything that was sent so far is worked on, or the connection is over.
async fn settle(peer: &mut Peer) {
    let ping = peer.message("$ping", &json!({"t": 77}), |_| {});
    let frame = peer.framed(&ping);
    let _ = write(peer, &frame).await;
    loop {
        match peer.next().await {
            Seen::Envelope(envelope) => {
                if matches!(envelope.frame, Frame::Pong(answer) if answer.t == 77) {
                    return;
                }
            }
            Seen::Closed(code) => {
                // Only a peer that is too slow does not get its pong.
                assert_eq!(code, CloseCode::TOO_SLOW.0);
                return;
            }
            Seen::Lost => return,
        }
    }
}

/// As long as a message may be, nearly.
fn padding() -> String {
    "x".repeat(Limits::default().max_frame - 1024)
}

/// Sends as many of one kind of request as there may be and some more, each as large as can be.
async fn occupy(peer: &mut Peer, kind: &str, ch: Option<&str>, count: usize) {
    let payload = json!({"text": "", "padding": padding()});
    for n in 0..count {
        let message = peer.placed(kind, &payload, |head| {
            head.ch = ch.map(|ch| format!("{ch}{n}").into());
        });
        let frame = peer.framed(&message);
        assert!(write(peer, &frame).await, "closed after {n}");
    }
}

/// The same message, almost as long as a message may be.
fn padded(message: &[u8]) -> Vec<u8> {
    let spaces = vec![b' '; 60_000];
    [&message[..1], &*spaces, &message[1..]].concat()
}

#[tokio::test]
async fn web_socket_pings_whose_answers_nobody_reads() {
    let scales = Scales::set().await;
    let mut peer = Peer::welcomed(scales.address, Format::Json).await;
    let pings = masked(0x89, &[b'p'; 125]).repeat(64);
    for _ in 0..1_500 {
        if !write(&mut peer, &pings).await {
            break;
        }
    }
    settle(&mut peer).await;
    let bound = scales.bound();
    scales.weigh(peer, bound).await;
}

#[tokio::test]
async fn pings_whose_answers_nobody_reads() {
    for format in Format::ALL {
        let scales = Scales::set().await;
        let mut peer = Peer::welcomed(scales.address, format).await;
        let ping = peer.message("$ping", &json!({"t": 1}), |_| {});
        let pings = peer.framed(&ping).repeat(64);
        for _ in 0..400 {
            if !write(&mut peer, &pings).await {
                break;
            }
        }
        settle(&mut peer).await;
        let bound = scales.bound();
        scales.weigh(peer, bound).await;
    }
}

#[tokio::test]
async fn requests_whose_answers_nobody_acknowledges() {
    for format in Format::ALL {
        let scales = Scales::set().await;
        let mut peer = Peer::welcomed(scales.address, format).await;
        let payload = json!({"text": padding()});
        for _ in 0..400 {
            let message = peer.placed("echo", &payload, |_| {});
            let frame = peer.framed(&message);
            if !write(&mut peer, &frame).await {
                break;
            }
        }
        settle(&mut peer).await;
        let bound = scales.bound();
        scales.weigh(peer, bound).await;
    }
}

#[tokio::test]
async fn subscriptions_without_end_as_large_as_can_be() {
    for format in Format::ALL {
        let scales = Scales::set().await;
        let mut peer = Peer::welcomed(scales.address, format).await;
        occupy(&mut peer, "$sub", Some("hall/"), 300).await;
        settle(&mut peer).await;
        // Addresses are kept, not the messages that they came in.
        let kept = HEAP.current_usage() - scales.before;
        assert!(kept <= 4 * 1024 * 1024, "{kept} bytes for subscriptions");
        let bound = scales.bound();
        scales.weigh(peer, bound).await;
    }
}

#[tokio::test]
async fn a_storm_of_subscriptions_that_come_and_go() {
    for format in Format::ALL {
        let scales = Scales::set().await;
        let mut peer = Peer::welcomed(scales.address, format).await;
        for _ in 0..200 {
            let mut storm = Vec::new();
            for ch in (0..40).map(|n| format!("hall/{n}")) {
                for kind in ["$sub", "$unsub"] {
                    let payload = if kind == "$sub" { json!({}) } else { json!(null) };
                    let message = peer.placed(kind, &payload, |head| {
                        head.ch = Some(ch.clone().into());
                    });
                    storm.extend(peer.framed(&message));
                }
            }
            assert!(write(&mut peer, &storm).await, "the server closed");
            peer.acknowledge_done(80).await;
        }
        // What eight thousand of them cost at once is what forty of them do.
        let cost = scales.cost();
        assert!(cost <= 1024 * 1024, "{cost} bytes");
        let bound = scales.bound();
        scales.weigh(peer, bound).await;
    }
}

#[tokio::test]
async fn best_effort_events_that_nobody_reads() {
    let scales = Scales::set().await;
    let mut peer = Peer::welcomed(scales.address, Format::Json).await;
    let sub = peer.placed("$sub", &json!({}), |head| head.ch = Some("ticks".into()));
    peer.send(&sub).await;
    settle(&mut peer).await;
    let note = Tick::Noted { text: "x".repeat(40_000) };
    for n in 0..2_500 {
        scales.server.publish(Ticks, &note).await.unwrap();
        // At first faster than any driver, then as fast as it goes.
        if n > 1_500 {
            tokio::task::yield_now().await;
        }
    }
    let ticked = Tick::Ticked { n: 1 };
    scales.server.publish(Ticks, &ticked).await.unwrap();
    settle(&mut peer).await;
    let bound = scales.bound();
    scales.weigh(peer, bound).await;
}

#[tokio::test]
async fn declared_lengths_reserve_nothing() {
    let scales = Scales::set().await;
    let limit = Limits::default().max_frame as u64;
    let mut peers = Vec::new();
    for length in [limit, limit + 1, 1 << 31, u64::MAX] {
        let mut peer = Peer::welcomed(scales.address, Format::Json).await;
        let header = [&[0x81, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        assert!(write(&mut peer, &header).await);
        peers.push(peer);
    }
    let mut last = Peer::welcomed(scales.address, Format::Json).await;
    settle(&mut last).await;
    drop(peers);
    let bound = 8 * Limits::default().max_frame;
    scales.weigh(last, bound).await;
}

#[tokio::test]
async fn message_pack_lengths_reserve_nothing() {
    let scales = Scales::set().await;
    for kind in [0xdb, 0xc6, 0xdd, 0xdf] {
        let mut peer = Peer::welcomed(scales.address, Format::MessagePack).await;
        let message = peer.placed("echo", &json!({}), |_| {});
        let lengths = [&message[..message.len() - 1], &[kind, 0x7f, 0xff, 0xff, 0xff]].concat();
        peer.send(&lengths).await;
        while !matches!(peer.next().await, Seen::Closed(4500)) {}
    }
    let peer = Peer::welcomed(scales.address, Format::MessagePack).await;
    let bound = 8 * Limits::default().max_frame;
    scales.weigh(peer, bound).await;
}

#[tokio::test]
async fn fragments_that_never_end() {
    let scales = Scales::set().await;
    let mut peer = Peer::welcomed(scales.address, Format::Json).await;
    assert!(write(&mut peer, &masked(0x01, b" ")).await);
    let fragment = masked(0x00, &[b' '; 16]);
    for _ in 0..(Limits::default().max_frame - 1) / 16 {
        assert!(write(&mut peer, &fragment).await);
    }
    let empty = masked(0x00, b"").repeat(64);
    while write(&mut peer, &empty).await {}
    let bound = 8 * Limits::default().max_frame;
    scales.weigh(peer, bound).await;
}

#[tokio::test]
async fn the_largest_requests_waiting_for_slow_handlers() {
    for format in Format::ALL {
        let scales = Scales::set().await;
        let mut peer = Peer::welcomed(scales.address, format).await;
        let Limits { max_in_flight, max_queued, inbound_bytes, .. } = Limits::default();
        // What runs has read its request; what waits for its turn holds it.
        for _ in 0..max_in_flight {
            let wait = peer.placed("wait", &json!({}), |_| {});
            peer.send(&wait).await;
        }
        occupy(&mut peer, "wait", None, max_queued + 50).await;
        settle(&mut peer).await;
        let held = HEAP.current_usage() - scales.before;
        assert!(held > inbound_bytes - 100_000, "{held} bytes: the requests did wait");
        let bound = scales.bound();
        scales.weigh(peer, bound).await;
    }
}

#[tokio::test]
async fn the_largest_publications_waiting_for_a_slow_decision() {
    let scales = Scales::set().await;
    let mut peer = Peer::welcomed(scales.address, Format::Json).await;
    let Limits { max_queued, inbound_bytes, .. } = Limits::default();
    occupy(&mut peer, "hall.said", Some("hall/slow-"), max_queued + 200).await;
    settle(&mut peer).await;
    let held = HEAP.current_usage() - scales.before;
    assert!(held > inbound_bytes - 100_000, "{held} bytes: the publications did wait");
    let bound = scales.bound();
    scales.weigh(peer, bound).await;
}

#[tokio::test]
async fn streams_with_credit_without_end() {
    let scales = Scales::set().await;
    let mut peer = Peer::welcomed(scales.address, Format::Json).await;
    for _ in 0..Limits::default().max_in_flight {
        let id = peer.id();
        let count = peer.placed("count", &json!({"to": u32::MAX}), |head| head.id = id);
        peer.send(&count).await;
        let credit = peer.placed("$credit", &json!({"n": u32::MAX}), |head| head.re = Some(id));
        peer.send(&credit).await;
    }
    settle(&mut peer).await;
    let bound = scales.bound();
    let signs = Arc::clone(&scales.signs);
    scales.weigh(peer, bound).await;
    signs.cancelled.notified().await;
}

/// As many uploads as may run, each with credit that its handler has given.
async fn uploads(peer: &mut Peer) -> Vec<MessageId> {
    let mut uploads = Vec::new();
    for _ in 0..Limits::default().max_in_flight {
        let id = peer.id();
        let hoard = peer.placed("hoard", &json!({}), |head| head.id = id);
        peer.send(&hoard).await;
        uploads.push(id);
    }
    let mut granted = 0;
    while granted < uploads.len() {
        let Seen::Envelope(envelope) = peer.next().await else { panic!("no credit") };
        granted += usize::from(matches!(envelope.frame, Frame::Credit(_)));
    }
    uploads
}

#[tokio::test]
async fn the_largest_parts_of_uploads_that_nobody_reads() {
    for format in Format::ALL {
        let scales = Scales::set().await;
        let mut peer = Peer::welcomed(scales.address, format).await;
        let Limits { upload_window, inbound_bytes, .. } = Limits::default();
        for upload in uploads(&mut peer).await {
            for _ in 0..upload_window {
                let part = peer.placed("hoard.part", &json!(padding()), |head| {
                    head.re = Some(upload);
                });
                let frame = peer.framed(&part);
                assert!(write(&mut peer, &frame).await);
            }
        }
        settle(&mut peer).await;
        assert!(scales.cost() > inbound_bytes / 2, "the parts did wait");
        let bound = scales.bound();
        scales.weigh(peer, bound).await;
    }
}

#[tokio::test]
async fn small_parts_in_large_messages_keep_none_of_them() {
    let scales = Scales::set().await;
    let mut peer = Peer::welcomed(scales.address, Format::Json).await;
    for upload in uploads(&mut peer).await {
        for _ in 0..Limits::default().upload_window {
            let part = peer.placed("hoard.part", &json!("a"), |head| head.re = Some(upload));
            let frame = peer.framed(&padded(&part));
            assert!(write(&mut peer, &frame).await);
        }
    }
    settle(&mut peer).await;
    let kept = HEAP.current_usage() - scales.before;
    assert!(kept <= 4 * 1024 * 1024, "{kept} bytes for parts of one letter");
    let bound = scales.bound();
    scales.weigh(peer, bound).await;
}

#[tokio::test]
async fn small_requests_in_large_messages_or_behind_them_keep_none_of_them() {
    for is_behind in [false, true] {
        let scales = Scales::set().await;
        let mut peer = Peer::welcomed(scales.address, Format::Json).await;
        let Limits { max_in_flight, max_queued, .. } = Limits::default();
        for n in 0..max_in_flight + 2 * max_queued {
            let is_request = n < max_in_flight + max_queued;
            let message = if is_request {
                peer.placed("wait", &json!({}), |head| head.key = Some("key".into()))
            } else {
                let ch = format!("hall/slow-{n}").into();
                peer.placed("hall.said", &json!({"text": ""}), |head| head.ch = Some(ch))
            };
            let frames = if is_behind {
                let ping = peer.message("$ping", &json!({"t": 1}), |_| {});
                [peer.framed(&padded(&ping)), peer.framed(&message)].concat()
            } else {
                peer.framed(&padded(&message))
            };
            assert!(write(&mut peer, &frames).await, "closed after {n}");
        }
        settle(&mut peer).await;
        let kept = HEAP.current_usage() - scales.before;
        assert!(kept <= 4 * 1024 * 1024, "{kept} bytes for small requests");
        let bound = scales.bound();
        scales.weigh(peer, bound).await;
    }
}

#[tokio::test]
async fn all_of_it_at_once() {
    let scales = Scales::set().await;
    let mut peer = Peer::welcomed(scales.address, Format::Json).await;
    let Limits { max_in_flight, max_queued, max_subs, .. } = Limits::default();
    let sub = peer.placed("$sub", &json!({}), |head| head.ch = Some("ticks".into()));
    peer.send(&sub).await;
    occupy(&mut peer, "$sub", Some("hall/"), max_subs).await;
    occupy(&mut peer, "wait", None, max_in_flight + max_queued + 10).await;
    occupy(&mut peer, "hall.said", Some("hall/slow-"), max_queued + 10).await;
    let note = Tick::Noted { text: "x".repeat(40_000) };
    for _ in 0..1_000 {
        scales.server.publish(Ticks, &note).await.unwrap();
        tokio::task::yield_now().await;
    }
    let pings = masked(0x89, &[b'p'; 125]).repeat(64);
    for _ in 0..100 {
        if !write(&mut peer, &pings).await {
            break;
        }
    }
    settle(&mut peer).await;
    let bound = scales.bound();
    scales.weigh(peer, bound).await;
}
