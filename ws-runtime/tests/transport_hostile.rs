//! Peers that break WebSocket, byte by byte.
#![cfg(feature = "net")]

use crate::frames::{MASK, masked};
use std::{future::poll_fn, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};
use ws_proto::{CloseCode, Format, Limits};
use ws_runtime::transport::{Received, Transport, tungstenite::WebSocket};

// Longer than any machine needs; only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn broken_framing_is_malformed_and_answered_1002() {
    let long = [b'x'; 126];
    let cases: &[(&str, Vec<u8>)] = &[
        ("an unmasked frame", vec![0x81, 2, b'{', b'}']),
        ("reserved bit 1", masked(0xc1, b"{}")),
        ("reserved bit 2", masked(0xa1, b"{}")),
        ("reserved bit 3", masked(0x91, b"{}")),
        ("a reserved data opcode", masked(0x83, b"{}")),
        ("a reserved control opcode", masked(0x8b, b"{}")),
        ("a ping of 126 bytes", masked(0x89, &long)),
        ("a close of 126 bytes", masked(0x88, &long)),
        ("a ping in fragments", masked(0x09, b"")),
        ("a close of one byte", masked(0x88, &[3])),
        ("a continuation of nothing", masked(0x80, b"{}")),
        ("a message within a message", [masked(0x01, b"{"), masked(0x81, b"{}")].concat()),
    ];
    for (what, bytes) in cases {
        assert_eq!(violation(bytes).await, (1002, 1002), "{what}");
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_is_malformed_and_answered_1007() {
    let cases: &[(&str, Vec<u8>)] = &[
        ("one frame", masked(0x81, &[b'"', 0xff, b'"'])),
        ("a surrogate", masked(0x81, &[0xed, 0xa0, 0x80])),
        ("an overlong form", masked(0x81, &[0xc0, 0xaf])),
        ("half a character at the end", masked(0x81, &[0xc3])),
        ("broken by a fragment", [masked(0x01, &[0xc3]), masked(0x80, b"\"")].concat()),
        ("the reason of a close", masked(0x88, &[0x03, 0xe8, 0xff])),
    ];
    for (what, bytes) in cases {
        assert_eq!(violation(bytes).await, (1007, 1007), "{what}");
    }
}

#[tokio::test]
async fn a_character_may_be_split_between_fragments() {
    let (mut server, mut peer) = server().await;
    let bytes = [masked(0x01, &[b'"', 0xc3]), masked(0x80, &[0xa9, b'"'])].concat();
    peer.write_all(&bytes).await.unwrap();
    assert_eq!(recv(&mut server).await, Received::Message("\"é\"".into()));
}

#[tokio::test]
async fn a_declared_length_past_the_limit_is_too_large_without_a_body() {
    let limit = Limits::default().max_frame as u64;
    for length in [limit + 1, 60 << 20, (1 << 63) - 1, u64::MAX] {
        let (mut server, mut peer) = server().await;
        let header = [&[0x81, 0xff][..], &length.to_be_bytes(), &MASK].concat();
        peer.write_all(&header).await.unwrap();
        assert_eq!(recv(&mut server).await, Received::TooLarge, "{length} bytes");
        let close = Some((CloseCode::TOO_LARGE, "too large"));
        assert_eq!(close_and_read(server, peer, close).await, 4503, "{length} bytes");
    }
}

#[tokio::test]
async fn too_large_is_1009_where_nobody_says_otherwise() {
    let (mut server, mut peer) = server().await;
    peer.write_all(&[&[0x81, 0xff][..], &[0x7f; 8], &MASK].concat()).await.unwrap();
    assert_eq!(recv(&mut server).await, Received::TooLarge);
    assert_eq!(close_and_read(server, peer, None).await, 1009);
}

#[tokio::test]
async fn fragments_that_add_up_past_the_limit_are_too_large() {
    let (mut server, mut peer) = server().await;
    let feed = async {
        peer.write_all(&masked(0x01, &[b' '; 1024])).await.unwrap();
        // Never final; the reader stops before the writer does.
        for _ in 0..64 {
            peer.write_all(&masked(0x00, &[b' '; 1024])).await.unwrap();
        }
    };
    let (received, ()) = tokio::join!(recv(&mut server), feed);
    assert_eq!(received, Received::TooLarge);
}

#[tokio::test]
async fn empty_fragments_for_ever_are_malformed() {
    let (mut server, mut peer) = server().await;
    let flood = tokio::spawn(async move {
        peer.write_all(&masked(0x01, b"")).await?;
        let fragments = masked(0x00, b"").repeat(512);
        loop {
            peer.write_all(&fragments).await?;
        }
        #[expect(unreachable_code, reason = "it names the type of the loop's errors")]
        std::io::Result::Ok(())
    });
    let received = recv(&mut server).await;
    assert!(matches!(received, Received::Malformed { code: CloseCode(1002), .. }), "{received:?}");
    drop(server);
    assert!(flood.await.unwrap().is_err(), "the flood ended with the connection");
}

#[tokio::test]
async fn a_long_message_in_honest_fragments_arrives() {
    let (mut server, mut peer) = server().await;
    let feed = async {
        peer.write_all(&masked(0x01, b"")).await.unwrap();
        for _ in 0..Limits::default().max_frame / 64 {
            peer.write_all(&masked(0x00, &[b' '; 64])).await.unwrap();
        }
        peer.write_all(&masked(0x80, b"")).await.unwrap();
    };
    let (received, ()) = tokio::join!(recv(&mut server), feed);
    assert_eq!(received, Received::Message(vec![b' '; Limits::default().max_frame].into()));
}

#[tokio::test]
async fn pings_are_activity_and_their_answers_stay_bounded() {
    let limits = Limits::default();
    let (mut server, mut peer) = server().await;
    let pings = masked(0x89, &[b'p'; 125]).repeat(16);
    // Four times what may wait, and the peer reads none of the answers.
    for _ in 0..4 * limits.write_buffer / pings.len() {
        peer.write_all(&pings).await.unwrap();
        for _ in 0..16 {
            assert_eq!(recv(&mut server).await, Received::Activity);
        }
        assert!(server.unwritten() <= limits.write_buffer + 4096, "{}", server.unwritten());
    }
    assert!(server.unwritten() >= limits.write_buffer, "the answers did wait");
}

#[tokio::test]
async fn a_ping_is_answered_with_its_bytes() {
    let (mut server, mut peer) = server().await;
    peer.write_all(&masked(0x89, b"hi")).await.unwrap();
    assert_eq!(recv(&mut server).await, Received::Activity);
    poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
    let mut pong = [0; 4];
    peer.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, [0x8a, 2, b'h', b'i']);
}

#[tokio::test]
async fn a_close_code_that_may_not_travel_counts_as_1002() {
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] {
        let (mut server, mut peer) = server().await;
        peer.write_all(&masked(0x88, &code.to_be_bytes())).await.unwrap();
        let received = recv(&mut server).await;
        let Received::Closed { code: Some(seen), .. } = received else {
            panic!("{code}: {received:?}")
        };
        assert_eq!(seen, CloseCode(1002), "{code}");
        assert_eq!(close_and_read(server, peer, None).await, 1002, "{code}");
    }
}

#[tokio::test]
async fn a_frame_that_is_cut_off_is_a_loss() {
    let frame = masked(0x81, b"{\"type\":\"a\"}");
    for cut in 0..frame.len() {
        let (mut server, mut peer) = server().await;
        peer.write_all(&frame[..cut]).await.unwrap();
        drop(peer);
        let received = recv(&mut server).await;
        assert!(matches!(received, Received::Lost(_)), "{cut}: {received:?}");
    }
}

#[tokio::test]
async fn a_masked_frame_of_a_server_is_malformed() {
    let (near, mut peer) = tokio::io::duplex(4096);
    let mut client = WebSocket::client(near, Format::Json, &Limits::default()).await;
    peer.write_all(&masked(0x81, b"{}")).await.unwrap();
    let received = recv(&mut client).await;
    assert!(matches!(received, Received::Malformed { code: CloseCode(1002), .. }), "{received:?}");
}

#[tokio::test]
async fn what_a_client_sends_is_masked_with_a_new_mask_each_time() {
    let (near, mut peer) = tokio::io::duplex(4096);
    let mut client = WebSocket::client(near, Format::MessagePack, &Limits::default()).await;
    let mut masks = Vec::new();
    for _ in 0..8 {
        client.start_send(b"abcdefg").unwrap();
        poll_fn(|cx| client.poll_flush(cx)).await.unwrap();
        let mut frame = [0; 13];
        peer.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[..2], [0x82, 0x80 | 7]);
        let mask: [u8; 4] = frame[2..6].try_into().unwrap();
        let body: Vec<u8> =
            frame[6..].iter().zip(mask.iter().cycle()).map(|(b, k)| b ^ k).collect();
        assert_eq!(body, b"abcdefg");
        masks.push(mask);
    }
    masks.sort_unstable();
    masks.dedup();
    // Two of eight may be equal once in a hundred million runs.
    assert_eq!(masks.len(), 8);
}

async fn server() -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, peer) = tokio::io::duplex(16 * 1024);
    (WebSocket::server(near, Format::Json, &Limits::default()).await, peer)
}

async fn recv(transport: &mut impl Transport) -> Received {
    timeout(HANG, poll_fn(|cx| transport.poll_recv(cx))).await.unwrap()
}

/// The code that a server finds in these bytes, and the code that it answers.
async fn violation(bytes: &[u8]) -> (u16, u16) {
    let (mut server, mut peer) = server().await;
    peer.write_all(bytes).await.unwrap();
    let received = recv(&mut server).await;
    let Received::Malformed { code, .. } = received else { panic!("{received:?}") };
    (code.0, close_and_read(server, peer, Some((CloseCode::MALFORMED, "malformed"))).await)
}

/// Closes the server's end and reads the code of its close frame off the wire.
async fn close_and_read(
    mut server: WebSocket<DuplexStream>,
    mut peer: DuplexStream,
    close: Option<(CloseCode, &str)>,
) -> u16 {
    let closing = poll_fn(|cx| server.poll_close(cx, close));
    let reading = async move {
        let mut frame = [0; 4];
        peer.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[0], 0x88, "a close frame, and nothing before it");
        u16::from_be_bytes([frame[2], frame[3]])
    };
    timeout(HANG, async { tokio::join!(closing, reading).1 }).await.unwrap()
}
