//! Too much of everything.

use super::{Ending, Site, ending};
use crate::{
    frames::masked,
    peer::{HANG, Peer, Seen},
    support::{Echo, Hall, HallEvent, Lab, Panic},
};
use futures_util::future::join_all;
use serde_json::json;
use std::collections::BTreeMap;
use tokio::{io::AsyncWriteExt, time::timeout};
use ws_proto::{Fault, FaultCode, Format, Frame, Limits};
use ws_runtime::{CallError, Client, Outcome, ServerConfig};

/// A server that does not look at the rate, so that what lies behind it is seen.
fn unhurried() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.limits.rate_burst = u32::MAX;
    config
}

/// Reads to the end, and counts the faults by their code.
async fn faults(peer: &mut Peer, enough: usize) -> BTreeMap<&'static str, usize> {
    let mut seen = BTreeMap::new();
    while seen.values().sum::<usize>() < enough {
        let Seen::Envelope(envelope) = peer.next().await else { panic!("closed: {seen:?}") };
        if let Frame::Fault(Fault { code, .. }) = envelope.frame {
            *seen.entry(code.name()).or_default() += 1;
        }
    }
    seen
}

#[tokio::test]
async fn above_the_rate_requests_are_refused_and_then_the_connection_is_4300() {
    let site = Site::open().await;
    let burst = Limits::default().rate_burst as usize;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        let mut flood = Vec::new();
        for _ in 0..burst + 50 {
            let message = peer.placed("dance", &json!({}), |_| {});
            flood.extend(peer.framed(&message));
        }
        peer.stream.write_all(&flood).await.unwrap();
        let seen = faults(&mut peer, burst + 50).await;
        assert!(seen["rate_limited"] > 0, "{seen:?}");
        // As many again as may be above it, and as many as time may have given back.
        let mut flood = Vec::new();
        for _ in 0..20 * burst {
            let message = peer.message("$pong", &json!({"t": 1, "now": 1}), |_| {});
            flood.extend(peer.framed(&message));
        }
        // The server may close before all of it is written.
        let _ = peer.stream.write_all(&flood).await;
        assert_eq!(ending(&mut peer).await, Ending::with(4300), "{format:?}");
    }
    site.close().await;
}

#[tokio::test]
async fn web_socket_pings_count_towards_the_rate() {
    let site = Site::open().await;
    let mut peer = Peer::welcomed(site.address, Format::Json).await;
    let flood = masked(0x89, b"").repeat(20 * Limits::default().rate_burst as usize);
    let _ = peer.stream.write_all(&flood).await;
    assert_eq!(ending(&mut peer).await, Ending::with(4300));
    site.close().await;
}

#[tokio::test]
async fn requests_without_end_wait_and_then_are_overloaded() {
    let site = Site::with(unhurried()).await;
    let Limits { max_in_flight, max_queued, .. } = Limits::default();
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        let mut flood = Vec::new();
        for _ in 0..max_in_flight + max_queued + 10 {
            let message = peer.placed("wait", &json!({}), |_| {});
            flood.extend(peer.framed(&message));
        }
        peer.stream.write_all(&flood).await.unwrap();
        let seen = faults(&mut peer, 10).await;
        assert_eq!(seen, BTreeMap::from([("overloaded", 10)]), "{format:?}");
    }
    site.close().await;
}

#[tokio::test]
async fn publications_without_end_that_nobody_decides_are_overloaded() {
    let site = Site::with(unhurried()).await;
    let Limits { max_queued, .. } = Limits::default();
    let mut peer = Peer::welcomed(site.address, Format::Json).await;
    let mut flood = Vec::new();
    for n in 0..max_queued + 10 {
        let message = peer.placed("hall.said", &json!({"text": "a"}), |head| {
            head.ch = Some(format!("hall/slow-{n}").into());
        });
        flood.extend(peer.framed(&message));
    }
    peer.stream.write_all(&flood).await.unwrap();
    assert_eq!(faults(&mut peer, 10).await, BTreeMap::from([("overloaded", 10)]));
    drop(peer);
    site.close().await;
}

#[tokio::test]
async fn subscriptions_without_end_are_overloaded() {
    let site = Site::with(unhurried()).await;
    let Limits { max_subs, .. } = Limits::default();
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        let mut flood = Vec::new();
        for n in 0..max_subs + 100 {
            let message = peer.placed("$sub", &json!({}), |head| {
                head.ch = Some(format!("hall/{n}").into());
            });
            flood.extend(peer.framed(&message));
        }
        peer.stream.write_all(&flood).await.unwrap();
        let seen = faults(&mut peer, 100).await;
        assert_eq!(seen, BTreeMap::from([("overloaded", 100)]), "{format:?}");
    }
    site.close().await;
}

/// A subscription to one channel that comes and goes so often.
fn storm(peer: &mut Peer, count: usize) -> Vec<u8> {
    let mut storm = Vec::new();
    for _ in 0..count {
        for (kind, payload) in [("$sub", json!({})), ("$unsub", json!(null))] {
            let message = peer.placed(kind, &payload, |head| head.ch = Some("hall/open".into()));
            storm.extend(peer.framed(&message));
        }
    }
    storm
}

#[tokio::test]
async fn a_storm_of_subscriptions_above_the_rate_is_4300() {
    let site = Site::open().await;
    let burst = Limits::default().rate_burst as usize;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        // As much as the rate lets through, as much as is only refused, and what time gave back.
        let storm = storm(&mut peer, 10 * burst);
        // The server may close before all of it is written.
        let _ = peer.stream.write_all(&storm).await;
        assert_eq!(ending(&mut peer).await, Ending::with(4300), "{format:?}");
    }
    site.close().await;
}

#[tokio::test]
async fn after_a_storm_of_subscriptions_nothing_is_subscribed() {
    let site = Site::with(unhurried()).await;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        for _ in 0..100 {
            let storm = storm(&mut peer, 20);
            peer.stream.write_all(&storm).await.unwrap();
            peer.acknowledge_done(40).await;
        }
        let said = HallEvent::Said { text: "is anybody there?".into() };
        site.server.publish(Hall { name: "open".into() }, &said).await.unwrap();
        let ping = peer.message("$ping", &json!({"t": 1}), |_| {});
        peer.send(&ping).await;
        // An event would come before the answer to what was asked after it.
        let Seen::Envelope(envelope) = peer.next().await else { panic!("closed") };
        assert!(matches!(envelope.frame, Frame::Pong(_)), "{envelope:?}");
    }
    site.close().await;
}

#[tokio::test]
async fn who_never_acknowledges_is_told_4003() {
    let site = Site::with(unhurried()).await;
    let limits = Limits::default();
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        let mut flood = Vec::new();
        for _ in 0..=2 * limits.outbox_frames {
            let message = peer.placed("dance", &json!({}), |_| {});
            flood.extend(peer.framed(&message));
        }
        peer.stream.write_all(&flood).await.unwrap();
        assert_eq!(ending(&mut peer).await, Ending::with(4003), "{format:?}");
    }
    site.close().await;
}

#[tokio::test]
async fn handlers_that_panic_under_load_end_their_own_calls_and_nothing_else() {
    let site = Site::with(unhurried()).await;
    let client = Client::<Lab>::builder(format!("ws://{}/", site.address))
        .token(|| async { "bob".to_owned() })
        .connect()
        .await
        .unwrap();
    let calls = (0..200).map(|n| {
        let client = &client;
        async move {
            let text = n.to_string();
            assert_eq!(client.call(Echo { text: text.clone() }).await, Ok(text));
            match client.call(Panic {}).await {
                Err(CallError::Fault(fault, Outcome::Unknown)) => fault.code,
                other => panic!("{other:?}"),
            }
        }
    });
    let codes = timeout(HANG, join_all(calls)).await.expect("a call without an answer");
    assert!(codes.iter().all(|code| *code == FaultCode::Internal));
    timeout(HANG, client.close()).await.expect("the client does not close");
    site.close().await;
}
