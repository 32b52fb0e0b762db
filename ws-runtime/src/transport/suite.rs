//! What every [`Transport`] has to do. An implementation runs all of it with one line:
//!
//! ```
//! # use ws_runtime::transport::{memory, suite};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! suite::run(async |format, limits| memory::pair(format, &limits)).await;
//! # });
//! ```
//!
//! The suite has no deadlines and needs no runtime of its own; a test that must not hang sets one
//! around it.

use super::{Lost, Received, Transport};
use bytes::Bytes;
use futures_util::future::{join, poll_immediate};
use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};
use ws_proto::{
    Batch, CloseCode, DecodeError, EncodeError, EncodedEvent, EventSet, EventSpec, Format, Head,
    Limits, MessageId, Publication, Raw,
};

/// Runs every check, in both formats and both directions, on connections that `connect` makes. It
/// is given the format and the bounds that both ends have to keep.
///
/// # Panics
///
/// When a transport does not do what [`Transport`] says; the message names the rule.
pub async fn run<A, B>(connect: impl AsyncFn(Format, Limits) -> (A, B))
where
    A: Transport,
    B: Transport,
{
    let limits = small();
    for format in Format::ALL {
        let (a, b) = connect(format, limits).await;
        check_all(a, b, Step::Talk).await;
        let (a, b) = connect(format, limits).await;
        check_all(b, a, Step::Talk).await;
        let steps = [
            Step::Batch,
            Step::TooLarge,
            Step::Close,
            Step::ReservedCode,
            Step::Loss,
            Step::Pressure,
        ];
        for step in steps {
            let (a, b) = connect(format, limits).await;
            check_all(a, b, step).await;
            let (a, b) = connect(format, limits).await;
            check_all(b, a, step).await;
        }
    }
}

/// What one connection is used for.
#[derive(Clone, Copy)]
enum Step {
    Talk,
    Batch,
    TooLarge,
    Close,
    ReservedCode,
    Loss,
    Pressure,
}

async fn check_all(from: impl Transport, to: impl Transport, step: Step) {
    assert_eq!(from.format(), to.format(), "both ends agree on the format");
    match step {
        Step::Talk => messages_arrive_whole_and_in_order(from, to).await,
        Step::Batch => a_batch_arrives_message_by_message(from, to).await,
        Step::TooLarge => one_byte_past_the_limit_is_too_large(from, to).await,
        Step::Close => a_close_brings_code_and_reason(from, to).await,
        Step::ReservedCode => a_code_that_may_not_travel_becomes_none(from, to).await,
        Step::Loss => a_dropped_end_is_a_loss(from, to).await,
        Step::Pressure => a_peer_that_does_not_read_stops_the_writer(from, to).await,
    }
}

async fn messages_arrive_whole_and_in_order(mut from: impl Transport, mut to: impl Transport) {
    // Around every border of the WebSocket length field, and the limit itself.
    let limit = small().max_frame;
    let sizes = [0, 1, 125, 126, 127, 4095, 4096, 4097, limit - 1, limit, 2];
    let texts: Vec<Bytes> = sizes.iter().zip(0_u8..).map(|(size, n)| text(*size, n)).collect();
    let send = async {
        for message in &texts {
            put(&mut from, message.clone()).await.expect("the peer is there");
        }
        flush(&mut from).await.expect("the peer is there");
    };
    let receive = async {
        for message in &texts {
            let received = poll_fn(|cx| to.poll_recv(cx)).await;
            let size = message.len();
            assert_eq!(received, Received::Message(message.clone()), "{size} bytes, in order");
        }
    };
    join(send, receive).await;
    assert_eq!(from.unwritten(), 0, "what was received is not unwritten");
    nothing_is_received(&mut to).await;
}

async fn a_batch_arrives_message_by_message(mut from: impl Transport, mut to: impl Transport) {
    let format = from.format();
    let texts = [text(3, 1), text(3, 2)];
    let events: Vec<_> = [0, 100, 200].into_iter().map(event).collect();
    let send = async {
        put(&mut from, texts[0].clone()).await.expect("the peer is there");
        poll_fn(|cx| from.poll_ready(cx)).await.expect("the peer is there");
        from.start_send_batch(&Batch::new(events.clone())).expect("the peer is there");
        put(&mut from, texts[1].clone()).await.expect("the peer is there");
        flush(&mut from).await.expect("the peer is there");
    };
    let receive = async {
        let batch = events.iter().map(|event| event.bytes(format));
        for message in [&texts[0]].into_iter().chain(batch).chain([&texts[1]]) {
            let received = poll_fn(|cx| to.poll_recv(cx)).await;
            assert_eq!(received, Received::Message(message.clone()), "a batch, in its place");
        }
    };
    join(send, receive).await;
    nothing_is_received(&mut to).await;
}

async fn one_byte_past_the_limit_is_too_large(mut from: impl Transport, mut to: impl Transport) {
    let receive = async {
        let received = poll_fn(|cx| to.poll_recv(cx)).await;
        assert_eq!(received, Received::TooLarge, "one byte past `max_frame`");
        assert!(is_lost(&poll_fn(|cx| to.poll_recv(cx)).await), "`TooLarge` is the last");
        put(&mut to, text(5, 1)).await.expect("the refusing end still speaks");
        poll_fn(|cx| to.poll_close(cx, Some((CloseCode::TOO_LARGE, "too large")))).await;
    };
    let send = async move {
        put(&mut from, text(small().max_frame + 1, 0)).await.expect("the peer is there");
        // The peer may refuse before all of it is written.
        let _ = flush(&mut from).await;
        let last_words = poll_fn(|cx| from.poll_recv(cx)).await;
        assert_eq!(last_words, Received::Message(text(5, 1)), "the refusing end still speaks");
        let answer = closed(CloseCode::TOO_LARGE, "too large");
        assert_eq!(poll_fn(|cx| from.poll_recv(cx)).await, answer, "the sender is told");
    };
    join(send, receive).await;
}

async fn a_close_brings_code_and_reason(mut from: impl Transport, mut to: impl Transport) {
    // 123 bytes fit, and the last character would be cut in half.
    let reason = format!("{}é!", "x".repeat(122));
    let close = async {
        put(&mut from, text(3, 0)).await.expect("the peer is there");
        let words = (CloseCode::KICKED, reason.as_str());
        poll_fn(|cx| {
            let begun = from.poll_close(cx, Some(words));
            assert!(begun.is_pending(), "the peer has not closed yet");
            let flushed = from.poll_flush(cx);
            assert!(!matches!(flushed, Poll::Ready(Err(_))), "a flush is welcome while closing");
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| from.poll_close(cx, None)).await;
        assert!(put(&mut from, text(3, 0)).await.is_err(), "nothing follows a close");
    };
    let cut = &reason[..122];
    let receive = async move {
        let first = poll_fn(|cx| to.poll_recv(cx)).await;
        assert_eq!(first, Received::Message(text(3, 0)), "what was queued comes before the close");
        let last = poll_fn(|cx| to.poll_recv(cx)).await;
        assert_eq!(last, closed(CloseCode::KICKED, cut), "code and reason, cut");
        assert!(is_lost(&poll_fn(|cx| to.poll_recv(cx)).await), "`Closed` is the last");
        poll_fn(|cx| to.poll_close(cx, None)).await;
    };
    join(close, receive).await;
}

async fn a_code_that_may_not_travel_becomes_none(mut from: impl Transport, mut to: impl Transport) {
    let close = poll_fn(|cx| from.poll_close(cx, Some((CloseCode(1006), "never seen"))));
    let receive = async move {
        let none = Received::Closed { code: None, reason: String::new() };
        assert_eq!(poll_fn(|cx| to.poll_recv(cx)).await, none, "1006 never travels");
        poll_fn(|cx| to.poll_close(cx, None)).await;
    };
    join(close, receive).await;
}

async fn a_dropped_end_is_a_loss(mut from: impl Transport, mut to: impl Transport) {
    put(&mut from, text(3, 0)).await.expect("the peer is there");
    flush(&mut from).await.expect("the peer is there");
    drop(from);
    let first = poll_fn(|cx| to.poll_recv(cx)).await;
    assert_eq!(first, Received::Message(text(3, 0)), "what arrived before the loss is received");
    assert!(is_lost(&poll_fn(|cx| to.poll_recv(cx)).await), "a dropped end is a loss");
    // To close a lost connection does nothing, and ends.
    poll_fn(|cx| to.poll_close(cx, Some((CloseCode::NORMAL, "bye")))).await;
}

async fn a_peer_that_does_not_read_stops_the_writer(
    mut from: impl Transport,
    mut to: impl Transport,
) {
    // What an operating system keeps for one connection, by far.
    const ENDLESS: usize = 64 * 1024 * 1024;
    let limits = small();
    let mut sent = 0;
    let size = limits.max_frame;
    while let Some(ready) = poll_immediate(poll_fn(|cx| from.poll_ready(cx))).await {
        ready.expect("the peer is there");
        from.start_send(&number(sent, size)).expect("the peer is there");
        sent += 1;
        assert!(sent * size < ENDLESS, "`poll_ready` is pending when the peer does not read");
        let bound = limits.write_buffer + size + 4096;
        assert!(from.unwritten() <= bound, "the queue grows by one message past its bound");
    }
    assert!(from.unwritten() >= limits.write_buffer, "pending only when the queue is full");
    let receive = async {
        for n in 0..=sent {
            let received = poll_fn(|cx| to.poll_recv(cx)).await;
            assert_eq!(received, Received::Message(number(n, size)), "all of it, in order");
        }
    };
    let go_on = async {
        put(&mut from, number(sent, size)).await.expect("a reader makes room");
        flush(&mut from).await.expect("the peer is there");
    };
    join(receive, go_on).await;
    assert_eq!(from.unwritten(), 0, "what was received is not unwritten");
}

/// Bounds at which every check is quick.
fn small() -> Limits {
    let mut limits = Limits::default();
    limits.max_frame = 16 * 1024;
    limits.write_buffer = 32 * 1024;
    limits
}

fn text(size: usize, n: u8) -> Bytes {
    vec![b'a' + n % 26; size].into()
}

fn number(n: usize, size: usize) -> Bytes {
    format!("{n:0size$}").into()
}

fn closed(code: CloseCode, reason: &str) -> Received {
    Received::Closed { code: Some(code), reason: reason.to_owned() }
}

fn is_lost(received: &Received) -> bool {
    matches!(received, Received::Lost(_))
}

async fn put(to: &mut impl Transport, message: Bytes) -> Result<(), Lost> {
    poll_fn(|cx| to.poll_ready(cx)).await?;
    to.start_send(&message)
}

async fn flush(transport: &mut impl Transport) -> Result<(), Lost> {
    poll_fn(|cx| transport.poll_flush(cx)).await
}

async fn nothing_is_received(transport: &mut impl Transport) {
    let received = poll_immediate(pin!(poll_fn(|cx| transport.poll_recv(cx)))).await;
    assert_eq!(received, None, "nothing was sent, nothing is received");
}

/// An event with so many bytes of text.
fn event(size: usize) -> Arc<Publication> {
    let id = "00000000000000000000000000000001".parse().map(MessageId);
    let head = Head::new("said.text".into(), id.expect("a UUID"), 7);
    let event = EncodedEvent::new("said", &Said("x".repeat(size)));
    let publication = Publication::new(head, &event.expect("a text can be encoded"));
    Arc::new(publication.expect("a plain header"))
}

struct Said(String);

impl EventSet for Said {
    const SPECS: &'static [EventSpec] = &[];

    fn kind(&self) -> &'static str {
        "text"
    }

    fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
        Raw::encode(format, &self.0)
    }

    fn decode(_: &str, payload: &Raw) -> Result<Self, DecodeError> {
        payload.decode().map(Self)
    }
}
