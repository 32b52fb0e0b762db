//! What is wrong with one message is answered, and the connection goes on.

use super::{Site, answer};
use crate::peer::{Peer, Seen};
use serde_json::{Value, json};
use ws_proto::{FaultCode, Format, Frame, MessageId};

type Mistake = fn(&mut Peer) -> Vec<u8>;

/// The id of the last message that a peer made.
fn id_of(peer: &Peer, message: &[u8]) -> MessageId {
    let message = bytes::Bytes::copy_from_slice(message);
    ws_proto::Envelope::decode(peer.format, &message).unwrap().head.id
}

/// Sends a message and gives the code of the fault that answers it.
async fn fault(peer: &mut Peer, message: &[u8]) -> FaultCode {
    let id = id_of(peer, message);
    peer.send(message).await;
    match answer(peer, id).await {
        Frame::Fault(fault) => fault.code,
        other => panic!("no fault but {other:?}"),
    }
}

/// The connection is as good as ever.
async fn is_served(peer: &mut Peer) {
    let message = peer.placed("echo", &json!({"text": "still here"}), |_| {});
    let id = id_of(peer, &message);
    peer.send(&message).await;
    let Frame::Message(text) = answer(peer, id).await else { panic!("no answer") };
    assert_eq!(text.decode::<String>().unwrap(), "still here");
}

#[tokio::test]
async fn mistakes_in_one_message_are_answered_with_their_fault() {
    use FaultCode::{Forbidden, Invalid, NotFound, Unimplemented};
    let cases: &[(&str, FaultCode, Mistake)] = &[
        ("an unknown request", Unimplemented, |peer| peer.placed("dance", &json!({}), |_| {})),
        ("an answer as a request", Unimplemented, |peer| {
            peer.placed("echo.ok", &json!(""), |_| {})
        }),
        ("no field", Invalid, |peer| peer.placed("echo", &json!({}), |_| {})),
        ("null for a text", Invalid, |peer| peer.placed("echo", &json!({"text": null}), |_| {})),
        ("a number for a text", Invalid, |peer| peer.placed("echo", &json!({"text": 1}), |_| {})),
        ("a list for a map", Invalid, |peer| peer.placed("echo", &json!(["a"]), |_| {})),
        ("a number below zero", Invalid, |peer| peer.placed("count", &json!({"to": -1}), |_| {})),
        ("a number too large", Invalid, |peer| {
            peer.placed("count", &json!({"to": 1_u64 << 32}), |_| {})
        }),
        ("an unknown channel", NotFound, |peer| sub(peer, "cellar/a")),
        ("too few fields", Invalid, |peer| sub(peer, "hall")),
        ("too many fields", Invalid, |peer| sub(peer, "hall/a/b")),
        ("a channel for nobody", Forbidden, |peer| sub(peer, "secret")),
        ("a publication where only the server may", Forbidden, |peer| {
            peer.placed("ticks.ticked", &json!({"n": 1}), |head| head.ch = Some("ticks".into()))
        }),
        ("a publication for nobody", Forbidden, |peer| said(peer, "hall/shut")),
        ("a publication to no channel", NotFound, |peer| said(peer, "cellar/a")),
        ("an event of no channel", Unimplemented, |peer| {
            peer.placed("hall.sung", &json!({}), |head| head.ch = Some("hall/open".into()))
        }),
        ("an event of another channel", Unimplemented, |peer| {
            peer.placed("ticks.ticked", &json!({"n": 1}), |head| {
                head.ch = Some("hall/open".into());
            })
        }),
        ("an event of another shape", Invalid, |peer| {
            peer.placed("hall.said", &json!({"text": 7}), |head| {
                head.ch = Some("hall/open".into());
            })
        }),
    ];
    let site = Site::open().await;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        for (what, code, mistake) in cases {
            let message = mistake(&mut peer);
            assert_eq!(fault(&mut peer, &message).await, *code, "{what}, {format:?}");
            is_served(&mut peer).await;
        }
    }
    site.close().await;
}

#[tokio::test]
async fn every_other_spelling_of_an_address_is_invalid() {
    let long = format!("hall/{}", "x".repeat(251));
    let spellings = [
        "",
        "/",
        "/hall",
        "ha-ll/x",
        "hall/%41",
        "hall/caf%c3%a9",
        "hall/a b",
        "hall/a+b",
        "hall/café",
        "hall/%FF",
        "hall/%F",
        "hall/%",
        "hall/a\0",
        &long,
    ];
    let site = Site::open().await;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        for spelling in spellings {
            for message in [sub(&mut peer, spelling), said(&mut peer, spelling)] {
                let code = fault(&mut peer, &message).await;
                assert_eq!(code, FaultCode::Invalid, "{spelling}, {format:?}");
            }
            let unsub = peer.placed("$unsub", &Value::Null, |head| {
                head.ch = Some(spelling.into());
            });
            assert_eq!(fault(&mut peer, &unsub).await, FaultCode::Invalid, "{spelling}");
        }
        is_served(&mut peer).await;
    }
    site.close().await;
}

#[tokio::test]
async fn a_repeated_seq_is_ignored_and_acknowledged() {
    let site = Site::open().await;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        is_served(&mut peer).await;
        let again = peer.message("dance", &json!({}), |head| head.seq = Some(1));
        peer.send(&again).await;
        loop {
            let Seen::Envelope(envelope) = peer.next().await else { panic!("closed") };
            assert_ne!(envelope.head.re, Some(id_of(&peer, &again)), "it was worked on");
            if matches!(envelope.frame, Frame::Ack(_)) && envelope.head.ack == Some(1) {
                break;
            }
        }
        is_served(&mut peer).await;
    }
    site.close().await;
}

#[tokio::test]
async fn an_id_under_way_is_not_taken_again() {
    let site = Site::open().await;
    let mut peer = Peer::welcomed(site.address, Format::Json).await;
    let id = peer.id();
    let first = peer.placed("wait", &json!({}), |head| head.id = id);
    peer.send(&first).await;
    let second = peer.placed("wait", &json!({}), |head| head.id = id);
    assert_eq!(fault(&mut peer, &second).await, FaultCode::Invalid);
    is_served(&mut peer).await;
    drop(peer);
    site.close().await;
}

#[tokio::test]
async fn what_a_newer_peer_says_is_ignored() {
    let site = Site::open().await;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        for message in [
            peer.message("$new", &json!([1, {"deep": [true]}]), |_| {}),
            peer.placed("$new", &Value::Null, |_| {}),
            peer.message("$pong", &json!({"t": 1, "now": 1, "more": {}}), |_| {}),
            peer.placed("echo", &json!({"text": "", "more": [1, 2]}), |_| {}),
        ] {
            peer.send(&message).await;
        }
        is_served(&mut peer).await;
    }
    site.close().await;
}

#[tokio::test]
async fn words_about_what_is_not_under_way_are_ignored() {
    let site = Site::open().await;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        let re = peer.id();
        let fault = json!({"code": "internal", "message": "", "retry": "never"});
        for message in [
            peer.placed("$cancel", &Value::Null, |head| head.re = Some(re)),
            peer.placed("$credit", &json!({"n": u32::MAX}), |head| head.re = Some(re)),
            peer.placed("$err", &fault, |head| head.re = Some(re)),
            peer.placed("echo.ok", &json!(""), |head| head.re = Some(re)),
            peer.message("$ack", &json!({"ch": {"hall/a": 5}}), |_| {}),
            peer.message("$pong", &json!({"t": 1, "now": 1}), |_| {}),
        ] {
            peer.send(&message).await;
        }
        is_served(&mut peer).await;
    }
    site.close().await;
}

#[tokio::test]
async fn the_longest_ttl_and_the_greatest_credit_are_taken() {
    let site = Site::open().await;
    let mut peer = Peer::welcomed(site.address, Format::Json).await;
    let wait = peer.placed("wait", &json!({}), |head| head.ttl = Some((1 << 53) - 1));
    let id = peer.id();
    let count = peer.placed("count", &json!({"to": 3}), |head| head.id = id);
    let credit = |peer: &mut Peer| {
        peer.placed("$credit", &json!({"n": u32::MAX}), |head| head.re = Some(id))
    };
    let (once, twice) = (credit(&mut peer), credit(&mut peer));
    for message in [wait, count, once, twice] {
        peer.send(&message).await;
    }
    is_served(&mut peer).await;
    drop(peer);
    site.close().await;
}

fn sub(peer: &mut Peer, ch: &str) -> Vec<u8> {
    peer.placed("$sub", &json!({}), |head| head.ch = Some(ch.into()))
}

fn said(peer: &mut Peer, ch: &str) -> Vec<u8> {
    peer.placed("hall.said", &json!({"text": "a"}), |head| head.ch = Some(ch.into()))
}
