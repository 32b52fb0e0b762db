//! What ends a connection, and with which code.

use super::{Ending, Site, ending};
use crate::{frames::masked, peer::Peer};
use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use ws_proto::{CloseCode, Format};
use ws_runtime::ServerConfig;

type Attack = fn(&mut Peer) -> Vec<u8>;

const CONTROL: [&str; 16] = [
    "$hello",
    "$welcome",
    "$reject",
    "$ping",
    "$pong",
    "$ack",
    "$close",
    "$cancel",
    "$credit",
    "$sub",
    "$unsub",
    "$ok",
    "$err",
    "$unsubbed",
    "$live",
    "$gap",
];

/// Each attack on a connection of its own, in both formats.
async fn attack(site: &Site, is_welcomed: bool, cases: &[(&str, u16, Attack)]) {
    for format in Format::ALL {
        for (what, code, attack) in cases {
            let mut peer = if is_welcomed {
                Peer::welcomed(site.address, format).await
            } else {
                Peer::upgraded(site.address, format).await
            };
            let message = attack(&mut peer);
            peer.send(&message).await;
            assert_eq!(ending(&mut peer).await, Ending::with(*code), "{what}, {format:?}");
        }
    }
}

#[tokio::test]
async fn what_comes_before_the_hello_is_4501_and_nonsense_4500() {
    let site = Site::open().await;
    attack(
        &site,
        false,
        &[
            ("a request", 4501, |peer| peer.placed("echo", &json!({"text": ""}), |_| {})),
            ("a ping", 4501, |peer| peer.message("$ping", &json!({"t": 1}), |_| {})),
            ("an acknowledgement", 4501, |peer| peer.message("$ack", &json!({}), |_| {})),
            ("a subscription", 4501, |peer| {
                peer.placed("$sub", &json!({}), |head| head.ch = Some("ticks".into()))
            }),
            ("a frame of a server", 4501, |peer| peer.message("$live", &Value::Null, |_| {})),
            ("a frame of a newer peer", 4501, |peer| peer.message("$new", &json!({}), |_| {})),
            ("no hello at all", 4500, |peer| peer.message("$hello", &Value::Null, |_| {})),
            ("a hello without versions", 4500, |peer| {
                peer.message("$hello", &json!({"protocol": "lab"}), |_| {})
            }),
            ("no version at all", 4511, |peer| {
                peer.message("$hello", &json!({"protocol": "lab", "version": [3, 1]}), |_| {})
            }),
            ("one version", 4500, |peer| {
                peer.message("$hello", &json!({"protocol": "lab", "version": 3}), |_| {})
            }),
            ("a token that is a number", 4500, |peer| {
                let hello = json!({"protocol": "lab", "version": [1, 3], "auth": {"token": 7}});
                peer.message("$hello", &hello, |_| {})
            }),
            ("other versions", 4511, |peer| {
                peer.message("$hello", &json!({"protocol": "lab", "version": [4, 9]}), |_| {})
            }),
            ("another protocol", 4511, |peer| {
                peer.message("$hello", &json!({"protocol": "bal", "version": [1, 3]}), |_| {})
            }),
            ("no credentials", 4600, |peer| {
                peer.message("$hello", &json!({"protocol": "lab", "version": [1, 3]}), |_| {})
            }),
        ],
    )
    .await;
    site.close().await;
}

#[tokio::test]
async fn a_second_hello_is_4502_at_any_time() {
    let site = Site::open().await;
    attack(&site, true, &[("after the welcome", 4502, Peer::hello)]).await;
    for format in Format::ALL {
        let mut peer = Peer::upgraded(site.address, format).await;
        let (first, second) = (peer.hello(), peer.hello());
        let both = [peer.framed(&first), peer.framed(&second)].concat();
        peer.stream.write_all(&both).await.unwrap();
        assert_eq!(ending(&mut peer).await, Ending::with(4502), "before the welcome");
    }
    site.close().await;
}

#[tokio::test]
async fn talking_on_behind_a_hello_that_resumes_is_4501() {
    let site = Site::open().await;
    for format in Format::ALL {
        let mut peer = Peer::upgraded(site.address, format).await;
        let hello = json!({
            "protocol": "lab", "version": [1, 3], "auth": {"token": "eve"},
            "resume": {"session": "s", "ticket": "t", "recv": 0},
        });
        let hello = peer.message("$hello", &hello, |_| {});
        let request = peer.placed("echo", &json!({"text": ""}), |_| {});
        let both = [peer.framed(&hello), peer.framed(&request)].concat();
        peer.stream.write_all(&both).await.unwrap();
        assert_eq!(ending(&mut peer).await, Ending::with(4501));
    }
    site.close().await;
}

#[tokio::test]
async fn frames_of_a_server_from_a_client_are_4500() {
    let site = Site::open().await;
    let fault = json!({"code": "internal", "message": "", "retry": "never"});
    let welcome = json!({
        "version": 3, "recv": 0,
        "session": {"id": "s", "ticket": "t", "ttl_ms": 0, "resumed": false},
        "heartbeat": {"interval_ms": 1, "timeout_ms": 1},
        "limits": {"max_frame": 1, "max_in_flight": 1, "max_subs": 1, "window": 1,
            "rate": {"per_s": 1, "burst": 1}},
        "server": {"node": "a", "now": 1},
    });
    let reject = json!({"close": 4000, "error": fault, "protocol": "lab", "supported": [1, 1]});
    let cases = [
        ("$welcome", welcome),
        ("$reject", reject),
        ("$ok", json!({})),
        ("$unsubbed", json!({"code": "internal", "reason": "", "retry": "never"})),
        ("$live", Value::Null),
        ("$gap", json!({"reason": "slow"})),
    ];
    for format in Format::ALL {
        for (kind, payload) in &cases {
            let mut peer = Peer::welcomed(site.address, format).await;
            let re = peer.id();
            let message = peer.placed(kind, payload, |head| {
                head.re = Some(re);
                head.ch = Some("ticks".into());
                head.off = Some(1);
            });
            peer.send(&message).await;
            assert_eq!(ending(&mut peer).await, Ending::with(4500), "{kind}, {format:?}");
        }
    }
    site.close().await;
}

#[tokio::test]
async fn control_frames_with_a_payload_of_another_shape_are_4500() {
    let site = Site::open().await;
    for format in Format::ALL {
        for kind in CONTROL {
            let mut peer = Peer::welcomed(site.address, format).await;
            let re = peer.id();
            let message = peer.placed(kind, &json!("nonsense"), |head| {
                head.re = Some(re);
                head.ch = Some("ticks".into());
            });
            peer.send(&message).await;
            assert_eq!(ending(&mut peer).await, Ending::with(4500), "{kind}, {format:?}");
        }
    }
    site.close().await;
}

#[tokio::test]
async fn control_frames_without_what_they_need_are_4500() {
    let site = Site::open().await;
    attack(
        &site,
        true,
        &[
            ("a request without seq", 4500, |peer| {
                peer.message("echo", &json!({"text": ""}), |_| {})
            }),
            ("a cancel of nothing", 4500, |peer| peer.placed("$cancel", &Value::Null, |_| {})),
            ("a credit for nothing", 4500, |peer| peer.placed("$credit", &json!({"n": 1}), |_| {})),
            ("a credit below zero", 4500, |peer| {
                let re = peer.id();
                peer.placed("$credit", &json!({"n": -1}), |head| head.re = Some(re))
            }),
            ("a credit without end", 4500, |peer| {
                let re = peer.id();
                peer.placed("$credit", &json!({"n": 1_u64 << 32}), |head| head.re = Some(re))
            }),
            ("a subscription to nothing", 4500, |peer| peer.placed("$sub", &json!({}), |_| {})),
            ("a position without an epoch", 4500, |peer| {
                let since = json!({"since": {"off": 1}});
                peer.placed("$sub", &since, |head| head.ch = Some("hall/a".into()))
            }),
            ("an unsubscription from nothing", 4500, |peer| {
                peer.placed("$unsub", &Value::Null, |_| {})
            }),
            ("a ping without a number", 4500, |peer| peer.message("$ping", &json!({}), |_| {})),
            ("another spelling in an acknowledgement", 4500, |peer| {
                peer.message("$ack", &json!({"ch": {"hall/%41": 0}}), |_| {})
            }),
        ],
    )
    .await;
    site.close().await;
}

#[tokio::test]
async fn places_that_make_no_sense_are_4006() {
    let site = Site::open().await;
    attack(
        &site,
        true,
        &[
            ("a hole", 4006, |peer| {
                peer.message("echo", &json!({"text": ""}), |head| head.seq = Some(2))
            }),
            ("a hole as wide as can be", 4006, |peer| {
                peer.message("echo", &json!({"text": ""}), |head| head.seq = Some((1 << 53) - 1))
            }),
            ("a hole in a frame of a newer peer", 4006, |peer| {
                peer.message("$new", &json!({}), |head| head.seq = Some(2))
            }),
            ("an acknowledgement of what was never sent", 4006, |peer| {
                peer.message("$ack", &json!({}), |head| head.ack = Some(1))
            }),
        ],
    )
    .await;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        let sub = peer.placed("$sub", &json!({}), |head| head.ch = Some("hall/a".into()));
        peer.send(&sub).await;
        peer.next().await;
        let ack = peer.message("$ack", &json!({"ch": {"hall/a": 1}}), |_| {});
        peer.send(&ack).await;
        assert_eq!(ending(&mut peer).await, Ending::with(4006), "an event never sent");
    }
    site.close().await;
}

#[tokio::test]
async fn json_that_is_no_envelope_is_4500() {
    const ID: &str = r#""id":"0199c82c-c000-7000-8000-000000000001""#;
    let site = Site::open().await;
    let deep = "[".repeat(64) + &"]".repeat(64);
    let long = "x".repeat(129);
    let cases = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "{".to_owned(),
        r#"{"type":"echo","payload":{}}"#.to_owned(),
        format!(r#"{{"type":"echo",{ID},"ts":1}}"#),
        format!(r#"{{"type":"echo",{ID},"payload":{{}}}}"#),
        format!(r#"{{"type":"",{ID},"ts":1,"seq":1,"payload":{{}}}}"#),
        format!(r#"{{"type":"{long}",{ID},"ts":1,"seq":1,"payload":{{}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":1,"key":"{long}","payload":{{}}}}"#),
        format!(r#"{{"type":7,{ID},"ts":1,"seq":1,"payload":{{}}}}"#),
        r#"{"type":"echo","id":"1","ts":1,"seq":1,"payload":{}}"#.to_owned(),
        format!(r#"{{"type":"echo",{ID},"ts":1e3,"seq":1,"payload":{{}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":-1,"seq":1,"payload":{{}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1.0,"seq":1,"payload":{{}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":"1","payload":{{}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":9007199254740992,"payload":{{}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":1,"seq":1,"payload":{{}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":1,"re":null,"payload":{{}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":1,"payload":{{}}}} x"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":1,"payload":{{}}}}{{}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":1,"payload":{deep}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":1,"payload":{{"text":"\u00"}}}}"#),
        format!(r#"{{"type":"echo",{ID},"ts":1,"seq":1,"payload":{{"text":NaN}}}}"#),
    ];
    for case in &cases {
        let mut peer = Peer::welcomed(site.address, Format::Json).await;
        peer.send(case.as_bytes()).await;
        assert_eq!(ending(&mut peer).await, Ending::with(4500), "{case}");
    }
    site.close().await;
}

#[tokio::test]
async fn message_pack_that_is_no_envelope_is_4500() {
    let site = Site::open().await;
    let whole = {
        let mut peer = Peer::upgraded(site.address, Format::MessagePack).await;
        peer.placed("echo", &json!({"text": "a"}), |_| {})
    };
    // After `[type, id, ts, header` nothing but the payload is to come.
    let payload_at = whole.len() - b"\x81\xa4text\xa1a".len();
    let with_payload = |payload: &[u8]| [&whole[..payload_at], payload].concat();
    let mut cases = vec![
        Vec::new(),
        vec![0xc1],
        vec![0xc0],
        vec![0x94],
        [&[0x96], &whole[1..], &[0xc0]].concat(),
        [&whole[..], &[0xc0]].concat(),
        // Lengths of four gigabytes: an array, a map, a text, bytes.
        vec![0xdd, 0xff, 0xff, 0xff, 0xff],
        with_payload(&[0xdd, 0xff, 0xff, 0xff, 0xff]),
        with_payload(&[0xdf, 0xff, 0xff, 0xff, 0xff]),
        with_payload(&[0xdb, 0xff, 0xff, 0xff, 0xff, b'a']),
        with_payload(&[0xc6, 0xff, 0xff, 0xff, 0xff, b'a']),
        // An extension, a nesting of 32, a text that is not UTF-8.
        with_payload(&[0xd4, 1, 0]),
        with_payload(&[[0x91; 32].as_slice(), &[0xc0]].concat()),
        with_payload(b"\x81\xa4text\xa1\xff"),
    ];
    cases.extend((1..whole.len()).map(|cut| whole[..cut].to_vec()));
    for case in &cases {
        let mut peer = Peer::welcomed(site.address, Format::MessagePack).await;
        peer.send(case).await;
        assert_eq!(ending(&mut peer).await, Ending::with(4500), "{case:02x?}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_message_of_the_other_kind_is_4504() {
    let site = Site::open().await;
    for (format, first) in [(Format::Json, 0x82), (Format::MessagePack, 0x81)] {
        let mut peer = Peer::welcomed(site.address, format).await;
        let message = peer.placed("echo", &json!({"text": ""}), |_| {});
        // MessagePack is no text, so that the bytes are JSON in both cases.
        let message = if format == Format::Json { message } else { b"{}".to_vec() };
        peer.stream.write_all(&masked(first, &message)).await.unwrap();
        assert_eq!(ending(&mut peer).await, Ending::with(4504), "{format:?}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_message_past_the_limit_is_4503_before_it_was_sent() {
    let site = Site::open().await;
    let limit = ServerConfig::default().limits.max_frame as u64;
    for length in [limit + 1, 60 << 20, (1 << 63) - 1, u64::MAX] {
        for first in [0x01, 0x81] {
            let mut peer = Peer::welcomed(site.address, Format::Json).await;
            let header = [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
            peer.stream.write_all(&header).await.unwrap();
            assert_eq!(ending(&mut peer).await, Ending::with(4503), "{length} bytes");
        }
    }
    site.close().await;
}

#[tokio::test]
async fn broken_web_sockets_are_told_4500_and_closed_as_web_socket_demands() {
    let site = Site::open().await;
    let cases: &[(&str, u16, Vec<u8>)] = &[
        ("an unmasked frame", 1002, vec![0x81, 2, b'{', b'}']),
        ("a reserved bit", 1002, masked(0xc1, b"{}")),
        ("a reserved opcode", 1002, masked(0x83, b"{}")),
        ("a continuation of nothing", 1002, masked(0x80, b"{}")),
        ("text that is not UTF-8", 1007, masked(0x81, &[b'"', 0xff, b'"'])),
    ];
    for (what, code, bytes) in cases {
        let mut peer = Peer::welcomed(site.address, Format::Json).await;
        peer.stream.write_all(bytes).await.unwrap();
        let expected = Ending { told: Some(CloseCode(4500)), closed: Some(*code) };
        assert_eq!(ending(&mut peer).await, expected, "{what}");
    }
    site.close().await;
}

#[tokio::test]
async fn a_message_that_is_cut_off_at_any_byte_is_a_loss_and_nothing_else() {
    let site = Site::open().await;
    for format in Format::ALL {
        let mut peer = Peer::welcomed(site.address, format).await;
        let message = peer.placed("echo", &json!({"text": "a"}), |_| {});
        let frame = peer.framed(&message);
        for cut in 0..frame.len() {
            let mut peer = Peer::welcomed(site.address, format).await;
            peer.stream.write_all(&frame[..cut]).await.unwrap();
        }
    }
    site.close().await;
}

#[tokio::test]
async fn five_hundred_who_never_say_hello_are_all_told_4303() {
    let config = ServerConfig { max_connections_per_address: None, ..ServerConfig::default() };
    let site = Site::with(config).await;
    let address = site.address;
    // A few at a time: the upgrade has a deadline too, and it is not what is tried here.
    let silent: Vec<_> = stream::iter(0..500)
        .map(|n| Peer::upgraded(address, Format::ALL[n % 2]))
        .buffer_unordered(32)
        .collect()
        .await;
    let endings = silent.into_iter().map(|mut peer| async move { ending(&mut peer).await });
    for ending in join_all(endings).await {
        assert_eq!(ending, Ending::with(4303));
    }
    site.close().await;
}
