//! The bytes below the WebSocket codec: what waits to be written, and how much may be read for
//! nothing.

use super::{
    ahead::Ahead,
    plain::{self, FrameHead, MASK},
};
use bytes::{Buf, Bytes, BytesMut};
use std::{
    cell::Cell,
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ws_proto::{FRAME_HEAD, Format, Limits, write_frame_head};

// Messages that are read together share memory of this many bytes, and so may those that other
// connections of the thread read next: whoever keeps one of them keeps no more than that.
const BLOCK: usize = 4 * 1024;
// A queue that was larger is given back to the allocator.
const SPARE: usize = 64 * 1024;

thread_local! {
    // An empty queue keeps no memory: what the connection before had is used again, and is still
    // in the processor's cache.
    static SPARE_QUEUE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    // The memory of the messages before, for nearly all are worked on when they were read.
    static SPARE_BLOCK: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// A byte stream with an out-queue.
///
/// Data frames are written into the queue by [`Wire::put`], past the codec, which would copy each
/// one once more and hides how much it holds. The codec's own frames (pongs, close) come in through
/// `poll_write`, each time all of them or none, so that frames never mix.
pub(super) struct Wire<S> {
    stream: S,
    ahead: Ahead,
    out: Vec<u8>,
    // The bytes of `out` before this are written.
    written: usize,
    // Whole frames that other connections are sent, too, written from where they are: there are
    // some only while `out` is empty, and what the stream does not take at once moves there.
    shared: Bytes,
    high: usize,
    fruitless: usize,
    patience: usize,
    // Bytes of the frame under way that the codec has still to read, if all before it were counted:
    // what follows them need not be the codec's. `None` when all that comes is.
    codec: Option<usize>,
    // The codec holds fragments of a message.
    is_open: bool,
    // Memory for the messages that follow. It holds none.
    block: BytesMut,
    longest: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// The stream of a client, whose codec has read what came with the answer to the upgrade.
    pub(super) fn new(stream: S, limits: &Limits) -> Self {
        Self { codec: None, ..Self::begun(stream, &Bytes::new(), limits) }
    }

    /// The stream of a server, of which somebody has read this much and the codec nothing.
    pub(super) fn begun(stream: S, read: &Bytes, limits: &Limits) -> Self {
        Self {
            stream,
            ahead: Ahead::new(read),
            out: Vec::new(),
            written: 0,
            shared: Bytes::new(),
            high: limits.write_buffer,
            fruitless: 0,
            // One message in honest fragments and the codec's read-ahead fit twice; the answer to
            // a client's upgrade (at most 64 KiB) fits too.
            patience: limits.max_frame.saturating_mul(2).saturating_add(64 * 1024),
            codec: Some(0),
            is_open: false,
            block: BytesMut::new(),
            longest: limits.max_frame,
        }
    }

    /// Bytes that wait to be written.
    pub(super) fn queued(&self) -> usize {
        self.out.len() - self.written + self.shared.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.queued() < self.high
    }

    /// Something came of the bytes that were read.
    pub(super) fn heard(&mut self) {
        self.fruitless = 0;
    }

    /// More was read than one message can need, and no message came of it: fragments for ever.
    pub(super) fn is_flooded(&self) -> bool {
        self.fruitless > self.patience
    }

    /// Queues one data frame (RFC 6455, section 5.2).
    pub(super) fn put(&mut self, format: Format, payload: &[u8], mask: Option<[u8; 4]>) {
        self.make_room(payload.len() + FRAME_HEAD + MASK);
        write_frame_head(format, payload.len(), mask.is_some(), &mut self.out);
        let Some(mask) = mask else { return self.out.extend_from_slice(payload) };
        self.out.extend_from_slice(&mask);
        let begin = self.out.len();
        self.out.extend_from_slice(payload);
        plain::mask(&mut self.out[begin..], mask);
    }

    /// The next message, where all of it was read and it needs no codec.
    pub(super) fn plain(&mut self, format: Format) -> Option<Bytes> {
        if self.codec != Some(0) || self.is_open {
            return None;
        }
        let unread = self.ahead.unread();
        let (begin, end, mask) = FrameHead::read(unread)?.plain(format, unread)?;
        let body = &unread[begin..end];
        if body.len() > self.longest {
            return None;
        }
        if self.block.capacity() < body.len() {
            self.block = block_for(body.len());
        }
        self.block.extend_from_slice(body);
        let is_ascii = plain::mask(&mut self.block, mask);
        if format == Format::Json && !is_ascii && std::str::from_utf8(&self.block).is_err() {
            self.block.clear();
            return None;
        }
        self.ahead.taken(end);
        self.fruitless = 0;
        Some(self.block.split().freeze())
    }

    /// The same, when more is read; `None` where the codec has to say what comes.
    pub(super) fn poll_plain(
        &mut self,
        cx: &mut Context<'_>,
        format: Format,
    ) -> Poll<io::Result<Option<Bytes>>> {
        if self.codec != Some(0) || self.is_open {
            return Poll::Ready(Ok(None));
        }
        if ready!(self.poll_head(cx))?.is_none() {
            // The end of the stream is for the codec to see, which reads once more.
            self.codec = None;
        }
        Poll::Ready(Ok(self.plain(format)))
    }

    /// Gives back memory until more is read: what was read is worked on.
    pub(super) fn rest(&mut self) {
        self.ahead.settle();
        let block = mem::take(&mut self.block);
        if (1..=BLOCK).contains(&block.capacity()) {
            // A thread that ends has no use for it.
            let _ = SPARE_BLOCK.try_with(|spare| spare.set(block));
        }
    }

    /// Queues whole unmasked frames.
    pub(super) fn put_frames(&mut self, frames: &[u8]) {
        self.make_room(frames.len());
        self.out.extend_from_slice(frames);
    }

    /// Queues whole unmasked frames that are shared with other connections.
    pub(super) fn share_frames(&mut self, frames: &Bytes) {
        if self.queued() > 0 {
            return self.put_frames(frames);
        }
        self.shared = frames.clone();
    }

    /// Writes the queue out.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let drained = self.poll_write_queue(cx);
        self.forget_written();
        ready!(drained)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ready when there is room for one more message.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_room() {
            return Poll::Ready(Ok(()));
        }
        let drained = self.poll_drain(cx)?;
        if self.has_room() { Poll::Ready(Ok(())) } else { drained.map(Ok) }
    }

    /// Reads and drops what still comes, so that closing does not destroy what was sent. Ready at
    /// the end of the stream.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        for _ in 0..16 {
            let mut buf = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    // The head of the frame that comes next, which stays unread; `None` at the end of the stream.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<FrameHead>>> {
        loop {
            let unread = self.ahead.unread();
            if let Some(head) = FrameHead::read(unread) {
                return Poll::Ready(Ok(Some(head)));
            }
            let before = unread.len();
            ready!(self.ahead.poll_fill(&mut self.stream, cx))?;
            if self.ahead.unread().len() == before {
                return Poll::Ready(Ok(None));
            }
        }
    }

    // How many bytes the codec may read now: those of one frame at a time.
    fn poll_codec(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.codec == Some(0) {
            let head = ready!(self.poll_head(cx))?;
            self.is_open = head.is_some_and(|head| head.leaves_open(self.is_open));
            self.codec = head.and_then(|head| head.end());
        }
        Poll::Ready(Ok(self.codec.unwrap_or(usize::MAX)))
    }

    fn poll_write_queue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shared.is_empty() {
            let polled = Pin::new(&mut self.stream).poll_write(cx, &self.shared);
            let count = if let Poll::Ready(Ok(count)) = polled { count } else { 0 };
            self.shared.advance(count);
            // A peer that reads slowly keeps nothing that others are done with.
            self.unshare();
            if ready!(polled)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        while self.queued() > 0 {
            let unwritten = &self.out[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, unwritten))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        Poll::Ready(Ok(()))
    }

    // Also after half a write: a peer that reads slowly must not leave a growing tail behind.
    fn forget_written(&mut self) {
        if self.queued() > 0 {
            // Moved once per `high` bytes at most, so the queue's memory is twice its bound.
            if self.written >= self.high {
                self.out.drain(..self.written);
                self.written = 0;
            }
            return;
        }
        self.written = 0;
        self.out.clear();
        let spare = mem::take(&mut self.out);
        if (1..=SPARE).contains(&spare.capacity()) {
            // A thread that ends has no use for it.
            let _ = SPARE_QUEUE.try_with(|kept| kept.set(spare));
        }
    }

    fn unshare(&mut self) {
        if !self.shared.is_empty() {
            let shared = mem::take(&mut self.shared);
            self.put_frames(&shared);
        }
    }

    fn make_room(&mut self, bytes: usize) {
        self.unshare();
        if self.out.capacity() == 0 {
            self.out = SPARE_QUEUE.try_with(Cell::take).unwrap_or_default();
        }
        self.out.reserve(bytes);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_flooded() {
            return Poll::Ready(Err(io::Error::other("a message in endless fragments")));
        }
        let before = buf.filled().len();
        let most = ready!(self.poll_codec(cx))?;
        let Self { stream, ahead, .. } = &mut *self;
        ready!(ahead.poll_read(stream, cx, buf, most))?;
        let count = buf.filled().len() - before;
        self.codec = self.codec.map(|left| left - count);
        self.fruitless += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        frames: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        self.put_frames(frames);
        Poll::Ready(Ok(frames.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

// Room for so many bytes.
fn block_for(bytes: usize) -> BytesMut {
    if bytes > BLOCK {
        return BytesMut::with_capacity(bytes);
    }
    let mut block = SPARE_BLOCK.try_with(Cell::take).unwrap_or_default();
    // From its start again, if nobody keeps any of it: a processor has that still at hand.
    if block.try_reclaim(BLOCK) || block.capacity() >= bytes {
        return block;
    }
    BytesMut::with_capacity(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::{AsyncReadExt, duplex};

    #[tokio::test]
    async fn shared_frames_leave_in_their_place_and_are_let_go_of_when_the_stream_is_full() {
        let mut cx = Context::from_waker(Waker::noop());
        let limits = Limits::default();
        for before in [&b""[..], b"before"] {
            let (near, mut far) = duplex(10);
            let mut wire = Wire::new(near, &limits);
            let shared = Bytes::from(b"shared by many".to_vec());
            wire.put_frames(before);
            wire.share_frames(&shared);
            assert_eq!(wire.queued(), before.len() + shared.len());
            assert!(wire.poll_drain(&mut cx).is_pending());
            assert!(shared.is_unique(), "the peer reads slowly");
            assert_eq!(wire.queued(), before.len() + shared.len() - 10);
            wire.put_frames(b"after");
            let expected = [before, &shared, b"after"].concat();
            let mut read = vec![0; expected.len()];
            let reading = far.read_exact(&mut read);
            let writing = std::future::poll_fn(|cx| wire.poll_drain(cx));
            let (written, _) = tokio::join!(writing, reading);
            written.unwrap();
            assert_eq!((read, wire.queued()), (expected, 0));
        }
    }

    #[tokio::test]
    async fn a_frame_behind_shared_ones_waits_for_them() {
        let (near, mut far) = duplex(100);
        let mut wire = Wire::new(near, &Limits::default());
        let shared = Bytes::from(b"shared".to_vec());
        wire.share_frames(&shared);
        wire.share_frames(&shared);
        wire.put_frames(b"own");
        assert_eq!(wire.queued(), 15);
        std::future::poll_fn(|cx| wire.poll_drain(cx)).await.unwrap();
        let mut read = [0; 15];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"sharedsharedown");
        assert!(shared.is_unique());
    }

    #[test]
    fn a_message_leaves_its_memory_to_the_next_unless_somebody_keeps_it() {
        let read = |said: &[u8]| {
            let frame = [&[0x81, 0x83, 0, 0, 0, 0], said].concat();
            let (stream, _) = duplex(1);
            let mut wire = Wire::begun(stream, &Bytes::from(frame), &Limits::default());
            let message = wire.plain(Format::Json).unwrap();
            wire.rest();
            message
        };
        let kept = read(b"one");
        let place = kept.as_ptr();
        let next = read(b"two");
        assert_eq!((&*kept, &*next), (&b"one"[..], &b"two"[..]));
        drop((kept, next));
        assert_eq!(read(b"six").as_ptr(), place);
    }
}
