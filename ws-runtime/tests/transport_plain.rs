//! A server reads whole messages itself and leaves the rest to the codec: whatever the frames are,
//! and wherever the reads cut them, the same comes of them in the same order.
#![cfg(feature = "net")]

use crate::frames::masked;
use proptest::prelude::*;
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_proto::{Format, Limits};
use ws_runtime::transport::{Received, Transport, tungstenite::WebSocket};

/// What a client sends.
#[derive(Clone, Debug)]
enum Sent {
    /// A message in one frame.
    Whole(usize),
    /// A message in fragments of these lengths, with a ping in between where it says so.
    Fragments(Vec<(usize, bool)>),
    Ping(usize),
    /// A message of the other format.
    WrongKind(usize),
}

/// A stream that gives its bytes in pieces of these sizes, over and over, and takes everything.
struct Cut {
    bytes: Vec<u8>,
    begin: usize,
    sizes: Vec<usize>,
    reads: usize,
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.sizes[self.reads % self.sizes.len()];
        self.reads += 1;
        if size == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let end = (self.begin + size.min(buf.remaining())).min(self.bytes.len());
        buf.put_slice(&self.bytes[self.begin..end]);
        self.begin = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cut {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100,
        max_shrink_iters: 0, failure_persistence: None, ..Default::default() })]

    #[test]
    fn frames_mean_the_same_wherever_they_are_cut(
        sent in prop::collection::vec(sent(), 0..30),
        sizes in prop::collection::vec(
            prop_oneof![Just(0), 1..20_usize, 100..2_000_usize, Just(100_000)], 1..20,
        ),
        flushes in prop::collection::vec(any::<bool>(), 8),
    ) {
        // At least one piece is one, and long.
        let sizes = [sizes, vec![5_000]].concat();
        for format in Format::ALL {
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (n, one) in sent.iter().enumerate() {
                say(one, n, format, &mut bytes, &mut expected);
            }
            let stream = Cut { bytes, begin: 0, sizes: sizes.clone(), reads: 0 };
            let received = received(stream, format, &flushes);
            let differs = received.iter().zip(&expected).position(|(one, other)| one != other);
            let lengths = (received.len(), expected.len());
            prop_assert_eq!((differs, lengths.0), (None, lengths.1), "{:?}", received.last());
        }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let short = 0..200_usize;
    let length = prop_oneof![4 => short.clone(), 1 => 200..9_000_usize, 1 => 65_500..70_000_usize];
    let fragment = (short.clone(), any::<bool>());
    prop_oneof![
        8 => length.prop_map(Sent::Whole),
        1 => prop::collection::vec(fragment, 2..5).prop_map(Sent::Fragments),
        1 => (0..126_usize).prop_map(Sent::Ping),
        1 => short.prop_map(Sent::WrongKind),
    ]
}

/// The frames of one thing, and what comes of them.
fn say(sent: &Sent, n: usize, format: Format, bytes: &mut Vec<u8>, expected: &mut Vec<Received>) {
    let (ours, theirs) = match format {
        Format::Json => (1, 2),
        Format::MessagePack => (2, 1),
    };
    // Of more than one byte each, so that a cut may be within a character.
    let letter = if n.is_multiple_of(3) { "é" } else { "xy" };
    let text = |length: usize| letter.repeat(length / 2).into_bytes();
    match sent {
        Sent::Whole(length) => {
            bytes.extend(masked(0x80 | ours, &text(*length)));
            expected.push(Received::Message(text(*length).into()));
        }
        Sent::Fragments(fragments) => {
            let mut whole = Vec::new();
            for (place, (length, ping)) in fragments.iter().enumerate() {
                let first = if place == 0 { ours } else { 0 };
                let last = if place + 1 == fragments.len() { 0x80 } else { 0 };
                bytes.extend(masked(first | last, &text(*length)));
                whole.extend(text(*length));
                if *ping && last == 0 {
                    bytes.extend(masked(0x89, b"there?"));
                    expected.push(Received::Activity);
                }
            }
            expected.push(Received::Message(whole.into()));
        }
        Sent::Ping(length) => {
            bytes.extend(masked(0x89, &text(*length)));
            expected.push(Received::Activity);
        }
        Sent::WrongKind(length) => {
            bytes.extend(masked(0x80 | theirs, &text(*length)));
            expected.push(Received::WrongKind);
        }
    }
}

/// Everything up to the end of the stream, with a flush where it says so.
fn received(stream: Cut, format: Format, flushes: &[bool]) -> Vec<Received> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut limits = Limits::default();
        limits.max_frame = 100_000;
        let mut server = WebSocket::server(stream, format, &limits).await;
        let mut all = Vec::new();
        for flush in flushes.iter().cycle() {
            let received = poll_fn(|cx| server.poll_recv(cx)).await;
            if matches!(received, Received::Lost(_)) {
                break;
            }
            all.push(received);
            if *flush {
                poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
            }
        }
        all
    })
}
