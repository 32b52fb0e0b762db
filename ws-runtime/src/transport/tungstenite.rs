//! WebSocket over any byte stream, by tokio-tungstenite (`docs/protocol.md`, sections 1 and 12).
//!
//! Nothing of that crate shows in a signature. It reads fragments, long messages and the frames of
//! control, answers pings and closes, and judges what is wrong. A server's `wire` reads the messages
//! that are plain, as nearly all are, and data frames are written by it.

use super::{Lost, Received, Transport, bell::Bell, closing_words, wire::Wire};
use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::{
    fmt, hash::BuildHasher, hash::RandomState, io, pin::Pin, task::Context, task::Poll, task::ready,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode as Code},
    },
};
use ws_proto::{Batch, CloseCode, Format, Limits};

/// Bytes that the codec asks for at once, and of its buffer while no message is longer: the wire
/// reads ahead, in memory that all connections share.
const READ_BUFFER: usize = 512;
/// The memory of messages longer than this is given back when they are worked on.
const LARGE: usize = 4 * 1024;

/// A WebSocket connection after the upgrade.
///
/// Text frames carry JSON and binary frames MessagePack. A message is never compressed. Fragments
/// are put together up to `limits.max_frame`; endless fragments without content are
/// [`Received::Malformed`].
pub struct WebSocket<S> {
    frames: WebSocketStream<Wire<S>>,
    format: Format,
    masks: Option<Masks>,
    end: Option<End>,
    /// The last large message, while the codec still has a part of its memory: as long as it is
    /// held, the codec cannot take all of it for what comes next, and goes back to a small buffer.
    last: Bytes,
    closing: Closing,
    bell: Bell,
    /// The codec may have an answer of its own to write: a pong, or a goodbye.
    may_answer: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> WebSocket<S> {
    /// The server's end of an upgraded stream. On TCP the caller sets `TCP_NODELAY`: batches are
    /// made here.
    pub async fn server(stream: S, format: Format, limits: &Limits) -> Self {
        Self::begun(stream, (&Bytes::new(), &[]), format, limits).await
    }

    /// The same for a stream of which somebody has read this much, and on which this is still to
    /// be written.
    pub(super) async fn begun(
        stream: S,
        (read, unsaid): (&Bytes, &[u8]),
        format: Format,
        limits: &Limits,
    ) -> Self {
        let mut wire = Wire::begun(stream, read, limits);
        if !unsaid.is_empty() {
            wire.put_frames(unsaid);
        }
        let config = Some(config(limits));
        let frames = WebSocketStream::from_raw_socket(wire, Role::Server, config).await;
        Self::made(frames, format, None)
    }

    /// The client's end of an upgraded stream. On TCP the caller sets `TCP_NODELAY`.
    pub async fn client(stream: S, format: Format, limits: &Limits) -> Self {
        let wire = Wire::new(stream, limits);
        let config = Some(config(limits));
        let frames = WebSocketStream::from_raw_socket(wire, Role::Client, config).await;
        Self::upgraded(frames, format)
    }

    pub(super) fn upgraded(mut frames: WebSocketStream<Wire<S>>, format: Format) -> Self {
        frames.get_mut().heard();
        Self::made(frames, format, Some(Masks::default()))
    }

    fn made(frames: WebSocketStream<Wire<S>>, format: Format, masks: Option<Masks>) -> Self {
        Self {
            // What its upgrade may have left in a client's codec leaves with the first flush.
            may_answer: masks.is_some(),
            frames,
            format,
            masks,
            end: None,
            last: Bytes::new(),
            closing: Closing::NotYet,
            bell: Bell::new(),
        }
    }

    fn ended(&mut self, end: End, received: Received) -> Received {
        self.end = Some(end);
        received
    }

    fn message(&mut self, message: Message) -> Received {
        match (message, self.format) {
            (Message::Text(text), Format::Json) => Received::Message(text.into()),
            (Message::Binary(bytes), Format::MessagePack) => Received::Message(bytes),
            (Message::Text(_) | Message::Binary(_) | Message::Frame(_), _) => Received::WrongKind,
            (Message::Ping(_) | Message::Pong(_), _) => Received::Activity,
            (Message::Close(frame), _) => {
                let code = frame.as_ref().map(|frame| CloseCode(frame.code.into()));
                let reason = frame.map_or_else(String::new, |frame| frame.reason.to_string());
                self.ended(End::Closed, Received::Closed { code, reason })
            }
        }
    }

    fn failed(&mut self, error: &Error) -> Received {
        let (code, what) = match error {
            _ if self.frames.get_ref().is_flooded() => {
                (Code::Protocol, "a message in endless fragments".to_owned())
            }
            Error::Capacity(_) => return self.ended(End::Fault(Code::Size), Received::TooLarge),
            Error::Utf8(_) => (Code::Invalid, "a text that is not UTF-8".to_owned()),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                return self.ended(End::Lost, Received::Lost("closed without a goodbye".into()));
            }
            Error::Protocol(what) => (Code::Protocol, what.to_string()),
            other => return self.ended(End::Lost, Received::Lost(other.to_string())),
        };
        let received = Received::Malformed { code: CloseCode(code.into()), what };
        self.ended(End::Fault(code), received)
    }

    fn sendable(&self) -> Result<(), Lost> {
        match (self.closing, &self.end) {
            // The peer may not be understood, but it can still be told.
            (Closing::NotYet, None | Some(End::Fault(_))) => Ok(()),
            (Closing::NotYet, Some(End::Closed | End::Lost)) => {
                Err(Lost("the connection has ended".into()))
            }
            _ => Err(Lost("this end has closed".into())),
        }
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.frames.get_mut().rest();
        // The first moves what the codec holds into the wire, and is content too early when the
        // peer has closed; the second makes sure.
        let codec = if self.may_answer { ready!(self.poll_answers(cx)) } else { Ok(()) };
        let wire = ready!(self.frames.get_mut().poll_drain(cx));
        Poll::Ready(codec.and(wire.map_err(gone)))
    }

    #[cold]
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let flushed = ready!(Pin::new(&mut self.frames).poll_flush(cx));
        self.may_answer = false;
        Poll::Ready(flushed.map_err(|error| Lost(error.to_string())))
    }

    fn say_goodbye(&mut self, cx: &mut Context<'_>, close: Option<(CloseCode, &str)>) {
        let given = closing_words(close).map(|(code, reason)| (Code::from(code.0), reason));
        let words = match &self.end {
            Some(End::Fault(Code::Size)) => given.or(Some((Code::Size, ""))),
            Some(End::Fault(code)) => Some((*code, given.map_or("", |(_, reason)| reason))),
            Some(End::Closed | End::Lost) | None => given,
        };
        let frame = words.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
        self.may_answer = true;
        // A refusal means that the codec has said goodbye already, as an answer.
        let _ = Pin::new(&mut self.frames).poll_ready(cx);
        let _ = Pin::new(&mut self.frames).start_send(Message::Close(frame));
    }

    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Per call, so that a peer that never stops sending does not hold the thread.
        const DROPPED: usize = 64;
        if matches!(self.end, Some(End::Fault(_))) {
            if ready!(Pin::new(self.frames.get_mut()).poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            return self.frames.get_mut().poll_discard(cx);
        }
        for _ in 0..DROPPED {
            match ready!(Pin::new(&mut self.frames).poll_next(cx)) {
                Some(Ok(_)) => self.frames.get_mut().heard(),
                Some(Err(_)) | None => return self.poll_shut(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // There is nobody to tell that it failed.
        Pin::new(self.frames.get_mut()).poll_shutdown(cx).map(drop)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for WebSocket<S> {
    fn format(&self) -> Format {
        self.format
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if self.end.is_some() {
            return Poll::Ready(Received::Lost("the connection has ended".into()));
        }
        // What was read already is there whether more comes or not.
        if let Some(message) = self.frames.get_mut().plain(self.format) {
            return Poll::Ready(Received::Message(message));
        }
        let next = match self.bell.answer(cx) {
            None => Poll::Pending,
            Some(waker) => {
                let cx = &mut Context::from_waker(&waker);
                let next = match self.frames.get_mut().poll_plain(cx, self.format) {
                    Poll::Ready(Ok(Some(message))) => {
                        return Poll::Ready(Received::Message(message));
                    }
                    Poll::Ready(Ok(None)) => Pin::new(&mut self.frames).poll_next(cx),
                    Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error.into()))),
                    Poll::Pending => Poll::Pending,
                };
                if next.is_pending() {
                    self.bell.set();
                }
                next
            }
        };
        if next.is_pending() && self.last.is_unique() {
            self.last = Bytes::new();
        }
        let received = match ready!(next) {
            Some(Ok(message)) => self.message(message),
            Some(Err(error)) => self.failed(&error),
            None => self.ended(End::Lost, Received::Lost("the stream has ended".into())),
        };
        self.may_answer |= !matches!(received, Received::Message(_));
        self.frames.get_mut().heard();
        if let Received::Message(message) = &received
            && message.len() > LARGE
        {
            self.last = message.clone();
        }
        Poll::Ready(received)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.sendable()?;
        self.frames.get_mut().poll_room(cx).map_err(gone)
    }

    fn start_send(&mut self, message: &[u8]) -> Result<(), Lost> {
        self.sendable()?;
        let mask = self.masks.as_mut().map(Masks::next);
        self.frames.get_mut().put(self.format, message, mask);
        Ok(())
    }

    fn start_send_batch(&mut self, batch: &Batch) -> Result<(), Lost> {
        if self.masks.is_some() {
            let mut events = batch.events().iter();
            return events.try_for_each(|event| self.start_send(event.bytes(self.format)));
        }
        self.sendable()?;
        self.frames.get_mut().share_frames(batch.frames(self.format));
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        if matches!(self.end, Some(End::Lost)) {
            return Poll::Ready(Err(Lost("the connection has ended".into())));
        }
        self.poll_flushed(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, close: Option<(CloseCode, &str)>) -> Poll<()> {
        loop {
            match self.closing {
                Closing::NotYet if matches!(self.end, Some(End::Lost)) => {
                    self.closing = Closing::Done;
                }
                Closing::NotYet => {
                    self.say_goodbye(cx, close);
                    self.closing = Closing::Said;
                }
                Closing::Said => match ready!(self.poll_flushed(cx)) {
                    Ok(()) => self.closing = Closing::Waiting,
                    Err(_) => self.closing = Closing::Done,
                },
                Closing::Waiting => {
                    ready!(self.poll_farewell(cx));
                    self.closing = Closing::Done;
                }
                Closing::Done => return Poll::Ready(()),
            }
        }
    }

    fn unwritten(&self) -> usize {
        self.frames.get_ref().queued()
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The buffers hold what must not be shown.
        f.debug_struct("WebSocket").field("format", &self.format).finish_non_exhaustive()
    }
}

/// Why nothing more is received.
enum End {
    /// The peer said goodbye; the codec holds the answer.
    Closed,
    Lost,
    /// The frames make no sense any more; this is the code to answer.
    Fault(Code),
}

/// How far this end is with its goodbye.
#[derive(Clone, Copy)]
enum Closing {
    NotYet,
    /// The close frame is queued.
    Said,
    /// The close frame is written.
    Waiting,
    Done,
}

/// Frame masks that nobody outside can foretell (RFC 6455, section 10.3): a keyed hash of a count,
/// the key from the operating system.
#[derive(Default)]
struct Masks {
    key: RandomState,
    count: u64,
}

impl Masks {
    fn next(&mut self) -> [u8; 4] {
        self.count += 1;
        let [a, b, c, d, ..] = self.key.hash_one(self.count).to_ne_bytes();
        [a, b, c, d]
    }
}

/// Every bound is set here; the codec's own defaults are 128 KiB of buffers for each connection,
/// 64 MiB of message, and no bound on what waits to be written.
pub(super) fn config(limits: &Limits) -> WebSocketConfig {
    // The codec buffers only its own pongs and close frames, and hands them to the wire at once.
    const OWN_FRAMES: usize = 4 * 1024;
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(OWN_FRAMES)
        .max_message_size(Some(limits.max_frame))
        .max_frame_size(Some(limits.max_frame))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn gone(error: io::Error) -> Lost {
    Lost(error.to_string())
}
